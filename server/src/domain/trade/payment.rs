//! The fiat payment: marked, undone, seen, cancelled, not made.

use jiff::Timestamp;

use super::super::deadlines::What;
use super::super::lifecycle::{Actor, Event, Stage};
use super::super::people::Party;
use super::super::refusal::Refusal;
use super::{Change, PayoutKind, Trade, not_now};

impl Trade {
    /// Whether a payment may still be made and marked: everything is in escrow, and nothing of it is signed away.
    pub fn may_be_marked(&self) -> Result<(), Refusal> {
        self.not_frozen()?;
        if self.buyer_gave_up() {
            return Err(Refusal::conflict(
                "You have signed that the coins go back to the seller, and that signature stays valid for ever. \
                 Do not pay in this trade any more.",
            ));
        }
        self.nothing_is_settled()?;
        if self.is_short() {
            return Err(Refusal::conflict(
                "A part of the coins was spent by another transaction: less is in escrow than was agreed. Do not pay. Agree \
                 on a settlement, or cancel.",
            ));
        }
        Ok(())
    }

    /// "I have sent the money". The buyer's release signature came along and is in already.
    pub(super) fn mark_paid(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        self.may_be_marked()?;
        if actor == Actor::Buyer && self.stage == Stage::Funded && !self.has_signed(PayoutKind::Release, Party::Buyer) {
            return Err(Refusal::invalid("Your signature for the release is missing. It comes with the mark."));
        }
        Ok(self.event(Event::PaymentMarkedSent, actor)?.with(|trade| trade.payment_is_marked(at)))
    }

    pub(super) fn undo_mark(&self, actor: Actor) -> Result<Change, Refusal> {
        if self.mark_undone {
            return Err(Refusal::conflict("A mark can be undone once, and you have done so."));
        }
        if self.seller_answered {
            return Err(Refusal::conflict("The seller has answered already, so the mark stands."));
        }
        if self.buyer_gave_up() {
            return Err(Refusal::conflict(
                "You have signed that the coins go back, so the mark stands until they are.",
            ));
        }
        Ok(self.event(Event::PaymentMarkUndone, actor)?.with(|trade| {
            trade.mark_undone = true;
            trade.paid_at = None;
            trade.release_by = None;
        }))
    }

    pub(super) fn see_payment(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        self.not_frozen()?;
        Ok(self.event(Event::PaymentSeen, actor)?.with(|trade| {
            trade.payment_is_marked(at);
            trade.seller_answered = true;
        }))
    }

    pub(super) fn answer_mark(&self, actor: Actor) -> Result<Change, Refusal> {
        if self.stage != Stage::PaymentSent || actor != Actor::Seller || self.seller_answered {
            return Err(not_now(self.stage));
        }
        Ok(self.field(|trade| trade.seller_answered = true))
    }

    /// The payment window passed and nothing is marked: the seller asks for his coins.
    pub(super) fn close_unpaid(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        self.not_frozen()?;
        if self.stage == Stage::Funded && self.pay_by.is_none_or(|by| at < by) {
            return Err(Refusal::conflict(
                "The buyer still has time to pay. You can close the trade when the payment window is over.",
            ));
        }
        self.nothing_is_settled()?;
        Ok(self.refund_begins(self.event(Event::ClosedUnpaid, actor)?, at))
    }

    fn payment_is_marked(&mut self, at: Timestamp) {
        self.paid_at = Some(at);
        let minutes = self.windows.release_minutes;
        self.release_by = Some(self.window(What::Release, Party::Seller, at, minutes));
    }

    /// While the deposit is not confirmed nobody marks, signs or rules.
    pub fn not_frozen(&self) -> Result<(), Refusal> {
        if self.frozen {
            return Err(Refusal::conflict(
                "The deposit is not confirmed at present: the chain was reorganised. Wait until it is confirmed again; clocks stand still.",
            ));
        }
        Ok(())
    }
}
