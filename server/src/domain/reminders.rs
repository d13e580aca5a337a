//! When who is reminded of a window: at half and at nine tenths of it, counted in the one clock. Working hours that are
//! over and times when the clock stood still do not count, and who has done what is asked of him is left in peace.

use jiff::{SignedDuration, Timestamp};

use super::deadlines::{Deadline, What};
use super::lifecycle::Stage;
use super::people::{Party, Side};
use super::trade::Trade;

/// Reminders in hundredths of a window.
pub const REMINDERS_PERCENT: [i32; 2] = [50, 90];

impl Trade {
    /// The times of the reminders of a window that runs. One at or after its end, or before its beginning, is not told.
    pub fn reminder_times(&self, window: &Deadline) -> [Timestamp; 2] {
        let Deadline { started_at, due_at, .. } = *window;
        // A window in which nobody works at all is counted by the plain clock.
        let works = |party: &Party| self.hours.worked(Some(*party), started_at, due_at) > SignedDuration::ZERO;
        let party = self.party_of(window).filter(works);
        let length = match party {
            // One that its latest end cuts short is as long as it is.
            Some(_) if self.latest.get(&window.what).is_some_and(|latest| due_at >= *latest) => {
                self.hours.worked(party, started_at, due_at)
            }
            _ => self.length_of(window.what),
        };
        REMINDERS_PERCENT.map(|percent| {
            let left = length.saturating_mul(100 - percent) / 100;
            self.hours.left(party, started_at, due_at, left)
        })
    }

    /// Who is reminded of a window: whoever must still act in it.
    pub fn reminded(&self, window: &Deadline) -> Vec<Party> {
        let turn = self.turn();
        let named = |party: &Party| window.who == party.as_str();
        let all = Party::ALL.into_iter();
        match window.what {
            // A right, not a duty: nobody else can use it for him.
            What::Objection => all.filter(named).collect(),
            // The chain's; whose coins they are can pay the miners more.
            What::Confirmation => vec![Party::Seller],
            // The traders: the arbitrator has windows of his own.
            _ if window.who == "both" => all.filter(|party| party.side().is_some() && turn.contains(party)).collect(),
            _ => all.filter(|party| named(party) && turn.contains(party)).collect(),
        }
    }

    /// In whose working hours a window runs.
    fn party_of(&self, window: &Deadline) -> Option<Party> {
        match (window.what, self.stage) {
            // The taker was at the desk as he took.
            (What::Signing, Stage::Proposed) => Some(self.maker.into()),
            // Whoever must sign first: it is as long as the seller needs.
            (What::Release, _) => Some(Party::Seller),
            (What::Answer, _) if window.who == "both" => {
                let end = |side: &Side| {
                    self.hours.window((*side).into(), window.started_at, self.windows.answer_minutes).due_at
                };
                [Side::Buyer, Side::Seller].into_iter().max_by_key(end).map(Party::from)
            }
            _ => Party::from_word(window.who),
        }
    }

    fn length_of(&self, what: What) -> SignedDuration {
        let windows = &self.windows;
        let minutes = match what {
            What::Signing => match &self.amendment {
                Some(proposed) => proposed.minutes,
                None => self.signing_minutes,
            },
            What::Deposit => windows.deposit_minutes,
            What::Confirmation => windows.confirmation_minutes,
            What::Payment => windows.payment_minutes,
            What::Release => windows.release_minutes,
            What::Objection => windows.objection_minutes,
            What::Answer => windows.answer_minutes,
            What::Ruling => windows.ruling_minutes,
            What::Cosignature => windows.cosign_minutes,
        };
        SignedDuration::from_mins(minutes.into())
    }
}
