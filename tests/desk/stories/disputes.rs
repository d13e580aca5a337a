//! Disputes, rulings and settlements, from the statement to the confirmed payout.

use serde_json::Value;
use trine::domain::PublicRef;

use crate::harness::Seen;
use crate::harness::cast::{Person, Story, story};

const FACTS: &str = "bob's statement shows 300 of the 500 euros.";
const REASONS: &str = "Each gets what the payment covers.";

impl Story {
    pub async fn send(&self, who: &Person, trade: PublicRef, path: &str, fields: &[(&str, &str)]) -> Seen {
        let version = self.version(trade, who).await;
        let mut all = vec![("version", version.as_str())];
        all.extend_from_slice(fields);
        let seen = who.browser.post(path, &all).await;
        self.work().await;
        seen
    }

    /// Bob opens a dispute over a marked payment, alice answers.
    pub async fn disputed(&self) -> PublicRef {
        let trade = self.paid().await;
        self.opens_dispute(&self.bob, trade, "not_received", "refund").await;
        self.speaks(&self.alice, trade, "I sent it all; see my bank's confirmation.").await;
        assert_eq!(self.stage(trade).await, "disputed");
        trade
    }

    pub async fn opens_dispute(&self, who: &Person, trade: PublicRef, reason: &str, wanted: &str) {
        let fields = [
            ("reason", reason),
            ("wanted", wanted),
            ("statement", "Not all of it came."),
            ("evidence-0", "The statement of my account, in the room."),
        ];
        let seen = self.send(who, trade, &format!("/trades/{trade}/dispute"), &fields).await;
        assert_eq!(seen.status, 303, "{}", seen.words());
    }

    pub async fn speaks(&self, who: &Person, trade: PublicRef, words: &str) {
        let path = format!("/trades/{trade}/dispute/statements");
        let seen = self.send(who, trade, &path, &[("statement", words)]).await;
        assert_eq!(seen.status, 303, "{}", seen.words());
    }

    /// Carol drafts a ruling; where the draft is.
    pub async fn drafts(&self, trade: PublicRef, outcome: &str, buyer: &str) -> String {
        let fields = [
            ("outcome", outcome),
            ("unit", "percent"),
            ("buyer", buyer),
            ("facts", FACTS),
            ("reasons", REASONS),
            ("evidence", &"ab".repeat(32)),
        ];
        let seen = self.send(&self.carol, trade, &format!("/arbitration/{trade}/ruling"), &fields).await;
        assert_eq!(seen.status, 303, "{}", seen.words());
        seen.location.unwrap()
    }

    /// Carol drafts and signs a ruling.
    pub async fn rules(&self, trade: PublicRef, outcome: &str, buyer: &str) {
        let draft = self.drafts(trade, outcome, buyer).await;
        let page = self.carol.browser.get(&draft).await;
        assert!(page.words().contains(FACTS) && page.words().contains("Nothing is decided yet"), "{}", page.words());
        self.signs_at(&self.carol, trade, &format!("{draft}/signature")).await;
        assert_eq!(self.stage(trade).await, "ruled");
    }

    async fn sign_at(&self, who: &Person, trade: PublicRef, path: &str, ticks: &[&str]) -> Seen {
        let signatures = who.signatures(path).await;
        let mut fields = vec![("signatures", signatures.as_str())];
        fields.extend(ticks.iter().map(|tick| (*tick, "yes")));
        self.send(who, trade, path, &fields).await
    }

    pub async fn signs_at(&self, who: &Person, trade: PublicRef, path: &str) {
        let seen = self.sign_at(who, trade, path, &[]).await;
        assert_eq!(seen.status, 303, "{} signs {path}:\n{}", who.name, seen.words());
    }

    async fn outcome(&self, trade: PublicRef) -> String {
        let sql = self.site.sql().await;
        sql.query_one("SELECT coalesce(outcome, '') FROM trades WHERE reference = $1", &[&trade.as_str()])
            .await
            .unwrap()
            .get(0)
    }

    pub async fn proposes(&self, who: &Person, trade: PublicRef, unit: &str, buyer: &str) -> Seen {
        let fields = [("unit", unit), ("buyer", buyer), ("note", "Let us end it."), ("do", "propose")];
        self.send(who, trade, &format!("/trades/{trade}/settlement"), &fields).await
    }
}

#[tokio::test]
async fn a_ruled_split_is_paid_by_arbitrator_and_one_trader() {
    let story = story().await;
    let trade = story.disputed().await;
    let queue = story.carol.browser.get("/arbitration").await;
    assert!(queue.words().contains("Yours to do") && queue.body.contains(&format!("/arbitration/{trade}")));
    story.rules(trade, "split", "60").await;

    let payout = format!("/arbitration/{trade}/payout");
    let early = story.carol.browser.get(&payout).await;
    assert_eq!(early.status, 409, "the side that is not paid may still object");
    story.later(24 * 60 + 1).await;
    story.signs_at(&story.carol, trade, &payout).await;
    assert_eq!(story.stage(trade).await, "ruled", "the arbitrator alone completes nothing");
    story.signs_at(&story.alice, trade, &format!("/trades/{trade}/ruling/cosignature")).await;
    assert_eq!(story.stage(trade).await, "paying_out");
    story.mine(2).await;
    assert_eq!((story.stage(trade).await, story.outcome(trade).await), ("completed".into(), "split".into()));
    let (alice, bob) = (story.got(&story.alice).await.to_sat(), story.got(&story.bob).await.to_sat());
    assert!((590_000..600_000).contains(&alice) && (390_000..402_000).contains(&bob), "alice {alice}, bob {bob}");

    let log: Value = {
        let sql = story.site.sql().await;
        sql.query_one("SELECT entry FROM public_log WHERE kind = 'ruling'", &[]).await.unwrap().get(0)
    };
    assert_eq!((log["outcome"].as_str(), log["buyer_percent"].as_u64()), (Some("split"), Some(60)), "{log}");
    assert!(!log.to_string().contains("alice") && log["accounts"].as_array().unwrap().len() == 2, "{log}");
    for path in ["dispute", "ruling", "settlement"] {
        let page = story.alice.browser.get(&format!("/trades/{trade}/{path}")).await;
        assert_eq!(page.status, 200, "{path}: {}", page.words());
    }
    assert_eq!(story.carol.browser.get(&format!("/arbitration/{trade}")).await.status, 200);
    assert!(story.carol.browser.get("/arbitration").await.words().contains("Lately closed"));
}

#[tokio::test]
async fn the_seller_gets_a_refund_with_the_arbitrator_when_the_buyer_is_gone() {
    let story = story().await;
    let trade = story.funded().await;
    story.later(60 * 24 * 8).await;
    story.signs(&story.bob, trade, "unpaid", &[]).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    let queue = story.carol.browser.get("/arbitration").await;
    assert!(queue.body.contains(&format!("/trades/{trade}")), "{}", queue.words());
    let early = story.sign(&story.carol, trade, "refund", &[]).await;
    assert_eq!(early.status, 409, "the buyer may still object");
    story.later(24 * 60 + 1).await;
    story.signs(&story.carol, trade, "refund", &[]).await;
    assert_eq!(story.stage(trade).await, "paying_out");
    story.mine(2).await;
    assert_eq!(story.outcome(trade).await, "refunded");
}

#[tokio::test]
async fn a_settlement_is_proposed_accepted_and_completed_without_the_arbitrator() {
    let story = story().await;
    let trade = story.paid().await;
    let page = format!("/trades/{trade}/settlement");
    let look = [("unit", "btc"), ("buyer", "0.004"), ("do", "look")];
    let seen = story.send(&story.bob, trade, &page, &look).await;
    assert!(seen.status == 200 && seen.words().contains("This is what was understood"), "{}", seen.words());
    assert!(seen.words().contains("0.00 400 000 BTC"), "{}", seen.words());

    assert_eq!(story.proposes(&story.bob, trade, "btc", "0.004").await.status, 303);
    assert_eq!(story.proposes(&story.bob, trade, "percent", "45").await.status, 303, "a new one takes the old back");
    assert_eq!(story.proposes(&story.alice, trade, "percent", "90").await.status, 303);
    let acceptance = format!("{page}/acceptance");
    let unticked = story.sign_at(&story.alice, trade, &acceptance, &[]).await;
    assert_eq!(unticked.status, 422, "the buyer is told that this is final");
    let accepted = story.sign_at(&story.alice, trade, &acceptance, &["final"]).await;
    assert_eq!(accepted.status, 303, "{}", accepted.words());
    assert!(story.alice.browser.get(&page).await.words().contains("Accepted: it binds both"));
    assert_eq!(story.alice.browser.get(&acceptance).await.status, 409, "there is nothing else to accept");
    assert_eq!(story.bob.browser.get(&acceptance).await.status, 409, "alice's own proposal lapsed");
    assert_eq!(story.proposes(&story.bob, trade, "percent", "1").await.status, 409, "it is the only one");

    let live: i64 = story
        .site
        .sql()
        .await
        .one("SELECT count(DISTINCT about) FROM payouts WHERE kind = 'settlement' AND void_at IS NULL")
        .await;
    assert_eq!(live, 1, "only the accepted one can be signed");
    story.signs_at(&story.bob, trade, &format!("{page}/completion")).await;
    assert_eq!(story.stage(trade).await, "paying_out");
    story.mine(2).await;
    assert_eq!(story.outcome(trade).await, "split");
    let alice = story.got(&story.alice).await.to_sat();
    assert!((440_000..452_000).contains(&alice), "alice got {alice} sat");
}

#[tokio::test]
async fn the_arbitrator_completes_a_settlement_whose_proposer_is_silent() {
    let story = story().await;
    let trade = story.paid().await;
    story.proposes(&story.bob, trade, "sat", "500000").await;
    let page = format!("/trades/{trade}/settlement");
    assert_eq!(story.sign_at(&story.alice, trade, &format!("{page}/acceptance"), &["final"]).await.status, 303);
    story.opens_dispute(&story.alice, trade, "silent", "split").await;
    let completion = format!("{page}/completion");
    assert_eq!(story.carol.browser.get(&completion).await.status, 409, "bob still has time");
    let draft =
        story.send(&story.carol, trade, &format!("/arbitration/{trade}/ruling"), &[("outcome", "refund")]).await;
    assert_eq!(draft.status, 409, "no ruling is made beside it");
    story.later(24 * 60 + 1).await;
    story.signs_at(&story.carol, trade, &completion).await;
    assert_eq!(story.stage(trade).await, "paying_out");
}

#[tokio::test]
async fn a_withdrawn_proposal_cannot_be_accepted() {
    let story = story().await;
    let trade = story.paid().await;
    let page = format!("/trades/{trade}/settlement");
    assert_eq!(story.proposes(&story.bob, trade, "percent", "50").await.status, 303);
    let signatures = story.alice.signatures(&format!("{page}/acceptance")).await;
    let back = story.send(&story.bob, trade, &format!("{page}/withdrawal"), &[]).await;
    assert_eq!(back.status, 303);
    let fields = [("signatures", signatures.as_str()), ("final", "yes")];
    let late = story.send(&story.alice, trade, &format!("{page}/acceptance"), &fields).await;
    assert_eq!(late.status, 409);
    assert_eq!(story.send(&story.bob, trade, &format!("{page}/withdrawal"), &[]).await.status, 409);
    let sql = story.site.sql().await;
    let signed: i64 = sql
        .one("SELECT count(*) FROM signatures s JOIN payouts p ON p.id = s.payout WHERE p.kind = 'settlement'")
        .await;
    assert_eq!(signed, 0);
}

#[tokio::test]
async fn an_objection_is_heard_and_a_withdrawn_ruling_makes_room_for_another() {
    let story = story().await;
    let trade = story.disputed().await;
    story.rules(trade, "refund", "").await;
    let objection = format!("/trades/{trade}/ruling/objection");
    let empty = story.send(&story.alice, trade, &objection, &[("objection", " ")]).await;
    assert!(empty.status == 422 && !empty.error("objection").is_empty(), "{}", empty.words());
    let words = [("objection", "The bank's letter of Monday was overlooked.")];
    assert_eq!(story.send(&story.alice, trade, &objection, &words).await.status, 303);
    let work = story.carol.browser.get(&format!("/arbitration/{trade}")).await;
    assert!(work.words().contains("There is an objection") && work.words().contains("letter of Monday"));

    let withdrawal = format!("/arbitration/{trade}/ruling/withdrawal");
    assert_eq!(story.send(&story.carol, trade, &withdrawal, &[]).await.status, 303);
    assert_eq!(story.stage(trade).await, "disputed");
    let page = story.bob.browser.get(&format!("/trades/{trade}/ruling")).await;
    assert!(page.words().contains("withdrew this ruling"), "{}", page.words());
    assert_eq!(story.bob.browser.get(&format!("/trades/{trade}/ruling/cosignature")).await.status, 409);

    story.rules(trade, "release", "").await;
    let accept = story.send(&story.bob, trade, &format!("/trades/{trade}/ruling/acceptance"), &[]).await;
    assert_eq!(accept.status, 303, "the loser has nothing to object to");
    story.signs_at(&story.carol, trade, &format!("/arbitration/{trade}/payout")).await;
    assert_eq!(story.send(&story.carol, trade, &withdrawal, &[]).await.status, 409, "a payout is signed");
    story.signs_at(&story.bob, trade, &format!("/trades/{trade}/ruling/cosignature")).await;
    story.mine(2).await;
    assert_eq!(story.outcome(trade).await, "released");
    let last = "SELECT event FROM trade_events WHERE event IS NOT NULL ORDER BY version DESC LIMIT 1";
    let last: String = story.site.sql().await.one(last).await;
    assert_eq!(last, "payout_confirmed", "the ruling's payout is the release's transaction, and still the ruling's");
}

#[tokio::test]
async fn nothing_is_ruled_before_both_spoke_and_a_ruling_is_no_release() {
    let story = story().await;
    let trade = story.paid().await;
    story.opens_dispute(&story.bob, trade, "not_received", "refund").await;
    let draft = story.drafts(trade, "refund", "").await;
    let page = story.carol.browser.get(&draft).await;
    assert!(page.words().contains("still has time to answer"), "{}", page.words());
    assert_eq!(story.carol.browser.get(&format!("{draft}/signature")).await.status, 409);
    story.later(24 * 60 + 1).await;
    let queue = story.carol.browser.get("/arbitration").await;
    assert!(queue.words().contains("alice has not answered"), "silence is told: {}", queue.words());
    story.signs_at(&story.carol, trade, &format!("{draft}/signature")).await;

    // The buyer's release signature is no signature for the ruling's payout, and the other way round.
    story.later(24 * 60 + 1).await;
    let release = story.bob.signatures(&format!("/trades/{trade}/release")).await;
    let payout = format!("/trades/{trade}/ruling/cosignature");
    let wrong = story.send(&story.bob, trade, &payout, &[("signatures", &release)]).await;
    assert!(wrong.status == 422 && !wrong.problem().is_empty(), "{}", wrong.words());
    assert!(wrong.body.contains(release.split('\n').next().unwrap()), "what was pasted is kept");
    let sql = story.site.sql().await;
    let ruled: i64 =
        sql.one("SELECT count(*) FROM signatures s JOIN payouts p ON p.id = s.payout WHERE p.kind = 'ruling'").await;
    assert_eq!(ruled, 0);
}

#[tokio::test]
async fn forms_of_a_dispute_say_what_is_wrong_and_keep_what_was_typed() {
    let story = story().await;
    let trade = story.funded().await;
    let dispute = format!("/trades/{trade}/dispute");
    let early = story.alice.browser.get(&dispute).await;
    assert!(early.words().contains("payment window"), "{}", early.words());
    let fields = [("reason", "not_received"), ("wanted", ""), ("statement", ""), ("evidence-1", "kept <b>text</b>")];
    let post = story.send(&story.alice, trade, &dispute, &fields).await;
    assert_eq!(post.status, 409, "not yet");
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    let post = story.send(&story.alice, trade, &dispute, &fields).await;
    assert_eq!(post.status, 422);
    for field in ["reason", "wanted", "statement"] {
        assert!(!post.error(field).is_empty(), "{field}: {}", post.words());
    }
    assert!(post.body.contains("kept &lt;b&gt;text") || post.body.contains("kept &lt;b&gt;"), "{}", post.body);

    let split = [("unit", "sat"), ("buyer", "99999999999"), ("note", "x"), ("do", "propose")];
    let post = story.send(&story.bob, trade, &format!("/trades/{trade}/settlement"), &split).await;
    assert!(post.status == 422 && post.error("buyer").contains("only"), "{}", post.words());
    assert_eq!(post.value("buyer").as_deref(), Some("99999999999"));

    story.opens_dispute(&story.bob, trade, "not_received", "refund").await;
    let ruling = format!("/arbitration/{trade}/ruling");
    let fields = [("outcome", "split"), ("unit", "percent"), ("buyer", "120"), ("facts", ""), ("evidence", "xyz")];
    let post = story.send(&story.carol, trade, &ruling, &fields).await;
    assert_eq!(post.status, 422);
    for field in ["buyer", "facts", "reasons", "evidence"] {
        assert!(!post.error(field).is_empty(), "{field}: {}", post.words());
    }
    assert_eq!(post.value("buyer").as_deref(), Some("120"));
}

#[tokio::test]
async fn strangers_find_no_dispute_and_nobody_takes_the_arbitrators_place() {
    let story = story().await;
    let trade = story.disputed().await;
    let eve = story.site.register("eve-1").await;
    for path in ["settlement", "settlement/acceptance", "dispute", "ruling", "ruling/cosignature", "ruling.json"] {
        let seen = eve.get(&format!("/trades/{trade}/{path}")).await;
        assert_eq!(seen.status, 404, "{path}");
    }
    for person in [&story.alice, &story.bob] {
        for path in ["", "/payout"] {
            assert_eq!(person.browser.get(&format!("/arbitration/{trade}{path}")).await.status, 404);
        }
        let fields = [("outcome", "refund"), ("facts", FACTS), ("reasons", REASONS)];
        let seen = story.send(person, trade, &format!("/arbitration/{trade}/ruling"), &fields).await;
        assert_eq!(seen.status, 404);
        assert_eq!(person.browser.get("/arbitration").await.status, 404);
    }
    let stale = [("version", "1"), ("statement", "too late"), ("outcome", "refund")];
    let seen = story.alice.browser.post(&format!("/trades/{trade}/dispute/statements"), &stale).await;
    assert!(seen.status == 409 && seen.body.contains("too late"), "{}", seen.words());
}
