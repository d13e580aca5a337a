//! What a filled-in field must be, kind by kind. Each check gives the value in its one normal form.

use super::FieldKind;
use super::{banks, iban, pix};
use crate::domain::text::{TextRefusal, clean_line};

/// Letters of a name, a city, an address, a note: a line on a form, not a letter.
const NAME_CHARS_MAX: usize = 70;
const CITY_CHARS_MAX: usize = 60;
const ADDRESS_CHARS_MAX: usize = 200;
const TEXT_CHARS_MAX: usize = 200;

/// The longest address of a mailbox (RFC 5321).
const EMAIL_CHARS_MAX: usize = 254;

/// Why a field's value is refused; each says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckRefusal {
    #[error(transparent)]
    Text(#[from] TextRefusal),
    #[error("{0}")]
    Shape(&'static str),
    #[error("An IBAN of {country} has {expected} characters; this one has {given}.")]
    IbanLength { country: String, expected: usize, given: usize },
    #[error("This way to pay does not reach accounts of {0}.")]
    IbanNotServed(String),
    #[error("The check digits do not fit: look for a slip.")]
    CheckDigits,
}

pub(super) type Checked = Result<String, CheckRefusal>;

/// Checks a value that is not empty.
pub(super) fn check(kind: FieldKind, text: &str) -> Checked {
    match kind {
        FieldKind::Iban => iban::iban(text),
        FieldKind::Bic => banks::bic(text),
        FieldKind::Phone => phone(text),
        FieldKind::Email => email(text),
        FieldKind::EmailOrPhone if text.contains('@') => email(text),
        FieldKind::EmailOrPhone => phone(text),
        FieldKind::SortCode => banks::sort_code(text),
        FieldKind::UkAccount => banks::uk_account(text),
        FieldKind::UsRouting => banks::us_routing(text),
        FieldKind::UsAccount => banks::us_account(text),
        FieldKind::Clabe => banks::clabe(text),
        FieldKind::Bsb => banks::bsb(text),
        FieldKind::AuAccount => banks::au_account(text),
        FieldKind::Ifsc => banks::ifsc(text),
        FieldKind::Upi => upi(text),
        FieldKind::Pix => pix::pix(text),
        FieldKind::Cbu => banks::cbu(text),
        FieldKind::AccountNumber => banks::account_number(text),
        FieldKind::Name => name(text),
        FieldKind::Handle => handle(text),
        FieldKind::Address => Ok(clean_line(text, ADDRESS_CHARS_MAX)?),
        FieldKind::City => city(text),
        FieldKind::Text => Ok(clean_line(text, TEXT_CHARS_MAX)?),
    }
}

/// Drops blanks, dots, hyphens and slashes between characters; what is left must be ASCII letters and digits.
pub(super) fn compact(text: &str, refusal: &'static str) -> Checked {
    let compact: String = text.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '-' | '.' | '/')).collect();
    if compact.is_empty() || compact.len() > 40 || !compact.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(CheckRefusal::Shape(refusal));
    }
    Ok(compact.to_ascii_uppercase())
}

/// The values of the digits, if there are only digits and as many as allowed.
pub(super) fn digits(
    text: &str,
    counts: std::ops::RangeInclusive<usize>,
    refusal: &'static str,
) -> Result<Vec<u32>, CheckRefusal> {
    let compact = compact(text, refusal)?;
    let digits: Option<Vec<u32>> = compact.chars().map(|c| c.to_digit(10)).collect();
    digits.filter(|digits| counts.contains(&digits.len())).ok_or(CheckRefusal::Shape(refusal))
}

/// The sum of digits, each times its weight; the weights repeat.
pub(super) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights.iter().cycle()).map(|(digit, weight)| digit * weight).sum()
}

/// Digits as text again.
pub(super) fn written(digits: &[u32]) -> String {
    digits.iter().filter_map(|digit| char::from_digit(*digit, 10)).collect()
}

/// A telephone number in full (E.164): plus, country code, at most 15 digits.
pub(super) fn phone(text: &str) -> Checked {
    const WORDS: &str = "Write the number in full, with + and the country code: +49 151 23456789.";
    let compact: String = text.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '-' | '.' | '/' | '(' | ')')).collect();
    let digits = compact.strip_prefix('+').or_else(|| compact.strip_prefix("00")).ok_or(CheckRefusal::Shape(WORDS))?;
    let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fits && !digits.starts_with('0') { Ok(format!("+{digits}")) } else { Err(CheckRefusal::Shape(WORDS)) }
}

/// A mailbox in the plain form that real ones have: no quotes, no comments, a domain with a dot.
pub(super) fn email(text: &str) -> Checked {
    const WORDS: &str = "Write a mail address, like name@example.org.";
    let refused = || CheckRefusal::Shape(WORDS);
    let (local, domain) = text.split_once('@').ok_or_else(refused)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&b);
    let local_fits = (1..=64).contains(&local.len())
        && local.bytes().all(plain)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = domain.rsplit('.').next().unwrap_or_default();
    let domain_fits = domain.contains('.')
        && domain.split('.').all(label_fits)
        && last.len() >= 2
        && !last.bytes().all(|b| b.is_ascii_digit());
    if !local_fits || !domain_fits || text.len() > EMAIL_CHARS_MAX {
        return Err(refused());
    }
    Ok(format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// A virtual payment address of UPI: `name@bank`, no dot behind the at sign.
fn upi(text: &str) -> Checked {
    const WORDS: &str = "Write a UPI id, like name@okbank.";
    let fits = |part: &str, min: usize, max: usize, more: &[u8]| {
        (min..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    match text.split_once('@') {
        Some((name, bank)) if fits(name, 2, 256, b".-_") && fits(bank, 2, 64, b"") && bank.len() > 1 => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(CheckRefusal::Shape(WORDS)),
    }
}

/// A person's full name: at least two words, letters of any script, no digits.
fn name(text: &str) -> Checked {
    const WORDS: &str = "Write first and last name, as the bank knows them.";
    let name = clean_line(text, NAME_CHARS_MAX)?;
    let letters_only = name.chars().all(|c| c.is_alphabetic() || is_mark(c) || " '’.-,·&".contains(c));
    let words = name.split(' ').filter(|word| word.chars().any(char::is_alphabetic)).count();
    // Scripts that write names without a blank between them.
    let unspaced = name.chars().filter(|c| ('\u{2e80}'..='\u{d7ff}').contains(c)).count() >= 2;
    if letters_only && (words >= 2 || unspaced) { Ok(name) } else { Err(CheckRefusal::Shape(WORDS)) }
}

/// Marks that go with letters in Indic, Thai, Hebrew and Arabic names and are not letters themselves.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{65f}' | '\u{900}'..='\u{e4e}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17d3}' | '\u{200c}' | '\u{200d}')
        && !letter.is_numeric()
}

/// The name of an account with a wallet service: `@anna`, `$anna`, `anna.k-1`.
fn handle(text: &str) -> Checked {
    const WORDS: &str = "Write the user name of the service: letters, digits, . _ - and an @, $ or £ in front.";
    let line = clean_line(text, 64)?;
    let bare = line.strip_prefix(['@', '$', '£']).unwrap_or(&line);
    let fits = bare.len() >= 2 && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@+".contains(&b));
    if fits { Ok(line) } else { Err(CheckRefusal::Shape(WORDS)) }
}

fn city(text: &str) -> Checked {
    let city = clean_line(text, CITY_CHARS_MAX)?;
    if city.chars().filter(|c| c.is_alphabetic()).count() < 2 {
        return Err(CheckRefusal::Shape("Write the name of a city."));
    }
    Ok(city)
}
