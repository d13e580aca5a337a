//! The chain as a Bitcoin Core tells it: JSON-RPC, no wallet, no index, no scan of the whole set of coins.
//!
//! Blocks are read as they come, the mempool by the ids that are new. A pruned node will do as long as it keeps
//! the blocks since the desk last looked.

mod lookup;
mod package;
mod pool;
mod rpc;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitcoin::consensus::encode;
use bitcoin::constants::genesis_block;
use bitcoin::hex::FromHex;
use bitcoin::{Amount, BlockHash, FeeRate, Network, OutPoint, ScriptBuf, Transaction, TxOut, Txid, Work};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use self::pool::Pool;
pub use self::rpc::CoreAuth;
use self::rpc::{CallError, Rpc, read};
use super::facts::{BLOCKS_PER_ANSWER_MAX, Gatherer, read_block, time_of};
use super::{
    Answer, BlockRef, Chain, ChainError, Coin, Cursor, FEE_RATE_MAX, FEE_RATE_MIN, FEE_RATE_UNKNOWN, Facts, Tip, Trail,
    Unspent, Watched,
};

/// No such transaction or block.
const NOT_FOUND: i64 = -5;
/// A number out of range, as a height above the tip.
const INVALID_PARAMETER: i64 = -8;
/// The bytes are no transaction, it does not fit the chain, or the rules refuse it.
const TRANSACTION_REFUSALS: [i64; 3] = [-22, -25, -26];
const ALREADY_IN_CHAIN: i64 = -27;
/// Core estimates for at most a week.
const TARGET_BLOCKS_MAX: u16 = 1_008;

/// A payout has at most five outputs; a deposit made by a service that pays many at once has more, and most of
/// the first twenty are not spent again within the hour.
const OUTPUTS_ASKED: usize = 20;

/// A Bitcoin Core node.
#[derive(Debug)]
pub struct Core {
    rpc: Rpc,
    network: Network,
    /// Its first block is this network's.
    ours: AtomicBool,
    unknown_fee_rate: FeeRate,
    pool: Mutex<Pool>,
}

#[derive(Debug, Deserialize)]
struct ChainInfo {
    chain: String,
    blocks: u32,
    bestblockhash: BlockHash,
    time: i64,
    initialblockdownload: bool,
    chainwork: Work,
}

#[derive(Debug, Deserialize)]
struct HeaderInfo {
    /// -1 when the block is not in the best chain, or not yet.
    confirmations: i64,
    height: u32,
    /// Of all the blocks up to this one.
    chainwork: Work,
    previousblockhash: Option<BlockHash>,
}

#[derive(Debug, Deserialize)]
struct ScanInfo {
    unspents: Vec<ScannedInfo>,
}

#[derive(Debug, Deserialize)]
struct ScannedInfo {
    txid: Txid,
    vout: u32,
    #[serde(rename = "scriptPubKey")]
    script: ScriptBuf,
    /// In bitcoin.
    amount: f64,
    height: u32,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    allowed: bool,
    #[serde(rename = "reject-reason", default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Estimate {
    /// In bitcoin per 1000 virtual bytes; absent when the node has seen too little.
    feerate: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct PoolInfo {
    mempoolminfee: f64,
    /// False while it reads what it kept over a restart; absent before Bitcoin Core 0.19.
    loaded: Option<bool>,
}

impl PoolInfo {
    fn is_loaded(&self) -> bool {
        self.loaded != Some(false)
    }
}

impl Core {
    /// `url` is `http://host:port`. Nothing is asked yet; `tip` says whether it is the right network.
    pub fn new(url: &str, auth: CoreAuth, network: Network) -> Result<Self, ChainError> {
        let rpc = Rpc::new(url, auth)?;
        let (ours, unknown_fee_rate, pool) = (AtomicBool::new(false), FEE_RATE_UNKNOWN, Mutex::default());
        Ok(Self { rpc, network, ours, unknown_fee_rate, pool })
    }

    /// What to say while the node cannot estimate, instead of [`FEE_RATE_UNKNOWN`].
    pub fn with_unknown_fee_rate(self, rate: FeeRate) -> Self {
        Self { unknown_fee_rate: rate, ..self }
    }

    /// A node that takes longer to answer hangs.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { rpc: self.rpc.with_patience(patience), ..self }
    }

    async fn info(&self) -> Result<ChainInfo, ChainError> {
        let info: ChainInfo = self.rpc.call("getblockchaininfo", json!([])).await?;
        let wanted = self.network.to_core_arg();
        if info.chain != wanted {
            return Err(ChainError::confused(format!("the node is on {}, the desk on {wanted}", info.chain)));
        }
        // A regtest whose last block is a day old says so too, and is not behind anybody.
        if info.initialblockdownload && self.network != Network::Regtest {
            return Err(ChainError::Loading(format!("it has read {} blocks", info.blocks)));
        }
        self.is_ours().await?;
        Ok(info)
    }

    /// A name can be given to any chain; the first block cannot. All signets have the same one: whose blocks a signet
    /// takes is the node's own setting.
    async fn is_ours(&self) -> Result<(), ChainError> {
        if self.ours.load(Ordering::Relaxed) {
            return Ok(());
        }
        let theirs: BlockHash = self.rpc.call("getblockhash", json!([0])).await?;
        let ours = genesis_block(self.network).block_hash();
        if theirs != ours {
            return Err(ChainError::confused(format!(
                "the node is on another network: the first block of {} is {ours}, the node's is {theirs}",
                self.network
            )));
        }
        self.ours.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn facts(&self, cursor: &Cursor, watched: &Watched) -> Result<Facts, ChainError> {
        let mut facts = Gatherer::new(watched);
        let tip = self.info().await?;
        let fork = self.walk_back(*cursor, &tip, &watched.trail, &mut facts).await?;
        let (at, mut caught_up) = self.read_blocks(fork, &tip, &mut facts).await?;
        if caught_up {
            caught_up = self.read_pool(at, watched, &mut facts).await?;
        }
        Ok(facts.finish(at, caught_up))
    }

    /// From the cursor down to a block that is in the best chain. A node that is new, or set back, never had a block that
    /// left the chain before: those below it are known from the trail.
    async fn walk_back(
        &self,
        cursor: Cursor,
        tip: &ChainInfo,
        trail: &Trail,
        facts: &mut Gatherer<'_>,
    ) -> Result<BlockRef, ChainError> {
        let behind = || ChainError::Behind(format!("the node is at block {}, {cursor} was read already", tip.blocks));
        let mut at = cursor;
        loop {
            let header: HeaderInfo = match self.rpc.call("getblockheader", json!([at.hash])).await {
                Ok(header) => header,
                Err(CallError::Refused { code: NOT_FOUND, .. }) if cursor.height > tip.blocks => return Err(behind()),
                Err(CallError::Refused { code: NOT_FOUND, .. }) => {
                    let never = || ChainError::confused(format!("the node never had the block {at}"));
                    let below = trail.below(&at).next().ok_or_else(never)?;
                    facts.disconnected(at);
                    at = below;
                    continue;
                }
                Err(other) => return Err(other.into()),
            };
            if header.height != at.height {
                return Err(ChainError::confused(format!("the block {at} is at height {}", header.height)));
            }
            if header.confirmations >= 0 {
                return Ok(at);
            }
            // Only more work takes a block out of the best chain: the node has the header and not yet the block.
            if header.chainwork > tip.chainwork {
                return Err(behind());
            }
            facts.disconnected(at);
            let hash = header.previousblockhash.ok_or_else(|| ChainError::confused("a chain without a start"))?;
            at = BlockRef { height: at.height.saturating_sub(1), hash };
        }
    }

    /// Up to the tip, or as far as one answer goes. Stops early when the chain changes meanwhile: the next
    /// question finds the fork.
    async fn read_blocks(
        &self,
        from: BlockRef,
        tip: &ChainInfo,
        facts: &mut Gatherer<'_>,
    ) -> Result<(BlockRef, bool), ChainError> {
        let next = from.height.saturating_add(1);
        let heights = (next..=tip.blocks).take(BLOCKS_PER_ANSWER_MAX);
        let calls: Vec<(&str, Value)> = heights.map(|height| ("getblockhash", json!([height]))).collect();
        let mut at = from;
        for answer in self.rpc.batch(&calls).await? {
            let hash: BlockHash = match answer {
                Ok(value) => read("getblockhash", value)?,
                Err(CallError::Refused { code: INVALID_PARAMETER, .. }) => return Ok((at, false)),
                Err(error) => return Err(error.into()),
            };
            let hex: String = self.rpc.call("getblock", json!([hash, 0])).await?;
            let bytes = Vec::from_hex(&hex).map_err(ChainError::confused)?;
            let block = read_block(&bytes, hash)?;
            if block.header.prev_blockhash != at.hash {
                return Ok((at, false));
            }
            at = BlockRef { height: at.height.saturating_add(1), hash };
            facts.connected(at, &block)?;
        }
        Ok((at, at.hash == tip.bestblockhash))
    }

    /// What waits, as it was when `at` was the best block; false when that has changed or there is more to read.
    async fn read_pool(&self, at: BlockRef, watched: &Watched, facts: &mut Gatherer<'_>) -> Result<bool, ChainError> {
        // In this order: a block that arrives in between is noticed, and nothing is taken for evicted that it holds.
        let questions = ["getmempoolinfo", "getrawmempool", "getbestblockhash"];
        let mut answers = self.rpc.batch(&questions.map(|question| (question, json!([])))).await?.into_iter();
        let mut answer = || answers.next().unwrap_or(Ok(Value::Null));
        let info: PoolInfo = read("getmempoolinfo", answer()?)?;
        let now: HashSet<Txid> = read("getrawmempool", answer()?)?;
        let best: BlockHash = read("getbestblockhash", answer()?)?;
        if best != at.hash {
            return Ok(false);
        }
        let mut pool = self.pool.lock().await;
        let complete = pool.update(&self.rpc, &now).await?;
        let matter = pool.that_matter(&self.rpc, watched, |outpoint| facts.is_found(outpoint)).await?;
        facts.waiting(matter.iter());
        if !info.is_loaded() {
            return Ok(complete);
        }
        for txid in facts.missing(|txid| now.contains(txid)) {
            if !self.is_in_chain(txid, OUTPUTS_ASKED).await? {
                facts.evicted([txid]);
            }
        }
        Ok(complete)
    }

    /// One pass over the set of coins, for all scripts together: a minute or two of the node's time on the main chain.
    async fn scan(&self, scripts: &[ScriptBuf]) -> Result<Vec<Coin>, ChainError> {
        if scripts.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<String> = scripts.iter().map(|script| format!("raw({})", script.to_hex_string())).collect();
        let found: ScanInfo = self.rpc.patient_call("scantxoutset", json!(["start", wanted])).await?;
        let coin = |one: ScannedInfo| {
            let value = Amount::from_btc(one.amount).map_err(ChainError::confused)?;
            let outpoint = OutPoint { txid: one.txid, vout: one.vout };
            Ok(Coin { outpoint, output: TxOut { value, script_pubkey: one.script }, height: one.height })
        };
        found.unspents.into_iter().map(coin).collect()
    }

    async fn try_out(&self, transaction: &Transaction) -> Result<(), ChainError> {
        let hex = encode::serialize_hex(transaction);
        let verdicts: Vec<Verdict> = match self.rpc.call("testmempoolaccept", json!([[hex]])).await {
            Err(CallError::Refused { code, message }) if TRANSACTION_REFUSALS.contains(&code) => {
                return Err(ChainError::Rejected(message));
            }
            other => other?,
        };
        let verdict = verdicts.into_iter().next().ok_or_else(|| ChainError::confused("no verdict"))?;
        if verdict.allowed || self.is_known(transaction).await? {
            return Ok(());
        }
        Err(ChainError::Rejected(verdict.reason))
    }

    async fn send(&self, transaction: &Transaction) -> Result<(), ChainError> {
        let hex = encode::serialize_hex(transaction);
        match self.rpc.call::<Txid>("sendrawtransaction", json!([hex])).await {
            Ok(_) | Err(CallError::Refused { code: ALREADY_IN_CHAIN, .. }) => Ok(()),
            Err(CallError::Refused { code, message }) if TRANSACTION_REFUSALS.contains(&code) => {
                // One whose outputs are all spent again looks like any with missing inputs.
                if self.is_known(transaction).await? { Ok(()) } else { Err(ChainError::Rejected(message)) }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn estimate(&self, target_blocks: u16) -> Result<FeeRate, ChainError> {
        let target = target_blocks.clamp(1, TARGET_BLOCKS_MAX);
        let estimate: Estimate = self.rpc.call("estimatesmartfee", json!([target])).await?;
        let pool: PoolInfo = self.rpc.call("getmempoolinfo", json!([])).await?;
        let rate = estimate.feerate.map_or(Ok(self.unknown_fee_rate), fee_rate_from_core)?;
        let needed = fee_rate_from_core(pool.mempoolminfee)?;
        Ok(rate.max(needed).clamp(FEE_RATE_MIN, FEE_RATE_MAX))
    }
}

/// From bitcoin per 1000 virtual bytes, rounded up.
fn fee_rate_from_core(btc_per_kvb: f64) -> Result<FeeRate, ChainError> {
    let sats = Amount::from_btc(btc_per_kvb).map_err(ChainError::confused)?.to_sat();
    Ok(FeeRate::from_sat_per_kwu(sats.div_ceil(4)))
}

impl Chain for Core {
    fn tip(&self) -> Answer<'_, Tip> {
        Box::pin(async {
            let info = self.info().await?;
            let block = BlockRef { height: info.blocks, hash: info.bestblockhash };
            Ok(Tip { block, time: time_of(info.time)? })
        })
    }

    fn cursor_at(&self, height: u32) -> Answer<'_, Cursor> {
        Box::pin(async move {
            let hash = self.rpc.call("getblockhash", json!([height])).await?;
            Ok(BlockRef { height, hash })
        })
    }

    fn facts_since<'a>(&'a self, cursor: &'a Cursor, watched: &'a Watched) -> Answer<'a, Facts> {
        Box::pin(self.facts(cursor, watched))
    }

    fn coins_at<'a>(&'a self, scripts: &'a [ScriptBuf]) -> Answer<'a, Vec<Coin>> {
        Box::pin(self.scan(scripts))
    }

    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<Unspent>> {
        Box::pin(self.coin(outpoint))
    }

    fn transaction(&self, txid: Txid, block: Option<BlockHash>) -> Answer<'_, Option<Transaction>> {
        Box::pin(self.known(txid, block))
    }

    fn test_accept<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        Box::pin(self.try_out(transaction))
    }

    fn broadcast<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        Box::pin(self.send(transaction))
    }

    fn submit_package<'a>(&'a self, package: &'a [Transaction]) -> Answer<'a, ()> {
        Box::pin(self.send_together(package))
    }

    fn fee_rate(&self, target_blocks: u16) -> Answer<'_, FeeRate> {
        Box::pin(self.estimate(target_blocks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_rate_in_bitcoin_is_rounded_up() {
        assert_eq!(fee_rate_from_core(0.00001), Ok(FEE_RATE_MIN));
        assert_eq!(fee_rate_from_core(0.00001001), Ok(FeeRate::from_sat_per_kwu(251)));
        assert!(fee_rate_from_core(-1.0).is_err());
        assert!(fee_rate_from_core(f64::NAN).is_err());
    }
}
