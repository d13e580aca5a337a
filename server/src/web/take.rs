//! Taking an offer: how much, then where to and with what, then all sums once more, then the act.
//!
//! The address travels in the body of a form, never in a URL.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Serialize;

use super::error::{Answer, status_of};
use super::offer::Sums;
use super::offers::form::key_choice;
use super::offers::{reference, title};
use super::page::{Page, see_other};
use super::posted::{Errors, Fields, Posted, Query};
use super::practice::practice_address;
use super::shown::{Choice, MethodTag, Way, minutes};
use super::site::Site;
use super::visitor::Trader;
use crate::desk::quotes::{self, OfferView};
use crate::desk::take::{self, TakeForm};
use crate::desk::{Done, Error, offers, payment_accounts};
use crate::domain::{RefusalKind, Side};

/// One of the three steps: `amount`, `details`, `confirm`.
#[derive(Debug, Serialize)]
pub struct TakePage {
    pub step: &'static str,
    pub reference: String,
    pub shown_reference: String,
    pub title: String,
    pub verb: &'static str,
    pub maker: String,
    pub currency: &'static str,
    pub limits: String,
    pub sums: Option<Sums>,
    pub accounts: Vec<AccountChoice>,
    /// Ways to add an account that fits, and to come back.
    pub adds: Vec<Way>,
    pub keys: Vec<Choice>,
    pub key: String,
    pub payment: String,
    pub pay_within: String,
    pub signing_minutes: u32,
    pub network: String,
    pub address_label: &'static str,
    pub address_hint: &'static str,
    /// Every field is there, so that the template can name it.
    pub typed: TakeForm,
    pub errors: Errors,
    pub here: String,
}

/// One's own account that fits the offer.
#[derive(Debug, Serialize)]
pub struct AccountChoice {
    pub id: String,
    pub label: String,
    pub method: MethodTag,
    pub chosen: bool,
}

impl Page for TakePage {
    const TEMPLATE: &'static str = "offers/take.html";
}

pub async fn form(site: web::Data<Site>, who: Trader, path: web::Path<String>, Query(query): Query) -> Answer {
    let view = quotes::view(&site.desk, reference(&path)?, Some(who.account.id)).await?;
    if view.row.offer.maker == who.account.id {
        return Ok(see_other(format!("/offers/{}", view.row.offer.reference)));
    }
    let mut typed = TakeForm::from(&query);
    practice_address(&site, who.account.id, &query, &mut typed.address);
    if typed.amount.is_empty() {
        return page(&site, &who, &view, typed, "amount").await?.answer(&site, &who.visitor);
    }
    match quotes::read_amount(&view, &typed.amount) {
        Ok(_) => page(&site, &who, &view, typed, "details").await?.answer(&site, &who.visitor),
        Err(refusal) => {
            let mut page = page(&site, &who, &view, typed, "amount").await?;
            page.errors = Errors::from(&crate::domain::Refusal::field("amount", refusal.all_words()));
            page.answer_with(StatusCode::UNPROCESSABLE_ENTITY, &site, &who.visitor)
        }
    }
}

/// With `step=review` the summary before the act, with `step=details` back to the form; else the act.
pub async fn take(site: web::Data<Site>, who: Trader, path: web::Path<String>, posted: Posted) -> Answer {
    let offer = reference(&path)?;
    let typed = TakeForm::from(&posted.fields);
    if posted.fields.text("step") == "review" {
        let view = quotes::view(&site.desk, offer, Some(who.account.id)).await?;
        let reviewed = quotes::review(&site.desk, who.account.id, &view, &typed).await;
        return match reviewed {
            Ok(_) => page(&site, &who, &view, typed, "confirm").await?.answer(&site, &who.visitor),
            Err(error) => refused(&site, &who, &view, typed, error).await,
        };
    }
    if posted.fields.text("step") == "details" {
        let view = quotes::view(&site.desk, offer, Some(who.account.id)).await?;
        return page(&site, &who, &view, typed, "details").await?.answer(&site, &who.visitor);
    }
    match take::take(&site.desk, who.account.id, offer, &typed).await {
        Ok(trade) => {
            site.board.stale();
            Ok(see_other(format!("/trades/{trade}")))
        }
        // Whether it was done is said in the first words: those of a page that cannot be made may say otherwise.
        Err(error) => match quotes::view(&site.desk, offer, Some(who.account.id)).await {
            Ok(view) => refused(&site, &who, &view, typed, error).await,
            Err(_) => Err(error.into()),
        },
    }
}

/// What is wrong beside its field; what changed meanwhile over the summary, with the sums as they are now.
async fn refused(site: &Site, who: &Trader, view: &OfferView, typed: TakeForm, error: Error) -> Answer {
    let Error::Refused(refusal) = error else { return Err(error.into()) };
    let priced = quotes::read_amount(view, &typed.amount).is_ok();
    let step = match refusal.kind {
        RefusalKind::NotFound => return Err(refusal.into()),
        _ if refusal.fields.iter().any(|wrong| wrong.field == "amount") || !priced => "amount",
        _ if refusal.fields.is_empty() => "confirm",
        _ => "details",
    };
    let Ok(mut page) = page(site, who, view, typed, step).await else { return Err(refusal.into()) };
    page.errors = Errors::from(&refusal);
    page.answer_with(status_of(refusal.kind), site, &who.visitor)
}

async fn page(site: &Site, who: &Trader, view: &OfferView, mut typed: TakeForm, step: &'static str) -> Done<TakePage> {
    let offer = &view.row.offer;
    let taker = offer.taker_side();
    let quote = quotes::read_amount(view, &typed.amount).ok();
    let sums = quote.map(|quote| Sums::new(&quote, taker, &who.account.unit));
    // The form is made anew from what stands in the summary that is shown.
    typed.offer_version = offer.version.to_string();
    typed.price_seen = sums.as_ref().map(|sums| sums.price.clone()).unwrap_or_default();
    let mut saved = payment_accounts::list(&site.desk, who.account.id).await?;
    saved.retain(|account| offer.account_for(account.method).is_some());
    let keys = offers::usable_keys(&site.desk, who.account.id).await?;
    let here = format!("/offers/{}/take?amount={}", offer.reference, typed.amount);
    let chosen = saved.iter().find(|account| account.id.to_string() == typed.payment_account);
    let payment = chosen.map(payment_words);
    let (address_label, address_hint) = match taker {
        Side::Buyer => {
            ("Your payout address", "Where your bitcoin goes: an address of your own wallet, not of an exchange.")
        }
        Side::Seller => {
            ("Your refund address", "Where your bitcoin comes back if the trade fails: an address of your own wallet.")
        }
    };
    let add = |account: &crate::domain::offer::OfferAccount| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("method", account.method.as_str())
            .append_pair("next", &here)
            .finish();
        Way::new(format!("/payment-accounts/new?{query}"), &account.method.method().label)
    };
    Ok(TakePage {
        step,
        reference: offer.reference.to_string(),
        shown_reference: offer.reference.grouped(),
        title: title(taker, offer.currency),
        verb: if taker == Side::Buyer { "Buy" } else { "Sell" },
        maker: view.row.maker_name.clone(),
        currency: offer.currency.code(),
        limits: format!("from {} to {}", offer.min, offer.shown_upper()),
        sums,
        accounts: saved
            .iter()
            .map(|account| AccountChoice {
                id: account.id.to_string(),
                label: account.label.clone(),
                method: account.method.method().into(),
                chosen: saved.len() == 1 || account.id.to_string() == typed.payment_account,
            })
            .collect(),
        adds: offer.accounts.iter().map(add).collect(),
        key: keys
            .iter()
            .find(|key| key.id.to_string() == typed.key)
            .map(|key| key_choice(key).label)
            .unwrap_or_default(),
        keys: keys.iter().map(key_choice).collect(),
        payment: payment.unwrap_or_default(),
        pay_within: minutes(offer.payment_window_minutes),
        signing_minutes: site.desk.rules.signing_window_minutes,
        network: site.desk.rules.network.to_string(),
        address_label,
        address_hint,
        typed,
        errors: Errors::default(),
        here,
    })
}

/// "SEPA Instant · my bank".
fn payment_words(account: &payment_accounts::Opened) -> String {
    let method = &account.method.method().label;
    if *method == account.label { method.clone() } else { format!("{method} · {}", account.label) }
}

impl From<&Fields> for TakeForm {
    fn from(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).to_owned();
        Self {
            amount: text("amount"),
            payment_account: text("payment_account"),
            key: text("key"),
            address: text("address"),
            offer_version: text("offer_version"),
            price_seen: text("price_seen"),
        }
    }
}
