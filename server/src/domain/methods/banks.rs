//! Account numbers and bank codes of the countries that have their own, with the check digits they carry.

use super::checks::{CheckRefusal, Checked, compact, digits, weighted, written};

/// A bank identifier code (ISO 9362): four letters, a country, two characters, and perhaps three of a branch.
pub(super) fn bic(text: &str) -> Checked {
    const WORDS: &str = "A BIC has 8 or 11 characters, like DEUTDEFF or DEUTDEFF500.";
    let bic = compact(text, WORDS)?;
    let (bank, country) = (bic.get(..4).unwrap_or_default(), bic.get(4..6).unwrap_or_default());
    // Kosovo has a code in use that ISO 3166 has not assigned.
    let known = country == "XK" || rust_iso3166::from_alpha2(country).is_some();
    let fits = matches!(bic.len(), 8 | 11) && bank.bytes().all(|b| b.is_ascii_uppercase()) && known;
    if fits { Ok(bic) } else { Err(CheckRefusal::Shape(WORDS)) }
}

/// A sort code of the United Kingdom: six digits, written 20-00-00.
pub(super) fn sort_code(text: &str) -> Checked {
    let code = written(&digits(text, 6..=6, "A sort code has six digits, like 20-00-00.")?);
    let pair = |from: usize| code.get(from..from + 2).unwrap_or_default().to_owned();
    Ok([pair(0), pair(2), pair(4)].join("-"))
}

/// An account number of the United Kingdom: eight digits.
pub(super) fn uk_account(text: &str) -> Checked {
    Ok(written(&digits(text, 8..=8, "An account number has eight digits; put a zero in front of seven.")?))
}

/// A routing number of the United States: nine digits, weights 3 7 1 (ABA).
pub(super) fn us_routing(text: &str) -> Checked {
    let number = digits(text, 9..=9, "A routing number has nine digits.")?;
    let first = number.iter().take(2).fold(0, |all, digit| all * 10 + digit);
    // The districts of the Federal Reserve, thrifts, electronic and traveller's cheques.
    if !matches!(first, 1..=12 | 21..=32 | 61..=72 | 80) || !weighted(&number, &[3, 7, 1]).is_multiple_of(10) {
        return Err(CheckRefusal::CheckDigits);
    }
    Ok(written(&number))
}

/// An account number of the United States: four to seventeen digits, no check.
pub(super) fn us_account(text: &str) -> Checked {
    Ok(written(&digits(text, 4..=17, "An account number has 4 to 17 digits.")?))
}

/// A CLABE of Mexico: eighteen digits, weights 3 7 1 each modulo ten.
pub(super) fn clabe(text: &str) -> Checked {
    let number = digits(text, 18..=18, "A CLABE has eighteen digits.")?;
    let (body, check) = number.split_at(17);
    let sum: u32 = body.iter().zip([3, 7, 1].iter().cycle()).map(|(digit, weight)| (digit * weight) % 10).sum();
    if check.first() == Some(&((10 - sum % 10) % 10)) { Ok(written(&number)) } else { Err(CheckRefusal::CheckDigits) }
}

/// A bank-state-branch number of Australia: six digits, written 062-000.
pub(super) fn bsb(text: &str) -> Checked {
    let code = written(&digits(text, 6..=6, "A BSB has six digits, like 062-000.")?);
    Ok(format!("{}-{}", code.get(..3).unwrap_or_default(), code.get(3..).unwrap_or_default()))
}

/// An account number of Australia: five to ten digits.
pub(super) fn au_account(text: &str) -> Checked {
    Ok(written(&digits(text, 5..=10, "An account number has 5 to 10 digits.")?))
}

/// An IFSC of India: four letters, a zero, six characters.
pub(super) fn ifsc(text: &str) -> Checked {
    const WORDS: &str = "An IFSC has 11 characters, like HDFC0001234: four letters, a zero, six more.";
    let code = compact(text, WORDS)?;
    let bank = code.get(..4).unwrap_or_default();
    let fits = code.len() == 11 && bank.bytes().all(|b| b.is_ascii_uppercase()) && code.get(4..5) == Some("0");
    if fits { Ok(code) } else { Err(CheckRefusal::Shape(WORDS)) }
}

/// A CBU or CVU of Argentina: 22 digits in two blocks, each with its own check digit.
pub(super) fn cbu(text: &str) -> Checked {
    let number = digits(text, 22..=22, "A CBU or CVU has 22 digits.")?;
    let (bank, account) = number.split_at(8);
    let fits = |block: &[u32], weights: &[u32]| match block.split_last() {
        Some((check, body)) => *check == (10 - weighted(body, weights) % 10) % 10,
        None => false,
    };
    if fits(bank, &[7, 1, 3, 9]) && fits(account, &[3, 9, 7, 1]) {
        Ok(written(&number))
    } else {
        Err(CheckRefusal::CheckDigits)
    }
}

/// An account number where nothing more is known: 4 to 34 letters and digits, at least four of them digits.
pub(super) fn account_number(text: &str) -> Checked {
    const WORDS: &str = "An account number has 4 to 34 letters and digits.";
    let number = compact(text, WORDS)?;
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if (4..=34).contains(&number.len()) && digits >= 4 { Ok(number) } else { Err(CheckRefusal::Shape(WORDS)) }
}
