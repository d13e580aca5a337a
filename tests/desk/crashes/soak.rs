//! The server killed again and again at random moments while trades run: each of them ends, once, with everything in
//! its log, and what was agreed is what was paid.
//!
//! `TRINE_SOAK_KILLS` says how often; a few times without it.

#![allow(clippy::print_stdout)] // The figures are for whoever asked for a long run.

use std::time::Duration;

use bitcoin::Amount;
use trine::desk::offers;
use trine::domain::PublicRef;

use super::goes_on::next;
use super::served::Served;
use super::spends::payouts_on;
use crate::harness::cast::{Story, offer_form};

const KILLS: usize = 6;

fn kills() -> usize {
    std::env::var("TRINE_SOAK_KILLS").map_or(KILLS, |kills| kills.parse().expect("TRINE_SOAK_KILLS is a number"))
}

/// The trade that runs; the next is taken when it has ended, over HTTP like everything else.
async fn running(story: &Story) -> Option<PublicRef> {
    let sql = story.site.sql().await;
    let open = "SELECT reference FROM trades WHERE stage NOT IN ('completed', 'cancelled') LIMIT 1";
    if let Some(row) = sql.query_opt(open, &[]).await.unwrap() {
        return Some(row.get::<_, String>(0).parse().unwrap());
    }
    let left = "SELECT reference FROM offers WHERE state = 'open' AND total - reserved >= 100 LIMIT 1";
    let offer = match sql.query_opt(left, &[]).await.unwrap() {
        Some(row) => row.get::<_, String>(0),
        None => {
            offers::post(&story.site.desk, story.bob.id, &offer_form(&story.bob, "sell")).await.unwrap().to_string()
        }
    };
    let (alice, key) = (&story.alice, story.alice.key.to_string());
    let fields = [
        ("step", "take"),
        ("amount", "100"),
        ("payment_account", alice.account.as_str()),
        ("key", &key),
        ("address", &alice.address.to_string()),
        ("offer_version", "1"),
        ("price_seen", "50000"),
    ];
    let answer = alice.browser.try_post(&format!("/offers/{offer}/take"), &fields).await?;
    assert!(matches!(answer.status, 303 | 409 | 503), "{} {}", answer.status, answer.words());
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_survive_random_kills() {
    let (mut served, ()) = Served::prepared(async |_| ()).await;
    let wanted = kills();
    let mut killed = 0;
    while killed < wanted {
        served.start(None).await;
        let [millis, ..] = *uuid::Uuid::new_v4().as_bytes();
        let life = tokio::time::sleep(Duration::from_millis(20 + 5 * u64::from(millis)));
        tokio::select! {
            () = life => {}
            () = async {
                loop {
                    if let Some(trade) = running(&served.story).await {
                        next(&served.story, trade).await;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            } => {}
        }
        served.kill();
        killed += 1;
    }
    served.start(None).await;
    let running = "SELECT reference FROM trades WHERE stage NOT IN ('completed', 'cancelled') LIMIT 1";
    while let Some(row) = served.story.site.sql().await.query_opt(running, &[]).await.unwrap() {
        served.until_completed(row.get::<_, String>(0).parse().unwrap()).await;
    }
    served.until("the outbox is empty", "SELECT count(*) = 0 FROM outbox WHERE done_at IS NULL").await;
    adds_up(&mut served, killed).await;
}

async fn adds_up(served: &mut Served, killed: usize) {
    let sql = served.story.site.sql().await;
    let trades = sql.query("SELECT reference, stage, outcome FROM trades ORDER BY created_at", &[]).await.unwrap();
    let chain = served.chain();
    for row in &trades {
        let (trade, stage): (String, String) = (row.get(0), row.get(1));
        let trade: PublicRef = trade.parse().unwrap();
        assert_eq!((stage.as_str(), row.get::<_, Option<String>>(2).as_deref()), ("completed", Some("released")));
        served.story.check_log(trade).await;
        // One payout; a deposit that was made twice, because the first was not acknowledged, waits as a stray.
        assert_eq!(payouts_on(&chain, &served.story.site, trade).await, 1, "{trade}");
    }
    let held: bool = sql
        .one("SELECT bool_and(o.reserved = coalesce((SELECT sum(fiat) FROM trades t WHERE t.offer = o.id), 0)) FROM offers o")
        .await;
    assert!(held, "offers hold what their trades took");
    let paid: i64 = sql
        .one("SELECT coalesce(sum(p.buyer_sat), 0)::bigint FROM payouts p JOIN trades t ON t.payout_txid = p.txid")
        .await;
    let agreed: i64 = sql.one("SELECT coalesce(sum(amount_sat), 0)::bigint FROM trades").await;
    let fees = agreed - paid;
    assert!(fees >= 0 && Amount::from_sat(fees.cast_unsigned()) < Amount::from_sat(10_000) * (trades.len() as u64 + 1));
    println!("figure kills_survived {killed} kills");
    println!("figure trades_through_kills {} trades", trades.len());
}
