//! Outputs at escrow addresses, and how far the chain has been read.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::{Amount, BlockHash, OutPoint, Transaction, Txid, hashes::Hash};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::deposit_transactions::{self, Known};
use super::trades::txid;
use super::{GenericClient, StoreError, Stored, amount, sats};
use crate::domain::TradeId;

/// An output at a trade's address.
#[derive(Debug, Clone)]
pub struct DepositRow {
    pub outpoint: OutPoint,
    pub value: Amount,
    pub coinbase: bool,
    /// One for all its outputs that were read together.
    pub transaction: Arc<Transaction>,
    pub seen_at: Timestamp,
    pub height: Option<u32>,
    pub funding: bool,
    pub gone_at: Option<Timestamp>,
    pub spent_by: Option<Txid>,
    pub spent_height: Option<u32>,
    /// The transaction that spends it.
    pub spender: Option<Arc<Transaction>>,
    /// It was a part of the funding set, and the trade has gone on without it.
    pub left_behind: bool,
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
    INSERT INTO deposits (txid, vout, trade, amount_sat, coinbase, seen_at, block_hash, block_height)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (txid, vout) DO UPDATE
       SET block_hash = coalesce(EXCLUDED.block_hash, deposits.block_hash),
           block_height = coalesce(EXCLUDED.block_height, deposits.block_height), gone_at = NULL
     WHERE (EXCLUDED.block_hash IS NOT NULL AND deposits.block_hash IS DISTINCT FROM EXCLUDED.block_hash)
        OR deposits.gone_at IS NOT NULL";

/// Notes an output; told again, its block moves. It leaves its block only when that is disconnected, or when it is
/// evicted: what was confirmed and is then seen to wait is a server between two thoughts. True if that changed anything.
pub async fn see(client: &impl GenericClient, seen: &SeenOutput<'_>) -> Stored<bool> {
    let (height, hash) = match seen.block {
        Some((height, hash)) => (Some(i32::try_from(height).unwrap_or(i32::MAX)), Some(hash.to_byte_array().to_vec())),
        None => (None, None),
    };
    keep_transaction(client, seen).await?;
    let seen_at = first_seen(client, seen).await?.map_or(seen.at, |first| first.min(seen.at));
    let txid = seen.outpoint.txid.to_byte_array();
    let vout = vout(seen.outpoint);
    let changed = client
        .execute(
            &client.prepare_cached(SEE).await?,
            &[&txid.as_slice(), &vout, &seen.trade.0, &sats(seen.value), &seen.coinbase, &seen_at, &hash, &height],
        )
        .await?;
    Ok(changed > 0)
}

const HAS_OUTPUT: &str = "SELECT EXISTS (SELECT 1 FROM deposits WHERE txid = $1)";
const ADD_INPUT: &str = "INSERT INTO deposit_inputs (deposit, txid, vout) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// What an output is made of, once for all outputs of its transaction.
async fn keep_transaction(client: &impl GenericClient, seen: &SeenOutput<'_>) -> Stored<()> {
    let txid = seen.outpoint.txid.to_byte_array();
    let statement = client.prepare_cached(HAS_OUTPUT).await?;
    if client.query_one(&statement, &[&txid.as_slice()]).await?.try_get(0)? {
        return Ok(());
    }
    deposit_transactions::keep(client, seen.outpoint.txid, seen.transaction).await?;
    let add = client.prepare_cached(ADD_INPUT).await?;
    for input in seen.transaction.input.iter().map(|input| input.previous_output) {
        if !input.is_null() {
            let from = input.txid.to_byte_array();
            client.execute(&add, &[&txid.as_slice(), &from.as_slice(), &i64::from(input.vout)]).await?;
        }
    }
    Ok(())
}

const FIRST_SEEN: &str = "
    SELECT min(d.seen_at)
      FROM unnest($2::bytea[], $3::bigint[]) AS own (txid, vout)
      JOIN deposit_inputs i ON i.txid = own.txid AND i.vout = own.vout
      JOIN deposits d ON d.txid = i.deposit AND d.trade = $1";

/// A deposit that takes the place of one seen earlier, with a higher fee, was seen when that one was.
async fn first_seen(client: &impl GenericClient, seen: &SeenOutput<'_>) -> Stored<Option<Timestamp>> {
    let inputs = || seen.transaction.input.iter().map(|input| input.previous_output);
    let txids: Vec<Vec<u8>> = inputs().map(|input| input.txid.to_byte_array().to_vec()).collect();
    let vouts: Vec<i64> = inputs().map(|input| input.vout.into()).collect();
    let row = client.query_one(&client.prepare_cached(FIRST_SEEN).await?, &[&seen.trade.0, &txids, &vouts]).await?;
    Ok(row.try_get(0)?)
}

const SPEND: &str = "
    UPDATE deposits SET spent_by = $3, spent_height = $4
     WHERE txid = $1 AND vout = $2 AND (spent_by, spent_height) IS DISTINCT FROM ($3, $4)
       AND ($4::integer IS NOT NULL OR spent_height IS NULL) RETURNING trade";
const SPEND_INPUT: &str = "
    UPDATE deposit_inputs i SET spent_by = $3, spent_height = $4
     WHERE txid = $1 AND vout = $2 AND (spent_by, spent_height) IS DISTINCT FROM ($3, $4)
       AND ($4::integer IS NOT NULL OR spent_height IS NULL)
    RETURNING (SELECT d.trade FROM deposits d WHERE d.txid = i.deposit AND i.deposit <> $3 LIMIT 1)";

/// Notes who spent an output, or an input of a deposit; a spend that waits takes the place of none that is confirmed.
/// The trades concerned, if that is news.
pub async fn spend(
    client: &impl GenericClient,
    outpoint: OutPoint,
    by: &Transaction,
    height: Option<u32>,
) -> Stored<Vec<TradeId>> {
    let height = height.map(|height| i32::try_from(height).unwrap_or(i32::MAX));
    let by_txid = by.compute_txid();
    let (key, spender) = (outpoint.txid.to_byte_array(), by_txid.to_byte_array());
    let spent = client
        .query(&client.prepare_cached(SPEND).await?, &[&key.as_slice(), &vout(outpoint), &spender.as_slice(), &height])
        .await?;
    if !spent.is_empty() {
        deposit_transactions::keep(client, by_txid, by).await?;
    }
    let undone = client
        .query(
            &client.prepare_cached(SPEND_INPUT).await?,
            &[&key.as_slice(), &i64::from(outpoint.vout), &spender.as_slice(), &height],
        )
        .await?;
    let trades = spent.iter().chain(&undone).map(|row| Ok(row.try_get::<_, Option<uuid::Uuid>>(0)?.map(TradeId)));
    trades.filter_map(Result::transpose).collect()
}

const EVICT_OUTPUTS: &str = "
    UPDATE deposits SET gone_at = $2, block_hash = NULL, block_height = NULL
     WHERE txid = $1 AND gone_at IS NULL RETURNING trade";
const EVICT_SPENDS: &str = "
    UPDATE deposits SET spent_by = NULL, spent_height = NULL WHERE spent_by = $1 RETURNING trade";
const EVICT_INPUTS: &str = "
    WITH freed AS (UPDATE deposit_inputs SET spent_by = NULL, spent_height = NULL WHERE spent_by = $1 RETURNING deposit)
    SELECT DISTINCT d.trade, d.txid FROM deposits d JOIN freed ON freed.deposit = d.txid ORDER BY d.txid";

/// What vanished with a transaction.
#[derive(Debug, Default)]
pub struct Evicted {
    /// Something at the address of these trades is gone, or is there again.
    pub trades: BTreeSet<TradeId>,
    /// The deposits among it, and those whose place it had taken: handed over again they may be taken.
    pub may_come_back: BTreeSet<(TradeId, Txid)>,
}

/// A transaction vanished from the mempool: its outputs are gone, what it spent is there again.
pub async fn evict(client: &impl GenericClient, gone: Txid, at: Timestamp) -> Stored<Evicted> {
    let key = gone.to_byte_array();
    let mut evicted = Evicted::default();
    for row in client.query(&client.prepare_cached(EVICT_OUTPUTS).await?, &[&key.as_slice(), &at]).await? {
        let trade = TradeId(row.try_get(0)?);
        evicted.trades.insert(trade);
        evicted.may_come_back.insert((trade, gone));
    }
    for row in client.query(&client.prepare_cached(EVICT_SPENDS).await?, &[&key.as_slice()]).await? {
        evicted.trades.insert(TradeId(row.try_get(0)?));
    }
    for row in client.query(&client.prepare_cached(EVICT_INPUTS).await?, &[&key.as_slice()]).await? {
        evicted.may_come_back.insert((TradeId(row.try_get(0)?), txid(row.try_get(1)?)?));
    }
    Ok(evicted)
}

const MISSING: &str = "
    SELECT DISTINCT d.txid FROM deposits d
     WHERE d.trade = $1 AND d.gone_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM deposit_inputs i WHERE i.deposit = d.txid AND i.spent_by <> d.txid)";

/// The trade's deposits that are gone although nothing else is known to spend what they were made of.
pub async fn missing(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<Txid>> {
    let rows = client.query(&client.prepare_cached(MISSING).await?, &[&trade.0]).await?;
    rows.iter().map(|row| txid(row.try_get(0)?)).collect()
}

const HELD_BY: &str =
    "SELECT DISTINCT trade, txid FROM deposits WHERE block_hash = $1 AND block_height = $2 ORDER BY txid";
const DISCONNECT: &str = "
    UPDATE deposits
       SET block_hash = CASE WHEN block_hash = $1 THEN NULL ELSE block_hash END,
           block_height = CASE WHEN block_hash = $1 THEN NULL ELSE block_height END,
           spent_height = CASE WHEN spent_height = $2 THEN NULL ELSE spent_height END
     WHERE (block_height = $2 AND block_hash = $1) OR spent_height = $2 RETURNING trade";
const DISCONNECT_INPUTS: &str = "UPDATE deposit_inputs SET spent_height = NULL WHERE spent_height = $1";

/// What a block took with it when it left the chain.
#[derive(Debug, Default)]
pub struct Disconnected {
    /// Whatever these trades had confirmed there is unconfirmed again.
    pub trades: Vec<TradeId>,
    /// The deposits among it.
    pub deposits: Vec<(TradeId, Txid)>,
}

/// A block left the chain: what it confirmed is unconfirmed again.
pub async fn disconnect(client: &impl GenericClient, hash: BlockHash, height: u32) -> Stored<Disconnected> {
    let height = i32::try_from(height).unwrap_or(i32::MAX);
    let hash = hash.to_byte_array();
    let held = client.query(&client.prepare_cached(HELD_BY).await?, &[&hash.as_slice(), &height]).await?;
    let rows = client.query(&client.prepare_cached(DISCONNECT).await?, &[&hash.as_slice(), &height]).await?;
    client.execute(&client.prepare_cached(DISCONNECT_INPUTS).await?, &[&height]).await?;
    let deposit = |row: &Row| -> Stored<(TradeId, Txid)> { Ok((TradeId(row.try_get(0)?), txid(row.try_get(1)?)?)) };
    Ok(Disconnected {
        trades: rows.iter().map(|row| Ok(TradeId(row.try_get(0)?))).collect::<Stored<_>>()?,
        deposits: held.iter().map(deposit).collect::<Stored<_>>()?,
    })
}

const OF_TRADE: &str = "
    SELECT txid, vout, amount_sat, coinbase, seen_at, block_height, funding, gone_at, spent_by, spent_height, left_behind
      FROM deposits WHERE trade = $1 ORDER BY seen_at, txid, vout";

pub async fn of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<DepositRow>> {
    let rows = client.query(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?;
    let known = known(client, &rows).await?;
    rows.iter().map(|row| read(row, &known)).collect()
}

const OPEN: &str = "
    SELECT txid, vout, amount_sat, coinbase, seen_at, block_height, funding, gone_at, spent_by, spent_height,
           left_behind, trade
      FROM deposits WHERE gone_at IS NULL AND spent_height IS NULL";

/// Every output that no block spends, whatever waits.
pub async fn open(client: &impl GenericClient) -> Stored<Vec<(TradeId, DepositRow)>> {
    let rows = client.query(&client.prepare_cached(OPEN).await?, &[]).await?;
    let known = known(client, &rows).await?;
    rows.iter().map(|row| Ok((TradeId(row.try_get(11)?), read(row, &known)?))).collect()
}

const FIX_FUNDING: &str = "UPDATE deposits SET funding = true, left_behind = false WHERE txid = $1 AND vout = $2";
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

const LEAVE_BEHIND: &str = "UPDATE deposits SET left_behind = true WHERE trade = $1 AND funding";

/// Of the funding set these outputs stay, and the trade goes on without the others.
pub async fn keep_of_funding(client: &impl GenericClient, trade: TradeId, rest: &[OutPoint]) -> Stored<()> {
    client.execute(&client.prepare_cached(LEAVE_BEHIND).await?, &[&trade.0]).await?;
    fix_funding(client, trade, rest).await
}

fn vout(outpoint: OutPoint) -> i32 {
    i32::try_from(outpoint.vout).unwrap_or(i32::MAX)
}

/// The transactions that these rows name, each read once.
async fn known(client: &impl GenericClient, rows: &[Row]) -> Stored<Known> {
    let mut txids: Vec<Vec<u8>> = Vec::new();
    for row in rows {
        txids.push(row.try_get(0)?);
        txids.extend(row.try_get::<_, Option<Vec<u8>>>(8)?);
    }
    deposit_transactions::of(client, txids).await
}

fn read(row: &Row, known: &Known) -> Stored<DepositRow> {
    let key: Vec<u8> = row.try_get(0)?;
    let vout: i32 = row.try_get(1)?;
    let deposit = txid(&key)?;
    let height = |column| -> Stored<Option<u32>> {
        let height: Option<i32> = row.try_get(column)?;
        Ok(height.and_then(|height| u32::try_from(height).ok()))
    };
    let spent_by: Option<Vec<u8>> = row.try_get(8)?;
    let spent_by = spent_by.as_deref().map(txid).transpose()?;
    let missing = || StoreError::Row(format!("a deposit: there is no transaction {deposit}"));
    Ok(DepositRow {
        outpoint: OutPoint { txid: deposit, vout: u32::try_from(vout).unwrap_or_default() },
        value: amount(row.try_get(2)?)?,
        coinbase: row.try_get(3)?,
        transaction: known.get(&deposit).cloned().ok_or_else(missing)?,
        seen_at: row.try_get(4)?,
        height: height(5)?,
        funding: row.try_get(6)?,
        gone_at: row.try_get(7)?,
        spent_by,
        spent_height: height(9)?,
        spender: spent_by.and_then(|by| known.get(&by).cloned()),
        left_behind: row.try_get(10)?,
    })
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
