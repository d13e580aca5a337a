//! The practice chain in memory: blocks, coins, mempool. It changes only by `apply`, so that replaying the
//! records of the file gives the same chain again.

use std::collections::{BTreeSet, HashMap};

use bitcoin::consensus::encode;
use bitcoin::hashes::Hash;
use bitcoin::{Block, BlockHash, OutPoint, Transaction, TxOut, Txid};

use super::mempool::Mempool;
use super::{admission, mint, rules};
use crate::chain::{BlockRef, ChainError};

/// An output in the chain that no block spends.
#[derive(Debug, Clone)]
pub struct Coin {
    pub output: TxOut,
    pub height: u32,
    pub coinbase: bool,
}

/// One change. The only things ever written to the file.
#[derive(Debug, Clone)]
pub enum Record {
    /// The next block of the best chain.
    Block(Block),
    /// Entered the mempool, replacing what it conflicts with.
    Transaction(Transaction),
    /// So many blocks are taken off the top; their transactions wait again, or are forgotten.
    Disconnect { depth: u32, forget: bool },
    /// Left the mempool without a block, with all that hung on it.
    Evict(Txid),
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        let (tag, mut body) = match self {
            Self::Block(block) => (b'B', encode::serialize(block)),
            Self::Transaction(transaction) => (b'T', encode::serialize(transaction)),
            Self::Disconnect { depth, forget } => {
                let mut body = depth.to_le_bytes().to_vec();
                body.push(u8::from(*forget));
                (b'D', body)
            }
            Self::Evict(txid) => (b'E', txid.to_byte_array().to_vec()),
        };
        body.insert(0, tag);
        body
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, ChainError> {
        let damaged = || ChainError::confused("the practice chain's file holds a record that nobody wrote");
        let (tag, body) = bytes.split_first().ok_or_else(damaged)?;
        match tag {
            b'B' => encode::deserialize(body).map(Self::Block).map_err(|_| damaged()),
            b'T' => encode::deserialize(body).map(Self::Transaction).map_err(|_| damaged()),
            b'D' => {
                let (depth, forget) = body.split_first_chunk::<4>().ok_or_else(damaged)?;
                Ok(Self::Disconnect { depth: u32::from_le_bytes(*depth), forget: forget == [1] })
            }
            b'E' => Txid::from_slice(body).map(Self::Evict).map_err(|_| damaged()),
            _ => Err(damaged()),
        }
    }
}

/// A block of the best chain and what it spent, for the way back.
#[derive(Debug)]
struct Link {
    block: Block,
    hash: BlockHash,
    spent: Vec<(OutPoint, Coin)>,
}

#[derive(Debug)]
pub struct State {
    links: Vec<Link>,
    heights: HashMap<BlockHash, u32>,
    /// Blocks that were once in the best chain: their place and the block before.
    stale: HashMap<BlockHash, (BlockRef, BlockHash)>,
    coins: HashMap<OutPoint, Coin>,
    /// Unspent outputs of the faucet, confirmed ones only.
    faucet: BTreeSet<OutPoint>,
    confirmed: HashMap<Txid, u32>,
    pub pool: Mempool,
}

impl State {
    /// Regtest's own first block, whose output nobody can spend.
    pub fn new() -> Self {
        let block = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
        let hash = block.block_hash();
        let confirmed = block.txdata.iter().map(|transaction| (transaction.compute_txid(), 0)).collect();
        Self {
            links: vec![Link { block, hash, spent: Vec::new() }],
            heights: HashMap::from([(hash, 0)]),
            stale: HashMap::new(),
            coins: HashMap::new(),
            faucet: BTreeSet::new(),
            confirmed,
            pool: Mempool::default(),
        }
    }

    pub fn height(&self) -> u32 {
        u32::try_from(self.links.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The best block.
    pub fn tip(&self) -> Result<(BlockRef, &Block), ChainError> {
        self.block_at(self.height())
    }

    pub fn block_at(&self, height: u32) -> Result<(BlockRef, &Block), ChainError> {
        let link = usize::try_from(height).ok().and_then(|index| self.links.get(index));
        let link = link.ok_or_else(|| ChainError::confused(format!("there is no block {height}")))?;
        Ok((BlockRef { height, hash: link.hash }, &link.block))
    }

    /// Height of a block of the best chain.
    pub fn height_of(&self, hash: &BlockHash) -> Option<u32> {
        self.heights.get(hash).copied()
    }

    /// A block that was once best, and the hash before it.
    pub fn stale(&self, hash: &BlockHash) -> Option<(BlockRef, BlockHash)> {
        self.stale.get(hash).copied()
    }

    /// So many blocks were ever made: no two have the same number, so no two the same hash.
    pub fn blocks_ever(&self) -> usize {
        self.links.len().saturating_add(self.stale.len())
    }

    pub fn coin(&self, outpoint: &OutPoint) -> Option<&Coin> {
        self.coins.get(outpoint)
    }

    pub fn coins(&self) -> impl Iterator<Item = (&OutPoint, &Coin)> {
        self.coins.iter()
    }

    pub fn faucet(&self) -> impl Iterator<Item = (OutPoint, &Coin)> {
        self.faucet.iter().filter_map(|outpoint| Some((*outpoint, self.coins.get(outpoint)?)))
    }

    pub fn is_confirmed(&self, txid: &Txid) -> bool {
        self.confirmed.contains_key(txid)
    }

    pub fn confirmed(&self, txid: &Txid) -> Option<&Transaction> {
        let (_, block) = self.block_at(*self.confirmed.get(txid)?).ok()?;
        block.txdata.iter().find(|transaction| transaction.compute_txid() == *txid)
    }

    /// Median of the last eleven header times up to this height (BIP 113).
    pub fn median_time(&self, height: u32) -> u32 {
        let first = height.saturating_sub(10);
        let blocks = (first..=height).filter_map(|height| self.block_at(height).ok());
        let mut times: Vec<u32> = blocks.map(|(_, block)| block.header.time).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(0)
    }

    pub fn apply(&mut self, record: &Record) -> Result<(), ChainError> {
        match record {
            Record::Block(block) => self.connect(block),
            Record::Transaction(transaction) => self.enter(transaction),
            Record::Disconnect { depth, forget } => self.disconnect(*depth, *forget),
            Record::Evict(txid) => {
                self.pool.evict(*txid);
                Ok(())
            }
        }
    }

    fn enter(&mut self, transaction: &Transaction) -> Result<(), ChainError> {
        let spent = admission::spent_outputs(self, transaction)?;
        let fee = rules::fee(transaction, &spent)?;
        for txid in self.pool.conflicts(transaction) {
            self.pool.remove(&txid);
        }
        self.pool.insert(transaction.clone(), fee);
        Ok(())
    }

    fn connect(&mut self, block: &Block) -> Result<(), ChainError> {
        let (tip, _) = self.tip()?;
        if block.header.prev_blockhash != tip.hash || !block.check_merkle_root() {
            return Err(ChainError::confused(format!("a block does not fit on {tip}")));
        }
        let height = tip.height.saturating_add(1);
        let mut spent = Vec::new();
        for transaction in &block.txdata {
            let txid = transaction.compute_txid();
            let coinbase = transaction.is_coinbase();
            for input in transaction.input.iter().filter(|_| !coinbase) {
                let outpoint = input.previous_output;
                let coin = self.coins.remove(&outpoint);
                let coin = coin.ok_or_else(|| ChainError::confused(format!("{outpoint} is spent twice")))?;
                self.faucet.remove(&outpoint);
                spent.push((outpoint, coin));
            }
            for (vout, output) in (0_u32..).zip(&transaction.output) {
                if !output.script_pubkey.is_op_return() {
                    self.add(OutPoint { txid, vout }, Coin { output: output.clone(), height, coinbase });
                }
            }
            for conflict in self.pool.conflicts(transaction) {
                self.pool.remove(&conflict);
            }
            self.pool.remove(&txid);
            self.confirmed.insert(txid, height);
        }
        let hash = block.block_hash();
        self.heights.insert(hash, height);
        self.links.push(Link { block: block.clone(), hash, spent });
        Ok(())
    }

    fn add(&mut self, outpoint: OutPoint, coin: Coin) {
        if mint::is_faucet(&coin.output.script_pubkey) {
            self.faucet.insert(outpoint);
        }
        self.coins.insert(outpoint, coin);
    }

    fn disconnect(&mut self, depth: u32, forget: bool) -> Result<(), ChainError> {
        if depth > self.height() {
            return Err(ChainError::confused(format!("there are no {depth} blocks to take back")));
        }
        let mut back: Vec<Transaction> = Vec::new();
        for _ in 0..depth {
            let height = self.height();
            let Some(link) = self.links.pop() else { break };
            for transaction in &link.block.txdata {
                let txid = transaction.compute_txid();
                self.confirmed.remove(&txid);
                for (vout, _) in (0_u32..).zip(&transaction.output) {
                    let outpoint = OutPoint { txid, vout };
                    self.coins.remove(&outpoint);
                    self.faucet.remove(&outpoint);
                }
            }
            let created = |outpoint: &OutPoint| {
                link.block.txdata.iter().any(|transaction| transaction.compute_txid() == outpoint.txid)
            };
            for (outpoint, coin) in link.spent.into_iter().filter(|(outpoint, _)| !created(outpoint)) {
                self.add(outpoint, coin);
            }
            self.heights.remove(&link.hash);
            let place = BlockRef { height, hash: link.hash };
            self.stale.insert(link.hash, (place, link.block.header.prev_blockhash));
            let mut returned: Vec<Transaction> = link.block.txdata.into_iter().skip(1).collect();
            returned.append(&mut back);
            back = returned;
        }
        self.refill(if forget { Vec::new() } else { back })
    }

    /// After blocks were taken off: what may still wait, waits; oldest first, so parents come before children.
    fn refill(&mut self, mut waiting: Vec<Transaction>) -> Result<(), ChainError> {
        waiting.extend(self.pool.all().into_iter().map(|entry| entry.transaction.clone()));
        self.pool.clear();
        for transaction in waiting {
            if admission::check_again(self, &transaction).is_ok() {
                self.enter(&transaction)?;
            }
        }
        Ok(())
    }
}
