//! Deposits that come late, twice, in pieces, or not at all.

use bitcoin::Amount;

use trine::store::deposits::{self, SeenOutput};

use super::{FEE, HIGH_FEE, Sky, under_every_server, under_every_sky};
use crate::chains::explorer::Lie;
use crate::chains::world::World;
use crate::harness::cast::story;

under_every_sky! {
    a_deposit_seen_in_time_and_never_confirmed_frees_the_buyer_and_goes_back_when_it_comes,
    a_deposit_confirmed_in_its_one_confirmation_window_counts,
    a_deposit_replaced_with_a_higher_fee_counts_once_and_was_seen_in_time,
    a_deposit_that_its_sender_takes_back_is_gone_and_said,
    a_coinbase_counts_after_a_hundred_blocks,
    who_fragments_pays_for_it_and_dust_is_left_and_said,
    confirmations_grow_with_the_amount,
    an_early_deposit_counts_when_both_have_signed,
    an_early_deposit_of_a_trade_that_is_declined_goes_back,
}

under_every_server! {
    a_deposit_replaced_with_a_higher_fee_counts_once_and_was_seen_in_time,
}

async fn a_deposit_seen_in_time_and_never_confirmed_frees_the_buyer_and_goes_back_when_it_comes(sky: &mut Sky) {
    let trade = sky.small().await;
    let due = sky.row(trade).await.deposit.to_sat();
    sky.sends(trade, due).await;
    sky.both_read(trade, "The deposit is on its way").await;
    sky.both_read(trade, "seen, not confirmed; it may still be replaced").await;
    sky.world.mine_empty(1).await;
    sky.story.later(181).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit", "it was seen in time");
    assert!(sky.state(trade).await.confirm_by.is_some());
    sky.world.mine_empty(1).await;
    sky.story.later(1441).await;
    assert_eq!(sky.stage(trade).await, "cancelled", "the buyer is free");
    sky.both_read(trade, "are not deep enough in the chain yet").await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    sky.both_read(trade, "The deposit came too late").await;
}

async fn a_deposit_confirmed_in_its_one_confirmation_window_counts(sky: &mut Sky) {
    let trade = sky.small().await;
    let due = sky.row(trade).await.deposit.to_sat();
    sky.sends(trade, due).await;
    sky.world.mine_empty(1).await;
    sky.story.later(181).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
}

async fn a_deposit_replaced_with_a_higher_fee_counts_once_and_was_seen_in_time(sky: &mut Sky) {
    let trade = sky.small().await;
    let due = sky.row(trade).await.deposit.to_sat();
    let coin = sky.world.coin().await;
    let first = sky.sends_from(&coin, trade, due, FEE).await;
    sky.world.mine_empty(1).await;
    sky.story.later(181).await;
    let second = sky.sends_from(&coin, trade, due, HIGH_FEE).await;
    assert_ne!(first.compute_txid(), second.compute_txid());
    sky.works().await;
    assert_eq!(sky.state(trade).await.deposit.seen, Amount::from_sat(due), "not twice");
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded", "the sender only raised his fee");
    let page = sky.page(&sky.story.alice, trade).await;
    assert!(page.contains(&second.compute_txid().to_string()), "{page}");
    assert!(!page.contains(&first.compute_txid().to_string()), "{page}");
}

async fn a_deposit_that_its_sender_takes_back_is_gone_and_said(sky: &mut Sky) {
    let trade = sky.small().await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    assert!(sky.state(trade).await.deposit.seen > Amount::ZERO);
    sky.takes_back(&coin).await;
    sky.works().await;
    assert_eq!(sky.state(trade).await.deposit.seen, Amount::ZERO);
    sky.both_read(trade, "is gone again before it was confirmed: replaced, or spent elsewhere").await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    // Nothing is at the address: either may leave.
    assert_eq!(sky.story.press(&sky.story.alice, trade, "cancel").await.status, 303);
    assert_eq!(sky.stage(trade).await, "cancelled");
}

async fn a_coinbase_counts_after_a_hundred_blocks(sky: &mut Sky) {
    let trade = sky.small().await;
    let script = sky.script(trade).await;
    sky.world.mine_for(&script).await;
    sky.works().await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    sky.both_read(trade, "newly mined coins: 1 of the 100 confirmations they need").await;
    sky.mines(98).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
}

async fn who_fragments_pays_for_it_and_dust_is_left_and_said(sky: &mut Sky) {
    let trade = sky.small().await;
    let due = sky.row(trade).await.deposit.to_sat();
    sky.sends(trade, due - 100_000).await;
    sky.sends(trade, 100_000).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit", "a further output costs its sender what it costs to spend");
    sky.sends(trade, 50_000).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
    sky.marks(trade).await;
    sky.releases(trade).await;
    sky.mines(2).await;
    assert_eq!(sky.stage(trade).await, "completed");
    let over = sky.world.got(&sky.story.bob.address).await;
    assert!((40_000..50_000).contains(&over), "bob has what is over, less what it cost: {over}");

    let dusty = sky.small().await;
    sky.sends(dusty, 1_500).await;
    sky.mines(1).await;
    sky.story.later(181).await;
    assert_eq!(sky.stage(dusty).await, "cancelled", "it is nothing");
    sky.both_read(dusty, "1 500 sat are at the address").await;
    sky.both_read(dusty, "so they are left there").await;
}

async fn confirmations_grow_with_the_amount(sky: &mut Sky) {
    let small = sky.small().await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, small).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(small).await, "funded");
    sky.marks(small).await;
    sky.releases(small).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(small).await, "completed");

    let larger = sky.larger().await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, larger).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(larger).await, "awaiting_deposit");
    sky.both_read(larger, "1 of 2 confirmations").await;
    sky.mines(1).await;
    assert_eq!(sky.stage(larger).await, "funded");
}

async fn an_early_deposit_counts_when_both_have_signed(sky: &mut Sky) {
    let trade = sky.story.take_by(&sky.story.alice, "400").await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "proposed");
    sky.story.signs(&sky.story.bob, trade, "contract-signature", &[]).await;
    sky.story.signs(&sky.story.alice, trade, "contract-signature", &[]).await;
    sky.works().await;
    assert_eq!(sky.stage(trade).await, "funded", "no block is needed for it");
}

async fn an_early_deposit_of_a_trade_that_is_declined_goes_back(sky: &mut Sky) {
    let trade = sky.story.take_by(&sky.story.alice, "400").await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    assert_eq!(sky.story.press(&sky.story.alice, trade, "withdrawal").await.status, 303);
    sky.works().await;
    assert_eq!(sky.stage(trade).await, "refund_due");
}

/// Servers between a node and the desk list what a block holds as waiting too, until they have cleaned their mempool.
#[tokio::test]
async fn what_is_in_a_block_stays_there_when_it_is_seen_to_wait() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, _) = sky.paid().await;
    sky.releases(trade).await;
    sky.mines(1).await;
    let row = sky.row(trade).await;
    let client = sky.story.site.desk.store.connection().await.unwrap();
    let before = deposits::of_trade(&client, row.id).await.unwrap().remove(0);
    let payout = before.spender.clone().unwrap();
    assert!(before.height.is_some() && before.spent_height.is_some());

    let (outpoint, value, at) = (before.outpoint, before.value, before.seen_at);
    let transaction = &before.transaction;
    let seen = SeenOutput { trade: row.id, outpoint, value, coinbase: false, transaction, block: None, at };
    assert!(!deposits::see(&client, &seen).await.unwrap());
    assert_eq!(deposits::spend(&client, outpoint, &payout, None).await.unwrap(), []);
    let mut lost = payout.as_ref().clone();
    lost.version = bitcoin::transaction::Version::ONE;
    assert_eq!(deposits::spend(&client, outpoint, &lost, None).await.unwrap(), [], "it never can be mined");

    let after = deposits::of_trade(&client, row.id).await.unwrap().remove(0);
    let places = |one: &deposits::DepositRow| (one.height, one.gone_at, one.spent_by, one.spent_height);
    assert_eq!(places(&after), places(&before));
}

#[tokio::test]
async fn a_deposit_that_a_node_forgot_is_not_called_spent_and_is_handed_to_it_again() {
    let story = story().await;
    let trade = story.agreed().await;
    let row = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap().0;
    let deposit = story.site.chain.pay(&row.script, row.deposit).unwrap();
    story.work().await;
    story.site.chain.evict(deposit).unwrap();
    for _ in 0..3 {
        story.work().await;
    }
    for who in [&story.alice, &story.bob] {
        let page = story.words_at(who, trade, "").await;
        assert!(page.contains("is not seen at present. The desk hands it to the network again"), "{page}");
        assert!(!page.contains("spent elsewhere"), "{page}");
    }
    assert_eq!(story.site.chain.waiting(), 1);
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "funded");
}

#[tokio::test]
async fn a_deposit_of_a_trade_that_is_over_is_not_handed_to_a_node_that_forgot_it() {
    let story = story().await;
    let trade = story.agreed().await;
    let row = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap().0;
    let deposit = story.site.chain.pay(&row.script, row.deposit).unwrap();
    story.work().await;
    for minutes in [181, 1_441] {
        story.site.chain.mine_empty(1, jiff::Timestamp::now()).unwrap();
        story.later(minutes).await;
    }
    assert_eq!(story.stage(trade).await, "cancelled");
    story.site.chain.evict(deposit).unwrap();
    for _ in 0..3 {
        story.work().await;
    }
    assert_eq!(story.site.chain.waiting(), 0, "it would have to be sent back, and who would pay for that?");
    let handed: bool = story.site.sql().await.one("SELECT EXISTS (SELECT FROM outbox WHERE kind = 'deposit')").await;
    assert!(!handed);
    for who in [&story.alice, &story.bob] {
        let page = story.words_at(who, trade, "").await;
        assert!(page.contains("The trade is cancelled, so the desk does not hand it to the network again"), "{page}");
    }
}

mod on_esplora_that_is_late {
    use super::*;

    #[tokio::test]
    async fn a_block_that_a_server_lists_late_funds_a_trade_and_nobody_is_asked_for_strangers_from_then_on() {
        let mut sky = Sky::over(World::explored().await).await;
        let trade = sky.small().await;
        let coin = sky.world.coin().await;
        sky.deposits_from(&coin, trade).await;
        sky.works().await;
        sky.world.explorer().lies(Lie::FromCache);
        sky.mines(1).await;
        assert_eq!(sky.stage(trade).await, "awaiting_deposit");
        sky.world.explorer().is_honest_again();
        sky.works().await;
        assert_eq!(sky.stage(trade).await, "funded");
        let asked = sky.world.explorer().asked(&coin.output.script_pubkey);
        assert!(asked > 0, "while it waited");
        sky.mines(2).await;
        assert_eq!(sky.world.explorer().asked(&coin.output.script_pubkey), asked);

        sky.marks(trade).await;
        sky.releases(trade).await;
        sky.works().await;
        sky.world.explorer().lies(Lie::FromCache);
        sky.mines(1).await;
        assert_eq!(sky.stage(trade).await, "paying_out");
        sky.world.explorer().is_honest_again();
        sky.works().await;
        assert_eq!(sky.stage(trade).await, "completed");
    }
}
