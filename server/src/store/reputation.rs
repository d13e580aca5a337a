//! What is known of traders, counted from their trades.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{GenericClient, Stored};
use crate::domain::UserId;
use crate::domain::reputation::Reputation;

/// A person with what may be known of him.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: UserId,
    pub name: String,
    pub role: String,
    pub suspended: bool,
    pub reputation: Reputation,
}

/// A pair of people counts once per 30 days; partners are counted by the keys they signed with.
macro_rules! counted {
    ($which:literal) => {
        concat!(
            "WITH people AS (SELECT a.* FROM accounts a WHERE ",
            $which,
            "),
             mine AS (
                SELECT p.id AS me, 'buyer' AS side, t.seller AS other, t.seller_key AS other_key, t.*
                  FROM people p JOIN trades t ON t.buyer = p.id
                 UNION ALL
                SELECT p.id, 'seller', t.buyer, t.buyer_key, t.* FROM people p JOIN trades t ON t.seller = p.id),
             told AS (
                SELECT m.me, m.side, m.other, k.public_key AS other_key, m.outcome,
                       floor(extract(epoch FROM m.created_at) / 2592000) AS month,
                       EXISTS (SELECT 1 FROM settlements s WHERE s.trade = m.id AND s.accepted_at IS NOT NULL) AS settled,
                       EXISTS (SELECT 1 FROM rulings r
                                WHERE r.trade = m.id AND r.signed_at IS NOT NULL AND r.withdrawn_at IS NULL
                                  AND CASE m.side WHEN 'buyer' THEN r.buyer_sat ELSE r.seller_sat END = 0) AS lost,
                       e.*,
                       m.stage = 'cancelled' AND e.unsigned AND NOT EXISTS (
                           SELECT 1 FROM contract_signatures c WHERE c.trade = m.id AND c.party = m.side) AS not_signed
                  FROM mine m
                  JOIN signing_keys k ON k.id = m.other_key
                  LEFT JOIN LATERAL (
                       SELECT coalesce(bool_or(e.event = 'signing_window_passed'), false) AS unsigned,
                              coalesce(bool_or(e.event IN ('deposit_window_passed', 'deposit_short')), false) AS not_deposited,
                              coalesce(bool_or(e.event IN ('closed_unpaid', 'cancelled_by_buyer')), false) AS not_paid,
                              extract(epoch FROM max(e.at) FILTER (WHERE e.event = 'payout_completed' AND e.stage_from = 'payment_sent')
                                               - max(e.at) FILTER (WHERE e.event = 'payment_marked_sent'))::float8 / 60 AS minutes
                         FROM trade_events e WHERE e.trade = m.id) e ON true
                 WHERE m.stage IN ('completed', 'cancelled', 'paying_out', 'refund_due'))
             SELECT p.id, p.name, p.role, p.suspended_at IS NOT NULL, p.created_at,
                    count(DISTINCT (t.other, t.month)) FILTER (WHERE t.outcome = 'released' OR (t.outcome = 'split' AND t.settled)),
                    count(DISTINCT (t.other, t.month)) FILTER (WHERE t.lost OR t.not_signed
                        OR (t.side = 'seller' AND t.not_deposited) OR (t.side = 'buyer' AND t.not_paid)),
                    count(DISTINCT t.other_key) FILTER (WHERE t.outcome = 'released' OR (t.outcome = 'split' AND t.settled)),
                    count(*) FILTER (WHERE t.lost),
                    percentile_cont(0.5) WITHIN GROUP (ORDER BY t.minutes) FILTER (WHERE t.side = 'seller' AND t.minutes IS NOT NULL)
               FROM people p LEFT JOIN told t ON t.me = p.id
              GROUP BY p.id, p.name, p.role, p.suspended_at, p.created_at"
        )
    };
}

const OF_IDS: &str = counted!("a.id = ANY ($1)");

/// Of several people at once, in no order.
pub async fn of_ids(client: &impl GenericClient, ids: &[Uuid]) -> Stored<Vec<Person>> {
    client.query(&client.prepare_cached(OF_IDS).await?, &[&ids]).await?.iter().map(read).collect()
}

const OF_NAME: &str = counted!("a.name = $1");

pub async fn of_name(client: &impl GenericClient, name: &str) -> Stored<Option<Person>> {
    client.query_opt(&client.prepare_cached(OF_NAME).await?, &[&name]).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Stored<Person> {
    let member_since: Timestamp = row.try_get(4)?;
    let count =
        |column: usize| -> Stored<u32> { Ok(u32::try_from(row.try_get::<_, i64>(column)?).unwrap_or(u32::MAX)) };
    let median: Option<f64> = row.try_get(9)?;
    let reputation = Reputation {
        completed: count(5)?,
        failed: count(6)?,
        partners: count(7)?,
        disputes_lost: count(8)?,
        median_release_minutes: median.and_then(|minutes| format!("{:.0}", minutes.max(0.0)).parse().ok()),
        member_since,
    };
    Ok(Person {
        id: UserId(row.try_get(0)?),
        name: row.try_get(1)?,
        role: row.try_get(2)?,
        suspended: row.try_get(3)?,
        reputation,
    })
}

const ON_DUTY: &str = "
    SELECT count(*) FROM arbitrators r
     WHERE r.dismissed_at IS NULL AND r.drilled_at > $1 AND r.account <> $2
       AND NOT EXISTS (SELECT 1 FROM arbitrator_exclusions x
                        WHERE x.arbitrator = r.account AND x.account IN ($2, $3))";

/// How many arbitrators could be drawn for these two; `drilled_after` is where a drill counts from.
pub async fn on_duty(
    client: &impl GenericClient,
    drilled_after: Timestamp,
    maker: UserId,
    taker: Option<UserId>,
) -> Stored<i64> {
    let statement = client.prepare_cached(ON_DUTY).await?;
    Ok(client.query_one(&statement, &[&drilled_after, &maker.0, &taker.map(|t| t.0)]).await?.try_get(0)?)
}

const PAIR: &str = "
    SELECT a.name FROM pair_arbitrators p JOIN accounts a ON a.id = p.arbitrator
     WHERE p.account_low = least($1::uuid, $2::uuid) AND p.account_high = greatest($1::uuid, $2::uuid)";

/// The arbitrator a pair already has.
pub async fn of_pair(client: &impl GenericClient, one: UserId, other: UserId) -> Stored<Option<String>> {
    let row = client.query_opt(&client.prepare_cached(PAIR).await?, &[&one.0, &other.0]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}
