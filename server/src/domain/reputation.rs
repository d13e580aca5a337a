//! What others may know of a trader: counts and the words for them, and a picture drawn from the name.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is counted of an account (protocol §10). Partners count by distinct proved keys, a pair once per 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reputation {
    /// Released, or settled by both.
    pub completed: u32,
    /// Ended by this account's lapse: not signed, not deposited, not paid, cancelled after funding, dispute lost.
    pub failed: u32,
    pub partners: u32,
    pub disputes_lost: u32,
    /// From "I have sent the money" to release; half of them were faster.
    pub median_release_minutes: Option<u32>,
    pub member_since: Timestamp,
}

impl Reputation {
    /// Somebody who has not finished a trade.
    pub fn none(member_since: Timestamp) -> Self {
        Self { completed: 0, failed: 0, partners: 0, disputes_lost: 0, median_release_minutes: None, member_since }
    }

    pub fn is_new(&self) -> bool {
        self.completed == 0
    }

    /// Whole percent of trades that went well, rounded down: 100 means all of them. None before the first.
    pub fn percent(&self) -> Option<u32> {
        let all = u64::from(self.completed) + u64::from(self.failed);
        let percent = (u64::from(self.completed) * 100).checked_div(all)?;
        u32::try_from(percent).ok()
    }

    /// "128 trades · 99 %", or "new".
    pub fn words(&self) -> String {
        match self.percent() {
            Some(percent) if !self.is_new() => format!("{} · {percent} %", counted(self.completed, "trade", "trades")),
            _ => "new".to_owned(),
        }
    }

    /// "34 partners".
    pub fn partner_words(&self) -> String {
        counted(self.partners, "partner", "partners")
    }

    /// "no dispute lost", "2 disputes lost".
    pub fn dispute_words(&self) -> String {
        match self.disputes_lost {
            0 => "no dispute lost".to_owned(),
            n => counted(n, "dispute lost", "disputes lost"),
        }
    }

    /// "releases in 12 min", "releases in 3 h"; none before there is a middle to speak of.
    pub fn release_words(&self) -> Option<String> {
        self.median_release_minutes.map(|minutes| match minutes {
            0 => "releases within a minute".to_owned(),
            1..=119 => format!("releases in {minutes} min"),
            _ => format!("releases in {} h", minutes / 60),
        })
    }
}

fn counted(count: u32, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Cells in a row of an identicon; odd, so that there is a middle to mirror at.
pub const IDENTICON_CELLS: u8 = 5;

/// A picture for a name: five rows of five cells, mirrored, in one hue. The same name always has the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identicon {
    /// 0 to 359.
    pub hue_degrees: u16,
    /// Filled cells as (column, row).
    pub cells: Vec<(u8, u8)>,
}

impl Identicon {
    /// From the SHA-256 of the name.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        let [hue_high, hue_low, bits @ ..] = digest;
        let mut cells = Vec::new();
        let mut bits = bits.iter();
        for row in 0..IDENTICON_CELLS {
            for column in 0..=IDENTICON_CELLS / 2 {
                // The middle column is filled more often, so that the picture holds together.
                let threshold = if column == IDENTICON_CELLS / 2 { 96 } else { 128 };
                if bits.next().is_some_and(|byte| *byte >= threshold) {
                    cells.push((column, row));
                    let mirrored = IDENTICON_CELLS - 1 - column;
                    if mirrored != column {
                        cells.push((mirrored, row));
                    }
                }
            }
        }
        Self { hue_degrees: u16::from_be_bytes([*hue_high, *hue_low]) % 360, cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(completed: u32, failed: u32) -> Reputation {
        Reputation { completed, failed, ..Reputation::none(Timestamp::UNIX_EPOCH) }
    }

    #[test]
    fn counts_become_words() {
        assert_eq!(with(0, 0).words(), "new");
        assert_eq!(with(0, 3).words(), "new");
        assert_eq!(with(1, 0).words(), "1 trade · 100 %");
        assert_eq!(with(128, 1).words(), "128 trades · 99 %");
        assert_eq!(with(999, 1).percent(), Some(99), "100 means all of them");
        assert_eq!(with(0, 0).dispute_words(), "no dispute lost");
        let release = |minutes| Reputation { median_release_minutes: Some(minutes), ..with(1, 0) }.release_words();
        assert_eq!(release(12).as_deref(), Some("releases in 12 min"));
        assert_eq!(release(200).as_deref(), Some("releases in 3 h"));
    }

    #[test]
    fn an_identicon_is_mirrored_and_always_the_same() {
        let mut digest = [0; 32];
        digest.iter_mut().zip(0_u8..).for_each(|(byte, at)| *byte = at.wrapping_mul(37));
        let icon = Identicon::from_digest(&digest);
        assert_eq!(icon, Identicon::from_digest(&digest));
        assert!(icon.hue_degrees < 360 && !icon.cells.is_empty());
        for (column, row) in &icon.cells {
            assert!(icon.cells.contains(&(IDENTICON_CELLS - 1 - column, *row)));
        }
    }

    #[test]
    fn partners_and_quick_releases_have_words() {
        let with = |partners, minutes| Reputation { partners, median_release_minutes: minutes, ..with(1, 0) };
        assert_eq!(with(1, None).partner_words(), "1 partner");
        assert_eq!(with(34, None).partner_words(), "34 partners");
        assert_eq!(with(1, Some(0)).release_words().as_deref(), Some("releases within a minute"));
    }

    #[test]
    fn an_identicon_is_drawn_from_the_digest_alone() {
        let cells = |byte| Identicon::from_digest(&[byte; 32]).cells;
        assert_eq!(cells(0xff).len(), 25);
        assert_eq!(cells(128).len(), 25);
        // The middle column is filled from 96 on, the others from 128.
        assert_eq!(cells(127), [(2, 0), (2, 1), (2, 2), (2, 3), (2, 4)]);
        assert_eq!(cells(96).len(), 5);
        assert_eq!(cells(95), []);
        assert_eq!(Identicon::from_digest(&[0x64; 32]).hue_degrees, 0x6464 % 360);
    }
}
