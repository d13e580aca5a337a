//! From the take to the coins in escrow.

use jiff::Timestamp;

use super::super::deadlines::What;
use super::super::lifecycle::{Actor, Event, Stage};
use super::super::people::Party;
use super::super::refusal::Refusal;
use super::{Change, Trade, not_now};

/// Less than this at an escrow address is left where it is, and said so.
pub const NOTHING_BELOW_SAT: u64 = 2_000;

impl Trade {
    pub(super) fn sign_contract(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        if self.stage != Stage::Proposed {
            return Err(not_now(self.stage));
        }
        if at >= self.sign_by {
            return Err(Refusal::conflict(
                "The time to sign is over; this trade will be cancelled. Take the offer again.",
            ));
        }
        let (mine, other) = match actor {
            Actor::Buyer => (self.buyer_agreed, self.seller_agreed),
            Actor::Seller => (self.seller_agreed, self.buyer_agreed),
            _ => return Err(not_now(self.stage)),
        };
        if mine {
            return Err(Refusal::conflict("You have signed this contract already."));
        }
        let agreed = |trade: &mut Self| match actor {
            Actor::Buyer => trade.buyer_agreed = true,
            _ => trade.seller_agreed = true,
        };
        if !other {
            return Ok(self.field(agreed));
        }
        Ok(self.event(Event::ContractSigned, actor)?.with(agreed).with(|trade| {
            let minutes = trade.windows.deposit_minutes;
            trade.deposit_by = Some(trade.window(What::Deposit, Party::Seller, at, minutes));
        }))
    }

    pub(super) fn lose_arbitrator(&self, actor: Actor) -> Result<Change, Refusal> {
        if self.something_at_the_address() {
            return Err(Refusal::conflict("A deposit has been seen: the arbitrator keeps the duty of this trade."));
        }
        self.event(Event::ArbitratorUnavailable, actor)
    }

    /// While no contract or deposit binds: cancelled by either, if nothing is at the address, or nothing is confirmed
    /// when the deposit window is over.
    pub(super) fn cancel(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let over = self.deposit_by.is_some_and(|by| at >= by);
        let free = !self.something_at_the_address() || (over && self.deposit.confirmed.to_sat() < NOTHING_BELOW_SAT);
        if self.stage == Stage::AwaitingDeposit && !free {
            return Err(Refusal::conflict(
                "A deposit has been seen at the escrow address, so the trade cannot be cancelled before the deposit \
                 window ends. If the coins arrive, the buyer can cancel and they go back to the seller.",
            ));
        }
        self.event(Event::Cancelled, actor)
    }

    pub(super) fn something_at_the_address(&self) -> bool {
        self.deposit.seen.to_sat() >= NOTHING_BELOW_SAT
    }

    /// The deposit goes back: from now on the seller and one other may sign the refund.
    pub(super) fn refund_begins(&self, change: Change, at: Timestamp) -> Change {
        change.with(|trade| {
            let (objection, cosign) = (trade.windows.objection_minutes, trade.windows.cosign_minutes);
            trade.refund_objection_by = Some(trade.window(What::Objection, Party::Buyer, at, objection));
            trade.cosign_by = Some(trade.window(What::Cosignature, Party::Seller, at, cosign));
        })
    }
}
