//! Amounts as people read them: groups of three with a narrow blank between them that no line breaks at. What is typed
//! back with it is understood.

use bitcoin::{Amount, Denomination};

use super::Fiat;

/// Between groups of digits: a narrow no-break space.
const GAP: char = '\u{202f}';

/// Between a sum and its unit: a no-break space.
const BEFORE_UNIT: char = '\u{a0}';

/// Bitcoin with eight decimals in groups: `0.00 856 214`, `1 234.50 000 000`.
pub fn btc_grouped(amount: Amount) -> String {
    let plain = btc_plain(amount);
    let (whole, decimals) = plain.split_once('.').unwrap_or((plain.as_str(), "00000000"));
    let (first, rest) = decimals.split_at_checked(2).unwrap_or((decimals, ""));
    let mut text = format!("{}.{first}", grouped(whole));
    for (place, digit) in rest.chars().enumerate() {
        if place % 3 == 0 {
            text.push(GAP);
        }
        text.push(digit);
    }
    text
}

/// `0.00 856 214 BTC`
pub fn btc_words(amount: Amount) -> String {
    format!("{}{BEFORE_UNIT}BTC", btc_grouped(amount))
}

/// `58 712.20 EUR`
pub fn fiat_words(fiat: Fiat) -> String {
    format!("{}{BEFORE_UNIT}{}", fiat_grouped(fiat), fiat.currency())
}

/// Bitcoin with eight decimals, for copying: `0.00856214`.
pub fn btc_plain(amount: Amount) -> String {
    format!("{:.8}", amount.display_in(Denomination::Bitcoin))
}

/// Satoshis in groups: `856 214`.
pub fn sats_grouped(amount: Amount) -> String {
    grouped(&amount.to_sat().to_string())
}

/// Fiat with its currency's decimals, in groups: `58 712.20`.
pub fn fiat_grouped(fiat: Fiat) -> String {
    let plain = fiat.plain();
    match plain.split_once('.') {
        Some((whole, decimals)) => format!("{}.{decimals}", grouped(whole)),
        None => grouped(&plain),
    }
}

/// Digits in groups of three, counted from the right.
fn grouped(digits: &str) -> String {
    let count = digits.chars().count();
    let mut text = String::with_capacity(count + count / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (count - place).is_multiple_of(3) {
            text.push(GAP);
        }
        text.push(digit);
    }
    text
}
