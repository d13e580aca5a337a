//! One person's week: for each day at most one span, which may run past midnight.

use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::refusal::{Problems, Refusal};

/// The days as contracts and forms name them, in the order of a week.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_WORDS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY_MINUTES: u32 = 24 * 60;

/// The names and rules of all places, built in.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Hours of a week in one time zone. There is at least one day, and it is not all of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Week {
    zone: String,
    days: [Option<Span>; 7],
}

/// Minutes after midnight; `to` at or before `from` is on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u32,
    to: u32,
}

impl Span {
    fn minutes(self) -> u32 {
        if self.to > self.from { self.to - self.from } else { DAY_MINUTES - self.from + self.to }
    }

    fn ends_next_day(self) -> bool {
        self.to <= self.from
    }
}

/// How a week stands in a contract: days in their order, times as `09:00`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    days: Vec<WrittenDay>,
    zone: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDay {
    day: String,
    from: String,
    to: String,
}

/// What a form says: `always`, or a zone and two times for each working day.
#[derive(Debug, Clone, Default)]
pub struct WeekInput {
    pub stated: bool,
    pub zone: String,
    /// From and to of Monday … Sunday; both empty on a day without work.
    pub days: [(String, String); 7],
}

impl Week {
    /// From a form. None: day and night. Fields: `zone`, `mon` … `sun`, `days`.
    pub fn read(input: &WeekInput) -> Result<Option<Self>, Refusal> {
        if !input.stated {
            return Ok(None);
        }
        let mut problems = Problems::default();
        let zone = problems.check("zone", known_zone(input.zone.trim()));
        let mut days = [None; 7];
        for ((slot, name), (from, to)) in days.iter_mut().zip(DAYS).zip(&input.days) {
            match (from.trim(), to.trim()) {
                ("", "") => {}
                ("", _) | (_, "") => problems.add(name, "Say both from and to, or leave both empty."),
                (from, to) => match (minute(from), minute(to)) {
                    (Some(from), Some(to)) => *slot = Some(Span { from, to }),
                    _ => problems.add(name, "Times are written like 09:00."),
                },
            }
        }
        problems.ok()?;
        if days.iter().all(Option::is_none) {
            return Err(Refusal::field(
                "days",
                "A week without working hours would stop every clock. Name at least one day.",
            ));
        }
        let week = Self { zone: zone.unwrap_or_default(), days };
        Ok((!week.is_always()).then_some(week))
    }

    /// For the form: the zone, and from and to of each day.
    pub fn to_input(&self) -> WeekInput {
        let day = |span: &Option<Span>| span.map_or_else(Default::default, |span| (clock(span.from), clock(span.to)));
        WeekInput { stated: true, zone: self.zone.clone(), days: self.days.each_ref().map(day) }
    }

    /// `Mon–Fri 09:00–17:00, Sat 22:00–02:00 next day, time of Europe/Berlin`.
    pub fn in_words(&self) -> String {
        let mut groups: Vec<(&str, &str, Span)> = Vec::new();
        let mut before = None;
        for (name, span) in DAY_WORDS.iter().zip(self.days) {
            match (span, groups.last_mut()) {
                (Some(span), Some(last)) if before == Some(span) => last.1 = name,
                (Some(span), _) => groups.push((name, name, span)),
                (None, _) => {}
            }
            before = span;
        }
        let group = |(first, last, span): &(&str, &str, Span)| {
            let days = if first == last { (*first).to_owned() } else { format!("{first}–{last}") };
            let next = if span.ends_next_day() && span.to > 0 { " next day" } else { "" };
            let to = if span.to == 0 { "24:00".to_owned() } else { clock(span.to) };
            format!("{days} {}–{to}{next}", clock(span.from))
        };
        format!("{}, time of {}", groups.iter().map(group).collect::<Vec<_>>().join(", "), self.zone)
    }

    /// When so much working time has passed since `at`, but no later than `limit`.
    pub fn end(&self, at: Timestamp, length: SignedDuration, limit: Timestamp) -> Timestamp {
        if length <= SignedDuration::ZERO {
            return at.min(limit);
        }
        let mut left = length;
        for (from, to) in self.spans(at, limit) {
            let here = to.duration_since(from);
            if here >= left {
                return from.checked_add(left).unwrap_or(to).min(limit);
            }
            left = left.checked_sub(here).unwrap_or_default();
        }
        limit
    }

    /// When so much working time is left until `due`, but no earlier than `since`.
    pub fn before(&self, due: Timestamp, left: SignedDuration, since: Timestamp) -> Timestamp {
        let mut left = left;
        let spans: Vec<_> = self.spans(since, due).collect();
        for (from, to) in spans.into_iter().rev() {
            let here = to.duration_since(from);
            if here >= left {
                return to.checked_sub(left).unwrap_or(from);
            }
            left = left.checked_sub(here).unwrap_or_default();
        }
        since
    }

    /// The working time between two moments.
    pub fn worked(&self, from: Timestamp, to: Timestamp) -> SignedDuration {
        let lengths = self.spans(from, to).map(|(from, to)| to.duration_since(from));
        lengths.fold(SignedDuration::ZERO, |sum, one| sum.saturating_add(one))
    }

    /// The spans between two moments, in order, cut at both ends; where two overlap the time counts once.
    fn spans(&self, at: Timestamp, limit: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> + use<'_> {
        let zone = ZONES.get(&self.zone).unwrap_or(TimeZone::UTC);
        let yesterday = at.to_zoned(zone.clone()).date().yesterday().ok();
        let dates = std::iter::successors(yesterday, |date| date.tomorrow().ok());
        let mut counted = at;
        dates
            .map(move |date| (date, self.on(date, &zone)))
            .take_while(move |(date, _)| !is_after(*date, limit))
            .filter_map(move |(_, span)| {
                let (from, to) = span?;
                let (from, to) = (from.max(counted), to.min(limit));
                (to > from).then(|| {
                    counted = to;
                    (from, to)
                })
            })
    }

    /// The span that begins on this date, as moments. What a change of the clock leaves out is left out.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let place = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
        let span = self.days.get(place).copied().flatten()?;
        let end = if span.ends_next_day() { date.tomorrow().ok()? } else { date };
        let moment = |date: Date, minute: u32| zone.to_timestamp(date.to_datetime(time(minute)?)).ok();
        Some((moment(date, span.from)?, moment(end, span.to)?))
    }

    /// Every minute of the week is in it.
    fn is_always(&self) -> bool {
        let week = 7 * DAY_MINUTES;
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for (midnight, span) in (0..).step_by(24 * 60).zip(self.days) {
            let Some(span) = span else { continue };
            let from: u32 = midnight + span.from;
            spans.push((from, from + span.minutes()));
            // Sunday's night is on Monday too.
            spans.extend((from + span.minutes() > week).then(|| (0, from + span.minutes() - week)));
        }
        spans.sort_unstable();
        spans.into_iter().fold(0, |covered, (from, to)| if from <= covered { covered.max(to) } else { covered }) >= week
    }
}

/// A day on which no span can begin before `limit` any more, wherever on earth.
fn is_after(date: Date, limit: Timestamp) -> bool {
    limit.to_zoned(TimeZone::UTC).date().tomorrow().is_ok_and(|last| date > last)
}

/// The name as the list of places has it.
fn known_zone(text: &str) -> Result<String, &'static str> {
    const UNKNOWN: &str = "Choose a time zone of the list, like Europe/Berlin.";
    let sane =
        text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+'));
    let found = sane.then(|| ZONES.get(text).ok()).flatten().ok_or(UNKNOWN)?;
    found.iana_name().map(ToOwned::to_owned).ok_or(UNKNOWN)
}

/// The names of all places, for a form.
pub fn zones() -> impl Iterator<Item = String> {
    ZONES.available().map(|name| name.as_str().to_owned()).filter(|name| name.contains('/') || name == "UTC")
}

/// `09:05` → 545.
fn minute(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str, below: u32| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| digits && *number < below)
    };
    Some(two(hours, 24)? * 60 + two(minutes, 60)?)
}

fn clock(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn time(minute: u32) -> Option<Time> {
    Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()
}

impl TryFrom<Written> for Week {
    type Error = String;

    /// Accepts exactly what [`Written::from`] writes.
    fn try_from(written: Written) -> Result<Self, String> {
        let mut days = [None; 7];
        let mut places = 0_usize..7;
        for one in &written.days {
            let place = places.find(|place| DAYS.get(*place) == Some(&one.day.as_str()));
            let slot = place.and_then(|place| days.get_mut(place)).ok_or("working hours: days in their order")?;
            let (from, to) = minute(&one.from).zip(minute(&one.to)).ok_or("working hours: times like 09:00")?;
            *slot = Some(Span { from, to });
        }
        let week = Self { zone: known_zone(&written.zone)?, days };
        if week.zone != written.zone || written.days.is_empty() || week.is_always() {
            return Err("working hours: a known zone, and neither no time nor all of it".into());
        }
        Ok(week)
    }
}

impl From<Week> for Written {
    fn from(week: Week) -> Self {
        let day = |(day, span): (&str, Option<Span>)| {
            span.map(|span| WrittenDay { day: day.to_owned(), from: clock(span.from), to: clock(span.to) })
        };
        Self { days: DAYS.into_iter().zip(week.days).filter_map(day).collect(), zone: week.zone }
    }
}
