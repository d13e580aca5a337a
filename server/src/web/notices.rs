//! How one is told of one's trades, and of what: one page for all the ways.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::error::Answer;
use super::headers::Inert;
use super::page::{Page, see_other};
use super::posted::{Errors, Posted};
use super::site::Site;
use super::times::Moment;
use super::visitor::SignedIn;
use crate::desk::error::Done;
use crate::desk::secrets::sha256;
use crate::desk::{channels, feeds};
use crate::domain::atom;
use crate::domain::notices::{Channel, Kind};

#[derive(Debug, Default, Serialize)]
pub struct NoticesPage {
    pub feed: FeedCard,
    pub errors: Errors,
}

impl Page for NoticesPage {
    const TEMPLATE: &'static str = "accounts/notices.html";
}

/// The feed, if there is one.
#[derive(Debug, Default, Serialize)]
pub struct FeedCard {
    /// The new address, shown once.
    pub address: Option<String>,
    pub since: Option<Moment>,
    pub kinds: Vec<KindLine>,
}

/// One switch.
#[derive(Debug, Serialize)]
pub struct KindLine {
    pub id: &'static str,
    pub name: &'static str,
    pub on: bool,
}

fn lines(chosen: &[Kind]) -> Vec<KindLine> {
    let name = |kind| match kind {
        Kind::Turn => "Your turn",
        Kind::Reminder => "Reminders, when half and nine tenths of your time are over",
        Kind::Message => "New messages, once until you have read them",
        Kind::Money => "Coins or money moved",
        Kind::Dispute => "Disputes",
        Kind::End => "A trade is over",
    };
    Kind::ALL.map(|kind| KindLine { id: kind.as_str(), name: name(kind), on: chosen.contains(&kind) }).into()
}

async fn read(site: &Site, who: &SignedIn) -> Done<NoticesPage> {
    let set = channels::of(&site.desk, who.account.id).await?;
    let feed = set.feed.map_or_else(FeedCard::default, |feed| FeedCard {
        address: None,
        since: Some(feed.made_at.into()),
        kinds: lines(&feed.kinds),
    });
    Ok(NoticesPage { feed, ..NoticesPage::default() })
}

pub async fn page(site: web::Data<Site>, who: SignedIn) -> Answer {
    read(&site, &who).await?.answer(&site, &who.visitor)
}

pub async fn make_feed(site: web::Data<Site>, who: SignedIn, _posted: Posted) -> Answer {
    let token = feeds::make(&site.desk, who.account.id).await?;
    let mut page = read(&site, &who).await?;
    page.feed.address = Some(format!("{}/feed/{token}", site.outside.home()));
    page.answer(&site, &who.visitor)
}

/// Field: `channel`.
pub async fn end(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    channels::end(&site.desk, who.account.id, Channel::from_word(posted.fields.text("channel"))).await?;
    Ok(see_other("/account/notices"))
}

/// Fields: `channel`, and `kind` as often as there are switches that are on.
pub async fn set_kinds(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let channel = Channel::from_word(posted.fields.text("channel"));
    let kinds: Vec<Kind> = posted.fields.all("kind").filter_map(Kind::from_word).collect();
    channels::set_kinds(&site.desk, who.account.id, channel, &kinds).await?;
    Ok(see_other("/account/notices"))
}

/// What a reader of feeds reads; the token in the address says whose.
pub async fn feed(site: web::Data<Site>, request: HttpRequest, token: web::Path<String>) -> Answer {
    let text = feeds::at_address(&site.desk, &token, site.outside.home()).await?;
    let tag = format!("\"{}\"", HEXLOWER.encode(&sha256(&text)));
    let given = request.headers().get(IF_NONE_MATCH).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let known = given.split(',').any(|one| one.trim().trim_start_matches("W/") == tag);
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((CACHE_CONTROL, "private, no-cache")).insert_header((ETAG, tag));
    let mut answer = if known { answer.finish() } else { answer.content_type(atom::MEDIA_TYPE).body(text) };
    answer.extensions_mut().insert(Inert);
    Ok(answer)
}
