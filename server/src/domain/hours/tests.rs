use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn input(zone: &str, days: &[(usize, &str, &str)]) -> WeekInput {
    let mut input = WeekInput { stated: true, zone: zone.into(), ..WeekInput::default() };
    for (day, from, to) in days {
        input.days[*day] = ((*from).into(), (*to).into());
    }
    input
}

fn week(zone: &str, days: &[(usize, &str, &str)]) -> Week {
    Week::read(&input(zone, days)).unwrap().expect("hours")
}

/// Monday to Friday, nine to five.
fn office(zone: &str) -> Week {
    week(zone, &[0, 1, 2, 3, 4].map(|day| (day, "09:00", "17:00")))
}

fn refused(input: &WeekInput) -> String {
    Week::read(input).unwrap_err().to_string()
}

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

/// The end without a limit that matters.
fn end(week: &Week, from: &str, length: SignedDuration) -> Timestamp {
    week.end(at(from), length, at("2027-12-31T00:00:00Z"))
}

#[test]
fn a_window_counts_only_in_working_hours() {
    let berlin = office("Europe/Berlin");
    // A Friday in November, UTC+1: two hours are left, the rest is on Monday.
    assert_eq!(end(&berlin, "2026-11-20T14:00:00Z", hours(3)), at("2026-11-23T09:00:00Z"));
    assert_eq!(end(&berlin, "2026-11-20T14:00:00Z", hours(2)), at("2026-11-20T16:00:00Z"), "at the end of the day");
    assert_eq!(end(&berlin, "2026-11-21T00:00:00Z", hours(1)), at("2026-11-23T09:00:00Z"), "begun at a weekend");
    assert_eq!(end(&berlin, "2026-11-21T00:00:00Z", hours(0)), at("2026-11-21T00:00:00Z"));
}

#[test]
fn no_window_lasts_longer_than_three_times_its_length() {
    let hours = Hours { buyer: Some(office("Europe/Berlin")), ..Hours::default() };
    let friday = at("2026-11-20T17:00:00Z");
    let window = hours.window(Party::Buyer, friday, 60);
    assert_eq!((window.due_at, window.latest), (at("2026-11-20T20:00:00Z"), at("2026-11-20T20:00:00Z")));
    assert_eq!(hours.window(Party::Seller, friday, 60).due_at, at("2026-11-20T18:00:00Z"), "no hours, no waiting");
}

#[test]
fn hours_past_midnight_belong_to_the_day_they_begin_on() {
    let night = week("Europe/Berlin", &[(4, "22:00", "02:00")]);
    // Friday 23:00 in Berlin: three hours of the night are left; the next are a week later.
    assert_eq!(end(&night, "2026-11-20T22:00:00Z", hours(3)), at("2026-11-21T01:00:00Z"));
    assert_eq!(end(&night, "2026-11-21T00:30:00Z", hours(1)), at("2026-11-27T21:30:00Z"));
    let double = week("UTC", &[(0, "12:00", "12:00"), (1, "08:00", "13:00")]);
    assert_eq!(double.worked(at("2026-11-23T00:00:00Z"), at("2026-11-25T00:00:00Z")), hours(25), "overlaps count once");
}

#[test]
fn the_clock_of_the_place_decides_when_summer_time_begins_and_ends() {
    let sunday = week("Europe/Berlin", &[(6, "01:00", "05:00")]);
    // 29 March 2026: from two o'clock it is three; 25 October: three o'clock comes twice.
    assert_eq!(sunday.worked(at("2026-03-28T12:00:00Z"), at("2026-03-29T12:00:00Z")), hours(3));
    assert_eq!(sunday.worked(at("2026-10-24T12:00:00Z"), at("2026-10-25T12:00:00Z")), hours(5));
    assert_eq!(end(&sunday, "2026-03-28T12:00:00Z", hours(3)), at("2026-03-29T03:00:00Z"));
    let gap = week("Europe/Berlin", &[(6, "02:15", "02:45")]);
    assert_eq!(gap.worked(at("2026-03-28T12:00:00Z"), at("2026-03-29T12:00:00Z")), SignedDuration::from_mins(30));
    let office = office("America/New_York");
    let before = end(&office, "2026-03-06T21:00:00Z", hours(2));
    assert_eq!(before, at("2026-03-09T14:00:00Z"), "after the weekend nine in the morning is 13:00 UTC");
}

#[test]
fn the_hours_of_a_day_that_has_begun_only_there_count() {
    // In Kiritimati, 14 hours ahead, Saturday begins at ten o'clock on Friday.
    let saturdays = week("Pacific/Kiritimati", &[(5, "00:00", "09:00")]);
    assert_eq!(saturdays.worked(at("2026-11-20T00:00:00Z"), at("2026-11-20T12:00:00Z")), hours(2));
}

#[test]
fn empty_weeks_and_odd_zones_are_refused_and_all_week_is_no_hours() {
    assert_eq!(Week::read(&WeekInput::default()).unwrap(), None);
    assert!(refused(&input("Europe/Berlin", &[])).contains("at least one day"));
    for zone in ["", "Berlin", "Europe/Nowhere", "../etc/passwd", "Ａsia/Tokyo", "+02:00"] {
        assert!(refused(&input(zone, &[(0, "09:00", "17:00")])).contains("time zone"), "{zone}");
    }
    assert!(refused(&input("UTC", &[(0, "09:00", "")])).contains("both"));
    for time in ["9:00", "24:00", "09:60", "noon", "09:00:00", "+9:00"] {
        assert!(refused(&input("UTC", &[(0, time, "17:00")])).contains("09:00"), "{time}");
    }
    for span in [("00:00", "00:00"), ("07:30", "07:30")] {
        let days: Vec<_> = (0..7).map(|day| (day, span.0, span.1)).collect();
        assert_eq!(Week::read(&input("Asia/Tokyo", &days)).unwrap(), None, "day and night");
        assert!(Week::read(&input("Asia/Tokyo", &days[1..])).unwrap().is_some());
    }
}

#[test]
fn hours_are_written_one_way_only() {
    let hours = Hours {
        seller: Some(week("Europe/Berlin", &[(0, "09:00", "17:00"), (5, "22:00", "02:00")])),
        ..Hours::default()
    };
    let text = serde_json::to_string(&hours).unwrap();
    assert_eq!(
        text,
        r#"{"arbitrator":null,"buyer":null,"seller":{"days":[{"day":"mon","from":"09:00","to":"17:00"},{"day":"sat","from":"22:00","to":"02:00"}],"zone":"Europe/Berlin"}}"#
    );
    assert_eq!(serde_json::from_str::<Hours>(&text).unwrap(), hours);
    for (was, is) in [
        ("\"mon\"", "\"Mon\""),
        ("\"sat\"", "\"mon\""),
        ("09:00", "9:00"),
        ("Europe/Berlin", "europe/berlin"),
        ("Europe/Berlin", "Nowhere/Land"),
        ("\"zone\"", "\"place\":1,\"zone\""),
        ("\"buyer\"", "\"payer\""),
    ] {
        let odd = text.replace(was, is);
        assert!(odd != text && serde_json::from_str::<Hours>(&odd).is_err(), "{odd}");
    }
    let none = r#"{"arbitrator":null,"buyer":{"days":[],"zone":"UTC"},"seller":null}"#;
    assert!(serde_json::from_str::<Hours>(none).is_err(), "an empty week");
}

#[test]
fn hours_are_said_in_words() {
    assert_eq!(office("Europe/Berlin").in_words(), "Mon–Fri 09:00–17:00, time of Europe/Berlin");
    let odd =
        week("UTC", &[(0, "09:00", "17:00"), (2, "09:00", "17:00"), (5, "22:00", "02:00"), (6, "10:00", "00:00")]);
    assert_eq!(
        odd.in_words(),
        "Mon 09:00–17:00, Wed 09:00–17:00, Sat 22:00–02:00 next day, Sun 10:00–24:00, time of UTC"
    );
}

#[test]
fn a_standstill_gives_back_the_working_time_it_took() {
    let berlin = office("Europe/Berlin");
    let far = at("2027-01-01T00:00:00Z");
    // Due on Friday at 17:00 in Berlin; from 14:00 to 16:00 nothing ran: the two hours are on Monday.
    let due = at("2026-11-20T16:00:00Z");
    let still = Standstill { from: at("2026-11-20T13:00:00Z"), until: at("2026-11-20T15:00:00Z") };
    assert_eq!(still.extend(Some(&berlin), due, far), at("2026-11-23T10:00:00Z"));
    assert_eq!(still.extend(None, due, due), at("2026-11-20T18:00:00Z"));
    assert_eq!(still.extend(Some(&berlin), still.from, far), still.from, "what was over stays over");
    assert_eq!(still.extend(Some(&berlin), due, due), at("2026-11-20T18:00:00Z"), "no later than the latest end");
}

const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "UTC"];

prop_compose! {
    fn weeks()(
        zone in 0_usize..6,
        days in prop::collection::vec(prop::option::weighted(0.7, (0_u32..96, 0_u32..96)), 7),
    ) -> Option<Week> {
        let mut input = WeekInput { stated: true, zone: ZONES[zone].into(), ..WeekInput::default() };
        for (slot, day) in input.days.iter_mut().zip(days) {
            let clock = |quarter: u32| format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15);
            if let Some((from, to)) = day {
                *slot = (clock(from), clock(to));
            }
        }
        Week::read(&input).ok().flatten()
    }
}

/// Moments of two years, with many around the changes of the clock.
fn moments() -> impl Strategy<Value = Timestamp> {
    let changes = ["2026-03-08T07:00:00Z", "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-11-01T06:00:00Z"];
    let near = (0_usize..4, -6_000_i64..6_000)
        .prop_map(move |(place, minutes)| at(changes[place]) + SignedDuration::from_mins(minutes));
    let any = (0_i64..1_000_000).prop_map(|minutes| at("2026-01-01T00:00:00Z") + SignedDuration::from_mins(minutes));
    prop_oneof![near, any]
}

/// Minute by minute: is somebody at work?
fn at_work(week: &Week, minute: Timestamp) -> bool {
    let WeekInput { zone, days, .. } = week.to_input();
    let zone = TimeZone::get(&zone).or_else(|_| jiff::tz::TimeZoneDatabase::bundled().get(&zone)).unwrap();
    let today = minute.to_zoned(zone.clone()).date();
    [today.yesterday().unwrap(), today].into_iter().any(|date| {
        let (from, to) = &days[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap()];
        if from.is_empty() {
            return false;
        }
        let moment = |date: jiff::civil::Date, time: &str| {
            zone.to_timestamp(date.to_datetime(time.parse::<jiff::civil::Time>().unwrap())).unwrap()
        };
        let end = if to > from { date } else { date.tomorrow().unwrap() };
        (moment(date, from)..moment(end, to)).contains(&minute)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_window_holds_just_its_length_of_working_minutes(week in weeks(), from in moments(), minutes in 1_u32..1_500) {
        let Some(week) = week else { return Ok(()) };
        let hours = Hours { buyer: Some(week.clone()), ..Hours::default() };
        let Window { due_at, latest } = hours.window(Party::Buyer, from, minutes);
        let length = SignedDuration::from_mins(minutes.into());
        prop_assert!(due_at >= from + length && due_at <= latest && latest == from + length * 3);
        let mut counted = 0;
        let mut minute = from;
        while minute < due_at {
            counted += u32::from(at_work(&week, minute));
            minute += SignedDuration::from_mins(1);
        }
        prop_assert!(if due_at < latest { counted == minutes } else { counted <= minutes }, "{counted} of {minutes}");
        prop_assert_eq!(week.worked(from, due_at), SignedDuration::from_mins(counted.into()));
    }

    #[test]
    fn windows_keep_their_order_and_add_up(week in weeks(), from in moments(), one in 1_i64..2_000, more in 0_i64..2_000) {
        let Some(week) = week else { return Ok(()) };
        let limit = from + hours(24 * 400);
        let minutes = SignedDuration::from_mins;
        let first = week.end(from, minutes(one), limit);
        prop_assert!(first <= week.end(from, minutes(one + more), limit), "longer is later");
        prop_assert!(first <= week.end(from + minutes(more), minutes(one), limit), "begun later is over later");
        prop_assert_eq!(week.end(first, minutes(more), limit).max(first), week.end(from, minutes(one + more), limit).max(first));
    }

    #[test]
    fn a_standstill_never_shortens_and_never_takes_working_time(
        week in weeks(), from in moments(), length in 1_u32..1_500, after in 0_i64..2_000, still in 1_i64..2_000,
    ) {
        let Some(week) = week else { return Ok(()) };
        let hours = Hours { buyer: Some(week.clone()), ..Hours::default() };
        let Window { due_at, latest } = hours.window(Party::Buyer, from, length);
        let begin = from + SignedDuration::from_mins(after);
        let still = Standstill { from: begin, until: begin + SignedDuration::from_mins(still) };
        let later = still.extend(Some(&week), due_at, latest);
        if due_at <= begin {
            prop_assert_eq!(later, due_at);
        } else {
            prop_assert!(later >= due_at + still.length() && later <= latest + still.length());
            let (had, has) = (week.worked(begin, due_at), week.worked(still.until, later));
            prop_assert!(has >= had || later == latest + still.length(), "{has} of {had}");
        }
    }

    #[test]
    fn what_is_written_is_read_again(week in weeks()) {
        let Some(week) = week else { return Ok(()) };
        prop_assert_eq!(Week::read(&week.to_input()).unwrap(), Some(week.clone()));
        let text = serde_json::to_string(&week).unwrap();
        prop_assert_eq!(serde_json::from_str::<Week>(&text).unwrap(), week);
    }
}

#[test]
fn nights_are_hours_and_places_have_names() {
    let nights = week("UTC", &[0, 1, 2, 3, 4, 5, 6].map(|day| (day, "22:00", "06:00")));
    assert_ne!(nights, office("UTC"));
    let names: Vec<String> = zones().collect();
    assert!(["UTC", "Europe/Berlin", "Asia/Kolkata"].iter().all(|name| names.iter().any(|one| one == name)));
    assert!(names.iter().all(|name| name.contains('/') || name == "UTC"), "no abbreviations");
}
