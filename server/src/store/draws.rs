//! Draws: the seed of each day, the arbitrator of each pair of accounts, and whom a trader does not want.

use jiff::Timestamp;
use jiff::civil::Date;

use tokio_postgres::types::ToSql;

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

const LOCK_PAIR: &str = "SELECT pg_advisory_xact_lock(hashtextextended('pair ' || $1::uuid || ' ' || $2::uuid, 0))";

const PAIR: &str = "
    SELECT (SELECT arbitrator FROM pair_arbitrators WHERE account_low = $1 AND account_high = $2),
           ARRAY(SELECT arbitrator FROM arbitrator_exclusions WHERE account IN ($1, $2)
                 UNION
                 SELECT c.arbitrator FROM conflicts c JOIN trades t ON t.id = c.trade
                  WHERE (c.with_buyer AND t.buyer IN ($1, $2)) OR (c.with_seller AND t.seller IN ($1, $2)))";

/// What is known of a pair before a draw.
#[derive(Debug)]
pub struct Before {
    /// Whom it was given before.
    pub arbitrator: Option<UserId>,
    /// Whom one of the two excluded, and who has a conflict with one of them.
    pub excluded: Vec<UserId>,
}

/// Draws of one pair wait for one another until the transaction ends. Who is on duty, and what is known of the pair.
pub async fn hold_pair(
    client: &impl GenericClient,
    [low, high]: [UserId; 2],
    drilled_since: Timestamp,
) -> Stored<(Vec<OnDutyRow>, Before)> {
    let lock = client.prepare_cached(LOCK_PAIR).await?;
    let pair = client.prepare_cached(PAIR).await?;
    client.prepare_cached(arbitrators::ON_DUTY).await?;
    let both: [&(dyn ToSql + Sync); 2] = [&low.0, &high.0];
    // Sent together, answered in this order: what is read is true while the pair is held.
    let (_, row, on_duty) = tokio::try_join!(
        biased;
        async { Ok(client.query_one(&lock, &both).await?) },
        async { Ok(client.query_one(&pair, &both).await?) },
        arbitrators::on_duty(client, drilled_since),
    )?;
    let excluded: Vec<uuid::Uuid> = row.try_get(1)?;
    let arbitrator: Option<uuid::Uuid> = row.try_get(0)?;
    Ok((on_duty, Before { arbitrator: arbitrator.map(UserId), excluded: excluded.into_iter().map(UserId).collect() }))
}

const SET_PAIR: &str = "
    INSERT INTO pair_arbitrators (account_low, account_high, arbitrator, drawn_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account_low, account_high) DO UPDATE
       SET arbitrator = excluded.arbitrator, drawn_at = excluded.drawn_at";

pub async fn set_pair(
    client: &impl GenericClient,
    [low, high]: [UserId; 2],
    arbitrator: UserId,
    now: Timestamp,
) -> Stored<()> {
    let statement = client.prepare_cached(SET_PAIR).await?;
    client.execute(&statement, &[&low.0, &high.0, &arbitrator.0, &now]).await?;
    Ok(())
}

const EXCLUDED: &str = "SELECT DISTINCT arbitrator FROM arbitrator_exclusions WHERE account = ANY ($1)";

/// Whom any of these accounts excluded.
pub async fn excluded(client: &impl GenericClient, accounts: &[UserId]) -> Stored<Vec<UserId>> {
    let accounts: Vec<uuid::Uuid> = accounts.iter().map(|id| id.0).collect();
    let rows = client.query(&client.prepare_cached(EXCLUDED).await?, &[&accounts]).await?;
    rows.iter().map(|row| Ok(UserId(row.try_get(0)?))).collect()
}

const CLEAR_EXCLUSIONS: &str = "DELETE FROM arbitrator_exclusions WHERE account = $1";
const EXCLUDE: &str = "
    INSERT INTO arbitrator_exclusions (account, arbitrator) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING";

/// Puts this list in the place of the one before.
pub async fn set_exclusions(client: &impl GenericClient, account: UserId, arbitrators: &[UserId]) -> Stored<()> {
    let list: Vec<uuid::Uuid> = arbitrators.iter().map(|id| id.0).collect();
    client.execute(&client.prepare_cached(CLEAR_EXCLUSIONS).await?, &[&account.0]).await?;
    client.execute(&client.prepare_cached(EXCLUDE).await?, &[&account.0, &list]).await?;
    Ok(())
}
