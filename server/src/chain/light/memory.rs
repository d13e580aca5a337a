//! What was read and checked once: transactions, and in which block they are.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::{BlockHash, ScriptBuf, Transaction, Txid};

/// At some hundred bytes each a few MB; then everything is read anew.
const KEPT_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    transactions: HashMap<Txid, Transaction>,
    /// The position in the block.
    places: HashMap<(Txid, BlockHash), u32>,
    /// Scripts whose history was refused, and the height at which it was asked for.
    refused: HashMap<ScriptBuf, u32>,
}

impl Memory {
    pub fn transaction(&self, txid: &Txid) -> Option<Transaction> {
        self.lock().transactions.get(txid).cloned()
    }

    pub fn keep(&self, txid: Txid, transaction: &Transaction) {
        let mut kept = self.lock();
        if kept.transactions.len() >= KEPT_MAX {
            kept.transactions.clear();
        }
        kept.transactions.insert(txid, transaction.clone());
    }

    pub fn place(&self, txid: Txid, block: BlockHash) -> Option<u32> {
        self.lock().places.get(&(txid, block)).copied()
    }

    pub fn keep_place(&self, txid: Txid, block: BlockHash, position: u32) {
        let mut kept = self.lock();
        if kept.places.len() >= KEPT_MAX {
            kept.places.clear();
        }
        kept.places.insert((txid, block), position);
    }

    /// Whether this history was refused when the chain had this height.
    pub fn is_refused(&self, script: &ScriptBuf, height: u32) -> bool {
        self.lock().refused.get(script) == Some(&height)
    }

    /// True if that is news.
    pub fn keep_refused(&self, script: ScriptBuf, height: u32) -> bool {
        let mut kept = self.lock();
        if kept.refused.len() >= KEPT_MAX {
            kept.refused.clear();
        }
        kept.refused.insert(script, height).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
