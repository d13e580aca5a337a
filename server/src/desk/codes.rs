//! Codes that people write down and type in again: Crockford base32 in groups of four. Only their hash is kept.

use super::secrets::{random, sha256};
use crate::domain::PublicRef;

/// A code for a person, and the hash to keep.
#[derive(Debug)]
pub struct Code {
    /// Like `7KQ2-M4XN-…`.
    pub text: String,
    pub hash: [u8; 32],
}

/// 160 random bits: 32 letters.
pub fn recovery() -> Code {
    make(&random::<20>())
}

/// 80 random bits: 16 letters. It opens nothing but the door to register, and only once.
pub fn invitation() -> Code {
    make(&random::<10>())
}

/// The hash of a code as typed: case, blanks and hyphens do not matter, look-alikes are forgiven.
pub fn hash(typed: &str) -> [u8; 32] {
    let letters = typed.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    });
    sha256(letters.collect::<String>())
}

fn make(bits: &[u8]) -> Code {
    let groups: Vec<String> =
        bits.as_chunks::<5>().0.iter().map(|five| PublicRef::from_bits(*five).grouped()).collect();
    let text = groups.join("-");
    Code { hash: hash(&text), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_again_however_it_is_typed() {
        let code = recovery();
        assert_eq!(code.text.len(), 32 + 7);
        assert_eq!(hash(&code.text.to_lowercase().replace('-', " ")), code.hash);
        assert_eq!(hash(&code.text.replace('0', "o").replace('1', "l")), code.hash);
        assert_ne!(hash(&recovery().text), code.hash);
        assert_eq!(invitation().text.len(), 16 + 3);
    }
}
