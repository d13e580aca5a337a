//! International bank account numbers (ISO 13616): length by country, remainder 1 modulo 97.

use super::checks::{CheckRefusal, Checked, compact};

/// Characters of an IBAN by country, from the SWIFT registry (release 99).
const LENGTHS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// The IBAN without blanks, in capitals.
pub(super) fn iban(text: &str) -> Checked {
    const WORDS: &str = "An IBAN begins with two letters and two digits, like DE89 3704 0044 0532 0130 00.";
    let iban = compact(text, WORDS)?;
    let (country, check) = (iban.get(..2).unwrap_or_default(), iban.get(2..4).unwrap_or_default());
    let letters = country.bytes().all(|b| b.is_ascii_uppercase());
    if country.len() != 2 || check.len() != 2 || !letters || !check.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CheckRefusal::Shape(WORDS));
    }
    let expected = LENGTHS
        .iter()
        .find(|(_, countries)| countries.split(' ').any(|one| one == country))
        .map(|(length, _)| *length)
        .ok_or(CheckRefusal::Shape("This country has no IBANs."))?;
    if iban.len() != expected {
        return Err(CheckRefusal::IbanLength { country: country.to_owned(), expected, given: iban.len() });
    }
    if remainder_97(&iban) == Some(1) { Ok(iban) } else { Err(CheckRefusal::CheckDigits) }
}

/// The first four characters moved to the end, letters counted from A = 10, modulo 97.
fn remainder_97(iban: &str) -> Option<u32> {
    let (head, tail) = iban.split_at_checked(4)?;
    tail.chars().chain(head.chars()).try_fold(0, |rest, letter| {
        let value = letter.to_digit(36)?;
        Some((rest * if value < 10 { 10 } else { 100 } + value) % 97)
    })
}
