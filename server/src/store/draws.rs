//! Draws: the seed of each day, the arbitrator of each pair of accounts, and whom a trader does not want.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::bundle::Value;
use super::{GenericClient, StoreError, Stored};
use crate::domain::UserId;

const KEEP_SEED: &str = "INSERT INTO draw_seeds (day, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING";

/// False when the day has a seed already.
pub async fn keep_seed(client: &impl GenericClient, day: Date, sealed: &[u8]) -> Stored<bool> {
    Ok(client.execute(&client.prepare_cached(KEEP_SEED).await?, &[&day, &sealed]).await? == 1)
}

const SEED: &str = "SELECT sealed FROM draw_seeds WHERE day = $1";

pub async fn seed(client: &impl GenericClient, day: Date) -> Stored<Option<Vec<u8>>> {
    let row = client.query_opt(&client.prepare_cached(SEED).await?, &[&day]).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

const SEED_IN_ORDER: &str = "
    SELECT sealed FROM draw_seeds s
     WHERE day = $1 AND EXISTS (SELECT 1 FROM draw_seeds WHERE day = $2)
       AND NOT EXISTS (SELECT 1 FROM draw_seeds WHERE day < $1 AND revealed_at IS NULL)";

/// Today's seed, if tomorrow's is there too and all of days gone by are revealed: then there is nothing to do.
pub async fn seed_in_order(client: &impl GenericClient, today: Date, tomorrow: Date) -> Stored<Option<Vec<u8>>> {
    let row = client.query_opt(&client.prepare_cached(SEED_IN_ORDER).await?, &[&today, &tomorrow]).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

const DUE: &str = "
    UPDATE draw_seeds SET revealed_at = $2 WHERE day < $1 AND revealed_at IS NULL RETURNING day, sealed";

/// The seeds of days before this one that were not shown yet; they are marked as shown.
pub async fn seeds_to_reveal(client: &impl GenericClient, today: Date, now: Timestamp) -> Stored<Vec<(Date, Vec<u8>)>> {
    let rows = client.query(&client.prepare_cached(DUE).await?, &[&today, &now]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

// A look into the index for each pair: any other way PostgreSQL reads more.
pub(super) const RELATIONS: &str = "
    SELECT 'given', low, high,
           (SELECT p.arbitrator FROM pair_arbitrators p WHERE p.account_low = low AND p.account_high = high)
      FROM unnest($1::uuid[], $2::uuid[]) AS pairs (low, high)
     UNION ALL
    SELECT 'excluded', account, account, arbitrator FROM arbitrator_exclusions WHERE account = ANY ($1 || $2)
     UNION ALL
    SELECT 'excluded', buyer, buyer, arbitrator FROM conflicts WHERE buyer = ANY ($1 || $2)
     UNION ALL
    SELECT 'excluded', seller, seller, arbitrator FROM conflicts WHERE seller = ANY ($1 || $2)
     UNION ALL
    SELECT 'blocked', low, high, NULL FROM unnest($1::uuid[], $2::uuid[]) AS pairs (low, high)
     WHERE EXISTS (SELECT FROM blocks b WHERE b.account = low AND b.blocked = high)
        OR EXISTS (SELECT FROM blocks b WHERE b.account = high AND b.blocked = low)";

/// Two accounts, the lower first.
pub type Pair = [UserId; 2];

/// What is known of people and their arbitrators.
#[derive(Debug, Default)]
pub struct Relations {
    /// Whom these pairs were given before.
    pub arbitrators: HashMap<Pair, UserId>,
    /// Who excluded whom, and which arbitrators have a conflict with whom.
    pub exclusions: HashSet<(UserId, UserId)>,
    /// Of which one does not trade with the other.
    pub blocks: HashSet<Pair>,
}

/// What stands between the people of these pairs, and between them and arbitrators.
pub async fn relations(client: &impl GenericClient, pairs: &[Pair]) -> Stored<Relations> {
    let (lows, highs): (Vec<Uuid>, Vec<Uuid>) = pairs.iter().map(|[low, high]| (low.0, high.0)).unzip();
    let mut found = Relations::default();
    for row in client.query(&client.prepare_cached(RELATIONS).await?, &[&lows, &highs]).await? {
        let [one, other] = [UserId(row.try_get(1)?), UserId(row.try_get(2)?)];
        match (row.try_get::<_, &str>(0)?, row.try_get::<_, Option<Uuid>>(3)?.map(UserId)) {
            ("given", Some(arbitrator)) => drop(found.arbitrators.insert([one, other], arbitrator)),
            ("given", None) => {}
            ("excluded", Some(arbitrator)) => drop(found.exclusions.insert((one, arbitrator))),
            ("blocked", None) => drop(found.blocks.insert([one, other])),
            (what, _) => return Err(StoreError::Row(format!("a relation that is {what}"))),
        }
    }
    Ok(found)
}

pub(super) const SET_PAIRS: &str = "
    INSERT INTO pair_arbitrators (account_low, account_high, arbitrator, drawn_at)
    SELECT low, high, arbitrator, $4 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS new (low, high, arbitrator)
    ON CONFLICT (account_low, account_high) DO UPDATE
       SET arbitrator = excluded.arbitrator, drawn_at = excluded.drawn_at";

/// Whom each of these different pairs was given.
pub(super) fn values_of_pairs(drawn: &[(Pair, UserId)], now: Timestamp) -> Vec<Value<'_>> {
    let column = |of: fn(&(Pair, UserId)) -> Uuid| -> Value<'_> { Box::new(drawn.iter().map(of).collect::<Vec<_>>()) };
    vec![column(|([low, _], _)| low.0), column(|([_, high], _)| high.0), column(|(_, who)| who.0), Box::new(now)]
}

const EXCLUDED: &str = "SELECT DISTINCT arbitrator FROM arbitrator_exclusions WHERE account = ANY ($1)";

/// Whom any of these accounts excluded.
pub async fn excluded(client: &impl GenericClient, accounts: &[UserId]) -> Stored<Vec<UserId>> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let rows = client.query(&client.prepare_cached(EXCLUDED).await?, &[&accounts]).await?;
    rows.iter().map(|row| Ok(UserId(row.try_get(0)?))).collect()
}

const CLEAR_EXCLUSIONS: &str = "DELETE FROM arbitrator_exclusions WHERE account = $1";
const EXCLUDE: &str = "
    INSERT INTO arbitrator_exclusions (account, arbitrator) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING";

/// Puts this list in the place of the one before.
pub async fn set_exclusions(client: &impl GenericClient, account: UserId, arbitrators: &[UserId]) -> Stored<()> {
    let list: Vec<Uuid> = arbitrators.iter().map(|id| id.0).collect();
    client.execute(&client.prepare_cached(CLEAR_EXCLUSIONS).await?, &[&account.0]).await?;
    client.execute(&client.prepare_cached(EXCLUDE).await?, &[&account.0, &list]).await?;
    Ok(())
}
