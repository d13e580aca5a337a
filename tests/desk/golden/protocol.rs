//! The table of protocol §4, written by hand from the document and from nothing else.

use trine::domain::Actor::{self, Arbitrator, Buyer, Chain, Clock, Desk, Seller};
use trine::domain::Event as E;
use trine::domain::Stage as S;
use trine::domain::next_stage;

/// From, events, by, to: one row of the document.
type Row = (&'static [S], &'static [E], &'static [Actor], S);

const TRADERS: &[Actor] = &[Buyer, Seller];

const PROTOCOL: &[Row] = &[
    (&[S::Proposed], &[E::ContractSigned], TRADERS, S::AwaitingDeposit),
    (&[S::Proposed], &[E::Declined, E::Withdrawn], TRADERS, S::Cancelled),
    (&[S::Proposed], &[E::SigningWindowPassed], &[Clock], S::Cancelled),
    (&[S::Proposed, S::AwaitingDeposit], &[E::ArbitratorUnavailable], &[Desk], S::Cancelled),
    (&[S::AwaitingDeposit], &[E::ContractAmended], TRADERS, S::AwaitingDeposit),
    (&[S::AwaitingDeposit], &[E::DepositConfirmed], &[Chain], S::Funded),
    (&[S::AwaitingDeposit], &[E::Cancelled], TRADERS, S::Cancelled),
    (&[S::AwaitingDeposit], &[E::DepositWindowPassed], &[Clock], S::Cancelled),
    (&[S::AwaitingDeposit], &[E::ConfirmationWindowPassed], &[Clock], S::Cancelled),
    (&[S::AwaitingDeposit], &[E::DepositShort], &[Clock], S::RefundDue),
    (&[S::Cancelled], &[E::DepositConfirmed], &[Chain], S::RefundDue),
    (&[S::RefundDue], &[E::Reinstated], TRADERS, S::Funded),
    (&[S::RefundDue], &[E::DisputeOpened], TRADERS, S::Disputed),
    (&[S::RefundDue], &[E::DepositGone], &[Chain], S::Cancelled),
    (&[S::Funded], &[E::PaymentMarkedSent], &[Buyer], S::PaymentSent),
    (&[S::Funded], &[E::PaymentSeen], &[Seller], S::PaymentSent),
    (&[S::Funded], &[E::CancelledByBuyer], &[Buyer], S::RefundDue),
    (&[S::Funded], &[E::ClosedUnpaid], &[Seller], S::RefundDue),
    (&[S::Funded], &[E::DisputeOpened], TRADERS, S::Disputed),
    (&[S::Funded], &[E::DepositReorganisedAway], &[Chain], S::AwaitingDeposit),
    (&[S::PaymentSent], &[E::PaymentMarkUndone], &[Buyer], S::Funded),
    (&[S::PaymentSent], &[E::DisputeOpened], TRADERS, S::Disputed),
    (&[S::PaymentSent], &[E::ReleaseWindowPassed], &[Clock], S::Disputed),
    (&[S::Funded, S::PaymentSent, S::RefundDue, S::Disputed, S::Ruled], &[E::PayoutCompleted], TRADERS, S::PayingOut),
    (&[S::RefundDue], &[E::PayoutCompleted], &[Arbitrator, Buyer, Seller], S::PayingOut),
    (&[S::Disputed], &[E::PayoutCompleted], &[Arbitrator], S::PayingOut),
    (&[S::Disputed], &[E::Ruled], &[Arbitrator], S::Ruled),
    (&[S::Ruled], &[E::RulingWithdrawn], &[Arbitrator], S::Disputed),
    (&[S::Ruled], &[E::PayoutCompleted], &[Arbitrator, Buyer, Seller], S::PayingOut),
    (&[S::PayingOut], &[E::PayoutConfirmed], &[Chain], S::Completed),
    (&[S::PayingOut], &[E::PayoutEvicted], &[Chain], S::PayingOut),
    (&[S::Completed], &[E::PayoutReorganisedAway], &[Chain], S::PayingOut),
    // Not a row of the document: it says when a deposit is lost ("and no new deposit covers the due") and not what becomes
    // of a payout if one does.
    (&[S::PayingOut], &[E::PayoutVoided], &[Chain], S::Disputed),
    (
        &[
            S::AwaitingDeposit,
            S::Funded,
            S::PaymentSent,
            S::RefundDue,
            S::Disputed,
            S::Ruled,
            S::PayingOut,
            S::Completed,
        ],
        &[E::SpentOtherwise],
        &[Chain],
        S::Completed,
    ),
    (&[S::PaymentSent, S::Disputed, S::Ruled, S::PayingOut], &[E::DepositLost], &[Chain], S::Completed),
    // Not a row of the document: a chain that gave back what was spent elsewhere may take it away again.
    (&[S::Completed], &[E::DepositReturned], &[Chain], S::Disputed),
];

/// What the document says follows; two rows that speak of the same step have to agree.
fn written(stage: S, event: E, actor: Actor) -> Option<S> {
    let mut rows = PROTOCOL
        .iter()
        .filter(|(from, events, by, _)| from.contains(&stage) && events.contains(&event) && by.contains(&actor))
        .map(|(.., to)| *to);
    let first = rows.next();
    assert!(rows.all(|to| Some(to) == first), "{stage} {event} {actor}: two rows disagree");
    first
}

#[test]
fn the_code_does_what_the_protocol_says_and_refuses_the_rest() {
    for stage in S::ALL {
        for event in E::ALL {
            for actor in Actor::ALL {
                assert_eq!(
                    next_stage(stage, event, actor),
                    written(stage, event, actor),
                    "{stage} | {event} | {actor}: code on the left, protocol §4 on the right"
                );
            }
        }
    }
}

#[test]
fn every_event_of_the_protocol_has_a_row() {
    for event in E::ALL {
        assert!(PROTOCOL.iter().any(|(_, events, ..)| events.contains(&event)), "{event}");
    }
}
