//! Working hours as accounts state them.

use super::{GenericClient, StoreError, Stored};
use crate::domain::UserId;
use crate::domain::hours::Week;

const OF_ACCOUNTS: &str = "SELECT id, hours FROM accounts WHERE id = ANY ($1) AND hours IS NOT NULL";

/// The hours of those who have stated any.
pub async fn of_accounts(client: &impl GenericClient, accounts: &[UserId]) -> Stored<Vec<(UserId, Week)>> {
    let ids: Vec<uuid::Uuid> = accounts.iter().map(|account| account.0).collect();
    let rows = client.query(&client.prepare_cached(OF_ACCOUNTS).await?, &[&ids]).await?;
    rows.iter().map(|row| Ok((UserId(row.try_get(0)?), read(row.try_get(1)?)?))).collect()
}

pub(super) fn read(hours: serde_json::Value) -> Stored<Week> {
    serde_json::from_value(hours).map_err(|error| StoreError::Row(format!("hours: {error}")))
}

const SET: &str = "UPDATE accounts SET hours = $2 WHERE id = $1";

/// For contracts from now on; none: day and night.
pub async fn set(client: &impl GenericClient, account: UserId, week: Option<&Week>) -> Stored<()> {
    let hours = week.map(serde_json::to_value).transpose().map_err(|error| StoreError::Row(error.to_string()))?;
    client.execute(&client.prepare_cached(SET).await?, &[&account.0, &hours]).await?;
    Ok(())
}
