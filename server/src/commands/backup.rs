//! `trine backup FOLDER`: one consistent copy of everything the desk knows, while it runs.
//!
//! The copy becomes visible under its name only when it is whole and on the disk; older ones beyond a number go.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;

use super::desk;
use super::manifest::{DUMP, MANIFEST, Manifest, digest};
use super::programs::{self, Place};
use crate::desk::acts::Hand;
use crate::desk::{Desk, admin};
use crate::settings::Settings;
use crate::store::{desk_state, restores};

/// Begins the name of a copy that is being written.
const PARTIAL: &str = ".partial-";
/// Begins the name of every copy.
const NAME: &str = "trine-";

/// Makes a backup below `folder` and keeps the newest `keep` of them. What was done, in words.
pub fn run(file: Option<&Path>, folder: &Path, keep: usize) -> anyhow::Result<String> {
    ensure!(keep > 0, "at least one backup has to be kept");
    let settings = desk::settings(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let desk = desk::open(&settings)?;
        let made = make(&settings, &desk, folder).await?;
        let gone = sweep(folder, keep)?;
        let size = mebibytes(made.manifest.dump_bytes);
        admin::note_backup(Hand::from(&desk), &made.name, &size).await.map_err(desk::in_words)?;
        let trades: i64 = made.manifest.trades.values().sum();
        let mut words = format!(
            "{}\n  {trades} trades, {} tables, {size}, SHA-256 {}\n  {}\n",
            folder.join(&made.name).display(),
            made.manifest.tables.len(),
            made.manifest.dump_sha256,
            made.manifest.left_out
        );
        if gone > 0 {
            words.push_str(&format!("  {gone} older ones are gone; the newest {keep} are kept.\n"));
        }
        Ok(words)
    })
}

struct Made {
    name: String,
    manifest: Manifest,
}

async fn make(settings: &Settings, desk: &Desk, folder: &Path) -> anyhow::Result<Made> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let place = Place::of(settings.database.url.expose_secret())?;
    let mut client = desk.store.connection().await?;
    // What pg_dump writes and what the manifest counts are the same moment.
    let snapshot = client.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let tx = snapshot.read_only(true).start().await?;
    let name = restores::export_snapshot(&tx).await?;
    let about = restores::about(&tx).await?;
    let network = settings.chain.network.to_string();
    ensure!(
        about.network.as_deref() == Some(network.as_str()),
        "the database belongs to the network {:?}, the settings say {network}",
        about.network
    );
    // Named with the wrong version, a copy could not be restored with the right one.
    ensure!(
        desk_state::data_key_mark(&tx).await?.is_none_or(|kept| kept == desk.secrets.data_key_mark()),
        "secrets.data_key or secrets.data_key_version is not the one that this desk's database was made with; bring back \
         the key and the version of then"
    );
    let mut manifest = Manifest::new(settings.desk_host(), &network, about.at);
    let named = format!("{NAME}{}-{}", settings.desk_host().replace(':', "-"), stamp(about.at));
    let (partial, whole) = (folder.join(format!("{PARTIAL}{named}")), folder.join(&named));
    ensure!(!whole.exists(), "{} is there already", whole.display());
    remove_folder(&partial)?;
    fs::create_dir(&partial)?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o700))?;
    let dump = partial.join(DUMP);
    let (snapshot, file) = (format!("--snapshot={name}"), format!("--file={}", dump.display()));
    let arguments = ["--format=custom", "--no-owner", "--no-privileges", "--no-password", &snapshot, &file];
    programs::run("pg_dump", &place, &arguments).inspect_err(|_| {
        let _ = remove_folder(&partial);
    })?;
    manifest.tables = restores::counts(&tx).await?.into_iter().collect();
    tx.commit().await?;
    // A dump whose list of contents cannot be read is none.
    programs::run("pg_restore", &place, &["--list", &dump.display().to_string()])?;
    fs::set_permissions(&dump, fs::Permissions::from_mode(0o600))?;
    (manifest.dump_bytes, manifest.dump_sha256) = digest(&dump)?;
    (manifest.schema, manifest.postgresql, manifest.chain_height) = (about.schema, about.server, about.height);
    manifest.trades = about.stages.into_iter().collect();
    manifest.data_key_version = settings.secrets.data_key_version;
    fs::write(partial.join(MANIFEST), serde_json::to_string_pretty(&manifest)? + "\n")?;
    for kept in [&dump, &partial.join(MANIFEST), &partial] {
        File::open(kept)?.sync_all()?;
    }
    fs::rename(&partial, &whole)?;
    File::open(folder)?.sync_all()?;
    Ok(Made { name: named, manifest })
}

/// Sorts by time, and can be a file's name anywhere.
fn stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S%3fZ").to_string()
}

/// The copies below a folder, the oldest first.
pub fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder)?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(NAME))
        .map(|entry| entry.path())
        .filter(|path| path.join(MANIFEST).is_file())
        .collect();
    // The names end with their time.
    all.sort_by_key(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.rsplit('-').next().map(str::to_owned)
    });
    Ok(all)
}

/// Removes what is beyond the number to keep, and what a killed backup left behind.
fn sweep(folder: &Path, keep: usize) -> anyhow::Result<usize> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&format!("{PARTIAL}{NAME}")) {
            remove_folder(&entry.path())?;
        }
    }
    let all = list(folder)?;
    let beyond = all.len().saturating_sub(keep);
    for old in all.iter().take(beyond) {
        remove_folder(old)?;
    }
    Ok(beyond)
}

fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

fn mebibytes(bytes: u64) -> String {
    if bytes < 1 << 20 {
        format!("{} KiB", bytes.div_ceil(1 << 10))
    } else {
        format!("{} MiB", bytes.div_ceil(1 << 20))
    }
}
