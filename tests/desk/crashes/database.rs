//! PostgreSQL stopped, restarted or taken over under writes: what was acknowledged is read back, nothing is there twice,
//! and the desk answers again soon after its database does. Away, read-only, exhausted, locked or full: it says so, in
//! words.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use trine::domain::{PublicRef, Role};

use super::cluster::{Cluster, SmallCluster};
use crate::harness::cast::{Person, Story, person, story, story_with};
use crate::harness::ledger::check_log;
use crate::harness::{Browser, Site, Start};

/// The database is back: within this time the desk answers as before.
const BACK: Duration = Duration::from_secs(5);
/// An account may say twenty things at once, then one every six seconds: at this pace nobody is throttled before the
/// database is back.
const BETWEEN_MESSAGES: Duration = Duration::from_millis(250);
/// Two accounts speak: with fewer messages neither has said twenty, those counted that were not acknowledged.
const MESSAGES_FREE: usize = 12;
const TAKERS: [&str; 4] = ["taker-a", "taker-b", "taker-c", "taker-d"];
/// How a 503 says that the database is the trouble. Only after the first of these may the act be done.
const MAYBE_DONE: &str = "lost its database just now and cannot say whether this was done";
const NOTHING_CHANGED: [&str; 3] = [
    "cannot reach its database. Nothing was changed",
    "is very busy. Nothing was changed",
    "can be read but not changed at the moment. Nothing was changed",
];

/// What was answered to those who write.
#[derive(Default)]
struct Answered {
    messages: Mutex<Vec<String>>,
    trades: Mutex<Vec<(&'static str, String)>>,
    /// Messages of which it was said that nothing was changed.
    unchanged: Mutex<Vec<String>>,
    /// How often it was said that the database is the trouble.
    refused: AtomicUsize,
    enough: AtomicBool,
}

/// One answer to somebody who writes.
enum Answer {
    /// A redirect: the act is done. Where it leads.
    Done(String),
    /// 503, in words; whether the act may be done all the same.
    Away {
        maybe_done: bool,
    },
    /// None came: the act may be done.
    Silence,
    Other(u16, String),
}

/// Says one thing after the other until told to stop; what was answered with a redirect counts.
async fn talk(browser: Browser, name: String, trade: PublicRef, seen: Arc<Answered>) {
    let token = browser.token().await;
    for number in 0.. {
        if seen.enough.load(Ordering::SeqCst) {
            return;
        }
        let text = format!("{name} says {number}");
        let fields = [("csrf", token.as_str()), ("text", text.as_str())];
        let answer = post(&browser, &format!("/trades/{trade}/messages"), &fields).await;
        match answer {
            Answer::Done(_) => seen.messages.lock().unwrap().push(text),
            Answer::Away { maybe_done } => {
                seen.refused.fetch_add(1, Ordering::SeqCst);
                if !maybe_done {
                    seen.unchanged.lock().unwrap().push(text);
                }
            }
            Answer::Silence => {}
            Answer::Other(429, _) if seen.messages.lock().unwrap().len() >= MESSAGES_FREE => {}
            Answer::Other(status, words) => panic!("{name} is answered {status}: {words}"),
        }
        tokio::time::sleep(BETWEEN_MESSAGES).await;
    }
}

/// Tries to take until it is acknowledged, or found to be done.
async fn take(taker: Person, offer: PublicRef, wait: Duration, seen: Arc<Answered>) {
    let token = taker.browser.token().await;
    let (key, address) = (taker.key.to_string(), taker.address.to_string());
    let fields = [
        ("csrf", token.as_str()),
        ("step", "take"),
        ("amount", "100"),
        ("payment_account", &taker.account),
        ("key", &key),
        ("address", &address),
        ("offer_version", "1"),
        ("price_seen", "50000"),
    ];
    tokio::time::sleep(wait).await;
    let mut may_be_done = false;
    while !seen.enough.load(Ordering::SeqCst) {
        match post(&taker.browser, &format!("/offers/{offer}/take"), &fields).await {
            Answer::Done(place) => {
                seen.trades.lock().unwrap().push((taker.name, place));
                return;
            }
            Answer::Away { maybe_done } => {
                seen.refused.fetch_add(1, Ordering::SeqCst);
                may_be_done |= maybe_done;
            }
            Answer::Silence => may_be_done = true,
            // Who has one trade already takes no other: it was done, and the answer was lost.
            Answer::Other(409, _) if may_be_done => return,
            Answer::Other(status, words) => panic!("{} is answered {status}: {words}", taker.name),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn post(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Answer {
    let request = browser.http().post(browser.url(path)).header("sec-fetch-site", "same-origin");
    let Ok(answer) = request.form(fields).timeout(Duration::from_secs(20)).send().await else {
        return Answer::Silence;
    };
    let status = answer.status().as_u16();
    let place = answer.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
    let Ok(words) = answer.text().await else { return Answer::Silence };
    match (status, place) {
        (303, Some(place)) => Answer::Done(place),
        (503, _) => {
            let maybe_done = words.contains(MAYBE_DONE);
            let says_so = maybe_done || NOTHING_CHANGED.iter().any(|sentence| words.contains(sentence));
            assert!(says_so, "503 without a reason: {words}");
            Answer::Away { maybe_done }
        }
        _ => Answer::Other(status, words),
    }
}

/// Four take and two talk while something happens to the database; `happens` ends when it is there again. Every answer
/// is that it is done, or that the database is away. Nothing that was acknowledged is lost, nothing is done twice, and
/// the desk goes on. How often it was said that the database is away.
async fn under_writes(story: Story, happens: impl AsyncFnOnce()) -> usize {
    let trade = story.take_by(&story.alice, "100").await;
    let seen = Arc::new(Answered::default());
    let mut tasks = Vec::new();
    for (wait, name) in (0..).zip(TAKERS) {
        let taker = person(&story.site, name, Role::Trader).await;
        // One before the trouble, the others around it.
        let wait = Duration::from_millis(300 + 300 * wait);
        tasks.push(tokio::spawn(take(taker, story.offer, wait, seen.clone())));
    }
    for (name, browser) in [("alice", &story.alice.browser), ("bob", &story.bob.browser)] {
        for mouth in ["one", "other"] {
            let name = format!("{name}, the {mouth},");
            tasks.push(tokio::spawn(talk(browser.clone(), name, trade, seen.clone())));
        }
    }
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert!(!seen.messages.lock().unwrap().is_empty(), "nothing was written before the trouble");
    happens().await;
    let (back, before) = (Instant::now(), seen.messages.lock().unwrap().len());
    while seen.messages.lock().unwrap().len() < before + 3 {
        assert!(back.elapsed() < BACK, "the desk does not answer {BACK:?} after its database is back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while seen.trades.lock().unwrap().len() < TAKERS.len() && back.elapsed() < BACK {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen.enough.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    read_back(&story.site, trade, &seen).await;
    seen.refused.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_an_immediate_stop_of_postgresql() {
    let cluster = Cluster::start();
    let story = story_with(Start { postgres: Some(cluster.url()), ..Start::default() }).await;
    let refused = under_writes(story, async || {
        cluster.stop_at_once();
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.up();
    });
    assert!(refused.await > 0, "nobody came while it was away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_a_restart_of_postgresql() {
    let cluster = Cluster::start();
    let story = story_with(Start { postgres: Some(cluster.url()), ..Start::default() }).await;
    under_writes(story, async || cluster.restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_is_on_the_standby_that_takes_over() {
    let first = Cluster::start();
    let standby = first.standby();
    let story = story_with(Start { postgres: Some(first.url_with(&standby)), ..Start::default() }).await;
    let refused = under_writes(story, async || {
        first.stop_at_once();
        tokio::time::sleep(Duration::from_millis(300)).await;
        standby.promote();
    });
    assert!(refused.await > 0, "nobody came while it was away");
}

/// The answer to a message in the room of a trade.
async fn said(browser: &Browser, token: &str, trade: PublicRef, text: &str) -> (u16, String) {
    let request = browser.http().post(browser.url(&format!("/trades/{trade}/messages")));
    let request = request.header("sec-fetch-site", "same-origin").form(&[("csrf", token), ("text", text)]);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_database_that_can_only_be_read_is_said_so_and_nothing_is_lost() {
    let cluster = Cluster::start();
    let story = story_with(Start { postgres: Some(cluster.url()), ..Start::default() }).await;
    let trade = story.take().await;
    let browser = &story.alice.browser;
    let token = browser.token().await;
    assert_eq!(said(browser, &token, trade, "before").await.0, 303);
    cluster.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    cluster.sql("SELECT pg_reload_conf()");
    let refused =
        until(async || Some(said(browser, &token, trade, "meanwhile").await).filter(|said| said.0 != 303)).await;
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert!(refused.1.contains("can be read but not changed"), "{}", refused.1);
    assert_eq!(story.site.browser().get("/").await.status, 200, "the board is there for visitors");
    cluster.sql("ALTER SYSTEM RESET default_transaction_read_only");
    cluster.sql("SELECT pg_reload_conf()");
    until(async || (said(browser, &token, trade, "after").await.0 == 303).then_some(())).await;
    let sql = story.site.sql().await;
    let before: i64 = sql.one("SELECT count(*) FROM messages WHERE body = 'before'").await;
    assert_eq!(before, 1);
}

/// Tries until there is something; fails when the desk needs longer than it may.
async fn until<T>(tries: impl AsyncFn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(there) = tries().await {
            return there;
        }
        assert!(start.elapsed() < BACK, "not within {BACK:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_tables_and_an_exhausted_pool_are_busy_and_pass() {
    let story = story().await;
    let trade = story.take().await;
    let (alice, bob) = (story.alice.browser.clone(), story.bob.browser.clone());
    let (of_alice, of_bob) = (alice.token().await, bob.token().await);
    let mut holder = story.site.sql().await;
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE").await.unwrap();
    // Fewer than an account may say at once, together more than there are connections.
    let mut tasks = Vec::new();
    for number in 0..32 {
        let (browser, token) = if number % 2 == 0 { (&alice, &of_alice) } else { (&bob, &of_bob) };
        let (browser, token) = (browser.clone(), token.clone());
        tasks.push(tokio::spawn(async move { said(&browser, &token, trade, &format!("word {number}")).await }));
    }
    let mut seen = Vec::new();
    for task in tasks {
        seen.push(task.await.unwrap());
    }
    for (status, text) in &seen {
        assert_eq!(*status, 503, "{text}");
        assert!(text.contains("very busy. Nothing was changed"), "{text}");
    }
    lock.rollback().await.unwrap();
    let count = "SELECT count(*) FROM messages WHERE body LIKE 'word %'";
    assert_eq!(story.site.sql().await.one::<i64>(count).await, 0, "refused and yet written");
    assert_eq!(said(&alice, &of_alice, trade, "after").await.0, 303);
}

fn rand_letter() -> u8 {
    b'a' + uuid::Uuid::new_v4().as_bytes()[0] % 26
}

#[tokio::test]
async fn a_full_disk_is_said_so_and_nothing_acknowledged_is_lost() {
    let cluster = SmallCluster::start(160);
    let story = story_with(Start { postgres: Some(cluster.url()), ..Start::default() }).await;
    let trade = story.take().await;
    let browser = &story.alice.browser;
    let token = browser.token().await;
    let sql = story.site.sql().await;
    sql.batch_execute("SELECT pg_switch_wal(); CHECKPOINT").await.unwrap();
    sql.batch_execute("CREATE UNLOGGED TABLE filler (words text)").await.unwrap();
    // Not written ahead: the room that is used up is that of tables.
    let fill = "INSERT INTO filler SELECT repeat(md5(n::text), 30) FROM generate_series(1, 2000) n";
    let full = loop {
        if let Err(error) = sql.batch_execute(fill).await {
            break error;
        }
    };
    assert_eq!(full.code().map(|code| code.code()), Some("53100"), "{full}");
    let crumbs = "INSERT INTO filler SELECT 'crumb' FROM generate_series(1, 100)";
    while sql.batch_execute(crumbs).await.is_ok() {}
    // Nothing that can be packed smaller.
    let text: String = (0..1900).map(|_| char::from(rand_letter())).collect();
    let mut acknowledged: i64 = 0;
    let refused = loop {
        let said = said(browser, &token, trade, &text).await;
        if said.0 != 303 {
            break said;
        }
        acknowledged += 1;
        assert!(acknowledged < 20, "the disk is not full");
    };
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert!(refused.1.contains("no room left"), "{}", refused.1);
    sql.batch_execute("DROP TABLE filler").await.unwrap();
    let count = "SELECT count(*) FROM messages WHERE account IS NOT NULL";
    assert_eq!(sql.one::<i64>(count).await, acknowledged, "what was acknowledged is there, and nothing else");
    until(async || (said(browser, &token, trade, "after").await.0 == 303).then_some(())).await;
}

async fn read_back(site: &Site, trade: PublicRef, seen: &Answered) {
    let sql = site.sql().await;
    let said =
        sql.query("SELECT body, count(*) FROM messages WHERE account IS NOT NULL GROUP BY body", &[]).await.unwrap();
    let said: std::collections::HashMap<String, i64> = said.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(!said.is_empty());
    for text in seen.messages.lock().unwrap().iter() {
        assert!(said.contains_key(text), "“{text}” was acknowledged and is not there");
    }
    for text in seen.unchanged.lock().unwrap().iter() {
        assert!(!said.contains_key(text), "“{text}” was said to be undone and is there");
    }
    let trades =
        sql.query("SELECT a.name, t.reference FROM trades t JOIN accounts a ON a.id = t.buyer", &[]).await.unwrap();
    let trades: Vec<(String, String)> = trades.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (name, place) in seen.trades.lock().unwrap().iter() {
        let there = trades.iter().any(|(buyer, reference)| buyer == name && place.ends_with(reference.as_str()));
        assert!(there, "{name}'s take was acknowledged and is not there");
    }
    for name in TAKERS {
        assert!(trades.iter().filter(|(buyer, _)| buyer == name).count() <= 1, "{name} took twice");
    }
    let right: bool = sql.one("SELECT reserved = 100 * (SELECT count(*) FROM trades) FROM offers").await;
    assert!(right, "the offer holds for each take what it took");
    for (_, reference) in &trades {
        check_log(&sql, reference.parse().unwrap()).await;
    }
    check_log(&sql, trade).await;
}
