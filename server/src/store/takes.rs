//! Takes, several at a time: what they are decided from, and what they write, each sent in one go.
//!
//! Statements that are sent together are answered in their order, and each sees what those before it did. That holds
//! once they are prepared: see [`ready`].

mod written;

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

pub use self::written::{NewTake, NewTrade, Written, is_overtaken, write};
use super::draws::Pair;
use super::offers::Halts;
use super::{GenericClient, Stored, arbitrators, draws, hours, keys, offers, payment_accounts};
use crate::domain::hours::Week;
use crate::domain::{KeyId, UserId};

/// Whoever wants to take one of the offers.
#[derive(Debug)]
pub struct Taker {
    pub name: String,
    pub halts: Halts,
    /// Working hours; none: day and night.
    pub hours: Option<Week>,
}

/// What limits an account's next take.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountRecord {
    pub completed: i64,
    pub proposed: i64,
    pub running: i64,
    /// Lapses of the last 30 days, if the last was within 7 days: not signed, not deposited, not released in time, not
    /// paid, cancelled after the deposit, marked as paid and unmarked, dispute lost.
    pub lapses: i64,
}

/// Prepares everything that takes hold and read, so that what is sent together goes out in its order.
pub async fn ready(client: &impl GenericClient) -> Stored<()> {
    let statements = [
        offers::HOLD,
        TAKERS,
        NAMES,
        RECORDS,
        draws::RELATIONS,
        arbitrators::ON_DUTY,
        arbitrators::LEVELS,
        keys::FOR_TAKES,
        payment_accounts::FOR_TAKES,
    ];
    for statement in statements {
        client.prepare_cached(statement).await?;
    }
    Ok(())
}

const TAKERS: &str = "
    SELECT id, name, suspended_why, (SELECT paused_why FROM desk_state WHERE paused_at IS NOT NULL), hours
      FROM accounts WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";

/// Holds the takers' accounts, in the order of their ids, so that what is counted of them stays true until the
/// transaction ends. Who has no account is not there.
pub async fn hold_takers(client: &impl GenericClient, takers: &[UserId]) -> Stored<HashMap<UserId, Taker>> {
    let ids: Vec<Uuid> = takers.iter().map(|id| id.0).collect();
    let taker = |row: &Row| {
        let halts = Halts { suspended_why: row.try_get(2)?, paused_why: row.try_get(3)? };
        let hours = row.try_get::<_, Option<_>>(4)?.map(hours::read).transpose()?;
        Ok((UserId(row.try_get(0)?), Taker { name: row.try_get(1)?, halts, hours }))
    };
    client.query(&client.prepare_cached(TAKERS).await?, &[&ids]).await?.iter().map(taker).collect()
}

// The key itself, not its row: two accounts may claim the same one.
const NAMES: &str = "
    SELECT pg_advisory_xact_lock(hashtextextended(name, 0))
      FROM (SELECT 0 AS place, 'pair ' || low || ' ' || high AS name
              FROM unnest($1::uuid[], $2::uuid[]) AS pairs (low, high)
             UNION ALL
            SELECT 1, 'index ' || encode(public_key, 'hex') FROM signing_keys WHERE id = ANY ($3)
             ORDER BY place, name) AS names";

/// Holds pairs of accounts, then keys, each in one order for everybody, until the transaction ends: nobody else draws
/// for the same pair or gives an index to the same key, so what is read of them after this stays true.
pub async fn hold_names(client: &impl GenericClient, pairs: &[Pair], keys: &[KeyId]) -> Stored<()> {
    let (lows, highs): (Vec<Uuid>, Vec<Uuid>) = pairs.iter().map(|[low, high]| (low.0, high.0)).unzip();
    let keys: Vec<Uuid> = keys.iter().map(|id| id.0).collect();
    client.query(&client.prepare_cached(NAMES).await?, &[&lows, &highs, &keys]).await?;
    Ok(())
}

const RECORDS: &str = "
    SELECT a.id, count(*) FILTER (WHERE t.outcome = 'released'), count(*) FILTER (WHERE t.stage = 'proposed'),
           count(*) FILTER (WHERE t.stage NOT IN ('proposed', 'completed', 'cancelled', 'paying_out')),
           CASE WHEN max(l.last) > $2::timestamptz - interval '7 days' THEN sum(l.count)::bigint ELSE 0 END
      FROM unnest($1::uuid[]) AS a (id)
     CROSS JOIN LATERAL (SELECT id, stage, outcome, 'buyer' AS side, (state ->> 'buyer_agreed')::boolean AS agreed
                           FROM trades WHERE buyer = a.id
                          UNION ALL
                         SELECT id, stage, outcome, 'seller', (state ->> 'seller_agreed')::boolean
                           FROM trades WHERE seller = a.id) AS t
     CROSS JOIN LATERAL (
           SELECT count(*), max(at) AS last
             FROM (SELECT e.at FROM trade_events e
                    WHERE e.trade = t.id AND CASE e.event
                          WHEN 'signing_window_passed' THEN NOT t.agreed
                          WHEN 'deposit_window_passed' THEN t.side = 'seller'
                          WHEN 'deposit_short' THEN t.side = 'seller'
                          WHEN 'release_window_passed' THEN t.side = 'seller'
                          WHEN 'closed_unpaid' THEN t.side = 'buyer'
                          WHEN 'cancelled_by_buyer' THEN t.side = 'buyer'
                          WHEN 'payment_mark_undone' THEN t.side = 'buyer'
                          ELSE false END
                    UNION ALL
                   SELECT r.signed_at FROM rulings r
                    WHERE r.trade = t.id AND r.signed_at IS NOT NULL AND r.withdrawn_at IS NULL
                      AND CASE t.side WHEN 'buyer' THEN r.buyer_sat ELSE r.seller_sat END = 0) AS lapse (at)
            WHERE at > $2::timestamptz - interval '30 days') AS l
     GROUP BY a.id";

/// What limits the next takes of these accounts; who never traded is not there.
pub async fn records(
    client: &impl GenericClient,
    accounts: &[UserId],
    now: Timestamp,
) -> Stored<HashMap<UserId, AccountRecord>> {
    let ids: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let record = |row: &Row| -> Stored<(UserId, AccountRecord)> {
        let (completed, proposed, running, lapses) =
            (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        Ok((UserId(row.try_get(0)?), AccountRecord { completed, proposed, running, lapses }))
    };
    client.query(&client.prepare_cached(RECORDS).await?, &[&ids, &now]).await?.iter().map(record).collect()
}
