//! Deposits that never come back, because what they were made of is somebody else's now.

use bitcoin::Amount;
use trine::chain::practice::Fate;

use super::{Sky, under_every_sky};

under_every_sky! {
    a_deposit_lost_for_good_ends_a_paid_trade_as_lost_in_words,
    of_two_outputs_the_one_that_stands_is_kept_when_the_other_is_lost,
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

async fn of_two_outputs_the_one_that_stands_is_kept_when_the_other_is_lost(sky: &mut Sky) {
    let trade = sky.small().await;
    let due = sky.story.site.sql().await.one::<i64>("SELECT deposit_sat FROM trades").await;
    let most = u64::try_from(due).unwrap() * 9 / 10;
    sky.sends(trade, most).await;
    sky.mines(1).await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
    sky.marks(trade).await;
    is_double_spent(sky, &coin).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "payment_sent", "nine tenths are still there");
    let state = sky.state(trade).await;
    assert_eq!((state.frozen, state.deposit.confirmed.to_sat()), (false, most));
    sky.story.opens_dispute(&sky.story.alice, trade, "not_released", "release").await;
    assert_eq!(sky.stage(trade).await, "disputed");
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
