//! One's deadlines for a calendar: a file of one trade, and a secret address for all of them.

use super::error::Done;
use super::secrets::{random, sha256};
use super::{Desk, trades};
use crate::domain::calendar::{self, Entry};
use crate::domain::{Party, PublicRef, Refusal, UserId};
use crate::store::calendars;
use crate::store::deadlines::{self, DeadlineRow};

/// What a calendar may say: no names, no sums, no words of what is traded.
const NAME: &str = "Deadlines";
const WORDS: &str = "Open the desk and sign in; it says what is due and what happens at the end.";

/// A new secret address for all deadlines of an account; the one before is over. Only its hash is kept.
pub async fn make(desk: &Desk, account: UserId) -> Done<String> {
    let token = data_encoding::BASE32_NOPAD.encode(&random::<20>()).to_lowercase();
    let client = desk.store.connection().await?;
    calendars::set(&client, account, &sha256(&token), desk.now(&client).await?).await?;
    Ok(token)
}

/// No calendar reads the deadlines of this account any more.
pub async fn end(desk: &Desk, account: UserId) -> Done<()> {
    Ok(calendars::end(&desk.store.connection().await?, account).await?)
}

/// Since when there is an address, if there is one.
pub async fn made_at(desk: &Desk, account: UserId) -> Done<Option<jiff::Timestamp>> {
    Ok(calendars::made_at(&desk.store.connection().await?, account).await?)
}

/// What stands at a secret address; `home` is where the desk's pages are.
pub async fn at_address(desk: &Desk, token: &str, home: &str) -> Done<String> {
    let client = desk.store.connection().await?;
    let account = calendars::owner(&client, &sha256(token)).await?.ok_or_else(Refusal::not_found)?;
    let rows = deadlines::of_account(&client, account).await?;
    let entries: Vec<Entry> = rows.iter().map(|(row, party)| entry(desk, row, *party, home)).collect();
    Ok(calendar::write(NAME, &entries, desk.now(&client).await?))
}

/// The deadlines of one trade, for one of its parties.
pub async fn of_trade(desk: &Desk, reference: PublicRef, account: UserId, home: &str) -> Done<String> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let rows = deadlines::of_trade(&client, row.id).await?;
    let entries: Vec<Entry> = rows.iter().map(|row| entry(desk, row, party, home)).collect();
    Ok(calendar::write(NAME, &entries, desk.now(&client).await?))
}

fn entry(desk: &Desk, row: &DeadlineRow, party: Party, home: &str) -> Entry {
    let is_mine = row.is_of(party);
    let whose = if is_mine { "Your deadline" } else { "Their deadline" };
    Entry {
        uid: format!("{}-{}@{}", row.trade, row.what, desk.rules.desk_name),
        sequence: row.sequence,
        started_at: row.started_at,
        due_at: row.due_at,
        title: format!("{whose}, {}", row.trade.grouped()),
        words: WORDS.into(),
        url: format!("{home}/trades/{}", row.trade),
        is_mine,
    }
}
