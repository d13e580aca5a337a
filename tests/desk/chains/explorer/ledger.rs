//! The chain and the mempool as an explorer keeps them, and what it tells of them.

use std::collections::HashMap;

use bitcoin::hashes::{Hash, sha256, sha256d};
use bitcoin::{Block, OutPoint, ScriptBuf, Transaction, Txid};
use serde_json::{Value, json};

#[derive(Default)]
pub struct Chain {
    pub blocks: Vec<Block>,
    pub waiting: HashMap<Txid, Transaction>,
    /// Which output pays or paid which script.
    pub scripts: HashMap<OutPoint, ScriptBuf>,
    /// What was in a block that left the chain. The real one keeps it for ever, as if it waited.
    pub kept: HashMap<Txid, Transaction>,
}

pub fn keep_scripts(scripts: &mut HashMap<OutPoint, ScriptBuf>, transaction: &Transaction) {
    let txid = transaction.compute_txid();
    for (vout, output) in (0..).zip(&transaction.output) {
        scripts.insert(OutPoint { txid, vout }, output.script_pubkey.clone());
    }
}

impl Chain {
    /// Waiting ones first, then the newest block's last.
    pub fn all(&self) -> impl Iterator<Item = (Option<u32>, &Transaction)> {
        let waiting = self.waiting.values().map(|one| (None, one));
        let blocks = self.blocks.iter().enumerate().rev().map(|(height, block)| (height as u32, block));
        waiting.chain(blocks.flat_map(|(height, block)| block.txdata.iter().rev().map(move |one| (Some(height), one))))
    }

    pub fn find(&self, txid: Txid) -> Option<(Option<u32>, &Transaction)> {
        let found = self.all().find(|(_, one)| one.compute_txid() == txid);
        found.or_else(|| self.kept.get(&txid).map(|one| (None, one)))
    }

    pub fn spender(&self, output: OutPoint) -> Option<(Option<u32>, &Transaction)> {
        self.all().find(|(_, one)| one.input.iter().any(|input| input.previous_output == output))
    }

    pub fn touches(&self, transaction: &Transaction, name: &str) -> bool {
        let spent = transaction.input.iter().filter_map(|input| self.scripts.get(&input.previous_output));
        let paid = transaction.output.iter().map(|output| &output.script_pubkey);
        spent.chain(paid).any(|script| sha256::Hash::hash(script.as_bytes()).to_string() == name)
    }

    pub fn history(&self, name: &str) -> Vec<(Option<u32>, &Transaction)> {
        self.all().filter(|(_, one)| self.touches(one, name)).collect()
    }

    pub fn status(&self, height: Option<u32>) -> Value {
        match height {
            None => json!({ "confirmed": false }),
            Some(height) => {
                let header = self.blocks[height as usize].header;
                json!({ "confirmed": true, "block_height": height, "block_hash": header.block_hash(), "block_time": header.time })
            }
        }
    }

    pub fn transaction(&self, height: Option<u32>, one: &Transaction) -> Value {
        let inputs = one.input.iter().map(|input| {
            json!({ "txid": input.previous_output.txid, "vout": input.previous_output.vout,
                "is_coinbase": one.is_coinbase(), "sequence": input.sequence })
        });
        let outputs = one
            .output
            .iter()
            .map(|output| json!({ "scriptpubkey": output.script_pubkey, "value": output.value.to_sat() }));
        json!({ "txid": one.compute_txid(), "version": one.version.0, "locktime": one.lock_time.to_consensus_u32(),
            "size": one.total_size(), "weight": one.weight().to_wu(), "status": self.status(height),
            "vin": inputs.collect::<Vec<_>>(), "vout": outputs.collect::<Vec<_>>() })
    }

    pub fn block(&self, height: u32) -> Value {
        let block = &self.blocks[height as usize];
        let header = block.header;
        let before = (height > 0).then_some(header.prev_blockhash);
        json!({ "id": header.block_hash(), "height": height, "version": header.version.to_consensus(),
            "timestamp": header.time, "bits": header.bits.to_consensus(), "nonce": header.nonce,
            "merkle_root": header.merkle_root, "previousblockhash": before, "tx_count": block.txdata.len(),
            "size": block.total_size(), "weight": block.weight().to_wu() })
    }
}

pub fn merkle_proof(block: &Block, txid: Txid) -> Option<(usize, Vec<sha256d::Hash>)> {
    let mut row: Vec<sha256d::Hash> = block.txdata.iter().map(|one| one.compute_txid().to_raw_hash()).collect();
    let place = row.iter().position(|hash| *hash == txid.to_raw_hash())?;
    let (mut at, mut branch) = (place, Vec::new());
    while row.len() > 1 {
        if row.len() % 2 == 1 {
            row.push(row[row.len() - 1]);
        }
        branch.push(row[at ^ 1]);
        at /= 2;
        let pair =
            |pair: &[sha256d::Hash]| sha256d::Hash::hash(&[pair[0].to_byte_array(), pair[1].to_byte_array()].concat());
        row = row.chunks(2).map(pair).collect();
    }
    Some((place, branch))
}
