//! One question to one server, with everything checked that can be.

mod block;
mod coins;
mod history;
mod late;
mod trial;

use std::collections::{BTreeMap, HashSet};

use bitcoin::block::Header;
use bitcoin::{FeeRate, Network, OutPoint, Transaction, Txid};

use self::block::Block;
use super::memory::Memory;
use super::source::{Entry, Source};
use super::{headers, tip_of};
use crate::chain::facts::{BLOCKS_PER_ANSWER_MAX, Gatherer};
use crate::chain::{BlockRef, ChainError, Cursor, Facts, Tip, Unspent, Watched};

/// The chain may move while it is read; one that moves at every try is not to be read.
const TRIES_MAX: u32 = 4;

/// One server, for one question.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    source: &'a dyn Source,
    memory: &'a Memory,
    network: Network,
}

/// The headers from the block that is common to the caller and the server up to where this answer goes.
#[derive(Debug)]
struct Stretch {
    fork: BlockRef,
    /// Those above the fork.
    headers: Vec<Header>,
    /// The server's height when it was asked.
    height: u32,
}

impl Stretch {
    fn end(&self) -> u32 {
        self.fork.height.saturating_add(u32::try_from(self.headers.len()).unwrap_or(u32::MAX))
    }

    fn at(&self) -> BlockRef {
        let last = self.headers.last().map(Header::block_hash);
        last.map_or(self.fork, |hash| BlockRef { height: self.end(), hash })
    }

    fn header(&self, height: u32) -> Option<&Header> {
        let index = usize::try_from(height.checked_sub(self.fork.height)?.checked_sub(1)?).ok()?;
        self.headers.get(index)
    }
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a dyn Source, memory: &'a Memory, network: Network) -> Self {
        Self { source, memory, network }
    }

    pub async fn tip(&self) -> Result<Tip, ChainError> {
        for _ in 0..TRIES_MAX {
            let height = self.source.height().await?;
            if let Some(header) = self.header(height).await? {
                return tip_of(height, &header);
            }
        }
        Err(self.lies("it names a best block that it does not have"))
    }

    pub async fn block_at(&self, height: u32) -> Result<BlockRef, ChainError> {
        let header = self.header(height).await?;
        let header = header.ok_or_else(|| ChainError::confused(format!("there is no block {height}")))?;
        Ok(BlockRef { height, hash: header.block_hash() })
    }

    pub async fn facts(&self, cursor: &Cursor, watched: &Watched) -> Result<Facts, ChainError> {
        let mut last = ChainError::Behind("the chain changes faster than it is read".to_owned());
        for _ in 0..TRIES_MAX {
            match self.try_facts(cursor, watched).await? {
                Ok(facts) => return Ok(facts),
                // A block may have come in between; what is still so after some tries is not the weather.
                Err(odd) => last = self.lies(&odd),
            }
        }
        Err(last)
    }

    /// The inner error is what did not fit together, perhaps because the chain moved meanwhile.
    async fn try_facts(&self, cursor: &Cursor, watched: &Watched) -> Result<Result<Facts, String>, ChainError> {
        let mut facts = Gatherer::new(watched);
        let Some(stretch) = self.stretch(cursor, watched, &mut facts).await? else {
            return Ok(Err("it has fewer headers than it says".to_owned()));
        };
        let histories = self.histories(watched, &stretch).await?;
        let told = match self.late(cursor, watched, &stretch, &histories.own, &mut facts).await? {
            Ok(told) => told,
            Err(odd) => return Ok(Err(odd)),
        };
        let blocks = match self.blocks(&stretch, &histories.all).await? {
            Ok(blocks) => blocks,
            Err(odd) => return Ok(Err(odd)),
        };
        let mut height = stretch.fork.height;
        for header in &stretch.headers {
            height = height.saturating_add(1);
            let place = BlockRef { height, hash: header.block_hash() };
            facts.header(place, header)?;
            blocks.get(&height).into_iter().flat_map(Block::transactions).for_each(|one| facts.confirmed(one, place));
        }
        let mut caught_up = stretch.end() == stretch.height;
        if caught_up {
            match self.waiting(&histories.all, &mut facts).await? {
                Ok(()) => {}
                Err(odd) => return Ok(Err(odd)),
            }
            // Nothing of this counts if the ground has moved; if it has only grown, there is more to read.
            caught_up = self.source.height().await? == stretch.height;
        }
        let end = self.header(stretch.end()).await?;
        if end.is_none_or(|header| header.block_hash() != stretch.at().hash) {
            return Ok(Err(format!("block {} is another one than a moment ago", stretch.end())));
        }
        told.into_iter().for_each(|(txid, height)| self.memory.keep_told(txid, height, *cursor));
        Ok(Ok(facts.finish(stretch.at(), caught_up)))
    }

    /// From the cursor down to a block of the server's chain, and up from there.
    async fn stretch(
        &self,
        cursor: &Cursor,
        watched: &Watched,
        facts: &mut Gatherer<'_>,
    ) -> Result<Option<Stretch>, ChainError> {
        let height = self.source.height().await?;
        if height < cursor.height {
            let why = format!("{} is at block {height}, {} was read already", self.source.name(), cursor.height);
            return Err(ChainError::Behind(why));
        }
        let mut fork = *cursor;
        let mut below = watched.trail.below(cursor);
        loop {
            let Some(header) = self.header(fork.height).await? else { return Ok(None) };
            if header.block_hash() == fork.hash {
                break;
            }
            facts.disconnected(fork);
            fork = below.next().ok_or_else(|| {
                self.lies(&format!("its chain has neither block {cursor} nor one below that the desk remembers"))
            })?;
        }
        let longest = u32::try_from(BLOCKS_PER_ANSWER_MAX).map_err(ChainError::confused)?;
        let end = height.min(fork.height.saturating_add(longest));
        let Some(mut headers) = headers::read(self.source, self.network, fork.height, end).await? else {
            return Ok(None);
        };
        // The first is the fork's own.
        if headers.first().map(Header::block_hash) != Some(fork.hash) {
            return Ok(None);
        }
        headers.remove(0);
        Ok(Some(Stretch { fork, headers, height }))
    }

    /// The transactions of the stretch, each proved to be in its block, by height.
    async fn blocks(
        &self,
        stretch: &Stretch,
        entries: &[Entry],
    ) -> Result<Result<BTreeMap<u32, Block>, String>, ChainError> {
        let mut blocks: BTreeMap<u32, Block> = BTreeMap::new();
        for entry in entries {
            let Some((height, header)) = entry.height.and_then(|height| Some((height, stretch.header(height)?))) else {
                continue;
            };
            let Some(transaction) = self.checked(entry.txid).await? else {
                return Ok(Err(format!("it lists the transaction {} and does not have it", entry.txid)));
            };
            let Some(position) = self.position(&transaction, entry.txid, height, header).await? else {
                return Ok(Err(format!("it says that {} is in block {height} and cannot prove it", entry.txid)));
            };
            blocks.entry(height).or_default().add(position, transaction);
        }
        Ok(Ok(blocks))
    }

    async fn position(
        &self,
        transaction: &Transaction,
        txid: Txid,
        height: u32,
        header: &Header,
    ) -> Result<Option<u32>, ChainError> {
        let block = header.block_hash();
        if let Some(position) = self.memory.place(txid, block) {
            return Ok(Some(position));
        }
        let proof = self.source.proof(txid, height).await?;
        // 64 bytes could be taken for an inner node of the tree (CVE-2017-12842).
        let Some(proof) = proof.filter(|proof| proof.fits(txid, header) && transaction.base_size() != 64) else {
            return Ok(None);
        };
        self.memory.keep_place(txid, block, proof.position);
        Ok(Some(proof.position))
    }

    /// What waits, and what the caller thinks waits and does not.
    async fn waiting(&self, entries: &[Entry], facts: &mut Gatherer<'_>) -> Result<Result<(), String>, ChainError> {
        let mut pool = Vec::new();
        for entry in entries.iter().filter(|entry| entry.height.is_none()) {
            let Some(transaction) = self.checked(entry.txid).await? else {
                return Ok(Err(format!("it lists the waiting transaction {} and does not have it", entry.txid)));
            };
            pool.push(transaction);
        }
        facts.waiting(pool.iter());
        let listed: HashSet<Txid> = entries.iter().map(|entry| entry.txid).collect();
        for txid in facts.missing(|txid| listed.contains(txid)) {
            if self.transaction(txid).await?.is_none() {
                facts.evicted([txid]);
            }
        }
        Ok(Ok(()))
    }

    /// A transaction that waits or is in the chain now.
    pub async fn transaction(&self, txid: Txid) -> Result<Option<Transaction>, ChainError> {
        let Some(transaction) = self.checked(txid).await? else { return Ok(None) };
        Ok(self.source.knows(&transaction).await?.then_some(transaction))
    }

    pub async fn unspent(&self, outpoint: OutPoint) -> Result<Option<Unspent>, ChainError> {
        let Some(output) = self.output(&outpoint).await? else { return Ok(None) };
        for _ in 0..TRIES_MAX {
            let height = self.source.height().await?;
            let history = self.history(&output.script_pubkey).await?;
            // A server that has just indexed a block may list it both there and as waiting.
            let places = history.iter().filter(|entry| entry.txid == outpoint.txid);
            let Some(own) = places.max_by_key(|entry| entry.height) else { return Ok(None) };
            let mut transaction = None;
            for entry in &history {
                let Some(other) = self.checked(entry.txid).await? else { continue };
                if other.input.iter().any(|input| input.previous_output == outpoint) {
                    return Ok(None);
                }
                if entry.txid == outpoint.txid {
                    transaction = Some(other);
                }
            }
            let Some(transaction) = transaction else { continue };
            let coinbase = transaction.is_coinbase();
            let Some(block) = own.height else {
                return Ok(Some(Unspent { output, confirmations: 0, coinbase }));
            };
            let header = self.header(block).await?.filter(|_| block <= height);
            let Some(header) = header else { continue };
            if self.position(&transaction, outpoint.txid, block, &header).await?.is_some() {
                let confirmations = height.saturating_sub(block).saturating_add(1);
                return Ok(Some(Unspent { output, confirmations, coinbase }));
            }
        }
        Err(self.lies(&format!("it cannot prove where {} is", outpoint.txid)))
    }

    pub async fn broadcast(&self, transaction: &Transaction) -> Result<(), ChainError> {
        match self.source.send(transaction).await {
            // In whatever words: what is there already is no failure.
            Err(ChainError::Rejected(why)) => {
                if self.source.knows(transaction).await? {
                    Ok(())
                } else {
                    Err(ChainError::Rejected(why))
                }
            }
            sent => sent,
        }
    }

    pub async fn estimate(&self, target_blocks: u16) -> Result<Option<FeeRate>, ChainError> {
        self.source.estimate(target_blocks).await
    }

    async fn header(&self, height: u32) -> Result<Option<Header>, ChainError> {
        let headers = headers::read(self.source, self.network, height, height).await?;
        Ok(headers.and_then(|headers| headers.first().copied()))
    }

    async fn output(&self, outpoint: &OutPoint) -> Result<Option<bitcoin::TxOut>, ChainError> {
        let transaction = self.checked(outpoint.txid).await?;
        let place = usize::try_from(outpoint.vout).map_err(ChainError::confused)?;
        Ok(transaction.and_then(|transaction| transaction.output.get(place).cloned()))
    }

    /// A transaction that has the id it was asked by.
    async fn checked(&self, txid: Txid) -> Result<Option<Transaction>, ChainError> {
        if let Some(transaction) = self.memory.transaction(&txid) {
            return Ok(Some(transaction));
        }
        let Some(transaction) = self.source.transaction(txid).await? else { return Ok(None) };
        if transaction.compute_txid() != txid {
            return Err(self.lies(&format!("what it calls transaction {txid} is another one")));
        }
        self.memory.keep(txid, &transaction);
        Ok(Some(transaction))
    }

    fn lies(&self, why: &str) -> ChainError {
        ChainError::confused(format!("{}: {why}", self.source.name()))
    }
}
