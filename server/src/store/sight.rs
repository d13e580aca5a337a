//! Whether the chain can be seen at present.

use jiff::Timestamp;

use super::{GenericClient, Stored};

/// Why it cannot, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TroubleRow {
    /// One of the names of `chain::Trouble`.
    pub state: String,
    pub why: String,
    pub since: Timestamp,
}

const TROUBLE: &str = "SELECT state, why, since FROM chain_trouble";

/// None while all is well.
pub async fn trouble(client: &impl GenericClient) -> Stored<Option<TroubleRow>> {
    let row = client.query_opt(&client.prepare_cached(TROUBLE).await?, &[]).await?;
    row.map(|row| Ok(TroubleRow { state: row.try_get(0)?, why: row.try_get(1)?, since: row.try_get(2)? })).transpose()
}

const LOSE: &str = "
    INSERT INTO chain_trouble (state, why, since) VALUES ($1, $2, $3)
    ON CONFLICT (one) DO UPDATE SET state = $1, why = $2";

/// Out of sight; since the first time it was said.
pub async fn lose(client: &impl GenericClient, state: &str, why: &str, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(LOSE).await?, &[&state, &why, &at]).await?;
    Ok(())
}

const REGAIN: &str = "DELETE FROM chain_trouble RETURNING since";

/// In sight. If that is news: since when it was not.
pub async fn regain(client: &impl GenericClient) -> Stored<Option<Timestamp>> {
    let row = client.query_opt(&client.prepare_cached(REGAIN).await?, &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}
