//! How people treat one another: what is counted and shown, blocks, feedback, reports.

use jiff::SignedDuration;
use trine::desk::take::{self, TakeForm};
use trine::desk::{Error, Rules};
use trine::domain::PublicRef;

use crate::harness::Start;
use crate::harness::cast::{Person, Story, story, story_with};
use crate::routes::operator::operator;

impl Story {
    /// Tries to take 100 euros of bob's offer; the words of the refusal.
    async fn refused_take(&self, taker: &Person) -> String {
        let form = TakeForm {
            amount: "100".into(),
            payment_account: taker.account.clone(),
            key: taker.key.to_string(),
            address: taker.address.to_string(),
            offer_version: "1".into(),
            price_seen: "50000".into(),
        };
        match take::take(&self.site.desk, taker.id, self.offer, &form).await {
            Err(Error::Refused(refusal)) => refusal.all_words(),
            other => panic!("{other:?}"),
        }
    }

    /// Alice buys for so much; the coins are in escrow.
    async fn is_funded_for(&self, amount: &str) -> PublicRef {
        let trade = self.take_by(&self.alice, amount).await;
        self.signs(&self.bob, trade, "contract-signature", &[]).await;
        self.signs(&self.alice, trade, "contract-signature", &[]).await;
        let (row, _) = trine::desk::trade_facts::party(&self.site.desk, trade, self.bob.id).await.unwrap();
        self.deposit(trade, row.deposit).await;
        trade
    }

    async fn goes_through(&self, amount: &str) -> PublicRef {
        let trade = self.is_funded_for(amount).await;
        self.signs(&self.alice, trade, "payment", &["sent"]).await;
        self.signs(&self.bob, trade, "release", &["own_account", "amount", "payer"]).await;
        self.mine(2).await;
        assert_eq!(self.stage(trade).await, "completed");
        trade
    }
}

#[tokio::test]
async fn a_new_account_trades_one_at_a_time() {
    let story = story().await;
    story.take_by(&story.alice, "100").await;
    assert!(story.refused_take(&story.alice).await.contains("Until your first trade is completed"));
}

#[tokio::test]
async fn three_lapses_stop_takes_for_a_week() {
    let rules = Rules { new_account_trades_max: 20, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    for _ in 0..3 {
        let trade = story.take_by(&story.alice, "100").await;
        story.signs(&story.bob, trade, "contract-signature", &[]).await;
        story.later(61).await;
        assert_eq!(story.stage(trade).await, "cancelled");
    }
    assert!(story.refused_take(&story.alice).await.contains("You let three trades lapse within 30 days"));
    story.site.advance(SignedDuration::from_hours(24 * 7 + 1));
    story.take_by(&story.alice, "100").await;
}

#[tokio::test]
async fn every_kind_of_lapse_counts_towards_three() {
    let rules = Rules { new_account_trades_max: 20, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let unsigned = story.take_by(&story.alice, "100").await;
    story.signs(&story.bob, unsigned, "contract-signature", &[]).await;
    story.later(61).await;
    let cancelled = story.is_funded_for("100").await;
    story.signs(&story.alice, cancelled, "cancellation", &["not_paid"]).await;
    let undone = story.is_funded_for("100").await;
    story.signs(&story.alice, undone, "payment", &["sent"]).await;
    story.take_by(&story.alice, "100").await;
    assert_eq!(story.press(&story.alice, undone, "payment/undo").await.status, 303);
    assert!(story.refused_take(&story.alice).await.contains("You let three trades lapse within 30 days"));
    let alice = story.site.browser().get("/people/alice").await.words();
    for shown in ["1 contract not signed", "1 trade cancelled after the deposit", "1 payment marked and unmarked"] {
        assert!(alice.contains(shown), "{shown}: {alice}");
    }
}

#[tokio::test]
async fn lapses_are_counted_by_kind_and_shown() {
    let rules = Rules { new_account_trades_max: 20, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let nobody = story.site.browser();
    assert!(nobody.get("/people/alice").await.words().contains("Lapses none"));
    let unsigned = story.take_by(&story.alice, "100").await;
    story.signs(&story.bob, unsigned, "contract-signature", &[]).await;
    story.later(61).await;
    let unpaid = story.take_by(&story.alice, "100").await;
    story.signs(&story.bob, unpaid, "contract-signature", &[]).await;
    story.signs(&story.alice, unpaid, "contract-signature", &[]).await;
    story.later(181).await;
    assert_eq!(story.stage(unpaid).await, "cancelled", "bob did not deposit");
    let alice = nobody.get("/people/alice").await.words();
    assert!(alice.contains("1 contract not signed in time") && !alice.contains("deposit not made"), "{alice}");
    let bob = nobody.get("/people/bob-s").await.words();
    assert!(bob.contains("1 deposit not made in time") && !bob.contains("contract not signed"), "{bob}");
}

#[tokio::test]
async fn who_blocks_another_trades_no_more_with_them_either_way() {
    let rules = Rules { new_account_trades_max: 20, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let running = story.take_by(&story.alice, "100").await;
    assert!(story.bob.browser.get("/people/alice").await.words().contains("Do not trade with alice"));
    assert!(!story.site.browser().get("/people/alice").await.words().contains("Do not trade with"));
    for (blocker, blocked) in [(&story.bob, "alice"), (&story.alice, "bob-s")] {
        blocker.browser.submit(&format!("/people/{blocked}/block"), &[]).await;
        assert!(story.refused_take(&story.alice).await.contains("does not trade with the other"));
        blocker.browser.submit(&format!("/people/{blocked}/unblock"), &[]).await;
    }
    story.bob.browser.submit("/people/alice/block", &[]).await;
    assert_eq!(story.bob.browser.post("/people/bob-s/block", &[]).await.status, 409);
    assert_eq!(story.bob.browser.post("/people/nobody-here/block", &[]).await.status, 404);
    assert_eq!(
        story.bob.browser.post("/people/carol/block", &[]).await.status,
        409,
        "arbitrators are excluded elsewhere"
    );
    story.signs(&story.bob, running, "contract-signature", &[]).await;
    story.signs(&story.alice, running, "contract-signature", &[]).await;
    assert_eq!(story.stage(running).await, "awaiting_deposit", "running trades go on");
}

#[tokio::test]
async fn feedback_is_given_once_per_pair_in_thirty_days_after_a_completed_trade() {
    let story = story().await;
    let open = story.take_by(&story.alice, "100").await;
    let early = story.alice.browser.post(&format!("/trades/{open}/feedback"), &[("good", "yes")]).await;
    assert_eq!(early.status, 409, "{}", early.words());
    assert_eq!(story.press(&story.alice, open, "withdrawal").await.status, 303);

    let trade = story.goes_through("100").await;
    let path = format!("/trades/{trade}/feedback");
    let page = story.alice.browser.post(&path, &[("good", ""), ("words", "Fast.")]).await;
    assert_eq!((page.status, page.error("good").is_empty()), (422, false));
    story.alice.browser.submit(&path, &[("good", "yes"), ("words", "Fast and <b>kind</b>.")]).await;
    story.bob.browser.submit(&path, &[("good", "no"), ("words", "")]).await;
    let bob = story.site.browser().get("/people/bob-s").await;
    assert!(bob.words().contains("1 would trade again, 0 would not"), "{}", bob.words());
    assert!(bob.body.contains("Fast and &lt;b&gt;kind"), "served as text");
    assert!(story.site.browser().get("/people/alice").await.words().contains("0 would trade again, 1 would not"));
    assert_eq!(story.alice.browser.post(&path, &[("good", "no")]).await.status, 409, "never edited");

    let second = story.goes_through("100").await;
    let second = format!("/trades/{second}/feedback");
    let again = story.alice.browser.post(&second, &[("good", "yes")]).await;
    assert!(again.status == 409 && again.problem().contains("last 30 days"), "{}", again.words());
    story.site.advance(SignedDuration::from_hours(24 * 31));
    story.alice.browser.submit(&second, &[("good", "yes")]).await;
    assert_eq!(story.carol.browser.get(&format!("/trades/{trade}/conduct")).await.status, 404, "for the two traders");
}

#[tokio::test]
async fn a_report_reaches_the_operator_and_opens_no_stage() {
    let story = story().await;
    let olga = operator(&story).await;
    let trade = story.goes_through("100").await;
    let before = story.version(trade, &story.bob).await;
    let path = format!("/trades/{trade}/report");
    for (reason, words, field) in [("rage", "He is bad.", "reason"), ("reversed", "  ", "report")] {
        let page = story.bob.browser.post(&path, &[("reason", reason), ("report", words)]).await;
        assert_eq!(page.status, 422);
        assert!(!page.error(field).is_empty(), "{}", page.words());
    }
    let fields = [("reason", "reversed"), ("report", "The bank took the money back on Monday.")];
    let done = story.bob.browser.post(&path, &fields).await;
    assert!(done.status == 200 && done.words().contains("The operator is told. alice is not."), "{}", done.words());
    assert_eq!(story.bob.browser.post(&path, &fields).await.status, 409, "one at a time");
    assert_eq!(story.version(trade, &story.bob).await, before);
    let room = story.alice.browser.get(&format!("/trades/{trade}")).await;
    assert!(!room.body.contains("took the money back"), "the other side is not told");
    let page = olga.get("/operator").await.words();
    assert!(
        page.contains("bob-s about alice in") && page.contains("The bank took the money back on Monday."),
        "{page}"
    );
    let number: i64 = story.site.sql().await.one("SELECT number FROM reports").await;
    let end = format!("/operator/reports/{number}/end");
    assert_eq!(olga.post(&end, &[("why", "")]).await.status, 422);
    olga.submit(&end, &[("why", "alice is suspended")]).await;
    assert!(!olga.get("/operator").await.words().contains("took the money back"));
    assert!(olga.get("/operator/acts").await.words().contains(&format!("olga closed report {number}")));
    assert_eq!(olga.post(&end, &[("why", "again")]).await.status, 409);
}
