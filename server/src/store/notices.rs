//! What accounts are told of their trades, and the ways in which they are told.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::bundle::{self, Value};
use super::{GenericClient, StoreError, Stored};
use crate::domain::deadlines::What;
use crate::domain::notices::{Kind, Percent, Turn};
use crate::domain::{PublicRef, TradeId, UserId};

/// A notice to be written. Once: a second one for the same cause is none.
#[derive(Debug, Clone)]
pub struct NewNotice {
    pub account: UserId,
    pub trade: TradeId,
    pub cause: String,
    pub kinds: Vec<Kind>,
    pub turn: Turn,
    pub window: Option<(What, Timestamp)>,
    pub over: Percent,
    pub own: bool,
}

// Its kinds come as words with commas: an array of arrays would have to be a rectangle.
pub(super) const ADD: &str = "
    WITH told AS (
        INSERT INTO notices (account, trade, cause, kinds, turn, what, until_at, over, own, at, changed_at)
        SELECT account, trade, cause, string_to_array(kinds, ','), turn, what, until_at, over, own, at, at
          FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                      $8::integer[], $9::boolean[], $10::timestamptz[])
            AS new (account, trade, cause, kinds, turn, what, until_at, over, own, at)
        ON CONFLICT (trade, account, cause) DO NOTHING RETURNING id, account, kinds, own, at)
    INSERT INTO deliveries (account, channel, notice, purpose, created_at, due_at)
    SELECT told.account, c.channel, told.id, 'notice', told.at, told.at
      FROM told JOIN notice_channels c ON c.account = told.account AND c.kinds && told.kinds
     WHERE c.confirmed_at IS NOT NULL AND NOT told.own";

/// Writes a notice and what is sent of it, both or neither.
pub async fn add(client: &impl GenericClient, new: &NewNotice, at: Timestamp) -> Stored<()> {
    let values = values(std::iter::once((new, at)));
    client.execute(&client.prepare_cached(ADD).await?, &bundle::borrowed(&values)).await?;
    Ok(())
}

/// Several, each with the time of what it tells of.
pub(super) fn values<'a>(new: impl Iterator<Item = (&'a NewNotice, Timestamp)>) -> Vec<Value<'a>> {
    let (new, at): (Vec<&NewNotice>, Vec<Timestamp>) = new.unzip();
    let (accounts, trades): (Vec<Uuid>, Vec<Uuid>) = new.iter().map(|one| (one.account.0, one.trade.0)).unzip();
    let causes: Vec<&str> = new.iter().map(|one| one.cause.as_str()).collect();
    let kinds: Vec<String> = new.iter().map(|one| kind_words(&one.kinds).join(",")).collect();
    let turns: Vec<&str> = new.iter().map(|one| one.turn.as_str()).collect();
    let (what, until): (Vec<Option<What>>, Vec<Option<Timestamp>>) = new.iter().map(|one| one.window.unzip()).unzip();
    let what: Vec<Option<&str>> = what.into_iter().map(|what| what.map(What::as_str)).collect();
    let (over, own): (Vec<Percent>, Vec<bool>) = new.iter().map(|one| (one.over, one.own)).unzip();
    vec![
        Box::new(accounts),
        Box::new(trades),
        Box::new(causes),
        Box::new(kinds),
        Box::new(turns),
        Box::new(what),
        Box::new(until),
        Box::new(over),
        Box::new(own),
        Box::new(at),
    ]
}

const ADD_MESSAGE: &str = "
    WITH told AS (
        INSERT INTO notices (account, trade, cause, kinds, turn, at, changed_at)
        SELECT one.account, $1, 'message ' || coalesce(r.number, 0), '{message}', 'open', $3, $3
          FROM unnest($2::uuid[]) AS one (account)
          LEFT JOIN room_reads r ON r.trade = $1 AND r.account = one.account
        ON CONFLICT (trade, account, cause) DO NOTHING RETURNING id, account, kinds)
    INSERT INTO deliveries (account, channel, notice, purpose, created_at, due_at)
    SELECT told.account, c.channel, told.id, 'notice', $3, $3 + interval '1 minute'
      FROM told JOIN notice_channels c ON c.account = told.account AND c.kinds && told.kinds
     WHERE c.confirmed_at IS NOT NULL";

/// Tells these accounts that something was said, unless they were told so since they last looked. It is sent a little
/// later, for who sits in the room reads it at once.
pub async fn add_message(
    client: &impl GenericClient,
    trade: TradeId,
    accounts: &[UserId],
    at: Timestamp,
) -> Stored<()> {
    let accounts: Vec<Uuid> = accounts.iter().map(|one| one.0).collect();
    client.execute(&client.prepare_cached(ADD_MESSAGE).await?, &[&trade.0, &accounts, &at]).await?;
    Ok(())
}

const MOVE: &str = "
    UPDATE notices n SET until_at = d.due_at, changed_at = $2 FROM deadlines d
     WHERE n.trade = $1 AND d.trade = $1 AND d.what = n.what AND n.at >= d.started_at AND n.until_at <> d.due_at";

/// Windows of this trade end at another time now: what was said of them says so too.
pub async fn move_ends(client: &impl GenericClient, trade: TradeId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(MOVE).await?, &[&trade.0, &at]).await?;
    Ok(())
}

const SWEEP_SENT: &str = "DELETE FROM deliveries WHERE created_at < $1";
const SWEEP: &str = "DELETE FROM notices WHERE at < $1";

/// Forgets what was told before a time, and what was sent of it.
pub async fn sweep(client: &impl GenericClient, before: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(SWEEP_SENT).await?, &[&before]).await?;
    client.execute(&client.prepare_cached(SWEEP).await?, &[&before]).await?;
    Ok(())
}

/// A notice as it waits.
#[derive(Debug, Clone)]
pub struct NoticeRow {
    pub id: Uuid,
    pub trade: PublicRef,
    pub kinds: Vec<Kind>,
    pub turn: Turn,
    pub until: Option<Timestamp>,
    pub over: Percent,
    pub at: Timestamp,
    /// When its end was last moved.
    pub changed_at: Timestamp,
}

const WAITING: &str = "
    SELECT n.id, t.reference, n.kinds, n.turn, n.until_at, n.over, n.at, n.changed_at
      FROM notices n JOIN trades t ON t.id = n.trade
     WHERE n.account = $1 AND n.at > $2 AND n.kinds && $3
       AND CASE
           WHEN n.kinds = '{message}' THEN
               n.cause = 'message ' || coalesce((SELECT number FROM room_reads r WHERE r.trade = n.trade AND r.account = $1), 0)
           WHEN n.kinds = '{reminder}' THEN
               EXISTS (SELECT FROM deadlines d
                        WHERE d.trade = n.trade AND d.what = n.what AND d.reminded = n.over AND n.at >= d.started_at)
           WHEN n.turn = 'yours' THEN
               CASE $1 WHEN t.buyer THEN 'buyer' WHEN t.seller THEN 'seller' ELSE 'arbitrator' END = ANY (t.turn)
               AND NOT EXISTS (SELECT FROM notices later
                                WHERE later.trade = n.trade AND later.account = $1 AND later.turn = 'yours'
                                  AND later.kinds <> '{reminder}' AND later.at > n.at)
           ELSE true END
     ORDER BY n.at DESC, n.id LIMIT $4";

/// What waits for an account: its turns that last, reminders of windows that run, what it has not read; and what else
/// happened since a time. The newest first.
pub async fn waiting(
    client: &impl GenericClient,
    account: UserId,
    since: Timestamp,
    kinds: &[Kind],
    most: i64,
) -> Stored<Vec<NoticeRow>> {
    let statement = client.prepare_cached(WAITING).await?;
    client.query(&statement, &[&account.0, &since, &kind_words(kinds), &most]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Stored<NoticeRow> {
    let (reference, turn): (String, String) = (row.try_get(1)?, row.try_get(3)?);
    Ok(NoticeRow {
        id: row.try_get(0)?,
        trade: reference.parse().map_err(|_| StoreError::Row(format!("trade reference {reference}")))?,
        kinds: kinds(row.try_get(2)?)?,
        turn: Turn::from_word(&turn).ok_or_else(|| StoreError::Row(format!("turn {turn}")))?,
        until: row.try_get(4)?,
        over: row.try_get(5)?,
        at: row.try_get(6)?,
        changed_at: row.try_get(7)?,
    })
}

pub(super) fn kind_words(kinds: &[Kind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.as_str()).collect()
}

pub(super) fn kinds(words: Vec<String>) -> Stored<Vec<Kind>> {
    let kind = |word: String| Kind::from_word(&word).ok_or_else(|| StoreError::Row(format!("kind of notice {word}")));
    words.into_iter().map(kind).collect()
}
