//! Sums, prices and spans as people read them.

use bitcoin::Amount;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::desk::secrets::sha256;
use crate::domain::methods::{Method, Risk};
use crate::domain::money::{btc_words, sats_grouped};
use crate::domain::reputation::{IDENTICON_CELLS, Identicon};
use crate::domain::{Currency, Fiat};

/// An amount in the reader's unit: `0.00 856 214 BTC` or `856 214 sat`.
pub fn bitcoin(amount: Amount, unit: &str) -> String {
    match unit {
        "sat" => format!("{}\u{a0}sat", sats_grouped(amount)),
        _ => btc_words(amount),
    }
}

/// Two limits in short: `0.0017 – 0.0425 BTC`, `170 200 – 4 250 000 sat`.
pub fn bitcoin_range(low: Amount, high: Amount, unit: &str) -> String {
    if unit == "sat" {
        return format!("{} – {}\u{a0}sat", sats_grouped(low), sats_grouped(high));
    }
    let short = |amount: Amount| {
        let whole = Decimal::from(amount.to_sat()) / Decimal::from(100_000_000);
        format!("{:.4}", whole.round_dp(4))
    };
    format!("{} – {}\u{a0}BTC", short(low), short(high))
}

/// A sum without its currency, and without decimals that are all zero: `2 500`, `99.50`.
pub fn plain_sum(fiat: Fiat) -> String {
    let grouped = fiat.grouped();
    match grouped.split_once('.') {
        Some((whole, decimals)) if decimals.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => grouped,
    }
}

/// A price with the currency's decimals: `58 712.20`.
pub fn price(price: Decimal, currency: Currency) -> String {
    Fiat::new(price, currency).map_or_else(|_| price.to_string(), Fiat::grouped)
}

/// A percentage with its sign: `+0.5 %`, `−1.25 %`.
pub fn signed_percent(percent: Decimal) -> String {
    let size = percent.abs().normalize();
    let size = if size.scale() == 0 { format!("{size}.0") } else { size.to_string() };
    let sign = match percent {
        p if p.is_zero() => "±",
        p if p.is_sign_negative() => "−",
        _ => "+",
    };
    format!("{sign}{size} %")
}

/// A span of minutes: `45 min`, `1 h`, `24 h`, `5 d`, `1 h 30 min`.
pub fn minutes(count: u32) -> String {
    match (count / 60, count % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) if hours >= 48 && hours % 24 == 0 => format!("{} d", hours / 24),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// An IBAN in groups of four, as banks print it; anything else as it is.
pub fn account_number(value: &str) -> String {
    let (letters, digits) = (value.chars().take(2), value.chars().skip(2).take(2));
    let is_iban = (15..=34).contains(&value.len())
        && value.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        && letters.into_iter().all(|c| c.is_ascii_uppercase())
        && digits.into_iter().all(|c| c.is_ascii_digit());
    if !is_iban {
        return value.to_owned();
    }
    let mut text = String::new();
    for (place, c) in value.chars().enumerate() {
        if place > 0 && place % 4 == 0 {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

/// Labels and values of payment details, for reading.
pub fn account_rows(rows: &[(String, String)]) -> Vec<(String, String)> {
    rows.iter().map(|(label, value)| (label.clone(), account_number(value))).collect()
}

/// How long ago: `40 s ago`, `3 h ago`.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.duration_since(then).as_secs() {
        ..=1 => "just now".into(),
        seconds @ 2..=119 => format!("{seconds} s ago"),
        seconds @ 120..=7199 => format!("{} min ago", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

/// `1 offer`, `3 offers`.
pub fn counted(count: i64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// One choice of a list.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    pub value: String,
    pub label: String,
}

impl Choice {
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into() }
    }
}

/// A place to go, named.
#[derive(Debug, Clone, Serialize)]
pub struct Way {
    pub href: String,
    pub label: String,
}

impl Way {
    pub fn new(href: impl Into<String>, label: impl Into<String>) -> Self {
        Self { href: href.into(), label: label.into() }
    }
}

/// A way to pay as a tag: its name, and why to take care, if so.
#[derive(Debug, Clone, Serialize)]
pub struct MethodTag {
    pub label: String,
    /// `reversible`, `slow`, or empty.
    pub risk: &'static str,
}

impl From<&'static Method> for MethodTag {
    fn from(method: &'static Method) -> Self {
        Self { label: method.label.clone(), risk: method.risk.map_or("", Risk::as_str) }
    }
}

/// The picture that belongs to a name, as the fill and the path of an SVG of 5 by 5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Face {
    pub hue: u16,
    pub path: String,
}

impl Face {
    pub fn of(name: &str) -> Self {
        let icon = Identicon::from_digest(&sha256(name));
        let filled = |column: u8, row: u8| column < IDENTICON_CELLS && icon.cells.contains(&(column, row));
        let mut path = String::new();
        // Neighbours in a row are one rectangle.
        for row in 0..IDENTICON_CELLS {
            let starts = (0..IDENTICON_CELLS).filter(|c| filled(*c, row) && !(*c > 0 && filled(c - 1, row)));
            for start in starts {
                let width = (start..IDENTICON_CELLS).take_while(|c| filled(*c, row)).count();
                path.push_str(&format!("M{start} {row}h{width}v1H{start}z"));
            }
        }
        Self { hue: icon.hue_degrees, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn sums_are_short_where_nothing_is_lost() {
        let eur = |text: &str| Fiat::new(decimal(text), Currency::EUR).unwrap();
        assert_eq!([plain_sum(eur("2500")), plain_sum(eur("99.5"))], ["2\u{202f}500", "99.50"]);
        assert_eq!(price(decimal("58712.2"), Currency::EUR), "58\u{202f}712.20");
        let sat = Amount::from_sat;
        assert_eq!(bitcoin(sat(856_214), "btc"), "0.00\u{202f}856\u{202f}214\u{a0}BTC");
        assert_eq!(bitcoin_range(sat(170_200), sat(4_250_000), "btc"), "0.0017 – 0.0425\u{a0}BTC");
        assert_eq!(
            bitcoin_range(sat(170_200), sat(4_250_000), "sat"),
            "170\u{202f}200 – 4\u{202f}250\u{202f}000\u{a0}sat"
        );
    }

    #[test]
    fn an_iban_is_read_in_groups_of_four() {
        assert_eq!(account_number("DE89370400440532013000"), "DE89 3704 0044 0532 0130 00");
        for other in ["sol-sells Example", "DE89", "+4915112345678", "SALARYACCOUNTNUMBER1"] {
            assert_eq!(account_number(other), other);
        }
    }

    #[test]
    fn percentages_have_a_sign_in_words_a_screen_reader_says() {
        let shown = |text| signed_percent(decimal(text));
        assert_eq!([shown("0.50"), shown("-1"), shown("0"), shown("1.25")], ["+0.5 %", "−1.0 %", "±0.0 %", "+1.25 %"]);
    }

    #[test]
    fn spans_are_told_in_the_largest_unit_that_fits() {
        assert_eq!([45, 60, 90, 1440, 7200].map(minutes), ["45 min", "1 h", "1 h 30 min", "24 h", "5 d"]);
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let told = |seconds| ago(at(0), at(seconds));
        assert_eq!(
            [told(0), told(40), told(300), told(7200), told(172_800)],
            ["just now", "40 s ago", "5 min ago", "2 h ago", "2 days ago"]
        );
    }
}
