//! The chain as servers tell it that are asked by script: Esplora and Electrum. Whole blocks are too much to ask of them,
//! so the histories of what is watched are followed, and what can be checked is: each transaction against its id, its
//! place by a Merkle proof, the headers against each other and their work. What a server leaves out cannot be seen; one
//! of one's own, or Bitcoin Core, is the better choice for much money.
//!
//! Of several servers the first that answers right is heard; the others are asked when it does not, or may be behind.

mod further;
mod headers;
mod memory;
mod reading;
pub(super) mod source;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use bitcoin::constants::genesis_block;
use bitcoin::{BlockHash, FeeRate, Network, OutPoint, ScriptBuf, Transaction, Txid};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::memory::Memory;
use self::reading::Reader;
use self::source::Source;
use super::facts::time_of;
use super::{
    Answer, BlockRef, Chain, ChainError, Coin, Cursor, FEE_RATE_MAX, FEE_RATE_MIN, FEE_RATE_UNKNOWN, Facts, Tip,
    Unspent, Watched,
};

/// Bitcoin Core, which is behind all of them, estimates for at most a week.
const TARGET_BLOCKS_MAX: u16 = 1_008;
/// A server that counts questions has begun to count anew by then.
const REST_MAX: Duration = Duration::from_secs(300);

/// Servers that are asked by script.
#[derive(Debug)]
pub struct Light {
    servers: Vec<Server>,
    /// The one that answered last.
    best: AtomicUsize,
    network: Network,
    memory: Memory,
    unknown_fee_rate: FeeRate,
    /// How long an answer about the tip is good enough: public servers are not asked every second.
    pace: Duration,
    heard: Mutex<Option<Heard>>,
    rest: Mutex<Option<Rest>>,
    /// From being asked for estimates alone.
    estimates_rest: Mutex<Option<Rest>>,
}

#[derive(Debug)]
struct Server {
    source: Box<dyn Source>,
    /// Its first block is this network's.
    ours: AtomicBool,
    /// Of the best block it told last.
    height: AtomicU32,
}

/// What was last heard of the tip, and up to where everything was read by then.
#[derive(Debug, Clone, Copy)]
struct Heard {
    tip: Tip,
    at: Instant,
    read_to: Option<BlockRef>,
}

/// The servers did not answer and are left in peace for a while.
#[derive(Debug, Clone)]
struct Rest {
    wait: Duration,
    until: Instant,
    error: ChainError,
}

impl Rest {
    /// As long as between two looks; twice as long each time that a server asks for patience.
    fn after(error: &ChainError, before: Option<&Self>, pace: Duration) -> Self {
        let doubled = before.map(|rest| rest.wait.saturating_mul(2).min(REST_MAX));
        let wait = doubled.filter(|_| matches!(error, ChainError::Busy(_))).unwrap_or(pace);
        let now = Instant::now();
        Self { wait, until: now.checked_add(wait).unwrap_or(now), error: error.clone() }
    }
}

impl Light {
    pub(super) fn new(sources: Vec<Box<dyn Source>>, network: Network, pace: Duration) -> Self {
        let server = |source| Server { source, ours: AtomicBool::new(false), height: AtomicU32::new(0) };
        let servers = sources.into_iter().map(server).collect();
        Self {
            servers,
            best: AtomicUsize::new(0),
            network,
            memory: Memory::default(),
            unknown_fee_rate: FEE_RATE_UNKNOWN,
            pace,
            heard: Mutex::default(),
            rest: Mutex::default(),
            estimates_rest: Mutex::default(),
        }
    }

    /// What to say while no server can estimate, instead of [`FEE_RATE_UNKNOWN`].
    #[must_use]
    pub fn with_unknown_fee_rate(self, rate: FeeRate) -> Self {
        Self { unknown_fee_rate: rate, ..self }
    }

    /// How long to be content with what was heard last.
    #[must_use]
    pub fn with_pace(self, pace: Duration) -> Self {
        Self { pace, ..self }
    }

    /// Asks the server that answered last, then the others; the first answer counts, or the first trouble.
    async fn first<'a, T>(&'a self, ask: impl Fn(Reader<'a>) -> Answer<'a, T>) -> Result<T, ChainError> {
        let best = self.best.load(Ordering::Relaxed);
        let mut trouble = None;
        for offset in 0..self.servers.len() {
            let index = best.wrapping_add(offset).checked_rem(self.servers.len()).unwrap_or_default();
            let Some(server) = self.servers.get(index) else { continue };
            let answer = match self.is_ours(server).await {
                Ok(()) => ask(Reader::new(server.source.as_ref(), &self.memory, self.network)).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => {
                    self.best.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => {
                    if self.servers.len() > 1 {
                        tracing::warn!(server = server.source.name(), %error, "the next server is asked");
                    }
                    trouble.get_or_insert(error);
                }
            }
        }
        Err(trouble.unwrap_or_else(|| ChainError::confused("no server is named")))
    }

    /// A server of another network would make every address here a trap.
    async fn is_ours(&self, server: &Server) -> Result<(), ChainError> {
        if server.ours.load(Ordering::Relaxed) {
            return Ok(());
        }
        let first = server.source.headers(0, 1).await?;
        let theirs = first.first().map(bitcoin::block::Header::block_hash);
        let ours = genesis_block(self.network).block_hash();
        if theirs != Some(ours) {
            let theirs = theirs.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
            return Err(ChainError::confused(format!(
                "{} is on another network: the first block of {} is {ours}, the server's is {theirs}",
                server.source.name(),
                self.network
            )));
        }
        server.ours.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Begins or ends a rest, as the answer is.
    async fn rest_after<T>(&self, rest: &Mutex<Option<Rest>>, answer: Result<T, ChainError>) -> Result<T, ChainError> {
        let mut rest = rest.lock().await;
        *rest = answer.as_ref().err().map(|error| Rest::after(error, rest.as_ref(), self.pace));
        answer
    }

    async fn fresh(&self) -> Option<Heard> {
        self.heard.lock().await.filter(|heard| heard.at.elapsed() < self.pace)
    }

    async fn ask_tip(&self) -> Result<Tip, ChainError> {
        if let Some(heard) = self.fresh().await {
            return Ok(heard.tip);
        }
        rested(&self.rest).await?;
        let tip = self.first(move |reader| Box::pin(async move { reader.tip().await })).await;
        let tip = self.rest_after(&self.rest, tip).await?;
        let tip = self.furthest(tip, Timestamp::now()).await;
        *self.heard.lock().await = Some(Heard { tip, at: Instant::now(), read_to: None });
        Ok(tip)
    }

    async fn ask_facts<'a>(&'a self, cursor: &'a Cursor, watched: &'a Watched) -> Result<Facts, ChainError> {
        let heard = self.fresh().await;
        if heard.is_some_and(|heard| heard.read_to == Some(*cursor)) {
            return Ok(Facts { cursor: *cursor, caught_up: true, events: Vec::new() });
        }
        rested(&self.rest).await?;
        let facts = self.first(move |reader| Box::pin(async move { reader.facts(cursor, watched).await })).await;
        let facts = self.rest_after(&self.rest, facts).await?;
        if let Some(heard) = self.heard.lock().await.as_mut()
            && facts.caught_up
        {
            heard.read_to = Some(facts.cursor);
        }
        Ok(facts)
    }

    /// One server may refuse what another takes: it is refused when nobody takes it.
    async fn send<'a>(&'a self, transaction: &'a Transaction) -> Result<(), ChainError> {
        let sent = self.first(move |reader| Box::pin(async move { reader.broadcast(transaction).await })).await;
        // What one has just sent is worth a look at once.
        *self.heard.lock().await = None;
        sent
    }

    async fn estimate(&self, target_blocks: u16) -> Result<FeeRate, ChainError> {
        let target = target_blocks.clamp(1, TARGET_BLOCKS_MAX);
        rested(&self.rest).await?;
        rested(&self.estimates_rest).await?;
        let mut estimate = self.first(move |reader| Box::pin(async move { reader.estimate(target).await })).await;
        // A server that has no estimates may well tell the chain: it is left in peace with this question alone.
        if matches!(estimate, Ok(_) | Err(ChainError::Busy(_))) {
            estimate = self.rest_after(&self.estimates_rest, estimate).await;
        }
        let estimate = estimate?;
        Ok(estimate.unwrap_or(self.unknown_fee_rate).clamp(FEE_RATE_MIN, FEE_RATE_MAX))
    }
}

impl Chain for Light {
    fn tip(&self) -> Answer<'_, Tip> {
        Box::pin(self.ask_tip())
    }

    fn cursor_at(&self, height: u32) -> Answer<'_, Cursor> {
        Box::pin(self.first(move |reader| Box::pin(async move { reader.block_at(height).await })))
    }

    fn facts_since<'a>(&'a self, cursor: &'a Cursor, watched: &'a Watched) -> Answer<'a, Facts> {
        Box::pin(self.ask_facts(cursor, watched))
    }

    fn coins_at<'a>(&'a self, scripts: &'a [ScriptBuf]) -> Answer<'a, Vec<Coin>> {
        Box::pin(self.first(move |reader| Box::pin(async move { reader.coins(scripts).await })))
    }

    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<Unspent>> {
        Box::pin(self.first(move |reader| Box::pin(async move { reader.unspent(outpoint).await })))
    }

    fn transaction(&self, txid: Txid, _: Option<BlockHash>) -> Answer<'_, Option<Transaction>> {
        Box::pin(self.first(move |reader| Box::pin(async move { reader.transaction(txid).await })))
    }

    /// Such a server cannot be asked; what can be told from the transaction and what it spends is.
    fn test_accept<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        Box::pin(self.first(move |reader| Box::pin(async move { reader.test_accept(transaction).await })))
    }

    fn broadcast<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        Box::pin(self.send(transaction))
    }

    fn fee_rate(&self, target_blocks: u16) -> Answer<'_, FeeRate> {
        Box::pin(self.estimate(target_blocks))
    }
}

/// What went wrong, while the servers are left in peace after it.
async fn rested(rest: &Mutex<Option<Rest>>) -> Result<(), ChainError> {
    match rest.lock().await.as_ref().filter(|rest| Instant::now() < rest.until) {
        Some(rest) => Err(rest.error.clone()),
        None => Ok(()),
    }
}

/// A tip from its header.
fn tip_of(height: u32, header: &bitcoin::block::Header) -> Result<Tip, ChainError> {
    let block = BlockRef { height, hash: header.block_hash() };
    Ok(Tip { block, time: time_of(i64::from(header.time))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_asks_for_patience_is_left_alone_longer_each_time() {
        let pace = Duration::from_secs(10);
        let (busy, away) = (ChainError::Busy("429".to_owned()), ChainError::unreachable("nobody"));
        let mut rest = Rest::after(&busy, None, pace);
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(rest.wait.as_secs());
            rest = Rest::after(&busy, Some(&rest), pace);
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300]);
        assert_eq!(Rest::after(&away, Some(&rest), pace).wait, pace);
        assert_eq!(
            Rest::after(&busy, Some(&Rest::after(&busy, None, Duration::ZERO)), Duration::ZERO).wait,
            Duration::ZERO
        );
    }
}
