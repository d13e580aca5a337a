//! What must leave the building: written in the transaction that causes it, done later, safe to do twice.

use jiff::Timestamp;

use super::{GenericClient, Stored};
use crate::domain::TradeId;

#[derive(Debug, Clone)]
pub struct Job {
    pub number: i64,
    pub kind: String,
    pub trade: Option<TradeId>,
    pub payload: serde_json::Value,
    pub attempts: i32,
}

const ADD: &str = "INSERT INTO outbox (kind, trade, payload, created_at, due_at) VALUES ($1, $2, $3, $4, $5)";

pub async fn add(
    client: &impl GenericClient,
    kind: &str,
    trade: Option<TradeId>,
    payload: &serde_json::Value,
    at: Timestamp,
) -> Stored<()> {
    add_for(client, kind, trade, payload, at, at).await
}

/// The same, to be done not before `due_at`.
pub async fn add_for(
    client: &impl GenericClient,
    kind: &str,
    trade: Option<TradeId>,
    payload: &serde_json::Value,
    at: Timestamp,
    due_at: Timestamp,
) -> Stored<()> {
    client.execute(&client.prepare_cached(ADD).await?, &[&kind, &trade.map(|t| t.0), payload, &at, &due_at]).await?;
    Ok(())
}

const ADD_UNLESS_IT_WAITS: &str = "
    WITH waits AS (SELECT number FROM outbox WHERE trade = $2 AND kind = $1 AND done_at IS NULL FOR UPDATE SKIP LOCKED),
         hastened AS (UPDATE outbox SET due_at = $3 WHERE number IN (SELECT number FROM waits) AND due_at > $3)
    INSERT INTO outbox (kind, trade, payload, created_at, due_at)
    SELECT $1::text, $2::uuid, '{}', $3::timestamptz, $3::timestamptz WHERE NOT EXISTS (SELECT FROM waits)";

/// A job that says no more than of which trade, unless the same waits already: then that one is due now. It is held until
/// the transaction ends, so whoever does it reads what is written in here. One that somebody else holds is being done
/// right now, and may have read before this was written: it counts for nothing, and there is one more. Not for what such a
/// job adds itself: it would find itself waiting.
pub async fn add_unless_it_waits(client: &impl GenericClient, kind: &str, trade: TradeId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(ADD_UNLESS_IT_WAITS).await?, &[&kind, &trade.0, &at]).await?;
    Ok(())
}

// No job is put off by more than an hour. One that waits for longer, or that was never put off and is not due, was written
// before the clock was put back: it is due now, not when the clock has caught up.
const NEXT: &str = "
    SELECT number, kind, trade, payload, attempts FROM outbox
     WHERE done_at IS NULL AND number > $2
       AND (due_at <= $1 OR due_at = created_at OR due_at > $1 + interval '2 hours')
     ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED";

/// The next job to do after this number, held until the transaction ends.
pub async fn next(client: &impl GenericClient, after: i64, now: Timestamp) -> Stored<Option<Job>> {
    let row = client.query_opt(&client.prepare_cached(NEXT).await?, &[&now, &after]).await?;
    row.map(|row| {
        let trade: Option<uuid::Uuid> = row.try_get(2)?;
        Ok(Job {
            number: row.try_get(0)?,
            kind: row.try_get(1)?,
            trade: trade.map(TradeId),
            payload: row.try_get(3)?,
            attempts: row.try_get(4)?,
        })
    })
    .transpose()
}

// Longer than all the answers that one job waits for; not for ever, or the trade of a machine that vanished stays locked.
const MAY_WAIT: &str = "SET LOCAL idle_in_transaction_session_timeout = '15min'";

/// A job may ask the chain, and its transaction waits for the answer as long as that is waited for.
pub async fn may_wait(client: &impl GenericClient) -> Stored<()> {
    Ok(client.batch_execute(MAY_WAIT).await?)
}

const DONE: &str = "UPDATE outbox SET done_at = $2, attempts = attempts + 1 WHERE number = $1";

pub async fn done(client: &impl GenericClient, number: i64, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(DONE).await?, &[&number, &at]).await?;
    Ok(())
}

const LATER: &str =
    "UPDATE outbox SET due_at = $2, last_error = $3, attempts = attempts + 1 WHERE number = $1 AND done_at IS NULL";

/// To be tried again at a time, with what went wrong.
pub async fn later(client: &impl GenericClient, number: i64, due_at: Timestamp, error: &str) -> Stored<()> {
    client.execute(&client.prepare_cached(LATER).await?, &[&number, &due_at, &error]).await?;
    Ok(())
}

const SWEEP: &str = "
    DELETE FROM outbox WHERE number IN
        (SELECT number FROM outbox WHERE done_at < $1 AND kind <> 'broadcast' LIMIT $2)";

/// Forgets jobs that were done before a time, so many at most; how many. What was handed to the chain is asked for later.
pub async fn sweep(client: &impl GenericClient, before: Timestamp, at_most: i64) -> Stored<u64> {
    Ok(client.execute(&client.prepare_cached(SWEEP).await?, &[&before, &at_most]).await?)
}

const BROADCAST_DONE: &str = "
    SELECT count(*) FILTER (WHERE done_at IS NULL) = 0 AND count(*) > 0 FROM outbox
     WHERE trade = $1 AND kind = 'broadcast' AND payload ->> 'kind' NOT IN ('stray', 'child')";

/// Whether every payout of a trade that was to be handed to the chain has been. What it has beside that, refunds of strays
/// and children that pay for others, may be refused for long.
pub async fn broadcast_done(client: &impl GenericClient, trade: TradeId) -> Stored<bool> {
    Ok(client.query_one(&client.prepare_cached(BROADCAST_DONE).await?, &[&trade.0]).await?.try_get(0)?)
}

const HASTEN: &str = "UPDATE outbox SET due_at = $2 WHERE kind = ANY ($1) AND done_at IS NULL AND due_at > $2";

/// What waits for a later try is due now.
pub async fn hasten(client: &impl GenericClient, kinds: &[&str], now: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(HASTEN).await?, &[&kinds, &now]).await?;
    Ok(())
}

const HASTEN_ONE: &str = "UPDATE outbox SET due_at = least(due_at, $2) WHERE number = $1 AND done_at IS NULL";

/// The same of one job. False when it is done.
pub async fn hasten_one(client: &impl GenericClient, number: i64, now: Timestamp) -> Stored<bool> {
    Ok(client.execute(&client.prepare_cached(HASTEN_ONE).await?, &[&number, &now]).await? == 1)
}
