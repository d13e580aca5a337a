//! Names of things. Every id is its own type, so that one is never taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// An account of the desk.
    UserId,
    /// A signed-in browser.
    SessionId,
    /// A registered signing key (an account xpub).
    KeyId,
    /// A saved way to be paid or to pay.
    PaymentAccountId,
    OfferId,
    TradeId,
    /// One transaction that could spend an escrow, at one fee step.
    PayoutId,
    SettlementId,
    DisputeId,
    RulingId,
    MessageId,
    AttachmentId,
}

/// The letters of Crockford's base32: no I, L, O or U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The public name of an offer or a trade: eight letters of Crockford's base32 (40 bits),
/// written `7KQ2-M4XN` for people and `7KQ2M4XN` in URLs, contracts and payment references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicRef([u8; 8]);

impl PublicRef {
    /// From 40 random bits.
    pub fn from_bits(random: [u8; 5]) -> Self {
        let bits = random.iter().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
        let mut letters = [b'0'; 8];
        for (place, letter) in letters.iter_mut().rev().enumerate() {
            let shift = u32::try_from(place).unwrap_or(0) * 5;
            let digit = usize::try_from((bits >> shift) & 31).unwrap_or(0);
            *letter = CROCKFORD.get(digit).copied().unwrap_or(b'0');
        }
        Self(letters)
    }

    /// The plain form, as in URLs.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The form for people: two groups of four.
    pub fn grouped(&self) -> String {
        let (left, right) = self.as_str().split_at(4);
        format!("{left}-{right}")
    }
}

impl fmt::Display for PublicRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// That text is not eight letters of Crockford's base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reference has eight letters or digits, like 7KQ2-M4XN")]
pub struct NotAReference;

impl FromStr for PublicRef {
    type Err = NotAReference;

    /// Accepts small letters, one hyphen in the middle, and Crockford's look-alikes (O for 0, I and L for 1).
    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let mut letters = [b'0'; 8];
        let mut given = text.bytes().filter(|b| *b != b'-');
        for letter in &mut letters {
            let read = match given.next().ok_or(NotAReference)?.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            if !CROCKFORD.contains(&read) {
                return Err(NotAReference);
            }
            *letter = read;
        }
        if given.next().is_some() {
            return Err(NotAReference);
        }
        Ok(Self(letters))
    }
}

impl Serialize for PublicRef {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for PublicRef {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_back_what_it_writes() {
        for bits in [[0; 5], [255; 5], [1, 2, 3, 4, 5]] {
            let reference = PublicRef::from_bits(bits);
            assert_eq!(reference.grouped().parse(), Ok(reference));
            assert_eq!(reference.as_str().to_lowercase().parse(), Ok(reference));
        }
    }

    #[test]
    fn look_alikes_are_forgiven_and_other_text_is_refused() {
        assert_eq!("o1lI-0000".parse(), "01110000".parse::<PublicRef>());
        for bad in ["", "1234567", "123456789", "1234567U", "1234567é"] {
            assert_eq!(bad.parse::<PublicRef>(), Err(NotAReference), "{bad}");
        }
    }

    #[test]
    fn eight_letters_hold_forty_bits() {
        assert_eq!(PublicRef::from_bits([0xff; 5]).as_str(), "ZZZZZZZZ");
        // 00000 00100 10001 10100 01010 11001 11100 01001
        assert_eq!(PublicRef::from_bits([0x01, 0x23, 0x45, 0x67, 0x89]).as_str(), "04HMASW9");
    }
}
