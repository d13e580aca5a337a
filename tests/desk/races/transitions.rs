//! Two acts that exclude each other, at the same moment: one is done, the other is told that the trade has moved.

use trine::domain::PublicRef;

use super::twice::{form, send};
use crate::harness::cast::{Person, Story, story};

/// Both at once from the same page; the place of the one that won.
async fn race<'a>(story: &Story, trade: PublicRef, one: (&Person, &'a str), other: (&Person, &'a str)) -> &'a str {
    let (first, second) = (form(story, one.0, trade, one.1).await, form(story, other.0, trade, other.1).await);
    let (a, b) = tokio::join!(send(one.0, trade, one.1, &first), send(other.0, trade, other.1, &second));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409], "{}: {} | {}: {}", one.1, a.words(), other.1, b.words());
    story.check_log(trade).await;
    story.work().await;
    if a.status == 303 { one.1 } else { other.1 }
}

/// Paid out once, and no satoshi appears or is lost: what both got is the deposit without the miner's fee.
async fn paid_once(story: &Story, trade: PublicRef) {
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    let got = story.got(&story.alice).await + story.got(&story.bob).await;
    assert!((990_000..=1_000_000).contains(&got.to_sat()), "{got} was paid out");
    let spends: i64 = story.site.sql().await.one("SELECT count(*) FROM trades WHERE payout_txid IS NOT NULL").await;
    assert_eq!(spends, 1);
    story.check_log(trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_against_undoing_the_mark() {
    let story = story().await;
    let (alice, bob) = (&story.alice, &story.bob);
    let trade = story.paid().await;
    let won = race(&story, trade, (bob, "release"), (alice, "payment/undo")).await;
    let stage = story.stage(trade).await;
    assert_eq!(stage == "paying_out", won == "release", "{won} won, and the trade is {stage}");
    if won != "release" {
        story.signs(bob, trade, "release", &["own_account", "amount", "payer"]).await;
    }
    paid_once(&story, trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_against_a_refund_by_the_buyer() {
    let story = story().await;
    let (alice, bob) = (&story.alice, &story.bob);
    let trade = story.paid().await;
    let won = race(&story, trade, (bob, "release"), (alice, "refund")).await;
    if won != "release" {
        // Both signatures for both payouts may be wanted now: the first complete one goes, the other is refused.
        let won = race(&story, trade, (bob, "release"), (bob, "refund")).await;
        assert!(["release", "refund"].contains(&won));
    }
    paid_once(&story, trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payment_against_cancellation_and_seen() {
    let story = story().await;
    let (alice, bob) = (&story.alice, &story.bob);
    let trade = story.funded().await;
    match race(&story, trade, (alice, "payment"), (alice, "cancellation")).await {
        "payment" => assert_eq!(story.stage(trade).await, "payment_sent"),
        _ => {
            assert_eq!(story.stage(trade).await, "refund_due");
            assert_eq!(alice.browser.get(&format!("/trades/{trade}/payment")).await.status, 409);
            story.signs(bob, trade, "refund", &[]).await;
            paid_once(&story, trade).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancellation_against_closing_as_unpaid() {
    let story = story().await;
    let (alice, bob) = (&story.alice, &story.bob);
    let trade = story.funded().await;
    story.later(60 * 24 * 8).await;
    let won = race(&story, trade, (alice, "cancellation"), (bob, "unpaid")).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    let (other, place) = if won == "cancellation" { (bob, "refund") } else { (alice, "refund") };
    story.signs(other, trade, place, &[]).await;
    paid_once(&story, trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seen_against_cancellation() {
    let story = story().await;
    let trade = story.funded().await;
    let won = race(&story, trade, (&story.bob, "payment-seen"), (&story.alice, "cancellation")).await;
    let stage = story.stage(trade).await;
    assert_eq!(stage, if won == "cancellation" { "refund_due" } else { "payment_sent" });
}

/// Sends a form that has to be accepted; where it leads.
async fn done(story: &Story, person: &Person, trade: PublicRef, place: &str) -> String {
    let form = form(story, person, trade, place).await;
    let seen = send(person, trade, place, &form).await;
    assert_eq!(seen.status, 303, "{} at {place}: {}", person.name, seen.words());
    story.work().await;
    seen.location.unwrap()
}

/// In dispute, both have spoken, bob has proposed to share, and carol has drafted the same; the draft's signature page.
pub async fn drafted(story: &Story) -> (PublicRef, String) {
    let trade = story.paid().await;
    done(story, &story.alice, trade, "dispute").await;
    done(story, &story.bob, trade, "dispute/statements").await;
    done(story, &story.bob, trade, "settlement").await;
    let draft = done(story, &story.carol, trade, &format!("/arbitration/{trade}/ruling")).await;
    (trade, format!("{draft}/signature"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_against_dispute() {
    let story = story().await;
    let trade = story.paid().await;
    let won = race(&story, trade, (&story.bob, "release"), (&story.alice, "dispute")).await;
    let stage = story.stage(trade).await;
    assert_eq!(stage, if won == "release" { "paying_out" } else { "disputed" });
    if won != "release" {
        done(&story, &story.bob, trade, "release").await;
    }
    paid_once(&story, trade).await;
}

/// Paid, and the seller has let his time pass; the clock has not noticed yet.
pub async fn at_the_end_of_the_release_window(story: &Story) -> PublicRef {
    let trade = story.paid().await;
    // Two days, as the way to pay of these offers has it.
    story.site.advance(jiff::SignedDuration::from_mins(48 * 60 + 1));
    trade
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_against_the_end_of_its_window() {
    let story = story().await;
    let trade = at_the_end_of_the_release_window(&story).await;
    let form = form(&story, &story.bob, trade, "release").await;
    let (seen, ()) = tokio::join!(send(&story.bob, trade, "release", &form), story.work());
    story.check_log(trade).await;
    story.work().await;
    let stage = story.stage(trade).await;
    match seen.status {
        303 => assert_eq!(stage, "paying_out"),
        409 => {
            assert_eq!(stage, "disputed", "{}", seen.words());
            done(&story, &story.bob, trade, "release").await;
        }
        _ => panic!("{} {}", seen.status, seen.words()),
    }
    paid_once(&story, trade).await;
}

/// The deposit was seen in time, and is one block short of what it needs, or in no block yet. Its window is over, and
/// the clock has not noticed.
pub async fn at_the_end_of_the_deposit_window(story: &Story, is_in_a_block: bool) -> PublicRef {
    let trade = story.agreed().await;
    let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    story.site.chain.pay(&row.script, row.deposit).unwrap();
    story.work().await;
    if is_in_a_block {
        story.mine(row.state.confirmations - 1).await;
    }
    story.site.advance(jiff::SignedDuration::from_mins(181));
    trade
}

/// The clock gives it one window more, and the block makes it count: in whatever order, the coins are in escrow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_block_that_confirms_a_deposit_against_the_end_of_its_window() {
    let story = story().await;
    let trade = at_the_end_of_the_deposit_window(&story, true).await;
    assert_eq!(story.stage(trade).await, "awaiting_deposit");
    tokio::join!(story.mine(1), story.work());
    story.work().await;
    assert_eq!(story.stage(trade).await, "funded");
    story.check_log(trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_against_ruling() {
    let story = story().await;
    let (trade, ruling) = drafted(&story).await;
    let won = race(&story, trade, (&story.bob, "release"), (&story.carol, &ruling)).await;
    let stage = story.stage(trade).await;
    assert_eq!(stage, if won == "release" { "paying_out" } else { "ruled" });
    if won != "release" {
        // Traders may still end it between themselves, until a payout is complete.
        let (again, cosign) = ("release", "ruling/cosignature");
        let won = race(&story, trade, (&story.bob, again), (&story.alice, cosign)).await;
        if won == cosign {
            done(&story, &story.bob, trade, again).await;
        }
    }
    paid_once(&story, trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ruling_against_settlement() {
    let story = story().await;
    let (trade, ruling) = drafted(&story).await;
    let acceptance = "settlement/acceptance";
    let won = race(&story, trade, (&story.carol, &ruling), (&story.alice, acceptance)).await;
    if won == acceptance {
        assert_eq!(story.stage(trade).await, "disputed");
        let form = form(&story, &story.carol, trade, &ruling).await;
        assert_eq!(send(&story.carol, trade, &ruling, &form).await.status, 409, "no ruling beside a settlement");
        done(&story, &story.bob, trade, "settlement/completion").await;
    } else {
        assert_eq!(story.stage(trade).await, "ruled");
        done(&story, &story.alice, trade, "ruling/acceptance").await;
        done(&story, &story.bob, trade, "ruling/acceptance").await;
        done(&story, &story.carol, trade, &format!("/arbitration/{trade}/payout")).await;
        done(&story, &story.alice, trade, "ruling/cosignature").await;
    }
    paid_once(&story, trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_arbitrators_payout_against_his_withdrawal_and_a_cosignature() {
    let story = story().await;
    let (trade, ruling) = drafted(&story).await;
    done(&story, &story.carol, trade, &ruling).await;
    story.later(24 * 60 + 1).await;
    let (payout, back) = (format!("/arbitration/{trade}/payout"), format!("/arbitration/{trade}/ruling/withdrawal"));
    let won = race(&story, trade, (&story.carol, &payout), (&story.carol, &back)).await;
    if won == back {
        assert_eq!(story.stage(trade).await, "disputed");
        let form = form(&story, &story.carol, trade, &payout).await;
        assert!(matches!(send(&story.carol, trade, &payout, &form).await.status, 404 | 409));
        return;
    }
    let cosign = "ruling/cosignature";
    race(&story, trade, (&story.alice, cosign), (&story.bob, cosign)).await;
    paid_once(&story, trade).await;
}
