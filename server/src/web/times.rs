//! Times as pages show them: exact for machines, in UTC for people; a script may turn them into the local zone.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// A moment, ready for `<time>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// `2026-11-21T14:20:00Z`.
    pub iso: String,
    /// `21 Nov 2026, 14:20 UTC`.
    pub text: String,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let utc = at.to_zoned(TimeZone::UTC);
        Self {
            iso: utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            text: utc.strftime("%-d %b %Y, %H:%M UTC").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_exact_and_readable() {
        let moment = Moment::from("2026-11-05T14:20:09.5Z".parse::<Timestamp>().unwrap());
        assert_eq!((moment.iso.as_str(), moment.text.as_str()), ("2026-11-05T14:20:09Z", "5 Nov 2026, 14:20 UTC"));
    }
}
