//! What waits for an account, as a feed at a secret address.

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};

use super::Desk;
use super::error::Done;
use super::secrets::{random, sha256};
use crate::domain::atom::{self, Entry, Feed};
use crate::domain::notices::{self, Channel};
use crate::domain::{Refusal, UserId};
use crate::store::channels;
use crate::store::notices::{self as store, NoticeRow};

/// News that nothing waits for any more leave the feed after so long.
const NEWS_DAYS: i64 = 14;
/// More entries than anybody has trades that wait.
const ENTRIES_MAX: i64 = 100;
/// What a feed may say: no names, no sums, no words of what is traded.
const TITLE: &str = "What waits for you";

/// A new secret address for the feed of an account; the one before is over. Only its hash is kept.
pub async fn make(desk: &Desk, account: UserId) -> Done<String> {
    let token = data_encoding::BASE32_NOPAD.encode(&random::<20>()).to_lowercase();
    let client = desk.store.connection().await?;
    let usual = Channel::Feed.usual();
    channels::set_feed(&client, account, &sha256(&token), &usual, desk.now(&client).await?).await?;
    Ok(token)
}

/// What stands at a secret address; `home` is where the desk's pages are.
pub async fn at_address(desk: &Desk, token: &str, home: &str) -> Done<String> {
    let client = desk.store.connection().await?;
    let owner = channels::feed_owner(&client, &sha256(token)).await?;
    let (account, kinds, made_at) = owner.ok_or_else(Refusal::not_found)?;
    let since = desk.now(&client).await?.checked_sub(SignedDuration::from_hours(24 * NEWS_DAYS));
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
    let rows = store::waiting(&client, account, since, &kinds, ENTRIES_MAX).await?;
    let entries: Vec<Entry> = rows.iter().map(|row| entry(desk, row, home)).collect();
    let host = &desk.rules.desk_name;
    let [a, b, c, d, e, f, g, h, ..] = desk.secrets.mac("feed", account.0.as_bytes());
    let feed = Feed {
        id: format!("tag:{host},2026:feed/{}", HEXLOWER.encode(&[a, b, c, d, e, f, g, h])),
        title: format!("{TITLE} on {host}"),
        author: host.clone(),
        url: format!("{home}/trades"),
        updated: entries.iter().map(|entry| entry.updated).max().unwrap_or(made_at),
    };
    Ok(atom::write(&feed, &entries))
}

fn entry(desk: &Desk, row: &NoticeRow, home: &str) -> Entry {
    Entry {
        id: format!("tag:{},2026:notice/{}", desk.rules.desk_name, row.id),
        title: notices::words(Some(row.trade), &row.kinds, row.turn, row.until, row.over),
        url: format!("{home}/trades/{}", row.trade),
        published: row.at,
        updated: row.changed_at,
    }
}
