//! One clock: working hours, outages, calendars.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use trine::chain::ChainError;
use trine::desk::{Rules, admin, clock, trade_facts, trades, worker};
use trine::domain::PublicRef;
use trine::domain::hours::Hours;
use trine::domain::trade::{Act, Trade};
use trine::domain::{Party, Role, Stage};

use crate::harness::cast::{Person, Story, person, story, story_with};
use crate::harness::{Start, Weather};

impl Story {
    pub(super) async fn state(&self, trade: PublicRef) -> Trade {
        trade_facts::party(&self.site.desk, trade, self.bob.id).await.unwrap().0.state
    }

    /// As if no server had said for so long that the desk runs.
    pub(super) async fn silent_for(&self, minutes: i64) {
        let sql = format!("UPDATE desk_beat SET at = clock_timestamp() - interval '{minutes} minutes'");
        self.site.sql().await.execute(&sql, &[]).await.unwrap();
    }

    pub(super) async fn counted(&self, sql: &str) -> i64 {
        self.site.sql().await.one(sql).await
    }

    /// States hours as the form does: on these days (0 is Monday), from nine to five.
    pub(super) async fn works_on(&self, who: &Person, zone: &str, days: &[usize]) {
        let mut fields = vec![("stated".to_owned(), "yes".to_owned()), ("zone".to_owned(), zone.to_owned())];
        for day in days {
            let name = trine::domain::hours::DAYS[*day];
            fields.push((format!("{name}-from"), "09:00".to_owned()));
            fields.push((format!("{name}-to"), "17:00".to_owned()));
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let seen = who.browser.post("/account/hours", &fields).await;
        assert_eq!(seen.status, 303, "{}", seen.words());
    }
}

pub(super) const SAT_OUT: &str = "SELECT count(*) FROM trade_events WHERE act LIKE '%\"sit_out\"%'";
pub(super) const OUTAGES: &str = "SELECT count(*) FROM outages";

/// Longer by so many minutes, give or take the seconds a test takes.
fn assert_later(is: Option<Timestamp>, was: Option<Timestamp>, minutes: i64) {
    let off = is.unwrap().duration_since(was.unwrap()) - SignedDuration::from_mins(minutes);
    assert!((0..60).contains(&off.as_secs()), "{off:#} beside {minutes} min");
}

#[tokio::test]
async fn working_hours_stand_in_the_contract_and_windows_count_in_them() {
    let story = story().await;
    // Whatever today is: alice works on the day before, so an hour of hers is far away.
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date().weekday().to_monday_zero_offset();
    let before = usize::try_from((today + 5) % 7).unwrap();
    story.works_on(&story.alice, "UTC", &[before]).await;
    story.works_on(&story.carol, "Asia/Tokyo", &[0, 1, 2, 3, 4]).await;
    let seen = story.alice.browser.get("/account/hours").await;
    assert!(seen.words().contains("09:00–17:00, time of UTC"), "{}", seen.words());

    let trade = story.funded().await;
    let (row, _) = trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    let contract: serde_json::Value = serde_json::from_str(&row.contract_text).unwrap();
    assert_eq!(contract["hours"]["arbitrator"]["zone"], "Asia/Tokyo");
    assert_eq!(contract["hours"]["seller"], serde_json::Value::Null);
    let hours: Hours = serde_json::from_value(contract["hours"].clone()).unwrap();
    assert_eq!(row.state.hours, hours);
    let state = &row.state;
    let window = hours.window(Party::Buyer, state.stage_since, state.windows.payment_minutes);
    assert_eq!(state.pay_by, Some(window.due_at));
    assert_eq!(window.due_at, window.latest, "three times its length is the most");
    for person in [&story.alice, &story.bob, &story.carol] {
        let seen = person.browser.get(&format!("/trades/{trade}")).await;
        assert!(seen.words().contains("Mon–Fri 09:00–17:00, time of Asia/Tokyo"), "{}", seen.words());
    }
    // Later hours are for later trades.
    assert_eq!(story.alice.browser.post("/account/hours", &[("stated", "no")]).await.status, 303);
    assert_eq!(story.state(trade).await.hours, hours);
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    story.check_log(trade).await;
}

#[tokio::test]
async fn without_hours_the_contract_says_null_and_offers_say_day_and_night() {
    let story = story().await;
    let trade = story.take().await;
    let (row, _) = trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    assert!(row.contract_text.contains(r#""hours":null,"#));
    let offer = format!("/offers/{}", story.offer);
    assert!(story.alice.browser.get(&offer).await.words().contains("day and night"));
    story.works_on(&story.bob, "Europe/Berlin", &[0, 1, 2]).await;
    for page in [offer.as_str(), "/people/bob-s"] {
        let seen = story.alice.browser.get(page).await;
        assert!(seen.words().contains("Mon–Wed 09:00–17:00, time of Europe/Berlin"), "{}", seen.words());
    }
}

#[tokio::test]
async fn an_outage_of_the_desk_extends_each_window_once_and_the_room_is_told() {
    let story = story().await;
    let trade = story.funded().await;
    let dora = person(&story.site, "dora", Role::Trader).await;
    let untouched = story.take_by(&dora, "100").await;
    story.site.advance(SignedDuration::from_mins(40));
    let (was, signing) = (story.state(trade).await, story.state(untouched).await);
    story.silent_for(30).await;
    // Two servers come back at once; whoever is first notes it.
    let desk = &story.site.desk;
    let (one, other) = tokio::join!(clock::beat(desk), clock::beat(desk));
    one.and(other).unwrap();
    assert_eq!(story.counted(OUTAGES).await, 1);
    let (one, other) = tokio::join!(worker::empty_outbox(desk), worker::empty_outbox(desk));
    one.and(other).unwrap();
    let now = story.state(trade).await;
    assert_later(now.pay_by, was.pay_by, 30);
    assert_later(Some(story.state(untouched).await.sign_by), Some(signing.sign_by), 30);
    assert_eq!(story.counted(SAT_OUT).await, 2, "one line in each trade");
    story.work().await;
    clock::beat(desk).await.unwrap();
    story.work().await;
    assert_eq!((story.state(trade).await.pay_by, story.counted(SAT_OUT).await), (now.pay_by, 2));
    for person in [&story.alice, &story.bob] {
        let words = person.browser.get(&format!("/trades/{trade}")).await.words();
        assert!(words.contains("The desk was not running from"), "{words}");
        assert!(words.contains("The clock stood still for 30 min: payment until"), "{words}");
    }
    story.check_logs().await;
}

#[tokio::test]
async fn nobody_loses_a_right_before_the_outage_is_counted() {
    let story = story().await;
    let trade = story.funded().await;
    let was = story.state(trade).await;
    let window = i64::from(was.windows.payment_minutes);
    story.site.advance(SignedDuration::from_mins(window + 5));
    story.silent_for(60).await;
    // The desk is back, has noted nothing yet, and the seller is faster.
    let desk = &story.site.desk;
    let close = || async {
        let version = story.version(trade, &story.bob).await;
        trades::act(desk, trade, story.bob.id, &version, Act::CloseUnpaid).await
    };
    let refused = close().await.unwrap_err().to_string();
    assert!(refused.contains("still has time to pay"), "{refused}");
    story.work().await;
    assert_later(story.state(trade).await.pay_by, was.pay_by, 60);
    story.later(56).await;
    assert_eq!(close().await.unwrap().state.stage, Stage::RefundDue);
    story.check_logs().await;
}

#[tokio::test]
async fn an_act_between_the_outage_and_its_job_counts_it_once() {
    let story = story().await;
    let trade = story.paid().await;
    story.site.advance(SignedDuration::from_mins(20));
    let was = story.state(trade).await;
    story.silent_for(15).await;
    clock::beat(&story.site.desk).await.unwrap();
    // The server is killed here: the job waits. Another one takes a request first.
    let version = story.version(trade, &story.bob).await;
    trades::act(&story.site.desk, trade, story.bob.id, &version, Act::AnswerMark).await.unwrap();
    let now = story.state(trade).await;
    assert_later(now.release_by, was.release_by, 15);
    story.work().await;
    assert_eq!((story.state(trade).await.release_by, story.counted(SAT_OUT).await), (now.release_by, 1));
    story.check_logs().await;
}

#[tokio::test]
async fn no_window_ends_while_the_chain_is_out_of_sight_and_all_end_later_by_it() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let desk = &story.site.desk;
    let trade = story.agreed().await;
    let was = story.state(trade).await;
    weather.turns_bad(ChainError::unreachable("gone"));
    worker::work_once(desk).await.unwrap_err();
    story.site.advance(SignedDuration::from_mins(200));
    worker::work_once(desk).await.unwrap_err();
    assert_eq!(story.stage(trade).await, "awaiting_deposit");
    let words = story.bob.browser.get(&format!("/trades/{trade}")).await.words();
    assert!(words.contains("The clock stands still") && words.contains("as much longer"), "{words}");
    weather.clears();
    story.work().await;
    let now = story.state(trade).await;
    assert_later(now.deposit_by, was.deposit_by, 200);
    assert_eq!((story.counted(OUTAGES).await, story.counted(SAT_OUT).await), (1, 1));
    let words = story.bob.browser.get(&format!("/trades/{trade}")).await.words();
    assert!(words.contains("The desk could not see the chain from"), "{words}");
    assert!(words.contains("The clock stood still for 3 h 20 min: deposit until"), "{words}");
    story.later(170).await;
    assert_eq!(story.stage(trade).await, "awaiting_deposit");
    story.later(11).await;
    assert_eq!(story.stage(trade).await, "cancelled");
}

#[tokio::test]
async fn pages_count_an_outage_that_goes_on_before_they_say_that_a_time_is_over() {
    let weather = Arc::new(Weather::default());
    let rules = Rules { new_account_trades_max: 20, ..Rules::default() };
    let story = story_with(Start { weather: Some(weather.clone()), rules, ..Start::default() }).await;
    let desk = &story.site.desk;
    let (awaited, funded) = (story.agreed().await, story.funded().await);
    weather.turns_bad(ChainError::unreachable("gone"));
    worker::work_once(desk).await.unwrap_err();
    story.site.advance(SignedDuration::from_mins(24 * 60));
    worker::work_once(desk).await.unwrap_err();
    let lacks = async |who: &Person, place: String, words: &str| {
        let seen = who.browser.get(&place).await;
        assert!(!seen.words().contains(words), "{place}: {}", seen.words());
    };
    lacks(&story.bob, format!("/trades/{funded}"), "has not paid in time").await;
    lacks(&story.alice, format!("/trades/{funded}"), " over").await;
    lacks(&story.bob, format!("/trades/{awaited}"), "Its time is over").await;
    lacks(&story.bob, format!("/trades/{awaited}/funding"), "comes too late").await;
    let funding = story.bob.browser.get(&format!("/trades/{awaited}/funding")).await;
    assert!(funding.words().contains("Lock "), "{}", funding.words());
    let changing = story.bob.browser.get(&format!("/trades/{awaited}/amendment")).await;
    assert!(!changing.words().contains("The time for the deposit is over"), "{}", changing.words());
    let stored = story.state(funded).await;
    weather.clears();
    story.work().await;
    assert_later(story.state(funded).await.pay_by, stored.pay_by, 24 * 60);
    story.check_logs().await;
}

#[tokio::test]
async fn a_desk_that_was_away_and_blind_at_once_counts_every_minute_once() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let desk = &story.site.desk;
    let trade = story.agreed().await;
    let was = story.state(trade).await;
    weather.turns_bad(ChainError::hanging("silent"));
    worker::work_once(desk).await.unwrap_err();
    story.site.advance(SignedDuration::from_mins(60));
    story.silent_for(45).await;
    worker::work_once(desk).await.unwrap_err();
    assert_eq!(story.counted(SAT_OUT).await, 0, "nothing is counted piece by piece while it goes on");
    weather.clears();
    story.work().await;
    assert_eq!(story.counted(OUTAGES).await, 2);
    assert_later(story.state(trade).await.deposit_by, was.deposit_by, 60);
    story.check_logs().await;
}

#[tokio::test]
async fn clocks_that_jump_and_short_restarts_do_no_harm() {
    let story = story().await;
    let trade = story.funded().await;
    let was = story.state(trade).await;
    // The database's clock was put back by three hours; then a restart took a minute.
    for minutes in [-180, 1] {
        story.silent_for(minutes).await;
        story.work().await;
        assert_eq!(story.state(trade).await, was);
    }
    assert_eq!(story.counted(OUTAGES).await, 0);
    assert_eq!(
        story.counted("SELECT count(*) FROM desk_beat WHERE at > clock_timestamp() - interval '1 minute'").await,
        1
    );
    // It was put forward by a week: nobody loses a minute of it.
    story.site.advance(SignedDuration::from_hours(24 * 7));
    story.silent_for(60 * 24 * 7).await;
    story.work().await;
    assert_eq!(story.stage(trade).await, "funded");
    let now = story.state(trade).await;
    assert!(now.pay_by.unwrap().duration_since(was.pay_by.unwrap()) >= SignedDuration::from_hours(24 * 7 - 1));
}

#[tokio::test]
async fn a_calendar_reads_ones_deadlines_at_a_secret_address_and_nothing_else() {
    let story = story().await;
    let trade = story.funded().await;
    let seen = story.alice.browser.post("/account/calendar", &[]).await;
    let address = seen.between("calendar-address\">", "<").expect("an address").to_owned();
    let path = |address: &str| format!("/calendar/{}", address.rsplit_once("/calendar/").unwrap().1);
    let nobody = story.site.browser();
    let first = nobody.get(&path(&address)).await;
    assert_eq!((first.status, first.header("content-type")), (200, "text/calendar; charset=utf-8"));
    let line = |text: &str, name: &str| {
        let text = text.replace("\r\n ", "");
        let (_, event) = text.split_once("BEGIN:VEVENT").expect("an event");
        event.split("\r\n").find_map(|line| line.strip_prefix(name).map(ToOwned::to_owned)).expect("a line")
    };
    assert_eq!(line(&first.body, "UID:"), format!("{trade}-payment@127.0.0.1"));
    assert!(line(&first.body, "SUMMARY:").starts_with("Your deadline"));
    // Times and the trade's name are there on purpose, and may hold a "500" by chance.
    let told: String = first.body.split("\r\n").filter(|line| !line.starts_with("DT")).collect();
    let told = told.replace(&trade.to_string(), "").to_lowercase();
    for secret in ["alice", "bob", "500", "eur", "coin", "escrow", "payment until", "sepa"] {
        assert!(!told.contains(secret), "{secret} in {}", first.body);
    }
    // The end moves: the same event, newer and later.
    story.site.advance(SignedDuration::from_mins(40));
    story.silent_for(30).await;
    story.work().await;
    let second = nobody.get(&path(&address)).await;
    assert_eq!(line(&second.body, "UID:"), line(&first.body, "UID:"));
    let number = |text: &str| line(text, "SEQUENCE:").parse::<i64>().unwrap();
    assert!(number(&second.body) > number(&first.body));
    assert!(line(&second.body, "DTSTART:") > line(&first.body, "DTSTART:"));
    let due = story.state(trade).await.pay_by.unwrap().strftime("%Y%m%dT%H%M%SZ").to_string();
    assert_eq!(line(&second.body, "DTSTART:"), due);

    let of_trade = story.bob.browser.get(&format!("/trades/{trade}/deadlines.ics")).await;
    assert!(line(&of_trade.body, "SUMMARY:").starts_with("Their deadline"), "{}", of_trade.body);
    assert!(story.alice.browser.get("/account/calendar").await.words().contains("There is an address since"));
    // A new address ends the old one, and it can be ended for good.
    let seen = story.alice.browser.post("/account/calendar", &[]).await;
    let newer = seen.between("calendar-address\">", "<").unwrap().to_owned();
    assert_eq!((nobody.get(&path(&address)).await.status, nobody.get(&path(&newer)).await.status), (404, 200));
    assert_eq!(story.alice.browser.post("/account/calendar/end", &[]).await.status, 303);
    assert_eq!(nobody.get(&path(&newer)).await.status, 404);
    assert_eq!(story.counted("SELECT count(*) FROM calendar_feeds").await, 0);
}

#[tokio::test]
async fn working_hours_that_make_no_sense_are_refused_beside_their_field() {
    let story = story().await;
    let post = |fields: Vec<(&'static str, &'static str)>| {
        let browser = &story.alice.browser;
        async move { browser.post("/account/hours", &fields).await }
    };
    let seen = post(vec![("stated", "yes"), ("zone", "UTC")]).await;
    assert_eq!(seen.status, 422);
    assert!(seen.words().contains("at least one day"), "{}", seen.words());
    let seen = post(vec![("stated", "yes"), ("zone", "Atlantis"), ("mon-from", "09:00"), ("tue-to", "9")]).await;
    assert!(seen.error("zone").contains("Europe/Berlin"), "{}", seen.words());
    assert!(seen.error("mon").contains("both") && seen.error("tue").contains("both"), "{}", seen.words());
    assert_eq!(seen.value("mon-from").as_deref(), Some("09:00"), "what was typed stays");
    let mut all = vec![("stated", "yes"), ("zone", "Asia/Tokyo")];
    for (from, to) in [
        ("mon-from", "mon-to"),
        ("tue-from", "tue-to"),
        ("wed-from", "wed-to"),
        ("thu-from", "thu-to"),
        ("fri-from", "fri-to"),
        ("sat-from", "sat-to"),
        ("sun-from", "sun-to"),
    ] {
        all.extend([(from, "00:00"), (to, "00:00")]);
    }
    assert_eq!(post(all).await.status, 303);
    assert_eq!(story.counted("SELECT count(*) FROM accounts WHERE hours IS NOT NULL").await, 0, "day and night");
}

/// A newer program may say otherwise what follows from a state: at its start it writes that down for every open trade.
#[tokio::test]
async fn turns_and_windows_are_written_again_when_a_server_starts() {
    let rules = Rules { new_account_trades_max: 20, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let trade = story.paid().await;
    let sql = story.site.sql().await;
    let drawn = "SELECT (SELECT array_agg(d.what || d.who || d.at_zero ORDER BY what) FROM deadlines d)::text || turn::text FROM trades";
    let before: String = sql.one(drawn).await;
    let version = story.state(trade).await.version;
    sql.batch_execute("UPDATE deadlines SET who = 'clock', at_zero = 'then'; UPDATE trades SET turn = '{arbitrator}'")
        .await
        .unwrap();
    clock::draw_again(&story.site.desk).await.unwrap();
    assert_eq!((sql.one::<String>(drawn).await, story.state(trade).await.version), (before, version));
    // A trade that cannot be read holds up no other, and no start.
    let broken = story.agreed().await;
    sql.execute("UPDATE trades SET state = '{}' WHERE reference = $1", &[&broken.to_string()]).await.unwrap();
    sql.batch_execute("UPDATE trades SET turn = '{arbitrator}'").await.unwrap();
    clock::draw_again(&story.site.desk).await.unwrap();
    admin::settle(&story.site.desk).await.unwrap();
    let turn = "SELECT turn::text FROM trades WHERE state <> '{}'";
    assert_ne!(sql.one::<String>(turn).await, "{arbitrator}");
    story.check_log(trade).await;
}
