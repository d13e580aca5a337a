//! What happens when a window ends. Nothing irreversible: zero gives the other side a right; only an unfunded trade is
//! cancelled, and an overdue release goes to the arbitrator. Where the arbitrator had to wait for an end, it is his turn.

use jiff::Timestamp;

use super::super::deadlines::What;
use super::super::lifecycle::{Actor, Event, Stage};
use super::super::refusal::{Refusal, RefusalKind};
use super::agreement::NOTHING_BELOW_SAT;
use super::{Act, Change, Effect, Trade, later};

impl Trade {
    /// The window that is over now and changes something, for the job that fires.
    pub fn overdue(&self, at: Timestamp, tip_at: Option<Timestamp>) -> Option<Act> {
        // What moves the stage comes first: a proposal that is too late ends with its stage anyway.
        [What::Deposit, What::Confirmation, What::Release, What::Signing, What::Objection, What::Cosignature]
            .into_iter()
            .map(|what| Act::WindowPassed { what, tip_at })
            .find(|act| self.apply(act, Actor::Clock, at).is_ok())
    }

    pub(super) fn window_passed(
        &self,
        what: What,
        tip_at: Option<Timestamp>,
        actor: Actor,
        at: Timestamp,
    ) -> Result<Change, Refusal> {
        let over = |by: Option<Timestamp>| by.is_some_and(|by| at >= by);
        // A chain window needs a tip seen after its end: without one the deposit may be there, unseen.
        let over_on_chain = |by: Option<Timestamp>| over(by) && by.zip(tip_at).is_some_and(|(by, tip)| tip >= by);
        match (what, self.stage) {
            (What::Signing, Stage::Proposed) if over(Some(self.sign_by)) => {
                Ok(self.event(Event::SigningWindowPassed, actor)?.and(Effect::PauseOffer))
            }
            (What::Signing, Stage::AwaitingDeposit) if over(self.amendment.as_ref().map(|one| one.sign_by)) => {
                if actor != Actor::Clock {
                    return Err(not_now(self.stage));
                }
                Ok(self.amendment_lapses())
            }
            (What::Deposit, Stage::AwaitingDeposit) if self.confirm_by.is_none() && over_on_chain(self.deposit_by) => {
                self.deposit_window_passed(actor, at)
            }
            (What::Confirmation, Stage::AwaitingDeposit) if over_on_chain(self.confirm_by) => {
                if self.deposit.confirmed.to_sat() >= NOTHING_BELOW_SAT {
                    return self.deposit_short(actor, at);
                }
                self.event(Event::ConfirmationWindowPassed, actor)
            }
            (What::Release, Stage::PaymentSent) if over(self.release_by) && !self.frozen && self.nobody_released() => {
                let disputed = self.event(Event::ReleaseWindowPassed, actor)?;
                Ok(self.dispute_begins(disputed, None, at))
            }
            (What::Objection | What::Cosignature, _)
                if self.arbitrator_waits_until(what).is_some_and(|by| at >= by) =>
            {
                if actor != Actor::Clock {
                    return Err(not_now(self.stage));
                }
                // From this change on it is his turn.
                Ok(self.field(|_| {}))
            }
            _ => Err(not_now(self.stage)),
        }
    }

    fn deposit_window_passed(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        if !self.something_at_the_address() {
            return self.event(Event::DepositWindowPassed, actor);
        }
        let all_confirmed = self.deposit.confirmed == self.deposit.seen;
        let deep = self.deposit.counted > bitcoin::Amount::ZERO;
        if all_confirmed && deep {
            return self.deposit_short(actor, at);
        }
        // Seen in time, not deep enough yet: one confirmation window.
        if actor != Actor::Clock {
            return Err(not_now(self.stage));
        }
        Ok(self.field(|trade| trade.confirm_by = Some(later(at, trade.windows.confirmation_minutes))))
    }

    fn deposit_short(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let back = self.event(Event::DepositShort, actor)?.and(Effect::BuildRefund).and(Effect::ReturnReservation);
        Ok(self.refund_begins(back, at))
    }

    /// The end of the window that keeps the arbitrator from signing, unless something has changed since it ended: he is
    /// called once.
    fn arbitrator_waits_until(&self, what: What) -> Option<Timestamp> {
        let ends = match (what, self.stage, &self.settlement) {
            (What::Objection, Stage::RefundDue, None) => self.refund_objection_by,
            (What::Objection, Stage::Ruled, None) => self.ruling.as_ref().map(|ruling| ruling.objection_by),
            (What::Cosignature, Stage::Disputed | Stage::Ruled, Some(settlement)) => Some(settlement.arbitrator_from),
            _ => None,
        };
        ends.filter(|by| !self.frozen && self.as_of < *by)
    }

    fn nobody_released(&self) -> bool {
        !self.has_signed(super::PayoutKind::Release, super::Party::Seller)
    }
}

/// The refusal when an act does not belong to the stage.
pub(super) fn not_now(stage: Stage) -> Refusal {
    let words = match stage {
        Stage::Proposed => "The contract is not signed by both yet.",
        Stage::AwaitingDeposit => "The trade waits for the seller's deposit.",
        Stage::Funded => "The coins are locked and the trade waits for the buyer's payment.",
        Stage::PaymentSent => "The buyer has marked the payment as sent; the seller's answer is next.",
        Stage::RefundDue => "This trade is being sent back to the seller.",
        Stage::Disputed => "This trade is with the arbitrator.",
        Stage::Ruled => "The arbitrator has ruled.",
        Stage::PayingOut => "A payout is on its way already.",
        Stage::Completed => "This trade is completed.",
        Stage::Cancelled => "This trade is cancelled.",
    };
    Refusal::new(RefusalKind::Conflict, format!("{words} Nothing was changed."))
}
