//! PostgreSQL stopped, restarted or taken over under writes: what was acknowledged is read back, nothing is there twice,
//! and the desk answers and works again soon after its database does. Away, read-only, exhausted, locked or full: it says
//! so, in words.

use std::time::{Duration, Instant};

use trine::domain::PublicRef;

use super::cluster::{Cluster, SmallCluster};
use super::writers::{BACK, under_writes};
use crate::harness::cast::{story, story_with};
use crate::harness::{Browser, Start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_an_immediate_stop_of_postgresql() {
    let cluster = Cluster::start();
    let story = story_with(Start { postgres: Some(cluster.url()), ..Start::default() }).await;
    let refused = under_writes(story, || cluster.stop_at_once(), || cluster.up());
    assert!(refused.await > 0, "nobody came while it was away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_a_restart_of_postgresql() {
    let cluster = Cluster::start();
    let story = story_with(Start { postgres: Some(cluster.url()), ..Start::default() }).await;
    under_writes(story, || (), || cluster.restart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_is_on_the_standby_that_takes_over() {
    let first = Cluster::start();
    let standby = first.standby();
    let story = story_with(Start { postgres: Some(first.url_with(&standby)), ..Start::default() }).await;
    let refused = under_writes(story, || first.stop_at_once(), || standby.promote());
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
async fn locked_tables_are_busy_and_pass() {
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

/// Nothing is locked: there is no connection left to ask with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_without_a_connection_left_is_busy_and_passes() {
    const CONNECTIONS: usize = 4;
    let story = story_with(Start { connections: Some(CONNECTIONS), ..Start::default() }).await;
    let trade = story.take().await;
    let (alice, token) = (&story.alice.browser, story.alice.browser.token().await);
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(story.site.desk.store.connection().await.unwrap());
    }
    let (status, text) = said(alice, &token, trade, "meanwhile").await;
    assert!(status == 503 && text.contains("very busy. Nothing was changed"), "{status}: {text}");
    // One that is given back is enough.
    held.pop();
    assert_eq!(said(alice, &token, trade, "after").await.0, 303);
    let sql = story.site.sql().await;
    let words: String = sql.one("SELECT string_agg(body, ' ') FROM messages WHERE account IS NOT NULL").await;
    assert_eq!(words, "after", "refused and yet written");
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
