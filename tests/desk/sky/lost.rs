//! Deposits that never come back, because what they were made of is somebody else's now.

use bitcoin::Amount;
use trine::chain::practice::Fate;

use super::{Sky, under_every_sky};

under_every_sky! {
    a_deposit_lost_for_good_ends_a_paid_trade_as_lost_in_words,
    a_deposit_lost_under_a_payout_ends_the_trade_as_lost,
    a_deposit_lost_before_anybody_paid_cancels_the_trade,
    a_refund_without_its_deposit_is_cancelled_and_a_new_deposit_opens_it_again,
}

/// The deposit's block leaves the chain, and its sender spends the coin elsewhere.
async fn is_double_spent(sky: &Sky, coin: &crate::chains::coins::Coin) {
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

async fn a_deposit_lost_under_a_payout_ends_the_trade_as_lost(sky: &mut Sky) {
    let (trade, coin) = sky.paid().await;
    sky.releases(trade).await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    is_double_spent(sky, &coin).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "lost");
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
