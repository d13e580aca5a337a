//! The guided tour of a practice desk: four lessons, each step ticked off by what is so, never by what was pressed.

use super::PublicRef;
use super::lifecycle::Stage;
use super::people::{Party, Side, words};
use super::trade::{Outcome, PayoutKind, Trade};
use super::wish::Wish;

/// A lesson, in the order of the tour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    Purchase,
    Sale,
    Refund,
    Dispute,
}

/// Something to do, or to wait for, in one lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Register,
    MakeKey,
    AddWay,
    Take,
    Sign,
    /// The partner locks the coins.
    Locked,
    Mark,
    /// The partner releases, and it is confirmed.
    Arrives,
    Lock,
    /// The partner pays.
    Paid,
    Release,
    /// The payout is confirmed.
    Over,
    Cancel,
    /// The partner signs too, and it is confirmed.
    Returned,
    Hold,
    Dispute,
    /// The arbitrator is asked how to rule.
    AskToRule,
    /// The arbitrator rules.
    Ruled,
    Cosign,
}

words!(Lesson { Purchase = "purchase", Sale = "sale", Refund = "refund", Dispute = "dispute" });

/// One trade of the newcomer.
#[derive(Debug, Clone)]
pub struct Seen {
    pub reference: PublicRef,
    pub side: Side,
    pub state: Trade,
    /// What the newcomer has asked for.
    pub wishes: Vec<Wish>,
}

/// What is so.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub registered: bool,
    pub has_key: bool,
    pub has_way: bool,
    /// The newest first.
    pub trades: Vec<Seen>,
}

/// A lesson with its steps, and the trade it is done in, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub lesson: Lesson,
    pub trade: Option<PublicRef>,
    pub steps: Vec<(Step, bool)>,
}

impl Progress {
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|(_, done)| *done)
    }

    /// The first step that is not done, with its number from 1.
    pub fn next(&self) -> Option<(usize, Step)> {
        let found = self.steps.iter().position(|(_, done)| !done)?;
        self.steps.get(found).map(|(step, _)| (found.saturating_add(1), *step))
    }
}

impl Step {
    /// It is somebody else's turn.
    pub fn waits(self) -> bool {
        matches!(self, Self::Locked | Self::Arrives | Self::Paid | Self::Over | Self::Returned | Self::Ruled)
    }
}

impl Lesson {
    pub const ALL: [Self; 4] = [Self::Purchase, Self::Sale, Self::Refund, Self::Dispute];

    fn side(self) -> Side {
        if self == Self::Sale { Side::Seller } else { Side::Buyer }
    }

    fn steps(self) -> &'static [Step] {
        use Step::{
            AddWay, Arrives, AskToRule, Cancel, Cosign, Dispute, Hold, Lock, Locked, MakeKey, Mark, Over, Paid,
            Register, Release, Returned, Ruled, Sign, Take,
        };
        match self {
            Self::Purchase => &[Register, MakeKey, AddWay, Take, Sign, Locked, Mark, Arrives],
            Self::Sale => &[Take, Sign, Lock, Paid, Release, Over],
            Self::Refund => &[Take, Sign, Locked, Cancel, Returned],
            Self::Dispute => &[Take, Sign, Locked, Hold, Mark, Dispute, AskToRule, Ruled, Cosign, Over],
        }
    }

    /// Whether this trade is the lesson, done.
    fn is_done_in(self, seen: &Seen) -> bool {
        let (trade, outcome) = (&seen.state, seen.state.outcome);
        if trade.stage != Stage::Completed {
            return false;
        }
        let peaceful = trade.dispute.is_none();
        match self {
            Self::Purchase | Self::Sale => peaceful && seen.side == self.side() && outcome == Some(Outcome::Released),
            Self::Refund => peaceful && outcome == Some(Outcome::Refunded),
            Self::Dispute => trade.ruling.is_some(),
        }
    }
}

/// How far the newcomer is. A lesson that is not the first open one shows only whether it is done.
pub fn progress(facts: &Facts) -> [Progress; 4] {
    let done_in = |lesson: Lesson| facts.trades.iter().find(|seen| lesson.is_done_in(seen));
    let current = Lesson::ALL.into_iter().find(|lesson| done_in(*lesson).is_none());
    Lesson::ALL.map(|lesson| {
        if let Some(seen) = done_in(lesson) {
            let steps = lesson.steps().iter().map(|step| (*step, true)).collect();
            return Progress { lesson, trade: Some(seen.reference), steps };
        }
        let live = |seen: &&Seen| {
            seen.side == lesson.side() && !matches!(seen.state.stage, Stage::Completed | Stage::Cancelled)
        };
        let trade = facts.trades.iter().find(live).filter(|_| current == Some(lesson));
        let steps = lesson.steps().iter().map(|step| (*step, is_done(*step, facts, trade))).collect();
        Progress { lesson, trade: trade.map(|seen| seen.reference), steps }
    })
}

fn is_done(step: Step, facts: &Facts, seen: Option<&Seen>) -> bool {
    match step {
        Step::Register => return facts.registered,
        Step::MakeKey => return facts.has_key,
        Step::AddWay => return facts.has_way,
        _ => {}
    }
    let Some(seen) = seen else { return false };
    let trade = &seen.state;
    let signed = |kind, party| trade.has_signed(kind, party);
    match step {
        Step::Register | Step::MakeKey | Step::AddWay | Step::Take => true,
        Step::Sign => {
            if seen.side == Side::Buyer {
                trade.buyer_agreed
            } else {
                trade.seller_agreed
            }
        }
        Step::Locked => trade.ever_funded,
        Step::Lock => trade.ever_funded || trade.deposit.seen.to_sat() > 0,
        Step::Mark | Step::Paid => trade.paid_at.is_some(),
        Step::Release => signed(PayoutKind::Release, Party::Seller),
        Step::Cancel => signed(PayoutKind::Refund, Party::Buyer),
        Step::Hold => seen.wishes.contains(&Wish::DoNotRelease) || trade.dispute.is_some(),
        Step::Dispute => trade.dispute.is_some(),
        Step::AskToRule => seen.wishes.iter().any(|wish| wish.is_for_arbitrator()) || trade.ruling.is_some(),
        Step::Ruled => trade.ruling.is_some(),
        Step::Cosign => signed(PayoutKind::Ruling, Party::Buyer) || trade.stage == Stage::PayingOut,
        Step::Arrives | Step::Over | Step::Returned => false,
    }
}

#[cfg(test)]
mod tests;
