//! What was handed to the network for a trade, and what the node said.

use bitcoin::{Txid, hashes::Hash};
use jiff::Timestamp;

use super::trades::txid as read_txid;
use super::{GenericClient, Stored};
use crate::domain::TradeId;

/// One attempt.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub trade: TradeId,
    pub txid: Txid,
    /// `payout`, `stray` or `child`.
    pub what: &'a str,
    /// The tip now.
    pub height: u32,
    /// The node's reason, if it refused.
    pub refusal: Option<&'a str>,
    /// When it is tried again.
    pub next_at: Option<Timestamp>,
    pub at: Timestamp,
}

const NOTE: &str = "
    INSERT INTO handovers AS old (trade, txid, what, height, attempts, first_at, last_at, taken_at, refusal, next_at)
    VALUES ($1, $2, $3, $4, 1, $5::timestamptz, $5, CASE WHEN $6::text IS NULL THEN $5::timestamptz END, $6, $7)
    ON CONFLICT (trade, txid) DO UPDATE
       SET attempts = old.attempts + 1, last_at = $5, taken_at = coalesce(old.taken_at, EXCLUDED.taken_at),
           refusal = $6, next_at = $7";

pub async fn note(client: &impl GenericClient, attempt: &Attempt<'_>) -> Stored<()> {
    let height = i32::try_from(attempt.height).unwrap_or(i32::MAX);
    let txid = attempt.txid.to_byte_array();
    let statement = client.prepare_cached(NOTE).await?;
    client
        .execute(
            &statement,
            &[
                &attempt.trade.0,
                &txid.as_slice(),
                &attempt.what,
                &height,
                &attempt.at,
                &attempt.refusal,
                &attempt.next_at,
            ],
        )
        .await?;
    Ok(())
}

const GIVE_UP: &str = "UPDATE handovers SET next_at = NULL WHERE trade = $1 AND txid = $2";

/// It is not tried again.
pub async fn give_up(client: &impl GenericClient, trade: TradeId, txid: Txid) -> Stored<()> {
    let txid = txid.to_byte_array();
    client.execute(&client.prepare_cached(GIVE_UP).await?, &[&trade.0, &txid.as_slice()]).await?;
    Ok(())
}

/// A transaction that was handed over.
#[derive(Debug, Clone)]
pub struct HandoverRow {
    pub txid: Txid,
    pub height: u32,
    pub attempts: i32,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub taken_at: Option<Timestamp>,
    pub refusal: Option<String>,
    pub next_at: Option<Timestamp>,
}

const OF_TRADE: &str = "
    SELECT txid, height, attempts, first_at, last_at, taken_at, refusal, next_at FROM handovers
     WHERE trade = $1 ORDER BY first_at, txid";

pub async fn of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<HandoverRow>> {
    let rows = client.query(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?;
    rows.iter()
        .map(|row| {
            let (key, height): (Vec<u8>, i32) = (row.try_get(0)?, row.try_get(1)?);
            Ok(HandoverRow {
                txid: read_txid(&key)?,
                height: u32::try_from(height).unwrap_or_default(),
                attempts: row.try_get(2)?,
                first_at: row.try_get(3)?,
                last_at: row.try_get(4)?,
                taken_at: row.try_get(5)?,
                refusal: row.try_get(6)?,
                next_at: row.try_get(7)?,
            })
        })
        .collect()
}

const LINGERS: &str = "
    SELECT h.txid FROM trades t JOIN handovers h ON h.trade = t.id AND h.txid = t.payout_txid
     WHERE t.id = $1 AND t.stage = 'paying_out' AND h.height <= $2
       AND NOT EXISTS (SELECT 1 FROM deposits d
                        WHERE d.trade = t.id AND d.spent_by = h.txid AND d.spent_height IS NOT NULL)";

/// The payout under way, if it was handed over in this block or before it and is in none yet.
pub async fn lingers(client: &impl GenericClient, trade: TradeId, height: u32) -> Stored<Option<Txid>> {
    let height = i32::try_from(height).unwrap_or(i32::MAX);
    let row = client.query_opt(&client.prepare_cached(LINGERS).await?, &[&trade.0, &height]).await?;
    row.map(|row| read_txid(row.try_get(0)?)).transpose()
}
