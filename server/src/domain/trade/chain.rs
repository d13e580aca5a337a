//! What the chain does to a trade's deposit: it comes, it goes, it comes back.

use bitcoin::Amount;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::deadlines::What;
use super::super::lifecycle::{Actor, Event, Stage};
use super::super::people::Party;
use super::super::refusal::Refusal;
use super::agreement::NOTHING_BELOW_SAT;
use super::{Change, Deposit, Effect, Outcome, PayoutKind, Trade, not_now};

/// What became of a part of the funding set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartGone {
    /// Two keys spent it.
    #[default]
    Spent,
    /// What it was made of was spent elsewhere.
    Undone,
    /// It left the chain, and nobody knows of it any more.
    Forgotten,
}

impl Trade {
    /// The watcher has read what stands at the address.
    pub(super) fn judge_deposit(&self, deposit: Deposit, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        if actor != Actor::Chain {
            return Err(not_now(self.stage));
        }
        let seen = |trade: &mut Self| trade.deposit = deposit;
        let covered = deposit.counted >= self.deposit_due;
        let fixed = self.funding_is_fixed();
        match self.stage {
            Stage::AwaitingDeposit if covered && deposit.in_time => {
                let funded = self.event(Event::DepositConfirmed, actor)?.with(seen).and(Effect::FixFundingSet);
                Ok(funded.with(|trade| {
                    trade.ever_funded = true;
                    let minutes = trade.windows.payment_minutes;
                    trade.pay_by = Some(trade.window(What::Payment, Party::Buyer, at, minutes));
                }))
            }
            Stage::Cancelled if deposit.confirmed.to_sat() >= NOTHING_BELOW_SAT && deposit.counted > Amount::ZERO => {
                Ok(self
                    .refund_begins(self.event(Event::DepositConfirmed, actor)?.with(seen), at)
                    .and(Effect::BuildRefund))
            }
            Stage::Funded if !deposit.whole && !deposit.renewed => {
                Ok(self.falls_back(self.event(Event::DepositReorganisedAway, actor)?.with(seen), at))
            }
            Stage::RefundDue if !fixed && deposit.seen.to_sat() < NOTHING_BELOW_SAT => {
                Ok(self.event(Event::DepositGone, actor)?.with(seen))
            }
            Stage::RefundDue if !fixed && (deposit.renewed || deposit.confirmed != self.deposit.confirmed) => {
                Ok(self.field(seen).and(Effect::BuildRefund))
            }
            // What the arbitrator is to divide was never fixed, and is something else now.
            Stage::Disputed | Stage::Ruled if !fixed && deposit.renewed => {
                Ok(self.field(seen).and(Effect::BuildRefund))
            }
            Stage::Funded | Stage::PaymentSent | Stage::RefundDue | Stage::Disputed | Stage::Ruled if fixed => {
                Ok(self.freezes_or_thaws(deposit, at))
            }
            _ => Ok(self.field(seen)),
        }
    }

    /// The coins are out of escrow again before anybody has paid: everything is as before the deposit. Payouts are built
    /// anew, at other miner fees, also where the same deposit comes back.
    fn falls_back(&self, change: Change, at: Timestamp) -> Change {
        change.forget_signatures().with(|trade| {
            trade.ever_funded = false;
            trade.fell_back_at = Some(at);
            let minutes = trade.windows.deposit_minutes;
            trade.deposit_by = Some(trade.window(What::Deposit, Party::Seller, at, minutes));
            trade.confirm_by = None;
            trade.pay_by = None;
            trade.frozen = false;
            trade.frozen_since = None;
        })
    }

    /// While the funding set is not confirmed everything waits. It thaws when the set is back, or when a new deposit of at
    /// least the due takes its place; then whatever was signed is signed again.
    fn freezes_or_thaws(&self, deposit: Deposit, at: Timestamp) -> Change {
        let change = self.field(|trade| trade.deposit = deposit);
        if deposit.whole {
            return change.with(|trade| trade.thaws(at));
        }
        if deposit.renewed {
            return change.forget_signatures().and(self.fixes_the_new()).with(|trade| trade.thaws(at));
        }
        change.with(|trade| {
            trade.frozen = true;
            trade.frozen_since.get_or_insert(at);
        })
    }

    /// A new deposit takes the place of the funding set.
    fn fixes_the_new(&self) -> Effect {
        if self.ever_funded { Effect::FixFundingSet } else { Effect::BuildRefund }
    }

    /// Clocks stood still: every window that ran goes on where it was.
    fn thaws(&mut self, at: Timestamp) {
        self.frozen = false;
        let Some(since) = self.frozen_since.take() else { return };
        self.stand_still(since, at);
    }

    /// What was to go back is gone, and what it was made of is spent elsewhere.
    pub(super) fn lose_deposit(&self, actor: Actor) -> Result<Change, Refusal> {
        Ok(self.event(Event::DepositGone, actor)?.forget_signatures().with(|trade| {
            trade.ever_funded = false;
            trade.frozen = false;
            trade.frozen_since = None;
        }))
    }

    /// A part of the funding set is gone: everything is built again over the rest.
    pub(super) fn lose_part(&self, deposit: Deposit, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        if actor != Actor::Chain || !self.funding_is_fixed() || !self.holds_money() || self.stage == Stage::PayingOut {
            return Err(not_now(self.stage));
        }
        let change = self.field(|trade| trade.deposit = deposit).forget_signatures();
        Ok(change.and(Effect::KeepTheRest).with(|trade| trade.thaws(at)))
    }

    /// A part of the funding set that was given up is in the chain again: everything is built again over all of it.
    pub(super) fn regain_part(&self, deposit: Deposit, actor: Actor) -> Result<Change, Refusal> {
        if actor != Actor::Chain || !self.funding_is_fixed() || !self.holds_money() || self.stage == Stage::PayingOut {
            return Err(not_now(self.stage));
        }
        self.not_frozen()?;
        Ok(self.field(|trade| trade.deposit = deposit).forget_signatures().and(Effect::TakeBack))
    }

    pub(super) fn complete(&self, event: Event, outcome: Outcome, actor: Actor) -> Result<Change, Refusal> {
        let mut change = self.event(event, actor)?;
        if self.stage == Stage::AwaitingDeposit {
            // What ended it is what was in escrow: should it come back, it is that which came back.
            change = change.and(Effect::FixTaken);
        }
        Ok(change.and(Effect::CloseDispute).with(|trade| {
            trade.outcome = Some(outcome);
            trade.frozen = false;
            trade.frozen_since = None;
            if event == Event::SpentOtherwise {
                // Whatever was under way is not what happened.
                trade.paying_out = None;
            }
        }))
    }

    pub(super) fn lose_payout_from_mempool(&self, actor: Actor) -> Result<Change, Refusal> {
        let kind = self.paying_out.ok_or_else(|| not_now(self.stage))?;
        Ok(self.event(Event::PayoutEvicted, actor)?.and(Effect::Broadcast(kind)))
    }

    /// A payout that others made is theirs to send again.
    pub(super) fn lose_payout_from_chain(&self, actor: Actor) -> Result<Change, Refusal> {
        let back = self.event(Event::PayoutReorganisedAway, actor)?.with(|trade| trade.outcome = None);
        Ok(match self.paying_out {
            Some(kind) => back.and(Effect::Broadcast(kind)),
            None => back,
        })
    }

    /// The payout under way will not arrive, but there are coins at the address: a new deposit that covers the due, what
    /// is left of the old one, or all of it, if the payout was made elsewhere and is forgotten. Who gets them now is the
    /// arbitrator's to say, or the traders', over those coins.
    pub(super) fn void_payout(&self, deposit: Deposit, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let voided = self.event(Event::PayoutVoided, actor)?.with(|trade| {
            trade.deposit = deposit;
            trade.paying_out = None;
            trade.cosign_by = None;
        });
        let voided = match self.paying_out {
            _ if deposit.renewed => voided.forget_signatures().and(self.fixes_the_new()),
            // What was signed here is over the same coins.
            None => voided.forget_what_is_complete(),
            Some(_) => voided.forget_signatures().and(Effect::KeepTheRest),
        };
        Ok(self.dispute_begins(voided, None, at))
    }

    /// Somebody may have paid for the coins, or given the money back since: the arbitrator says who gets them, or the
    /// traders do, over those that are there.
    pub(super) fn regain_deposit(&self, deposit: Deposit, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        if self.outcome != Some(Outcome::Lost) {
            return Err(not_now(self.stage));
        }
        let regained = self.event(Event::DepositReturned, actor)?.with(|trade| {
            trade.deposit = deposit;
            trade.outcome = None;
            trade.paying_out = None;
            trade.cosign_by = None;
        });
        Ok(self.dispute_begins(regained.forget_signatures().and(Effect::KeepTheRest), None, at))
    }

    /// There is less in the escrow than was agreed.
    pub fn is_short(&self) -> bool {
        self.ever_funded && self.deposit.whole && self.deposit.confirmed < self.deposit_due
    }
}

impl Change {
    /// What was signed over outputs that are not there any more counts for nothing here. It stays an option for ever, if
    /// they come back; and a buyer who has signed coins away is never asked to pay.
    fn forget_signatures(mut self) -> Self {
        let trade = &mut self.trade;
        trade.gave_up = trade.buyer_gave_up();
        trade.signed.clear();
        if trade.settlement.take().is_some() {
            self.effects.push(Effect::ForgetSettlement);
        }
        self
    }

    /// What two have signed could leave at once, but nobody decides that for them a second time: whoever still wants it
    /// signs it again.
    fn forget_what_is_complete(mut self) -> Self {
        let trade = &mut self.trade;
        trade.gave_up = trade.buyer_gave_up();
        let signed = trade.signed.clone();
        let by_one = |kind: PayoutKind| signed.iter().filter(|(other, _)| *other == kind).count() < 2;
        trade.signed.retain(|(kind, _)| by_one(*kind));
        self
    }
}

/// What a buyer's signature for one of these says: the coins are not his any more, or not all of them.
pub(super) const GIVES_UP: [PayoutKind; 2] = [PayoutKind::Refund, PayoutKind::Settlement];
