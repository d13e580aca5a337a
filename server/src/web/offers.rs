//! Makers' offers: one's own list, the form to post and to change one, and turning it on and off.

pub(super) mod form;

use actix_web::web;
use serde::Serialize;

use super::error::{Answer, Trouble, again};
use super::page::{Page, see_other};
use super::posted::{Errors, Posted, Query};
use super::practice::practice_address;
use super::shown::{MethodTag, plain_sum};
use super::site::Site;
use super::times::Moment;
use super::visitor::Trader;
use crate::desk::offers::{self, OfferRow};
use crate::desk::quotes;
use crate::domain::offer::{OfferState, PauseReason};
use crate::domain::{Currency, Pricing, PublicRef, Refusal, Side};
use form::{FormPage, Known, StartPage, Typed};

/// One's own offers.
#[derive(Debug, Serialize)]
pub struct MinePage {
    pub live: Vec<Mine>,
    pub over: Vec<Mine>,
    pub paused_why: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Mine {
    pub reference: String,
    pub shown_reference: String,
    pub title: String,
    /// `buy` or `sell`, as the maker; for programs that read the page, with the next two.
    pub side: &'static str,
    pub currency: &'static str,
    pub on_board: bool,
    pub price: String,
    pub limits: String,
    pub taken: String,
    pub methods: Vec<MethodTag>,
    /// `open`, `paused` or `withdrawn`.
    pub state: &'static str,
    /// Why it is not on the board, where it is not.
    pub why: String,
    pub changed: Moment,
}

impl Page for MinePage {
    const TEMPLATE: &'static str = "offers/mine.html";
}

pub async fn mine(site: web::Data<Site>, who: Trader) -> Answer {
    let rows = offers::mine(&site.desk, who.account.id).await?;
    let halts = offers::halts(&site.desk, None).await?;
    let (over, live) = rows.iter().map(Mine::from).partition(|offer: &Mine| offer.state == "withdrawn");
    MinePage { live, over, paused_why: halts.paused_why }.answer(&site, &who.visitor)
}

impl From<&OfferRow> for Mine {
    fn from(row: &OfferRow) -> Self {
        let offer = &row.offer;
        let why = match (offer.state, offer.pause_reason) {
            (OfferState::Paused, Some(PauseReason::MissedSigning)) => {
                "Paused by the desk: a signing window passed without your signature. Open it again when you are there."
            }
            (OfferState::Paused, _) => "Paused by you.",
            (OfferState::Open, _) if !offer.is_on_board() => {
                "Not on the board: less than the lower limit is left. Raise the total or lower the limit."
            }
            _ => "",
        };
        Self {
            reference: offer.reference.to_string(),
            shown_reference: offer.reference.grouped(),
            title: title(offer.side, offer.currency),
            side: if offer.side == Side::Buyer { "buy" } else { "sell" },
            currency: offer.currency.code(),
            on_board: offer.is_on_board(),
            price: price_words(offer.pricing, offer.currency),
            limits: format!("{} – {} {}", plain_sum(offer.min), plain_sum(offer.max), offer.currency),
            taken: format!("{} of {} {} taken", plain_sum(offer.reserved), plain_sum(offer.total), offer.currency),
            methods: offer.accounts.iter().map(|account| account.method.method().into()).collect(),
            state: offer.state.as_str(),
            why: why.to_owned(),
            changed: row.changed_at.into(),
        }
    }
}

/// "Sell bitcoin for EUR".
pub fn title(maker: Side, currency: Currency) -> String {
    match maker {
        Side::Buyer => format!("Buy bitcoin with {currency}"),
        Side::Seller => format!("Sell bitcoin for {currency}"),
    }
}

/// "58 712.20 EUR", "market +1.0 %".
pub fn price_words(pricing: Pricing, currency: Currency) -> String {
    match pricing {
        Pricing::Fixed(price) => format!("{} {currency}", super::shown::price(price, currency)),
        Pricing::Market { percent } => format!("market {}", super::shown::signed_percent(percent)),
    }
}

/// First side and currency, then the form that fits them.
pub async fn new(site: web::Data<Site>, who: Trader, Query(query): Query) -> Answer {
    let mut typed = Typed::from_query(&query);
    practice_address(&site, who.account.id, &query, &mut typed.address);
    let Ok(currency) = Currency::parse(&typed.currency) else {
        return StartPage::new(&typed).answer(&site, &who.visitor);
    };
    if typed.side.is_empty() {
        return StartPage::new(&typed).answer(&site, &who.visitor);
    }
    let known = Known::read(&site, who.account.id, currency).await?;
    FormPage::new(&known, typed, None, Errors::default()).answer(&site, &who.visitor)
}

pub async fn post(site: web::Data<Site>, who: Trader, posted: Posted) -> Answer {
    let typed = Typed::from_form(&posted.fields);
    match offers::post(&site.desk, who.account.id, &typed.form()).await {
        Ok(reference) => {
            site.board.stale();
            Ok(see_other(format!("/offers/{reference}")))
        }
        Err(error) => {
            let currency =
                Currency::parse(&typed.currency).ok().filter(|_| matches!(typed.side.as_str(), "buy" | "sell"));
            let Some(currency) = currency else {
                return again(error, &site, &who.visitor, |errors| StartPage { errors, ..StartPage::new(&typed) });
            };
            let known = Known::read(&site, who.account.id, currency).await?;
            again(error, &site, &who.visitor, |errors| FormPage::new(&known, typed, None, errors))
        }
    }
}

/// The reference in a path; anything else names nothing.
pub fn reference(text: &str) -> Result<PublicRef, Trouble> {
    Ok(text.parse().map_err(|_| Refusal::not_found())?)
}

pub async fn edit_form(site: web::Data<Site>, who: Trader, path: web::Path<String>) -> Answer {
    let row = offers::own(&site.desk, who.account.id, reference(&path)?).await?;
    if row.offer.state == OfferState::Withdrawn {
        return Ok(see_other("/my/offers"));
    }
    let known = Known::read(&site, who.account.id, row.offer.currency).await?;
    let (typed, editing) = (Typed::from_row(&row), row.offer.reference);
    FormPage::new(&known, typed, Some(editing), Errors::default()).answer(&site, &who.visitor)
}

pub async fn edit(site: web::Data<Site>, who: Trader, path: web::Path<String>, posted: Posted) -> Answer {
    let row = offers::own(&site.desk, who.account.id, reference(&path)?).await?;
    let (currency, editing) = (row.offer.currency, row.offer.reference);
    let mut typed = Typed::from_form(&posted.fields);
    // Side and currency of an offer stay.
    Typed::from_row(&row).side.clone_into(&mut typed.input.side);
    currency.code().clone_into(&mut typed.input.currency);
    let seen = typed.version.parse().unwrap_or_default();
    match offers::edit(&site.desk, who.account.id, editing, &typed.form(), seen).await {
        Ok(()) => {
            site.board.stale();
            Ok(see_other(format!("/offers/{editing}")))
        }
        Err(error) => {
            let known = Known::read(&site, who.account.id, currency).await?;
            again(error, &site, &who.visitor, |errors| FormPage::new(&known, typed, Some(editing), errors))
        }
    }
}

pub async fn pause(site: web::Data<Site>, who: Trader, path: web::Path<String>, _posted: Posted) -> Answer {
    turn(&site, &who, &path, OfferState::Paused).await
}

pub async fn resume(site: web::Data<Site>, who: Trader, path: web::Path<String>, _posted: Posted) -> Answer {
    turn(&site, &who, &path, OfferState::Open).await
}

pub async fn withdraw(site: web::Data<Site>, who: Trader, path: web::Path<String>, _posted: Posted) -> Answer {
    turn(&site, &who, &path, OfferState::Withdrawn).await
}

async fn turn(site: &Site, who: &Trader, path: &str, to: OfferState) -> Answer {
    offers::turn(&site.desk, who.account.id, reference(path)?, to).await?;
    site.board.stale();
    Ok(see_other("/my/offers"))
}

/// "58 420.10 EUR, set 40 s ago", or why there is none.
pub fn market_words(market: &quotes::Market, currency: Currency) -> String {
    match &market.rate {
        None => format!("This desk has no market price for {currency}."),
        Some(rate) => {
            let (price, age) = (super::shown::price(rate.price, currency), super::shown::ago(rate.set_at, market.now));
            let old = if market.fresh { "" } else { ": too old to trade at" };
            format!("Market price {price} {currency}, set {age}{old}.")
        }
    }
}
