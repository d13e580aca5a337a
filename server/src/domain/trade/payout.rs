//! Signatures of payouts, and what the chain says of them.

use jiff::Timestamp;

use super::super::lifecycle::{Actor, Event, Stage};
use super::super::people::Party;
use super::super::refusal::Refusal;
use super::{Change, Effect, PayoutKind, Trade, not_now};

impl Trade {
    /// One party's verified signature for a payout is in. The second of two different parties completes it.
    pub(super) fn sign_payout(&self, kind: PayoutKind, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let party = party_of(actor).ok_or_else(|| not_now(self.stage))?;
        self.may_sign(kind, party, at)?;
        if self.has_signed(kind, party) {
            return Err(Refusal::conflict("Your signature for this payout is in already."));
        }
        let sign = |trade: &mut Self| trade.signed.push((kind, party));
        if self.signed.iter().any(|(signed, by)| *signed == kind && *by != party) {
            let complete = self.event(Event::PayoutCompleted, actor)?.with(sign).and(Effect::Broadcast(kind));
            return Ok(complete.and(Effect::CloseDispute).with(|trade| trade.paying_out = Some(kind)));
        }
        if self.stage == Stage::Funded && (kind, party) == (PayoutKind::Refund, Party::Buyer) {
            let cancelled = self.event(Event::CancelledByBuyer, actor)?.with(sign);
            return Ok(self.refund_begins(cancelled, at));
        }
        Ok(self.field(sign).with(|trade| {
            trade.seller_answered |= party == Party::Seller;
            trade.end_objections_if_agreed(at);
        }))
    }

    /// Who may sign what, when (§7): buyer and seller pre-sign only what pays themselves; the seller never pre-signs a
    /// release; the arbitrator signs only after the objection window.
    fn may_sign(&self, kind: PayoutKind, party: Party, at: Timestamp) -> Result<(), Refusal> {
        if !matches!(self.stage, Stage::Funded | Stage::PaymentSent | Stage::RefundDue | Stage::Disputed | Stage::Ruled)
        {
            return Err(not_now(self.stage));
        }
        self.not_frozen()?;
        match (kind, party) {
            (PayoutKind::Release, Party::Buyer) => self.buyer_wants_release(),
            (PayoutKind::Release, Party::Seller) if !self.has_signed(kind, Party::Buyer) => Err(Refusal::conflict(
                "The buyer's signature for the release is not in yet. A release is never signed ahead of it.",
            )),
            (PayoutKind::Release, Party::Arbitrator) => {
                Err(Refusal::conflict("An arbitrator signs only what he has ruled, or a refund."))
            }
            (PayoutKind::Refund, Party::Seller) if self.stage == Stage::Funded => Err(Refusal::conflict(
                "The buyer still has time to pay. When the payment window is over, close the trade as unpaid.",
            )),
            (PayoutKind::Refund, Party::Arbitrator) => self.arbitrator_may_refund(at),
            (PayoutKind::Settlement, party) => self.may_complete_settlement(party, at),
            (PayoutKind::Ruling, party) => self.may_carry_out_ruling(party, at),
            _ => Ok(()),
        }
    }

    fn buyer_wants_release(&self) -> Result<(), Refusal> {
        if self.buyer_gave_up() {
            return Err(Refusal::conflict(
                "You have signed that the coins go back to the seller; that signature stays valid.",
            ));
        }
        Ok(())
    }

    fn arbitrator_may_refund(&self, at: Timestamp) -> Result<(), Refusal> {
        if self.stage != Stage::RefundDue {
            return Err(not_now(self.stage));
        }
        self.nothing_is_settled()?;
        if self.refund_objection_by.is_none_or(|by| at < by) {
            return Err(Refusal::conflict(
                "The buyer may still object to this refund. You can sign when that time is over.",
            ));
        }
        Ok(())
    }

    fn may_complete_settlement(&self, party: Party, at: Timestamp) -> Result<(), Refusal> {
        let Some(settlement) = &self.settlement else {
            return Err(Refusal::conflict("No settlement is accepted. Accept the other's proposal by signing it."));
        };
        if party == Party::Arbitrator {
            if self.stage != Stage::Disputed || at < settlement.arbitrator_from {
                return Err(Refusal::conflict(
                    "The proposer still has time to sign. In a dispute you may sign in his place when it is over.",
                ));
            }
            return Ok(());
        }
        Ok(())
    }

    fn may_carry_out_ruling(&self, party: Party, at: Timestamp) -> Result<(), Refusal> {
        let Some(ruling) = self.ruling.as_ref().filter(|_| self.stage == Stage::Ruled) else {
            return Err(Refusal::conflict("There is no ruling in force."));
        };
        if self.settlement.is_some() {
            return Err(Refusal::conflict("A settlement is accepted: complete that one."));
        }
        if party == Party::Arbitrator && at < ruling.objection_by {
            return Err(Refusal::conflict("The objection window is still open. Sign the payout when it is over."));
        }
        Ok(())
    }
}

pub(super) fn party_of(actor: Actor) -> Option<Party> {
    match actor {
        Actor::Buyer => Some(Party::Buyer),
        Actor::Seller => Some(Party::Seller),
        Actor::Arbitrator => Some(Party::Arbitrator),
        _ => None,
    }
}
