//! One open page: it waits for its bell, reads what is new since its position, and sends that.
//!
//! It is asked for the next piece only when the last one is on its way, and then reads from the database. So a page that
//! takes nothing costs nothing but its place, and there is no queue that could overflow.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use futures_util::Stream;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::parts::View;
use super::{HEARTBEAT, Position, TRADE_PARTS};
use crate::desk::live::{Due, Leave, Seat};
use crate::desk::room::{self, Entry};
use crate::desk::secrets::random;
use crate::domain::PublicRef;
use crate::web::error::Trouble;
use crate::web::site::Site;
use crate::web::times;

/// A page that lost its stream comes back after one to three seconds: not all at once when a server starts again.
const RETRY_MILLIS: u64 = 1_000;
const RETRY_SPREAD_MILLIS: u64 = 2_000;

/// One open page.
pub struct Watch {
    site: Arc<Site>,
    reference: PublicRef,
    seat: Seat,
    view: View,
    zone: Option<TimeZone>,
    at: Position,
    due: Due,
    only_room: bool,
    begun: bool,
    /// The page has been compared with what there is.
    looked: bool,
    over: bool,
    /// What was told last of who has read and who is here.
    seen: i64,
    here: Option<String>,
}

/// Server-sent events, as they go out.
#[derive(Default)]
struct Events(String);

impl Events {
    /// `id` where it moves the page on.
    fn push(&mut self, name: &str, id: Option<&Position>, data: &Value) {
        if let Some(id) = id {
            self.0.push_str(&format!("id: {id}\n"));
        }
        // JSON has no line break of its own.
        self.0.push_str(&format!("event: {name}\ndata: {data}\n\n"));
    }
}

impl Watch {
    pub fn new(site: Arc<Site>, reference: PublicRef, seat: Seat, at: Position, zone: Option<&TimeZone>) -> Self {
        let view = site.live.view(seat.trade(), reference, seat.account());
        let due = Due::EVERYTHING;
        let zone = zone.cloned();
        Self {
            site,
            reference,
            seat,
            view,
            zone,
            at,
            due,
            only_room: false,
            begun: false,
            looked: false,
            over: false,
            seen: 0,
            here: None,
        }
    }

    /// For a page with the room of a trade and nothing else of it.
    pub fn of_the_room(self) -> Self {
        Self { only_room: true, due: Due::ROOM, ..self }
    }

    pub fn events(self) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
        futures_util::stream::unfold(self, |mut watch| async move {
            let bytes = watch.next().await?;
            Some((Ok(bytes), watch))
        })
    }

    /// The next piece; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let mut events = Events::default();
        if !self.begun {
            self.begun = true;
            let spread = u64::from(u16::from_be_bytes(random())) % RETRY_SPREAD_MILLIS;
            events.0 = format!("retry: {}\n\n", RETRY_MILLIS + spread);
        }
        while !self.over {
            self.due = self.due.and(self.seat.take_due());
            if self.only_room {
                self.due = self.due.without_page();
            }
            if let Some(why) = self.due.leave() {
                self.over = true;
                events.push(farewell(why), None, &json!({}));
            } else if let Err(trouble) = self.catch_up(&mut events).await {
                // The page comes again, and goes on where it was.
                tracing::debug!(%trouble, "an open page is let go");
                self.over = true;
            }
            if !events.0.is_empty() {
                return Some(events.0.into());
            }
            if !self.over && self.due == Due::NOTHING && !self.rings().await {
                return Some(Bytes::from_static(b":\n\n"));
            }
        }
        None
    }

    /// False if the bell did not ring in time.
    async fn rings(&self) -> bool {
        let spread = Duration::from_millis(u64::from(u16::from_be_bytes(random())) % 1_000);
        tokio::time::timeout(HEARTBEAT + spread, self.seat.rung()).await.is_ok()
    }

    /// What is due: the room first, then, when it is its turn, the page. A bell in between is heard.
    async fn catch_up(&mut self, events: &mut Events) -> Result<(), Trouble> {
        if self.due.room() {
            self.due = self.due.without_room();
            // Boxed, so that a page that waits does not hold the room that reading takes.
            return Box::pin(self.hear(events)).await;
        }
        if self.due.page() {
            let site = self.site.clone();
            tokio::select! {
                biased;
                turn = site.live.pages.acquire() => {
                    let _turn = turn.map_err(anyhow::Error::from)?;
                    self.due = self.due.without_page();
                    Box::pin(self.look(events)).await?;
                }
                () = self.seat.rung() => {}
            }
        }
        Ok(())
    }

    async fn hear(&mut self, events: &mut Events) -> Result<(), Trouble> {
        let site = self.site.clone();
        let _turn = site.live.rooms.acquire().await.map_err(anyhow::Error::from)?;
        let after = self.at.number.unwrap_or(0);
        let Some(heard) = room::since(&site.desk, self.reference, self.seat.account(), after).await? else {
            return Ok(());
        };
        if self.at.number.is_none() {
            // The page was made without a room, and now there is one.
            self.over = true;
            events.push("anew", None, &json!({}));
            return Ok(());
        }
        for line in &heard.lines {
            self.at.number = Some(line.number);
            let html = self.line(line, heard.named)?;
            events.push("line", Some(&self.at), &json!({ "number": line.number, "kind": line.kind, "html": html }));
        }
        if heard.more {
            self.due = self.due.and(Due::ROOM);
        }
        if heard.seen != self.seen {
            self.seen = heard.seen;
            events.push("seen", None, &json!({ "number": heard.seen }));
        }
        if self.here.as_ref() != Some(&heard.here) {
            events.push("here", None, &json!({ "words": heard.here }));
            self.here = Some(heard.here);
        }
        Ok(())
    }

    fn line(&self, entry: &Entry, named: bool) -> Result<String, Trouble> {
        let mut context = tera::Context::new();
        context.insert("entry", entry);
        context.insert("named", &named);
        let html = self.site.tera.render_component("trade.line", &context, None, true).map_err(anyhow::Error::from)?;
        Ok(self.in_zone(html))
    }

    /// With the times as this browser wants them told.
    fn in_zone(&self, html: String) -> String {
        match &self.zone {
            Some(zone) => times::in_zone(&html, zone),
            None => html,
        }
    }

    async fn look(&mut self, events: &mut Events) -> Result<(), Trouble> {
        let parts = self.view.parts(&self.site, || self.seat.round(), !self.looked).await?;
        self.looked = true;
        for (at, (name, part)) in TRADE_PARTS.iter().zip(parts.iter()).enumerate() {
            let Some(mark) = self.at.marks.get_mut(at).filter(|mark| **mark != part.mark) else { continue };
            *mark = part.mark;
            let html = self.in_zone(part.html.clone());
            events.push("part", Some(&self.at), &json!({ "name": name, "html": html }));
        }
        Ok(())
    }
}

/// The last event of a stream. After `signed-out` and `crowded` a page does not come again by itself.
fn farewell(why: Leave) -> &'static str {
    match why {
        Leave::SignedOut => "signed-out",
        Leave::Crowded => "crowded",
        Leave::Closing => "closing",
    }
}
