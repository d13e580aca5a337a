//! What the node has of one output or one transaction.

use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pool::decode;
use super::rpc::CallError;
use super::{Core, NOT_FOUND, PoolInfo};
use crate::chain::{ChainError, Unspent};

#[derive(Debug, Deserialize)]
struct CoinInfo {
    confirmations: u32,
    /// In bitcoin.
    value: f64,
    #[serde(rename = "scriptPubKey")]
    script: ScriptInfo,
    coinbase: bool,
}

#[derive(Debug, Deserialize)]
struct ScriptInfo {
    hex: ScriptBuf,
}

#[derive(Debug, Deserialize)]
struct TransactionInfo {
    hex: String,
    /// Absent while it waits.
    blockhash: Option<BlockHash>,
    /// 0 or absent when that block is not in the best chain.
    confirmations: Option<i64>,
}

impl TransactionInfo {
    /// An index of transactions never forgets what was in a block that left the chain.
    fn is_there(&self) -> bool {
        self.blockhash.is_none() || self.confirmations.is_some_and(|confirmations| confirmations > 0)
    }
}

impl Core {
    pub(super) async fn coin(&self, outpoint: OutPoint) -> Result<Option<Unspent>, ChainError> {
        let coin: Option<CoinInfo> = self.rpc.call("gettxout", json!([outpoint.txid, outpoint.vout, true])).await?;
        let Some(coin) = coin else { return Ok(None) };
        let value = Amount::from_btc(coin.value).map_err(ChainError::confused)?;
        let output = TxOut { value, script_pubkey: coin.script.hex };
        Ok(Some(Unspent { output, confirmations: coin.confirmations, coinbase: coin.coinbase }))
    }

    /// What waits or is in the best chain.
    pub(super) async fn find(&self, txid: Txid, block: Option<BlockHash>) -> Result<Option<Transaction>, ChainError> {
        let params = block.map_or_else(|| json!([txid, 1]), |block| json!([txid, 1, block]));
        match self.rpc.call::<TransactionInfo>("getrawtransaction", params).await {
            Ok(info) if info.is_there() => decode(&info.hex).map(Some),
            Ok(_) | Err(CallError::Refused { code: NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same; a node that still reads its mempool after a restart does not say that something is unknown.
    pub(super) async fn known(&self, txid: Txid, block: Option<BlockHash>) -> Result<Option<Transaction>, ChainError> {
        let found = self.find(txid, block).await?;
        if found.is_none() && !self.rpc.call::<PoolInfo>("getmempoolinfo", json!([])).await?.is_loaded() {
            return Err(ChainError::Loading("it is reading its mempool".into()));
        }
        Ok(found)
    }

    /// In the mempool, or in the chain as far as the node can tell.
    pub(super) async fn is_known(&self, transaction: &Transaction) -> Result<bool, ChainError> {
        self.is_in_chain(transaction.compute_txid(), transaction.output.len()).await
    }

    /// The node's index knows it, if there is one, or one of its first outputs is not spent yet.
    pub(super) async fn is_in_chain(&self, txid: Txid, outputs: usize) -> Result<bool, ChainError> {
        if self.find(txid, None).await?.is_some() {
            return Ok(true);
        }
        let calls: Vec<(&str, Value)> =
            (0_u32..).take(outputs).map(|vout| ("gettxout", json!([txid, vout, false]))).collect();
        for answer in self.rpc.batch(&calls).await? {
            if !answer?.is_null() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
