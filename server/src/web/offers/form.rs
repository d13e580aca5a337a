//! The form of an offer: what was typed, and what its maker can choose from.

use std::ops::Deref;

use serde::Serialize;

use super::super::page::Page;
use super::super::payment_accounts::named_currencies;
use super::super::posted::{Errors, Fields};
use super::super::shown::{self, Choice, MethodTag};
use super::super::site::Site;
use super::{OfferRow, market_words};
use crate::desk::offers::{OfferForm, UsableKey};
use crate::desk::payment_accounts::{self, Opened};
use crate::desk::quotes::{self, Market};
use crate::desk::{Done, offers};
use crate::domain::offer::OfferInput;
use crate::domain::{Currency, Pricing, PublicRef, Side, UserId};

/// Side and currency, before the form that depends on them.
#[derive(Debug, Serialize)]
pub struct StartPage {
    pub side: String,
    pub currency: String,
    pub currencies: Vec<Choice>,
    pub errors: Errors,
}

impl Page for StartPage {
    const TEMPLATE: &'static str = "offers/start.html";
}

impl StartPage {
    pub fn new(typed: &Typed) -> Self {
        let currency = if typed.currency.is_empty() { "EUR".to_owned() } else { typed.currency.clone() };
        let side = typed.side.clone();
        Self { side, currency, currencies: named_currencies(), errors: Errors::default() }
    }
}

/// An offer as typed; every field is there, so that a template can name it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Typed {
    #[serde(flatten)]
    pub input: OfferInput,
    pub key: String,
    pub address: String,
    /// Of an offer that is changed: the version that was seen.
    pub version: String,
}

impl Deref for Typed {
    type Target = OfferInput;

    fn deref(&self) -> &OfferInput {
        &self.input
    }
}

impl Typed {
    pub fn from_query(query: &Fields) -> Self {
        let side = Some(query.text("side")).filter(|side| matches!(*side, "buy" | "sell")).unwrap_or_default();
        let input = OfferInput {
            side: side.to_owned(),
            currency: query.text("currency").to_ascii_uppercase(),
            pricing: "market".into(),
            ..OfferInput::default()
        };
        Self { input, ..Self::default() }
    }

    pub fn from_form(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).to_owned();
        let input = OfferInput {
            side: text("side"),
            currency: text("currency"),
            accounts: fields.all("accounts").map(str::to_owned).collect(),
            pricing: text("pricing"),
            price: text("price"),
            percent: text("percent"),
            total: text("total"),
            min: text("min"),
            max: text("max"),
            payment_window: text("payment_window"),
            confirmations: text("confirmations"),
            terms: fields.raw("terms").to_owned(),
        };
        Self { input, key: text("key"), address: text("address"), version: text("version") }
    }

    pub fn from_row(row: &OfferRow) -> Self {
        let offer = &row.offer;
        let (pricing, price, percent) = match offer.pricing {
            Pricing::Fixed(price) => ("fixed", price.to_string(), String::new()),
            Pricing::Market { percent } => ("market", String::new(), percent.normalize().to_string()),
        };
        let input = OfferInput {
            side: verb(offer.side).to_owned(),
            currency: offer.currency.code().to_owned(),
            accounts: offer.accounts.iter().map(|account| account.account.to_string()).collect(),
            pricing: pricing.to_owned(),
            price,
            percent,
            total: offer.total.in_field(),
            min: offer.min.in_field(),
            max: offer.max.in_field(),
            payment_window: offer.payment_window_minutes.to_string(),
            confirmations: if offer.confirmations <= 1 { "0".into() } else { offer.confirmations.to_string() },
            terms: offer.terms.clone(),
        };
        Self { input, key: row.key.to_string(), address: row.address.clone(), version: offer.version.to_string() }
    }

    pub fn form(&self) -> OfferForm {
        OfferForm { input: self.input.clone(), key: self.key.clone(), address: self.address.clone() }
    }
}

/// `buy` or `sell`.
pub fn verb(maker: Side) -> &'static str {
    match maker {
        Side::Buyer => "buy",
        Side::Seller => "sell",
    }
}

/// What the maker has, and the market.
pub struct Known {
    currency: Currency,
    accounts: Vec<Opened>,
    keys: Vec<UsableKey>,
    market: Market,
    network: String,
    halts: offers::Halts,
}

impl Known {
    pub async fn read(site: &Site, maker: UserId, currency: Currency) -> Done<Self> {
        let desk = &site.desk;
        let mut accounts = payment_accounts::list(desk, maker).await?;
        accounts.retain(|account| account.method.method().currencies.includes(&currency));
        Ok(Self {
            currency,
            accounts,
            keys: offers::usable_keys(desk, maker).await?,
            market: quotes::market(desk, currency).await?,
            network: desk.rules.network.to_string(),
            halts: offers::halts(desk, Some(maker)).await?,
        })
    }
}

/// The form to post or to change an offer.
#[derive(Debug, Serialize)]
pub struct FormPage {
    /// The reference of the offer that is changed.
    pub editing: Option<String>,
    pub title: String,
    pub market: String,
    /// What a price that floats would be now.
    pub example: Option<String>,
    pub accounts: Vec<AccountChoice>,
    pub keys: Vec<Choice>,
    pub confirmations: Vec<Choice>,
    pub network: String,
    pub address_label: &'static str,
    pub address_hint: &'static str,
    pub typed: Typed,
    pub errors: Errors,
    /// The desk is paused: nothing can be posted.
    pub paused_why: Option<String>,
    /// Back to this form after adding an account.
    pub here: String,
}

/// A saved account to tick.
#[derive(Debug, Serialize)]
pub struct AccountChoice {
    pub id: String,
    pub label: String,
    pub method: MethodTag,
    pub window: String,
    pub chosen: bool,
}

impl Page for FormPage {
    const TEMPLATE: &'static str = "offers/form.html";
}

impl FormPage {
    pub fn new(known: &Known, mut typed: Typed, editing: Option<PublicRef>, errors: Errors) -> Self {
        let currency = known.currency;
        if typed.accounts.is_empty() && known.accounts.len() == 1 && typed.total.is_empty() {
            typed.input.accounts = known.accounts.iter().map(|account| account.id.to_string()).collect();
        }
        let buys = typed.side == "buy";
        let title = match (editing, buys) {
            (Some(reference), _) => format!("Change offer {}", reference.grouped()),
            (None, true) => format!("Buy bitcoin with {currency}"),
            (None, false) => format!("Sell bitcoin for {currency}"),
        };
        let (address_label, address_hint) = if buys {
            (
                "Your payout address",
                "The bitcoin you buy goes there. An address of your own wallet, not of an exchange.",
            )
        } else {
            (
                "Your refund address",
                "What is not sold comes back there. An address of your own wallet, not of an exchange.",
            )
        };
        let here = match editing {
            Some(reference) => format!("/offers/{reference}/edit"),
            None => format!("/offers/new?side={}&currency={currency}", typed.side),
        };
        Self {
            editing: editing.map(|reference| reference.to_string()),
            title,
            market: market_words(&known.market, currency),
            example: example(&typed, known),
            accounts: known.accounts.iter().map(|account| AccountChoice::new(account, &typed)).collect(),
            keys: known.keys.iter().map(key_choice).collect(),
            confirmations: confirmations(),
            network: known.network.clone(),
            address_label,
            address_hint,
            typed,
            errors,
            paused_why: known.halts.paused_why.clone(),
            here,
        }
    }
}

impl AccountChoice {
    fn new(account: &Opened, typed: &Typed) -> Self {
        let (id, method) = (account.id.to_string(), account.method.method());
        Self {
            chosen: typed.accounts.contains(&id),
            id,
            label: account.label.clone(),
            method: method.into(),
            window: shown::minutes(method.payment_window_minutes),
        }
    }
}

/// "Browser key d34db33f, account 0".
pub fn key_choice(key: &UsableKey) -> Choice {
    let kind = if key.kind == "browser" { "Browser key" } else { "Own wallet" };
    let fingerprint = data_encoding::HEXLOWER.encode(&key.fingerprint);
    Choice::new(key.id.to_string(), format!("{kind} {fingerprint}, account {}", key.account_number))
}

fn confirmations() -> Vec<Choice> {
    let mut all = vec![Choice::new("0", "By amount, as the desk's rules say")];
    all.extend((2..=6).map(|count| Choice::new(count.to_string(), format!("At least {count}"))));
    all
}

/// The price at the percentage that was typed, else at one percent above the market.
fn example(typed: &Typed, known: &Known) -> Option<String> {
    let market = known.market.rate.as_ref()?;
    let pricing = Pricing::parse_market(&typed.percent).ok().or_else(|| Pricing::parse_market("1").ok())?;
    let Pricing::Market { percent } = pricing else { return None };
    let price = pricing.effective_price(known.currency, Some(market))?;
    let (percent, price) = (shown::signed_percent(percent), shown::price(price, known.currency));
    Some(format!("{percent} is {price} {} now.", known.currency))
}
