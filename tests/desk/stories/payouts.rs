//! Who chooses what a payout costs: who bears it, and nobody by what he leaves unsigned. And what nobody can be paid from.

use std::sync::Arc;

use bitcoin::FeeRate;
use trine::domain::PublicRef;

use super::children::signed_by_wallet;
use crate::door::forge::{honest, papers, send};
use crate::harness::cast::{Person, Story, story, story_with};
use crate::harness::{Start, Weather};

/// Somebody's signatures for some of a page's files.
async fn signed(who: &Person, trade: PublicRef, place: &str, some: &[usize]) -> String {
    let all = papers(who, trade, place).await;
    some.iter().map(|one| honest(who, &all[*one]).to_string()).collect::<Vec<_>>().join("\n")
}

impl Story {
    async fn signs_some(&self, who: &Person, trade: PublicRef, place: &str, some: &[usize]) {
        let seen = send(self, who, trade, place, &signed(who, trade, place, some).await).await;
        assert_eq!(seen.status, 303, "{place}: {}", seen.words());
        self.work().await;
    }
}

#[tokio::test]
async fn where_no_release_can_be_made_nobody_is_told_to_pay() {
    let story = story().await;
    let trade = story.funded().await;
    let page = || async { story.alice.browser.get(&format!("/trades/{trade}")).await };
    assert!(page().await.words().contains("I have sent"));
    story.site.sql().await.batch_execute("UPDATE payouts SET void_at = now() WHERE kind = 'release'").await.unwrap();
    let seen = page().await;
    assert!(seen.body.contains(">Do not pay</h2>"), "{}", seen.words());
    assert!(seen.words().contains("No release of these coins could be made"), "{}", seen.words());
    assert!(!seen.words().contains("I have sent") && seen.words().contains("Propose a settlement"), "{}", seen.words());
    let other = story.bob.browser.get(&format!("/trades/{trade}")).await;
    assert!(other.words().contains("The buyer must not pay"), "{}", other.words());
}

/// Of a refund the seller bears the fee: the buyer cannot leave him the dearest alone.
#[tokio::test]
async fn who_does_not_bear_the_fee_signs_every_fee_up_to_the_usual_one() {
    let story = story().await;
    let trade = story.funded().await;
    let fees = story.fees(&story.alice, trade, "cancellation").await;
    assert_eq!(fees.len(), 3);
    let page = story.alice.browser.get(&format!("/trades/{trade}/cancellation")).await;
    assert_eq!(page.body.matches(">needed</span>").count(), 2, "the files of the two lower fees");
    let before = story.site.ledger().await;
    for (some, missing) in [(&[2][..], 0), (&[1], 0), (&[0, 2], 1)] {
        let upload = signed(&story.alice, trade, "cancellation", some).await;
        let seen = send(&story, &story.alice, trade, "cancellation", &upload).await;
        assert_eq!(seen.status, 422, "{some:?}: {}", seen.words());
        let words = seen.words();
        assert!(words.contains("missing for a miner fee of") && words.contains(&fees[missing].to_string()), "{words}");
        story.site.ledger().await.assert_same(&before, "an upload that chooses for another");
    }
    story.signs_some(&story.alice, trade, "cancellation", &[0, 1]).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    // Who bears it may sign any one of them, and choose none that he has not signed.
    let alone = signed(&story.bob, trade, "refund", &[1]).await;
    let (version, fee) = (story.version(trade, &story.bob).await, fees[0].to_string());
    let fields = [("version", version.as_str()), ("signatures", &alone), ("fee", &fee)];
    let seen = story.bob.browser.post(&format!("/trades/{trade}/refund"), &fields).await;
    assert_eq!(seen.status, 422, "{}", seen.words());
    assert!(seen.words().contains("have signed none below"), "{}", seen.words());
    let page = story.bob.browser.get(&format!("/trades/{trade}/refund")).await;
    assert!(page.words().contains("this one is enough"), "{}", page.words());
    story.signs_some(&story.bob, trade, "refund", &[0]).await;
    assert_eq!(story.waiting(trade).await.1, fees[0]);
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    story.check_log(trade).await;
}

/// As it could be before everybody else had to sign the lower fees too.
#[tokio::test]
async fn a_dearer_fee_than_its_bearer_said_does_not_go_by_itself() {
    let story = story().await;
    let trade = story.funded().await;
    let fees = story.fees(&story.alice, trade, "cancellation").await;
    story.signs_some(&story.alice, trade, "cancellation", &[0, 1, 2]).await;
    let lower =
        "DELETE FROM signatures s USING payouts p WHERE p.id = s.payout AND 5 <> ALL (p.steps) AND p.kind = 'refund'";
    assert_eq!(story.site.sql().await.execute(lower, &[]).await.unwrap(), 2);
    let refused = story.signs_with_fee(&story.bob, trade, "refund", "x", fees[0]).await;
    assert_eq!(refused.status, 409, "{}", refused.words());
    assert!(
        refused.words().contains("nothing was sent") && refused.words().contains("can agree to"),
        "{}",
        refused.words()
    );
    let kept = "SELECT count(*) FROM signatures WHERE party = 'seller'";
    assert_eq!(story.site.sql().await.one::<i64>(kept).await, 0, "nothing of what was refused is kept");
    assert_eq!(story.stage(trade).await, "refund_due");
    let agreed = story.signs_with_fee(&story.bob, trade, "refund", "x", fees[2]).await;
    assert_eq!(agreed.status, 303, "{}", agreed.words());
    assert_eq!(story.waiting(trade).await.1, fees[2]);
}

#[tokio::test]
async fn after_the_wait_only_the_next_fee_needs_nobodys_word() {
    let story = story().await;
    let (trade, fees) = story.released().await;
    story.mine_empty(36);
    story.work().await;
    let page = story.bob.browser.get(&format!("/trades/{trade}/payout")).await.words();
    assert!(page.contains("the next higher fee needs nobody's word"), "{page}");
    let refused = story.raises(&story.bob, trade, fees[2]).await;
    assert_eq!(refused.status, 409, "{}", refused.words());
    assert!(refused.words().contains("more needs the word of who bears it"), "{}", refused.words());
    assert_eq!(story.waiting(trade).await.1, fees[0]);
    assert_eq!(story.raises(&story.bob, trade, fees[1]).await.status, 303);
    assert_eq!(story.waiting(trade).await.1, fees[1]);
    assert_eq!(story.raises(&story.alice, trade, fees[2]).await.status, 303, "it is hers to choose, at any time");
    assert_eq!(story.waiting(trade).await.1, fees[2]);
    story.check_log(trade).await;
}

/// Of a split both have an output.
#[tokio::test]
async fn nobodys_children_crowd_out_those_of_the_other() {
    let rate = |sat| FeeRate::from_sat_per_vb(sat).unwrap();
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let trade = story.disputed().await;
    story.rules(trade, "split", "60").await;
    story.later(24 * 60 + 1).await;
    weather.mempool_minimum(Some(rate(100)));
    story.signs_at(&story.carol, trade, &format!("/arbitration/{trade}/payout")).await;
    story.signs_at(&story.alice, trade, &format!("/trades/{trade}/ruling/cosignature")).await;
    story.work().await;
    assert_eq!((story.stage(trade).await.as_str(), story.site.chain.waiting()), ("paying_out", 0));
    let crowd = "INSERT INTO children (txid, trade, parent, vout, party, raw, fee_sat, brought_at)
                 SELECT sha256(n::text::bytea), t.id, t.payout_txid, 7, 'seller', '\\x00', 1000 + n, now()
                   FROM trades t, generate_series(1, 20) n";
    assert_eq!(story.site.sql().await.execute(crowd, &[]).await.unwrap(), 20);
    for (who, estimate, status) in [(&story.alice, 60, 303), (&story.bob, 20, 409)] {
        weather.estimates(rate(estimate));
        story.later(2).await;
        let child = signed_by_wallet(who, &story.child_file(who, trade, 6).await);
        let brought = story.brings_child(who, trade, &child.to_string()).await;
        assert_eq!(brought.status, status, "{}: {}", who.name, brought.words());
    }
    story.site.sql().await.batch_execute("DELETE FROM children WHERE vout = 7").await.unwrap();
    let child = signed_by_wallet(&story.bob, &story.child_file(&story.bob, trade, 6).await);
    assert_eq!(story.brings_child(&story.bob, trade, &child.to_string()).await.status, 303);
    // There is room for what alice's child makes of it, and not for what bob's does.
    assert_eq!(story.site.chain.waiting(), 0);
    weather.mempool_minimum(Some(rate(50)));
    story.later(70).await;
    assert_eq!(story.site.chain.waiting(), 2, "the payout and the child that pays enough");
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
}
