//! One trade: its stage, its side facts, and the one function that changes them.
//!
//! [`Trade::apply`] decides and returns the new state with a list of effects; it does nothing itself. Every change
//! goes into the log as the [`Act`] that made it, so replaying the log gives the state.

mod agreement;
mod amendment;
mod chain;
mod change;
mod clock;
mod dispute;
mod fee;
mod parts;
mod payment;
mod payout;
mod questions;
mod window;

use std::collections::BTreeMap;

use bitcoin::Amount;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::deadlines::What;
use super::hours::Hours;
use super::lifecycle::{Actor, Event, Stage, next_stage};
use super::people::{Party, Side};
use super::refusal::Refusal;
pub use agreement::NOTHING_BELOW_SAT;
pub use amendment::{Amendment, AmendmentKind, DEPOSIT_WINDOW_MINUTES_MAX};
pub use chain::PartGone;
pub use change::{Change, Effect};
pub use clock::Outage;
use clock::later;
pub use fee::{LINGERS_AFTER_BLOCKS, fee_bearers_of};
pub use parts::{Deposit, Dispute, FeeWord, Outcome, PayoutKind, Ruling, Settlement, Windows};
use window::not_now;

/// A trade as the lifecycle sees it. Names, texts and transactions are kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    pub stage: Stage,
    pub outcome: Option<Outcome>,
    /// Moves with every change; every act names the version it saw.
    pub version: u64,
    pub maker: Side,
    pub windows: Windows,
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub deposit_due: Amount,
    pub confirmations: u32,
    pub created_at: Timestamp,
    pub stage_since: Timestamp,

    pub sign_by: Timestamp,
    #[serde(default)]
    pub signing_minutes: u32,
    pub buyer_agreed: bool,
    pub seller_agreed: bool,

    pub deposit_by: Option<Timestamp>,
    /// The one confirmation window, once the deposit was seen in time.
    pub confirm_by: Option<Timestamp>,
    pub deposit: Deposit,
    pub ever_funded: bool,
    /// The funding set is not confirmed at present.
    pub frozen: bool,
    #[serde(default)]
    pub frozen_since: Option<Timestamp>,
    /// The coins were in escrow once, and a reorganisation took them out again.
    #[serde(default)]
    pub fell_back_at: Option<Timestamp>,
    /// The buyer has signed coins away, over outputs that are gone since.
    #[serde(default)]
    pub gave_up: bool,

    pub pay_by: Option<Timestamp>,
    pub release_by: Option<Timestamp>,
    pub paid_at: Option<Timestamp>,
    pub mark_undone: bool,
    /// The seller has answered the mark (opened the release page's question, disputed, signed): it cannot be undone.
    pub seller_answered: bool,

    /// Until when a refund may be objected to before the arbitrator may sign it.
    pub refund_objection_by: Option<Timestamp>,
    pub dispute: Option<Dispute>,
    pub ruling: Option<Ruling>,
    pub settlement: Option<Settlement>,
    /// Whose verified signatures for which payout exist. They stay options for ever.
    pub signed: Vec<(PayoutKind, Party)>,
    /// The payout that is complete and was handed to the chain.
    pub paying_out: Option<PayoutKind>,
    /// What who bears a miner fee has said of it; the last word of each counts.
    #[serde(default)]
    pub fee_words: Vec<FeeWord>,
    pub cosign_by: Option<Timestamp>,

    /// A changed contract that waits for signatures; the one in force stays so until both are in.
    #[serde(default)]
    pub amendment: Option<Amendment>,
    /// Who wants to take the trade up again though its deposit was to go back.
    #[serde(default)]
    pub reinstating: Vec<Side>,

    /// The working hours that its windows count in, as in the contract.
    #[serde(default, skip_serializing_if = "Hours::is_none")]
    pub hours: Hours,
    /// How late a window of somebody with working hours may end at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub latest: BTreeMap<What, Timestamp>,
    /// Up to here every standstill is counted: the time of the last change.
    #[serde(default)]
    pub as_of: Timestamp,
}

/// What someone does, or what became known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// A trader's contract signature was verified.
    SignContract,
    Decline,
    Withdraw,
    /// A trader proposes a contract that changes the one in force.
    ProposeAmendment {
        amendment: Amendment,
    },
    /// A trader's signature of the proposed contract was verified.
    SignAmendment,
    WithdrawAmendment,
    /// A trader wants to take the trade up again; when both do, it goes on.
    AgreeToReinstate,
    TakeBackReinstatement,
    /// A window ended; `tip_at` is the time of the newest block the desk has seen.
    WindowPassed {
        what: What,
        tip_at: Option<Timestamp>,
    },
    LoseArbitrator,
    /// The chain was read: what stands at the address now.
    JudgeDeposit {
        deposit: Deposit,
    },
    /// The outputs of a deposit that was to be refunded vanished for good.
    LoseDeposit,
    /// A part of the funding set is gone; the rest is what it is now.
    LosePart {
        deposit: Deposit,
        #[serde(default)]
        why: PartGone,
    },
    /// A part that the trade had gone on without is in the chain again; all of it is the deposit now.
    RegainPart {
        deposit: Deposit,
    },
    Cancel,
    /// "I have sent the money", with the release signature that came along.
    MarkPaid,
    UndoMark,
    /// The seller sees money that the buyer has not marked.
    SeePayment,
    /// The seller says he is looking: the mark stands.
    AnswerMark,
    /// The seller closes a trade that was not paid in time.
    CloseUnpaid,
    /// A verified signature of one party for one payout.
    SignPayout {
        kind: PayoutKind,
    },
    OpenDispute,
    Speak,
    Rule {
        favours: Side,
        outcome: Outcome,
        objection_minutes: u32,
    },
    WithdrawRuling,
    Object,
    /// A trader has nothing to object to the ruling.
    AcceptRuling,
    /// The acceptor's signature on the settlement the other proposed.
    AcceptSettlement {
        outcome: Outcome,
    },
    /// The broadcast payout is as deep as it must be.
    ConfirmPayout {
        outcome: Outcome,
    },
    /// Another transaction with two valid signatures spent the deposit.
    SeeForeignSpend {
        outcome: Outcome,
    },
    /// The desk or its sight of the chain was away: the windows that ran meanwhile end that much later.
    SitOut {
        why: Outage,
        from: Timestamp,
        until: Timestamp,
    },
    LosePayoutFromMempool,
    LosePayoutFromChain,
    /// What the payout under way spends is gone for good; this stands at the address now.
    VoidPayout {
        deposit: Deposit,
    },
    /// Who bears the miner fee says how much of it may be paid, before the payout is complete.
    SayFee {
        kind: PayoutKind,
        #[serde(with = "bitcoin::amount::serde::as_sat")]
        fee: Amount,
    },
    /// What a side said of a miner fee was said of another payout than the one that is to be signed now.
    ForgetFeeWord {
        kind: PayoutKind,
        side: Side,
    },
    /// The payout under way is to be replaced by the same one with this higher fee.
    RaiseFee {
        #[serde(with = "bitcoin::amount::serde::as_sat")]
        fee: Amount,
        /// Blocks since the one on its way was handed to the network; none for more than the next higher fee, which the
        /// wait gives nobody a right to.
        waited_blocks: u32,
    },
    /// A verified signature for a further fee of the payout under way.
    SignHigherFee,
    LoseDepositForGood,
    /// The deposit that the trade ended without is in the chain again, this much of it.
    RegainDeposit {
        deposit: Deposit,
    },
}

impl Trade {
    /// A trade as the take makes it: price and arbitrator are fixed, nobody has signed.
    pub fn taken(
        maker: Side,
        windows: Windows,
        deposit_due: Amount,
        confirmations: u32,
        at: Timestamp,
        sign_by: Timestamp,
    ) -> Self {
        Self {
            stage: Stage::Proposed,
            outcome: None,
            version: 0,
            maker,
            windows,
            deposit_due,
            confirmations,
            created_at: at,
            stage_since: at,
            sign_by,
            signing_minutes: clock::minutes_between(at, sign_by),
            buyer_agreed: false,
            seller_agreed: false,
            deposit_by: None,
            confirm_by: None,
            deposit: Deposit::default(),
            ever_funded: false,
            frozen: false,
            frozen_since: None,
            fell_back_at: None,
            gave_up: false,
            pay_by: None,
            release_by: None,
            paid_at: None,
            mark_undone: false,
            seller_answered: false,
            refund_objection_by: None,
            dispute: None,
            ruling: None,
            settlement: None,
            signed: Vec::new(),
            paying_out: None,
            fee_words: Vec::new(),
            cosign_by: None,
            amendment: None,
            reinstating: Vec::new(),
            hours: Hours::default(),
            latest: BTreeMap::new(),
            as_of: at,
        }
    }

    /// What `actor` doing `act` at this time makes of the trade, or why not.
    pub fn apply(&self, act: &Act, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let mut change = match act {
            Act::SignContract => self.sign_contract(actor, at),
            Act::Decline => self.event(Event::Declined, actor),
            Act::Withdraw => self.event(Event::Withdrawn, actor),
            Act::ProposeAmendment { amendment } => self.propose_amendment(amendment, actor, at),
            Act::SignAmendment => self.sign_amendment(actor, at),
            Act::WithdrawAmendment => self.withdraw_amendment(actor),
            Act::AgreeToReinstate => self.agree_to_reinstate(actor, at),
            Act::TakeBackReinstatement => self.take_back_reinstatement(actor),
            Act::WindowPassed { what, tip_at } => self.window_passed(*what, *tip_at, actor, at),
            Act::LoseArbitrator => self.lose_arbitrator(actor),
            Act::JudgeDeposit { deposit } => self.judge_deposit(*deposit, actor, at),
            Act::LoseDeposit => self.lose_deposit(actor),
            Act::LosePart { deposit, .. } => self.lose_part(*deposit, actor, at),
            Act::RegainPart { deposit } => self.regain_part(*deposit, actor),
            Act::Cancel => self.cancel(actor, at),
            Act::MarkPaid => self.mark_paid(actor, at),
            Act::UndoMark => self.undo_mark(actor),
            Act::SeePayment => self.see_payment(actor, at),
            Act::AnswerMark => self.answer_mark(actor),
            Act::CloseUnpaid => self.close_unpaid(actor, at),
            Act::SignPayout { kind } => self.sign_payout(*kind, actor, at),
            Act::OpenDispute => self.open_dispute(actor, at),
            Act::Speak => self.speak(actor),
            Act::Rule { favours, outcome, objection_minutes } => {
                self.rule(*favours, *outcome, *objection_minutes, actor, at)
            }
            Act::WithdrawRuling => self.withdraw_ruling(actor, at),
            Act::Object => self.object(actor, at),
            Act::AcceptRuling => self.accept_ruling(actor, at),
            Act::AcceptSettlement { outcome } => self.accept_settlement(*outcome, actor, at),
            Act::ConfirmPayout { outcome } => self.complete(Event::PayoutConfirmed, *outcome, actor),
            Act::SeeForeignSpend { outcome } => self.complete(Event::SpentOtherwise, *outcome, actor),
            Act::SitOut { from, until, .. } => self.sit_out(*from, *until, actor),
            Act::LosePayoutFromMempool => self.lose_payout_from_mempool(actor),
            Act::LosePayoutFromChain => self.lose_payout_from_chain(actor),
            Act::VoidPayout { deposit } => self.void_payout(*deposit, actor, at),
            Act::SayFee { kind, fee } => self.say_fee(*kind, *fee, actor),
            Act::ForgetFeeWord { kind, side } => self.forget_fee_word(*kind, *side, actor),
            Act::RaiseFee { fee, waited_blocks } => self.raise_fee(*fee, *waited_blocks, actor),
            Act::SignHigherFee => self.sign_higher_fee(actor),
            Act::LoseDepositForGood => self.complete(Event::DepositLost, Outcome::Lost, actor),
            Act::RegainDeposit { deposit } => self.regain_deposit(*deposit, actor, at),
        }?;
        change.trade.version = self.version.saturating_add(1);
        change.trade.as_of = match act {
            Act::SitOut { until, .. } => *until,
            _ => at.max(self.as_of),
        };
        if change.trade.stage != self.stage {
            change.trade.stage_since = at;
            change.effects.push(Effect::LapseProposals);
            change.trade.reinstating.clear();
            change.effects.extend(change.trade.amendment.take().map(|_| Effect::LapseAmendment));
        }
        if !change.trade.signed.is_empty() {
            change.trade.reinstating.clear();
        }
        let judged_by_other_rules = matches!(change.event, Some(Event::ContractSigned | Event::ContractAmended))
            || (change.trade.stage == Stage::Cancelled && self.stage != Stage::Cancelled);
        if judged_by_other_rules && self.deposit.seen > Amount::ZERO {
            change.effects.push(Effect::JudgeAgain);
        }
        Ok(change)
    }

    /// The change an event of the table makes to the stage; `Err` says that it is not the time for it.
    fn event(&self, event: Event, actor: Actor) -> Result<Change, Refusal> {
        let stage = next_stage(self.stage, event, actor).ok_or_else(|| not_now(self.stage))?;
        let mut trade = self.clone();
        trade.stage = stage;
        let mut effects = Vec::new();
        if stage == Stage::Cancelled && !self.ever_funded && self.stage != Stage::RefundDue {
            effects.push(Effect::ReturnReservation);
        }
        Ok(Change { trade, event: Some(event), effects })
    }

    /// A change of a field within the stage.
    fn field(&self, change: impl FnOnce(&mut Self)) -> Change {
        let mut trade = self.clone();
        change(&mut trade);
        Change { trade, event: None, effects: Vec::new() }
    }
}

#[cfg(test)]
pub(crate) mod tests;
