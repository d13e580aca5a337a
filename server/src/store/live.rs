//! What open pages are told of: news of rooms, from the transactions that make them to every server; and who is there.
//!
//! NOTIFY takes a lock that all of the database's commits share, so no transaction of the desk's business does it. They
//! leave rows in `room_news` (by triggers); one connection of each server takes them afterwards and notifies.

use std::future::poll_fn;

use jiff::Timestamp;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_postgres::{AsyncMessage, Client, NoTls, Statement};
use uuid::Uuid;

use super::{GenericClient, Store, Stored};
use crate::domain::{SessionId, TradeId, UserId};

/// Notifications that wait to be heard. More are dropped: who tells does not hear meanwhile, and a connection that is not
/// read on would never answer it again. A hint that is lost costs its page some seconds.
const WAITING_MAX: usize = 4_096;
/// Rows taken at a time.
pub const TAKEN_MAX: i64 = 1_000;

/// What kind of news there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// In the room: words, who has read, who is there.
    Said,
    /// On the page beside it.
    Changed,
    /// A block: what counts blocks has news.
    Tip,
}

/// News of one trade, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    pub trade: Option<TradeId>,
    pub what: What,
}

impl News {
    /// As [`TELL`] words it; anything else is not ours.
    fn read(payload: &str) -> Option<Self> {
        let (what, trade) = payload.split_once(' ').unwrap_or((payload, ""));
        let what = match what {
            "said" => What::Said,
            "changed" => What::Changed,
            "tip" => What::Tip,
            _ => return None,
        };
        let trade = if trade.is_empty() { None } else { Some(TradeId(trade.parse().ok()?)) };
        Some(Self { trade, what })
    }
}

/// A connection of its own that hears the news, and tells it.
#[derive(Debug)]
pub struct Ear {
    client: Client,
    take: Statement,
    heard: mpsc::Receiver<News>,
}

const LISTEN: &str = "LISTEN trine_rooms; SET synchronous_commit = off; SET idle_session_timeout = 0";

impl Store {
    /// Hears everything from now on.
    pub async fn ear(&self) -> Stored<Ear> {
        let (client, mut connection) = self.config.connect(NoTls).await?;
        let (tell, heard) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                let news = match message {
                    Ok(AsyncMessage::Notification(told)) => News::read(told.payload()),
                    Ok(_) => None,
                    Err(_) => break,
                };
                if let Some(news) = news
                    && matches!(tell.try_send(news), Err(TrySendError::Closed(_)))
                {
                    break;
                }
            }
        });
        client.batch_execute(LISTEN).await?;
        Ok(Ear { take: client.prepare(TELL).await?, client, heard })
    }
}

/// Each row is taken by one server and heard by all; who takes it and dies has not taken it.
const TELL: &str = "
    WITH taken AS (DELETE FROM room_news
                    WHERE ctid = ANY (ARRAY(SELECT ctid FROM room_news LIMIT $1 FOR UPDATE SKIP LOCKED))
                RETURNING trade, what),
         news AS (SELECT DISTINCT concat_ws(' ', what, trade) AS words FROM taken)
    SELECT (SELECT count(*) FROM taken), count(pg_notify('trine_rooms', words)) FROM news";

impl Ear {
    /// Tells all servers what has news. True if there may be more.
    pub async fn tell(&self) -> Stored<bool> {
        let taken: i64 = self.client.query_one(&self.take, &[&TAKEN_MAX]).await?.try_get(0)?;
        Ok(taken == TAKEN_MAX)
    }

    /// The next news; none when the connection is lost.
    pub async fn hear(&mut self) -> Option<News> {
        self.heard.recv().await
    }
}

/// Where a trade stands, as far as its open pages could miss it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    pub trade: TradeId,
    pub version: i64,
    /// The last line of its room.
    pub number: i64,
    pub here: Vec<UserId>,
}

const GLANCE: &str = "
    SELECT t.id, t.version, coalesce((SELECT max(m.number) FROM messages m WHERE m.trade = t.id), 0),
           ARRAY(SELECT p.account FROM room_presence p WHERE p.trade = t.id AND p.until > now() ORDER BY p.account)
      FROM trades t WHERE t.id = ANY ($1)";

/// All the trades somebody looks at, at a glance.
pub async fn glance(client: &impl GenericClient, trades: &[TradeId]) -> Stored<Vec<Glance>> {
    let trades: Vec<Uuid> = trades.iter().map(|trade| trade.0).collect();
    let rows = client.query(&client.prepare_cached(GLANCE).await?, &[&trades]).await?;
    rows.iter()
        .map(|row| {
            let here: Vec<Uuid> = row.try_get(3)?;
            Ok(Glance {
                trade: TradeId(row.try_get(0)?),
                version: row.try_get(1)?,
                number: row.try_get(2)?,
                here: here.into_iter().map(UserId).collect(),
            })
        })
        .collect()
}

const GOOD: &str = "
    SELECT s.id FROM sessions s JOIN accounts a ON a.id = s.account
     WHERE s.id = ANY ($1) AND s.expires_at > now() AND a.suspended_at IS NULL";

/// Those of these sessions that still are, of accounts that are not suspended.
pub async fn good_sessions(client: &impl GenericClient, sessions: &[SessionId]) -> Stored<Vec<SessionId>> {
    let sessions: Vec<Uuid> = sessions.iter().map(|session| session.0).collect();
    let rows = client.query(&client.prepare_cached(GOOD).await?, &[&sessions]).await?;
    rows.iter().map(|row| Ok(SessionId(row.try_get(0)?))).collect()
}

/// In one order, so that two servers do not wait for each other.
const ARRIVE: &str = "
    INSERT INTO room_presence (trade, account, until)
    SELECT DISTINCT here.trade, here.account, now() + make_interval(secs => $3)
      FROM unnest($1::uuid[], $2::uuid[]) AS here (trade, account)
      JOIN accounts a ON a.id = here.account AND a.shows_presence
     ORDER BY 1, 2
    ON CONFLICT (trade, account) DO UPDATE SET until = greatest(room_presence.until, excluded.until)";

/// Notes that these people look at these trades, for so many seconds; not of those who do not want it known.
pub async fn arrive(client: &impl GenericClient, here: &[(TradeId, UserId)], seconds: f64) -> Stored<()> {
    let (trades, accounts): (Vec<Uuid>, Vec<Uuid>) = here.iter().map(|(trade, account)| (trade.0, account.0)).unzip();
    client.execute(&client.prepare_cached(ARRIVE).await?, &[&trades, &accounts, &seconds]).await?;
    Ok(())
}

const HERE: &str = "SELECT account FROM room_presence WHERE trade = $1 AND until > now()";

/// Who has the page of a trade open.
pub async fn here(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<UserId>> {
    let rows = client.query(&client.prepare_cached(HERE).await?, &[&trade.0]).await?;
    rows.iter().map(|row| Ok(UserId(row.try_get(0)?))).collect()
}

const SET_SHOWN: &str = "UPDATE accounts SET shows_presence = $2 WHERE id = $1";
const HIDE: &str = "
    WITH hidden AS (DELETE FROM room_presence WHERE account = $1 RETURNING trade)
    INSERT INTO room_news SELECT trade, 'said' FROM hidden";

/// Whether others are told that this account is there.
pub async fn show_presence(client: &impl GenericClient, account: UserId, shown: bool) -> Stored<()> {
    client.execute(&client.prepare_cached(SET_SHOWN).await?, &[&account.0, &shown]).await?;
    if !shown {
        client.execute(&client.prepare_cached(HIDE).await?, &[&account.0]).await?;
    }
    Ok(())
}

const IS_SHOWN: &str = "SELECT shows_presence FROM accounts WHERE id = $1";

pub async fn shows_presence(client: &impl GenericClient, account: UserId) -> Stored<bool> {
    Ok(client.query_one(&client.prepare_cached(IS_SHOWN).await?, &[&account.0]).await?.try_get(0)?)
}

const SWEEP: &str = "DELETE FROM room_presence WHERE until < $1";

/// Forgets who was there before a time.
pub async fn sweep(client: &impl GenericClient, before: Timestamp) -> Stored<u64> {
    Ok(client.execute(&client.prepare_cached(SWEEP).await?, &[&before]).await?)
}
