//! One offer for everybody: what you send, what you receive, every fee, and what happens next.

use actix_web::web;
use bitcoin::Amount;
use serde::Serialize;

use super::error::Answer;
use super::markdown;
use super::offers::{market_words, price_words, reference, title};
use super::page::Page;
use super::posted::Query;
use super::shown::{self, Face, MethodTag};
use super::site::Site;
use super::visitor::Visitor;
use crate::desk::quotes::{self, Arbitration, OfferView};
use crate::domain::hours::Week;
use crate::domain::offer::OfferState;
use crate::domain::{Pricing, Quote, Refusal, Side};

#[derive(Debug, Serialize)]
pub struct OfferPage {
    pub reference: String,
    pub shown_reference: String,
    pub title: String,
    /// `Buy` or `Sell`: what the visitor would do.
    pub verb: &'static str,
    pub maker: String,
    pub face: Face,
    pub is_new: bool,
    pub reputation: String,
    pub methods: Vec<MethodShown>,
    pub price: Option<String>,
    pub pricing: String,
    pub market: String,
    pub currency: &'static str,
    pub limits: String,
    pub amount: String,
    pub amount_problem: Option<String>,
    pub sums: Option<Sums>,
    pub next: Vec<String>,
    pub arbitration: String,
    pub terms: String,
    pub facts: Vec<(&'static str, String)>,
    /// Why it cannot be taken now; empty if it can.
    pub closed: String,
    pub own: bool,
    pub state: &'static str,
    pub can_take: bool,
}

/// A way to pay with what to know about it.
#[derive(Debug, Serialize)]
pub struct MethodShown {
    pub tag: MethodTag,
    pub words: String,
}

/// All sums of a trade as one side sees them.
#[derive(Debug, Serialize)]
pub struct Sums {
    pub you_send: String,
    pub you_receive: String,
    /// Label and amount of everything between the two.
    pub between: Vec<(String, String)>,
    pub after_dispute: String,
    /// For the button: the amount to read, and as it goes into the URL.
    pub fiat: String,
    pub amount: String,
    /// The exact price the sums were made at, as forms send it back.
    pub price: String,
}

impl Page for OfferPage {
    const TEMPLATE: &'static str = "offers/offer.html";
}

pub async fn show(site: web::Data<Site>, visitor: Visitor, path: web::Path<String>, Query(query): Query) -> Answer {
    let viewer = visitor.account.as_ref().map(|account| account.id);
    let view = quotes::view(&site.desk, reference(&path)?, viewer).await?;
    let unit = visitor.unit();
    OfferPage::new(&view, query.text("amount"), viewer == Some(view.row.offer.maker), unit).answer(&site, &visitor)
}

impl OfferPage {
    pub fn new(view: &OfferView, typed: &str, own: bool, unit: &str) -> Self {
        let (offer, known) = (&view.row.offer, &view.maker.reputation);
        let taker = offer.taker_side();
        let amount = if typed.is_empty() { view.example().in_field() } else { typed.to_owned() };
        let quote = quotes::read_amount(view, &amount);
        let closed = closed(view);
        let mut words = vec![known.words()];
        words.extend(known.release_words());
        Self {
            reference: offer.reference.to_string(),
            shown_reference: offer.reference.grouped(),
            title: title(if own { offer.side } else { taker }, offer.currency),
            verb: if taker == Side::Buyer { "Buy" } else { "Sell" },
            maker: view.row.maker_name.clone(),
            face: Face::of(&view.row.maker_name),
            is_new: known.is_new(),
            reputation: words.join(" · "),
            methods: offer.accounts.iter().map(|account| MethodShown::new(account.method.method())).collect(),
            price: view.price.map(|price| format!("{} {}", shown::price(price, offer.currency), offer.currency)),
            pricing: match offer.pricing {
                Pricing::Fixed(_) => "fixed".to_owned(),
                Pricing::Market { .. } => price_words(offer.pricing, offer.currency),
            },
            market: market_words(&view.market, offer.currency),
            currency: offer.currency.code(),
            limits: format!(
                "{} – {} {}",
                shown::plain_sum(offer.min),
                shown::plain_sum(offer.shown_upper()),
                offer.currency
            ),
            amount: typed.to_owned(),
            amount_problem: quote
                .as_ref()
                .err()
                .filter(|_| view.price.is_some() && offer.is_on_board())
                .map(Refusal::all_words),
            sums: quote.as_ref().ok().map(|quote| Sums::new(quote, taker, unit)),
            next: next(view, taker),
            arbitration: arbitration(view),
            terms: markdown::html(&offer.terms),
            facts: facts(view),
            own,
            state: offer.state.as_str(),
            can_take: closed.is_empty() && !own && quote.is_ok(),
            closed,
        }
    }
}

impl MethodShown {
    fn new(method: &'static crate::domain::methods::Method) -> Self {
        let hold = match method.hold_minutes {
            0 => String::new(),
            minutes => format!(", the seller may wait {} for it to settle", shown::minutes(minutes)),
        };
        Self { tag: method.into(), words: format!("arrives in {}{hold}", method.usual_time) }
    }
}

impl Sums {
    pub fn new(quote: &Quote, side: Side, unit: &str) -> Self {
        let bitcoin = |amount| if amount == Amount::ZERO { "none".to_owned() } else { shown::bitcoin(amount, unit) };
        let mut between = vec![(
            "Traded".to_owned(),
            format!(
                "{} at {} {}",
                bitcoin(quote.amount),
                shown::price(quote.price, quote.fiat.currency()),
                quote.fiat.currency()
            ),
        )];
        let fee =
            |whose: bool| if whose { "Your part of the desk's fee" } else { "The other side's part of the desk's fee" };
        let buys = side == Side::Buyer;
        between.push((fee(buys).to_owned(), bitcoin(quote.desk_fee_buyer)));
        between.push((fee(!buys).to_owned(), bitcoin(quote.desk_fee_seller)));
        let miner = if buys { "Miner fee, about, paid by you" } else { "Miner fee, about, paid by the buyer" };
        between.push((miner.to_owned(), bitcoin(quote.miner_fee)));
        between.push(("The arbitrator's fee, only after a ruling".to_owned(), bitcoin(quote.arbitrator_fee)));
        let (you_send, you_receive) = match side {
            Side::Buyer => (quote.fiat.to_string(), bitcoin(quote.buyer_receives())),
            Side::Seller => (bitcoin(quote.deposit), quote.fiat.to_string()),
        };
        Self {
            you_send,
            you_receive,
            between,
            after_dispute: bitcoin(quote.at_most_after_dispute(side)),
            fiat: format!("{} {}", shown::plain_sum(quote.fiat), quote.fiat.currency()),
            amount: quote.fiat.in_field(),
            price: quote.price.to_string(),
        }
    }
}

/// Why nobody can take it now.
fn closed(view: &OfferView) -> String {
    let offer = &view.row.offer;
    let words = match offer.state {
        OfferState::Withdrawn => "This offer has been withdrawn.",
        OfferState::Paused => "This offer is paused by its maker.",
        OfferState::Open if view.row.maker_suspended => {
            "The maker's account is suspended, so this offer cannot be taken."
        }
        OfferState::Open if !offer.is_on_board() => "All of this offer has been taken.",
        OfferState::Open if view.price.is_none() => {
            "Its price floats on the market, and the market price is too old. It can be taken when that is set anew."
        }
        OfferState::Open => "",
    };
    if words.is_empty() && matches!(view.arbitration, Arbitration::OneOf(0)) {
        return "No arbitrator is on duty now, so no offer can be taken. Come back later.".to_owned();
    }
    match &view.halts.paused_why {
        Some(why) if words.is_empty() => format!("The desk is paused: {why}. Offers can be read, not taken."),
        _ => words.to_owned(),
    }
}

/// What happens next, in three lines, for who takes it.
fn next(view: &OfferView, taker: Side) -> Vec<String> {
    let offer = &view.row.offer;
    let (maker, window) = (&view.row.maker_name, shown::minutes(offer.payment_window_minutes));
    match taker {
        Side::Buyer => vec![
            format!(
                "You and {maker} sign the contract; {maker} locks the bitcoin in a script that needs two of three keys."
            ),
            format!("You pay {maker} within {window} and say so with one button."),
            format!("{maker} sees the money and signs; the bitcoin goes to your own address."),
        ],
        Side::Seller => vec![
            format!(
                "You and {maker} sign the contract; you lock the bitcoin in a script that needs two of three keys."
            ),
            format!("{maker} pays you within {window}."),
            "You see the money in your account and sign; if it never comes, the bitcoin goes back to you.".to_owned(),
        ],
    }
}

fn arbitration(view: &OfferView) -> String {
    let fee = match view.policy.arbitrator_fee_bp {
        0 => "A ruling costs nothing.".to_owned(),
        bp => format!(
            "A ruling costs {}\u{a0}% of the amount, paid out of what the winner gets.",
            rust_decimal::Decimal::new(bp.into(), 2).normalize()
        ),
    };
    match &view.arbitration {
        Arbitration::Drawn(name) => format!("{name} arbitrates between the two of you. {fee}"),
        Arbitration::OneOf(0) => format!("Nobody is on duty as an arbitrator now. {fee}"),
        Arbitration::OneOf(1) => format!("The arbitrator on duty holds the third key and rules if you disagree. {fee}"),
        Arbitration::OneOf(count) => {
            format!("One of {count} arbitrators on duty is drawn when you take, once for the two of you. {fee}")
        }
    }
}

fn facts(view: &OfferView) -> Vec<(&'static str, String)> {
    let offer = &view.row.offer;
    let confirmations = match offer.confirmations {
        0 | 1 => "as many as the amount needs".to_owned(),
        asked => format!("at least {asked}"),
    };
    vec![
        (
            "Limits",
            format!("{} – {} {}", shown::plain_sum(offer.min), shown::plain_sum(offer.shown_upper()), offer.currency),
        ),
        (
            "Left of it",
            format!("{} of {} {}", shown::plain_sum(offer.left()), shown::plain_sum(offer.total), offer.currency),
        ),
        ("Time to pay", shown::minutes(offer.payment_window_minutes)),
        ("Confirmations of the deposit", confirmations),
        (
            "Working hours of the maker",
            view.hours.as_ref().map_or_else(|| "none stated: day and night".into(), Week::in_words),
        ),
        ("Offer", format!("{}, version {}", offer.reference.grouped(), offer.version)),
    ]
}
