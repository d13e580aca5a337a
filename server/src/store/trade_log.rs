//! The log beside the row: append-only, hash-chained. Replaying a trade's acts gives its row.

use jiff::Timestamp;

use super::{GenericClient, Stored};
use crate::domain::{Actor, Event, Stage, TradeId, UserId};

/// One line of a trade's log.
#[derive(Debug, Clone)]
pub struct Line {
    pub version: u64,
    pub at: Timestamp,
    pub actor: Actor,
    pub account: Option<UserId>,
    pub event: Option<Event>,
    /// The exact JSON text of the act.
    pub act: String,
    pub stage_from: Option<Stage>,
    pub stage_to: Stage,
}

impl Line {
    /// What is hashed, after the hash of the line before: fields in this order, one per line.
    pub fn hashed_text(&self, trade: TradeId) -> String {
        let account = self.account.map(|account| account.to_string()).unwrap_or_default();
        let event = self.event.map(Event::as_str).unwrap_or_default();
        let from = self.stage_from.map(Stage::as_str).unwrap_or_default();
        let at = self.at.as_microsecond();
        let (version, actor, act, to) = (self.version, self.actor, &self.act, self.stage_to);
        format!("{trade}\n{version}\n{at}\n{actor}\n{account}\n{event}\n{from}\n{to}\n{act}")
    }
}

const LAST_HASH: &str = "SELECT hash FROM trade_events WHERE trade = $1 ORDER BY version DESC LIMIT 1";

/// The hash a new line hangs on; zeros for the first.
pub async fn last_hash(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<u8>> {
    let row = client.query_opt(&client.prepare_cached(LAST_HASH).await?, &[&trade.0]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or_else(|| BEGINNING.to_vec()))
}

/// What the first line of a log hangs on.
pub const BEGINNING: [u8; 32] = [0; 32];

const APPEND: &str = "
    INSERT INTO trade_events (trade, version, at, actor, account, event, act, stage_from, stage_to, previous, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

pub async fn append(
    client: &impl GenericClient,
    trade: TradeId,
    line: &Line,
    previous: &[u8],
    hash: &[u8; 32],
) -> Stored<()> {
    client
        .execute(
            &client.prepare_cached(APPEND).await?,
            &[
                &trade.0,
                &i64::try_from(line.version).unwrap_or(i64::MAX),
                &line.at,
                &line.actor.as_str(),
                &line.account.map(|account| account.0),
                &line.event.map(Event::as_str),
                &line.act,
                &line.stage_from.map(Stage::as_str),
                &line.stage_to.as_str(),
                &previous,
                &hash.as_slice(),
            ],
        )
        .await?;
    Ok(())
}

/// A line as people read it.
#[derive(Debug, Clone)]
pub struct LoggedLine {
    pub version: i64,
    pub at: Timestamp,
    pub actor: String,
    pub event: Option<String>,
    pub act: String,
    pub stage_to: String,
    pub previous: Vec<u8>,
    pub hash: Vec<u8>,
}

const OF_TRADE: &str = "
    SELECT version, at, actor, event, act, stage_to, previous, hash FROM trade_events WHERE trade = $1 ORDER BY version";

/// The whole log of a trade.
pub async fn of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<LoggedLine>> {
    let rows = client.query(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?;
    rows.iter()
        .map(|row| {
            Ok(LoggedLine {
                version: row.try_get(0)?,
                at: row.try_get(1)?,
                actor: row.try_get(2)?,
                event: row.try_get(3)?,
                act: row.try_get(4)?,
                stage_to: row.try_get(5)?,
                previous: row.try_get(6)?,
                hash: row.try_get(7)?,
            })
        })
        .collect()
}
