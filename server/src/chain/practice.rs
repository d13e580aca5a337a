//! A chain of its own for practice and tests: real blocks and transactions under regtest's rules, in this process.
//!
//! A real node given these blocks arrives at the same tip. Time is handed in, so the same calls make the same
//! chain. The file is only ever appended to; a change is on the disk before it is seen.

mod admission;
mod journal;
mod mempool;
mod mint;
pub(super) mod policy;
pub(super) mod rules;
mod state;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::{Amount, Block, BlockHash, FeeRate, OutPoint, Script, ScriptBuf, Transaction, Txid};
use jiff::{SignedDuration, Timestamp};

use self::journal::Journal;
use self::state::{Record, State};
use super::facts::{BLOCKS_PER_ANSWER_MAX, Gatherer, block_time};
use super::{Answer, BlockRef, Chain, ChainError, Coin, Cursor, Facts, Scripts, Tip, Unspent, Watched};

/// With this many blocks the faucet has ten coins of 50 BTC that may be spent.
const BLOCKS_AT_START: u32 = 110;
/// More in one go would make a person wait.
const BLOCKS_AT_ONCE_MAX: u32 = 1_000;
/// A deposit of the largest kind needs 6 confirmations, a payout is given up on after 36: as long as the last
/// transaction is not that deep, every beat makes a block.
const BUSY_BLOCKS: u32 = 36;
/// After that one block in ten minutes is enough to show that the chain is alive.
const IDLE: SignedDuration = SignedDuration::from_mins(10);

/// What becomes of the transactions of blocks that a reorganisation takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They are in the new blocks again.
    Mined,
    /// They wait in the mempool; the new blocks are empty.
    Waiting,
    /// They are gone, with all that hung on them.
    Forgotten,
}

/// The practice chain. Changing it waits for the disk for some milliseconds: a server calls these methods from
/// where blocking is allowed.
#[derive(Debug)]
pub struct Practice {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    journal: Option<Journal>,
}

impl Practice {
    /// A chain that lives as long as the process.
    pub fn in_memory() -> Self {
        Self { inner: Mutex::new(Inner { state: State::new(), journal: None }) }
    }

    /// A chain in a file, made if it is not there. One process at a time.
    pub fn open(path: &Path) -> Result<Self, ChainError> {
        let (journal, bodies) = Journal::open(path)?;
        let mut state = State::new();
        for body in bodies {
            state.apply(&Record::decode(&body)?)?;
        }
        Ok(Self { inner: Mutex::new(Inner { state, journal: Some(journal) }) })
    }

    /// Makes the first blocks of a new chain, so that the faucet can pay. Does nothing to an older one.
    pub fn prepare(&self, now: Timestamp) -> Result<(), ChainError> {
        let height = self.lock().state.height();
        self.mine(BLOCKS_AT_START.saturating_sub(height), now).map(|_| ())
    }

    /// Makes `blocks` blocks; what waits goes into the first. Returns the new tip.
    pub fn mine(&self, blocks: u32, now: Timestamp) -> Result<Tip, ChainError> {
        if blocks > BLOCKS_AT_ONCE_MAX {
            return Err(ChainError::rejected(format!("at most {BLOCKS_AT_ONCE_MAX} blocks at once")));
        }
        let mut inner = self.lock();
        inner.mine(blocks, now, true)?;
        inner.tip()
    }

    /// Makes a block whose reward goes to this script, as a miner's own would.
    pub fn mine_for(&self, script: &Script, now: Timestamp) -> Result<Tip, ChainError> {
        let mut inner = self.lock();
        let block = mint::block(&inner.state, now, true, script)?;
        inner.write(&Record::Block(block))?;
        inner.sync()?;
        inner.tip()
    }

    /// Makes blocks that leave everything waiting, as a miner does who asks for more.
    pub fn mine_empty(&self, blocks: u32, now: Timestamp) -> Result<Tip, ChainError> {
        let mut inner = self.lock();
        inner.mine(blocks, now, false)?;
        inner.tip()
    }

    /// One beat of the heart: a block while something waits or is young, else one in ten minutes.
    /// The caller decides how often.
    pub fn beat(&self, now: Timestamp) -> Result<Option<Tip>, ChainError> {
        let mut inner = self.lock();
        if !inner.is_block_due(now)? {
            return Ok(None);
        }
        inner.mine(1, now, true)?;
        inner.tip().map(Some)
    }

    /// Takes `depth` blocks away and makes one more than that in their place.
    pub fn reorganise(&self, depth: u32, fate: Fate, now: Timestamp) -> Result<Tip, ChainError> {
        let mut inner = self.lock();
        if depth > inner.state.height() || depth > BLOCKS_AT_ONCE_MAX {
            return Err(ChainError::rejected(format!("there are no {depth} blocks to take away")));
        }
        inner.write(&Record::Disconnect { depth, forget: fate == Fate::Forgotten })?;
        inner.mine(depth.saturating_add(1), now, fate == Fate::Mined)?;
        inner.tip()
    }

    /// Pays from the faucet; the payment waits for the next block.
    pub fn pay(&self, script: &Script, amount: Amount) -> Result<Txid, ChainError> {
        let mut inner = self.lock();
        let transaction = mint::payment(&inner.state, script, amount)?;
        inner.accept(&transaction)?;
        Ok(transaction.compute_txid())
    }

    /// Throws a waiting transaction out of the mempool, as a node that is short of memory does.
    pub fn evict(&self, txid: Txid) -> Result<(), ChainError> {
        let mut inner = self.lock();
        inner.write(&Record::Evict(txid))?;
        inner.sync()
    }

    /// A block of the best chain, for another node.
    pub fn block(&self, height: u32) -> Result<Block, ChainError> {
        Ok(self.lock().state.block_at(height)?.1.clone())
    }

    /// How many transactions wait.
    pub fn waiting(&self) -> usize {
        self.lock().state.pool.all().len()
    }

    /// A panic elsewhere leaves the state whole: it changes in `apply` only, which does not panic.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn tip(&self) -> Result<Tip, ChainError> {
        let (block, body) = self.state.tip()?;
        Ok(Tip { block, time: block_time(body)? })
    }

    /// Into the file, then into memory. Whoever holds the lock calls `sync` before letting go of it.
    fn write(&mut self, record: &Record) -> Result<(), ChainError> {
        if let Some(journal) = &mut self.journal {
            journal.append(&record.encode())?;
        }
        self.state.apply(record)
    }

    fn sync(&mut self) -> Result<(), ChainError> {
        self.journal.as_mut().map_or(Ok(()), Journal::sync)
    }

    fn mine(&mut self, blocks: u32, now: Timestamp, with_waiting: bool) -> Result<(), ChainError> {
        for _ in 0..blocks {
            let block = mint::block(&self.state, now, with_waiting, &mint::faucet_script())?;
            self.write(&Record::Block(block))?;
        }
        self.sync()
    }

    /// Into the mempool, if it is not there or in the chain already.
    fn accept(&mut self, transaction: &Transaction) -> Result<(), ChainError> {
        if self.is_known(&transaction.compute_txid()) {
            return Ok(());
        }
        admission::check(&self.state, transaction)?;
        self.write(&Record::Transaction(transaction.clone()))?;
        self.sync()
    }

    fn is_known(&self, txid: &Txid) -> bool {
        self.state.pool.get(txid).is_some() || self.state.is_confirmed(txid)
    }

    fn is_block_due(&self, now: Timestamp) -> Result<bool, ChainError> {
        let height = self.state.height();
        let young = height.saturating_sub(BUSY_BLOCKS.saturating_sub(2))..=height;
        let is_busy = |height| self.state.block_at(height).is_ok_and(|(_, block)| block.txdata.len() > 1);
        let idle = now.duration_since(self.tip()?.time) >= IDLE;
        Ok(idle || !self.state.pool.is_empty() || young.into_iter().any(is_busy))
    }

    fn facts(&self, cursor: &Cursor, watched: &Watched) -> Result<Facts, ChainError> {
        let mut facts = Gatherer::new(watched);
        let mut at = *cursor;
        while self.state.height_of(&at.hash) != Some(at.height) {
            let unknown = || ChainError::confused(format!("this chain never had the block {at}"));
            let (block, before) = self.state.stale(&at.hash).ok_or_else(unknown)?;
            facts.disconnected(block);
            at = BlockRef { height: block.height.saturating_sub(1), hash: before };
        }
        for _ in 0..BLOCKS_PER_ANSWER_MAX {
            if at.height >= self.state.height() {
                break;
            }
            let (place, block) = self.state.block_at(at.height.saturating_add(1))?;
            facts.connected(place, block)?;
            at = place;
        }
        let caught_up = at.height >= self.state.height();
        if caught_up {
            facts.waiting(self.state.pool.all().into_iter().map(|entry| &entry.transaction));
            let missing = facts.missing(|txid| self.is_known(txid));
            facts.evicted(missing);
        }
        Ok(facts.finish(at, caught_up))
    }

    fn unspent(&self, outpoint: &OutPoint) -> Option<Unspent> {
        if self.state.pool.spender(outpoint).is_some() {
            return None;
        }
        if let Some(coin) = self.state.coin(outpoint) {
            let confirmations = self.state.height().saturating_sub(coin.height).saturating_add(1);
            return Some(Unspent { output: coin.output.clone(), confirmations, coinbase: coin.coinbase });
        }
        let output = self.state.pool.output(outpoint)?.clone();
        Some(Unspent { output, confirmations: 0, coinbase: false })
    }
}

/// The answers are there at once.
fn ready<'a, T: Send + 'a>(answer: Result<T, ChainError>) -> Answer<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl Chain for Practice {
    fn tip(&self) -> Answer<'_, Tip> {
        ready(self.lock().tip())
    }

    fn cursor_at(&self, height: u32) -> Answer<'_, Cursor> {
        ready(self.lock().state.block_at(height).map(|(place, _)| place))
    }

    fn facts_since<'a>(&'a self, cursor: &'a Cursor, watched: &'a Watched) -> Answer<'a, Facts> {
        ready(self.lock().facts(cursor, watched))
    }

    fn coins_at<'a>(&'a self, scripts: &'a [ScriptBuf]) -> Answer<'a, Vec<Coin>> {
        let wanted: Scripts = scripts.iter().cloned().collect();
        let inner = self.lock();
        let found = inner.state.coins().filter(|(_, coin)| wanted.contains(&coin.output.script_pubkey));
        let coins = found.map(|(outpoint, coin)| Coin {
            outpoint: *outpoint,
            output: coin.output.clone(),
            height: coin.height,
        });
        ready(Ok(coins.collect()))
    }

    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<Unspent>> {
        ready(Ok(self.lock().unspent(&outpoint)))
    }

    fn transaction(&self, txid: Txid, _block: Option<BlockHash>) -> Answer<'_, Option<Transaction>> {
        let inner = self.lock();
        let waiting = inner.state.pool.get(&txid).map(|entry| &entry.transaction);
        ready(Ok(waiting.or_else(|| inner.state.confirmed(&txid)).cloned()))
    }

    fn test_accept<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        let inner = self.lock();
        if inner.is_known(&transaction.compute_txid()) {
            return ready(Ok(()));
        }
        ready(admission::check(&inner.state, transaction))
    }

    fn broadcast<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        ready(self.lock().accept(transaction))
    }

    /// Nobody competes for these blocks: a fixed rate, higher for the impatient, so that fee steps differ.
    fn fee_rate(&self, target_blocks: u16) -> Answer<'_, FeeRate> {
        ready(Ok(FeeRate::from_sat_per_vb_u32(match target_blocks {
            0..=2 => 8,
            3..=6 => 4,
            _ => 2,
        })))
    }
}

#[cfg(test)]
mod tests;
