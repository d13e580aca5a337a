//! The miner fee of a payout: who bears it decides how much; everybody else after a wait (protocol §7).

use bitcoin::Amount;

use super::super::lifecycle::{Actor, Stage};
use super::super::people::{Party, Side};
use super::super::refusal::Refusal;
use super::payout::party_of;
use super::{Change, Effect, FeeWord, Outcome, PayoutKind, Trade, not_now};

/// A payout that waited for so many blocks lingers: then the next fee step needs nobody's word (protocol §5).
pub const LINGERS_AFTER_BLOCKS: u32 = 36;

/// Who bears the miner fee of what ends like this; both where that is not known.
pub fn fee_bearers_of(outcome: Option<Outcome>) -> Vec<Side> {
    match outcome {
        Some(Outcome::Released) => vec![Side::Buyer],
        Some(Outcome::Refunded) => vec![Side::Seller],
        _ => vec![Side::Buyer, Side::Seller],
    }
}

impl Trade {
    /// Who bears the miner fee of a payout; both where the coins are divided, or are not divided yet.
    pub fn fee_bearers(&self, kind: PayoutKind) -> Vec<Side> {
        let outcome = match kind {
            PayoutKind::Release => Some(Outcome::Released),
            PayoutKind::Refund => Some(Outcome::Refunded),
            PayoutKind::Settlement => self.settlement.as_ref().map(|settlement| settlement.outcome),
            PayoutKind::Ruling => self.ruling.as_ref().map(|ruling| ruling.outcome),
        };
        fee_bearers_of(outcome)
    }

    /// The miner fee of a payout is borne by nobody else.
    pub fn bears_alone(&self, kind: PayoutKind, party: Party) -> bool {
        self.fee_bearers(kind).iter().all(|side| Party::from(*side) == party)
    }

    /// What everybody who bears the fee of a payout has agreed to; the lower word counts.
    pub fn fee_said(&self, kind: PayoutKind) -> Option<Amount> {
        let word = |side: &Side| self.fee_words.iter().find(|word| (word.kind, word.side) == (kind, *side));
        let words: Option<Vec<Amount>> =
            self.fee_bearers(kind).iter().map(|side| word(side).map(|word| word.fee)).collect();
        words?.into_iter().min()
    }

    pub(super) fn say_fee(&self, kind: PayoutKind, fee: Amount, actor: Actor) -> Result<Change, Refusal> {
        if !self.holds_money() || self.stage == Stage::PayingOut {
            return Err(not_now(self.stage));
        }
        let side = self.bearer(kind, actor).ok_or_else(|| {
            Refusal::conflict("You do not bear the miner fee of this payout; the other side decides about it.")
        })?;
        Ok(self.field(|trade| trade.keep_word(FeeWord { kind, side, fee })))
    }

    pub(super) fn forget_fee_word(&self, kind: PayoutKind, side: Side, actor: Actor) -> Result<Change, Refusal> {
        let was = |word: &FeeWord| (word.kind, word.side) == (kind, side);
        if actor != Actor::Desk || self.paying_out.is_some() || !self.fee_words.iter().any(was) {
            return Err(not_now(self.stage));
        }
        Ok(self.field(|trade| trade.fee_words.retain(|word| !was(word))))
    }

    pub(super) fn raise_fee(&self, fee: Amount, waited_blocks: u32, actor: Actor) -> Result<Change, Refusal> {
        let kind = self.under_way()?;
        let party = self.may_go_on(kind, actor)?;
        let bearer = self.bearer(kind, actor);
        let said = self.field(|trade| {
            if let Some(side) = bearer {
                trade.keep_word(FeeWord { kind, side, fee });
            }
        });
        let agreed = said.trade.fee_said(kind).is_some_and(|agreed| agreed >= fee);
        if agreed || waited_blocks >= LINGERS_AFTER_BLOCKS {
            return Ok(said.and(Effect::Broadcast(kind)));
        }
        match bearer {
            // The other side's word, or the wait, is still missing.
            Some(_) => Ok(said),
            None => Err(Refusal::conflict(format!(
                "Who bears the miner fee decides about a higher one. {} can raise it when the payout has waited for \
                 {LINGERS_AFTER_BLOCKS} blocks; it is {waited_blocks} now.",
                if party == Party::Arbitrator { "The arbitrator" } else { "You" }
            ))),
        }
    }

    pub(super) fn sign_higher_fee(&self, actor: Actor) -> Result<Change, Refusal> {
        let kind = self.under_way()?;
        self.may_go_on(kind, actor)?;
        Ok(self.field(|_| {}))
    }

    /// The payout that is on its way.
    fn under_way(&self) -> Result<PayoutKind, Refusal> {
        self.paying_out.filter(|_| self.stage == Stage::PayingOut).ok_or_else(|| not_now(self.stage))
    }

    /// Both traders; the arbitrator only with a payout that he has signed.
    fn may_go_on(&self, kind: PayoutKind, actor: Actor) -> Result<Party, Refusal> {
        let party = party_of(actor).ok_or_else(|| not_now(self.stage))?;
        if party == Party::Arbitrator && !self.has_signed(kind, party) {
            return Err(Refusal::conflict("You have not signed this payout; the traders see to its fee."));
        }
        Ok(party)
    }

    fn bearer(&self, kind: PayoutKind, actor: Actor) -> Option<Side> {
        let side = party_of(actor)?.side()?;
        self.fee_bearers(kind).contains(&side).then_some(side)
    }

    fn keep_word(&mut self, word: FeeWord) {
        self.fee_words.retain(|old| (old.kind, old.side) != (word.kind, word.side));
        self.fee_words.push(word);
    }
}
