//! Draws: the seed of each day, the arbitrator of each pair of accounts, and whom a trader does not want.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::arbitrators::{self, OnDutyRow};
use super::{GenericClient, Stored};
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

pub(super) const SEED_IN_ORDER: &str = "
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

pub(super) const LOCK_PAIRS: &str = "
    SELECT pg_advisory_xact_lock(hashtextextended('pair ' || low || ' ' || high, 0))
      FROM (SELECT DISTINCT low, high FROM unnest($1::uuid[], $2::uuid[]) AS pairs (low, high) ORDER BY 1, 2) AS pairs";

pub(super) const PAIRS: &str = "
    SELECT low, high, (SELECT p.arbitrator FROM pair_arbitrators p WHERE p.account_low = low AND p.account_high = high)
      FROM unnest($1::uuid[], $2::uuid[]) AS pairs (low, high)";

pub(super) const EXCLUSIONS: &str = "
    SELECT account, arbitrator FROM arbitrator_exclusions WHERE account = ANY ($1::uuid[] || $2::uuid[])
     UNION ALL
    SELECT t.buyer, c.arbitrator FROM conflicts c JOIN trades t ON t.id = c.trade
     WHERE c.with_buyer AND t.buyer = ANY ($1::uuid[] || $2::uuid[])
     UNION ALL
    SELECT t.seller, c.arbitrator FROM conflicts c JOIN trades t ON t.id = c.trade
     WHERE c.with_seller AND t.seller = ANY ($1::uuid[] || $2::uuid[])";

/// Two accounts, the lower first.
pub type Pair = [UserId; 2];

/// What is known before draws.
#[derive(Debug)]
pub struct Before {
    pub on_duty: Vec<OnDutyRow>,
    /// Whom these pairs were given before.
    pub arbitrators: HashMap<Pair, UserId>,
    /// Who excluded whom, and which arbitrators have a conflict with whom.
    pub exclusions: HashSet<(UserId, UserId)>,
}

/// Draws of one pair wait for one another until the transaction ends. Who is on duty, and what is known of the pairs.
pub async fn hold_pairs(client: &impl GenericClient, pairs: &[Pair], drilled_since: Timestamp) -> Stored<Before> {
    let (lows, highs): (Vec<Uuid>, Vec<Uuid>) = pairs.iter().map(|[low, high]| (low.0, high.0)).unzip();
    let lock = client.prepare_cached(LOCK_PAIRS).await?;
    let known = client.prepare_cached(PAIRS).await?;
    let excluded = client.prepare_cached(EXCLUSIONS).await?;
    let both: [&(dyn ToSql + Sync); 2] = [&lows, &highs];
    // Sent together, answered in this order: what is read is true while the pairs are held.
    let (_, known, excluded, on_duty) = tokio::try_join!(
        biased;
        async { Ok(client.query(&lock, &both).await?) },
        async { Ok(client.query(&known, &both).await?) },
        async { Ok(client.query(&excluded, &both).await?) },
        arbitrators::on_duty(client, drilled_since),
    )?;
    let user = |row: &Row, at: usize| -> Stored<UserId> { Ok(UserId(row.try_get(at)?)) };
    let given = |row: &Row| -> Stored<Option<(Pair, UserId)>> {
        let arbitrator: Option<Uuid> = row.try_get(2)?;
        Ok(arbitrator.map(UserId).zip(Some([user(row, 0)?, user(row, 1)?])).map(|(who, pair)| (pair, who)))
    };
    let known = known.iter().filter_map(|row| given(row).transpose());
    let excluded = excluded.iter().map(|row| Ok((user(row, 0)?, user(row, 1)?)));
    Ok(Before { on_duty, arbitrators: known.collect::<Stored<_>>()?, exclusions: excluded.collect::<Stored<_>>()? })
}

const SET_PAIRS: &str = "
    INSERT INTO pair_arbitrators (account_low, account_high, arbitrator, drawn_at)
    SELECT low, high, arbitrator, $4 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS new (low, high, arbitrator)
    ON CONFLICT (account_low, account_high) DO UPDATE
       SET arbitrator = excluded.arbitrator, drawn_at = excluded.drawn_at";

/// Whom each of these different pairs was given.
pub async fn set_pairs(client: &impl GenericClient, drawn: &[(Pair, UserId)], now: Timestamp) -> Stored<()> {
    let column = |of: fn(&(Pair, UserId)) -> Uuid| -> Vec<Uuid> { drawn.iter().map(of).collect() };
    let (lows, highs) = (column(|([low, _], _)| low.0), column(|([_, high], _)| high.0));
    let statement = client.prepare_cached(SET_PAIRS).await?;
    client.execute(&statement, &[&lows, &highs, &column(|(_, arbitrator)| arbitrator.0), &now]).await?;
    Ok(())
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
