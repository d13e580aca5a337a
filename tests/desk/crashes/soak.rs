//! The server killed again and again at random moments while trades run: each of them ends, once, with everything in
//! its log, and what was agreed is what was paid.
//!
//! `TRINE_SOAK_KILLS` says how often; a few times without it.

#![allow(clippy::print_stdout)] // The figures are for whoever asked for a long run.

use std::time::Duration;

use trine::desk::offers;
use trine::domain::PublicRef;

use super::dying::mails_to_bob;
use super::goes_on::{next, speak, take};
use super::served::Served;
use super::spends::paid_as_agreed;
use crate::harness::cast::offer_form;
use crate::harness::post::MailServer;

const KILLS: usize = 6;

/// What a server was sending is nobody else's for two minutes; of one that is dead that need not be waited for.
const LEASES_END: &str = "UPDATE deliveries SET leased_until = NULL WHERE state = 'waiting'";
const RUNNING: &str = "SELECT reference FROM trades WHERE stage NOT IN ('completed', 'cancelled') LIMIT 1";
const HELD: &str = "
    SELECT bool_and(o.reserved = coalesce((SELECT sum(fiat) FROM trades t WHERE t.offer = o.id), 0)) FROM offers o";

fn kills() -> usize {
    std::env::var("TRINE_SOAK_KILLS").map_or(KILLS, |kills| kills.parse().expect("TRINE_SOAK_KILLS is a number"))
}

/// The trade that runs; the next is taken when it has ended.
async fn running(served: &Served) -> Option<PublicRef> {
    let sql = served.story.site.sql().await;
    if let Some(row) = sql.query_opt(RUNNING, &[]).await.unwrap() {
        return Some(row.get::<_, String>(0).parse().unwrap());
    }
    let left = "SELECT reference FROM offers WHERE state = 'open' AND total - reserved >= 100 LIMIT 1";
    let bob = &served.story.bob;
    let offer = match sql.query_opt(left, &[]).await.unwrap() {
        Some(row) => row.get::<_, String>(0),
        None => offers::post(&served.story.site.desk, bob.id, &offer_form(bob, "sell")).await.unwrap().to_string(),
    };
    take(served, &offer, "100").await;
    None
}

/// Trades follow each other, and in each life of the desk somebody speaks once.
async fn goes_on(served: &Served) {
    let mut has_spoken = false;
    loop {
        if let Some(trade) = running(served).await {
            if !has_spoken {
                speak(served, trade).await;
                has_spoken = true;
            }
            next(served, trade).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_survive_random_kills() {
    let (mut served, ()) = Served::prepared(async |_| ()).await;
    let server = MailServer::start();
    mails_to_bob(&mut served, &server).await;
    let sql = served.story.site.sql().await;
    let wanted = kills();
    let mut killed = 0;
    while killed < wanted {
        served.start(None).await;
        let [millis, ..] = *uuid::Uuid::new_v4().as_bytes();
        let life = tokio::time::sleep(Duration::from_millis(20 + 5 * u64::from(millis)));
        tokio::select! {
            () = life => {}
            () = goes_on(&served) => {}
        }
        served.kill();
        killed += 1;
        sql.batch_execute(LEASES_END).await.unwrap();
    }
    served.start(None).await;
    while let Some(row) = sql.query_opt(RUNNING, &[]).await.unwrap() {
        served.until_completed(row.get::<_, String>(0).parse().unwrap()).await;
    }
    // Once more: what the last dead one had asked for may have been done after the others.
    sql.batch_execute(LEASES_END).await.unwrap();
    served.until_drained().await;
    adds_up(&mut served, &server, killed).await;
}

async fn adds_up(served: &mut Served, server: &MailServer, killed: usize) {
    let sql = served.story.site.sql().await;
    let acknowledged = served.answers.read_back(&sql).await;
    have_arrived(served, server).await;
    served.shows_what_is_left().await;
    let trades = sql.query("SELECT reference, stage, outcome FROM trades ORDER BY created_at", &[]).await.unwrap();
    let chain = served.chain();
    for row in &trades {
        let (trade, stage): (String, String) = (row.get(0), row.get(1));
        let trade: PublicRef = trade.parse().unwrap();
        assert_eq!((stage.as_str(), row.get::<_, Option<String>>(2).as_deref()), ("completed", Some("released")));
        served.story.check_log(trade).await;
        // One payout; a deposit that was made twice, because the first was not acknowledged, waits as a stray.
        paid_as_agreed(&chain, &served.story, trade).await;
    }
    assert!(sql.one::<bool>(HELD).await, "offers hold what their trades took");
    served.books_add_up().await;
    println!("figure kills_survived {killed} kills");
    println!("figure trades_through_kills {} trades", trades.len());
    println!("figure acknowledged_through_kills {acknowledged} answers");
}

/// What was sent to bob is there, under its name; nothing was given up.
async fn have_arrived(served: &Served, server: &MailServer) {
    let sql = served.story.site.sql().await;
    let rows = sql.query("SELECT id::text, state FROM deliveries", &[]).await.unwrap();
    let mails: Vec<String> = server.mails().into_iter().map(|mail| mail.id).collect();
    for row in rows {
        let (id, state): (String, String) = (row.get(0), row.get(1));
        match state.as_str() {
            "sent" => assert!(mails.iter().any(|mail| mail.contains(&id)), "{id} was sent and never came"),
            // It was done or read before it could be sent.
            other => assert_eq!(other, "dropped", "{id}"),
        }
    }
}
