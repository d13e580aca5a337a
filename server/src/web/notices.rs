//! How one is told of one's trades, and of what: one page for all the ways.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::error::{Answer, again};
use super::headers::Inert;
use super::page::{Page, see_other};
use super::posted::{Errors, Posted};
use super::site::Site;
use super::times::Moment;
use super::visitor::{SignedIn, Visitor};
use crate::desk::channels::Target;
use crate::desk::delivery::{self, DeliveryRow};
use crate::desk::error::Done;
use crate::desk::secrets::sha256;
use crate::desk::{channels, feeds};
use crate::domain::atom;
use crate::domain::notices::{Channel, Kind};

const HERE: &str = "/account/notices";

#[derive(Debug, Default, Serialize)]
pub struct NoticesPage {
    pub mail: TargetCard,
    pub feed: FeedCard,
    pub hook: TargetCard,
    pub deliveries: Vec<DeliveryLine>,
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

/// Mails or webhooks.
#[derive(Debug, Default, Serialize)]
pub struct TargetCard {
    /// The desk sends these at all.
    pub offered: bool,
    /// What the field for an address is called.
    pub label: &'static str,
    /// Where they go, if that is set up.
    pub address: Option<String>,
    /// Something is sent there.
    pub live: bool,
    /// Since when they go there.
    pub since: Option<Moment>,
    pub stopped_why: Option<String>,
    /// The new secret that signs webhooks, shown once.
    pub secret: Option<String>,
    pub kinds: Vec<KindLine>,
    /// What was typed and not taken.
    pub typed: String,
}

/// One switch.
#[derive(Debug, Serialize)]
pub struct KindLine {
    pub id: &'static str,
    pub name: &'static str,
    pub on: bool,
}

/// Something that was sent, or is on its way.
#[derive(Debug, Serialize)]
pub struct DeliveryLine {
    pub id: String,
    /// `Mail about trade 7KQ2-M4XN`.
    pub what: String,
    pub at: Moment,
    /// What became of it, in words.
    pub words: String,
    pub next: Option<Moment>,
    pub may_again: bool,
}

/// The page behind the link in a mail.
#[derive(Debug, Serialize)]
pub struct ConfirmPage {
    pub token: String,
    pub confirmed: bool,
}

impl Page for ConfirmPage {
    const TEMPLATE: &'static str = "accounts/confirm-mail.html";
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

fn card(offered: bool, target: Option<Target>, label: &'static str) -> TargetCard {
    let Some(Target { address, row }) = target else { return TargetCard { offered, label, ..TargetCard::default() } };
    TargetCard {
        offered,
        label: "Another address",
        address: Some(address),
        live: row.confirmed_at.is_some(),
        since: row.confirmed_at.map(Moment::from),
        stopped_why: row.stopped_why,
        kinds: lines(&row.kinds),
        ..TargetCard::default()
    }
}

fn delivery_line(row: DeliveryRow) -> DeliveryLine {
    use crate::desk::delivery::{Purpose, State};
    let way = if row.channel == Channel::Mail { "Mail" } else { "Webhook" };
    let what = match (row.purpose, row.trade) {
        (Purpose::Confirmation, _) => "Mail with the link that confirms".to_owned(),
        (_, Some(trade)) => format!("{way} about trade {}", trade.grouped()),
        _ => format!("{way}, a test"),
    };
    let words = match (row.state, row.attempts) {
        (State::Sent, 1) => "Sent.".to_owned(),
        (State::Sent, tries) => format!("Sent, after {tries} tries."),
        (State::Waiting, 0) => "On its way.".to_owned(),
        (State::Waiting, _) => format!("{} It is tried again.", row.outcome),
        (State::Failed, _) => format!("Failed. {}", row.outcome),
        (State::Dropped, _) => format!("Not sent. {}", row.outcome),
    };
    DeliveryLine {
        id: row.id.to_string(),
        what,
        at: row.tried_at.unwrap_or(row.created_at).into(),
        words: words.replace("  ", " "),
        next: (row.state == State::Waiting && row.attempts > 0).then(|| row.due_at.into()),
        // A program may want to hear again what it has heard; people do not.
        may_again: row.purpose == Purpose::Notice
            && match row.state {
                State::Waiting => false,
                State::Sent => row.channel == Channel::Hook,
                State::Failed | State::Dropped => true,
            },
    }
}

async fn read(site: &Site, who: &SignedIn) -> Done<NoticesPage> {
    let set = channels::of(&site.desk, who.account.id).await?;
    let feed = set.feed.map_or_else(FeedCard::default, |feed| FeedCard {
        address: None,
        since: Some(feed.made_at.into()),
        kinds: lines(&feed.kinds),
    });
    let deliveries = delivery::of(&site.desk, who.account.id).await?;
    Ok(NoticesPage {
        mail: card(set.mails, set.mail, "Your mail address"),
        feed,
        hook: card(set.hooks, set.hook, "Address"),
        deliveries: deliveries.into_iter().map(delivery_line).collect(),
        errors: Errors::default(),
    })
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

/// Field: `address`.
pub async fn set_mail(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let typed = posted.fields.text("address");
    match channels::set_mail(&site.desk, who.account.id, typed).await {
        Ok(()) => Ok(see_other(HERE)),
        Err(error) => {
            let mut page = read(&site, &who).await?;
            typed.clone_into(&mut page.mail.typed);
            again(error, &site, &who.visitor, |errors| NoticesPage { errors, ..page })
        }
    }
}

/// Field: `url`.
pub async fn set_hook(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let typed = posted.fields.text("url");
    match channels::set_hook(&site.desk, who.account.id, typed).await {
        Ok(secret) => {
            let mut page = read(&site, &who).await?;
            page.hook.secret = Some(secret);
            page.answer(&site, &who.visitor)
        }
        Err(error) => {
            let mut page = read(&site, &who).await?;
            typed.clone_into(&mut page.hook.typed);
            again(error, &site, &who.visitor, |errors| NoticesPage { errors, ..page })
        }
    }
}

/// Field: `channel`.
pub async fn test(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let channel = Channel::from_word(posted.fields.text("channel"));
    match channels::test(&site.desk, who.account.id, channel).await {
        Ok(()) => Ok(see_other(HERE)),
        Err(error) => {
            let page = read(&site, &who).await?;
            again(error, &site, &who.visitor, |errors| NoticesPage { errors, ..page })
        }
    }
}

/// Field: `delivery`.
pub async fn send_again(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    match delivery::again(&site.desk, who.account.id, posted.fields.text("delivery")).await {
        Ok(()) => Ok(see_other(HERE)),
        Err(error) => {
            let page = read(&site, &who).await?;
            again(error, &site, &who.visitor, |errors| NoticesPage { errors, ..page })
        }
    }
}

/// Field: `channel`.
pub async fn end(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    channels::end(&site.desk, who.account.id, Channel::from_word(posted.fields.text("channel"))).await?;
    Ok(see_other(HERE))
}

/// Fields: `channel`, and `kind` as often as there are switches that are on.
pub async fn set_kinds(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let channel = Channel::from_word(posted.fields.text("channel"));
    let kinds: Vec<Kind> = posted.fields.all("kind").filter_map(Kind::from_word).collect();
    channels::set_kinds(&site.desk, who.account.id, channel, &kinds).await?;
    Ok(see_other(HERE))
}

/// Opening the link changes nothing: programs that look into mails open links too.
pub async fn confirm_form(site: web::Data<Site>, visitor: Visitor, token: web::Path<String>) -> Answer {
    channels::is_confirmation(&site.desk, &token).await?;
    ConfirmPage { token: token.into_inner(), confirmed: false }.answer(&site, &visitor)
}

pub async fn confirm(site: web::Data<Site>, visitor: Visitor, token: web::Path<String>, _posted: Posted) -> Answer {
    channels::confirm(&site.desk, &token).await?;
    ConfirmPage { token: String::new(), confirmed: true }.answer(&site, &visitor)
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
