//! Who is called when somebody else could not act yet, and when a payout does not arrive.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, FeeRate, Txid};
use trine::domain::deadlines::What;

use crate::harness::cast::{Person, Story, story, story_with};
use crate::harness::{Start, Weather};

const TICKS: [&str; 3] = ["own_account", "amount", "payer"];

impl Story {
    async fn page_of(&self, name: &str) -> String {
        self.site.browser().get(&format!("/people/{name}")).await.words()
    }

    /// How often somebody was told that something is held up.
    async fn held_up(&self, who: &Person) -> i64 {
        let sql = "SELECT count(*) FROM notices WHERE account = $1 AND turn = 'open' AND kinds = '{turn,money}'";
        self.site.sql().await.query_one(sql, &[&who.id.0]).await.unwrap().get(0)
    }

    /// How often somebody was told that it is his turn.
    async fn turns(&self, who: &Person) -> i64 {
        let sql = "SELECT count(*) FROM notices WHERE account = $1 AND turn = 'yours' AND 'turn' = ANY (kinds)";
        self.site.sql().await.query_one(sql, &[&who.id.0]).await.unwrap().get(0)
    }
}

#[tokio::test]
async fn who_sees_money_that_was_not_marked_waits_for_the_buyer_and_is_not_late() {
    let story = story().await;
    let (alice, bob) = (story.feed(&story.alice).await, story.feed(&story.bob).await);
    let trade = story.funded().await;
    assert_eq!(story.press(&story.bob, trade, "payment-seen").await.status, 303);
    let mine = format!("Trade {}: your turn until ", trade.grouped());
    let titles = story.titles(&alice).await;
    assert!(titles.first().is_some_and(|title| title.starts_with(&mine)), "{titles:?}");
    assert!(!story.titles(&bob).await.iter().any(|title| title.contains("your turn")), "he cannot sign yet");
    for at in story.reminder_times(trade, What::Release).await {
        story.at(at).await;
    }
    assert_eq!(story.reminded(&story.alice, trade).await, [50, 90]);
    assert_eq!(story.reminded(&story.bob, trade).await, [0; 0]);
    story.at(story.state(trade).await.release_by.unwrap()).await;
    assert_eq!(story.stage(trade).await, "disputed");
    assert!(!story.page_of("bob-s").await.contains("release overdue"));
    // Both are to answer, in whatever calendar they read it.
    for trader in [&story.alice, &story.bob] {
        let calendar = trader.browser.get(&format!("/trades/{trade}/deadlines.ics")).await.body;
        let answer = calendar.split("BEGIN:VEVENT").find(|event| event.contains(&format!("{trade}-answer@")));
        let answer = answer.expect("the time to answer");
        assert!(answer.contains("Your deadline") && answer.contains("VALARM"), "{answer}");
    }
    story.check_log(trade).await;
}

#[tokio::test]
async fn a_release_is_late_when_the_buyers_signature_was_there_in_good_time() {
    let story = story().await;
    let trade = story.paid().await;
    story.at(story.state(trade).await.release_by.unwrap()).await;
    assert_eq!(story.stage(trade).await, "disputed");
    assert!(story.page_of("bob-s").await.contains("1 release overdue"));
    assert!(!story.page_of("alice").await.contains("release overdue"));
}

#[tokio::test]
async fn a_signature_that_came_at_the_last_minute_makes_nobody_late() {
    let story = story().await;
    let trade = story.funded().await;
    assert_eq!(story.press(&story.bob, trade, "payment-seen").await.status, 303);
    let [_, ninety] = story.reminder_times(trade, What::Release).await;
    story.at(ninety).await;
    story.signs(&story.alice, trade, "payment-release", &[]).await;
    assert_eq!(story.turns(&story.bob).await, 3, "the offer, the deposit, the release");
    story.at(story.state(trade).await.release_by.unwrap()).await;
    assert_eq!(story.stage(trade).await, "disputed");
    assert!(!story.page_of("bob-s").await.contains("release overdue"));
}

#[tokio::test]
async fn who_accepted_a_settlement_is_not_late_with_the_release() {
    let story = story().await;
    let trade = story.paid().await;
    let version = story.version(trade, &story.alice).await;
    let half = [("version", version.as_str()), ("unit", "percent"), ("buyer", "50"), ("do", "propose")];
    let proposed = story.alice.browser.post(&format!("/trades/{trade}/settlement"), &half).await;
    assert_eq!(proposed.status, 303, "{}", proposed.words());
    story.signs(&story.bob, trade, "settlement/acceptance", &[]).await;
    story.at(story.state(trade).await.release_by.unwrap()).await;
    assert_eq!(story.stage(trade).await, "disputed");
    assert!(!story.page_of("bob-s").await.contains("release overdue"), "alice has to complete the settlement");
}

#[tokio::test]
async fn the_arbitrator_is_called_to_a_refund_when_she_may_sign_it_and_not_before() {
    let story = story().await;
    let feed = story.feed(&story.carol).await;
    let trade = story.funded().await;
    story.at(story.state(trade).await.pay_by.unwrap()).await;
    story.signs(&story.bob, trade, "unpaid", &[]).await;
    assert_eq!(story.titles(&feed).await, [""; 0], "she may not sign yet");
    story.at(story.state(trade).await.refund_objection_by.unwrap()).await;
    assert_eq!(story.titles(&feed).await, [format!("Trade {}: your turn.", trade.grouped())]);
    story.work().await;
    assert_eq!(story.turns(&story.carol).await, 1, "once");
    story.signs(&story.carol, trade, "refund", &[]).await;
    assert_eq!((story.stage(trade).await, story.titles(&feed).await), ("paying_out".into(), vec![]));
    story.check_log(trade).await;
}

#[tokio::test]
async fn the_arbitrator_is_called_to_a_ruling_when_its_payout_may_be_signed() {
    let story = story().await;
    let trade = story.disputed().await;
    story.rules(trade, "refund", "").await;
    let before = story.turns(&story.carol).await;
    story.at(story.state(trade).await.ruling.unwrap().objection_by).await;
    assert_eq!(story.turns(&story.carol).await, before + 1);
    story.work().await;
    assert_eq!(story.turns(&story.carol).await, before + 1, "once");
    story.check_log(trade).await;
}

#[tokio::test]
async fn a_payout_that_the_node_refuses_is_told_once_to_whom_it_pays() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let feed = story.feed(&story.alice).await;
    let trade = story.paid().await;
    weather.mempool_minimum(FeeRate::from_sat_per_vb(50));
    story.signs(&story.bob, trade, "release", &TICKS).await;
    assert_eq!(story.stage(trade).await, "paying_out");
    story.later(2).await;
    let tried: i32 = story.site.sql().await.one("SELECT attempts FROM handovers").await;
    assert_eq!((tried, story.held_up(&story.alice).await, story.held_up(&story.bob).await), (2, 1, 0));
    let titles = story.titles(&feed).await;
    assert_eq!(titles.first(), Some(&format!("Trade {}: something is held up; you may act.", trade.grouped())));
}

#[tokio::test]
async fn a_payout_that_lingers_is_told_once_to_whom_it_pays() {
    let story = story().await;
    let (trade, _) = story.released().await;
    story.mine_empty(35);
    story.work().await;
    assert_eq!(story.held_up(&story.alice).await, 0, "35 blocks are not many");
    for _ in 0..2 {
        story.mine_empty(1);
        story.work().await;
        assert_eq!((story.held_up(&story.alice).await, story.held_up(&story.bob).await), (1, 0));
    }
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
}

/// One of its refunds waits for a block; another, which pays less, is refused for that very reason.
#[tokio::test]
async fn a_cheaper_refund_of_a_stray_that_another_sent_back_holds_nothing_up_and_is_given_up() {
    let story = story().await;
    let trade = story.funded().await;
    story.deposit(trade, Amount::from_sat(300_000)).await;
    let sql = story.site.sql().await;
    let rows = sql.query("SELECT txid FROM payouts WHERE kind = 'stray' ORDER BY fee_sat DESC", &[]).await.unwrap();
    let refunds: Vec<Txid> = rows.iter().map(|row| Txid::from_slice(row.get(0)).unwrap()).collect();
    for refund in [refunds.first().unwrap(), refunds.last().unwrap()] {
        for who in [&story.bob, &story.carol] {
            let seen = story.sign(who, trade, &format!("strays/{refund}"), &[]).await;
            assert_eq!(seen.status, 303, "{}", seen.words());
        }
    }
    story.work().await;
    let refused = "SELECT count(*) FROM handovers WHERE refusal IS NOT NULL";
    assert_eq!((story.site.chain.waiting(), sql.one::<i64>(refused).await), (1, 1));
    story.mine(1).await;
    for _ in 0..2 {
        story.later(61).await;
    }
    let again =
        "SELECT (SELECT count(*) FROM outbox WHERE done_at IS NULL), count(next_at), max(attempts) FROM handovers";
    let row = sql.query_one(again, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i32>(2)), (0, 0, 1));
    assert_eq!(story.held_up(&story.bob).await, 0);
}
