//! A trader's public page.

use actix_web::web;
use serde::Serialize;

use super::conduct::FeedbackShown;
use super::error::Answer;
use super::offers::title;
use super::page::Page;
use super::shown::{self, Face, MethodTag};
use super::site::Site;
use super::times::Moment;
use super::visitor::Visitor;
use crate::desk::conduct;
use crate::desk::people::{self, Profile, Tally};
use crate::desk::quotes::Market;
use crate::domain::hours::Week;
use crate::domain::{Offer, Role};

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
    /// What was counted against this person, in words; empty: nothing.
    pub lapses: Vec<String>,
    pub good: i64,
    pub bad: i64,
    pub feedback: Vec<FeedbackShown>,
    /// Somebody else who trades is looking.
    pub may_block: bool,
    pub is_blocked: bool,
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
    let profile = people::profile(&site.desk, &name).await?;
    let reader = visitor.account.as_ref().filter(|one| one.role != Role::Arbitrator && one.id != profile.person.id);
    let is_blocked = match reader {
        Some(reader) => conduct::is_blocked(&site.desk, reader.id, profile.person.id).await?,
        None => false,
    };
    PersonPage { may_block: reader.is_some(), is_blocked, ..PersonPage::from(profile) }.answer(&site, &visitor)
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
            lapses: lapses(&profile.tally),
            good: profile.tally.good,
            bad: profile.tally.bad,
            feedback: profile.feedback.into_iter().map(FeedbackShown::from).collect(),
            may_block: false,
            is_blocked: false,
            name: profile.person.name,
        }
    }
}

/// How often what was not done that should have been, in words.
fn lapses(tally: &Tally) -> Vec<String> {
    let all = [
        (tally.not_signed, "contract not signed in time", "contracts not signed in time"),
        (tally.not_deposited, "deposit not made in time", "deposits not made in time"),
        (tally.not_paid, "payment not made", "payments not made"),
        (tally.cancelled_funded, "trade cancelled after the deposit", "trades cancelled after the deposit"),
        (tally.undone, "payment marked and unmarked", "payments marked and unmarked"),
        (tally.late_releases, "release overdue", "releases overdue"),
    ];
    all.into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| shown::counted(count, one, many))
        .collect()
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
