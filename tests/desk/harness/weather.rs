//! A chain whose sight can be taken away: it answers as the one behind it does, or with the trouble of the day.

use std::sync::{Arc, Mutex, OnceLock};

use bitcoin::{BlockHash, FeeRate, OutPoint, Transaction, Txid};
use trine::chain::{Answer, Chain, ChainError, Cursor, Facts, Tip, Unspent, Watched};

#[derive(Debug, Default)]
pub struct Weather {
    behind: OnceLock<Arc<dyn Chain>>,
    trouble: Mutex<Option<ChainError>>,
}

impl Weather {
    /// Puts it in front of a chain, once.
    pub fn over(&self, chain: Arc<dyn Chain>) {
        self.behind.set(chain).unwrap();
    }

    /// From now on every question gets this answer.
    pub fn turns_bad(&self, trouble: ChainError) {
        *self.trouble.lock().unwrap() = Some(trouble);
    }

    pub fn clears(&self) {
        *self.trouble.lock().unwrap() = None;
    }

    fn through<'a, T: 'a>(&'a self, ask: impl FnOnce(&'a dyn Chain) -> Answer<'a, T>) -> Answer<'a, T> {
        match self.trouble.lock().unwrap().clone() {
            Some(trouble) => Box::pin(async move { Err(trouble) }),
            None => ask(self.behind.get().unwrap().as_ref()),
        }
    }
}

impl Chain for Weather {
    fn tip(&self) -> Answer<'_, Tip> {
        self.through(|chain| chain.tip())
    }

    fn cursor_at(&self, height: u32) -> Answer<'_, Cursor> {
        self.through(move |chain| chain.cursor_at(height))
    }

    fn facts_since<'a>(&'a self, cursor: &'a Cursor, watched: &'a Watched) -> Answer<'a, Facts> {
        self.through(move |chain| chain.facts_since(cursor, watched))
    }

    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<Unspent>> {
        self.through(move |chain| chain.unspent(outpoint))
    }

    fn transaction(&self, txid: Txid, block: Option<BlockHash>) -> Answer<'_, Option<Transaction>> {
        self.through(move |chain| chain.transaction(txid, block))
    }

    fn test_accept<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        self.through(move |chain| chain.test_accept(transaction))
    }

    fn broadcast<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        self.through(move |chain| chain.broadcast(transaction))
    }

    fn fee_rate(&self, target_blocks: u16) -> Answer<'_, FeeRate> {
        self.through(move |chain| chain.fee_rate(target_blocks))
    }
}
