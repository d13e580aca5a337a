//! Numbers as people type them.
//!
//! `.` and `,` both work as the decimal point, and blanks and apostrophes as groups. Where a text can be read in two
//! ways it is refused with both, because a wrong guess is wrong by a factor of a thousand.

use bitcoin::{Amount, Denomination};
use rust_decimal::Decimal;

use super::decimals_in_words;

/// Longer texts are no number a person means.
const TYPED_CHARS_MAX: usize = 40;

/// Digits before the decimal point: more than any amount here needs, and products still fit a [`Decimal`].
const WHOLE_DIGITS_MAX: usize = 15;

/// Decimals of one bitcoin.
const BTC_DECIMALS: u32 = 8;

/// Decimals of a percent.
const PERCENT_DECIMALS: u32 = 2;

/// Why a text is not a number; each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberRefusal {
    #[error("Fill in a number.")]
    Empty,
    #[error("Write a plain number, like 1250.50.")]
    NotANumber,
    #[error("Use the plain digits 0 to 9.")]
    OtherDigits,
    #[error("This cannot be negative.")]
    Negative,
    #[error("This must be more than zero.")]
    Zero,
    #[error("“{typed}” can be read as {first} or as {second}. Write it in one of these two ways.")]
    TwoReadings { typed: String, first: String, second: String },
    #[error("There may be {} here.", decimals_in_words(*.0))]
    TooManyDecimals(u32),
    #[error("This number is too large.")]
    TooLarge,
}

/// A number that is not negative, with at most so many decimals.
pub fn parse_decimal(text: &str, max_decimals: u32) -> Result<Decimal, NumberRefusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(NumberRefusal::Empty);
    }
    if text.chars().count() > TYPED_CHARS_MAX {
        return Err(NumberRefusal::TooLarge);
    }
    if text.starts_with(['-', '−']) {
        return Err(NumberRefusal::Negative);
    }
    let (whole, decimals) = split(text)?;
    let whole = whole.trim_start_matches('0');
    if whole.len() > WHOLE_DIGITS_MAX {
        return Err(NumberRefusal::TooLarge);
    }
    let limit = usize::try_from(max_decimals).unwrap_or(usize::MAX);
    // Zeros behind the last decimal say nothing, and `1.2340` is how to tell 1.234 from 1 234; but 9 are a slip.
    let meant = if decimals.len() <= limit.max(4) { decimals.trim_end_matches('0') } else { decimals.as_str() };
    if meant.len() > limit {
        return Err(NumberRefusal::TooManyDecimals(max_decimals));
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let plain = if meant.is_empty() { whole.to_owned() } else { format!("{whole}.{meant}") };
    plain.parse().map_err(|_| NumberRefusal::NotANumber)
}

/// Like [`parse_decimal`], and zero is refused.
pub fn parse_positive(text: &str, max_decimals: u32) -> Result<Decimal, NumberRefusal> {
    let number = parse_decimal(text, max_decimals)?;
    if number.is_zero() { Err(NumberRefusal::Zero) } else { Ok(number) }
}

/// A percentage, two decimals, with an optional sign and percent mark: `+1.5`, `-0,75 %`.
pub fn parse_percent(text: &str) -> Result<Decimal, NumberRefusal> {
    let text = text.trim();
    let text = text.strip_suffix('%').unwrap_or(text).trim_end();
    let (negative, digits) = match text.strip_prefix(['-', '−']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.trim_start().starts_with(['-', '−', '+']) {
        return Err(NumberRefusal::NotANumber);
    }
    let size = parse_decimal(digits, PERCENT_DECIMALS)?;
    Ok(if negative && !size.is_zero() { -size } else { size })
}

/// An amount in bitcoin, eight decimals; zero is refused.
pub fn parse_btc(text: &str) -> Result<Amount, NumberRefusal> {
    let number = parse_positive(text, BTC_DECIMALS)?;
    let amount =
        Amount::from_str_in(&number.to_string(), Denomination::Bitcoin).map_err(|_| NumberRefusal::TooLarge)?;
    if amount > Amount::MAX_MONEY { Err(NumberRefusal::TooLarge) } else { Ok(amount) }
}

/// An amount in satoshis; zero is refused.
pub fn parse_sats(text: &str) -> Result<Amount, NumberRefusal> {
    let number = parse_positive(text, 0)?;
    let amount = u64::try_from(number).map(Amount::from_sat).map_err(|_| NumberRefusal::TooLarge)?;
    if amount > Amount::MAX_MONEY { Err(NumberRefusal::TooLarge) } else { Ok(amount) }
}

/// The digits before and after the decimal point.
fn split(text: &str) -> Result<(String, String), NumberRefusal> {
    let mut points: Vec<(usize, char)> = Vec::new();
    let mut digits = String::with_capacity(text.len());
    let mut grouped = false;
    for letter in text.chars() {
        match letter {
            '0'..='9' => digits.push(letter),
            '.' | ',' => points.push((digits.len(), letter)),
            ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\'' | '’' if !digits.is_empty() => grouped = true,
            other if other.is_numeric() => return Err(NumberRefusal::OtherDigits),
            _ => return Err(NumberRefusal::NotANumber),
        }
    }
    let Some((at, point)) = points.last().copied() else {
        return if digits.is_empty() { Err(NumberRefusal::NotANumber) } else { Ok((digits, String::new())) };
    };
    let (whole, decimals) = digits.split_at_checked(at).ok_or(NumberRefusal::NotANumber)?;
    if whole.is_empty() || decimals.is_empty() {
        return Err(NumberRefusal::NotANumber);
    }
    let again = points.iter().filter(|(_, other)| *other == point).count() > 1;
    // `0.005` and `1234.567` have one reading only: no thousand begins with a zero, or has four digits in one group.
    let is_group = !whole.starts_with('0') && (grouped || whole.len() <= 3);
    let one_of_three = points.len() == 1 && decimals.len() == 3 && is_group;
    if again || one_of_three {
        let exact = if decimals.len() == 3 { "0" } else { "" };
        return Err(NumberRefusal::TwoReadings {
            typed: text.to_owned(),
            first: digits.clone(),
            second: format!("{whole}.{decimals}{exact}"),
        });
    }
    Ok((whole.to_owned(), decimals.to_owned()))
}
