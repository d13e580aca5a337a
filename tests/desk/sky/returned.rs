//! Coins that are in escrow again, or others than a dispute began with: somebody can always say who gets them.

use bitcoin::{FeeRate, Transaction};
use trine::chain::practice::Fate;
use trine::domain::PublicRef;
use trine::escrow::{self, Contract, Payout, PayoutKind};

use super::lost::{is_double_spent, is_ruled_and_paid};
use super::pending::{deposit_of, is_forgotten};
use super::spends::{kept, of_the_larger, of_the_smaller, spent_by_two, two_sign};
use super::{HIGH_FEE, Sky, under_every_sky};
use crate::chains::coins::{Coin, coin_of, pay};
use crate::chains::world::World;

under_every_sky! {
    a_dispute_over_a_late_deposit_follows_the_one_that_took_its_place,
    a_disputed_late_deposit_that_is_double_spent_ends_as_lost,
    a_disputed_late_deposit_that_leaves_dust_ends_as_lost,
    what_another_transaction_leaves_of_a_payout_is_in_escrow_again,
    a_deposit_that_was_lost_and_returns_is_the_arbitrators_to_rule_on,
    a_deposit_that_was_signed_away_and_lost_goes_back_when_it_returns,
}

/// A deposit that came after the trade was cancelled, and a dispute about it.
async fn disputed_late(sky: &mut Sky) -> (PublicRef, Coin) {
    let trade = sky.small().await;
    sky.story.press(&sky.story.alice, trade, "cancel").await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    sky.story.opens_dispute(&sky.story.alice, trade, "other", "release").await;
    assert_eq!(sky.stage(trade).await, "disputed");
    (trade, coin)
}

async fn is_divided(sky: &Sky, trade: PublicRef) {
    sky.story.later(24 * 60 + 1).await;
    is_ruled_and_paid(sky, trade, "split", "50").await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    sky.mines(2).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "split");
}

async fn a_dispute_over_a_late_deposit_follows_the_one_that_took_its_place(sky: &mut Sky) {
    let (trade, coin) = disputed_late(sky).await;
    sky.world.reorganise(1, Fate::Waiting).await;
    let due = sky.row(trade).await.deposit.to_sat();
    sky.world.broadcast(&pay(&coin, &[(sky.script(trade).await, due)], HIGH_FEE)).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "disputed");
    is_divided(sky, trade).await;
}

async fn a_disputed_late_deposit_that_is_double_spent_ends_as_lost(sky: &mut Sky) {
    let (trade, coin) = disputed_late(sky).await;
    is_double_spent(sky, &coin).await;
    assert_eq!(sky.stage(trade).await, "disputed", "only a block ends it");
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "lost");
}

/// Somebody's dust is nothing to divide.
async fn a_disputed_late_deposit_that_leaves_dust_ends_as_lost(sky: &mut Sky) {
    let (trade, coin) = disputed_late(sky).await;
    is_double_spent(sky, &coin).await;
    sky.sends(trade, 600).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "lost");
    let open = "SELECT count(*) FROM outbox WHERE kind = 'judge' AND done_at IS NULL";
    assert_eq!(sky.story.site.sql().await.one::<i64>(open).await, 0);
}

/// The node forgets it for a moment; what was paid beside it does not take its place.
#[tokio::test]
async fn a_disputed_late_deposit_that_is_forgotten_for_a_moment_is_what_the_dispute_is_about() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, _) = disputed_late(&mut sky).await;
    let due = sky.row(trade).await.deposit.to_sat();
    let deposit = deposit_of(&sky, trade, due).await;
    let beside = sky.sends(trade, 3_000).await;
    sky.mines(1).await;
    sky.reorganises(2, Fate::Waiting).await;
    sky.world.mine_only(&beside, std::slice::from_ref(&deposit)).await;
    is_forgotten(&sky, &deposit).await;
    sky.world.broadcast(&deposit).await;
    sky.mines(1).await;
    sky.story.later(24 * 60 + 1).await;
    is_ruled_and_paid(&sky, trade, "split", "90").await;
    sky.mines(1).await;
    assert!(sky.world.got(&sky.story.alice.address).await > due * 8 / 10);
}

/// The two traders send back a deposit that the desk has built no refund of.
async fn is_refunded_with_a_kit(sky: &Sky, trade: PublicRef, deposit: Transaction) {
    let agreed = Contract::parse(&sky.row(trade).await.contract_text).unwrap().agreed().unwrap();
    let made = coin_of(&deposit, 0);
    let coins = [escrow::Coin { outpoint: made.outpoint, value: made.output.value, transaction: Some(deposit.into()) }];
    let rate = FeeRate::from_sat_per_vb_u32(4);
    let refund = Payout::of_all_steps(&agreed, PayoutKind::Refund, &coins, rate).unwrap().remove(0);
    spent_by_two(sky, refund.spend().psbt().clone(), [&sky.story.alice, &sky.story.bob]).await;
}

/// What is deep in the chain, and did not end the trade, is over.
#[tokio::test]
async fn what_two_took_of_a_short_deposit_hides_no_refund_of_the_rest() {
    let mut sky = Sky::over(World::practice_today()).await;
    let trade = sky.small().await;
    let deposit = sky.sends(trade, 300_000).await;
    sky.mines(1).await;
    sky.sends(trade, 200_000).await;
    sky.mines(1).await;
    is_refunded_with_a_kit(&sky, trade, deposit).await;
    sky.both_read(trade, "Another transaction spends the coins").await;
    sky.mines(1).await;
    sky.page_offers(&sky.story.bob, trade, "funding").await;
    sky.story.later(181).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    sky.page_offers(&sky.story.bob, trade, "refund").await;
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
}

const SMALLER: u64 = 150_000;

/// Two outputs, the larger one first or last; each is as deep as it has to be before the next thing happens.
async fn is_paid_with_two(sky: &mut Sky, trade: PublicRef, larger_first: bool) {
    let (due, deep) = (sky.row(trade).await.deposit.to_sat(), sky.state(trade).await.confirmations);
    let larger = due - 100_000;
    for sats in if larger_first { [larger, SMALLER] } else { [SMALLER, larger] } {
        sky.sends(trade, sats).await;
        sky.mines(deep).await;
    }
    sky.marks(trade).await;
}

async fn what_another_transaction_leaves_of_a_payout_is_in_escrow_again(sky: &mut Sky) {
    let trade = sky.small().await;
    is_paid_with_two(sky, trade, true).await;
    let other = two_sign(of_the_larger(kept(sky, "refund").await), [&sky.story.bob, &sky.story.carol]);
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
    // All of it while the desk does not look.
    sky.world.reorganise(1, Fate::Waiting).await;
    sky.world.broadcast(&other).await;
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.outcome, state.frozen), ("disputed", None, false));
    assert_eq!(state.deposit.confirmed.to_sat(), 150_000);
    is_divided(sky, trade).await;
}

#[tokio::test]
async fn what_returns_after_another_transaction_ended_the_trade_is_in_escrow_again() {
    let mut sky = Sky::over(World::practice_today()).await;
    let trade = sky.small().await;
    is_paid_with_two(&mut sky, trade, true).await;
    let other = two_sign(of_the_larger(kept(&sky, "refund").await), [&sky.story.bob, &sky.story.carol]);
    let waits = deposit_of(&sky, trade, 150_000).await;
    sky.reorganises(1, Fate::Waiting).await;
    sky.world.forget(&waits);
    sky.world.broadcast(&other).await;
    sky.world.mine(1).await;
    sky.story.work().await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded", "that is all there is just now");
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.deposit.confirmed.to_sat()), ("disputed", 150_000));
    is_divided(&sky, trade).await;
}

/// Each of two outputs is another transaction's after a reorganisation; the second of them is not deep yet.
#[tokio::test]
async fn a_trade_that_is_over_is_not_opened_for_coins_that_a_young_block_spends() {
    let mut sky = Sky::over(World::practice_today()).await;
    let trade = sky.larger().await;
    is_paid_with_two(&mut sky, trade, false).await;
    let people = [&sky.story.bob, &sky.story.carol];
    let larger = two_sign(of_the_larger(kept(&sky, "refund").await), people);
    let smaller = two_sign(of_the_smaller(kept(&sky, "refund").await), people);
    sky.releases(trade).await;
    sky.mines(2).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
    sky.world.reorganise(2, Fate::Waiting).await;
    for spend in [&larger, &smaller] {
        sky.world.broadcast(spend).await;
        sky.world.mine(1).await;
    }
    sky.works().await;
    assert_eq!(sky.stage(trade).await, "completed", "what becomes of the second is not clear yet");
    sky.mines(1).await;
    let row = sky.row(trade).await;
    assert_eq!((row.state.outcome.unwrap().as_str(), row.payout_txid), ("refunded", Some(larger.compute_txid())));
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.version, row.state.version, "it is told once");
}

async fn is_lost(sky: &Sky, trade: PublicRef) {
    assert_eq!(sky.state(trade).await.outcome.map(|outcome| outcome.to_string()).as_deref(), Some("lost"));
}

/// Whoever paid can still get the coins.
async fn is_in_escrow_again(sky: &Sky, trade: PublicRef) {
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.outcome, state.frozen), ("disputed", None, false));
    sky.both_read(trade, "The deposit that was lost is in the chain again.").await;
    let dispute = sky.story.carol.browser.get(&format!("/arbitration/{trade}")).await.words();
    assert!(dispute.contains("The deposit was told to be lost, and is in escrow again"), "{dispute}");
    sky.story.signs(&sky.story.alice, trade, "payment-release", &[]).await;
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
}

/// The deposit, and what its sender has spent its coin for instead; a block holds that.
async fn is_taken_back(sky: &Sky, trade: PublicRef, coin: &Coin) -> [Transaction; 2] {
    let deposit = deposit_of(sky, trade, sky.row(trade).await.deposit.to_sat()).await;
    sky.reorganises(1, Fate::Waiting).await;
    let elsewhere = sky.takes_back(coin).await;
    sky.mines(1).await;
    [deposit, elsewhere]
}

/// Another reorganisation takes that away, and a miner still has the deposit.
async fn returns(sky: &Sky, [deposit, elsewhere]: [Transaction; 2]) {
    sky.reorganises(1, Fate::Waiting).await;
    sky.world.mine_only(&deposit, &[elsewhere]).await;
    sky.works().await;
}

async fn a_deposit_that_was_lost_and_returns_is_the_arbitrators_to_rule_on(sky: &mut Sky) {
    let (trade, coin) = sky.paid().await;
    let both = is_taken_back(sky, trade, &coin).await;
    is_lost(sky, trade).await;
    returns(sky, both).await;
    is_in_escrow_again(sky, trade).await;
}

async fn a_deposit_that_was_signed_away_and_lost_goes_back_when_it_returns(sky: &mut Sky) {
    let (trade, coin) = sky.funded().await;
    sky.story.signs(&sky.story.alice, trade, "cancellation", &["not_paid"]).await;
    let both = is_taken_back(sky, trade, &coin).await;
    assert_eq!(sky.stage(trade).await, "cancelled");
    returns(sky, both).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
}

/// What it was made of is nowhere seen to be spent: something further back can never be mined.
#[tokio::test]
async fn a_deposit_that_nobody_knows_for_a_week_is_lost_until_it_returns() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, _) = sky.paid().await;
    let deposit = deposit_of(&sky, trade, sky.row(trade).await.deposit.to_sat()).await;
    sky.reorganises(1, Fate::Waiting).await;
    is_forgotten(&sky, &deposit).await;
    sky.story.later(6 * 24 * 60).await;
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", true));
    sky.story.later(24 * 60 + 1).await;
    sky.mines(1).await;
    is_lost(&sky, trade).await;
    sky.both_read(trade, "nobody has known of it for a week").await;
    sky.world.broadcast(&deposit).await;
    sky.works().await;
    is_lost(&sky, trade).await;
    sky.mines(1).await;
    is_in_escrow_again(&sky, trade).await;
}

/// It never counted, so no outputs were ever fixed; the spend is forgotten with its block.
#[tokio::test]
async fn a_deposit_that_never_counted_and_is_in_escrow_again_can_be_divided() {
    let mut sky = Sky::over(World::practice_today()).await;
    let trade = sky.larger().await;
    let coin = sky.world.coin().await;
    let deposit = sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit", "one of two confirmations");
    is_refunded_with_a_kit(&sky, trade, deposit).await;
    sky.mines(2).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
    sky.reorganises(2, Fate::Forgotten).await;
    assert_eq!(sky.stage(trade).await, "disputed");
    is_divided(&sky, trade).await;
}

/// The signature of the first ruling's payout is in the winner's hands, over the same coins.
#[tokio::test]
async fn an_arbitrator_who_signed_a_payout_rules_nothing_else_over_the_same_coins() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, _) = sky.disputed().await;
    let refund = two_sign(kept(&sky, "refund").await, [&sky.story.alice, &sky.story.bob]);
    sky.story.later(24 * 60 + 1).await;
    sky.story.rules(trade, "split", "60").await;
    sky.story.signs_at(&sky.story.carol, trade, &format!("/arbitration/{trade}/payout")).await;
    assert_eq!(sky.stage(trade).await, "ruled");
    sky.world.broadcast(&refund).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "refunded");
    sky.reorganises(1, Fate::Forgotten).await;
    assert_eq!(sky.stage(trade).await, "disputed");
    sky.story.later(24 * 60 + 1).await;
    let fields = [("outcome", "split"), ("unit", "percent"), ("buyer", "30"), ("facts", "f"), ("reasons", "r")];
    let path = format!("/arbitration/{trade}/ruling");
    let refused = sky.story.send(&sky.story.carol, trade, &path, &fields).await;
    assert_eq!(refused.status, 409, "{}", refused.words());
    assert!(refused.words().contains("so rule the same again"), "{}", refused.words());
    is_ruled_and_paid(&sky, trade, "split", "60").await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "split");
}

#[tokio::test]
async fn a_word_about_a_miner_fee_is_not_kept_for_other_coins() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, coin) = sky.funded().await;
    let fees = sky.story.fees(&sky.story.alice, trade, "payment").await;
    let sent = sky.story.signs_with_fee(&sky.story.alice, trade, "payment", "sent", fees[2]).await;
    assert_eq!(sent.status, 303, "{}", sent.words());
    is_double_spent(&sky, &coin).await;
    let again = sky.world.coin().await;
    sky.deposits_from(&again, trade).await;
    sky.mines(1).await;
    assert!(!sky.state(trade).await.frozen);
    sky.story.signs(&sky.story.alice, trade, "payment-release", &[]).await;
    let fees = sky.story.fees(&sky.story.bob, trade, "release").await;
    sky.releases(trade).await;
    let paid = "SELECT fee_sat FROM payouts JOIN trades ON trades.id = trade WHERE txid = payout_txid";
    assert_eq!(sky.story.site.sql().await.one::<i64>(paid).await, i64::try_from(fees[0]).unwrap());
}
