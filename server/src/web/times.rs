//! Times as pages show them: exact for machines, in UTC for people. Whoever named a time zone reads them in it; for others
//! a script may turn them into the local one.

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

/// How templates mark a time that may be told in another zone.
const LOCAL: &str = " data-local>";

/// The page with its times told in this zone. The script leaves those alone.
pub fn in_zone(html: &str, zone: &TimeZone) -> String {
    let mut told = String::with_capacity(html.len());
    let mut pieces = html.split("<time datetime=\"");
    told.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        told.push_str("<time datetime=\"");
        told.push_str(&retold(piece, zone).unwrap_or_else(|| piece.to_owned()));
    }
    told
}

/// What stands after `<time datetime="`, if it is a moment that may be told otherwise.
fn retold(piece: &str, zone: &TimeZone) -> Option<String> {
    let (iso, rest) = piece.split_once('"')?;
    let (_, after) = rest.strip_prefix(LOCAL)?.split_once("</time>")?;
    let at = iso.parse::<Timestamp>().ok()?.to_zoned(zone.clone());
    Some(format!("{iso}\">{}</time>{after}", at.strftime("%-d %b %Y, %H:%M %Z")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marked_times_are_told_in_the_zone_and_the_rest_stays() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let page = "<p>now <time datetime=\"2026-07-05T22:20:09Z\" data-local>5 Jul 2026, 22:20 UTC</time>, \
                    <time datetime=\"2026-11-05T14:20:09Z\" data-countdown>41 min left</time> \
                    <time datetime=\"soon\" data-local>soon</time></p>";
        let told = in_zone(page, &zone);
        assert_eq!(
            told,
            page.replace(" data-local>5 Jul 2026, 22:20 UTC", ">6 Jul 2026, 00:20 CEST"),
            "only a marked moment changes"
        );
        assert_eq!(in_zone("no time at all", &zone), "no time at all");
    }

    #[test]
    fn a_moment_is_exact_and_readable() {
        let moment = Moment::from("2026-11-05T14:20:09.5Z".parse::<Timestamp>().unwrap());
        assert_eq!((moment.iso.as_str(), moment.text.as_str()), ("2026-11-05T14:20:09Z", "5 Nov 2026, 14:20 UTC"));
    }
}
