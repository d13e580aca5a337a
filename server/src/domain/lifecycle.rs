//! The life of a trade: the one place that names a following stage.
//!
//! A stage exists only where permissions change. Everything else (one signature is in, a top-up is asked for,
//! frozen) is a field of the trade, judged in [`Trade::apply`](super::trade::Trade::apply).

use serde::{Deserialize, Serialize};

use super::people::{Party, Side, words};

/// What a trade waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Both contract signatures; price and arbitrator are fixed.
    Proposed,
    /// The seller's deposit, confirmed.
    AwaitingDeposit,
    /// The buyer's fiat payment.
    Funded,
    /// The seller's release.
    PaymentSent,
    /// Any two signatures that send the deposit back to the seller.
    RefundDue,
    /// The arbitrator's ruling.
    Disputed,
    /// The objection window, then the arbitrator's and one trader's signature.
    Ruled,
    /// Confirmation of a broadcast payout.
    PayingOut,
    /// Nothing; see the outcome.
    Completed,
    /// Nothing; the address stays watched for ever.
    Cancelled,
}

/// What happened, in the past tense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Both signatures are in, the second before `sign_by`.
    ContractSigned,
    Declined,
    Withdrawn,
    SigningWindowPassed,
    ArbitratorUnavailable,
    ContractAmended,
    DepositConfirmed,
    Cancelled,
    DepositWindowPassed,
    ConfirmationWindowPassed,
    DepositShort,
    Reinstated,
    DisputeOpened,
    DepositGone,
    PaymentMarkedSent,
    PaymentSeen,
    CancelledByBuyer,
    ClosedUnpaid,
    DepositReorganisedAway,
    PaymentMarkUndone,
    ReleaseWindowPassed,
    /// Two verified signatures for one payout are in.
    PayoutCompleted,
    Ruled,
    RulingWithdrawn,
    PayoutConfirmed,
    PayoutEvicted,
    PayoutReorganisedAway,
    /// It will not arrive as it was signed, and there are coins at the address.
    PayoutVoided,
    SpentOtherwise,
    DepositLost,
    /// It was told to be lost, and is in the chain again.
    DepositReturned,
}

/// Who makes an event happen. The chain and the clock are actors like people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    Buyer,
    Seller,
    Arbitrator,
    Desk,
    Clock,
    Chain,
}

/// The stage that follows, or `None`: anything that is not in this table is refused.
pub fn next_stage(stage: Stage, event: Event, actor: Actor) -> Option<Stage> {
    use Actor::{Arbitrator, Buyer, Chain, Clock, Desk, Seller};
    use Event as E;
    use Stage as S;

    Some(match (stage, event, actor) {
        (S::Proposed, E::ContractSigned, Buyer | Seller) => S::AwaitingDeposit,
        (S::Proposed, E::Declined | E::Withdrawn, Buyer | Seller) => S::Cancelled,
        (S::Proposed, E::SigningWindowPassed, Clock) => S::Cancelled,
        (S::Proposed | S::AwaitingDeposit, E::ArbitratorUnavailable, Desk) => S::Cancelled,

        (S::AwaitingDeposit, E::ContractAmended, Buyer | Seller) => S::AwaitingDeposit,
        (S::AwaitingDeposit, E::DepositConfirmed, Chain) => S::Funded,
        (S::AwaitingDeposit, E::Cancelled, Buyer | Seller) => S::Cancelled,
        (S::AwaitingDeposit, E::DepositWindowPassed | E::ConfirmationWindowPassed, Clock) => S::Cancelled,
        (S::AwaitingDeposit, E::DepositShort, Clock) => S::RefundDue,
        (S::Cancelled, E::DepositConfirmed, Chain) => S::RefundDue,

        (S::RefundDue, E::Reinstated, Buyer | Seller) => S::Funded,
        (S::RefundDue, E::DisputeOpened, Buyer | Seller) => S::Disputed,
        (S::RefundDue, E::DepositGone, Chain) => S::Cancelled,

        (S::Funded, E::PaymentMarkedSent, Buyer) => S::PaymentSent,
        (S::Funded, E::PaymentSeen, Seller) => S::PaymentSent,
        (S::Funded, E::CancelledByBuyer, Buyer) => S::RefundDue,
        (S::Funded, E::ClosedUnpaid, Seller) => S::RefundDue,
        (S::Funded, E::DisputeOpened, Buyer | Seller) => S::Disputed,
        (S::Funded, E::DepositReorganisedAway, Chain) => S::AwaitingDeposit,

        (S::PaymentSent, E::PaymentMarkUndone, Buyer) => S::Funded,
        (S::PaymentSent, E::DisputeOpened, Buyer | Seller) => S::Disputed,
        (S::PaymentSent, E::ReleaseWindowPassed, Clock) => S::Disputed,

        (S::Funded | S::PaymentSent | S::RefundDue | S::Disputed | S::Ruled, E::PayoutCompleted, Buyer | Seller) => {
            S::PayingOut
        }
        (S::RefundDue | S::Disputed | S::Ruled, E::PayoutCompleted, Arbitrator) => S::PayingOut,
        (S::Disputed, E::Ruled, Arbitrator) => S::Ruled,
        (S::Ruled, E::RulingWithdrawn, Arbitrator) => S::Disputed,

        (S::PayingOut, E::PayoutConfirmed, Chain) => S::Completed,
        (S::PayingOut, E::PayoutEvicted, Chain) => S::PayingOut,
        (S::Completed, E::PayoutReorganisedAway, Chain) => S::PayingOut,
        (S::PayingOut, E::PayoutVoided, Chain) => S::Disputed,
        (
            S::AwaitingDeposit
            | S::Funded
            | S::PaymentSent
            | S::RefundDue
            | S::Disputed
            | S::Ruled
            | S::PayingOut
            | S::Completed,
            E::SpentOtherwise,
            Chain,
        ) => S::Completed,
        (S::PaymentSent | S::Disputed | S::Ruled | S::PayingOut, E::DepositLost, Chain) => S::Completed,
        (S::Completed, E::DepositReturned, Chain) => S::Disputed,
        _ => return None,
    })
}

words!(Stage {
    Proposed = "proposed",
    AwaitingDeposit = "awaiting_deposit",
    Funded = "funded",
    PaymentSent = "payment_sent",
    RefundDue = "refund_due",
    Disputed = "disputed",
    Ruled = "ruled",
    PayingOut = "paying_out",
    Completed = "completed",
    Cancelled = "cancelled",
});

words!(Event {
    ContractSigned = "contract_signed",
    Declined = "declined",
    Withdrawn = "withdrawn",
    SigningWindowPassed = "signing_window_passed",
    ArbitratorUnavailable = "arbitrator_unavailable",
    ContractAmended = "contract_amended",
    DepositConfirmed = "deposit_confirmed",
    Cancelled = "cancelled",
    DepositWindowPassed = "deposit_window_passed",
    ConfirmationWindowPassed = "confirmation_window_passed",
    DepositShort = "deposit_short",
    Reinstated = "reinstated",
    DisputeOpened = "dispute_opened",
    DepositGone = "deposit_gone",
    PaymentMarkedSent = "payment_marked_sent",
    PaymentSeen = "payment_seen",
    CancelledByBuyer = "cancelled_by_buyer",
    ClosedUnpaid = "closed_unpaid",
    DepositReorganisedAway = "deposit_reorganised_away",
    PaymentMarkUndone = "payment_mark_undone",
    ReleaseWindowPassed = "release_window_passed",
    PayoutCompleted = "payout_completed",
    Ruled = "ruled",
    RulingWithdrawn = "ruling_withdrawn",
    PayoutConfirmed = "payout_confirmed",
    PayoutEvicted = "payout_evicted",
    PayoutReorganisedAway = "payout_reorganised_away",
    PayoutVoided = "payout_voided",
    SpentOtherwise = "spent_otherwise",
    DepositLost = "deposit_lost",
    DepositReturned = "deposit_returned",
});

words!(Actor {
    Buyer = "buyer",
    Seller = "seller",
    Arbitrator = "arbitrator",
    Desk = "desk",
    Clock = "clock",
    Chain = "chain",
});

impl Stage {
    pub const ALL: [Self; 10] = [
        Self::Proposed,
        Self::AwaitingDeposit,
        Self::Funded,
        Self::PaymentSent,
        Self::RefundDue,
        Self::Disputed,
        Self::Ruled,
        Self::PayingOut,
        Self::Completed,
        Self::Cancelled,
    ];
}

impl Event {
    pub const ALL: [Self; 31] = [
        Self::ContractSigned,
        Self::Declined,
        Self::Withdrawn,
        Self::SigningWindowPassed,
        Self::ArbitratorUnavailable,
        Self::ContractAmended,
        Self::DepositConfirmed,
        Self::Cancelled,
        Self::DepositWindowPassed,
        Self::ConfirmationWindowPassed,
        Self::DepositShort,
        Self::Reinstated,
        Self::DisputeOpened,
        Self::DepositGone,
        Self::PaymentMarkedSent,
        Self::PaymentSeen,
        Self::CancelledByBuyer,
        Self::ClosedUnpaid,
        Self::DepositReorganisedAway,
        Self::PaymentMarkUndone,
        Self::ReleaseWindowPassed,
        Self::PayoutCompleted,
        Self::Ruled,
        Self::RulingWithdrawn,
        Self::PayoutConfirmed,
        Self::PayoutEvicted,
        Self::PayoutReorganisedAway,
        Self::PayoutVoided,
        Self::SpentOtherwise,
        Self::DepositLost,
        Self::DepositReturned,
    ];
}

impl Actor {
    pub const ALL: [Self; 6] = [Self::Buyer, Self::Seller, Self::Arbitrator, Self::Desk, Self::Clock, Self::Chain];
}

impl From<Party> for Actor {
    fn from(party: Party) -> Self {
        match party {
            Party::Buyer => Self::Buyer,
            Party::Seller => Self::Seller,
            Party::Arbitrator => Self::Arbitrator,
        }
    }
}

impl From<Side> for Actor {
    fn from(side: Side) -> Self {
        Party::from(side).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The golden file is compared with a table written by hand too (tests/desk/golden/protocol.rs).
    #[test]
    fn every_step_is_in_the_table_and_no_other() {
        let table = include_str!("../../../tests/golden/lifecycle.txt");
        let mut steps = Vec::new();
        for stage in Stage::ALL {
            for event in Event::ALL {
                for actor in Actor::ALL {
                    let to = next_stage(stage, event, actor);
                    steps.extend(to.map(|to| format!("{stage} | {event} | {actor} | {to}")));
                }
            }
        }
        assert_eq!(steps, table.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>());
    }
}
