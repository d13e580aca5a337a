//! The secret addresses under which calendars read deadlines: one per account, known by the hash of its token.

use jiff::Timestamp;

use super::{GenericClient, Stored};
use crate::domain::UserId;

const SET: &str = "
    INSERT INTO calendar_feeds (account, token_hash, made_at) VALUES ($1, $2, $3)
    ON CONFLICT (account) DO UPDATE SET token_hash = $2, made_at = $3";

/// The address from now on; the one before is over.
pub async fn set(client: &impl GenericClient, account: UserId, hash: &[u8; 32], at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(SET).await?, &[&account.0, &hash.as_slice(), &at]).await?;
    Ok(())
}

const END: &str = "DELETE FROM calendar_feeds WHERE account = $1";

pub async fn end(client: &impl GenericClient, account: UserId) -> Stored<()> {
    client.execute(&client.prepare_cached(END).await?, &[&account.0]).await?;
    Ok(())
}

const MADE_AT: &str = "SELECT made_at FROM calendar_feeds WHERE account = $1";

/// Since when the account has an address, if it has one.
pub async fn made_at(client: &impl GenericClient, account: UserId) -> Stored<Option<Timestamp>> {
    let row = client.query_opt(&client.prepare_cached(MADE_AT).await?, &[&account.0]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

const OWNER: &str = "SELECT account FROM calendar_feeds WHERE token_hash = $1";

/// Whose deadlines stand at an address.
pub async fn owner(client: &impl GenericClient, hash: &[u8; 32]) -> Stored<Option<UserId>> {
    let row = client.query_opt(&client.prepare_cached(OWNER).await?, &[&hash.as_slice()]).await?;
    Ok(row.map(|row| Ok::<_, tokio_postgres::Error>(UserId(row.try_get(0)?))).transpose()?)
}
