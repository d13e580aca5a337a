//! The one clock of a trade: windows of people in their working hours, and clocks that stand still.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::deadlines::What;
use super::super::hours::{Hours, Standstill, plus};
use super::super::lifecycle::{Actor, Stage};
use super::super::people::{Party, Side, words};
use super::super::refusal::Refusal;
use super::{Change, Trade, not_now};

/// Why every clock of the desk stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// No server of the desk was running.
    Desk,
    /// The desk could not see the chain.
    Chain,
}

words!(Outage { Desk = "desk", Chain = "chain" });

impl Trade {
    /// The same trade with its windows in the working hours of its people. The taker is at the desk as he takes, so only
    /// the maker's hours stretch the time to sign.
    #[must_use]
    pub fn in_hours(mut self, hours: Hours) -> Self {
        self.hours = hours;
        self.sign_by = self.window(What::Signing, self.maker.into(), self.created_at, self.signing_minutes);
        self
    }

    /// The end of a window that begins now.
    pub(super) fn window(&mut self, what: What, who: Party, at: Timestamp, minutes: u32) -> Timestamp {
        let window = self.hours.window(who, at, minutes);
        if self.hours.of(who).is_some() {
            self.latest.insert(what, window.latest);
        } else {
            self.latest.remove(&what);
        }
        window.due_at
    }

    /// The time to answer a dispute; where nobody has spoken yet, as long as the one needs who has fewer hours.
    pub(super) fn answer_window(&mut self, opener: Option<Side>, at: Timestamp) -> Timestamp {
        let minutes = self.windows.answer_minutes;
        let sides = opener.map_or(vec![Side::Buyer, Side::Seller], |opener| vec![opener.other()]);
        let ends = sides.into_iter().map(|side| (self.hours.window(side.into(), at, minutes).due_at, side));
        match ends.max_by_key(|(end, _)| *end) {
            Some((_, side)) => self.window(What::Answer, side.into(), at, minutes),
            None => at,
        }
    }

    /// The desk was not there, or saw no chain: what ran meanwhile goes on where it was.
    pub(super) fn sit_out(&self, from: Timestamp, until: Timestamp, actor: Actor) -> Result<Change, Refusal> {
        if actor != Actor::Clock || !self.may_sit_out() || from < self.as_of || until <= from {
            return Err(not_now(self.stage));
        }
        Ok(self.field(|trade| trade.stand_still(from, until)))
    }

    /// Whether a window runs that an outage would cost somebody. A frozen trade's stand still already.
    pub fn may_sit_out(&self) -> bool {
        let over = matches!(self.stage, Stage::PayingOut | Stage::Completed | Stage::Cancelled);
        !over && !self.frozen && !self.deadlines().is_empty()
    }

    /// Every window that ran at `from` ends as much later as its people lost.
    pub(super) fn stand_still(&mut self, from: Timestamp, until: Timestamp) {
        let still = Standstill { from, until };
        let (hours, latest) = (self.hours.clone(), self.latest.clone());
        let extend = |what: What, who: Party, due: Timestamp| {
            still.extend(hours.of(who), due, latest.get(&what).copied().unwrap_or(due))
        };
        let maker = self.maker.into();
        let running: [(What, Party, Option<&mut Timestamp>); 5] = [
            (What::Signing, maker, Some(&mut self.sign_by)),
            (What::Deposit, Party::Seller, self.deposit_by.as_mut()),
            (What::Payment, Party::Buyer, self.pay_by.as_mut()),
            (What::Release, Party::Seller, self.release_by.as_mut()),
            (What::Objection, Party::Buyer, self.refund_objection_by.as_mut()),
        ];
        for (what, who, due) in running {
            if let Some(due) = due {
                *due = extend(what, who, *due);
            }
        }
        if let Some(amendment) = &mut self.amendment {
            amendment.sign_by = still.extend(None, amendment.sign_by, amendment.sign_by);
        }
        // The chain has no working hours.
        self.confirm_by = self.confirm_by.map(|due| still.extend(None, due, due));
        if let Some(settlement) = &mut self.settlement {
            let proposer = settlement.proposer.into();
            settlement.arbitrator_from = extend(What::Cosignature, proposer, settlement.arbitrator_from);
        }
        for (what, end) in &mut self.latest {
            // The windows that begin when another ends are begun anew below.
            if *end > from && !matches!(what, What::Ruling) {
                *end = plus(*end, still.length());
            }
        }
        self.sit_out_dispute(still, &extend);
        self.as_of = self.as_of.max(until);
    }

    /// The arbitrator's time begins when the answer's ends, and the co-signature's when the objection's does.
    fn sit_out_dispute(&mut self, still: Standstill, extend: &impl Fn(What, Party, Timestamp) -> Timestamp) {
        if let Some((spoke, answer_by, rule_by)) =
            self.dispute.as_ref().map(|one| (one.buyer_spoke, one.answer_by, one.rule_by))
        {
            let silent = if spoke { Party::Seller } else { Party::Buyer };
            let answered = extend(What::Answer, silent, answer_by);
            let ruled = if answer_by > still.from && self.ruling.is_none() {
                self.window(What::Ruling, Party::Arbitrator, answered, self.windows.ruling_minutes)
            } else {
                extend(What::Ruling, Party::Arbitrator, rule_by)
            };
            if let Some(dispute) = &mut self.dispute {
                (dispute.answer_by, dispute.rule_by) = (answered, ruled.max(rule_by));
            }
        }
        let Some((favours, objection_by)) = self.ruling.as_ref().map(|one| (one.favours, one.objection_by)) else {
            self.cosign_by = self.cosign_by.map(|due| extend(What::Cosignature, Party::Seller, due));
            return;
        };
        let objected = extend(What::Objection, favours.other().into(), objection_by);
        if let Some(ruling) = &mut self.ruling {
            ruling.objection_by = objected;
        }
        if objection_by > still.from {
            let minutes = self.windows.cosign_minutes;
            self.cosign_by = Some(self.window(What::Cosignature, favours.into(), objected, minutes));
        } else {
            self.cosign_by = self.cosign_by.map(|due| extend(What::Cosignature, favours.into(), due));
        }
    }
}

/// How many minutes lie between two times; none if the second is not later.
pub(super) fn minutes_between(from: Timestamp, to: Timestamp) -> u32 {
    u32::try_from(to.duration_since(from).as_mins()).unwrap_or(0)
}

/// A time so many minutes later. Windows are at most weeks, times are this century's.
pub(super) fn later(at: Timestamp, minutes: u32) -> Timestamp {
    plus(at, SignedDuration::from_mins(minutes.into()))
}

#[cfg(test)]
mod tests;
