//! A short memory of the node's mempool, so that each waiting transaction is read once and not at every question.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use bitcoin::consensus::encode;
use bitcoin::{OutPoint, Script, Transaction, Txid};
use serde_json::{Value, json};

use super::rpc::{CallError, Rpc, read};
use crate::chain::scripts::program;
use crate::chain::{ChainError, Watched};

/// So many transactions are read for one answer; the first look at a busy mempool takes several.
const READS_PER_ANSWER_MAX: usize = 5_000;
/// In one request: at 100 kB each at most 20 MB, in practice some hundred kB.
const READS_PER_REQUEST: usize = 200;

/// What is remembered of a transaction: enough to see whether it may matter. A hundred thousand of them, a busy
/// mempool, are some 20 MB; the transactions themselves would be a multiple.
#[derive(Debug)]
struct Glimpse {
    /// The P2WSH programs it pays.
    programs: Vec<[u8; 32]>,
    /// Short hashes of the other scripts it pays; a false match costs one more look.
    others: Vec<u64>,
    spends: Vec<OutPoint>,
}

#[derive(Debug, Default)]
pub struct Pool {
    known: HashMap<Txid, Glimpse>,
    /// Whole, because they mattered once.
    whole: HashMap<Txid, Transaction>,
}

impl Pool {
    /// Brings the memory to what the node has now. False when there is more to read.
    pub async fn update(&mut self, rpc: &Rpc, now: &HashSet<Txid>) -> Result<bool, ChainError> {
        self.known.retain(|txid, _| now.contains(txid));
        self.whole.retain(|txid, _| now.contains(txid));
        let new: Vec<Txid> = now.iter().filter(|txid| !self.known.contains_key(*txid)).copied().collect();
        let wanted = new.get(..READS_PER_ANSWER_MAX).unwrap_or(&new);
        for some in wanted.chunks(READS_PER_REQUEST) {
            for transaction in read_waiting(rpc, some).await? {
                self.known.insert(transaction.compute_txid(), Glimpse::of(&transaction));
            }
        }
        Ok(wanted.len() == new.len())
    }

    /// The waiting transactions that touch what is watched, or what an earlier part of the answer found.
    pub async fn that_matter(
        &mut self,
        rpc: &Rpc,
        watched: &Watched,
        found: impl Fn(&OutPoint) -> bool,
    ) -> Result<Vec<Transaction>, ChainError> {
        let others: HashSet<u64> = watched.scripts.others().map(|script| short(script)).collect();
        let pays = |glimpse: &Glimpse| {
            glimpse.programs.iter().any(|program| watched.scripts.has_program(program))
                || glimpse.others.iter().any(|script| others.contains(script))
        };
        let paying: HashSet<Txid> = self.known.iter().filter(|(_, seen)| pays(seen)).map(|(txid, _)| *txid).collect();
        let spends = |glimpse: &Glimpse| {
            glimpse.spends.iter().any(|outpoint| {
                watched.outpoints.contains(outpoint) || found(outpoint) || paying.contains(&outpoint.txid)
            })
        };
        let spending = self.known.iter().filter(|(_, seen)| spends(seen)).map(|(txid, _)| *txid);
        let mut matter: Vec<Txid> = paying.iter().copied().chain(spending).collect();
        matter.sort();
        matter.dedup();
        let unread: Vec<Txid> = matter.iter().filter(|txid| !self.whole.contains_key(*txid)).copied().collect();
        for some in unread.chunks(READS_PER_REQUEST) {
            for transaction in read_waiting(rpc, some).await? {
                self.whole.insert(transaction.compute_txid(), transaction);
            }
        }
        Ok(matter.iter().filter_map(|txid| self.whole.get(txid)).cloned().collect())
    }
}

impl Glimpse {
    fn of(transaction: &Transaction) -> Self {
        let scripts = || transaction.output.iter().map(|output| &*output.script_pubkey);
        Self {
            programs: scripts().filter_map(program).collect(),
            others: scripts().filter(|script| !script.is_p2wsh()).map(short).collect(),
            spends: transaction.input.iter().map(|input| input.previous_output).collect(),
        }
    }
}

fn short(script: &Script) -> u64 {
    let mut hasher = DefaultHasher::new();
    script.as_bytes().hash(&mut hasher);
    hasher.finish()
}

/// Those that have left in the meantime are missing from the answer.
async fn read_waiting(rpc: &Rpc, txids: &[Txid]) -> Result<Vec<Transaction>, ChainError> {
    let calls: Vec<(&str, Value)> = txids.iter().map(|txid| ("getrawtransaction", json!([txid]))).collect();
    let mut transactions = Vec::with_capacity(txids.len());
    for answer in rpc.batch(&calls).await? {
        match answer {
            Ok(value) => transactions.push(decode(&read::<String>("getrawtransaction", value)?)?),
            Err(CallError::Refused { code: super::NOT_FOUND, .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(transactions)
}

/// A transaction or block from the node's hexadecimal.
pub fn decode<T: encode::Decodable>(hex: &str) -> Result<T, ChainError> {
    encode::deserialize_hex(hex).map_err(|error| ChainError::confused(format!("not a bitcoin object: {error}")))
}
