//! What was read and checked once: transactions, and in which block they are; and what was told of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::{BlockHash, ScriptBuf, Transaction, Txid};

use crate::chain::Cursor;

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
    /// What was refused, and the height at which it was asked for.
    refused: HashMap<Stranger, u32>,
    /// The heights at which transactions were told to be, and the cursor of whoever was told.
    told: BTreeMap<(u32, Txid), Cursor>,
    /// Where the first who asked had read to.
    first: Option<u32>,
}

/// What is asked for because somebody else chose it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Stranger {
    /// Its history.
    Script(ScriptBuf),
    Transaction(Txid),
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

    /// Whether this was refused when the chain had this height.
    pub fn is_refused(&self, asked: &Stranger, height: u32) -> bool {
        self.lock().refused.get(asked) == Some(&height)
    }

    /// True if that is news.
    pub fn keep_refused(&self, asked: Stranger, height: u32) -> bool {
        let mut kept = self.lock();
        if kept.refused.len() >= KEPT_MAX {
            kept.refused.clear();
        }
        kept.refused.insert(asked, height).is_none()
    }

    /// Somebody with this cursor asks; of his chain everything up to the fork stands. Where the first who asked had read
    /// to, or the fork if that is lower.
    pub fn asked_at(&self, cursor: &Cursor, fork: u32) -> u32 {
        let mut kept = self.lock();
        if fork < cursor.height {
            kept.told.retain(|(height, _), _| *height <= fork);
        }
        let first = kept.first.map_or(fork, |first| first.min(fork));
        kept.first = Some(first);
        first
    }

    /// It is told now, to somebody with this cursor.
    pub fn keep_told(&self, txid: Txid, height: u32, cursor: Cursor) {
        let mut kept = self.lock();
        if kept.told.len() >= KEPT_MAX {
            kept.told.pop_first();
        }
        kept.told.insert((height, txid), cursor);
    }

    /// Whether it was told to somebody who has gone on since, and asks from this cursor now: who asks from where he was
    /// may not have written it down.
    pub fn was_told(&self, txid: Txid, height: u32, cursor: &Cursor) -> bool {
        self.lock().told.get(&(height, txid)).is_some_and(|before| before != cursor)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
