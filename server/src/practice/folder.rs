//! Where a practice desk keeps what must outlive it: its database, its chain, its secrets, and (apart) its people's.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// Everyone may pass through (PostgreSQL runs as somebody else when we are root), only the owner may look.
const FOLDER_MODE: u32 = 0o711;
const PRIVATE_MODE: u32 = 0o700;
const SECRET_FILE_MODE: u32 = 0o600;

/// The state folder, held: a second supervisor is refused for as long as this lives, however the first one ends.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// `TRINE_STATE`, else /var/lib/trine for root, else the XDG state folder. Never in the clone.
    pub fn open() -> anyhow::Result<Self> {
        let path = chosen()?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(&path)
            .with_context(|| format!("the state folder {} cannot be made", path.display()))?;
        let path = path.canonicalize()?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => bail!(
                "another `trine practice` runs on {}. Stop it first, or set TRINE_STATE to a folder of its own.",
                path.display()
            ),
            Err(fs::TryLockError::Error(e)) => Err(e).with_context(|| format!("{} cannot be locked", path.display())),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// PostgreSQL's folder; PostgreSQL makes it its own.
    pub fn postgres(&self) -> PathBuf {
        self.path.join("postgres")
    }

    /// The partners' own folder: words and passwords that the server never sees.
    pub fn partners(&self) -> anyhow::Result<PathBuf> {
        self.private("partners")
    }

    pub fn server_log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    pub fn partners_log(&self) -> PathBuf {
        self.path.join("partners.log")
    }

    /// The desk's settings file, made at the first start with fresh secrets and kept from then on.
    pub fn settings(&self, database_url: &str, fee_xpub: &str) -> anyhow::Result<PathBuf> {
        let path = self.private("desk")?.join("settings.toml");
        if !path.exists() {
            let chain = self.private("desk")?.join("practice.chain");
            write_secret_file(&path, &settings_text(database_url, &chain, fee_xpub)?)?;
        }
        Ok(path)
    }

    fn private(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        fs::DirBuilder::new().recursive(true).mode(PRIVATE_MODE).create(&path)?;
        Ok(path)
    }
}

/// Whole or not at all: written beside, then renamed.
pub fn write_secret_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::options().create(true).truncate(true).write(true).mode(SECRET_FILE_MODE).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    Ok(())
}

fn chosen() -> anyhow::Result<PathBuf> {
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = named("TRINE_STATE") {
        return Ok(std::path::absolute(path)?);
    }
    if rustix::process::geteuid().is_root() {
        return Ok("/var/lib/trine".into());
    }
    let state = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")));
    Ok(state.context("neither HOME nor XDG_STATE_HOME is set. Set TRINE_STATE to a folder.")?.join("trine"))
}

fn settings_text(database_url: &str, chain: &Path, fee_xpub: &str) -> anyhow::Result<String> {
    let (session, data) = (random_hex()?, random_hex()?);
    Ok(format!(
        "# The settings of this practice desk, made at its first start. `trine settings print` explains them all.\n\
         [server]\nregistration = \"open\"\n\n\
         [database]\nurl = {database_url:?}\n\n\
         [chain]\nnetwork = \"regtest\"\nbackend = \"practice\"\nfile = {chain:?}\nbeat_seconds = 5\n\n\
         [fees]\ndesk_fee_buyer_bp = 50\ndesk_fee_xpub = {fee_xpub:?}\n\n\
         [windows]\nrate_max_age_minutes = 525600\n\n\
         [secrets]\nsession_key = \"{session}\"\ndata_key = \"{data}\"\n"
    ))
}

fn random_hex() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("no randomness: {e}"))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::settings::Settings;

    #[test]
    fn practice_settings_are_good_settings_and_nobody_else_can_read_them() {
        let folder = std::env::temp_dir().join(format!("trine-folder-{}", uuid::Uuid::new_v4().simple()));
        let account = bitcoin::bip32::Xpriv::new_master(bitcoin::NetworkKind::Test, &[7; 32]).unwrap();
        let account = bitcoin::bip32::Xpub::from_priv(&bitcoin::secp256k1::Secp256k1::new(), &account).to_string();
        let place = "postgresql:///trine?user=trine&host=/x";
        let text = settings_text(place, &folder.join("practice.chain"), &account).unwrap();
        fs::create_dir(&folder).unwrap();
        let path = folder.join("settings.toml");
        write_secret_file(&path, &text).unwrap();
        let settings = Settings::read(Some(&path)).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(settings.problems(), Vec::<String>::new());
        assert_eq!(mode & 0o777, SECRET_FILE_MODE);
    }
}
