//! Deposits that never come back, because what they were made of is somebody else's now.

use bitcoin::Amount;
use trine::chain::practice::Fate;

use super::{Sky, under_every_server, under_every_sky};
use crate::chains::coins::{anyones_script, spend_anyones};

under_every_sky! {
    a_deposit_lost_for_good_ends_a_paid_trade_as_lost_in_words,
    of_two_outputs_the_one_that_stands_is_kept_when_the_other_is_lost,
    of_two_outputs_the_one_that_stands_is_kept_also_when_the_desk_looks_late,
    a_deposit_lost_under_a_payout_ends_the_trade_as_lost,
    a_deposit_lost_for_good_ends_a_dispute_as_lost,
    a_deposit_lost_for_good_ends_a_ruled_trade_as_lost,
    a_payout_whose_deposit_is_replaced_for_good_calls_the_arbitrator,
    a_ruling_whose_payout_never_arrives_is_taken_back_and_made_again,
    a_payout_that_lost_one_of_two_outputs_calls_the_arbitrator_over_the_other,
    what_comes_while_the_deposit_is_gone_is_no_stray,
    a_late_deposit_replaced_by_one_of_the_same_sum_is_refunded_over_that,
    a_deposit_lost_before_anybody_paid_cancels_the_trade,
    a_refund_without_its_deposit_is_cancelled_and_a_new_deposit_opens_it_again,
}

under_every_server! {
    a_deposit_lost_for_good_ends_a_paid_trade_as_lost_in_words,
}

/// The deposit's block leaves the chain, and its sender spends the coin elsewhere.
pub async fn is_double_spent(sky: &Sky, coin: &crate::chains::coins::Coin) {
    sky.reorganises(1, Fate::Waiting).await;
    sky.takes_back(coin).await;
    sky.works().await;
}

async fn a_deposit_lost_for_good_ends_a_paid_trade_as_lost_in_words(sky: &mut Sky) {
    let (trade, coin) = sky.paid().await;
    is_double_spent(sky, &coin).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", true));
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "lost");
    sky.both_read(trade, "there is nothing in escrow, and nothing to sign").await;
}

/// Nine tenths of the deposit, and the whole of it from a coin that can be taken back; the larger sum stays.
pub async fn paid_with_two(sky: &mut Sky) -> (trine::domain::PublicRef, crate::chains::coins::Coin, u64) {
    let trade = sky.small().await;
    let most = sky.row(trade).await.deposit.to_sat() * 9 / 10;
    sky.sends(trade, most).await;
    sky.mines(1).await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    sky.marks(trade).await;
    (trade, coin, most)
}

async fn of_two_outputs_the_one_that_stands_is_kept_when_the_other_is_lost(sky: &mut Sky) {
    let (trade, coin, most) = paid_with_two(sky).await;
    is_double_spent(sky, &coin).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "payment_sent", "nine tenths are still there");
    let state = sky.state(trade).await;
    assert_eq!((state.frozen, state.deposit.confirmed.to_sat()), (false, most));
    sky.story.opens_dispute(&sky.story.alice, trade, "not_released", "release").await;
    assert_eq!(sky.stage(trade).await, "disputed");
}

/// Reorganisation, double spend and the block that seals it, in one look.
async fn of_two_outputs_the_one_that_stands_is_kept_also_when_the_desk_looks_late(sky: &mut Sky) {
    let (trade, coin, most) = paid_with_two(sky).await;
    sky.world.reorganise(1, Fate::Waiting).await;
    let kept = vec![(anyones_script(), coin.output.value.to_sat() - super::HIGH_FEE)];
    sky.world.broadcast(&spend_anyones(std::slice::from_ref(&coin), &kept)).await;
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.deposit.confirmed.to_sat()), ("payment_sent", most));
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
}

async fn a_deposit_lost_under_a_payout_ends_the_trade_as_lost(sky: &mut Sky) {
    let (trade, coin) = sky.paid().await;
    sky.releases(trade).await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    is_double_spent(sky, &coin).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "lost");
    assert_eq!(sky.row(trade).await.payout_txid, None, "nothing was paid out");
}

async fn a_deposit_lost_for_good_ends_a_dispute_as_lost(sky: &mut Sky) {
    let (trade, coin) = sky.disputed().await;
    is_lost_before_an_arbitrator(sky, trade, &coin).await;
}

async fn a_deposit_lost_for_good_ends_a_ruled_trade_as_lost(sky: &mut Sky) {
    let (trade, coin) = sky.disputed().await;
    sky.story.later(24 * 60 + 1).await;
    sky.story.rules(trade, "split", "60").await;
    is_lost_before_an_arbitrator(sky, trade, &coin).await;
}

async fn is_lost_before_an_arbitrator(sky: &Sky, trade: trine::domain::PublicRef, coin: &crate::chains::coins::Coin) {
    let before = sky.stage(trade).await;
    is_double_spent(sky, coin).await;
    assert_eq!((sky.stage(trade).await, sky.state(trade).await.frozen), (before, true), "until it is deep enough");
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "lost");
    sky.both_read(trade, "there is nothing in escrow, and nothing to sign").await;
    let open: i64 = sky.story.site.sql().await.one("SELECT count(*) FROM disputes WHERE closed_at IS NULL").await;
    assert_eq!(open, 0, "nobody is to rule on nothing");
    let payout = sky.story.carol.browser.get(&format!("/arbitration/{trade}/payout")).await;
    assert_eq!(payout.status, 409, "{}", payout.words());
}

/// The arbitrator was called by the chain itself; his page and the room say why.
async fn is_with_the_arbitrator(sky: &Sky, trade: trine::domain::PublicRef) {
    assert_eq!(sky.stage(trade).await, "disputed");
    let row = sky.row(trade).await;
    assert_eq!((row.payout_txid, row.state.paying_out, row.state.outcome), (None, None, None));
    sky.both_read(trade, "The payout will not arrive as it was signed. There are coins in escrow").await;
    let dispute = sky.story.carol.browser.get(&format!("/arbitration/{trade}")).await.words();
    assert!(
        dispute.contains("The payout will not arrive as it was signed, and there are coins in escrow"),
        "{dispute}"
    );
    assert!(dispute.contains("The chain"), "{dispute}");
    let live: i64 = sky.story.site.sql().await.one("SELECT count(*) FROM payouts WHERE kind = 'stray'").await;
    assert_eq!(live, 0, "the coins in escrow are nobody's extra payment");
}

async fn a_payout_whose_deposit_is_replaced_for_good_calls_the_arbitrator(sky: &mut Sky) {
    let (trade, coin) = sky.paid().await;
    sky.releases(trade).await;
    is_double_spent(sky, &coin).await;
    let again = sky.world.coin().await;
    sky.deposits_from(&again, trade).await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    sky.mines(1).await;
    is_with_the_arbitrator(sky, trade).await;
    // Both do again what they had done; now it is over what is there.
    sky.page_offers(&sky.story.alice, trade, "payment-release").await;
    let before = sky.world.got(&sky.story.alice.address).await;
    sky.story.signs(&sky.story.alice, trade, "payment-release", &[]).await;
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
    assert!(sky.world.got(&sky.story.alice.address).await > before);
}

async fn a_ruling_whose_payout_never_arrives_is_taken_back_and_made_again(sky: &mut Sky) {
    let (trade, coin) = sky.disputed().await;
    sky.story.later(24 * 60 + 1).await;
    is_ruled_and_paid(sky, trade, "split", "60").await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    is_double_spent(sky, &coin).await;
    let again = sky.world.coin().await;
    sky.deposits_from(&again, trade).await;
    sky.mines(1).await;
    is_with_the_arbitrator(sky, trade).await;
    let told = sky.story.site.browser().get("/log").await.words();
    assert!(told.contains("is in force no more"), "{told}");
    sky.story.later(24 * 60 + 1).await;
    is_ruled_and_paid(sky, trade, "split", "30").await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "split");
}

pub(super) async fn is_ruled_and_paid(sky: &Sky, trade: trine::domain::PublicRef, outcome: &str, buyer: &str) {
    sky.story.rules(trade, outcome, buyer).await;
    sky.story.signs_at(&sky.story.alice, trade, &format!("/trades/{trade}/ruling/cosignature")).await;
    sky.story.signs_at(&sky.story.carol, trade, &format!("/arbitration/{trade}/payout")).await;
    sky.story.work().await;
}

async fn a_payout_that_lost_one_of_two_outputs_calls_the_arbitrator_over_the_other(sky: &mut Sky) {
    let (trade, coin, most) = paid_with_two(sky).await;
    sky.releases(trade).await;
    is_double_spent(sky, &coin).await;
    sky.mines(1).await;
    is_with_the_arbitrator(sky, trade).await;
    assert_eq!(sky.state(trade).await.deposit.confirmed.to_sat(), most);
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
}

async fn what_comes_while_the_deposit_is_gone_is_no_stray(sky: &mut Sky) {
    let trade = sky.larger().await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(2).await;
    sky.marks(trade).await;
    sky.reorganises(2, Fate::Waiting).await;
    sky.takes_back(&coin).await;
    let again = sky.world.coin().await;
    sky.deposits_from(&again, trade).await;
    sky.mines(1).await;
    assert!(sky.state(trade).await.frozen, "one of two confirmations");
    let page = sky.page(&sky.story.bob, trade).await;
    assert!(!page.contains("Extra payment") && !page.contains("stray"), "{page}");
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", false));
    let strays: i64 = sky.story.site.sql().await.one("SELECT count(*) FROM payouts WHERE kind = 'stray'").await;
    assert_eq!(strays, 0);
}

async fn a_late_deposit_replaced_by_one_of_the_same_sum_is_refunded_over_that(sky: &mut Sky) {
    let trade = sky.small().await;
    sky.story.press(&sky.story.alice, trade, "cancel").await;
    assert_eq!(sky.stage(trade).await, "cancelled");
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    // All of it while the desk does not look.
    sky.world.reorganise(1, Fate::Waiting).await;
    let due = sky.row(trade).await.deposit.to_sat();
    let other = crate::chains::coins::pay(&coin, &[(sky.script(trade).await, due)], super::HIGH_FEE);
    sky.world.broadcast(&other).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
}

async fn a_deposit_lost_before_anybody_paid_cancels_the_trade(sky: &mut Sky) {
    let (trade, coin) = sky.funded().await;
    is_double_spent(sky, &coin).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    sky.mines(1).await;
    sky.story.later(181).await;
    assert_eq!(sky.stage(trade).await, "cancelled");
    let sql = sky.story.site.sql().await;
    let reserved: String = sql.one("SELECT reserved::text FROM offers").await;
    assert_eq!(reserved.parse::<f64>().unwrap(), 0.0, "the offer has its amount back");
}

async fn a_refund_without_its_deposit_is_cancelled_and_a_new_deposit_opens_it_again(sky: &mut Sky) {
    let (trade, coin) = sky.funded().await;
    sky.story.signs(&sky.story.alice, trade, "cancellation", &["not_paid"]).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    is_double_spent(sky, &coin).await;
    assert!(sky.state(trade).await.frozen);
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "cancelled", "nothing is left to refund");
    sky.sends(trade, 300_000).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
    assert!(sky.state(trade).await.deposit.seen <= Amount::from_sat(300_000));
}
