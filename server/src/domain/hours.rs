//! Working hours: when a person can be expected to act, on the clock of the place where they are.
//!
//! Windows of people count only inside them, and never last longer than three times their length. The time zones are
//! those built into the program, so that every machine comes to the same end; the rules of a place may change with a
//! new version of the program, the wording in the contract does not.

mod week;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::people::Party;
pub use week::{DAYS, Week, WeekInput, zones};

/// However short the working hours, a window ends after so many times its length.
pub const STRETCH_MAX: i32 = 3;

/// The working hours of the three people of a trade, as they stand in its contract; none means day and night.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    pub arbitrator: Option<Week>,
    pub buyer: Option<Week>,
    pub seller: Option<Week>,
}

/// A window as it was begun: its end, and the latest end that it may ever have but for the times the clock stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub due_at: Timestamp,
    pub latest: Timestamp,
}

/// A time in which a clock stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standstill {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Hours {
    pub fn of(&self, party: Party) -> Option<&Week> {
        match party {
            Party::Buyer => self.buyer.as_ref(),
            Party::Seller => self.seller.as_ref(),
            Party::Arbitrator => self.arbitrator.as_ref(),
        }
    }

    /// Nobody has stated any.
    pub fn is_none(&self) -> bool {
        Party::ALL.into_iter().all(|party| self.of(party).is_none())
    }

    /// When so much of this person's working time is left until `due_at`; not before `since`.
    pub fn left(&self, party: Option<Party>, since: Timestamp, due_at: Timestamp, left: SignedDuration) -> Timestamp {
        match party.and_then(|party| self.of(party)) {
            Some(week) => week.before(due_at, left, since),
            None => due_at.checked_sub(left).unwrap_or(since).max(since),
        }
    }

    /// The working time of this person between two moments.
    pub fn worked(&self, party: Option<Party>, from: Timestamp, to: Timestamp) -> SignedDuration {
        match party.and_then(|party| self.of(party)) {
            Some(week) => week.worked(from, to),
            None => to.duration_since(from).max(SignedDuration::ZERO),
        }
    }

    /// The window of this person that begins now and is so many minutes of working time long.
    pub fn window(&self, party: Party, at: Timestamp, minutes: u32) -> Window {
        let length = SignedDuration::from_mins(minutes.into());
        let latest = plus(at, length.saturating_mul(STRETCH_MAX));
        let due_at = match self.of(party) {
            Some(week) => week.end(at, length, latest),
            None => plus(at, length),
        };
        Window { due_at, latest }
    }
}

impl Standstill {
    pub fn length(&self) -> SignedDuration {
        self.until.duration_since(self.from).max(SignedDuration::ZERO)
    }

    /// The end of a window that was running: what was left of the working time is counted again from where the clock
    /// goes on. A window that was over stays over.
    pub fn extend(&self, week: Option<&Week>, due_at: Timestamp, latest: Timestamp) -> Timestamp {
        if due_at <= self.from {
            return due_at;
        }
        let plain = plus(due_at, self.length());
        match week {
            None => plain,
            Some(week) => {
                let limit = plus(latest, self.length()).max(plain);
                week.end(self.until, week.worked(self.from, due_at), limit).max(plain)
            }
        }
    }
}

/// A time later; windows are at most weeks, times are this century's.
pub fn plus(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(at)
}

#[cfg(test)]
mod tests;
