//! Open pages: whoever looks at a trade hears at once that it has news, at whichever server they were made.
//!
//! The truth is in the tables and is read by position ([`super::room::since`]); bells are only hints. They ring by
//! notifications, which a connection of each server takes from the outbox of rooms after the commit, and every few
//! seconds by a glance at all the trades that are open here: a hint that is lost costs seconds, never a line.

mod seats;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

pub use seats::{Due, Leave, Live, Seat};

use super::Desk;
use super::error::{Done, Error};
use crate::domain::{PublicRef, Refusal, RefusalKind, SessionId, UserId};
pub use crate::store::live::{News, What};
use crate::store::{live as store, messages};

/// How often the notifier looks by itself: nobody may have told it.
const BEAT: Duration = Duration::from_secs(1);
/// How often everything that is open is glanced at.
const GLANCE: Duration = Duration::from_secs(4);
/// Somebody is there for so long after the last word of his page.
const PRESENCE_SECONDS: f64 = 20.0;
/// When the connection is lost: once more after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// Hears and tells the news until the desk closes.
pub async fn run(desk: Arc<Desk>) {
    tokio::join!(hear_and_tell(&desk), look_around(&desk));
}

async fn hear_and_tell(desk: &Desk) {
    while !desk.live.is_closed() {
        if let Err(error) = listen(desk).await {
            tracing::warn!(%error, "open pages hear no news from other servers; it is tried again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen(desk: &Desk) -> Done<()> {
    let mut ear = desk.store.ear().await?;
    // Whatever was told while nobody listened.
    desk.live.wake(News { trade: None, what: What::Changed });
    let mut beats = tokio::time::interval(BEAT);
    while !desk.live.is_closed() {
        tokio::select! {
            news = ear.hear() => match news {
                Some(news) => desk.live.wake(news),
                None => return Err(Error::broken("the connection that listens is lost")),
            },
            () = desk.live.kicked() => while ear.tell().await? {},
            _ = beats.tick() => while ear.tell().await? {},
        }
    }
    Ok(())
}

async fn look_around(desk: &Desk) {
    let mut beats = tokio::time::interval(GLANCE);
    while !desk.live.is_closed() {
        beats.tick().await;
        if desk.live.taken() > 0
            && let Err(error) = glance(desk).await
        {
            tracing::warn!(%error, "open pages could not be glanced at");
        }
    }
}

/// Once: who has gone, what was missed, who is here.
pub async fn glance(desk: &Desk) -> Done<()> {
    let client = desk.store.connection().await?;
    let sessions = desk.live.sessions();
    let good = store::good_sessions(&client, &sessions).await?;
    desk.live.keep_sessions(&sessions, &good);
    store::arrive(&client, &desk.live.people(), PRESENCE_SECONDS).await?;
    for glance in store::glance(&client, &desk.live.trades()).await? {
        desk.live.compare(glance);
    }
    Ok(())
}

/// Who opens a page.
#[derive(Debug, Clone, Copy)]
pub struct Viewer {
    pub account: UserId,
    pub session: SessionId,
    pub suspended: bool,
}

/// A seat at the page of a trade, for its people.
pub async fn open(desk: &Desk, reference: PublicRef, viewer: Viewer) -> Done<Seat> {
    let Viewer { account, session, suspended } = viewer;
    if suspended {
        let words = "This account is suspended: its pages are not told of news. Open them again to see what is new.";
        return Err(Refusal::new(RefusalKind::Forbidden, words).into());
    }
    let client = desk.store.connection().await?;
    let room = messages::room(&client, &reference).await?.ok_or_else(Refusal::not_found)?;
    if ![room.buyer.id, room.seller.id, room.arbitrator.id].contains(&account) {
        return Err(Refusal::not_found().into());
    }
    store::arrive(&client, &[(room.trade, account)], PRESENCE_SECONDS).await?;
    let glance = store::glance(&client, &[room.trade]).await?.pop();
    let seat = desk.live.sit(room.trade, account, session, glance)?;
    desk.live.kick();
    Ok(seat)
}

/// Whether the others of a trade are told that its page is open here.
pub async fn show_presence(desk: &Desk, account: UserId, shown: bool) -> Done<()> {
    let client = desk.store.connection().await?;
    store::show_presence(&client, account, shown).await?;
    desk.live.kick();
    Ok(())
}

pub async fn shows_presence(desk: &Desk, account: UserId) -> Done<bool> {
    Ok(store::shows_presence(&desk.store.connection().await?, account).await?)
}

/// Forgets who was there long ago.
pub(super) async fn sweep(desk: &Desk) -> Done<()> {
    let client = desk.store.connection().await?;
    let an_hour_ago =
        super::store::now(&client).await?.checked_sub(SignedDuration::from_hours(1)).map_err(Error::broken)?;
    store::sweep(&client, an_hour_ago).await?;
    Ok(())
}
