//! The arbitrator's ruling: a document under the rules of the contract, signed as a message before any payout is.

use bitcoin::Amount;
use bitcoin::hashes::{Hash, sha256};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::canonical;
use crate::domain::{PublicRef, Refusal};

/// Outcome in satoshis, facts found, reasons, and the evidence named by hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// Always 1.
    pub v: u32,
    pub desk: String,
    pub trade: PublicRef,
    /// Hash of the contract that is ruled on.
    pub contract: sha256::Hash,
    #[serde(with = "super::contract::seconds")]
    pub created: Timestamp,
    /// The buyer's part before any fee; see [`super::division::divisible`].
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub buyer_sat: Amount,
    /// The seller's part before any fee.
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub seller_sat: Amount,
    /// One string per line.
    pub facts: Vec<String>,
    /// One string per line.
    pub reasons: Vec<String>,
    /// SHA-256 of each piece of evidence as uploaded.
    pub evidence: Vec<sha256::Hash>,
}

impl Ruling {
    pub fn to_text(&self) -> Result<String, Refusal> {
        self.check()?;
        Ok(canonical::write(self)?)
    }

    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let ruling: Self = canonical::read(text)?;
        ruling.check()?;
        Ok(ruling)
    }

    pub fn hash(&self) -> Result<sha256::Hash, Refusal> {
        Ok(sha256::Hash::hash(self.to_text()?.as_bytes()))
    }

    /// What the arbitrator signs: `<desk> trade <id> ruling <hash hex>`.
    pub fn message(&self) -> Result<String, Refusal> {
        Ok(format!("{} trade {} ruling {}", self.desk, self.trade, self.hash()?))
    }

    fn check(&self) -> Result<(), Refusal> {
        let empty = |lines: &[String]| lines.iter().all(|line| line.trim().is_empty());
        if self.v != 1 || self.desk.is_empty() || !self.desk.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Refusal::invalid("This ruling is of a version or a desk that is not known here."));
        }
        if empty(&self.facts) {
            return Err(Refusal::field("facts", "Say what you found to be so."));
        }
        if empty(&self.reasons) {
            return Err(Refusal::field("reasons", "Say why you rule like this."));
        }
        let total = self.buyer_sat.checked_add(self.seller_sat);
        if total.is_none_or(|total| total == Amount::ZERO || total > Amount::MAX_MONEY) {
            return Err(Refusal::field("buyer_sat", "Give the whole deposit to the two, in satoshis."));
        }
        Ok(())
    }
}

/// SHA-256 hashes that name pieces of evidence: 64 hexadecimal digits each, parted by blanks, commas or new lines.
pub fn evidence_hashes(text: &str) -> Result<Vec<sha256::Hash>, String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.to_ascii_lowercase()
                .parse()
                .map_err(|_| format!("“{word}” is no SHA-256 hash: it has 64 of the letters 0–9 and a–f."))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::testing;

    #[test]
    fn evidence_is_named_by_hash() {
        let one = "ab".repeat(32);
        assert_eq!(evidence_hashes(&format!(" {one}\n{}, ", one.to_uppercase())), Ok(vec![one.parse().unwrap(); 2]));
        assert_eq!(evidence_hashes(" \n"), Ok(Vec::new()));
        assert!(evidence_hashes("abc").unwrap_err().contains("no SHA-256"));
    }

    #[test]
    fn a_ruling_reads_back_and_needs_facts_and_reasons() {
        let ruling = testing::ruling();
        let text = ruling.to_text().unwrap();
        assert_eq!(Ruling::parse(&text), Ok(ruling.clone()));
        let expected = format!("127.0.0.1 trade 7KQ2M4XN ruling {}", sha256::Hash::hash(text.as_bytes()));
        assert_eq!(ruling.message().unwrap(), expected);
        let silent = Ruling { reasons: vec![" ".into()], ..ruling.clone() };
        assert_eq!(silent.to_text().unwrap_err().fields[0].field, "reasons");
        let nothing = Ruling { buyer_sat: Amount::ZERO, seller_sat: Amount::ZERO, ..ruling };
        assert!(nothing.to_text().is_err());
    }

    #[test]
    fn a_ruling_is_of_a_known_version_and_of_no_more_than_there_is() {
        let ruling = testing::ruling();
        for strange in [
            Ruling { v: 2, ..ruling.clone() },
            Ruling { desk: String::new(), ..ruling.clone() },
            Ruling { desk: "my desk".into(), ..ruling.clone() },
        ] {
            assert!(strange.to_text().unwrap_err().words.contains("version or a desk"), "{}", strange.desk);
        }
        let of = |buyer_sat| Ruling { buyer_sat, seller_sat: Amount::ZERO, ..ruling.clone() }.to_text();
        assert!(of(Amount::MAX_MONEY).is_ok());
        assert!(of(Amount::MAX_MONEY + Amount::from_sat(1)).is_err());
    }
}
