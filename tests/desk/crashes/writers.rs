//! People who write and a desk that works while something happens to its database: what each was answered, what must be
//! there afterwards, and how soon.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bitcoin::Txid;
use bitcoin::hashes::Hash;
use trine::chain::Chain;
use trine::desk::{trade_facts, worker};
use trine::domain::{PublicRef, Role};

use crate::harness::cast::{Person, Story, person};
use crate::harness::ledger::check_log;
use crate::harness::site::Sql;
use crate::harness::{Browser, Site};

/// The database is back: within this time the desk answers as before.
pub const BACK: Duration = Duration::from_secs(5);
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
    /// Takes whose answer was lost, found to be done.
    found: AtomicUsize,
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
            Answer::Other(409, _) if may_be_done => {
                seen.found.fetch_add(1, Ordering::SeqCst);
                return;
            }
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

/// What the desk has to do by itself, whatever happens: a release that waits to be handed to the chain, and a deposit that
/// waits for its block.
struct Pending {
    released: PublicRef,
    awaited: PublicRef,
    /// Holds the release's job as another server would, until its connection is cut.
    _holder: Sql,
}

impl Pending {
    async fn of(story: &Story) -> Self {
        let awaited = agreed(story, &person(&story.site, "depositor", Role::Trader).await).await;
        let buyer = person(&story.site, "payer", Role::Trader).await;
        let released = agreed(story, &buyer).await;
        let (row, _) = trade_facts::party(&story.site.desk, released, story.bob.id).await.unwrap();
        story.deposit(released, row.deposit).await;
        story.signs(&buyer, released, "payment", &["sent"]).await;
        let signed = story.sign(&story.bob, released, "release", &["own_account", "amount", "payer"]).await;
        assert_eq!(signed.status, 303, "{}", signed.words());
        let holder = story.site.sql().await;
        let job = "BEGIN; SELECT * FROM outbox WHERE kind = 'broadcast' AND done_at IS NULL FOR UPDATE";
        holder.batch_execute(job).await.unwrap();
        let (row, _) = trade_facts::party(&story.site.desk, awaited, story.bob.id).await.unwrap();
        story.site.chain.pay(&row.script, row.deposit).unwrap();
        Self { released, awaited, _holder: holder }
    }

    /// What is not done yet.
    async fn left(&self, site: &Site) -> Vec<String> {
        let mut left = Vec::new();
        let sql = site.sql().await;
        let stage = sql.one::<String>(&format!("SELECT stage FROM trades WHERE reference = '{}'", self.awaited)).await;
        if stage != "funded" {
            left.push(format!("the trade whose deposit was mined is {stage}"));
        }
        let payout = format!("SELECT payout_txid FROM trades WHERE reference = '{}'", self.released);
        let payout = Txid::from_slice(&sql.one::<Vec<u8>>(&payout).await).unwrap();
        if site.chain.transaction(payout, None).await.unwrap().is_none() {
            left.push(format!("the payout {payout} is not with the chain"));
        }
        left
    }
}

/// Both have signed over 100 euros.
async fn agreed(story: &Story, buyer: &Person) -> PublicRef {
    let trade = story.take_by(buyer, "100").await;
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    story.signs(buyer, trade, "contract-signature", &[]).await;
    trade
}

/// Four take, two talk and the desk works while something happens to the database: `falls` takes it away, a block comes
/// with a deposit, and `rises` ends when it is there again. Every answer is that it is done, or that the database is away.
/// Nothing that was acknowledged is lost, nothing is done twice, and everybody's acts and the desk's own are done soon
/// after. How often it was said that the database is away.
pub async fn under_writes(story: Story, falls: impl FnOnce(), rises: impl FnOnce()) -> usize {
    let pending = Pending::of(&story).await;
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
    let works = tokio::spawn(worker::run(story.site.desk.clone()));
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert!(!seen.messages.lock().unwrap().is_empty(), "nothing was written before the trouble");
    assert_eq!(pending.left(&story.site).await.len(), 2, "nothing of it is done before the trouble");
    falls();
    story.site.mine(1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    rises();
    let (back, before) = (Instant::now(), seen.messages.lock().unwrap().len());
    loop {
        let spoken = seen.messages.lock().unwrap().len() - before;
        let taken = seen.trades.lock().unwrap().len() + seen.found.load(Ordering::SeqCst);
        let left = pending.left(&story.site).await;
        if spoken >= 3 && taken == TAKERS.len() && left.is_empty() {
            break;
        }
        let late = format!("{BACK:?} after its database is back: {spoken} were heard, {taken} have taken, {left:?}");
        assert!(back.elapsed() < BACK, "{late}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen.enough.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    works.abort();
    read_back(&story.site, trade, &seen).await;
    seen.refused.load(Ordering::SeqCst)
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
    let twice: i64 = sql.one("SELECT count(*) FROM outbox WHERE kind = 'broadcast'").await;
    assert_eq!(twice, 1, "one payout was asked for");
    check_log(&sql, trade).await;
}
