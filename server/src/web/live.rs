//! Pages that are open: a stream of server-sent events tells the page of a trade what is new, from the place its last
//! event named. Without a script nothing here is needed: "Check for news" shows the same.
//!
//! An event that adds or replaces something carries a [`Position`] as its id: the last line of the room, and a mark of
//! each part of the page. So a reconnection, at whichever server, goes on exactly there.

mod parts;
mod position;
mod stream;

use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

pub use parts::{Shared, TRADE_PARTS, positioned};
pub use position::Position;

use self::stream::Watch;
use super::error::Answer;
use super::posted::{Posted, Query};
use super::site::Site;
use super::visitor::SignedIn;
use crate::desk::live::{self, Viewer};
use crate::desk::room;
use crate::domain::{PublicRef, Refusal};

/// A comment is sent after this time without news: what is between does not think the connection dead, and a page that
/// is gone is noticed. Its presence lasts a little longer.
const HEARTBEAT: Duration = Duration::from_secs(15);

fn reference(path: &str) -> Result<PublicRef, Refusal> {
    path.parse().map_err(|_| Refusal::not_found())
}

/// What is new in a trade, as it happens. From `Last-Event-ID`, or from where the page was made (`at`).
pub async fn stream(
    request: HttpRequest,
    site: web::Data<Site>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query,
) -> Answer {
    let reference = reference(&path)?;
    let account = &who.account;
    let viewer = Viewer { account: account.id, session: account.session, suspended: account.suspended_why.is_some() };
    let resumed = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    let at = resumed.unwrap_or_else(|| query.0.text("at")).parse().unwrap_or_default();
    let seat = live::open(&site.desk, reference, viewer).await?;
    let mut watch = Watch::new(site.into_inner(), reference, seat, at, who.visitor.zone());
    if query.0.text("only") == "room" {
        watch = watch.of_the_room();
    }
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        // A packer, or a proxy, would keep events back until there are enough.
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .streaming(watch.events()))
}

/// The page has shown the room up to a line. Field: `number`.
pub async fn read(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    room::read_up_to(&site.desk, reference(&path)?, who.account.id, posted.fields.text("number")).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// How many trades wait for this account, and how many words it has not read: for the title of a page that is open.
pub async fn waiting(who: SignedIn) -> Answer {
    let (waiting, unread) = (who.account.waiting, who.account.unread);
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({ "waiting": waiting, "unread": unread })))
}
