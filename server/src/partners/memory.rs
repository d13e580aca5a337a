//! Which place of a key a partner has signed for, so that no key place is ever used for two trades.
//! Written down before the signature leaves.

use std::{cell::RefCell, collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::papers::Paper;
use super::people::Keep;

/// Signatures of contracts by name and N.
#[derive(Debug)]
pub struct Memory {
    signed: RefCell<BTreeMap<String, BTreeMap<u32, Signed>>>,
    file: PathBuf,
    keep: Keep,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Signed {
    trade: String,
    /// Hashes: the first contract, and what has superseded it.
    contracts: Vec<String>,
}

impl Memory {
    pub fn open(file: PathBuf, keep: Keep) -> anyhow::Result<Self> {
        let signed = match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
        };
        Ok(Self { signed: RefCell::new(signed), file, keep })
    }

    /// Remembers that this contract is signed; refused when its place belongs to another trade, or to another contract
    /// of this trade that this one does not supersede.
    pub fn sign(&self, name: &str, paper: &Paper) -> anyhow::Result<()> {
        let (index, trade) = (paper.contract.index, paper.contract.trade.to_string());
        let mut all = self.signed.borrow_mut();
        let mine = all.entry(name.to_owned()).or_default();
        let known = mine.entry(index).or_insert_with(|| Signed { trade: trade.clone(), contracts: Vec::new() });
        ensure!(known.trade == trade, "the key's place {index} was signed for trade {} already", known.trade);
        if known.contracts.contains(&paper.hash) {
            return Ok(());
        }
        let supersedes = paper.contract.supersedes.map(|hash| hash.to_string());
        let follows = known.contracts.is_empty() || supersedes.is_some_and(|hash| known.contracts.contains(&hash));
        ensure!(follows, "another contract was signed for this trade already");
        known.contracts.push(paper.hash.clone());
        let text = serde_json::to_string_pretty(&*all)?;
        (self.keep)(&self.file, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::testing;

    #[test]
    fn a_place_is_signed_for_one_trade_and_read_back() {
        let file = std::env::temp_dir().join(format!("trine-memory-{}.json", uuid::Uuid::new_v4().simple()));
        let open = || Memory::open(file.clone(), |path, text| Ok(fs::write(path, text)?)).unwrap();
        let paper = |trade: &str, hash: &str| {
            let contract = crate::escrow::Contract { trade: trade.parse().unwrap(), ..testing::contract() };
            Paper { contract, hash: hash.into(), psbts: Vec::new() }
        };
        open().sign("miro", &paper("7KQ2M4XN", "aa")).unwrap();
        let memory = open();
        memory.sign("miro", &paper("7KQ2M4XN", "aa")).unwrap();
        memory.sign("lena", &paper("8KQ2M4XN", "aa")).unwrap();
        assert!(memory.sign("miro", &paper("7KQ2M4XN", "bb")).unwrap_err().to_string().contains("another contract"));
        assert!(memory.sign("miro", &paper("8KQ2M4XN", "cc")).unwrap_err().to_string().contains("7KQ2M4XN already"));
        let mut changed = paper("7KQ2M4XN", "dd");
        changed.contract.supersedes = Some("ee".repeat(32).parse().unwrap());
        assert!(memory.sign("miro", &changed).is_err());
        fs::remove_file(&file).unwrap();
    }
}
