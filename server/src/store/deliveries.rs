//! What is on its way to people outside: one row for each notice and each way, written with the notice itself.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::notices::kinds;
use super::{GenericClient, StoreError, Stored};
use crate::domain::notices::{Channel, Kind, Percent, Turn};
use crate::domain::people::words;
use crate::domain::{PublicRef, UserId};

/// Why something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Notice,
    /// Its owner wants to see that it arrives.
    Test,
    /// The link that confirms a mail address.
    Confirmation,
}

words!(Purpose { Notice = "notice", Test = "test", Confirmation = "confirmation" });

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Waiting,
    Sent,
    /// It is not tried any more.
    Failed,
    /// It was not worth sending any more.
    Dropped,
}

words!(State { Waiting = "waiting", Sent = "sent", Failed = "failed", Dropped = "dropped" });

const ADD: &str = "
    INSERT INTO deliveries (id, account, channel, purpose, created_at, due_at) VALUES ($1, $2, $3, $4, $5, $5)";

/// Something that is no notice.
pub async fn add(
    client: &impl GenericClient,
    id: Uuid,
    account: UserId,
    channel: Channel,
    purpose: Purpose,
    at: Timestamp,
) -> Stored<()> {
    let statement = client.prepare_cached(ADD).await?;
    client.execute(&statement, &[&id, &account.0, &channel.as_str(), &purpose.as_str(), &at]).await?;
    Ok(())
}

/// What one server has taken to send; nobody else touches it for a while.
#[derive(Debug, Clone)]
pub struct Claim {
    pub id: Uuid,
    pub account: UserId,
    pub purpose: Purpose,
    /// This one included.
    pub attempts: i32,
    pub created_at: Timestamp,
    /// Its owner asked for it once more.
    pub again: bool,
}

// No delivery is put off by more than ten hours, and none is tried before it is made: what says otherwise was written before
// the clock was put back, and is due now.
const CLAIM: &str = "
    UPDATE deliveries SET attempts = attempts + 1, tried_at = $2, leased_until = $3
     WHERE id = (SELECT d.id FROM deliveries d
                  WHERE d.state = 'waiting' AND d.channel = $1
                    AND (d.due_at <= $2 OR d.due_at > $2 + interval '12 hours'
                         OR (d.attempts = 0 AND d.created_at > $2))
                    AND coalesce(d.leased_until, '-infinity') <= $2
                    AND NOT EXISTS (SELECT FROM deliveries busy
                                     WHERE busy.account = d.account AND busy.channel = d.channel
                                       AND busy.state = 'waiting' AND busy.leased_until > $2)
                  ORDER BY d.due_at, d.created_at, d.id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, account, purpose, attempts, created_at, again";

/// Takes the next one that is due, one at a time for each receiver. If this server dies over it, it is taken again when
/// the lease is over.
pub async fn claim(
    client: &impl GenericClient,
    channel: Channel,
    now: Timestamp,
    leased_until: Timestamp,
) -> Stored<Option<Claim>> {
    let statement = client.prepare_cached(CLAIM).await?;
    let row = client.query_opt(&statement, &[&channel.as_str(), &now, &leased_until]).await?;
    row.map(|row| {
        Ok(Claim {
            id: row.try_get(0)?,
            account: UserId(row.try_get(1)?),
            purpose: word(row.try_get(2)?, Purpose::from_word)?,
            attempts: row.try_get(3)?,
            created_at: row.try_get(4)?,
            again: row.try_get(5)?,
        })
    })
    .transpose()
}

/// What is said in one.
#[derive(Debug, Clone)]
pub struct Said {
    pub trade: PublicRef,
    pub kinds: Vec<Kind>,
    pub turn: Turn,
    pub until: Option<Timestamp>,
    pub over: Percent,
    pub at: Timestamp,
    /// It still waits for its reader: the turn is his, the window runs, the message is unread.
    pub lasts: bool,
}

const SAID: &str = "
    SELECT t.reference, n.kinds, n.turn, n.until_at, n.over, n.at,
           CASE
           WHEN n.kinds = '{message}' THEN
               n.cause = 'message ' || coalesce((SELECT number FROM room_reads r
                                                  WHERE r.trade = n.trade AND r.account = n.account), 0)
           WHEN n.kinds = '{reminder}' THEN
               n.until_at > $2 AND EXISTS (SELECT FROM deadlines d WHERE d.trade = n.trade AND d.what = n.what
                                                                     AND d.reminded = n.over AND n.at >= d.started_at)
           WHEN n.kinds = '{turn}' AND n.turn = 'yours' THEN
               CASE n.account WHEN t.buyer THEN 'buyer' WHEN t.seller THEN 'seller' ELSE 'arbitrator' END = ANY (t.turn)
               AND NOT EXISTS (SELECT FROM notices later
                                WHERE later.trade = n.trade AND later.account = n.account AND later.turn = 'yours'
                                  AND later.kinds <> '{reminder}' AND later.at > n.at)
           ELSE true END
      FROM deliveries d JOIN notices n ON n.id = d.notice JOIN trades t ON t.id = n.trade
     WHERE d.id = $1";

/// The notice of a delivery as it is now; none of a test or a confirmation.
pub async fn said(client: &impl GenericClient, delivery: Uuid, now: Timestamp) -> Stored<Option<Said>> {
    let row = client.query_opt(&client.prepare_cached(SAID).await?, &[&delivery, &now]).await?;
    row.map(|row| {
        let reference: String = row.try_get(0)?;
        Ok(Said {
            trade: reference.parse().map_err(|_| StoreError::Row(format!("trade reference {reference}")))?,
            kinds: kinds(row.try_get(1)?)?,
            turn: word(row.try_get(2)?, Turn::from_word)?,
            until: row.try_get(3)?,
            over: row.try_get(4)?,
            at: row.try_get(5)?,
            lasts: row.try_get(6)?,
        })
    })
    .transpose()
}

const SETTLE: &str = "
    UPDATE deliveries SET state = $2, outcome = $3, due_at = $4, leased_until = NULL WHERE id = $1 AND state = 'waiting'";

/// What became of a try; a waiting one is tried again at that time.
pub async fn settle(
    client: &impl GenericClient,
    id: Uuid,
    state: State,
    outcome: &str,
    due_at: Timestamp,
) -> Stored<()> {
    client.execute(&client.prepare_cached(SETTLE).await?, &[&id, &state.as_str(), &outcome, &due_at]).await?;
    Ok(())
}

const DROP_WAITING: &str = "
    UPDATE deliveries SET state = 'dropped', outcome = $3, leased_until = NULL
     WHERE account = $1 AND channel = $2 AND state = 'waiting'";

/// What waits in one way is not sent any more.
pub async fn drop_waiting(client: &impl GenericClient, account: UserId, channel: Channel, outcome: &str) -> Stored<()> {
    let statement = client.prepare_cached(DROP_WAITING).await?;
    client.execute(&statement, &[&account.0, &channel.as_str(), &outcome]).await?;
    Ok(())
}

const AGAIN: &str = "
    UPDATE deliveries SET state = 'waiting', again = true, attempts = 0, due_at = $3, leased_until = NULL
     WHERE id = $1 AND account = $2 AND purpose = 'notice' AND state <> 'waiting' RETURNING id";

/// Sends one again, under the same name; false if there is no such one, or it waits already.
pub async fn again(client: &impl GenericClient, id: Uuid, account: UserId, at: Timestamp) -> Stored<bool> {
    let row = client.query_opt(&client.prepare_cached(AGAIN).await?, &[&id, &account.0, &at]).await?;
    Ok(row.is_some())
}

/// One line of what was sent.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    pub id: Uuid,
    pub channel: Channel,
    pub purpose: Purpose,
    pub state: State,
    pub attempts: i32,
    pub created_at: Timestamp,
    pub tried_at: Option<Timestamp>,
    pub due_at: Timestamp,
    pub outcome: String,
    pub trade: Option<PublicRef>,
}

const OF_ACCOUNT: &str = "
    SELECT d.id, d.channel, d.purpose, d.state, d.attempts, d.created_at, d.tried_at, d.due_at, d.outcome, t.reference
      FROM deliveries d LEFT JOIN notices n ON n.id = d.notice LEFT JOIN trades t ON t.id = n.trade
     WHERE d.account = $1 ORDER BY d.created_at DESC, d.id LIMIT $2";

/// The last that was sent to an account, or is to be; the newest first.
pub async fn of_account(client: &impl GenericClient, account: UserId, most: i64) -> Stored<Vec<DeliveryRow>> {
    let statement = client.prepare_cached(OF_ACCOUNT).await?;
    client.query(&statement, &[&account.0, &most]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Stored<DeliveryRow> {
    let reference: Option<String> = row.try_get(9)?;
    Ok(DeliveryRow {
        id: row.try_get(0)?,
        channel: word(row.try_get(1)?, Channel::from_word)?,
        purpose: word(row.try_get(2)?, Purpose::from_word)?,
        state: word(row.try_get(3)?, State::from_word)?,
        attempts: row.try_get(4)?,
        created_at: row.try_get(5)?,
        tried_at: row.try_get(6)?,
        due_at: row.try_get(7)?,
        outcome: row.try_get(8)?,
        trade: reference
            .map(|text| text.parse().map_err(|_| StoreError::Row(format!("trade reference {text}"))))
            .transpose()?,
    })
}

fn word<T>(text: String, read: fn(&str) -> Option<T>) -> Stored<T> {
    read(&text).ok_or_else(|| StoreError::Row(format!("a delivery says {text}")))
}
