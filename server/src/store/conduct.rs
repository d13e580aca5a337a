//! Blocks, feedback and reports.

use jiff::Timestamp;

use super::{GenericClient, StoreError, Stored};
use crate::domain::{PublicRef, TradeId, UserId};

const BLOCK: &str = "INSERT INTO blocks (account, blocked, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

pub async fn block(client: &impl GenericClient, account: UserId, blocked: UserId, now: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(BLOCK).await?, &[&account.0, &blocked.0, &now]).await?;
    Ok(())
}

const UNBLOCK: &str = "DELETE FROM blocks WHERE account = $1 AND blocked = $2";

pub async fn unblock(client: &impl GenericClient, account: UserId, blocked: UserId) -> Stored<()> {
    client.execute(&client.prepare_cached(UNBLOCK).await?, &[&account.0, &blocked.0]).await?;
    Ok(())
}

const BLOCKS: &str = "
    SELECT EXISTS (SELECT 1 FROM blocks WHERE account = $1 AND blocked = $2),
           EXISTS (SELECT 1 FROM blocks WHERE account = $2 AND blocked = $1)";

/// Whether the first blocks the second, and the other way round.
pub async fn blocks(client: &impl GenericClient, one: UserId, other: UserId) -> Stored<(bool, bool)> {
    let row = client.query_one(&client.prepare_cached(BLOCKS).await?, &[&one.0, &other.0]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// What somebody said after a trade.
#[derive(Debug, Clone)]
pub struct FeedbackRow {
    pub author: String,
    pub good: bool,
    pub words: String,
    pub at: Timestamp,
}

/// Feedback to be kept.
#[derive(Debug)]
pub struct NewFeedback<'a> {
    pub trade: TradeId,
    pub author: UserId,
    pub about: UserId,
    pub good: bool,
    pub words: &'a str,
    pub at: Timestamp,
}

const LOCK_AUTHOR: &str = "SELECT pg_advisory_xact_lock(hashtextextended('feedback ' || $1::uuid, 0))";
const GIVE: &str = "
    INSERT INTO feedback (trade, author, about, good, words, at)
    SELECT $1, $2, $3, $4, $5, $6
     WHERE NOT EXISTS (SELECT 1 FROM feedback
                        WHERE author = $2 AND about = $3 AND at > $6::timestamptz - interval '30 days')
    ON CONFLICT DO NOTHING";

/// False when this author has said something of this person in the last 30 days, or of this trade at all.
pub async fn give_feedback(client: &impl GenericClient, new: &NewFeedback<'_>) -> Stored<bool> {
    client.query(&client.prepare_cached(LOCK_AUTHOR).await?, &[&new.author.0]).await?;
    let statement = client.prepare_cached(GIVE).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&new.trade.0, &new.author.0, &new.about.0, &new.good, &new.words, &new.at];
    Ok(client.execute(&statement, &values).await? == 1)
}

const OF_TRADE: &str = "
    SELECT a.name, f.good, f.words, f.at FROM feedback f JOIN accounts a ON a.id = f.author
     WHERE f.trade = $1 ORDER BY f.at";

pub async fn feedback_of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<FeedbackRow>> {
    client.query(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?.iter().map(feedback).collect()
}

const ABOUT: &str = "
    SELECT a.name, f.good, f.words, f.at FROM feedback f JOIN accounts a ON a.id = f.author
     WHERE f.about = $1 ORDER BY f.at DESC LIMIT $2";

/// The last that was said of somebody.
pub async fn feedback_about(client: &impl GenericClient, about: UserId, limit: i64) -> Stored<Vec<FeedbackRow>> {
    client.query(&client.prepare_cached(ABOUT).await?, &[&about.0, &limit]).await?.iter().map(feedback).collect()
}

fn feedback(row: &tokio_postgres::Row) -> Stored<FeedbackRow> {
    Ok(FeedbackRow { author: row.try_get(0)?, good: row.try_get(1)?, words: row.try_get(2)?, at: row.try_get(3)? })
}

/// What is counted of an account, for everybody to see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub good: i64,
    pub bad: i64,
    pub not_signed: i64,
    pub not_deposited: i64,
    pub not_paid: i64,
    pub cancelled_funded: i64,
    pub undone: i64,
    pub late_releases: i64,
}

/// A release is late for the seller only if he could have signed it: the buyer's signature was there for half of the
/// window at least, and since then no coins went missing and the seller has agreed to nothing else. `e` is the event.
macro_rules! if_late {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "EXISTS (
                SELECT 1 FROM trade_events s
                 WHERE s.trade = e.trade AND s.version < e.version AND s.actor = 'buyer'
                   AND s.act::jsonb ->> 'act' = 'sign_payout' AND s.act::jsonb ->> 'kind' = 'release'
                   AND s.at <= e.at - (e.at - (SELECT max(b.at) FROM trade_events b
                                                WHERE b.trade = e.trade AND b.version < e.version
                                                  AND b.event IN ('payment_marked_sent', 'payment_seen'))) / 2
                   AND NOT EXISTS (
                       SELECT 1 FROM trade_events f
                        WHERE f.trade = e.trade AND f.version > s.version AND f.version < e.version
                          AND (f.act::jsonb ->> 'act' IN ('lose_part', 'lose_deposit')
                               OR f.act::jsonb #>> '{deposit,renewed}' = 'true'
                               OR (f.actor = 'seller' AND f.act::jsonb ->> 'act' = 'accept_settlement'))))",
            $after
        )
    };
}

const TALLY: &str = if_late!(
    "
    WITH mine AS (
        SELECT id, 'buyer' AS side, state FROM trades WHERE buyer = $1
         UNION ALL SELECT id, 'seller', state FROM trades WHERE seller = $1),
         did AS (SELECT m.side, m.state, e.trade, e.version, e.at, e.event
                   FROM mine m JOIN trade_events e ON e.trade = m.id)
    SELECT (SELECT count(*) FROM feedback WHERE about = $1 AND good),
           (SELECT count(*) FROM feedback WHERE about = $1 AND NOT good),
           count(*) FILTER (WHERE event = 'signing_window_passed' AND NOT (state ->> (side || '_agreed'))::boolean),
           count(*) FILTER (WHERE event IN ('deposit_window_passed', 'deposit_short') AND side = 'seller'),
           count(*) FILTER (WHERE event = 'closed_unpaid' AND side = 'buyer'),
           count(*) FILTER (WHERE event = 'cancelled_by_buyer' AND side = 'buyer'),
           count(*) FILTER (WHERE event = 'payment_mark_undone' AND side = 'buyer'),
           count(*) FILTER (WHERE event = 'release_window_passed' AND side = 'seller' AND ",
    ")
      FROM did e"
);

pub async fn tally(client: &impl GenericClient, account: UserId) -> Stored<Tally> {
    let row = client.query_one(&client.prepare_cached(TALLY).await?, &[&account.0]).await?;
    Ok(Tally {
        good: row.try_get(0)?,
        bad: row.try_get(1)?,
        not_signed: row.try_get(2)?,
        not_deposited: row.try_get(3)?,
        not_paid: row.try_get(4)?,
        cancelled_funded: row.try_get(5)?,
        undone: row.try_get(6)?,
        late_releases: row.try_get(7)?,
    })
}

/// What limits the next takes of accounts.
pub(super) const RECORDS: &str = if_late!(
    "
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
                          WHEN 'release_window_passed' THEN t.side = 'seller' AND ",
    "
                          WHEN 'closed_unpaid' THEN t.side = 'buyer'
                          WHEN 'cancelled_by_buyer' THEN t.side = 'buyer'
                          WHEN 'payment_mark_undone' THEN t.side = 'buyer'
                          ELSE false END
                    UNION ALL
                   SELECT r.signed_at FROM rulings r
                    WHERE r.trade = t.id AND r.signed_at IS NOT NULL AND r.withdrawn_at IS NULL
                      AND CASE t.side WHEN 'buyer' THEN r.buyer_sat ELSE r.seller_sat END = 0) AS lapse (at)
            WHERE at > $2::timestamptz - interval '30 days') AS l
     GROUP BY a.id"
);

const REPORT: &str = "
    INSERT INTO reports (trade, author, reason, words, at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (trade, author) WHERE closed_at IS NULL DO NOTHING";

/// False while an earlier report of the same author about this trade is open.
pub async fn report(
    client: &impl GenericClient,
    trade: TradeId,
    author: UserId,
    (reason, words): (&str, &str),
    at: Timestamp,
) -> Stored<bool> {
    let statement = client.prepare_cached(REPORT).await?;
    Ok(client.execute(&statement, &[&trade.0, &author.0, &reason, &words, &at]).await? == 1)
}

/// A report that is open.
#[derive(Debug, Clone)]
pub struct ReportRow {
    pub number: i64,
    pub trade: PublicRef,
    pub author: String,
    pub about: String,
    pub reason: String,
    pub words: String,
    pub at: Timestamp,
}

const OPEN_REPORTS: &str = "
    SELECT r.number, t.reference, a.name, o.name, r.reason, r.words, r.at
      FROM reports r JOIN trades t ON t.id = r.trade JOIN accounts a ON a.id = r.author
      JOIN accounts o ON o.id = CASE r.author WHEN t.buyer THEN t.seller ELSE t.buyer END
     WHERE r.closed_at IS NULL ORDER BY r.number LIMIT 50";

/// Reports that wait for an operator, the oldest first.
pub async fn open_reports(client: &impl GenericClient) -> Stored<Vec<ReportRow>> {
    let rows = client.query(&client.prepare_cached(OPEN_REPORTS).await?, &[]).await?;
    rows.iter()
        .map(|row| {
            let reference: String = row.try_get(1)?;
            Ok(ReportRow {
                number: row.try_get(0)?,
                trade: reference.parse().map_err(|_| StoreError::Row(format!("trade reference {reference}")))?,
                author: row.try_get(2)?,
                about: row.try_get(3)?,
                reason: row.try_get(4)?,
                words: row.try_get(5)?,
                at: row.try_get(6)?,
            })
        })
        .collect()
}

const CLOSE_REPORT: &str = "UPDATE reports SET closed_at = $2 WHERE number = $1 AND closed_at IS NULL";

/// False when it was closed before, or never was.
pub async fn close_report(client: &impl GenericClient, number: i64, now: Timestamp) -> Stored<bool> {
    Ok(client.execute(&client.prepare_cached(CLOSE_REPORT).await?, &[&number, &now]).await? == 1)
}
