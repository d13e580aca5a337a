//! The windows that run, as written with the last change of their trade: countdowns, lists, calendars read these rows.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{GenericClient, StoreError, Stored};
use crate::domain::deadlines::{Deadline, What};
use crate::domain::notices::Percent;
use crate::domain::{Party, PublicRef, TradeId, UserId};

/// A window that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadlineRow {
    pub trade: PublicRef,
    pub what: What,
    /// `both`, `chain`, `clock`, or one of the parties.
    pub who: String,
    pub started_at: Timestamp,
    pub due_at: Timestamp,
    /// What its end brings, in words.
    pub at_zero: String,
    /// Grows whenever the end moves.
    pub sequence: i64,
}

impl DeadlineRow {
    /// Whether this party must act in it.
    pub fn is_of(&self, party: Party) -> bool {
        self.who == party.as_str() || (self.who == "both" && party != Party::Arbitrator)
    }

    /// It is this window, written down.
    pub fn says(&self, window: &Deadline) -> bool {
        (self.what, self.due_at, self.started_at) == (window.what, window.due_at, window.started_at)
            && (self.who.as_str(), self.at_zero.as_str()) == (window.who, window.at_zero)
    }
}

const OF_TRADE: &str = "
    SELECT t.reference, d.what, d.who, d.started_at, d.due_at, d.at_zero, d.sequence
      FROM deadlines d JOIN trades t ON t.id = d.trade WHERE d.trade = $1 ORDER BY d.due_at, d.what";

/// The windows of one trade, the next end first.
pub async fn of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<DeadlineRow>> {
    client.query(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?.iter().map(read).collect()
}

const OF_ACCOUNT: &str = "
    SELECT t.reference, d.what, d.who, d.started_at, d.due_at, d.at_zero, d.sequence,
           CASE $1::uuid WHEN t.buyer THEN 'buyer' WHEN t.seller THEN 'seller' ELSE 'arbitrator' END
      FROM deadlines d JOIN trades t ON t.id = d.trade
     WHERE $1 IN (t.buyer, t.seller, t.arbitrator) ORDER BY d.due_at, t.reference, d.what";

/// The windows of all trades of an account and what it is in them, the next end first.
pub async fn of_account(client: &impl GenericClient, account: UserId) -> Stored<Vec<(DeadlineRow, Party)>> {
    let rows = client.query(&client.prepare_cached(OF_ACCOUNT).await?, &[&account.0]).await?;
    rows.iter()
        .map(|row| {
            let party: String = row.try_get(7)?;
            let party = Party::from_word(&party).ok_or_else(|| StoreError::Row(format!("party {party}")))?;
            Ok((read(row)?, party))
        })
        .collect()
}

const TO_REMIND: &str = "SELECT DISTINCT trade FROM deadlines WHERE remind_at <= $1";

/// Trades with a window whose half or nine tenths are over and that nobody was reminded of.
pub async fn to_remind(client: &impl GenericClient, now: Timestamp) -> Stored<Vec<TradeId>> {
    let rows = client.query(&client.prepare_cached(TO_REMIND).await?, &[&now]).await?;
    rows.iter().map(|row| Ok(TradeId(row.try_get(0)?))).collect()
}

const REMIND: &str = "
    UPDATE deadlines SET reminded = CASE WHEN ninety_at <= $3 THEN 90 ELSE 50 END
     WHERE trade = $1 AND what = $2 AND remind_at <= $3 RETURNING reminded";

/// Notes that a window's reminder is told, if it is time for one: the hundredths that are over. When both are late at
/// once the later one says it all.
pub async fn remind(
    client: &impl GenericClient,
    trade: TradeId,
    what: What,
    now: Timestamp,
) -> Stored<Option<Percent>> {
    let row = client.query_opt(&client.prepare_cached(REMIND).await?, &[&trade.0, &what.as_str(), &now]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

fn read(row: &Row) -> Stored<DeadlineRow> {
    let (reference, what): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok(DeadlineRow {
        trade: reference.parse().map_err(|_| StoreError::Row(format!("trade reference {reference}")))?,
        what: What::from_word(&what).ok_or_else(|| StoreError::Row(format!("window {what}")))?,
        who: row.try_get(2)?,
        started_at: row.try_get(3)?,
        due_at: row.try_get(4)?,
        at_zero: row.try_get(5)?,
        sequence: row.try_get(6)?,
    })
}
