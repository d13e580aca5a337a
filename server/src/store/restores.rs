//! Backups: what is counted for their manifest; restores: how numbering goes on where nothing can be given twice.

use jiff::Timestamp;

use super::{GenericClient, Stored};

const LONG: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
const SNAPSHOT: &str = "SELECT pg_export_snapshot()";

/// The name under which another connection sees exactly what this transaction sees, as long as it lasts.
pub async fn export_snapshot(client: &impl GenericClient) -> Stored<String> {
    client.batch_execute(LONG).await?;
    Ok(client.query_one(&client.prepare_cached(SNAPSHOT).await?, &[]).await?.try_get(0)?)
}

const TABLES: &str = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";

/// How many rows each table has.
pub async fn counts(client: &impl GenericClient) -> Stored<Vec<(String, i64)>> {
    let mut all = Vec::new();
    for row in client.query(&client.prepare_cached(TABLES).await?, &[]).await? {
        let table: String = row.try_get(0)?;
        let counted = client.query_one(&format!("SELECT count(*) FROM public.\"{table}\""), &[]).await?;
        all.push((table, counted.try_get(0)?));
    }
    Ok(all)
}

/// What a manifest says of the desk.
#[derive(Debug, Clone)]
pub struct About {
    pub at: Timestamp,
    pub network: Option<String>,
    pub schema: i64,
    pub server: String,
    pub height: Option<i32>,
    /// Number of trades by stage.
    pub stages: Vec<(String, i64)>,
}

const ABOUT: &str = "
    SELECT now(), (SELECT network FROM desk_state), (SELECT coalesce(max(version), 0)::bigint FROM refinery_schema_history),
           current_setting('server_version'), (SELECT height FROM chain_cursor)";
const STAGES: &str = "SELECT stage, count(*) FROM trades GROUP BY stage ORDER BY stage";

pub async fn about(client: &impl GenericClient) -> Stored<About> {
    let row = client.query_one(&client.prepare_cached(ABOUT).await?, &[]).await?;
    let stages = client.query(&client.prepare_cached(STAGES).await?, &[]).await?;
    Ok(About {
        at: row.try_get(0)?,
        network: row.try_get(1)?,
        schema: row.try_get(2)?,
        server: row.try_get(3)?,
        height: row.try_get(4)?,
        stages: stages.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Stored<_>>()?,
    })
}

/// What was filled from a backup is a copy, whatever the numbers of its database are: two that are made alike have the
/// same ones.
pub const FROM_A_BACKUP: &str = "UPDATE desk_state SET home = 'a backup'";

// Before the cluster's own number was added, a home was two numbers long; such a one goes on as it is.
const AT_HOME: &str = "
    UPDATE desk_state SET home = here.cluster || ':' || here.numbers
      FROM (SELECT (SELECT system_identifier FROM pg_control_system()) AS cluster,
                   d.oid || ':' || 'desk_state'::regclass::oid AS numbers
              FROM pg_database d WHERE d.datname = current_database()) here
     WHERE home IS DISTINCT FROM here.cluster || ':' || here.numbers
    RETURNING coalesce((SELECT s.home FROM desk_state s) <> here.numbers, false)";

/// Notes the database the desk lives in. True if it lived in another one before: then this is a restored copy. Whoever
/// asks at the same time waits, and hears that all is well. The rest of the transaction may take as long as it does.
pub async fn moved(client: &impl GenericClient) -> Stored<bool> {
    client.batch_execute(LONG).await?;
    let row = client.query_opt(&client.prepare_cached(AT_HOME).await?, &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
}

const RAISE: &str = "
    INSERT INTO numbering_floors (public_key, floor)
    SELECT known.key, greatest(max(known.highest), coalesce(max(f.floor), 0)) + 100
      FROM (SELECT public_key AS key, max(n) AS highest FROM key_uses GROUP BY public_key
            UNION ALL
            SELECT k.public_key, max(l.p) FROM arbitrator_levels l JOIN signing_keys k ON k.id = l.arbitrator_key
             GROUP BY k.public_key
            UNION ALL
            SELECT ''::bytea, 0) known
      LEFT JOIN numbering_floors f ON f.public_key = known.key
     GROUP BY known.key
    ON CONFLICT (public_key) DO UPDATE SET floor = excluded.floor";
const FEE_ADDRESSES: &str = "SELECT setval('fee_addresses', (SELECT last_value FROM fee_addresses) + 100)";
const PUBLIC_LOG: &str = "
    SELECT setval(pg_get_serial_sequence('public_log', 'number'), (SELECT coalesce(max(number), 0) FROM public_log) + 100)";
// Numbers of transactions belong to the server that gave them. Those below all that are under way here are never asked for
// again; the others would be taken for new ones.
const MADE_BEFORE: &str = "
    UPDATE trades SET made_in = '0'::xid8 WHERE made_in >= pg_snapshot_xmin(pg_current_snapshot())";
const END_SESSIONS: &str = "DELETE FROM sessions";
const END_FEEDS: &str = "DELETE FROM notice_channels WHERE channel = 'feed'";
const END_CALENDARS: &str = "DELETE FROM calendar_feeds";
const NOTE: &str = "INSERT INTO restores (at, last_seen) SELECT $1, (SELECT at FROM desk_beat) RETURNING last_seen";

/// Goes on a hundred above everything that was ever given and may not be given twice, and ends all sessions and secret
/// addresses of feeds and calendars: those that were ended since the backup would live again. When the desk of the backup
/// was last alive.
pub async fn go_on(client: &impl GenericClient, now: Timestamp) -> Stored<Option<Timestamp>> {
    for statement in [RAISE, MADE_BEFORE, END_SESSIONS, END_FEEDS, END_CALENDARS] {
        client.execute(&client.prepare_cached(statement).await?, &[]).await?;
    }
    for statement in [FEE_ADDRESSES, PUBLIC_LOG] {
        client.query_one(&client.prepare_cached(statement).await?, &[]).await?;
    }
    Ok(client.query_one(&client.prepare_cached(NOTE).await?, &[&now]).await?.try_get(0)?)
}

/// Whether a database has nothing of anybody in it.
pub const IS_EMPTY: &str = "
    SELECT NOT EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'S', 'v'))";
