//! Keys of Brazil's PIX: a person's CPF, a company's CNPJ, a telephone number, a mail address, or a random key.

use super::checks::{CheckRefusal, Checked, digits, email, phone, weighted, written};

const WORDS: &str =
    "A PIX key is a CPF (11 digits), a CNPJ (14 digits), a telephone number with +55, a mail address or a random key.";

pub(super) fn pix(text: &str) -> Checked {
    let text = text.trim();
    if text.contains('@') {
        return email(text).map(|address| address.to_ascii_lowercase());
    }
    if text.starts_with('+') {
        return mobile(text);
    }
    if text.len() == 36 {
        let key = uuid::Uuid::try_parse(text).map_err(|_| CheckRefusal::Shape(WORDS))?;
        return Ok(key.hyphenated().to_string());
    }
    let number = digits(text, 11..=14, WORDS)?;
    let fits = match number.len() {
        11 => checks_out(&number, &[10, 9, 8, 7, 6, 5, 4, 3, 2], &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]),
        14 => checks_out(&number, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]),
        _ => return Err(CheckRefusal::Shape(WORDS)),
    };
    if fits { Ok(written(&number)) } else { Err(CheckRefusal::CheckDigits) }
}

/// A telephone number of Brazil.
fn mobile(text: &str) -> Checked {
    let number = phone(text)?;
    let fits = number.starts_with("+55") && matches!(number.len(), 13 | 14);
    if fits { Ok(number) } else { Err(CheckRefusal::Shape(WORDS)) }
}

/// Two check digits, each from all digits before it; eleven times the same digit passes the sums but is nobody's.
fn checks_out(number: &[u32], first: &[u32], second: &[u32]) -> bool {
    let digit = |weights: &[u32]| {
        let body = number.get(..weights.len()).unwrap_or_default();
        match weighted(body, weights) % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        }
    };
    let all_same = number.iter().all(|digit| number.first() == Some(digit));
    !all_same && number.get(first.len()) == Some(&digit(first)) && number.get(second.len()) == Some(&digit(second))
}
