//! Who is who: accounts, what they may be on a desk, and what they are in one trade.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// What an account may do on this desk. An arbitrator cannot trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Trader,
    Arbitrator,
    Operator,
}

/// A trader's side of one trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Gets bitcoin, pays fiat.
    Buyer,
    /// Gives bitcoin, gets fiat.
    Seller,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Buyer => Self::Seller,
            Self::Seller => Self::Buyer,
        }
    }
}

/// A holder of one of the three keys of an escrow, in the order the descriptor names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    Buyer,
    Seller,
    Arbitrator,
}

impl Party {
    pub const ALL: [Self; 3] = [Self::Buyer, Self::Seller, Self::Arbitrator];

    pub fn side(self) -> Option<Side> {
        match self {
            Self::Buyer => Some(Side::Buyer),
            Self::Seller => Some(Side::Seller),
            Self::Arbitrator => None,
        }
    }
}

impl From<Side> for Party {
    fn from(side: Side) -> Self {
        match side {
            Side::Buyer => Self::Buyer,
            Side::Seller => Self::Seller,
        }
    }
}

macro_rules! words {
    ($kind:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $kind {
            /// The word used in the database, in contracts and in URLs.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
        impl ::std::fmt::Display for $kind {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}
pub(crate) use words;

words!(Role { Trader = "trader", Arbitrator = "arbitrator", Operator = "operator" });
words!(Side { Buyer = "buyer", Seller = "seller" });
words!(Party { Buyer = "buyer", Seller = "seller", Arbitrator = "arbitrator" });

/// 3–20 of a–z 0–9 _ -. Two names with the same [skeleton](Self::skeleton) are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AccountName(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameRefusal {
    #[error("A name has 3 to 20 characters.")]
    Length,
    #[error("A name is made of a–z, 0–9, _ and -; nothing else.")]
    Characters,
    #[error("This name is kept for the desk. Choose another.")]
    Reserved,
}

/// Names that would make a trader look like the desk.
const RESERVED: [&str; 12] = [
    "admin",
    "administrator",
    "arbitrator",
    "arbiter",
    "desk",
    "escrow",
    "moderator",
    "operator",
    "root",
    "staff",
    "support",
    "trine",
];
static RESERVED_SKELETONS: LazyLock<Vec<String>> = LazyLock::new(|| RESERVED.map(skeleton).to_vec());

impl AccountName {
    pub fn parse(text: &str) -> Result<Self, NameRefusal> {
        let text = text.trim();
        if !(3..=20).contains(&text.chars().count()) {
            return Err(NameRefusal::Length);
        }
        if !text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')) {
            return Err(NameRefusal::Characters);
        }
        let name = Self(text.to_owned());
        let seen = name.skeleton();
        if seen.len() < 2 {
            return Err(NameRefusal::Length);
        }
        if RESERVED_SKELETONS.contains(&seen) {
            return Err(NameRefusal::Reserved);
        }
        Ok(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the eye sees: look-alikes folded (0 o, 1 l i, 5 s, rn m, vv w), separators dropped.
    pub fn skeleton(&self) -> String {
        skeleton(&self.0)
    }
}

fn skeleton(name: &str) -> String {
    let folded: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| match c {
            '0' => 'o',
            '1' | 'i' => 'l',
            '5' => 's',
            '2' => 'z',
            '8' => 'b',
            other => other,
        })
        .collect();
    folded.replace("rn", "m").replace("vv", "w")
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alike_names_have_one_skeleton() {
        let skeleton = |name| AccountName::parse(name).unwrap().skeleton();
        assert_eq!(skeleton("miro"), skeleton("m1r0"));
        assert_eq!(skeleton("morn"), skeleton("m0m"));
        assert_eq!(skeleton("anna-k"), skeleton("annak"));
        assert_ne!(skeleton("anna"), skeleton("hanna"));
    }

    #[test]
    fn names_are_refused_in_words() {
        assert_eq!(AccountName::parse("ab"), Err(NameRefusal::Length));
        assert_eq!(AccountName::parse("Anna"), Err(NameRefusal::Characters));
        assert_eq!(AccountName::parse("аnna"), Err(NameRefusal::Characters), "a Cyrillic а");
        assert_eq!(AccountName::parse("supp0rt"), Err(NameRefusal::Reserved));
        assert_eq!(AccountName::parse("---"), Err(NameRefusal::Length), "nothing but separators");
    }

    #[test]
    fn a_name_is_kept_as_typed_and_may_look_like_two_letters() {
        assert_eq!(AccountName::parse(" anna-k ").unwrap().as_str(), "anna-k");
        assert_eq!(AccountName::parse("a-b").unwrap().skeleton(), "ab");
        assert_eq!(AccountName::parse("a--"), Err(NameRefusal::Length));
    }
}
