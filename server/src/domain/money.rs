//! Money: real currencies, fiat amounts that know their currency, bitcoin amounts within the desk's limits.
//!
//! An amount is never a bare number here. [`typed`] reads what people type, [`shown`] writes what they read.

mod currency;
pub mod shown;
pub mod typed;

use std::cmp::Ordering;
use std::fmt;

use bitcoin::Amount;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use currency::{Currency, NotACurrency};
pub use shown::{btc_grouped, btc_plain, btc_words, fiat_grouped, fiat_words, sats_grouped};
pub use typed::{NumberRefusal, parse_btc, parse_decimal, parse_percent, parse_sats};

use super::refusal::Refusal;

/// The smallest trade, in satoshis: below it fees and dust eat the payout.
pub const AMOUNT_SATS_MIN: u64 = 20_000;

/// The largest trade, in satoshis (10 BTC): more belongs into several trades.
pub const AMOUNT_SATS_MAX: u64 = 1_000_000_000;

/// An output below this many satoshis is dust: nodes do not relay it (P2PKH at 3 sat/vB, the highest of all kinds).
pub const DUST_SATS: u64 = 546;

/// The largest fiat amount, in whole units: 10 BTC in the weakest currency still fit, and sums stay exact.
pub const FIAT_UNITS_MAX: u64 = 10_000_000_000_000;

/// The highest price of one bitcoin, in whole units of a currency.
pub const PRICE_UNITS_MAX: u64 = 1_000_000_000_000;

/// A trade's bitcoin amount within the desk's limits.
pub fn check_trade_amount(amount: Amount) -> Result<Amount, AmountRefusal> {
    match amount.to_sat() {
        0..AMOUNT_SATS_MIN => Err(AmountRefusal::TooSmall),
        AMOUNT_SATS_MIN..=AMOUNT_SATS_MAX => Ok(amount),
        _ => Err(AmountRefusal::TooLarge),
    }
}

/// Why an amount cannot be traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountRefusal {
    #[error("The smallest trade is {}.", btc_words(Amount::from_sat(AMOUNT_SATS_MIN)))]
    TooSmall,
    #[error("The largest trade is {}.", btc_words(Amount::from_sat(AMOUNT_SATS_MAX)))]
    TooLarge,
}

/// An amount of a currency: not negative, no more decimals than the currency has, at most [`FIAT_UNITS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PlainFiat", into = "PlainFiat")]
pub struct Fiat {
    amount: Decimal,
    currency: Currency,
}

/// Why a number is not an amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FiatRefusal {
    #[error("An amount cannot be negative.")]
    Negative,
    #[error("{0} has {digits}.", digits = decimals_in_words(.0.digits()))]
    TooManyDecimals(Currency),
    #[error("This amount is too large.")]
    TooLarge,
    #[error("Amounts of different currencies cannot be put together.")]
    OtherCurrency,
}

/// "no decimals", "at most 2 decimals".
pub(crate) fn decimals_in_words(digits: u32) -> String {
    match digits {
        0 => "no decimals".to_owned(),
        1 => "at most 1 decimal".to_owned(),
        n => format!("at most {n} decimals"),
    }
}

impl Fiat {
    pub fn new(amount: Decimal, currency: Currency) -> Result<Self, FiatRefusal> {
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(FiatRefusal::Negative);
        }
        if amount > Decimal::from(FIAT_UNITS_MAX) {
            return Err(FiatRefusal::TooLarge);
        }
        let mut exact = amount.normalize();
        if exact.scale() > currency.digits() {
            return Err(FiatRefusal::TooManyDecimals(currency));
        }
        exact.rescale(currency.digits());
        Ok(Self { amount: exact, currency })
    }

    pub fn zero(currency: Currency) -> Self {
        Self { amount: Decimal::ZERO, currency }
    }

    /// Reads an amount as people type it; zero is refused.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, Refusal> {
        let amount = typed::parse_positive(text, currency.digits()).map_err(|e| Refusal::invalid(e.to_string()))?;
        Self::new(amount, currency).map_err(|e| Refusal::invalid(e.to_string()))
    }

    pub fn amount(self) -> Decimal {
        self.amount
    }

    pub fn currency(self) -> Currency {
        self.currency
    }

    pub fn is_zero(self) -> bool {
        self.amount.is_zero()
    }

    pub fn checked_add(self, other: Self) -> Result<Self, FiatRefusal> {
        self.same_currency(other)?;
        let sum = self.amount.checked_add(other.amount).ok_or(FiatRefusal::TooLarge)?;
        Self::new(sum, self.currency)
    }

    /// What is left; less than nothing is refused.
    pub fn checked_sub(self, other: Self) -> Result<Self, FiatRefusal> {
        self.same_currency(other)?;
        let rest = self.amount.checked_sub(other.amount).ok_or(FiatRefusal::TooLarge)?;
        Self::new(rest, self.currency)
    }

    /// What is left, or nothing.
    pub fn saturating_sub(self, other: Self) -> Self {
        self.checked_sub(other).unwrap_or(Self::zero(self.currency))
    }

    /// As it stands in a form's field: like [`plain`](Self::plain), with a zero more where three decimals could be read
    /// as thousands (`1.5000`).
    pub fn in_field(self) -> String {
        self.plain() + if self.currency.digits() == 3 { "0" } else { "" }
    }

    /// Exactly the currency's decimals, no groups: for contracts and copies (`58712.20`).
    pub fn plain(self) -> String {
        let digits = usize::try_from(self.currency.digits()).unwrap_or_default();
        format!("{:.digits$}", self.amount)
    }

    /// In groups of three, for reading (`58 712.20`).
    pub fn grouped(self) -> String {
        fiat_grouped(self)
    }

    fn same_currency(self, other: Self) -> Result<(), FiatRefusal> {
        if self.currency == other.currency { Ok(()) } else { Err(FiatRefusal::OtherCurrency) }
    }
}

/// Only amounts of one currency can be compared.
impl PartialOrd for Fiat {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.currency == other.currency).then(|| self.amount.cmp(&other.amount))
    }
}

/// `58 712.20 EUR`
impl fmt::Display for Fiat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&fiat_words(*self))
    }
}

/// The form in which [`Fiat`] is written down; read back through [`Fiat::new`].
#[derive(Serialize, Deserialize)]
struct PlainFiat {
    amount: Decimal,
    currency: Currency,
}

impl TryFrom<PlainFiat> for Fiat {
    type Error = FiatRefusal;

    fn try_from(plain: PlainFiat) -> Result<Self, FiatRefusal> {
        Self::new(plain.amount, plain.currency)
    }
}

impl From<Fiat> for PlainFiat {
    fn from(fiat: Fiat) -> Self {
        Self { amount: fiat.amount, currency: fiat.currency }
    }
}

#[cfg(test)]
mod tests;
