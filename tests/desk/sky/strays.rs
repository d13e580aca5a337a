//! Coins that come to an escrow's address beside its deposit: the seller's, in every stage, years later too.

use trine::chain::practice::Fate;
use trine::domain::PublicRef;

use super::pending::{deposit_of, is_forgotten};
use super::{Sky, under_every_sky};
use crate::chains::world::World;

under_every_sky! {
    a_stray_in_every_stage_is_the_sellers_and_changes_nothing,
    a_stray_of_a_trade_whose_refund_is_due_goes_back_by_itself,
    a_stray_of_a_ruled_trade_goes_back_and_the_ruling_stays,
    a_stray_beside_a_payout_on_its_way_changes_nothing_and_goes_back,
    a_stray_comes_back_years_after_the_end,
    a_stray_of_dust_is_left_and_said,
}

/// A stray comes, and its refund is offered; the stage stays what it was. Where its refund is signed.
async fn stray(sky: &mut Sky, trade: PublicRef) -> String {
    let stage = sky.stage(trade).await;
    let sent = sky.sends(trade, 100_000).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, stage);
    sky.both_read(trade, "stray: it is the seller's, and no part of this trade").await;
    let sql = sky.story.site.sql().await;
    let psbts = sql.query("SELECT psbt, encode(txid, 'hex') FROM payouts WHERE kind = 'stray' ORDER BY fee_sat", &[]);
    let of_it = |row: &tokio_postgres::Row| {
        let psbt = bitcoin::Psbt::deserialize(row.get(0)).unwrap();
        let spends = psbt.unsigned_tx.input[0].previous_output.txid == sent.compute_txid();
        spends.then(|| format!("strays/{}", psbt.unsigned_tx.compute_txid()))
    };
    psbts.await.unwrap().iter().find_map(of_it).expect("a refund of its own")
}

async fn goes_back(sky: &mut Sky, trade: PublicRef, place: &str) {
    let before = sky.world.got(&sky.story.bob.address).await;
    sky.story.signs(&sky.story.bob, trade, place, &[]).await;
    sky.story.signs(&sky.story.carol, trade, place, &[]).await;
    sky.mines(1).await;
    assert!(sky.world.got(&sky.story.bob.address).await > before + 90_000);
}

async fn a_stray_in_every_stage_is_the_sellers_and_changes_nothing(sky: &mut Sky) {
    let (trade, _) = sky.funded().await;
    let first = stray(sky, trade).await;
    sky.marks(trade).await;
    let second = stray(sky, trade).await;
    goes_back(sky, trade, &first).await;
    sky.story.opens_dispute(&sky.story.bob, trade, "not_received", "refund").await;
    stray(sky, trade).await;
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
    stray(sky, trade).await;
    goes_back(sky, trade, &second).await;
    assert_eq!(sky.stage(trade).await, "completed");
}

async fn a_stray_of_a_trade_whose_refund_is_due_goes_back_by_itself(sky: &mut Sky) {
    let (trade, _) = sky.funded().await;
    sky.story.signs(&sky.story.alice, trade, "cancellation", &["not_paid"]).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    let place = stray(sky, trade).await;
    goes_back(sky, trade, &place).await;
    assert_eq!(sky.stage(trade).await, "refund_due", "the deposit is still to go back");
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
}

async fn a_stray_of_a_ruled_trade_goes_back_and_the_ruling_stays(sky: &mut Sky) {
    let (trade, _) = sky.disputed().await;
    sky.story.later(24 * 60 + 1).await;
    sky.story.rules(trade, "split", "60").await;
    let place = stray(sky, trade).await;
    goes_back(sky, trade, &place).await;
    assert_eq!(sky.stage(trade).await, "ruled");
    sky.story.signs_at(&sky.story.alice, trade, &format!("/trades/{trade}/ruling/cosignature")).await;
    sky.story.signs_at(&sky.story.carol, trade, &format!("/arbitration/{trade}/payout")).await;
    sky.works().await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "split");
}

/// The payout has one of two confirmations when the stray's refund is signed.
async fn a_stray_beside_a_payout_on_its_way_changes_nothing_and_goes_back(sky: &mut Sky) {
    let trade = sky.larger().await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(2).await;
    sky.marks(trade).await;
    sky.releases(trade).await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    let place = stray(sky, trade).await;
    goes_back(sky, trade, &place).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
}

async fn a_stray_comes_back_years_after_the_end(sky: &mut Sky) {
    let (trade, _) = sky.paid().await;
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
    sky.mines(130).await;
    sky.story.later(60 * 24 * 365 * 3).await;
    trine::desk::reader::step_down(&sky.story.site.desk).await;
    let place = stray(sky, trade).await;
    goes_back(sky, trade, &place).await;
}

async fn a_stray_of_dust_is_left_and_said(sky: &mut Sky) {
    let (trade, _) = sky.funded().await;
    sky.sends(trade, 1_500).await;
    sky.mines(1).await;
    sky.both_read(trade, "too little to be sent back, it is left there").await;
    assert_eq!(sky.stage(trade).await, "funded");
}

/// The deposit is out of the chain, and the node has forgotten it for a moment.
#[tokio::test]
async fn a_stray_that_went_back_ends_no_trade_that_waits_for_its_deposit_again() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, _) = sky.funded().await;
    let deposit = deposit_of(&sky, trade, sky.row(trade).await.deposit.to_sat()).await;
    let place = stray(&mut sky, trade).await;
    goes_back(&mut sky, trade, &place).await;
    sky.world.reorganise(3, Fate::Waiting).await;
    sky.world.forget(&deposit);
    sky.world.mine(1).await;
    is_forgotten(&sky, &deposit).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    sky.world.broadcast(&deposit).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
}
