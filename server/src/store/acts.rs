//! What operators did. Append-only.

use jiff::Timestamp;

use super::{GenericClient, Stored};
use crate::domain::UserId;

/// One act.
#[derive(Debug, Clone)]
pub struct ActRow {
    pub number: i64,
    pub at: Timestamp,
    /// None: a command on the desk's own machine.
    pub by: Option<String>,
    pub act: String,
    pub about: String,
    pub how: String,
    pub why: String,
}

/// An act to be written down.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewAct<'a> {
    pub act: &'a str,
    pub about: &'a str,
    pub how: &'a str,
    pub why: &'a str,
}

const APPEND: &str = "INSERT INTO desk_acts (at, account, act, about, how, why) VALUES ($1, $2, $3, $4, $5, $6)";

pub async fn append(client: &impl GenericClient, at: Timestamp, by: Option<UserId>, new: &NewAct<'_>) -> Stored<()> {
    let statement = client.prepare_cached(APPEND).await?;
    client.execute(&statement, &[&at, &by.map(|by| by.0), &new.act, &new.about, &new.how, &new.why]).await?;
    Ok(())
}

const PAGE: &str = "
    SELECT d.number, d.at, a.name, d.act, d.about, d.how, d.why
      FROM desk_acts d LEFT JOIN accounts a ON a.id = d.account
     WHERE d.number < $1 ORDER BY d.number DESC LIMIT $2";

/// Acts below a number, newest first.
pub async fn before(client: &impl GenericClient, number: i64, limit: i64) -> Stored<Vec<ActRow>> {
    let rows = client.query(&client.prepare_cached(PAGE).await?, &[&number, &limit]).await?;
    rows.iter().map(read).collect()
}

const ABOUT: &str = "
    SELECT d.number, d.at, a.name, d.act, d.about, d.how, d.why
      FROM desk_acts d LEFT JOIN accounts a ON a.id = d.account
     WHERE d.about = $1 ORDER BY d.number DESC LIMIT $2";

/// Acts about one account, newest first.
pub async fn about(client: &impl GenericClient, about: &str, limit: i64) -> Stored<Vec<ActRow>> {
    let rows = client.query(&client.prepare_cached(ABOUT).await?, &[&about, &limit]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &tokio_postgres::Row) -> Stored<ActRow> {
    Ok(ActRow {
        number: row.try_get(0)?,
        at: row.try_get(1)?,
        by: row.try_get(2)?,
        act: row.try_get(3)?,
        about: row.try_get(4)?,
        how: row.try_get(5)?,
        why: row.try_get(6)?,
    })
}

const LAST: &str = "SELECT at FROM desk_acts WHERE act = $1 ORDER BY number DESC LIMIT 1";

/// When this was last done.
pub async fn last(client: &impl GenericClient, act: &str) -> Stored<Option<Timestamp>> {
    let row = client.query_opt(&client.prepare_cached(LAST).await?, &[&act]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}
