//! What stands beside a backup: from which desk it is, what is in it, and how to tell that it is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of the file beside the dump.
pub const MANIFEST: &str = "manifest.json";
/// The database, in PostgreSQL's custom format.
pub const DUMP: &str = "desk.dump";

/// What is not in a backup, said where somebody will look for it.
pub const LEFT_OUT: &str = "The settings and their two secrets are not in this backup. Without secrets.data_key of the \
version below nobody can read payment details and pictures in it. Keep the settings in another place. No key that could \
move a coin is in it either: the desk has none.";

/// The form of manifests that this program writes and reads.
const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub v: u32,
    /// The desk's name in contracts.
    pub desk: String,
    pub network: String,
    pub made_at: Timestamp,
    /// The program that made it, its newest migration, and the server's version.
    pub program: String,
    pub schema: i64,
    pub postgresql: String,
    pub dump_bytes: u64,
    pub dump_sha256: String,
    /// Rows of each table.
    pub tables: BTreeMap<String, i64>,
    /// Trades by stage.
    pub trades: BTreeMap<String, i64>,
    /// Up to which block the chain was read.
    pub chain_height: Option<i32>,
    pub data_key_version: u8,
    pub left_out: String,
}

impl Manifest {
    pub fn new(desk: &str, network: &str, made_at: Timestamp) -> Self {
        Self {
            v: VERSION,
            desk: desk.to_owned(),
            network: network.to_owned(),
            made_at,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            schema: 0,
            postgresql: String::new(),
            dump_bytes: 0,
            dump_sha256: String::new(),
            tables: BTreeMap::new(),
            trades: BTreeMap::new(),
            chain_height: None,
            data_key_version: 0,
            left_out: LEFT_OUT.to_owned(),
        }
    }
}

/// A backup that was found, and is whole.
#[derive(Debug)]
pub struct Found {
    pub manifest: Manifest,
    pub dump: PathBuf,
}

/// Reads a backup: its folder, or the dump in it. An error says why it is none, or not whole.
pub fn find(path: &Path) -> anyhow::Result<Found> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let text = std::fs::read_to_string(folder.join(MANIFEST))
        .with_context(|| format!("{} is no backup of trine backup: it has no {MANIFEST}", path.display()))?;
    let manifest: Manifest = serde_json::from_str(&text).with_context(|| format!("{MANIFEST} cannot be understood"))?;
    ensure!(manifest.v == VERSION, "this backup is of a newer form (v {}); take a newer Trine", manifest.v);
    let dump = folder.join(DUMP);
    let (bytes, hash) = digest(&dump)?;
    if bytes != manifest.dump_bytes || hash != manifest.dump_sha256 {
        bail!(
            "this backup is damaged: {DUMP} has {bytes} bytes and the SHA-256 {hash}, its manifest says {} and {}. Take \
             an older one",
            manifest.dump_bytes,
            manifest.dump_sha256
        );
    }
    Ok(Found { manifest, dump })
}

/// Length and SHA-256 of a file.
pub fn digest(path: &Path) -> anyhow::Result<(u64, String)> {
    let mut file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0_u64, vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        hasher.update(piece);
        bytes += u64::try_from(read)?;
    }
    Ok((bytes, data_encoding::HEXLOWER.encode(&hasher.finalize())))
}
