//! What a maker typed, and the offer it describes if nothing is wrong with it.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{CONFIRMATIONS_MAX, OFFER_ACCOUNTS_MAX, OfferAccount, PAYMENT_WINDOW_MINUTES_MIN};
use crate::domain::money::{Currency, Fiat, check_trade_amount, typed};
use crate::domain::people::Side;
use crate::domain::price::{Pricing, Rate, sats_for};
use crate::domain::refusal::{Problems, Refusal};
use crate::domain::text::{TERMS_CHARS_MAX, clean_optional_text};

/// The form as it was typed; its field names are the names beside which refusals stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OfferInput {
    /// `buy` or `sell`: what the maker does with bitcoin.
    pub side: String,
    pub currency: String,
    /// Ids of the maker's payment accounts.
    pub accounts: Vec<String>,
    /// `fixed` or `market`.
    pub pricing: String,
    pub price: String,
    pub percent: String,
    pub total: String,
    pub min: String,
    /// Empty: the total.
    pub max: String,
    /// Minutes; empty: what the ways to pay usually need.
    pub payment_window: String,
    /// Empty: one.
    pub confirmations: String,
    pub terms: String,
}

/// An offer that can be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferDraft {
    pub side: Side,
    pub currency: Currency,
    pub accounts: Vec<OfferAccount>,
    pub pricing: Pricing,
    pub total: Fiat,
    pub min: Fiat,
    pub max: Fiat,
    pub payment_window_minutes: u32,
    pub confirmations: u32,
    pub terms: String,
}

impl OfferDraft {
    /// Reads a form; `own` are the maker's payment accounts, `rate` the one of the currency if it is fresh.
    /// Everything that is wrong is said at once.
    pub fn read(input: &OfferInput, own: &[OfferAccount], rate: Option<&Rate>) -> Result<Self, Refusal> {
        let mut problems = Problems::default();
        let side = problems.check("side", read_side(&input.side));
        let currency = problems.check("currency", Currency::parse(&input.currency));
        let accounts = problems.check("accounts", read_accounts(&input.accounts, own, currency));
        let terms = problems.check("terms", clean_optional_text(&input.terms, TERMS_CHARS_MAX));
        let confirmations = problems.check("confirmations", read_confirmations(&input.confirmations));
        let window = accounts
            .as_ref()
            .and_then(|accounts| problems.check("payment_window", read_window(&input.payment_window, accounts)));
        let priced = currency.and_then(|currency| {
            let pricing = read_pricing(input, currency, &mut problems);
            let limits = read_limits(input, currency, &mut problems);
            check_worth(limits?, pricing?, currency, rate, &mut problems)
        });
        problems.ok()?;
        let draft = || {
            let (pricing, limits) = priced?;
            Some(Self {
                side: side?,
                currency: currency?,
                accounts: accounts?,
                pricing,
                total: limits.total,
                min: limits.min,
                max: limits.max,
                payment_window_minutes: window?,
                confirmations: confirmations?,
                terms: terms?,
            })
        };
        draft().ok_or_else(|| Refusal::invalid("Something is missing in this offer."))
    }
}

fn read_side(text: &str) -> Result<Side, &'static str> {
    match text {
        "buy" => Ok(Side::Buyer),
        "sell" => Ok(Side::Seller),
        _ => Err("Choose whether you buy or sell bitcoin."),
    }
}

fn read_accounts(
    chosen: &[String],
    own: &[OfferAccount],
    currency: Option<Currency>,
) -> Result<Vec<OfferAccount>, String> {
    let mut accounts: Vec<OfferAccount> = Vec::new();
    for id in chosen.iter().filter(|id| !id.is_empty()) {
        let account = own.iter().find(|account| account.account.to_string() == *id);
        let account = *account.ok_or("Choose from your own payment accounts.")?;
        let method = account.method.method();
        if currency.is_some_and(|currency| !method.currencies.includes(&currency)) {
            return Err(format!("{} does not carry this currency.", method.label));
        }
        if accounts.iter().any(|other| other.method == account.method) {
            return Err(format!("{} is chosen twice. One account for each way to pay.", method.label));
        }
        accounts.push(account);
    }
    match accounts.len() {
        0 => Err("Choose at least one payment account.".to_owned()),
        1..=OFFER_ACCOUNTS_MAX => Ok(accounts),
        _ => Err(format!("Choose at most {OFFER_ACCOUNTS_MAX} payment accounts.")),
    }
}

fn read_confirmations(text: &str) -> Result<u32, String> {
    if text.trim().is_empty() {
        return Ok(1);
    }
    read_whole(text)
        .filter(|count| (1..=CONFIRMATIONS_MAX).contains(count))
        .ok_or(format!("From 1 to {CONFIRMATIONS_MAX} confirmations."))
}

/// The window has to be one that the slowest of the ways to pay allows.
fn read_window(text: &str, accounts: &[OfferAccount]) -> Result<u32, String> {
    let methods = || accounts.iter().map(|account| account.method.method());
    let usual = methods().map(|method| method.payment_window_minutes).max().unwrap_or(PAYMENT_WINDOW_MINUTES_MIN);
    let longest = methods().map(|method| method.payment_window_minutes_max).max().unwrap_or(usual);
    if text.trim().is_empty() {
        return Ok(usual);
    }
    read_whole(text)
        .filter(|minutes| (PAYMENT_WINDOW_MINUTES_MIN..=longest).contains(minutes))
        .ok_or(format!("From {PAYMENT_WINDOW_MINUTES_MIN} to {longest} minutes for these ways to pay."))
}

fn read_whole(text: &str) -> Option<u32> {
    typed::parse_decimal(text, 0).ok().and_then(|number| u32::try_from(number).ok())
}

fn read_pricing(input: &OfferInput, currency: Currency, problems: &mut Problems) -> Option<Pricing> {
    match input.pricing.as_str() {
        "fixed" => problems.check("price", Pricing::parse_fixed(&input.price, currency)),
        "market" => problems.check("percent", Pricing::parse_market(&input.percent)),
        _ => {
            problems.add("pricing", "Choose a fixed price or a percentage of the market.");
            None
        }
    }
}

#[derive(Clone, Copy)]
struct Limits {
    total: Fiat,
    min: Fiat,
    max: Fiat,
}

fn read_limits(input: &OfferInput, currency: Currency, problems: &mut Problems) -> Option<Limits> {
    let total = problems.check("total", Fiat::parse(&input.total, currency));
    let min = problems.check("min", Fiat::parse(&input.min, currency));
    let max = match input.max.trim() {
        "" => total,
        typed => problems.check("max", Fiat::parse(typed, currency)),
    };
    let limits = Limits { total: total?, min: min?, max: max? };
    if limits.max > limits.total {
        problems.add("max", "The upper limit cannot be more than the total.");
        return None;
    }
    if limits.min > limits.max {
        problems.add("min", "The lower limit cannot be more than the upper limit.");
        return None;
    }
    Some(limits)
}

/// Both limits have to be amounts that the desk trades, as far as the price is known now.
fn check_worth(
    limits: Limits,
    pricing: Pricing,
    currency: Currency,
    rate: Option<&Rate>,
    problems: &mut Problems,
) -> Option<(Pricing, Limits)> {
    let price: Option<Decimal> = pricing.effective_price(currency, rate);
    for (field, limit) in [("min", limits.min), ("max", limits.max)] {
        if let Some(worth) = price.and_then(|price| sats_for(limit, price)) {
            problems.check(field, check_trade_amount(worth));
        }
    }
    Some((pricing, limits))
}
