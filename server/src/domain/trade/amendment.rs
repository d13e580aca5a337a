//! Before the coins are in escrow both may change the contract; after a deposit that came late both may take the trade
//! up again. Either needs the word of both, and nothing that was signed for coins may stand against it.

use bitcoin::Amount;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::deadlines::What;
use super::super::lifecycle::{Actor, Event, Stage};
use super::super::people::{Party, Side, words};
use super::super::refusal::Refusal;
use super::clock::minutes_between;
use super::{Change, Effect, Trade, not_now};

/// A deposit window is never made longer than seven days: price and arbitrator stay fixed all that time.
pub const DEPOSIT_WINDOW_MINUTES_MAX: u32 = 7 * 24 * 60;

/// What an amended contract changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmendmentKind {
    /// Less bitcoin for less money, at the agreed price.
    ScaleDown,
    /// Less bitcoin for the same money: the buyer bears what is missing.
    Waive,
    /// More time for the deposit.
    Lengthen,
}

words!(AmendmentKind { ScaleDown = "scale_down", Waive = "waive", Lengthen = "lengthen" });

/// A contract that would supersede the one in force, as the lifecycle sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    pub kind: AmendmentKind,
    pub proposer: Side,
    /// SHA-256 of its text, in hexadecimal.
    pub contract: String,
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub deposit_due: Amount,
    pub deposit_minutes: u32,
    pub sign_by: Timestamp,
    /// When it was proposed and how long both had to sign it: known once it stands.
    #[serde(default)]
    pub since: Timestamp,
    #[serde(default)]
    pub minutes: u32,
    /// Whose verified signatures of it are in.
    #[serde(default)]
    pub signed: Vec<Side>,
}

impl Trade {
    /// Until when the deposit may still be put right: the end of the window that runs.
    pub fn deposit_open_until(&self) -> Option<Timestamp> {
        self.confirm_by.or(self.deposit_by)
    }

    /// Whether the contract may be changed at this time.
    pub fn may_amend(&self, at: Timestamp) -> Result<(), Refusal> {
        match self.stage {
            Stage::AwaitingDeposit if self.ever_funded || self.fell_back_at.is_some() => Err(Refusal::conflict(
                "The coins were in escrow before under this contract, so it is not changed any more. The same deposit, \
                 or a new one of the whole sum, goes on with the trade.",
            )),
            Stage::AwaitingDeposit if self.deposit_open_until().is_none_or(|by| at >= by) => Err(Refusal::conflict(
                "The time for the deposit is over, so the contract is not changed any more. What is in escrow goes back \
                 to the seller.",
            )),
            Stage::AwaitingDeposit => Ok(()),
            Stage::Funded | Stage::PaymentSent => Err(Refusal::conflict(
                "The coins are in escrow under the contract as it was; it cannot be changed any more. Nothing was changed.",
            )),
            stage => Err(not_now(stage)),
        }
    }

    /// The end of the deposit window if it were this long; it goes on from where it began.
    fn deposit_by_with(&self, minutes: u32) -> Option<Timestamp> {
        let more = minutes.saturating_sub(self.windows.deposit_minutes);
        self.deposit_by.map(|by| self.hours.window(Party::Seller, by, more).due_at)
    }

    pub(super) fn propose_amendment(
        &self,
        amendment: &Amendment,
        actor: Actor,
        at: Timestamp,
    ) -> Result<Change, Refusal> {
        self.may_amend(at)?;
        if actor != Actor::from(amendment.proposer) {
            return Err(not_now(self.stage));
        }
        if let Some(other) = &self.amendment {
            return Err(Refusal::conflict(format!(
                "A proposal of the {} stands already. Sign it, or take it off the table first.",
                other.proposer
            )));
        }
        let same_sum = amendment.deposit_due == self.deposit_due;
        let same_time = amendment.deposit_minutes == self.windows.deposit_minutes;
        let open = self.deposit_open_until().is_some_and(|by| at < amendment.sign_by && amendment.sign_by <= by);
        let fits = match amendment.kind {
            AmendmentKind::ScaleDown | AmendmentKind::Waive => same_time && amendment.deposit_due < self.deposit_due,
            AmendmentKind::Lengthen => {
                let ends = self.deposit_by_with(amendment.deposit_minutes);
                if ends.is_none_or(|ends| ends <= amendment.sign_by) {
                    return Err(Refusal::field("minutes", "So little more time is over before both can sign it."));
                }
                if amendment.deposit_minutes > DEPOSIT_WINDOW_MINUTES_MAX {
                    return Err(Refusal::field("minutes", "A deposit window is at most seven days long."));
                }
                same_sum && amendment.deposit_minutes > self.windows.deposit_minutes
            }
        };
        if !(fits && open && amendment.signed.is_empty()) {
            return Err(Refusal::conflict("This proposal does not fit the contract in force. Nothing was changed."));
        }
        let stands = Amendment { since: at, minutes: minutes_between(at, amendment.sign_by), ..amendment.clone() };
        Ok(self.field(|trade| trade.amendment = Some(stands)))
    }

    /// A trader's signature of the proposed contract was verified. The second puts it in force.
    pub(super) fn sign_amendment(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        self.may_amend(at)?;
        let side = side_of(actor).ok_or_else(|| not_now(self.stage))?;
        let Some(proposed) = &self.amendment else {
            return Err(Refusal::conflict("No changed contract waits for signatures; the proposal was taken back."));
        };
        if at >= proposed.sign_by {
            return Err(Refusal::conflict(
                "The time to sign this proposal is over. The contract stays as it is; propose again.",
            ));
        }
        if proposed.signed.contains(&side) {
            return Err(Refusal::conflict("You have signed this changed contract already."));
        }
        if proposed.signed.is_empty() {
            return Ok(self.field(|trade| {
                if let Some(amendment) = &mut trade.amendment {
                    amendment.signed.push(side);
                }
            }));
        }
        let deposit_by = self.deposit_by_with(proposed.deposit_minutes);
        Ok(self.event(Event::ContractAmended, actor)?.with(|trade| {
            trade.deposit_due = proposed.deposit_due;
            trade.windows.deposit_minutes = proposed.deposit_minutes;
            trade.deposit_by = deposit_by;
            if let Some((latest, by)) = trade.latest.get_mut(&What::Deposit).zip(deposit_by) {
                *latest = by.max(*latest);
            }
            if proposed.kind == AmendmentKind::Lengthen {
                trade.confirm_by = None;
            }
            trade.amendment = None;
        }))
    }

    /// The proposer takes it back, the other declines it.
    pub(super) fn withdraw_amendment(&self, actor: Actor) -> Result<Change, Refusal> {
        if self.stage != Stage::AwaitingDeposit || side_of(actor).is_none() {
            return Err(not_now(self.stage));
        }
        if self.amendment.is_none() {
            return Err(Refusal::conflict("No changed contract is proposed just now."));
        }
        Ok(self.amendment_lapses())
    }

    pub(super) fn amendment_lapses(&self) -> Change {
        self.field(|trade| trade.amendment = None).and(Effect::LapseAmendment)
    }

    /// Whether the traders may take up again a trade whose coins are about to go back.
    pub fn may_reinstate(&self) -> Result<(), Refusal> {
        if self.stage != Stage::RefundDue {
            return Err(not_now(self.stage));
        }
        if !self.signed.is_empty() || self.gave_up {
            return Err(Refusal::conflict(
                "A payout of these coins is signed already, and a signature stays valid for ever. So this trade is not \
                 taken up again; never pay in it.",
            ));
        }
        self.not_frozen()?;
        if self.deposit.counted < self.deposit_due {
            return Err(Refusal::conflict(
                "There is less in escrow than was agreed, or it is not confirmed deep enough yet, so the trade is not \
                 taken up again.",
            ));
        }
        Ok(())
    }

    /// One wants the trade after all; when both do, it goes on with all its windows new.
    pub(super) fn agree_to_reinstate(&self, actor: Actor, at: Timestamp) -> Result<Change, Refusal> {
        let side = side_of(actor).ok_or_else(|| not_now(self.stage))?;
        self.may_reinstate()?;
        if self.reinstating.contains(&side) {
            return Err(Refusal::conflict(format!("You have said so already. The {} has not.", side.other())));
        }
        if self.reinstating.is_empty() {
            return Ok(self.field(|trade| trade.reinstating.push(side)));
        }
        let again = self.event(Event::Reinstated, actor)?.and(Effect::FixFundingSet);
        let again = if self.ever_funded { again } else { again.and(Effect::ReserveAgain) };
        Ok(again.with(|trade| {
            trade.ever_funded = true;
            let minutes = trade.windows.payment_minutes;
            trade.pay_by = Some(trade.window(What::Payment, Party::Buyer, at, minutes));
            trade.refund_objection_by = None;
            trade.cosign_by = None;
        }))
    }

    pub(super) fn take_back_reinstatement(&self, actor: Actor) -> Result<Change, Refusal> {
        if self.stage != Stage::RefundDue {
            return Err(not_now(self.stage));
        }
        match side_of(actor).filter(|side| self.reinstating.contains(side)) {
            Some(side) => Ok(self.field(|trade| trade.reinstating.retain(|one| *one != side))),
            None => Err(Refusal::conflict("You have not asked to take this trade up again.")),
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
