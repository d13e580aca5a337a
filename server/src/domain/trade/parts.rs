//! What a trade holds beside its stage: windows, dispute, ruling, settlement, how it ended.

use bitcoin::Amount;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::people::{Side, words};

/// How a completed trade ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Released,
    Refunded,
    Split,
    /// Spent to outputs that are not of this contract.
    Other,
    /// The deposit was double-spent, or nobody has known of it for a week.
    Lost,
}

/// What a payout of a trade does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayoutKind {
    /// To the buyer.
    Release,
    /// Back to the seller.
    Refund,
    /// As the traders agreed.
    Settlement,
    /// As the arbitrator ruled.
    Ruling,
}

words!(Outcome { Released = "released", Refunded = "refunded", Split = "split", Other = "other", Lost = "lost" });
words!(PayoutKind { Release = "release", Refund = "refund", Settlement = "settlement", Ruling = "ruling" });

/// The agreed windows, in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    pub deposit_minutes: u32,
    pub confirmation_minutes: u32,
    pub payment_minutes: u32,
    /// `hold` included.
    pub release_minutes: u32,
    pub objection_minutes: u32,
    pub answer_minutes: u32,
    pub ruling_minutes: u32,
    pub cosign_minutes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// `None`: the release window passed and the clock opened it.
    pub opener: Option<Side>,
    pub opened_at: Timestamp,
    pub answer_by: Timestamp,
    pub buyer_spoke: bool,
    pub seller_spoke: bool,
    pub rule_by: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    pub objection_by: Timestamp,
    /// The trader the ruling pays (more); asked first to co-sign.
    pub favours: Side,
    pub outcome: Outcome,
    pub objected: bool,
    /// Who said that he has nothing to object to.
    pub accepted: Vec<Side>,
}

/// The accepted settlement: the only one from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    pub proposer: Side,
    pub outcome: Outcome,
    pub accepted_at: Timestamp,
    /// When the arbitrator may sign in the proposer's place.
    pub arbitrator_from: Timestamp,
}

/// What one side said of the miner fee of a payout that it bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeWord {
    pub kind: PayoutKind,
    pub side: Side,
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub fee: Amount,
}

/// What stands at the escrow address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Deposit {
    /// All outputs, confirmed or not.
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub seen: Amount,
    /// Outputs in any block.
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub confirmed: Amount,
    /// What counts toward the deposit due by §6, deep enough.
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub counted: Amount,
    /// Every counted output was first seen before the deposit window ended.
    pub in_time: bool,
    /// Every output of the funding set is in a block.
    #[serde(default)]
    pub whole: bool,
    /// Other outputs than those that were signed for would make the funding set.
    #[serde(default)]
    pub renewed: bool,
}
