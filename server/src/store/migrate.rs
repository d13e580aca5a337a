//! The schema, forward only. The migrations are part of the program.

use tokio_postgres::Client;

// The macro's own code unwraps what it has checked when it was compiled.
#[allow(clippy::unwrap_used)]
mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The key of the advisory lock that lets one server migrate at a time ("trine").
const MIGRATION_LOCK: i64 = 0x0074_7269_6e65;

/// Brings the schema up to date, under a lock.
pub async fn run(client: &mut Client) -> anyhow::Result<()> {
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await?;
    let outcome = embedded::migrations::runner().run_async(client).await;
    client.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await?;
    outcome?;
    Ok(())
}

/// How the schema of a database stands to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    UpToDate,
    /// Fewer migrations than this program has, or none.
    Behind,
    /// Migrations this program does not know.
    Ahead,
}

/// Compares without changing anything.
pub async fn check(client: &mut Client) -> anyhow::Result<Schema> {
    let runner = embedded::migrations::runner();
    let newest = runner.get_migrations().iter().map(|m| m.version()).max();
    let there: Option<String> =
        client.query_one("SELECT to_regclass('refinery_schema_history')::text", &[]).await?.get(0);
    if there.is_none() {
        return Ok(Schema::Behind);
    }
    let applied = runner.get_last_applied_migration_async(client).await?.map(|m| m.version());
    Ok(match applied.cmp(&newest) {
        std::cmp::Ordering::Equal => Schema::UpToDate,
        std::cmp::Ordering::Less => Schema::Behind,
        std::cmp::Ordering::Greater => Schema::Ahead,
    })
}

const NEWEST_APPLIED: &str = "SELECT max(version)::bigint FROM refinery_schema_history";

/// Whether the newest migration of this program is the newest of the database: one cheap question.
pub async fn is_current(client: &impl super::GenericClient) -> super::Stored<bool> {
    let newest = embedded::migrations::runner().get_migrations().iter().map(|m| i64::from(m.version())).max();
    let applied: Option<i64> =
        client.query_one(&client.prepare_cached(NEWEST_APPLIED).await?, &[]).await?.try_get(0)?;
    Ok(applied == newest)
}
