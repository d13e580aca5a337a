//! A trader's public page.

use actix_web::web;
use serde::Serialize;

use super::error::Answer;
use super::offers::title;
use super::page::Page;
use super::shown::{self, Face, MethodTag};
use super::site::Site;
use super::times::Moment;
use super::visitor::Visitor;
use crate::desk::people::{self, Profile};
use crate::desk::quotes::Market;
use crate::domain::Offer;
use crate::domain::hours::Week;

#[derive(Debug, Serialize)]
pub struct PersonPage {
    pub name: String,
    pub face: Face,
    pub is_new: bool,
    pub suspended: bool,
    /// The day; the hour is nobody's business.
    pub member_since: String,
    /// "128 trades · 99 %".
    pub trades: String,
    pub partners: String,
    pub disputes: String,
    pub release: Option<String>,
    pub offers: Vec<OfferLine>,
    pub hours: Option<String>,
}

/// An open offer of this person.
#[derive(Debug, Serialize)]
pub struct OfferLine {
    pub href: String,
    pub title: String,
    pub price: Option<String>,
    pub limits: String,
    pub methods: Vec<MethodTag>,
}

impl Page for PersonPage {
    const TEMPLATE: &'static str = "people/person.html";
}

pub async fn show(site: web::Data<Site>, visitor: Visitor, name: web::Path<String>) -> Answer {
    PersonPage::from(people::profile(&site.desk, &name).await?).answer(&site, &visitor)
}

impl From<Profile> for PersonPage {
    fn from(profile: Profile) -> Self {
        let known = &profile.person.reputation;
        Self {
            face: Face::of(&profile.person.name),
            is_new: known.is_new(),
            suspended: profile.person.suspended,
            member_since: Moment::from(known.member_since).text.split(',').next().unwrap_or_default().to_owned(),
            trades: known.words(),
            partners: known.partner_words(),
            disputes: known.dispute_words(),
            release: known.release_words(),
            offers: profile.offers.iter().map(|(offer, market)| OfferLine::new(offer, market)).collect(),
            hours: profile.hours.as_ref().map(Week::in_words),
            name: profile.person.name,
        }
    }
}

impl OfferLine {
    fn new(offer: &Offer, market: &Market) -> Self {
        let price = offer.effective_price(market.fresh_rate());
        Self {
            href: format!("/offers/{}", offer.reference),
            title: title(offer.side, offer.currency),
            price: price.map(|price| format!("{} {}", shown::price(price, offer.currency), offer.currency)),
            limits: format!(
                "{} – {} {}",
                shown::plain_sum(offer.min),
                shown::plain_sum(offer.shown_upper()),
                offer.currency
            ),
            methods: offer.accounts.iter().map(|account| account.method.method().into()).collect(),
        }
    }
}
