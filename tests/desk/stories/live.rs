//! Pages that live: what happens in a trade comes to its open pages, once each, whatever breaks in between.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use trine::desk::{Rules, admin, live};
use trine::domain::PublicRef;

use crate::harness::cast::{Person, Story, story};
use crate::harness::{Browser, Ear};

/// Where the page of a trade is told of news, as it was just made.
async fn place(who: &Browser, trade: PublicRef) -> String {
    let page = who.get(&format!("/trades/{trade}")).await;
    assert_eq!(page.status, 200, "{}", page.words());
    format!("/trades/{trade}/stream?at={}", page.between("data-at=\"", "\"").expect("a page says where it is"))
}

async fn opened(who: &Person, trade: PublicRef) -> Ear {
    Ear::open(&who.browser, &place(&who.browser, trade).await).await
}

async fn say(who: &Browser, trade: PublicRef, words: &str) {
    let answer = who.post(&format!("/trades/{trade}/messages"), &[("text", words)]).await;
    assert_eq!(answer.status, 303, "{words}: {}", answer.words());
}

/// Numbers of the lines of a room, in order.
async fn numbers(story: &Story) -> Vec<i64> {
    let rows = story.site.sql().await.query("SELECT number FROM messages ORDER BY number", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Nothing but what is told to every page that opens: who is here.
async fn is_quiet(ear: &mut Ear) {
    while let Some(event) = ear.within(Duration::from_millis(1_500)).await {
        assert!(matches!(event.name.as_str(), "here" | "seen"), "{event:?}");
    }
}

fn goes_live(story: &Story) {
    tokio::spawn(live::run(story.site.desk.clone()));
}

#[tokio::test]
async fn words_and_stages_come_to_the_open_pages_of_both() {
    let story = story().await;
    goes_live(&story);
    let trade = story.agreed().await;
    let (mut alice, mut bob) = (opened(&story.alice, trade).await, opened(&story.bob, trade).await);
    say(&story.alice.browser, trade, "Hello <b>Bob</b>,\none minute.").await;
    let heard = bob.until("line").await;
    assert_eq!(heard.data["kind"], "other");
    let html = heard.data["html"].as_str().unwrap();
    assert!(html.contains("Hello &lt;b&gt;Bob&lt;") && html.contains("one minute."), "{html}");
    assert_eq!(alice.until("line").await.data["kind"], "me");

    let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    story.site.chain.pay(&row.script, row.deposit).unwrap();
    story.work().await;
    let seen = bob.hears("seen, not confirmed").await;
    assert_eq!(seen.name, "part", "a fact of the chain: {seen:?}");
    story.mine(row.state.confirmations).await;
    let card = alice.hears("Send 500.00").await;
    assert_eq!((card.name.as_str(), &card.data["name"]), ("part", &"now".into()));
    assert_eq!(bob.hears("Coins arrived in escrow").await.data["kind"], "system");
    bob.hears("Waiting for alice to pay").await;
    let html = card.data["html"].as_str().unwrap();
    assert!(!html.contains(&story.alice.browser.token().await), "no form token of a browser is in it");
}

#[tokio::test]
async fn a_page_that_opens_hears_nothing_that_it_shows() {
    let story = story().await;
    goes_live(&story);
    let trade = story.paid().await;
    say(&story.bob.browser, trade, "Good morning.").await;
    for who in [&story.alice, &story.bob, &story.carol] {
        is_quiet(&mut opened(who, trade).await).await;
    }
    // Made for another browser of the same person, it is the same page.
    let other = story.site.browser().sign_in("alice", crate::harness::PASSWORD).await;
    let at = place(&story.alice.browser, trade).await;
    is_quiet(&mut Ear::open(&other, &at).await).await;
    // From before everything, everything comes.
    let mut all = Ear::open(&other, &format!("/trades/{trade}/stream")).await;
    let mut heard = BTreeSet::new();
    while let Some(event) = all.within(Duration::from_millis(1_500)).await {
        heard.insert(format!("{} {} {}", event.name, event.data["name"], event.data["number"]));
    }
    let lines = numbers(&story).await;
    assert!(lines.iter().all(|number| heard.contains(&format!("line null {number}"))), "{heard:?}");
    assert_eq!(heard.iter().filter(|one| one.starts_with("part")).count(), trine::web::live::TRADE_PARTS.len());
}

/// Takes what comes until a cut at a random time; the numbers of the lines that came.
async fn hear_a_while(ear: &mut Ear, cut_after: Duration) -> Vec<i64> {
    let until = tokio::time::Instant::now() + cut_after;
    let mut numbers = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout_at(until, ear.next()).await {
        if event.name == "line" {
            numbers.push(event.data["number"].as_i64().unwrap());
        }
    }
    numbers
}

/// The same person's browser at another server.
fn at(who: &Person, origin: &str) -> Browser {
    let mut browser = who.browser.clone();
    origin.clone_into(&mut browser.origin);
    browser
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_over_cuts_and_two_servers() {
    let story = story().await;
    goes_live(&story);
    let second = story.site.second(Rules::default());
    tokio::spawn(live::run(second.desk.clone()));
    let trade = story.funded().await;
    let path = place(&story.bob.browser, trade).await;
    let before = numbers(&story).await;
    let servers = [story.site.origin.as_str(), second.origin.as_str()];
    let (written, cut) = (AtomicBool::new(false), tokio::sync::Semaphore::new(0));
    let writing = async {
        for number in 0..18 {
            say(&at(&story.alice, servers[number % 2]), trade, &format!("alice {number}")).await;
            say(&at(&story.bob, servers[number / 2 % 2]), trade, &format!("bob {number}")).await;
        }
        // However fast that was: there is more to hear after some cuts.
        drop(cut.acquire_many(4).await.unwrap());
        story.signs(&story.alice, trade, "payment", &["sent"]).await;
        written.store(true, Ordering::SeqCst);
    };
    let listening = async {
        let (mut heard, mut last_id, mut cuts) = (Vec::new(), None::<String>, 0_usize);
        loop {
            let is_last = written.load(Ordering::SeqCst);
            let mut ear = Ear::try_open(&at(&story.bob, servers[cuts % 2]), &path, last_id.as_deref()).await.unwrap();
            let [random, ..] = *uuid::Uuid::new_v4().as_bytes();
            heard.extend(hear_a_while(&mut ear, Duration::from_millis(20 + 3 * u64::from(random))).await);
            // The last time: whatever is missing, and a while longer for what would be doubled.
            let until = tokio::time::Instant::now() + Duration::from_secs(25);
            let wanted = if is_last { numbers(&story).await.len() - before.len() } else { 0 };
            while heard.len() < wanted && tokio::time::Instant::now() < until {
                heard.extend(hear_a_while(&mut ear, Duration::from_millis(500)).await);
            }
            if is_last {
                heard.extend(hear_a_while(&mut ear, Duration::from_millis(1_500)).await);
            }
            last_id = Some(ear.last_id.clone()).filter(|id| !id.is_empty());
            if is_last {
                return (heard, cuts);
            }
            cuts += 1;
            cut.add_permits(1);
        }
    };
    let ((), (heard, cuts)) = tokio::join!(writing, listening);
    let wanted: Vec<i64> = numbers(&story).await.into_iter().filter(|number| !before.contains(number)).collect();
    assert_eq!(heard, wanted, "each line once and in order, after {cuts} cuts");
    assert!(wanted.len() >= 37 && cuts > 3, "{cuts} cuts, {wanted:?}");
}

#[tokio::test]
async fn a_line_that_is_committed_late_is_never_skipped() {
    let story = story().await;
    goes_live(&story);
    let trade = story.funded().await;
    let mut bob = opened(&story.bob, trade).await;
    let mut sql = story.site.sql().await;
    let slow = sql.transaction().await.unwrap();
    let lock = "SELECT 1 FROM trades WHERE reference = $1 FOR NO KEY UPDATE";
    slow.query(lock, &[&trade.to_string()]).await.unwrap();
    let insert = "INSERT INTO messages (id, trade, account, body, at)
                  SELECT gen_random_uuid(), id, buyer, 'slow', now() FROM trades WHERE reference = $1";
    slow.execute(insert, &[&trade.to_string()]).await.unwrap();
    let fast = say(&story.alice.browser, trade, "fast");
    let (_, ()) = tokio::join!(fast, async {
        assert!(bob.within(Duration::from_millis(700)).await.is_none_or(|event| event.name != "line"));
        slow.commit().await.unwrap();
    });
    let lines = [bob.until("line").await, bob.until("line").await];
    let words = lines.map(|line| line.data["html"].as_str().unwrap().contains("slow"));
    assert_eq!(words, [true, false], "the slow one first, then the fast one");
}

#[tokio::test]
async fn a_hint_that_is_lost_costs_seconds_and_no_line() {
    let story = story().await;
    let trade = story.funded().await;
    // Nobody hears or tells anything here.
    let mut bob = opened(&story.bob, trade).await;
    bob.until("here").await;
    say(&story.alice.browser, trade, "Is anybody there?").await;
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    assert!(bob.within(Duration::from_millis(500)).await.is_none());
    live::glance(&story.site.desk).await.unwrap();
    bob.hears("Is anybody there?").await;
    bob.hears("Has 500.00").await;
}

#[tokio::test]
async fn others_find_no_stream_and_an_arbitrator_hears_of_the_room_when_he_may_enter() {
    let story = story().await;
    goes_live(&story);
    let trade = story.paid().await;
    let path = format!("/trades/{trade}/stream");
    let stranger = story.site.register("dora").await;
    assert_eq!(Ear::try_open(&stranger, &path, None).await.err(), Some(404));
    assert_eq!(Ear::try_open(&story.site.browser(), &path, None).await.err(), Some(401));
    assert_eq!(Ear::try_open(&stranger, "/trades/00000000/stream", None).await.err(), Some(404));
    let mut carol = opened(&story.carol, trade).await;
    say(&story.alice.browser, trade, "for bob only").await;
    assert!(carol.within(Duration::from_millis(1_500)).await.is_none());
    story.opens_dispute(&story.bob, trade, "not_received", "refund").await;
    carol.until("anew").await;
    assert_eq!(carol.next().await, None);
    assert!(place(&story.carol.browser, trade).await.contains("at=") && story.stage(trade).await == "disputed");
}

#[tokio::test]
async fn it_is_told_who_is_here_across_servers_unless_they_do_not_want_it() {
    let story = story().await;
    goes_live(&story);
    let second = story.site.second(Rules::default());
    tokio::spawn(live::run(second.desk.clone()));
    let trade = story.funded().await;
    let mut alice = opened(&story.alice, trade).await;
    assert_eq!(alice.until("here").await.data["words"], "");
    let elsewhere = at(&story.bob, &second.origin);
    let bob = Ear::open(&elsewhere, &place(&elsewhere, trade).await).await;
    assert_eq!(alice.until("here").await.data["words"], "bob-s is here");
    assert!(story.alice.browser.get(&format!("/trades/{trade}")).await.words().contains("bob-s is here"));
    assert_eq!(story.bob.browser.post("/account/presence", &[("shown", "no")]).await.status, 303);
    assert_eq!(alice.until("here").await.data["words"], "", "he does not want it known");
    drop(bob);
    let bob = Ear::open(&elsewhere, &place(&elsewhere, trade).await).await;
    live::glance(&second.desk).await.unwrap();
    assert!(alice.within(Duration::from_secs(1)).await.is_none_or(|event| event.name != "here"));
    drop(bob);
}

#[tokio::test]
async fn who_has_left_is_not_here_any_more() {
    let story = story().await;
    goes_live(&story);
    let trade = story.funded().await;
    let mut alice = opened(&story.alice, trade).await;
    let bob = opened(&story.bob, trade).await;
    alice.hears("bob-s is here").await;
    drop(bob);
    let over = "UPDATE room_presence SET until = now() - interval '1 s' WHERE account::text = $1";
    // The server notices that the page is gone when what it wrote before was refused; its seconds pass at once here.
    tokio::time::timeout(Duration::from_secs(20), async {
        for round in 0.. {
            if round % 10 == 0 {
                say(&story.alice.browser, trade, "Still there?").await;
            }
            story.site.sql().await.execute(over, &[&story.bob.id.to_string()]).await.unwrap();
            live::glance(&story.site.desk).await.unwrap();
            if alice.within(Duration::from_millis(300)).await.is_some_and(|event| event.data["words"] == "") {
                break;
            }
        }
    })
    .await
    .expect("bob is gone");
}

#[tokio::test]
async fn a_session_that_ended_and_an_account_that_is_suspended_hear_no_more() {
    let story = story().await;
    goes_live(&story);
    let trade = story.funded().await;
    let other = story.site.browser().sign_in("alice", crate::harness::PASSWORD).await;
    let mut signed_out = Ear::open(&other, &place(&other, trade).await).await;
    let (mut alice, mut bob) = (opened(&story.alice, trade).await, opened(&story.bob, trade).await);
    assert_eq!(other.post("/sign-out", &[]).await.status, 303);
    signed_out.until("signed-out").await;
    assert_eq!(signed_out.next().await, None);
    admin::suspend(&story.site.desk, "bob-s", "a complaint is looked at").await.unwrap();
    bob.until("signed-out").await;
    let again = format!("/trades/{trade}/stream");
    assert_eq!(Ear::try_open(&story.bob.browser, &again, None).await.err(), Some(403));
    assert_eq!(Ear::try_open(&other, &again, None).await.err(), Some(401));
    say(&story.bob.browser, trade, "My running trade goes on.").await;
    alice.hears("goes on").await;
}

#[tokio::test]
async fn what_was_read_is_told_and_what_waits_is_counted() {
    let story = story().await;
    goes_live(&story);
    let trade = story.funded().await;
    let mut alice = opened(&story.alice, trade).await;
    say(&story.alice.browser, trade, "one").await;
    say(&story.alice.browser, trade, "two").await;
    let [one, two] = [alice.hears("one").await, alice.hears("two").await].map(|line| line.data["number"].clone());
    let waiting = async |who: &Person| {
        let body = who.browser.get("/waiting").await.body;
        let counted: serde_json::Value = serde_json::from_str(&body).unwrap();
        (counted["waiting"].as_i64().unwrap(), counted["unread"].as_i64().unwrap())
    };
    assert_eq!((waiting(&story.alice).await, waiting(&story.bob).await), ((1, 0), (0, 2)));
    let list = story.bob.browser.get("/trades").await;
    assert_eq!(list.words().matches("2 unread").count(), 2, "in the header and beside the trade");
    for beside in ["funding", "settlement"] {
        assert_eq!(story.bob.browser.get(&format!("/trades/{trade}/{beside}")).await.status, 200);
    }
    assert_eq!(waiting(&story.bob).await, (0, 2), "a page without the room reads nothing of it");
    let reads = format!("/trades/{trade}/reads");
    assert_eq!(story.bob.browser.post(&reads, &[("number", &one.to_string())]).await.status, 204);
    assert_eq!(alice.until("seen").await.data["number"], one);
    assert_eq!(waiting(&story.bob).await, (0, 1));
    for odd in ["-5", "0", "1"] {
        assert_eq!(story.bob.browser.post(&reads, &[("number", odd)]).await.status, 204);
    }
    assert_eq!(waiting(&story.bob).await, (0, 1), "nobody reads backwards");
    assert_eq!(story.bob.browser.post(&reads, &[("number", "x")]).await.status, 422);
    assert_eq!(story.bob.browser.post(&reads, &[("number", &i64::MAX.to_string())]).await.status, 204);
    assert_eq!(alice.until("seen").await.data["number"], two, "nobody has read what is not written");
    let title = |page: &str| page.split("<title>").nth(1).unwrap().split("</title>").next().unwrap().to_owned();
    let turn = story.alice.browser.get("/trades").await;
    assert!(title(&turn.body).starts_with("(1) ") && turn.body.contains("mark-waits.svg"), "{}", title(&turn.body));
    assert!(!title(&story.bob.browser.get("/trades").await.body).starts_with('('));
}

#[tokio::test]
async fn more_news_than_can_wait_to_be_heard_silences_no_bell() {
    let story = story().await;
    let trade = story.funded().await;
    let sql = story.site.sql().await;
    sql.execute("DELETE FROM room_news", &[]).await.unwrap();
    // As a restore does it to every trade there ever was.
    sql.execute("UPDATE trades SET made_in = '0'::xid8", &[]).await.unwrap();
    assert_eq!(sql.count("room_news").await, 0, "nothing of the trade has changed");
    let many = "INSERT INTO room_news SELECT gen_random_uuid(), 'changed' FROM generate_series(1, 20000)";
    sql.execute(many, &[]).await.unwrap();
    goes_live(&story);
    let told = async {
        while sql.count("room_news").await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told).await.expect("the notifier goes on");
    let mut bob = opened(&story.bob, trade).await;
    bob.until("here").await;
    say(&story.alice.browser, trade, "Good morning.").await;
    bob.hears("Good morning.").await;
}
