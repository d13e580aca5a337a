//! The arbitrator's day: what is unanswered, a conflict declared, the archive; and trades that lose their arbitrator.

use jiff::SignedDuration;
use trine::desk::{admin, arbitrators};
use trine::domain::{PublicRef, Role};

use crate::harness::Seen;
use crate::harness::cast::{Story, person, story};
use crate::routes::operator::operator;

impl Story {
    async fn declares(&self, trade: PublicRef, with: &str, why: &str) -> Seen {
        let path = format!("/arbitration/{trade}/conflict");
        let seen = self.carol.browser.post(&path, &[("with", with), ("why", why)]).await;
        self.work().await;
        seen
    }
}

#[tokio::test]
async fn the_list_of_cases_says_what_is_unanswered() {
    let story = story().await;
    let trade = story.disputed().await;
    let asked = "Which account did it come from?";
    let version = story.version(trade, &story.carol).await;
    let path = format!("/trades/{trade}/dispute/statements");
    story.site.advance(SignedDuration::from_mins(1));
    let seen = story.carol.browser.post(&path, &[("version", &version), ("statement", asked)]).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    story.site.advance(SignedDuration::from_mins(1));
    let words = story.carol.browser.get("/arbitration").await.words();
    assert!(
        words.contains("alice has not answered your question")
            && words.contains("bob-s has not answered your question")
    );
    story.speaks(&story.alice, trade, "From my own, as always.").await;
    let words = story.carol.browser.get("/arbitration").await.words();
    assert!(
        !words.contains("alice has not answered your question")
            && words.contains("bob-s has not answered your question")
    );
}

#[tokio::test]
async fn a_conflict_declared_before_a_deposit_cancels_the_trade_and_is_not_drawn_again() {
    let story = story().await;
    let carl = person(&story.site, "carl", Role::Arbitrator).await;
    let sql = story.site.sql().await;
    let drawn = "SELECT a.name FROM trades t JOIN accounts a ON a.id = t.arbitrator";
    let trade = story.agreed().await;
    let drawn: String = sql.one(drawn).await;
    let (drawn, other) = if drawn == "carol" { (&story.carol, &carl) } else { (&carl, &story.carol) };
    let path = format!("/arbitration/{trade}/conflict");
    assert!(drawn.browser.get(&path).await.words().contains("the trade is cancelled by it"));
    assert_eq!(other.browser.get(&path).await.status, 404, "it is not his");
    for (with, why, field) in [("nobody", "he is my brother", "with"), ("seller", " ", "why")] {
        let seen = drawn.browser.post(&path, &[("with", with), ("why", why)]).await;
        assert_eq!(seen.status, 422);
        assert!(!seen.error(field).is_empty(), "{}", seen.words());
    }
    let seen = drawn.browser.post(&path, &[("with", "seller"), ("why", "The seller is my brother.")]).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    story.work().await;
    assert_eq!(story.stage(trade).await, "cancelled");
    let room = story.alice.browser.get(&format!("/trades/{trade}")).await.words();
    assert!(room.contains("declares a conflict of interest: The seller is my brother"), "{room}");
    let log = story.site.browser().get("/log").await.words();
    assert!(log.contains("Conflict declared") && !log.contains("brother"), "{log}");

    story.take().await;
    let again = "SELECT a.name FROM trades t JOIN accounts a ON a.id = t.arbitrator ORDER BY t.id DESC LIMIT 1";
    assert_eq!(sql.one::<String>(again).await, other.name, "another one is drawn for the seller from now on");
    story.check_log(trade).await;
}

#[tokio::test]
async fn a_conflict_with_coins_at_stake_is_told_to_all_and_the_traders_can_still_end_it() {
    let story = story().await;
    let olga = operator(&story).await;
    let trade = story.disputed().await;
    assert!(
        !story.carol.browser.get(&format!("/arbitration/{trade}/conflict")).await.words().contains("cancelled by it")
    );
    assert_eq!(story.declares(trade, "both", "I owe money to both.").await.status, 303);
    assert_eq!(story.stage(trade).await, "disputed", "nobody can replace the key");
    assert_eq!(story.declares(trade, "both", "I owe money to both.").await.status, 409, "once");
    for who in [&story.alice, &story.bob] {
        let page = who.browser.get(&format!("/trades/{trade}/dispute")).await.words();
        assert!(
            page.contains("has declared a conflict of interest") && page.contains("I owe money to both."),
            "{page}"
        );
    }
    let page = story.carol.browser.get(&format!("/arbitration/{trade}")).await.words();
    assert!(page.contains("You declared a conflict of interest"), "{page}");
    let page = olga.get("/operator").await;
    assert!(
        page.words().contains("Arbitrators who should not decide carol")
            || page.words().contains("carol, in a trade of alice and bob-s"),
        "{}",
        page.words()
    );
    assert!(!page.body.contains("I owe money"), "the reason is for the traders");
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    assert_eq!(story.declares(trade, "both", "Too late.").await.status, 409);
}

#[tokio::test]
async fn the_archive_keeps_rulings_with_their_reasons_for_who_made_them() {
    let story = story().await;
    assert!(story.carol.browser.get("/arbitration/rulings").await.words().contains("You have not ruled yet"));
    let trade = story.disputed().await;
    story.rules(trade, "split", "60").await;
    let version = story.version(trade, &story.bob).await;
    let path = format!("/trades/{trade}/ruling/objection");
    let seen = story
        .bob
        .browser
        .post(
            &path,
            &[("version", &version), ("statement", "Look again, please."), ("objection", "Look again, please.")],
        )
        .await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    let queue = story.carol.browser.get("/arbitration").await.words();
    assert!(queue.contains("an objection waits for you"), "{queue}");
    let archive = story.carol.browser.get("/arbitration/rulings").await.words();
    for told in ["60 % buyer, 40 % seller", "300 of the 500 euros", "Each gets what the payment covers", "objected to"]
    {
        assert!(archive.contains(told), "{told}: {archive}");
    }
    let version = story.version(trade, &story.carol).await;
    let path = format!("/arbitration/{trade}/ruling/withdrawal");
    assert_eq!(story.carol.browser.post(&path, &[("version", &version)]).await.status, 303);
    assert!(story.carol.browser.get("/arbitration/rulings").await.words().contains("withdrawn"));
    let carl = person(&story.site, "carl", Role::Arbitrator).await;
    assert!(carl.browser.get("/arbitration/rulings").await.words().contains("You have not ruled yet"));
}

#[tokio::test]
async fn a_dismissed_arbitrators_trade_is_cancelled_before_a_deposit_and_kept_after_one() {
    let story = story().await;
    let kept = story.funded().await;
    let sql = story.site.sql().await;
    // Another pair, so that alice's record does not stand in the way.
    let dora = person(&story.site, "dora", Role::Trader).await;
    let open = story.take_by(&dora, "500").await;
    arbitrators::dismiss(&story.site.desk, "carol").await.unwrap();
    let stage = |trade: PublicRef| format!("SELECT stage FROM trades WHERE reference = '{trade}'");
    assert_eq!(sql.one::<String>(&stage(open)).await, "cancelled");
    assert_eq!(sql.one::<String>(&stage(kept)).await, "funded", "the key in the script rules");
    let room = dora.browser.get(&format!("/trades/{open}")).await.words();
    assert!(room.contains("carol, the arbitrator, is no longer on duty"), "{room}");
    story.check_logs().await;
}

#[tokio::test]
async fn an_overdue_drill_cancels_a_trade_that_waits_for_its_deposit() {
    let story = story().await;
    let trade = story.agreed().await;
    let sql = story.site.sql().await;
    sql.batch_execute("UPDATE arbitrators SET drilled_at = drilled_at - interval '91 days'").await.unwrap();
    admin::tidy(&story.site.desk).await.unwrap();
    assert_eq!(story.stage(trade).await, "cancelled");
    story.check_log(trade).await;
}
