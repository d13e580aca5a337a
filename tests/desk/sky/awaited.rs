//! A deposit that is gone, and what may take its place or come back: it is waited for as long as it may, and no longer.

use bitcoin::Psbt;
use trine::chain::practice::Fate;
use trine::domain::PublicRef;

use super::lost::paid_with_two;
use super::pending::{deposit_of, is_forgotten};
use super::spends::{kept, spent_by_two};
use super::{Sky, under_every_sky};
use crate::chains::world::World;

under_every_sky! {
    a_new_deposit_that_waits_for_its_blocks_takes_the_place_of_one_that_is_gone_for_good,
    a_top_up_that_is_double_spent_takes_a_funded_trade_back_to_its_deposit,
    a_short_deposit_that_two_keys_send_back_ends_the_trade_once,
}

/// What took the coins back is deep before the new deposit is.
async fn a_new_deposit_that_waits_for_its_blocks_takes_the_place_of_one_that_is_gone_for_good(sky: &mut Sky) {
    let trade = sky.larger().await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(2).await;
    sky.marks(trade).await;
    sky.reorganises(2, Fate::Waiting).await;
    let elsewhere = sky.takes_back(&coin).await;
    let again = sky.world.coin().await;
    let new = sky.deposits_from(&again, trade).await;
    sky.world.mine_only(&elsewhere, std::slice::from_ref(&new)).await;
    sky.works().await;
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", true));
    let page = sky.page(&sky.story.bob, trade).await;
    assert!(
        page.contains("it is seen on the network and waits for a block") || page.contains("Send nothing"),
        "{page}"
    );
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", false));
    sky.story.signs(&sky.story.alice, trade, "payment-release", &[]).await;
    sky.releases(trade).await;
    sky.mines(2).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
}

/// Two halves do not pay for the further input; a third output does, and is taken back by its sender.
async fn a_top_up_that_is_double_spent_takes_a_funded_trade_back_to_its_deposit(sky: &mut Sky) {
    let trade = sky.small().await;
    let half = sky.row(trade).await.deposit.to_sat() / 2;
    sky.sends(trade, half).await;
    sky.sends(trade, half).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit", "the further input has its cost");
    let coin = sky.world.coin().await;
    sky.sends_from(&coin, trade, 10_000, super::FEE).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
    sky.reorganises(1, Fate::Waiting).await;
    sky.takes_back(&coin).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    sky.both_read(trade, "took them out again").await;
    sky.sends(trade, 10_000).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
}

/// The same payout over another output of the escrow.
fn over(mut psbt: Psbt, sent: &bitcoin::Transaction) -> Psbt {
    psbt.unsigned_tx.input.truncate(1);
    psbt.inputs.truncate(1);
    psbt.unsigned_tx.input[0].previous_output = bitcoin::OutPoint { txid: sent.compute_txid(), vout: 0 };
    psbt.inputs[0].witness_utxo = Some(sent.output[0].clone());
    psbt.inputs[0].non_witness_utxo = Some(sent.clone());
    psbt.unsigned_tx.output.truncate(1);
    psbt.outputs.truncate(1);
    psbt.unsigned_tx.output[0].value = sent.output[0].value - bitcoin::Amount::from_sat(5_000);
    psbt
}

/// A deposit that counted is gone for good, and of the next too little came before two keys sent it back.
async fn a_short_deposit_that_two_keys_send_back_ends_the_trade_once(sky: &mut Sky) {
    let (trade, coin) = sky.funded().await;
    let psbt = kept(sky, "refund").await;
    sky.reorganises(1, Fate::Waiting).await;
    sky.takes_back(&coin).await;
    sky.mines(1).await;
    let short = sky.sends(trade, 300_000).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    let by = spent_by_two(sky, over(psbt, &short), [&sky.story.alice, &sky.story.bob]).await;
    for _ in 0..3 {
        sky.mines(1).await;
        assert_eq!(sky.stage(trade).await, "completed");
        assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
        assert_eq!(sky.row(trade).await.payout_txid, Some(by.compute_txid()));
    }
}

/// Nine tenths stand; the other output left the chain, and nobody knows of it.
async fn a_part_is_forgotten(sky: &mut Sky) -> (PublicRef, u64, bitcoin::Transaction) {
    let (trade, _, most) = paid_with_two(sky).await;
    let due = sky.row(trade).await.deposit.to_sat();
    let other = deposit_of(sky, trade, due).await;
    sky.reorganises(1, Fate::Waiting).await;
    is_forgotten(sky, &other).await;
    (trade, most, other)
}

#[tokio::test]
async fn what_is_left_goes_on_when_the_rest_is_forgotten_for_a_week() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, most, _) = a_part_is_forgotten(&mut sky).await;
    sky.story.later(6 * 24 * 60).await;
    sky.mines(1).await;
    assert!(sky.state(trade).await.frozen);
    sky.story.later(24 * 60 + 1).await;
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.frozen, state.deposit.confirmed.to_sat()), ("payment_sent", false, most));
    sky.both_read(trade, "nobody has known of it for long").await;
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
}

#[tokio::test]
async fn a_part_that_returns_after_the_trade_went_on_without_it_is_a_part_of_it_again() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, most, other) = a_part_is_forgotten(&mut sky).await;
    sky.story.later(7 * 24 * 60 + 1).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.deposit.confirmed.to_sat(), most);
    sky.world.broadcast(&other).await;
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.frozen), ("payment_sent", false));
    assert_eq!(state.deposit.confirmed, sky.row(trade).await.deposit + bitcoin::Amount::from_sat(most));
    sky.both_read(trade, "belongs to this trade as before").await;
    let strays: i64 = sky.story.site.sql().await.one("SELECT count(*) FROM payouts WHERE kind = 'stray'").await;
    assert_eq!(strays, 0, "it is nobody's extra payment");
    sky.story.signs(&sky.story.alice, trade, "payment-release", &[]).await;
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
}

/// Its sender's other transaction took its place in the mempool, and vanished as well.
#[tokio::test]
async fn a_deposit_is_handed_over_again_when_what_took_its_place_vanishes() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, coin) = sky.paid().await;
    sky.reorganises(1, Fate::Waiting).await;
    let elsewhere = sky.takes_back(&coin).await;
    sky.works().await;
    sky.world.forget(&elsewhere);
    sky.works().await;
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", false));
}

/// As long as another transaction spends its coins it is refused, each hour anew; then it is taken.
#[tokio::test]
async fn a_deposit_that_is_refused_is_handed_over_again() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, coin) = sky.paid().await;
    let deposit = deposit_of(&sky, trade, sky.row(trade).await.deposit.to_sat()).await;
    sky.reorganises(1, Fate::Waiting).await;
    let elsewhere = sky.takes_back(&coin).await;
    // The node is asked while the other one is there.
    let sql = sky.story.site.sql().await;
    let job = "INSERT INTO outbox (kind, trade, payload, created_at, due_at)
               SELECT 'deposit', id, jsonb_build_object('txid', $1::text), now(), now() FROM trades";
    sql.execute(job, &[&deposit.compute_txid().to_string()]).await.unwrap();
    sky.works().await;
    let waits = "SELECT count(*) FROM outbox WHERE kind = 'deposit' AND done_at IS NULL";
    assert_eq!(sql.one::<i64>(waits).await, 1, "it is tried again");
    sky.world.forget(&elsewhere);
    sky.story.later(61).await;
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", false));
    sky.story.later(61).await;
    assert_eq!(sql.one::<i64>(waits).await, 0, "it is there");
}

/// Both had signed the release when an older refund won; now that is forgotten, and nobody is held to what was complete.
#[tokio::test]
async fn a_release_that_was_complete_is_signed_again_when_a_refund_in_its_place_is_forgotten() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, _) = sky.paid().await;
    sky.releases(trade).await;
    spent_by_two(&sky, kept(&sky, "refund").await, [&sky.story.carol, &sky.story.bob]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
    sky.reorganises(1, Fate::Forgotten).await;
    assert_eq!(sky.stage(trade).await, "disputed");
    sky.page_offers(&sky.story.alice, trade, "payment-release").await;
    sky.story.signs(&sky.story.alice, trade, "payment-release", &[]).await;
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
}
