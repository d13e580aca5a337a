//! The practice chain's file: only ever longer, one process at a time, and a tail torn by a crash is cut.
//!
//! Eight bytes of name, then records: length (4 bytes, little-endian), checksum (the first 4 bytes of the double
//! SHA-256 of the body), body.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bitcoin::hashes::{Hash, sha256d};

use crate::chain::ChainError;

const NAME: &[u8; 8] = b"TRINEPC1";
/// A block has at most 4 MB; anything longer was never written here.
const RECORD_BYTES_MAX: usize = 4_200_000;

#[derive(Debug)]
pub struct Journal {
    file: File,
    /// Everything before this byte is whole.
    end: u64,
}

impl Drop for Journal {
    /// Lets go of the file at once: a child that is being started elsewhere has it open until it becomes another program.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl Journal {
    /// Opens or makes the file, locks it, cuts a torn tail (kept beside it), and returns the bodies in order.
    pub fn open(path: &Path) -> Result<(Self, Vec<Vec<u8>>), ChainError> {
        let failed = |error: io::Error| ChainError::confused(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = format!("{} is in use by another process", path.display());
                return Err(ChainError::Confused(why));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut journal = Self { file, end: 0 };
        let bodies = journal.load(path).map_err(failed)?;
        Ok((journal, bodies))
    }

    fn load(&mut self, path: &Path) -> io::Result<Vec<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        if bytes.len() < NAME.len() && NAME.starts_with(&bytes) {
            self.file.set_len(0)?;
            self.write(NAME)?;
            self.file.sync_all()?;
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                File::open(folder)?.sync_all()?;
            }
            return Ok(Vec::new());
        }
        let Some(mut rest) = bytes.strip_prefix(NAME) else {
            return Err(io::Error::other("this is not a practice chain"));
        };
        let mut bodies = Vec::new();
        while let Some((body, after)) = next_record(rest) {
            bodies.push(body.to_vec());
            rest = after;
        }
        let whole = bytes.len().saturating_sub(rest.len());
        self.end = u64::try_from(whole).map_err(io::Error::other)?;
        if !rest.is_empty() {
            tracing::warn!(bytes = rest.len(), at = whole, "the practice chain's file was torn; the tail is cut");
            std::fs::write(tail_path(path, whole), rest)?;
            self.file.set_len(self.end)?;
            self.file.sync_all()?;
        }
        Ok(bodies)
    }

    /// Writes one record; on an error nothing was written. It is safe only after `sync`.
    pub fn append(&mut self, body: &[u8]) -> Result<(), ChainError> {
        let mut bytes = u32::try_from(body.len()).map_err(ChainError::confused)?.to_le_bytes().to_vec();
        bytes.extend(checksum(body));
        bytes.extend(body);
        self.write(&bytes).map_err(failed)
    }

    /// Waits until everything written is on the disk.
    pub fn sync(&mut self) -> Result<(), ChainError> {
        self.file.sync_data().map_err(failed)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        if let Err(error) = self.file.write_all(bytes) {
            self.file.set_len(self.end)?;
            return Err(error);
        }
        self.end = self.end.saturating_add(u64::try_from(bytes.len()).map_err(io::Error::other)?);
        Ok(())
    }
}

fn failed(error: io::Error) -> ChainError {
    ChainError::confused(format!("the practice chain's file: {error}"))
}

fn tail_path(path: &Path, at: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".torn-{at}"));
    PathBuf::from(name)
}

fn next_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > RECORD_BYTES_MAX {
        return None;
    }
    let (body, after) = rest.split_at_checked(length)?;
    (checksum(body) == *sum).then_some((body, after))
}

fn checksum(body: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256d::Hash::hash(body).to_byte_array();
    [a, b, c, d]
}

#[cfg(test)]
mod tests;
