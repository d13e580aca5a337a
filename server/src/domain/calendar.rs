//! Deadlines as an iCalendar file (RFC 5545), for calendars that subscribe. Nothing in it tells what is traded.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::reminders::REMINDERS_PERCENT;

/// A line is folded after so many bytes (RFC 5545 §3.1), its line break not counted.
pub const LINE_BYTES_MAX: usize = 75;
/// How often a calendar should look again.
const REFRESH: &str = "PT15M";
const PRODUCT: &str = "-//Trine//Deadlines//EN";

/// One deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The same for the same window, whenever it is written: `7KQ2M4XN-payment@desk.example`.
    pub uid: String,
    pub sequence: i64,
    pub started_at: Timestamp,
    pub due_at: Timestamp,
    pub title: String,
    pub words: String,
    pub url: String,
    /// Whoever reads this must act.
    pub is_mine: bool,
}

/// The file. Lines end with CRLF and are folded; text is escaped.
pub fn write(name: &str, entries: &[Entry], now: Timestamp) -> String {
    let mut out = String::new();
    let mut line = |text: &str| fold(&mut out, text);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line(&format!("PRODID:{PRODUCT}"));
    line("CALSCALE:GREGORIAN");
    line(&format!("X-WR-CALNAME:{}", escaped(name)));
    line(&format!("REFRESH-INTERVAL;VALUE=DURATION:{REFRESH}"));
    line(&format!("X-PUBLISHED-TTL:{REFRESH}"));
    // A calendar has at least one component, also when nothing is due.
    for fixed in [
        "BEGIN:VTIMEZONE",
        "TZID:UTC",
        "BEGIN:STANDARD",
        "DTSTART:19700101T000000",
        "TZOFFSETFROM:+0000",
        "TZOFFSETTO:+0000",
    ] {
        line(fixed);
    }
    line("END:STANDARD");
    line("END:VTIMEZONE");
    for entry in entries {
        for text in event(entry, now) {
            line(&text);
        }
    }
    line("END:VCALENDAR");
    out
}

fn event(entry: &Entry, now: Timestamp) -> Vec<String> {
    let mut lines = vec![
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}", escaped(&entry.uid)),
        format!("SEQUENCE:{}", entry.sequence),
        format!("DTSTAMP:{}", utc(now)),
        format!("DTSTART:{}", utc(entry.due_at)),
        format!("SUMMARY:{}", escaped(&entry.title)),
        format!("DESCRIPTION:{}", escaped(&entry.words)),
        format!("URL:{}", entry.url),
        "CLASS:PRIVATE".to_owned(),
        "TRANSP:TRANSPARENT".to_owned(),
    ];
    let length = entry.due_at.duration_since(entry.started_at);
    for percent in REMINDERS_PERCENT.into_iter().filter(|_| entry.is_mine && length > SignedDuration::ZERO) {
        let before = (length.saturating_mul(100 - percent) / 100).as_mins().max(1);
        lines.extend([
            "BEGIN:VALARM".to_owned(),
            "ACTION:DISPLAY".to_owned(),
            format!("TRIGGER:-PT{before}M"),
            format!("DESCRIPTION:{}", escaped(&entry.title)),
            "END:VALARM".to_owned(),
        ]);
    }
    lines.push("END:VEVENT".to_owned());
    lines
}

/// `20261122T140000Z`.
fn utc(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// TEXT of RFC 5545 §3.3.11.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Appends a line, broken between characters so that no part is longer than the limit.
fn fold(out: &mut String, text: &str) {
    let mut used = 0;
    for c in text.chars() {
        if used + c.len_utf8() > LINE_BYTES_MAX {
            out.push_str("\r\n ");
            used = 1;
        }
        used += c.len_utf8();
        let _ = write!(out, "{c}");
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn entry() -> Entry {
        Entry {
            uid: "7KQ2M4XN-payment@desk.example".into(),
            sequence: 4,
            started_at: at("2026-11-22T12:00:00Z"),
            due_at: at("2026-11-22T14:00:00.7Z"),
            title: "Your turn, 7KQ2 M4XN".into(),
            words: "Open the desk; it says\nwhat is due.".into(),
            url: "https://desk.example/trades/7KQ2M4XN".into(),
            is_mine: true,
        }
    }

    fn unfolded(text: &str) -> Vec<String> {
        text.replace("\r\n ", "").split_terminator("\r\n").map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_deadline_is_an_event_with_two_reminders() {
        let text = write("Deadlines", &[entry()], at("2026-11-22T12:30:00Z"));
        let lines = unfolded(&text);
        for line in [
            "UID:7KQ2M4XN-payment@desk.example",
            "SEQUENCE:4",
            "DTSTAMP:20261122T123000Z",
            "DTSTART:20261122T140000Z",
            "SUMMARY:Your turn\\, 7KQ2 M4XN",
            "DESCRIPTION:Open the desk\\; it says\\nwhat is due.",
            "TRIGGER:-PT60M",
            "TRIGGER:-PT12M",
        ] {
            assert!(lines.iter().any(|one| one == line), "{line} is missing in\n{text}");
        }
        assert_eq!(
            (lines.first().unwrap().as_str(), lines.last().unwrap().as_str()),
            ("BEGIN:VCALENDAR", "END:VCALENDAR")
        );
        let theirs = Entry { is_mine: false, ..entry() };
        assert!(!write("Deadlines", &[theirs], at("2026-11-22T12:30:00Z")).contains("VALARM"));
    }

    #[test]
    fn an_empty_calendar_has_a_component_and_every_begin_its_end() {
        for entries in [vec![], vec![entry(), entry()]] {
            let mut open = Vec::new();
            for line in unfolded(&write("Deadlines", &entries, at("2026-11-22T12:30:00Z"))) {
                if let Some(what) = line.strip_prefix("BEGIN:") {
                    open.push(what.to_owned());
                } else if let Some(what) = line.strip_prefix("END:") {
                    assert_eq!(open.pop().as_deref(), Some(what));
                } else {
                    assert!(!open.is_empty() && line.contains(':'), "{line}");
                }
            }
            assert!(open.is_empty());
        }
        assert!(write("Deadlines", &[], Timestamp::UNIX_EPOCH).contains("BEGIN:VTIMEZONE"));
    }

    proptest! {
        #[test]
        fn lines_are_folded_between_characters_and_say_the_same_again(title in "\\PC{0,200}", words in "[\\PC\n\r\t]{0,300}") {
            let text = write("Deadlines", &[Entry { title, words: words.clone(), ..entry() }], Timestamp::UNIX_EPOCH);
            prop_assert!(text.ends_with("\r\n"));
            for line in text.split_terminator("\r\n") {
                prop_assert!(line.len() <= LINE_BYTES_MAX && !line.is_empty(), "{}: {line}", line.len());
                prop_assert!(!line.contains(['\r', '\n']));
            }
            let lines = unfolded(&text);
            let said = lines.iter().find_map(|line| line.strip_prefix("DESCRIPTION:")).unwrap();
            let mut back = String::new();
            let mut escape = false;
            for c in said.chars() {
                match (escape, c) {
                    (false, '\\') => { escape = true; continue }
                    (true, 'n') => back.push('\n'),
                    _ => back.push(c),
                }
                escape = false;
            }
            prop_assert_eq!(back, words.chars().filter(|c| *c == '\n' || !c.is_control()).collect::<String>());
        }
    }

    #[test]
    fn a_line_has_75_bytes_at_most_and_is_not_broken_before() {
        let folded = |length: usize| {
            let mut out = String::new();
            fold(&mut out, &"a".repeat(length));
            out
        };
        assert_eq!(folded(75), format!("{}\r\n", "a".repeat(75)));
        assert_eq!(folded(76), format!("{}\r\n a\r\n", "a".repeat(75)));
        assert_eq!(folded(75 + 75), format!("{}\r\n {}\r\n a\r\n", "a".repeat(75), "a".repeat(74)));
    }

    #[test]
    fn what_is_due_at_once_reminds_nobody() {
        let now = entry().due_at;
        let text = write("Deadlines", &[Entry { started_at: now, ..entry() }], now);
        assert!(!text.contains("VALARM"), "{text}");
    }
}
