//! Payment details and payer data: in the contract only as a salted hash.

use std::collections::BTreeMap;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::hex::{DisplayHex, FromHex};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::canonical;
use crate::domain::Refusal;

/// How the seller is paid (`details`), or from which name and account the buyer pays (`payer`): canonical JSON with
/// a salt of 32 random bytes, so that a hash tells nothing to who has not seen the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateDetails {
    /// Always 1.
    pub v: u32,
    /// Id of the payment method.
    pub method: String,
    /// Field name of the method to what was filled in, one line each.
    pub fields: BTreeMap<String, String>,
    pub salt: Salt,
}

/// 32 random bytes, handed in; 64 hexadecimal digits in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

impl Serialize for Salt {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0.as_hex())
    }
}

impl<'de> Deserialize<'de> for Salt {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        <[u8; 32]>::from_hex(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl PrivateDetails {
    /// Fields as people typed them; each is trimmed and composed. Refused beside the field that cannot be kept.
    pub fn new(
        method: &str,
        fields: impl IntoIterator<Item = (String, String)>,
        salt: [u8; 32],
    ) -> Result<Self, Refusal> {
        let tidy = |(name, value): (String, String)| match canonical::line(&value) {
            Ok(value) => Ok((name, value)),
            Err(why) => Err(Refusal::field(name, why.to_string())),
        };
        let fields = fields.into_iter().map(tidy).collect::<Result<_, _>>()?;
        Ok(Self { v: 1, method: method.to_owned(), fields, salt: Salt(salt) })
    }

    pub fn to_text(&self) -> Result<String, Refusal> {
        Ok(canonical::write(self)?)
    }

    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let details: Self = canonical::read(text)?;
        if details.v != 1 {
            return Err(Refusal::invalid("These payment details are of a version that is not known here."));
        }
        Ok(details)
    }

    /// What a contract names.
    pub fn hash(&self) -> Result<sha256::Hash, Refusal> {
        Ok(sha256::Hash::hash(self.to_text()?.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_read_back_and_their_salt_changes_the_hash() {
        let fields = [("iban".to_owned(), " DE89370400440532013000 ".to_owned()), ("holder".into(), "Åsa".into())];
        let one = PrivateDetails::new("sepa", fields.clone(), [7; 32]).unwrap();
        let text = one.to_text().unwrap();
        assert!(
            text.starts_with(
                r#"{"fields":{"holder":"Åsa","iban":"DE89370400440532013000"},"method":"sepa","salt":"0707"#
            )
        );
        assert_eq!(PrivateDetails::parse(&text), Ok(one.clone()));
        let other = PrivateDetails::new("sepa", fields, [8; 32]).unwrap();
        assert_ne!(one.hash(), other.hash());
        let bad = PrivateDetails::new("sepa", [("iban".into(), "a\u{202e}b".into())], [0; 32]).unwrap_err();
        assert_eq!(bad.fields[0].field, "iban");
    }
}
