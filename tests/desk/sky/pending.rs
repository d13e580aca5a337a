//! Deposits of several outputs that a reorganisation takes apart: what may still come is not told as lost.

use bitcoin::Transaction;
use trine::chain::practice::Fate;
use trine::domain::PublicRef;
use trine::store::deposits;

use super::lost::{is_double_spent, paid_with_two};
use super::{Sky, under_every_sky};
use crate::chains::coins::Coin;
use crate::chains::world::World;

under_every_sky! {
    an_output_that_waits_is_not_lost_with_the_other,
    a_payout_is_not_lost_while_a_part_of_what_it_spends_waits,
    a_part_that_stands_waits_for_another_that_may_still_come,
    a_refund_goes_on_over_the_output_that_stands,
}

/// The transaction of the deposit's output of this size.
pub async fn deposit_of(sky: &Sky, trade: PublicRef, sats: u64) -> Transaction {
    let row = sky.row(trade).await;
    let client = sky.story.site.desk.store.connection().await.unwrap();
    let outputs = deposits::of_trade(&client, row.id).await.unwrap();
    outputs.into_iter().find(|one| one.value.to_sat() == sats).unwrap().transaction.as_ref().clone()
}

/// The node forgets it, and the desk does not hand it over again.
pub(super) async fn is_forgotten(sky: &Sky, transaction: &Transaction) {
    sky.world.forget(transaction);
    trine::desk::watcher::watch_once(&sky.story.site.desk).await.unwrap();
    let sql = sky.story.site.sql().await;
    sql.batch_execute("UPDATE outbox SET done_at = now() WHERE kind = 'deposit' AND done_at IS NULL").await.unwrap();
    sky.works().await;
}

/// Of three outputs one stands, one is taken back and one waits: the first half of the due, the second half of that.
async fn one_of_three_waits(sky: &mut Sky) -> (PublicRef, u64, Transaction) {
    let trade = sky.small().await;
    let half = sky.row(trade).await.deposit.to_sat() / 2;
    sky.sends(trade, half).await;
    sky.mines(1).await;
    let waits = sky.sends(trade, half / 2).await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    sky.marks(trade).await;
    sky.reorganises(1, Fate::Waiting).await;
    let elsewhere = sky.takes_back(&coin).await;
    sky.world.mine_only(&elsewhere, std::slice::from_ref(&waits)).await;
    sky.works().await;
    (trade, half, waits)
}

/// Both blocks leave the chain; the new one takes back the smaller output's coin, and the larger output waits.
async fn is_taken_apart(sky: &Sky, trade: PublicRef, coin: &Coin, most: u64) {
    let waits = deposit_of(sky, trade, most).await;
    sky.reorganises(2, Fate::Waiting).await;
    let elsewhere = sky.takes_back(coin).await;
    sky.world.mine_only(&elsewhere, &[waits]).await;
    sky.works().await;
}

async fn an_output_that_waits_is_not_lost_with_the_other(sky: &mut Sky) {
    let (trade, coin, most) = paid_with_two(sky).await;
    is_taken_apart(sky, trade, &coin, most).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", true));
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.frozen, state.deposit.confirmed.to_sat()), ("payment_sent", false, most));
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
}

async fn a_payout_is_not_lost_while_a_part_of_what_it_spends_waits(sky: &mut Sky) {
    let (trade, coin, most) = paid_with_two(sky).await;
    sky.releases(trade).await;
    is_taken_apart(sky, trade, &coin, most).await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.deposit.confirmed.to_sat()), ("disputed", most));
}

async fn a_part_that_stands_waits_for_another_that_may_still_come(sky: &mut Sky) {
    let (trade, half, _) = one_of_three_waits(sky).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", true));
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.frozen, state.deposit.confirmed.to_sat()), (false, half + half / 2));
}

/// The buyer has signed the refund of both, so the one that stands can never be a deposit again.
async fn a_refund_goes_on_over_the_output_that_stands(sky: &mut Sky) {
    let trade = sky.small().await;
    let most = sky.row(trade).await.deposit.to_sat() * 9 / 10;
    sky.sends(trade, most).await;
    sky.mines(1).await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    sky.story.signs(&sky.story.alice, trade, "cancellation", &["not_paid"]).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    is_double_spent(sky, &coin).await;
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.deposit.confirmed.to_sat()), ("refund_due", most));
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
}

/// The node forgot it, and the desk is about to hand it over again.
#[tokio::test]
async fn an_output_that_was_forgotten_is_not_lost_with_the_other() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, coin, most) = paid_with_two(&mut sky).await;
    let forgotten = deposit_of(&sky, trade, most).await;
    sky.reorganises(2, Fate::Waiting).await;
    sky.takes_back(&coin).await;
    sky.world.forget(&forgotten);
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", true));
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.frozen, state.deposit.confirmed.to_sat()), ("payment_sent", false, most));
}

/// A day later nobody has given it to the node, and the other one is not kept waiting for it.
#[tokio::test]
async fn an_output_that_is_forgotten_for_a_day_holds_up_no_other() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, half, waits) = one_of_three_waits(&mut sky).await;
    is_forgotten(&sky, &waits).await;
    assert!(sky.state(trade).await.frozen);
    sky.story.later(24 * 60 + 1).await;
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.frozen, state.deposit.confirmed.to_sat()), ("payment_sent", false, half));
}
