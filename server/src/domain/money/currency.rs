//! Currencies that people really pay with; funds, metals, test codes and retired money are left out.

use std::fmt;
use std::str::FromStr;

use iso_currency::IntoEnumIterator;
use serde::{Deserialize, Serialize};

/// A currency of ISO 4217 that is money in use.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(iso_currency::Currency);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Choose a currency by its three letters, like EUR.")]
pub struct NotACurrency;

/// Codes of ISO 4217 that nobody can send: units of account, funds, and money that is no longer issued.
const NOT_MONEY: [&str; 14] =
    ["BOV", "CHE", "CHW", "CLF", "COU", "CUC", "HRK", "MXV", "SLL", "SVC", "USN", "UYI", "UYW", "ZWL"];

/// Of the codes with an X in front, the few that are money of a group of countries.
const SHARED_MONEY: [&str; 5] = ["XAF", "XCD", "XCG", "XOF", "XPF"];

impl Currency {
    pub const EUR: Self = Self(iso_currency::Currency::EUR);
    pub const USD: Self = Self(iso_currency::Currency::USD);
    pub const GBP: Self = Self(iso_currency::Currency::GBP);
    pub const CHF: Self = Self(iso_currency::Currency::CHF);
    pub const JPY: Self = Self(iso_currency::Currency::JPY);
    pub const KWD: Self = Self(iso_currency::Currency::KWD);

    /// Every currency a desk can deal in, by code.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = iso_currency::Currency::iter().map(Self).filter(|c| c.is_money()).collect();
        all.sort_by_key(|currency| currency.code());
        all
    }

    /// Three letters, large or small.
    pub fn parse(text: &str) -> Result<Self, NotACurrency> {
        iso_currency::Currency::from_code(&text.trim().to_ascii_uppercase())
            .map(Self)
            .filter(|currency| currency.is_money())
            .ok_or(NotACurrency)
    }

    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// The English name: "Euro".
    pub fn name(self) -> String {
        self.0.name().to_owned()
    }

    pub fn symbol(self) -> String {
        self.0.symbol().symbol
    }

    /// Decimals: JPY 0, EUR 2, KWD 3.
    pub fn digits(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }

    fn is_money(self) -> bool {
        let code = self.code();
        !NOT_MONEY.contains(&code) && (!code.starts_with('X') || SHARED_MONEY.contains(&code))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        Self::parse(text)
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}
