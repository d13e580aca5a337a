//! One connection to an Electrum server, and what was subscribed to on it.

use std::collections::HashMap;
use std::fmt::Write;

use bitcoin::block::Header;
use bitcoin::consensus::encode;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Amount, BlockHash, FeeRate, Script, ScriptBuf, Transaction, Txid};
use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::{Fault, Wire, read};
use crate::chain::ChainError;
use crate::chain::light::source::{Entry, History, Proof};

/// A server whose history and whose subscription still differ after so many looks contradicts itself.
const LOOKS_MAX: u32 = 4;
const HEADER_HEX_DIGITS: usize = 160;

/// A connection and what was subscribed to on it.
#[derive(Debug)]
pub struct Session {
    wire: Wire,
    /// The best block when the histories were last read.
    tip: Option<BlockHash>,
    scripts: HashMap<String, Known>,
}

/// What is known of a script.
#[derive(Debug, Default)]
struct Known {
    status: Option<String>,
    /// None when it has to be read again.
    history: Option<Vec<Entry>>,
}

#[derive(Debug, Deserialize)]
struct TipReply {
    height: u32,
    hex: String,
}

#[derive(Debug, Deserialize)]
struct HeadersReply {
    hex: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct HistoryReply {
    pub tx_hash: Txid,
    pub height: i64,
}

#[derive(Debug, Deserialize)]
struct ProofReply {
    pos: u32,
    merkle: Vec<String>,
}

type Answered<T> = Result<T, ChainError>;

impl Session {
    pub fn new(wire: Wire) -> Self {
        Self { wire, tip: None, scripts: HashMap::new() }
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &mut self,
        method: &str,
        params: Value,
    ) -> Answered<Result<T, Fault>> {
        let mut answers = self.call_many(method, vec![params]).await?;
        match answers.pop() {
            Some(Ok(value)) => Ok(Ok(read(method, value)?)),
            Some(Err(fault)) => Ok(Err(fault)),
            None => Err(ChainError::confused(format!("{method}: no answer"))),
        }
    }

    /// Many questions at once; what changed meanwhile is noted.
    async fn call_many(&mut self, method: &str, params: Vec<Value>) -> Answered<Vec<Result<Value, Fault>>> {
        let answers = self.wire.call(method, params).await?;
        for (script, status) in self.wire.take_news() {
            if let Some(known) = self.scripts.get_mut(&script) {
                *known = Known { status, history: None };
            }
        }
        Ok(answers)
    }

    pub async fn tip(&mut self) -> Answered<u32> {
        let tip: TipReply = self.call("blockchain.headers.subscribe", json!([])).await??;
        let header: Header = decode(&tip.hex)?;
        let hash = header.block_hash();
        if self.tip != Some(hash) {
            // A server may tell of the block before it tells of what the block changed.
            self.scripts.values_mut().for_each(|known| known.history = None);
            self.tip = Some(hash);
        }
        Ok(tip.height)
    }

    pub async fn headers(&mut self, from: u32, count: u32) -> Answered<Vec<Header>> {
        let mut headers = Vec::new();
        let mut next = from;
        let end = from.saturating_add(count);
        while next < end {
            let params = json!([next, end.saturating_sub(next)]);
            let reply: HeadersReply = match self.call("blockchain.block.headers", params).await? {
                Ok(reply) => reply,
                // Some servers refuse what is above their tip, others answer with nothing.
                Err(_) => break,
            };
            let mut digits = reply.hex.as_str();
            let before = next;
            while let Some((one, rest)) = digits.split_at_checked(HEADER_HEX_DIGITS) {
                headers.push(decode(one)?);
                next = next.saturating_add(1);
                digits = rest;
            }
            if next == before {
                break;
            }
        }
        Ok(headers)
    }

    /// Each script's history, or why the server does not tell that one.
    pub async fn histories(&mut self, scripts: &[ScriptBuf]) -> Answered<Vec<History>> {
        let names: Vec<String> = scripts.iter().map(|script| name_of(script)).collect();
        let new: Vec<String> = names.iter().filter(|name| !self.scripts.contains_key(*name)).cloned().collect();
        let mut refused = Refused::new();
        self.subscribe(&new, &mut refused).await?;
        for _ in 0..LOOKS_MAX {
            let is_read = |name: &String| self.scripts.get(name).is_some_and(|known| known.history.is_some());
            let unread = |name: &&String| !refused.contains_key(*name) && !is_read(name);
            let unread: Vec<String> = names.iter().filter(unread).cloned().collect();
            if unread.is_empty() {
                break;
            }
            self.read_histories(&unread, &mut refused).await?;
        }
        let mut histories = Vec::with_capacity(names.len());
        for name in &names {
            let known = self.scripts.get(name).and_then(|known| known.history.clone());
            if known.is_none() {
                // Next time it is subscribed to anew.
                self.scripts.remove(name);
            }
            histories.push(known.ok_or_else(|| match refused.get(name) {
                Some(fault) => fault.clone().into(),
                None => ChainError::confused("its subscriptions and its histories differ"),
            }));
        }
        Ok(histories)
    }

    async fn subscribe(&mut self, names: &[String], refused: &mut Refused) -> Answered<()> {
        let params = names.iter().map(|name| json!([name])).collect();
        let answers = self.call_many("blockchain.scripthash.subscribe", params).await?;
        for (name, answer) in names.iter().zip(answers) {
            let Some(answer) = told(name, answer, refused) else { continue };
            let status: Option<String> = read("blockchain.scripthash.subscribe", answer)?;
            // Nothing was ever paid to it.
            let history = status.is_none().then(Vec::new);
            self.scripts.insert(name.clone(), Known { status, history });
        }
        Ok(())
    }

    /// A history counts when it is what the subscription stands for; else both are asked for again.
    async fn read_histories(&mut self, names: &[String], refused: &mut Refused) -> Answered<()> {
        let params = names.iter().map(|name| json!([name])).collect();
        let answers = self.call_many("blockchain.scripthash.get_history", params).await?;
        let mut differ = Vec::new();
        for (name, answer) in names.iter().zip(answers) {
            let Some(answer) = told(name, answer, refused) else { continue };
            let replies: Vec<HistoryReply> = read("blockchain.scripthash.get_history", answer)?;
            let status = status_of(&replies)?;
            let known = self.scripts.entry(name.clone()).or_default();
            if known.status == status {
                known.history = Some(replies.iter().map(Entry::from).collect());
            } else {
                differ.push(name.clone());
            }
        }
        self.subscribe(&differ, refused).await
    }
}

/// What a server says instead of a history.
type Refused = HashMap<String, Fault>;

fn told(name: &str, answer: Result<Value, Fault>, refused: &mut Refused) -> Option<Value> {
    answer.map_err(|fault| refused.insert(name.to_owned(), fault)).ok()
}

impl Session {
    pub async fn transaction(&mut self, txid: Txid) -> Answered<Option<Transaction>> {
        match self.call::<String>("blockchain.transaction.get", json!([txid])).await? {
            Ok(hex) => decode(&hex).map(Some),
            Err(fault) if fault.is_not_found() => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Servers remember transactions that have left; the history of a script they touch does not.
    pub async fn knows(&mut self, transaction: &Transaction) -> Answered<bool> {
        let txid = transaction.compute_txid();
        let mut refused = None;
        for (script, touches) in self.scripts_of(transaction) {
            match self.histories(std::slice::from_ref(&script)).await?.pop() {
                Some(Ok(history)) if history.iter().any(|entry| entry.txid == txid) => return Ok(true),
                Some(Ok(_)) if touches => return Ok(false),
                Some(Err(error)) => refused = Some(error),
                _ => {}
            }
        }
        refused.map_or(Ok(false), Err)
    }

    /// The scripts that a transaction spends from, if they are P2WSH, and those it pays; whether it is certain that it
    /// touches them. Those followed already come first: a stranger's may have a history without end.
    fn scripts_of(&self, transaction: &Transaction) -> Vec<(ScriptBuf, bool)> {
        // A guess from an earlier question is followed too; where nothing has ever happened there was nothing to spend.
        let follows =
            |script: &ScriptBuf| self.scripts.get(&name_of(script)).is_some_and(|known| known.status.is_some());
        // Of another kind of output the last element is no script: then nothing has happened at its address.
        let last = transaction.input.iter().filter_map(|input| input.witness.last());
        let from = last.map(|bytes| Script::from_bytes(bytes).to_p2wsh());
        let from = from.map(|script| {
            let known = follows(&script);
            (script, known)
        });
        let to = transaction.output.iter().map(|output| (output.script_pubkey.clone(), true));
        let mut scripts: Vec<_> = from.chain(to).collect();
        scripts.sort_by_key(|(script, _)| !follows(script));
        scripts.dedup();
        scripts
    }

    pub async fn proof(&mut self, txid: Txid, height: u32) -> Answered<Option<Proof>> {
        match self.call::<ProofReply>("blockchain.transaction.get_merkle", json!([txid, height])).await? {
            Ok(reply) => Proof::read(reply.pos, &reply.merkle).map(Some),
            Err(_) => Ok(None),
        }
    }

    pub async fn send(&mut self, transaction: &Transaction) -> Answered<()> {
        let params = json!([encode::serialize_hex(transaction)]);
        match self.call::<Value>("blockchain.transaction.broadcast", params).await? {
            Ok(_) => Ok(()),
            Err(fault) if fault.is_trouble() => Err(ChainError::unreachable(fault.message)),
            Err(fault) => Err(ChainError::Rejected(fault.message)),
        }
    }

    pub async fn estimate(&mut self, target_blocks: u16) -> Answered<Option<FeeRate>> {
        // In bitcoin per 1000 virtual bytes; -1 when it does not know.
        let rate = self.call::<f64>("blockchain.estimatefee", json!([target_blocks])).await??;
        let known = Amount::from_btc(rate).ok().filter(|rate| rate.to_sat() > 0);
        Ok(known.map(|rate| FeeRate::from_sat_per_kwu(rate.to_sat().div_ceil(4))))
    }
}

impl From<&HistoryReply> for Entry {
    /// 0 and -1 wait: the latter on something that waits itself.
    fn from(reply: &HistoryReply) -> Self {
        let height = u32::try_from(reply.height).ok().filter(|height| *height > 0);
        Self { txid: reply.tx_hash, height }
    }
}

/// What a script's subscription says while its history is this one.
pub(super) fn status_of(replies: &[HistoryReply]) -> Answered<Option<String>> {
    if replies.is_empty() {
        return Ok(None);
    }
    let mut text = String::new();
    for reply in replies {
        write!(text, "{}:{}:", reply.tx_hash, reply.height).map_err(ChainError::confused)?;
    }
    Ok(Some(sha256::Hash::hash(text.as_bytes()).to_string()))
}

/// How Electrum names a script: its hash, backwards.
pub(super) fn name_of(script: &Script) -> String {
    let mut hash = sha256::Hash::hash(script.as_bytes()).to_byte_array();
    hash.reverse();
    data_encoding::HEXLOWER.encode(&hash)
}

fn decode<T: encode::Decodable>(hex: &str) -> Answered<T> {
    encode::deserialize_hex(hex).map_err(|error| ChainError::confused(format!("not a bitcoin object: {error}")))
}
