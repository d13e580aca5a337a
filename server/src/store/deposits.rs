//! Outputs at escrow addresses, and how far the chain has been read.

use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Transaction, Txid, consensus, hashes::Hash};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::trades::txid;
use super::{GenericClient, StoreError, Stored, amount, sats};
use crate::domain::TradeId;

/// An output at a trade's address.
#[derive(Debug, Clone)]
pub struct DepositRow {
    pub outpoint: OutPoint,
    pub value: Amount,
    pub coinbase: bool,
    pub transaction: Transaction,
    pub seen_at: Timestamp,
    pub height: Option<u32>,
    pub funding: bool,
    pub gone_at: Option<Timestamp>,
    pub spent_by: Option<Txid>,
    pub spent_height: Option<u32>,
}

impl DepositRow {
    /// It can still be spent, as far as is known.
    pub fn is_there(&self) -> bool {
        self.gone_at.is_none() && self.spent_by.is_none()
    }

    /// 0 in the mempool, 1 in the best block.
    pub fn confirmations(&self, tip: u32) -> u32 {
        self.height.map_or(0, |height| (tip + 1).saturating_sub(height))
    }
}

/// An output as the chain told it.
#[derive(Debug)]
pub struct SeenOutput<'a> {
    pub trade: TradeId,
    pub outpoint: OutPoint,
    pub value: Amount,
    pub coinbase: bool,
    pub transaction: &'a Transaction,
    pub block: Option<(u32, BlockHash)>,
    pub at: Timestamp,
}

const SEE: &str = "
    INSERT INTO deposits (txid, vout, trade, amount_sat, coinbase, raw, seen_at, block_hash, block_height)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (txid, vout) DO UPDATE
       SET block_hash = EXCLUDED.block_hash, block_height = EXCLUDED.block_height, gone_at = NULL
     WHERE deposits.block_hash IS DISTINCT FROM EXCLUDED.block_hash OR deposits.gone_at IS NOT NULL";

/// Notes an output; told again, its block moves. True if that changed anything.
pub async fn see(client: &impl GenericClient, seen: &SeenOutput<'_>) -> Stored<bool> {
    let (height, hash) = match seen.block {
        Some((height, hash)) => (Some(i32::try_from(height).unwrap_or(i32::MAX)), Some(hash.to_byte_array().to_vec())),
        None => (None, None),
    };
    let raw = consensus::serialize(seen.transaction);
    let txid = seen.outpoint.txid.to_byte_array();
    let vout = vout(seen.outpoint);
    let changed = client
        .execute(
            &client.prepare_cached(SEE).await?,
            &[
                &txid.as_slice(),
                &vout,
                &seen.trade.0,
                &sats(seen.value),
                &seen.coinbase,
                &raw,
                &seen.at,
                &hash,
                &height,
            ],
        )
        .await?;
    Ok(changed > 0)
}

const SPEND: &str = "
    UPDATE deposits SET spent_by = $3, spent_height = $4
     WHERE txid = $1 AND vout = $2 AND (spent_by, spent_height) IS DISTINCT FROM ($3, $4) RETURNING trade";

/// Notes who spent an output; the trade it belonged to, if that is news.
pub async fn spend(
    client: &impl GenericClient,
    outpoint: OutPoint,
    by: Txid,
    height: Option<u32>,
) -> Stored<Option<TradeId>> {
    let height = height.map(|height| i32::try_from(height).unwrap_or(i32::MAX));
    let key = outpoint.txid.to_byte_array();
    let row = client
        .query_opt(
            &client.prepare_cached(SPEND).await?,
            &[&key.as_slice(), &vout(outpoint), &by.to_byte_array().as_slice(), &height],
        )
        .await?;
    row.map(|row| Ok(TradeId(row.try_get(0)?))).transpose()
}

const EVICT_OUTPUTS: &str = "
    UPDATE deposits SET gone_at = $2, block_hash = NULL, block_height = NULL
     WHERE txid = $1 AND gone_at IS NULL RETURNING trade";
const EVICT_SPENDS: &str = "
    UPDATE deposits SET spent_by = NULL, spent_height = NULL WHERE spent_by = $1 RETURNING trade";

/// A transaction vanished from the mempool: its outputs are gone, what it spent is there again.
pub async fn evict(client: &impl GenericClient, gone: Txid, at: Timestamp) -> Stored<Vec<TradeId>> {
    let key = gone.to_byte_array();
    let mut trades = Vec::new();
    let outputs = client.query(&client.prepare_cached(EVICT_OUTPUTS).await?, &[&key.as_slice(), &at]).await?;
    let spends = client.query(&client.prepare_cached(EVICT_SPENDS).await?, &[&key.as_slice()]).await?;
    for row in outputs.iter().chain(&spends) {
        trades.push(TradeId(row.try_get(0)?));
    }
    Ok(trades)
}

const DISCONNECT: &str = "
    UPDATE deposits
       SET block_hash = CASE WHEN block_hash = $1 THEN NULL ELSE block_hash END,
           block_height = CASE WHEN block_hash = $1 THEN NULL ELSE block_height END,
           spent_height = CASE WHEN spent_height = $2 THEN NULL ELSE spent_height END
     WHERE block_hash = $1 OR spent_height = $2 RETURNING trade";

/// A block left the chain: what it confirmed is unconfirmed again.
pub async fn disconnect(client: &impl GenericClient, hash: BlockHash, height: u32) -> Stored<Vec<TradeId>> {
    let height = i32::try_from(height).unwrap_or(i32::MAX);
    let rows =
        client.query(&client.prepare_cached(DISCONNECT).await?, &[&hash.to_byte_array().as_slice(), &height]).await?;
    rows.iter().map(|row| Ok(TradeId(row.try_get(0)?))).collect()
}

const OF_TRADE: &str = "
    SELECT txid, vout, amount_sat, coinbase, raw, seen_at, block_height, funding, gone_at, spent_by, spent_height
      FROM deposits WHERE trade = $1 ORDER BY seen_at, txid, vout";

pub async fn of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<DepositRow>> {
    let rows = client.query(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?;
    rows.iter().map(read).collect()
}

const FIX_FUNDING: &str = "UPDATE deposits SET funding = true WHERE txid = $1 AND vout = $2";
const CLEAR_FUNDING: &str = "UPDATE deposits SET funding = false WHERE trade = $1 AND funding";

/// These outputs, and no others, are the funding set of the trade.
pub async fn fix_funding(client: &impl GenericClient, trade: TradeId, outpoints: &[OutPoint]) -> Stored<()> {
    client.execute(&client.prepare_cached(CLEAR_FUNDING).await?, &[&trade.0]).await?;
    let fix = client.prepare_cached(FIX_FUNDING).await?;
    for outpoint in outpoints {
        client.execute(&fix, &[&outpoint.txid.to_byte_array().as_slice(), &vout(*outpoint)]).await?;
    }
    Ok(())
}

fn vout(outpoint: OutPoint) -> i32 {
    i32::try_from(outpoint.vout).unwrap_or(i32::MAX)
}

fn read(row: &Row) -> Stored<DepositRow> {
    let key: Vec<u8> = row.try_get(0)?;
    let vout: i32 = row.try_get(1)?;
    let raw: Vec<u8> = row.try_get(4)?;
    let height = |column| -> Stored<Option<u32>> {
        let height: Option<i32> = row.try_get(column)?;
        Ok(height.and_then(|height| u32::try_from(height).ok()))
    };
    let spent_by: Option<Vec<u8>> = row.try_get(9)?;
    Ok(DepositRow {
        outpoint: OutPoint { txid: txid(&key)?, vout: u32::try_from(vout).unwrap_or_default() },
        value: amount(row.try_get(2)?)?,
        coinbase: row.try_get(3)?,
        transaction: consensus::deserialize(&raw).map_err(|error| StoreError::Row(format!("a deposit: {error}")))?,
        seen_at: row.try_get(5)?,
        height: height(6)?,
        funding: row.try_get(7)?,
        gone_at: row.try_get(8)?,
        spent_by: spent_by.as_deref().map(txid).transpose()?,
        spent_height: height(10)?,
    })
}

const WATCHED_SCRIPTS: &str = "SELECT id, script_pubkey FROM trades";

/// Every escrow ever made stays watched for ever.
pub async fn watched_scripts(client: &impl GenericClient) -> Stored<Vec<(TradeId, ScriptBuf)>> {
    let rows = client.query(&client.prepare_cached(WATCHED_SCRIPTS).await?, &[]).await?;
    rows.iter().map(|row| Ok((TradeId(row.try_get(0)?), ScriptBuf::from_bytes(row.try_get(1)?)))).collect()
}

const OPEN_OUTPUTS: &str = "
    SELECT txid, vout, block_height IS NULL AND gone_at IS NULL, spent_by, spent_height IS NULL FROM deposits";

/// Outputs whose spends matter, and the transactions that are in no block yet.
pub async fn open_outputs(client: &impl GenericClient) -> Stored<(Vec<OutPoint>, Vec<Txid>)> {
    let (mut outpoints, mut unconfirmed) = (Vec::new(), Vec::new());
    for row in client.query(&client.prepare_cached(OPEN_OUTPUTS).await?, &[]).await? {
        let key: Vec<u8> = row.try_get(0)?;
        let vout: i32 = row.try_get(1)?;
        let outpoint = OutPoint { txid: txid(&key)?, vout: u32::try_from(vout).unwrap_or_default() };
        outpoints.push(outpoint);
        if row.try_get(2)? {
            unconfirmed.push(outpoint.txid);
        }
        let spent_by: Option<Vec<u8>> = row.try_get(3)?;
        if let Some(spent_by) = spent_by
            && row.try_get::<_, bool>(4)?
        {
            unconfirmed.push(txid(&spent_by)?);
        }
    }
    Ok((outpoints, unconfirmed))
}

const CURSOR: &str = "SELECT cursor, height, tip_at, seen_at, trail FROM chain_cursor";

/// How far the chain was read: the cursor, its height, the tip's time and when it was seen.
#[derive(Debug, Clone)]
pub struct CursorRow {
    pub cursor: String,
    /// The blocks that led there.
    pub trail: String,
    pub height: u32,
    pub tip_at: Timestamp,
    pub seen_at: Timestamp,
}

pub async fn cursor(client: &impl GenericClient) -> Stored<Option<CursorRow>> {
    let row = client.query_opt(&client.prepare_cached(CURSOR).await?, &[]).await?;
    row.map(|row| {
        let height: i32 = row.try_get(1)?;
        Ok(CursorRow {
            cursor: row.try_get(0)?,
            height: u32::try_from(height).unwrap_or_default(),
            tip_at: row.try_get(2)?,
            seen_at: row.try_get(3)?,
            trail: row.try_get(4)?,
        })
    })
    .transpose()
}

/// A place in the chain, in the words of `chain`, and as values.
#[derive(Debug)]
pub struct ReadTo<'a> {
    pub cursor: &'a str,
    pub trail: &'a str,
    pub height: u32,
    pub hash: BlockHash,
}

const MOVE_CURSOR: &str = "
    INSERT INTO chain_cursor (cursor, height, hash, tip_at, seen_at, trail) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (one) DO UPDATE SET cursor = $1, height = $2, hash = $3, tip_at = $4, seen_at = $5, trail = $6";

pub async fn move_cursor(
    client: &impl GenericClient,
    to: &ReadTo<'_>,
    tip_at: Timestamp,
    seen_at: Timestamp,
) -> Stored<()> {
    let height = i32::try_from(to.height).unwrap_or(i32::MAX);
    let hash = to.hash.to_byte_array();
    client
        .execute(
            &client.prepare_cached(MOVE_CURSOR).await?,
            &[&to.cursor, &height, &hash.as_slice(), &tip_at, &seen_at, &to.trail],
        )
        .await?;
    Ok(())
}
