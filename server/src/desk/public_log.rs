//! The public log: what anyone may check. Accounts of traders appear as salted hashes.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde_json::Value;

use super::Desk;
use super::error::Done;
use crate::domain::UserId;
use crate::store::{GenericClient, public_log};

pub use crate::store::public_log::LogRow;

/// Entries on one page of the log.
const PAGE: i64 = 50;

/// Adds an entry: `draw`, `seed_hash`, `seed`, `appointed`, `dismissed`, `record`, `drill`, `ruling`,
/// `restored`.
pub async fn append(tx: &impl GenericClient, now: Timestamp, kind: &str, entry: &Value) -> Done<()> {
    Ok(public_log::append(tx, now, kind, std::slice::from_ref(entry)).await?)
}

/// An account as the log names it: always the same, and nobody but the desk knows whose it is.
pub fn hidden(desk: &Desk, account: UserId) -> String {
    let [a, b, c, d, e, f, g, h, ..] = desk.secrets.mac("public log", account.0.as_bytes());
    HEXLOWER.encode(&[a, b, c, d, e, f, g, h])
}

/// Entries below a number (from the newest without one), and where the next page begins.
pub async fn page(desk: &Desk, before: Option<i64>) -> Done<(Vec<LogRow>, Option<i64>)> {
    let client = desk.store.connection().await?;
    let mut rows = public_log::before(&client, before.unwrap_or(i64::MAX), PAGE + 1).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|found| found > PAGE);
    if more {
        rows.pop();
    }
    let next = if more { rows.last().map(|row| row.number) } else { None };
    Ok((rows, next))
}
