//! Takes, several at a time: what they are decided from, and what they write, each sent in one go.
//!
//! Statements that are sent together are answered in their order, and each sees what those before it did. That holds
//! once they are prepared: see [`ready`].

mod written;

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

pub use self::written::{NewTake, NewTrade, write};
use super::keys::KeyRow;
use super::offers::{Halts, OfferRow};
use super::payment_accounts::PaymentAccountRow;
use super::{GenericClient, Stored, arbitrators, draws, hours, keys, offers, payment_accounts, rates};
use crate::domain::hours::Week;
use crate::domain::{Currency, KeyId, PaymentAccountId, Rate, UserId};

/// Whoever wants to take one of the offers.
#[derive(Debug)]
pub struct Taker {
    pub name: String,
    pub halts: Halts,
    pub record: AccountRecord,
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

/// What takes are decided from, beside the offers.
#[derive(Debug)]
pub struct Scene {
    pub takers: HashMap<UserId, Taker>,
    rates: Vec<Rate>,
    hours: Vec<(UserId, Week)>,
    /// Who does not trade with whom.
    blocks: HashSet<(UserId, UserId)>,
    /// Those of the takers, in whatever state, and those that stand in the offers.
    keys: Vec<KeyRow>,
    /// The same of payment accounts.
    pub accounts: Vec<PaymentAccountRow>,
}

impl Scene {
    pub fn rate(&self, currency: Currency) -> Option<Rate> {
        self.rates.iter().find(|rate| rate.currency == currency).copied()
    }

    /// The working hours that one of the two sides has stated.
    pub fn hours(&self, account: UserId) -> Option<Week> {
        self.hours.iter().find(|(one, _)| *one == account).map(|(_, week)| week.clone())
    }

    /// One of the two does not trade with the other.
    pub fn blocked(&self, one: UserId, other: UserId) -> bool {
        self.blocks.contains(&(one, other)) || self.blocks.contains(&(other, one))
    }

    /// The keys that an account may make new trades with.
    pub fn usable(&self, account: UserId) -> impl Iterator<Item = KeyId> {
        let in_use = move |key: &&KeyRow| key.account == account && key.is_in_use();
        self.keys.iter().filter(in_use).map(|key| key.id)
    }

    /// This account's key, if it may make new trades with it.
    pub fn key(&self, account: UserId, id: KeyId) -> Option<&KeyRow> {
        self.keys.iter().find(|key| key.id == id && key.account == account && key.is_in_use())
    }
}

const FACTS: &str = "
    SELECT id, name, suspended_why, (SELECT paused_why FROM desk_state WHERE paused_at IS NOT NULL)
      FROM accounts WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";

const BLOCKS: &str = "SELECT account, blocked FROM blocks WHERE account = ANY ($1) AND blocked = ANY ($1)";

/// Prepares everything that takes hold and read, so that what is sent together goes out in its order.
pub async fn ready(client: &impl GenericClient) -> Stored<()> {
    let statements = [
        super::NOW,
        offers::HOLD,
        FACTS,
        BLOCKS,
        RECORDS,
        keys::FOR_TAKES,
        payment_accounts::FOR_TAKES,
        hours::OF_ACCOUNTS,
        rates::ALL,
        draws::LOCK_PAIRS,
        draws::PAIRS,
        draws::EXCLUSIONS,
        arbitrators::ON_DUTY,
        draws::SEED_IN_ORDER,
        keys::LOCK_INDEXES,
        keys::INDEXES,
    ];
    prepare(client, &statements).await
}

/// For statements over arrays: the plan for any number of rows is the right one, and making another each time takes
/// longer than following it. It goes by the indexes, however small a table was when the plan was made. Until the
/// transaction ends.
pub async fn plan_once(client: &impl GenericClient) -> Stored<()> {
    Ok(client.batch_execute("SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off").await?)
}

/// Holds the takers' accounts, in the order of their ids, so that what is counted of them stays true until the
/// transaction ends, and reads the rest. Who has no account is not there.
pub async fn scene(
    client: &impl GenericClient,
    takers: &[UserId],
    offers: &[OfferRow],
    now: Timestamp,
) -> Stored<Scene> {
    let maker_keys: Vec<KeyId> = offers.iter().map(|row| row.key).collect();
    let maker_accounts: Vec<PaymentAccountId> =
        offers.iter().flat_map(|row| &row.offer.accounts).map(|one| one.account).collect();
    let everybody: Vec<UserId> = takers.iter().copied().chain(offers.iter().map(|row| row.offer.maker)).collect();
    let ids: Vec<Uuid> = takers.iter().map(|id| id.0).collect();
    let all_ids: Vec<Uuid> = everybody.iter().map(|id| id.0).collect();
    let (facts, blocks, records, keys, accounts, hours, rates) = tokio::try_join!(
        biased;
        async { Ok(client.query(&client.prepare_cached(FACTS).await?, &[&ids]).await?) },
        async { Ok(client.query(&client.prepare_cached(BLOCKS).await?, &[&all_ids]).await?) },
        records(client, takers, now),
        keys::for_takes(client, takers, &maker_keys),
        payment_accounts::for_takes(client, takers, &maker_accounts),
        hours::of_accounts(client, &everybody),
        rates::all(client),
    )?;
    let mut takers = HashMap::new();
    for row in facts {
        let halts = Halts { suspended_why: row.try_get(2)?, paused_why: row.try_get(3)? };
        let taker = Taker { name: row.try_get(1)?, halts, record: AccountRecord::default() };
        takers.insert(UserId(row.try_get(0)?), taker);
    }
    for (account, record) in records {
        if let Some(taker) = takers.get_mut(&account) {
            taker.record = record;
        }
    }
    let block = |row: &Row| Ok((UserId(row.try_get(0)?), UserId(row.try_get(1)?)));
    let blocks = blocks.iter().map(block).collect::<Stored<_>>()?;
    Ok(Scene { takers, rates, hours, blocks, keys, accounts })
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

pub(super) async fn prepare(client: &impl GenericClient, statements: &[&str]) -> Stored<()> {
    for statement in statements {
        client.prepare_cached(statement).await?;
    }
    Ok(())
}
