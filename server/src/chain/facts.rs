//! From blocks and waiting transactions to facts, the same way for every backend.

use std::collections::HashSet;

use bitcoin::block::Header;
use bitcoin::consensus::encode;
use bitcoin::{Block, BlockHash, OutPoint, Transaction, Txid};
use jiff::Timestamp;

use super::{BlockRef, ChainError, Cursor, Fact, Facts, Watched};

/// So many blocks are read for one answer; a desk that was away for a week asks more than once.
pub(super) const BLOCKS_PER_ANSWER_MAX: usize = 100;

/// Collects the facts of one answer.
#[derive(Debug)]
pub(super) struct Gatherer<'a> {
    watched: &'a Watched,
    /// Outputs first seen in this answer: the caller could not name them yet.
    found: HashSet<OutPoint>,
    confirmed: HashSet<Txid>,
    events: Vec<Fact>,
}

impl<'a> Gatherer<'a> {
    pub fn new(watched: &'a Watched) -> Self {
        Self { watched, found: HashSet::new(), confirmed: HashSet::new(), events: Vec::new() }
    }

    pub fn disconnected(&mut self, block: BlockRef) {
        self.events.push(Fact::BlockDisconnected { block });
    }

    pub fn connected(&mut self, place: BlockRef, block: &Block) -> Result<(), ChainError> {
        self.header(place, &block.header)?;
        let before = self.events.len();
        block.txdata.iter().for_each(|transaction| self.confirmed(transaction, place));
        // To prove that a block holds what it holds takes longer than to read it: only where something depends on it.
        if self.events.len() > before && !block.check_merkle_root() {
            return Err(something_else(place.hash));
        }
        Ok(())
    }

    /// A block without its transactions; call `confirmed` for those that may matter, in their order.
    pub fn header(&mut self, place: BlockRef, header: &Header) -> Result<(), ChainError> {
        self.events.push(Fact::BlockConnected { block: place, time: time_of(i64::from(header.time))? });
        Ok(())
    }

    pub fn confirmed(&mut self, transaction: &Transaction, place: BlockRef) {
        // An id is two rounds of hashing over the whole transaction: only for those that matter.
        let spends = self.spends(transaction, Some(place));
        let pays = self.outputs(transaction, Some(place));
        if spends || pays {
            let txid = transaction.compute_txid();
            if self.watched.unconfirmed.contains(&txid) {
                self.confirmed.insert(txid);
            }
        }
    }

    /// What waits in the mempool, in any order: all outputs first, so that a child is understood before its parent.
    pub fn waiting<'t>(&mut self, pool: impl Iterator<Item = &'t Transaction> + Clone) {
        for transaction in pool.clone() {
            self.outputs(transaction, None);
        }
        for transaction in pool {
            if !self.watched.unconfirmed.contains(&transaction.compute_txid()) {
                self.spends(transaction, None);
            }
        }
    }

    /// Those the caller holds for unconfirmed that were in none of these blocks and do not wait either.
    pub fn missing(&self, still_waits: impl Fn(&Txid) -> bool) -> Vec<Txid> {
        let unconfirmed = self.watched.unconfirmed.iter();
        let mut missing: Vec<Txid> =
            unconfirmed.filter(|txid| !self.confirmed.contains(*txid) && !still_waits(txid)).copied().collect();
        missing.sort();
        missing
    }

    /// Call when everything else is in, with what is missing and in no earlier block either: a caller that is slow
    /// to write down a confirmation is not told that the transaction is gone.
    pub fn evicted(&mut self, gone: impl IntoIterator<Item = Txid>) {
        self.events.extend(gone.into_iter().map(|txid| Fact::Evicted { txid }));
    }

    pub fn finish(self, cursor: Cursor, caught_up: bool) -> Facts {
        Facts { cursor, caught_up, events: self.events }
    }

    /// Outputs the caller does not know of yet.
    pub fn is_found(&self, outpoint: &OutPoint) -> bool {
        self.found.contains(outpoint)
    }

    /// True if it pays anything watched.
    fn outputs(&mut self, transaction: &Transaction, block: Option<BlockRef>) -> bool {
        let scripts = &self.watched.scripts;
        if !transaction.output.iter().any(|output| scripts.contains(&output.script_pubkey)) {
            return false;
        }
        let txid = transaction.compute_txid();
        let told = block.is_none() && self.watched.unconfirmed.contains(&txid);
        for (vout, output) in (0_u32..).zip(&transaction.output) {
            if !scripts.contains(&output.script_pubkey) {
                continue;
            }
            let outpoint = OutPoint { txid, vout };
            self.found.insert(outpoint);
            if !told {
                self.events.push(Fact::OutputSeen {
                    outpoint,
                    script: output.script_pubkey.clone(),
                    amount: output.value,
                    coinbase: transaction.is_coinbase(),
                    transaction: transaction.clone(),
                    block,
                });
            }
        }
        true
    }

    /// True if it spends anything watched.
    fn spends(&mut self, transaction: &Transaction, block: Option<BlockRef>) -> bool {
        let mut any = false;
        for input in &transaction.input {
            let outpoint = input.previous_output;
            let found = !self.found.is_empty() && self.found.contains(&outpoint);
            if found || self.watched.outpoints.contains(&outpoint) {
                self.events.push(Fact::Spent { outpoint, by: transaction.clone(), block });
                any = true;
            }
        }
        any
    }
}

/// The facts of one block as it comes from a node: read, checked against its name, and looked through.
pub fn of_block(bytes: &[u8], place: BlockRef, watched: &Watched) -> Result<Vec<Fact>, ChainError> {
    let mut gatherer = Gatherer::new(watched);
    gatherer.connected(place, &read_block(bytes, place.hash)?)?;
    Ok(gatherer.events)
}

/// A block from its bytes, if its header is what its hash says.
pub(super) fn read_block(bytes: &[u8], hash: BlockHash) -> Result<Block, ChainError> {
    let block: Block =
        encode::deserialize(bytes).map_err(|error| ChainError::confused(format!("not a block: {error}")))?;
    if block.block_hash() != hash {
        return Err(something_else(hash));
    }
    Ok(block)
}

fn something_else(hash: BlockHash) -> ChainError {
    ChainError::confused(format!("what the node calls block {hash} is something else"))
}

pub(super) fn block_time(block: &Block) -> Result<Timestamp, ChainError> {
    time_of(i64::from(block.header.time))
}

pub(super) fn time_of(seconds: i64) -> Result<Timestamp, ChainError> {
    Timestamp::from_second(seconds).map_err(ChainError::confused)
}

#[cfg(test)]
mod tests {
    use bitcoin::consensus::serialize;
    use bitcoin::{ScriptBuf, Witness};

    use super::*;

    #[test]
    fn a_block_is_what_its_name_and_its_root_say() {
        let mut block = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
        let mut with_witness = block.txdata[0].clone();
        with_witness.input[0].witness = Witness::from_slice(&[vec![1_u8; 72], vec![2; 33]]);
        with_witness.output[0].script_pubkey = ScriptBuf::new_op_return([3; 20]);
        block.txdata.push(with_witness.clone());
        block.header.merkle_root = block.compute_merkle_root().unwrap();
        let place = BlockRef { height: 0, hash: block.block_hash() };
        let watched = Watched {
            scripts: [with_witness.output[0].script_pubkey.clone()].into_iter().collect(),
            ..Watched::default()
        };
        assert_eq!(of_block(&serialize(&block), place, &watched).unwrap().len(), 2);
        let mut other = block.clone();
        other.txdata[1].output[0].value = bitcoin::Amount::ZERO;
        assert!(of_block(&serialize(&other), place, &watched).is_err(), "the root is over other transactions");
        other.header.merkle_root = other.compute_merkle_root().unwrap();
        assert!(of_block(&serialize(&other), place, &watched).is_err(), "the name is another block's");
    }
}
