//! Disputes, rulings and settlements.

use jiff::Timestamp;

use super::super::deadlines::What;
use super::super::lifecycle::{Actor, Event, Stage};
use super::super::people::{Party, Side};
use super::super::refusal::Refusal;
use super::{Change, Dispute, Effect, Outcome, PayoutKind, Ruling, Settlement, Trade, not_now};

impl Trade {
    pub(super) fn open_dispute(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let side = side_of(actor).ok_or_else(|| not_now(self.stage))?;
        if self.stage == Stage::Funded && self.pay_by.is_none_or(|by| at < by) {
            return Err(Refusal::conflict(
                "A dispute can be opened when the payment window is over, or once a payment is marked. Write to the other side first.",
            ));
        }
        Ok(self.dispute_begins(self.event(Event::DisputeOpened, actor)?, Some(side), at))
    }

    pub(super) fn dispute_begins(&self, change: Change, opener: Option<Side>, at: Timestamp) -> Change {
        // A ruling over coins that did not move as it said is none any more.
        let change = if self.ruling.is_some() { change.and(Effect::WithdrawRuling) } else { change };
        change.and(Effect::OpenDispute).with(|trade| {
            let answer_by = trade.answer_window(opener, at);
            let ruling = trade.windows.ruling_minutes;
            trade.seller_answered = true;
            trade.ruling = None;
            trade.signed.retain(|(kind, _)| *kind != PayoutKind::Ruling);
            trade.dispute = Some(Dispute {
                opener,
                opened_at: at,
                answer_by,
                buyer_spoke: opener == Some(Side::Buyer),
                seller_spoke: opener == Some(Side::Seller),
                rule_by: trade.window(What::Ruling, Party::Arbitrator, answer_by, ruling),
            });
        })
    }

    /// A statement of one side in the dispute.
    pub(super) fn speak(&self, actor: Actor) -> Result<Change, Refusal> {
        if !matches!(self.stage, Stage::Disputed | Stage::Ruled) {
            return Err(not_now(self.stage));
        }
        let side = side_of(actor).ok_or_else(|| not_now(self.stage))?;
        Ok(self.field(|trade| {
            if let Some(dispute) = &mut trade.dispute {
                match side {
                    Side::Buyer => dispute.buyer_spoke = true,
                    Side::Seller => dispute.seller_spoke = true,
                }
            }
        }))
    }

    pub(super) fn rule(
        &self,
        favours: Side,
        outcome: Outcome,
        objection_minutes: u32,
        actor: Actor,
        at: Timestamp,
    ) -> Result<Change, Refusal> {
        self.not_frozen()?;
        if let Some(dispute) = &self.dispute
            && self.stage == Stage::Disputed
            && at < dispute.answer_by
            && !(dispute.buyer_spoke && dispute.seller_spoke)
        {
            return Err(Refusal::conflict(
                "The other side still has time to answer. Rule when both have spoken, or when the answer window is over.",
            ));
        }
        if self.settlement.is_some() {
            return Err(Refusal::conflict("The traders have agreed on a settlement; no ruling is made beside it."));
        }
        Ok(self.event(Event::Ruled, actor)?.and(Effect::PublishRuling).with(|trade| {
            let cosign = trade.windows.cosign_minutes;
            let objection_by = trade.window(What::Objection, favours.other().into(), at, objection_minutes);
            trade.ruling = Some(Ruling { objection_by, favours, outcome, objected: false, accepted: Vec::new() });
            trade.cosign_by = Some(trade.window(What::Cosignature, favours.into(), objection_by, cosign));
            trade.signed.retain(|(kind, _)| *kind != PayoutKind::Ruling);
        }))
    }

    pub(super) fn withdraw_ruling(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        if self.has_signed(PayoutKind::Ruling, Party::Arbitrator) {
            return Err(Refusal::conflict(
                "You have signed the payout of this ruling: it cannot be withdrawn any more.",
            ));
        }
        Ok(self.event(Event::RulingWithdrawn, actor)?.and(Effect::WithdrawRuling).with(|trade| {
            trade.ruling = None;
            trade.cosign_by = None;
            let rule_by = trade.window(What::Ruling, Party::Arbitrator, at, trade.windows.ruling_minutes);
            if let Some(dispute) = &mut trade.dispute {
                dispute.rule_by = rule_by;
            }
        }))
    }

    pub(super) fn object(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let Some(ruling) = self.ruling.as_ref().filter(|_| self.stage == Stage::Ruled && side_of(actor).is_some())
        else {
            return Err(not_now(self.stage));
        };
        if at >= ruling.objection_by {
            return Err(Refusal::conflict("The time to object is over."));
        }
        if side_of(actor).is_some_and(|side| self.agrees_with_ruling(side)) {
            return Err(Refusal::conflict("You have accepted this ruling; an objection would contradict that."));
        }
        Ok(self.field(|trade| {
            if let Some(ruling) = &mut trade.ruling {
                ruling.objected = true;
            }
        }))
    }

    /// A side has nothing to object to: when both agree, the arbitrator need not wait for the window.
    pub(super) fn accept_ruling(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let side = side_of(actor).filter(|_| self.stage == Stage::Ruled).ok_or_else(|| not_now(self.stage))?;
        if self.ruling.as_ref().is_some_and(|ruling| ruling.accepted.contains(&side)) {
            return Err(Refusal::conflict("You have accepted this ruling already."));
        }
        Ok(self.field(|trade| {
            if let Some(ruling) = &mut trade.ruling {
                ruling.accepted.push(side);
            }
            trade.end_objections_if_agreed(at);
        }))
    }

    /// Said so, signed the payout, or gets everything.
    pub fn agrees_with_ruling(&self, side: Side) -> bool {
        let Some(ruling) = &self.ruling else { return false };
        let gets_all = ruling.favours == side && ruling.outcome != Outcome::Split;
        ruling.accepted.contains(&side) || self.has_signed(PayoutKind::Ruling, side.into()) || gets_all
    }

    pub(super) fn end_objections_if_agreed(&mut self, at: Timestamp) {
        let agreed = self.agrees_with_ruling(Side::Buyer) && self.agrees_with_ruling(Side::Seller);
        let minutes = self.windows.cosign_minutes;
        if let Some(ruling) = self.ruling.as_mut().filter(|ruling| agreed && ruling.objection_by > at) {
            ruling.objection_by = at;
            let favours = ruling.favours.into();
            self.cosign_by = Some(self.window(What::Cosignature, favours, at, minutes));
        }
    }

    /// Whether the traders may propose and accept splits: until a payout is complete, while nothing binds them already.
    pub fn may_settle(&self) -> Result<(), Refusal> {
        if !matches!(self.stage, Stage::Funded | Stage::PaymentSent | Stage::RefundDue | Stage::Disputed | Stage::Ruled)
        {
            return Err(not_now(self.stage));
        }
        self.not_frozen()?;
        if self.settlement.is_some() {
            return Err(Refusal::conflict("A settlement is accepted already; it is the only one."));
        }
        if self.has_signed(PayoutKind::Ruling, Party::Arbitrator) {
            return Err(Refusal::conflict("The arbitrator has signed the payout of the ruling; complete that one."));
        }
        Ok(())
    }

    /// The acceptor's signature is verified: the proposal binds both and is the only one from now on.
    pub(super) fn accept_settlement(&self, outcome: Outcome, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let acceptor = side_of(actor).ok_or_else(|| not_now(self.stage))?;
        self.may_settle()?;
        Ok(self.field(|trade| {
            trade.signed.push((PayoutKind::Settlement, acceptor.into()));
            trade.seller_answered = true;
            let (proposer, minutes) = (acceptor.other(), trade.windows.cosign_minutes);
            let arbitrator_from = trade.window(What::Cosignature, proposer.into(), at, minutes);
            trade.settlement = Some(Settlement { proposer, outcome, accepted_at: at, arbitrator_from });
        }))
    }

    /// The accepted settlement is the only one from then on: nothing else is begun beside it.
    pub(super) fn nothing_is_settled(&self) -> Result<(), Refusal> {
        match &self.settlement {
            Some(settlement) => Err(Refusal::conflict(format!(
                "A settlement is accepted and is the only payout from now on. It waits for the {}'s signature.",
                settlement.proposer
            ))),
            None => Ok(()),
        }
    }
}

fn side_of(actor: Actor) -> Option<Side> {
    match actor {
        Actor::Buyer => Some(Side::Buyer),
        Actor::Seller => Some(Side::Seller),
        _ => None,
    }
}
