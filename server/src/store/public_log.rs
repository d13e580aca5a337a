//! What anyone may check: draws, seeds, appointments, rulings. Append-only.

use jiff::Timestamp;
use serde_json::Value;

use super::{GenericClient, Stored, bundle};

#[derive(Debug, Clone)]
pub struct LogRow {
    pub number: i64,
    pub at: Timestamp,
    pub kind: String,
    pub entry: Value,
}

pub(super) const APPEND: &str = "INSERT INTO public_log (at, kind, entry) SELECT $1, $2, unnest($3::jsonb[])";

/// Adds entries of one kind; nothing in them may name an account that did not choose to be public.
pub async fn append(client: &impl GenericClient, at: Timestamp, kind: &str, entries: &[Value]) -> Stored<()> {
    client.execute(&client.prepare_cached(APPEND).await?, &[&at, &kind, &entries]).await?;
    Ok(())
}

/// The same beside other things.
pub(super) fn values<'a>(at: Timestamp, kind: &'a str, entries: &'a [Value]) -> Vec<bundle::Value<'a>> {
    vec![Box::new(at), Box::new(kind), Box::new(entries)]
}

const PAGE: &str = "
    SELECT number, at, kind, entry FROM public_log WHERE number < $1 ORDER BY number DESC LIMIT $2";

/// Entries below a number, newest first.
pub async fn before(client: &impl GenericClient, number: i64, limit: i64) -> Stored<Vec<LogRow>> {
    let rows = client.query(&client.prepare_cached(PAGE).await?, &[&number, &limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(LogRow { number: row.try_get(0)?, at: row.try_get(1)?, kind: row.try_get(2)?, entry: row.try_get(3)? })
        })
        .collect()
}
