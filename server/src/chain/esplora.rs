//! The chain as Esplora servers tell it: HTTP, as at blockstream.info or mempool.space, or one's own.

mod http;

use std::collections::BTreeMap;
use std::time::Duration;

use bitcoin::block::{Header, Version};
use bitcoin::consensus::encode;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{BlockHash, CompactTarget, FeeRate, Network, Script, ScriptBuf, Transaction, TxMerkleNode, Txid};
use futures_util::stream::{StreamExt, TryStreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::http::Http;
pub use self::http::{Address, NotAnAddress};
use super::light::Light;
use super::light::source::{Entry, History, Proof, Source};
use super::link::{Road, Way};
use super::{Answer, ChainError};

/// Public servers ask for restraint; ten seconds make no difference to a deposit.
const PACE: Duration = Duration::from_secs(10);
/// Long enough for the desk to ask for every wait it knows.
const RATES_KEPT: Duration = Duration::from_secs(5);
/// Histories asked for at the same time.
const QUESTIONS_AT_ONCE: usize = 8;
/// An escrow's address with more history than this was flooded by somebody, or the server invents it.
const PAGES_MAX: usize = 200;

/// Esplora servers, the first that answers right. Nothing is asked yet.
pub fn esplora(addresses: &[Address], way: &Way, network: Network) -> Result<Light, ChainError> {
    let road = Road::new(way)?;
    let source = |address: &Address| -> Box<dyn Source> {
        Box::new(Esplora { http: Http::new(address.clone(), road.clone()), rates: Mutex::default() })
    };
    Ok(Light::new(addresses.iter().map(source).collect(), network, PACE))
}

#[derive(Debug)]
struct Esplora {
    http: Http,
    /// One answer is about every wait; it is asked for once when several are wanted.
    rates: Mutex<Option<(Instant, BTreeMap<u16, f64>)>>,
}

/// A block as `/blocks` lists it: a header in pieces.
#[derive(Debug, Deserialize)]
struct BlockReply {
    id: BlockHash,
    height: u32,
    version: i32,
    timestamp: u32,
    bits: u32,
    nonce: u32,
    merkle_root: TxMerkleNode,
    previousblockhash: Option<BlockHash>,
}

#[derive(Debug, Deserialize)]
struct TransactionReply {
    txid: Txid,
    status: StatusReply,
}

#[derive(Debug, Deserialize)]
struct StatusReply {
    confirmed: bool,
    block_height: Option<u32>,
}

/// Who spends an output, if anybody does.
#[derive(Debug, Deserialize)]
struct SpendReply {
    txid: Option<Txid>,
}

#[derive(Debug, Deserialize)]
struct ProofReply {
    block_height: u32,
    merkle: Vec<String>,
    pos: u32,
}

type Answered<T> = Result<T, ChainError>;

impl BlockReply {
    fn header(&self) -> Answered<Header> {
        let header = Header {
            version: Version::from_consensus(self.version),
            prev_blockhash: self.previousblockhash.unwrap_or_else(BlockHash::all_zeros),
            merkle_root: self.merkle_root,
            time: self.timestamp,
            bits: CompactTarget::from_consensus(self.bits),
            nonce: self.nonce,
        };
        if header.block_hash() != self.id {
            return Err(ChainError::confused(format!("what it calls block {} is something else", self.id)));
        }
        Ok(header)
    }
}

impl TransactionReply {
    fn entry(&self) -> Answered<Entry> {
        let height = match &self.status {
            StatusReply { confirmed: false, .. } => None,
            StatusReply { block_height: Some(height), .. } => Some(*height),
            _ => return Err(ChainError::confused(format!("{} is confirmed and in no block", self.txid))),
        };
        Ok(Entry { txid: self.txid, height })
    }
}

impl Esplora {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Answered<Option<T>> {
        let Some(bytes) = self.http.get(path).await? else { return Ok(None) };
        let odd = |error| ChainError::confused(format!("{path}: not what Esplora answers: {error}"));
        serde_json::from_slice(&bytes).map(Some).map_err(odd)
    }

    async fn read_height(&self) -> Answered<u32> {
        self.must("/blocks/tip/height").await
    }

    /// What every Esplora server answers, of whatever it is asked.
    async fn must<T: DeserializeOwned>(&self, path: &str) -> Answered<T> {
        let odd = || ChainError::confused(format!("{} is no Esplora server: it has no {path}", self.http.name()));
        self.get(path).await?.ok_or_else(odd)
    }

    /// Some ten headers a page, from the highest down.
    async fn read_headers(&self, from: u32, count: u32) -> Answered<Vec<Header>> {
        let mut found: BTreeMap<u32, Header> = BTreeMap::new();
        let mut next = from.saturating_add(count).checked_sub(1);
        while let Some(height) = next.filter(|height| *height >= from) {
            let path = format!("/blocks/{height}");
            let page: Vec<BlockReply> = self.get(&path).await?.unwrap_or_default();
            let mut lowest = None;
            for block in page.iter().filter(|block| (from..=height).contains(&block.height)) {
                found.insert(block.height, block.header()?);
                lowest = lowest.min(Some(block.height)).or(Some(block.height));
            }
            // A height it does not have: what there is below it is asked for by the caller, next time.
            let Some(lowest) = lowest else { break };
            next = lowest.checked_sub(1);
        }
        let in_a_row = (from..).zip(found).take_while(|(height, (at, _))| height == at);
        Ok(in_a_row.map(|(_, (_, header))| header).collect())
    }

    async fn history(&self, script: &Script, above: u32) -> Answered<Vec<Entry>> {
        // Forwards, not backwards as Electrum names it.
        let name = sha256::Hash::hash(script.as_bytes());
        let path = format!("/scripthash/{name}/txs");
        let mut page: Vec<TransactionReply> = self.must(&path).await?;
        let mut entries = Vec::new();
        if page.iter().any(|one| !one.status.confirmed) {
            // What waits comes first and may leave no room for what is confirmed (mempool.space), so that is asked for by
            // itself.
            let waiting = page.iter().filter(|one| !one.status.confirmed);
            entries = waiting.map(TransactionReply::entry).collect::<Answered<_>>()?;
            page = self.must(&format!("{path}/chain")).await?;
        }
        // How long a page is differs from server to server, so only an empty one is the end.
        for _ in 0..PAGES_MAX {
            for one in &page {
                entries.push(one.entry()?);
            }
            // The newest first, so the rest is older still.
            let last = page.last().map(|one| (one.txid, one.status.block_height));
            let Some((txid, height)) = last else { return Ok(entries) };
            if height.is_some_and(|height| height <= above) {
                return Ok(entries);
            }
            page = self.must(&format!("{path}/chain/{txid}")).await?;
        }
        Err(ChainError::confused(format!("the history of script {name} has no end")))
    }

    async fn read_transaction(&self, txid: Txid) -> Answered<Option<Transaction>> {
        let Some(bytes) = self.http.get(&format!("/tx/{txid}/raw")).await? else { return Ok(None) };
        let odd = |error| ChainError::confused(format!("{txid}: not a transaction: {error}"));
        encode::deserialize(&bytes).map(Some).map_err(odd)
    }

    /// Servers have a status for what they never heard of, and keep for ever what was in a block that left the chain. But
    /// of all that spend an output one at most waits or is in the chain, and that one they name.
    async fn is_spender(&self, transaction: &Transaction) -> Answered<bool> {
        let Some(from) = transaction.input.first().map(|input| input.previous_output) else { return Ok(false) };
        if from.is_null() {
            return Ok(false);
        }
        let reply: SpendReply = self.must(&format!("/tx/{}/outspend/{}", from.txid, from.vout)).await?;
        Ok(reply.txid == Some(transaction.compute_txid()))
    }

    async fn read_proof(&self, txid: Txid, height: u32) -> Answered<Option<Proof>> {
        let proof: Option<ProofReply> = self.get(&format!("/tx/{txid}/merkle-proof")).await?;
        let proof = proof.filter(|proof| proof.block_height == height);
        proof.map(|proof| Proof::read(proof.pos, &proof.merkle)).transpose()
    }

    async fn read_rates(&self) -> Answered<BTreeMap<u16, f64>> {
        let mut known = self.rates.lock().await;
        if let Some((_, rates)) = known.as_ref().filter(|(at, _)| at.elapsed() < RATES_KEPT) {
            return Ok(rates.clone());
        }
        let rates: Option<BTreeMap<String, f64>> = self.get("/fee-estimates").await?;
        let rates: BTreeMap<u16, f64> =
            rates.into_iter().flatten().filter_map(|(target, rate)| Some((target.parse().ok()?, rate))).collect();
        *known = Some((Instant::now(), rates.clone()));
        Ok(rates)
    }

    async fn read_estimate(&self, target: u16) -> Answered<Option<FeeRate>> {
        let rates = self.read_rates().await?;
        // The estimate for the longest wait that is not longer than asked.
        let rate = rates.range(..=target).next_back().or_else(|| rates.first_key_value());
        Ok(rate.and_then(|(_, rate)| fee_rate(*rate)))
    }
}

/// From satoshis per virtual byte, rounded up; none for what is no rate.
fn fee_rate(sat_per_vb: f64) -> Option<FeeRate> {
    let rate = bitcoin::Amount::from_btc((sat_per_vb * 250.0).ceil() / 100_000_000.0).ok()?;
    (rate.to_sat() > 0).then(|| FeeRate::from_sat_per_kwu(rate.to_sat()))
}

impl Source for Esplora {
    fn name(&self) -> &str {
        self.http.name()
    }

    fn height(&self) -> Answer<'_, u32> {
        Box::pin(self.read_height())
    }

    fn headers(&self, from: u32, count: u32) -> Answer<'_, Vec<Header>> {
        Box::pin(self.read_headers(from, count))
    }

    fn histories<'a>(&'a self, scripts: &'a [ScriptBuf], above: u32) -> Answer<'a, Vec<History>> {
        Box::pin(async move {
            let question = |script: &'a ScriptBuf| -> Answer<'a, History> {
                Box::pin(async move {
                    match self.history(script, above).await {
                        // Of this one it says something else than its history; the next may be told.
                        Err(error @ ChainError::Confused(_)) => Ok(Err(error)),
                        told => told.map(Ok),
                    }
                })
            };
            let questions: Vec<_> = scripts.iter().map(question).collect();
            futures_util::stream::iter(questions).buffered(QUESTIONS_AT_ONCE).try_collect().await
        })
    }

    fn transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>> {
        Box::pin(self.read_transaction(txid))
    }

    fn knows<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, bool> {
        Box::pin(async move {
            let path = format!("/tx/{}/status", transaction.compute_txid());
            let known: Option<StatusReply> = self.get(&path).await?;
            match known {
                Some(StatusReply { confirmed: true, .. }) => Ok(true),
                Some(_) => self.is_spender(transaction).await,
                None => Ok(false),
            }
        })
    }

    fn proof(&self, txid: Txid, height: u32) -> Answer<'_, Option<Proof>> {
        Box::pin(self.read_proof(txid, height))
    }

    fn send<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        Box::pin(self.http.post("/tx", encode::serialize_hex(transaction)))
    }

    fn estimate(&self, target_blocks: u16) -> Answer<'_, Option<FeeRate>> {
        Box::pin(self.read_estimate(target_blocks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_rate_is_rounded_up_and_odd_ones_are_none() {
        assert_eq!(fee_rate(1.0), Some(FeeRate::from_sat_per_kwu(250)));
        assert_eq!(fee_rate(1.027), Some(FeeRate::from_sat_per_kwu(257)));
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(fee_rate(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_block_that_is_not_what_it_is_called_is_found_out() {
        let header = bitcoin::constants::genesis_block(Network::Regtest).header;
        let mut reply = BlockReply {
            id: header.block_hash(),
            height: 0,
            version: header.version.to_consensus(),
            timestamp: header.time,
            bits: header.bits.to_consensus(),
            nonce: header.nonce,
            merkle_root: header.merkle_root,
            previousblockhash: None,
        };
        assert_eq!(reply.header(), Ok(header));
        reply.nonce += 1;
        assert!(reply.header().is_err());
    }
}
