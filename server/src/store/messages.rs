//! The room of a trade: who may be in it, what was said, who has read how far.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{GenericClient, StoreError, Stored};
use crate::domain::{AttachmentId, MessageId, PublicRef, Stage, TradeId, UserId};

/// A person of a trade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: UserId,
    pub name: String,
}

/// As much of a trade as its room needs.
#[derive(Debug, Clone)]
pub struct RoomRow {
    pub trade: TradeId,
    pub reference: PublicRef,
    pub stage: Stage,
    /// A dispute was opened at some time.
    pub disputed: bool,
    /// The deposit was to go back at some time, so that the arbitrator's refund signature was asked for.
    pub refund_asked: bool,
    pub buyer: Person,
    pub seller: Person,
    pub arbitrator: Person,
}

const ROOM: &str = "
    SELECT t.id, t.stage, t.state ->> 'dispute' IS NOT NULL, t.state ->> 'refund_objection_by' IS NOT NULL,
           b.id, b.name, s.id, s.name, a.id, a.name
      FROM trades t
      JOIN accounts b ON b.id = t.buyer
      JOIN accounts s ON s.id = t.seller
      JOIN accounts a ON a.id = t.arbitrator
     WHERE t.reference = $1";

/// The people and the stage behind a reference.
pub async fn room(client: &impl GenericClient, reference: &PublicRef) -> Stored<Option<RoomRow>> {
    let statement = client.prepare_cached(ROOM).await?;
    let Some(row) = client.query_opt(&statement, &[&reference.as_str()]).await? else { return Ok(None) };
    let stage: String = row.try_get(1)?;
    let person = |at: usize| -> Stored<Person> {
        Ok(Person { id: UserId(row.try_get(at)?), name: row.try_get(at.saturating_add(1))? })
    };
    Ok(Some(RoomRow {
        trade: TradeId(row.try_get(0)?),
        reference: *reference,
        stage: Stage::from_word(&stage).ok_or_else(|| StoreError::Row(format!("stage {stage}")))?,
        disputed: row.try_get(2)?,
        refund_asked: row.try_get(3)?,
        buyer: person(4)?,
        seller: person(6)?,
        arbitrator: person(8)?,
    }))
}

const LOCK: &str = "SELECT 1 FROM trades WHERE reference = $1 FOR NO KEY UPDATE";

/// Holds the trade until the transaction ends: its stage stays, and messages get their numbers in the order they appear.
pub async fn lock(client: &impl GenericClient, reference: &PublicRef) -> Stored<()> {
    client.query_opt(&client.prepare_cached(LOCK).await?, &[&reference.as_str()]).await?;
    Ok(())
}

/// Something to be said in a room. No account: a system event.
#[derive(Debug, Clone, Copy)]
pub struct NewMessage<'a> {
    pub trade: TradeId,
    pub account: Option<UserId>,
    pub body: &'a str,
    pub attachment: Option<AttachmentId>,
    pub at: Timestamp,
}

const APPEND: &str = "INSERT INTO messages (id, trade, account, body, attachment, at) VALUES ($1, $2, $3, $4, $5, $6)";

pub async fn append(client: &impl GenericClient, id: MessageId, new: NewMessage<'_>) -> Stored<()> {
    let statement = client.prepare_cached(APPEND).await?;
    let (account, attachment) = (new.account.map(|a| a.0), new.attachment.map(|a| a.0));
    client.execute(&statement, &[&id.0, &new.trade.0, &account, &new.body, &attachment, &new.at]).await?;
    Ok(())
}

/// One line of the timeline.
#[derive(Debug, Clone)]
pub struct MessageRow {
    pub number: i64,
    pub account: Option<UserId>,
    pub body: String,
    pub at: Timestamp,
    pub picture: Option<PictureRow>,
}

/// What is known of a picture without opening it.
#[derive(Debug, Clone)]
pub struct PictureRow {
    pub id: AttachmentId,
    pub width: i32,
    pub height: i32,
    pub upload_sha256: Vec<u8>,
}

const OF_TRADE: &str = "
    SELECT m.number, m.account, m.body, m.at, p.id, p.width, p.height, p.upload_sha256
      FROM messages m LEFT JOIN attachments p ON p.id = m.attachment
     WHERE m.trade = $1 AND m.number > $2
     ORDER BY m.number LIMIT $3";

/// What was said after message `after` (0: from the beginning), in order, and not more lines than this.
pub async fn of_trade(client: &impl GenericClient, trade: TradeId, after: i64, lines: i64) -> Stored<Vec<MessageRow>> {
    let statement = client.prepare_cached(OF_TRADE).await?;
    let rows = client.query(&statement, &[&trade.0, &after, &lines]).await?;
    rows.iter().map(message).collect()
}

fn message(row: &Row) -> Stored<MessageRow> {
    let picture: Option<Uuid> = row.try_get(4)?;
    let picture = match picture {
        Some(id) => Some(PictureRow {
            id: AttachmentId(id),
            width: row.try_get(5)?,
            height: row.try_get(6)?,
            upload_sha256: row.try_get(7)?,
        }),
        None => None,
    };
    let account: Option<Uuid> = row.try_get(1)?;
    Ok(MessageRow {
        number: row.try_get(0)?,
        account: account.map(UserId),
        body: row.try_get(2)?,
        at: row.try_get(3)?,
        picture,
    })
}

const SAID_BY_PEOPLE: &str =
    "SELECT count(*), count(attachment) FROM messages WHERE trade = $1 AND account IS NOT NULL";

/// How many messages, and how many of them with a picture, people have put into a room.
pub async fn said_by_people(client: &impl GenericClient, trade: TradeId) -> Stored<(i64, i64)> {
    let row = client.query_one(&client.prepare_cached(SAID_BY_PEOPLE).await?, &[&trade.0]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Nobody has read what is not written yet.
const MARK_READ: &str = "
    INSERT INTO room_reads AS r (trade, account, number)
    SELECT $1, $2, max(m.number) FROM messages m WHERE m.trade = $1 AND m.number <= $3 HAVING count(*) > 0
    ON CONFLICT (trade, account) DO UPDATE SET number = excluded.number WHERE r.number < excluded.number";

/// Notes that someone has read up to a message; never goes back.
pub async fn mark_read(client: &impl GenericClient, trade: TradeId, account: UserId, number: i64) -> Stored<()> {
    client.execute(&client.prepare_cached(MARK_READ).await?, &[&trade.0, &account.0, &number]).await?;
    Ok(())
}

const READS: &str = "SELECT account, number FROM room_reads WHERE trade = $1";

/// Who has read up to where.
pub async fn reads(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<(UserId, i64)>> {
    let rows = client.query(&client.prepare_cached(READS).await?, &[&trade.0]).await?;
    rows.iter().map(|row| Ok((UserId(row.try_get(0)?), row.try_get(1)?))).collect()
}

const UNREAD: &str = "
    SELECT m.trade, count(*)
      FROM messages m
      JOIN trades t ON t.id = m.trade
      LEFT JOIN room_reads r ON r.trade = m.trade AND r.account = $1
     WHERE (t.buyer = $1 OR t.seller = $1 OR (t.arbitrator = $1 AND r.number IS NOT NULL))
       AND m.account <> $1 AND m.number > coalesce(r.number, 0)
     GROUP BY m.trade";

/// What others have said and this account has not read, for each trade with any. An arbitrator counts from his first look.
pub async fn unread(client: &impl GenericClient, account: UserId) -> Stored<Vec<(TradeId, i64)>> {
    let rows = client.query(&client.prepare_cached(UNREAD).await?, &[&account.0]).await?;
    rows.iter().map(|row| Ok((TradeId(row.try_get(0)?), row.try_get(1)?))).collect()
}
