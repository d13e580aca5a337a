//! The ways in which a chain can be out of sight, each with a name. In none of them is anything counted.

use bitcoin::Network;
use jiff::{SignedDuration, Timestamp};

use super::{ChainError, Tip};

/// No block for so long is a chance of one in 160,000 on a healthy chain: more likely the node hears nobody.
pub(super) const STALE: SignedDuration = SignedDuration::from_hours(2);
/// The age at which Bitcoin Core itself says that it is still loading (`DEFAULT_MAX_TIP_AGE`).
const LOADING: SignedDuration = SignedDuration::from_hours(24);

/// Whether these words of a Bitcoin Core, passed on by a server before it, say that it has just been started (-28).
pub(super) fn is_warming_up(words: &str) -> bool {
    ["\"code\":-28", "RPC error -28", "Loading block index", "Verifying blocks"].iter().any(|sign| words.contains(sign))
}

/// Why the chain cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody answers at its address, or it will not talk.
    Absent,
    /// It takes the question and never answers.
    Hanging,
    /// It has not read the whole chain yet.
    Loading,
    /// It knows no new block, or fewer than before.
    Stale,
    /// It contradicts itself, the rules of the chain, or the desk's network.
    Contradicting,
}

impl Trouble {
    pub const ALL: [Self; 5] = [Self::Absent, Self::Hanging, Self::Loading, Self::Stale, Self::Contradicting];

    /// The name, as it is stored and shown in `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Hanging => "hanging",
            Self::Loading => "initial download",
            Self::Stale => "stale",
            Self::Contradicting => "contradicting",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.as_str() == word)
    }

    /// What an answer's tip says about whoever gave it. A regtest has a block when somebody wants one.
    pub fn of_tip(tip: &Tip, now: Timestamp, network: Network) -> Option<Self> {
        let age = now.duration_since(tip.time);
        match network {
            Network::Regtest => None,
            _ if age > LOADING => Some(Self::Loading),
            _ if age > STALE => Some(Self::Stale),
            _ => None,
        }
    }
}

impl ChainError {
    /// What it means for the sight of the chain; a refused transaction means nothing.
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Unreachable(_) | Self::Busy(_) => Some(Trouble::Absent),
            Self::Hanging(_) => Some(Trouble::Hanging),
            Self::Loading(_) => Some(Trouble::Loading),
            Self::Behind(_) => Some(Trouble::Stale),
            Self::Confused(_) => Some(Trouble::Contradicting),
            Self::Rejected(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::constants::genesis_block;

    use super::*;
    use crate::chain::BlockRef;

    #[test]
    fn an_old_tip_is_stale_then_a_download_and_on_a_regtest_neither() {
        let block = BlockRef { height: 0, hash: genesis_block(Network::Bitcoin).block_hash() };
        let time: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let tip = Tip { block, time };
        let after = |hours| time.checked_add(SignedDuration::from_hours(hours)).unwrap();
        assert_eq!(Trouble::of_tip(&tip, after(1), Network::Bitcoin), None);
        assert_eq!(Trouble::of_tip(&tip, after(3), Network::Bitcoin), Some(Trouble::Stale));
        assert_eq!(Trouble::of_tip(&tip, after(25), Network::Signet), Some(Trouble::Loading));
        assert_eq!(Trouble::of_tip(&tip, after(25), Network::Regtest), None);
    }

    #[test]
    fn every_name_reads_back() {
        for trouble in Trouble::ALL {
            assert_eq!(Trouble::from_word(trouble.as_str()), Some(trouble));
        }
        assert_eq!(Trouble::from_word("fine"), None);
    }
}
