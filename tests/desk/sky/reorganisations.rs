//! Blocks that leave the chain, with what they held.

use trine::chain::practice::Fate;

use super::{Sky, under_every_server, under_every_sky};

const NOT_CONFIRMED: &str = "the deposit is not confirmed at present";

under_every_sky! {
    a_reorganisation_of_1_block_takes_funded_back_and_the_buyer_is_told_not_to_pay,
    a_reorganisation_of_3_blocks_takes_funded_back_and_the_buyer_is_told_not_to_pay,
    a_reorganisation_of_7_blocks_takes_funded_back_and_the_buyer_is_told_not_to_pay,
    a_reorganisation_that_mines_the_deposit_again_changes_nothing,
    after_a_payment_was_marked_the_trade_is_frozen_until_the_deposit_returns,
    three_blocks_that_leave_the_chain_freeze_a_paid_trade_until_the_deposit_returns,
    seven_blocks_that_leave_the_chain_freeze_a_paid_trade_until_the_deposit_returns,
    a_new_deposit_thaws_a_trade_and_is_signed_for_again,
    what_was_signed_before_the_deposit_fell_back_is_signed_again,
    a_disputed_trade_is_frozen_and_goes_on,
    a_ruling_and_its_payout_wait_while_the_trade_is_frozen,
    a_payout_that_is_reorganised_away_is_sent_again,
    a_payout_that_3_blocks_take_along_is_sent_again,
    a_payout_that_7_blocks_take_along_is_sent_again,
    a_reorganisation_of_7_blocks_takes_deposit_and_payout_and_both_come_back,
}

under_every_server! {
    a_reorganisation_of_3_blocks_takes_funded_back_and_the_buyer_is_told_not_to_pay,
    after_a_payment_was_marked_the_trade_is_frozen_until_the_deposit_returns,
    a_payout_that_is_reorganised_away_is_sent_again,
}

async fn falls_back(sky: &mut Sky, depth: u32) {
    let (trade, _) = sky.funded().await;
    sky.mines(depth - 1).await;
    sky.reorganises(depth, Fate::Waiting).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    sky.all_read(trade, "Do not pay until this page says once more that they are locked").await;
    let alice = sky.page(&sky.story.alice, trade).await;
    assert!(!alice.contains("DE89370400440532013000"), "nobody is told where to pay:\n{alice}");
    assert!(sky.state(trade).await.deposit_by.unwrap() > sky.state(trade).await.stage_since, "the window is new");
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded", "the desk gave the deposit to the network again");
    sky.marks(trade).await;
}

async fn a_reorganisation_of_1_block_takes_funded_back_and_the_buyer_is_told_not_to_pay(sky: &mut Sky) {
    falls_back(sky, 1).await;
}

async fn a_reorganisation_of_3_blocks_takes_funded_back_and_the_buyer_is_told_not_to_pay(sky: &mut Sky) {
    falls_back(sky, 3).await;
}

async fn a_reorganisation_of_7_blocks_takes_funded_back_and_the_buyer_is_told_not_to_pay(sky: &mut Sky) {
    falls_back(sky, 7).await;
}

async fn a_reorganisation_that_mines_the_deposit_again_changes_nothing(sky: &mut Sky) {
    let (trade, _) = sky.paid().await;
    let before = sky.state(trade).await;
    sky.reorganises(2, Fate::Mined).await;
    let after = sky.state(trade).await;
    assert_eq!((after.stage, after.frozen, after.release_by), (before.stage, false, before.release_by));
}

async fn after_a_payment_was_marked_the_trade_is_frozen_until_the_deposit_returns(sky: &mut Sky) {
    freezes_until_the_deposit_returns(sky, 1).await;
}

async fn three_blocks_that_leave_the_chain_freeze_a_paid_trade_until_the_deposit_returns(sky: &mut Sky) {
    freezes_until_the_deposit_returns(sky, 3).await;
}

async fn seven_blocks_that_leave_the_chain_freeze_a_paid_trade_until_the_deposit_returns(sky: &mut Sky) {
    freezes_until_the_deposit_returns(sky, 7).await;
}

async fn freezes_until_the_deposit_returns(sky: &mut Sky, depth: u32) {
    let (trade, _) = sky.paid().await;
    sky.mines(depth - 1).await;
    let before = sky.state(trade).await;
    sky.reorganises(depth, Fate::Waiting).await;
    assert!(sky.state(trade).await.frozen);
    sky.all_read(trade, NOT_CONFIRMED).await;
    let release = sky.story.bob.browser.get(&format!("/trades/{trade}/release")).await;
    assert_eq!(release.status, 409, "nobody signs over coins that may never come");
    // The time to release passes, and nothing happens: clocks stand still.
    sky.story.later(60 * 24 * 8).await;
    assert_eq!(sky.stage(trade).await, "payment_sent");
    sky.mines(1).await;
    let after = sky.state(trade).await;
    assert!(!after.frozen);
    let longer = after.release_by.unwrap().duration_since(before.release_by.unwrap());
    assert!(longer.as_mins() >= 60 * 24 * 8, "{longer}");
    sky.both_read(trade, "Clocks stood still for 192 h 0 min, and every window is longer by that").await;
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
}

async fn a_new_deposit_thaws_a_trade_and_is_signed_for_again(sky: &mut Sky) {
    let trade = sky.larger().await;
    let coin = sky.world.coin().await;
    let first = sky.deposits_from(&coin, trade).await;
    sky.mines(2).await;
    sky.marks(trade).await;
    sky.reorganises(2, Fate::Waiting).await;
    assert!(sky.state(trade).await.frozen);
    sky.takes_back(&coin).await;
    let due = sky.row(trade).await.deposit.to_sat();
    let second = sky.sends(trade, due).await;
    sky.works().await;
    assert!(sky.state(trade).await.frozen, "seen is not confirmed");
    sky.mines(2).await;
    let state = sky.state(trade).await;
    assert_eq!((sky.stage(trade).await.as_str(), state.frozen), ("payment_sent", false));
    assert!(state.signed.is_empty(), "what was signed was over the other deposit");
    sky.both_read(trade, "A new deposit has taken the place").await;
    sky.both_read(trade, &second.compute_txid().to_string()).await;
    assert_ne!(first.compute_txid(), second.compute_txid());
    sky.story.signs(&sky.story.alice, trade, "payment-release", &[]).await;
    sky.releases(trade).await;
    sky.mines(2).await;
    assert_eq!(sky.stage(trade).await, "completed");
}

/// The payouts are built anew, at the miner fees of that day; a mark that was taken back had brought a signature.
async fn what_was_signed_before_the_deposit_fell_back_is_signed_again(sky: &mut Sky) {
    let (trade, _) = sky.paid().await;
    assert_eq!(sky.story.press(&sky.story.alice, trade, "payment/undo").await.status, 303);
    sky.reorganises(1, Fate::Waiting).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    sky.mines(1).await;
    let state = sky.state(trade).await;
    assert_eq!((state.stage.as_str(), state.signed.as_slice()), ("funded", [].as_slice()));
    sky.marks(trade).await;
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
}

async fn a_disputed_trade_is_frozen_and_goes_on(sky: &mut Sky) {
    let (trade, _) = sky.disputed().await;
    let before = sky.state(trade).await;
    sky.reorganises(1, Fate::Waiting).await;
    assert!(sky.state(trade).await.frozen);
    sky.all_read(trade, NOT_CONFIRMED).await;
    sky.story.later(600).await;
    sky.mines(1).await;
    let after = sky.state(trade).await;
    assert!(!after.frozen);
    let longer = after.dispute.unwrap().rule_by.duration_since(before.dispute.unwrap().rule_by);
    assert!(longer.as_mins() >= 600, "{longer}");
}

/// Protocol §4: rulings wait while the coins they are about are not confirmed. What had been signed meanwhile is refused,
/// and counts when they are.
async fn a_ruling_and_its_payout_wait_while_the_trade_is_frozen(sky: &mut Sky) {
    let (trade, _) = sky.disputed().await;
    sky.story.later(24 * 60 + 1).await;
    let draft = sky.story.drafts(trade, "split", "60").await;
    let (signature, payout) = (format!("{draft}/signature"), format!("/arbitration/{trade}/payout"));
    for (path, stage, after) in [(&signature, "disputed", "ruled"), (&payout, "ruled", "ruled")] {
        let signed = sky.story.carol.signatures(path).await;
        let fields = [("signatures", signed.as_str())];
        sky.reorganises(1, Fate::Waiting).await;
        assert!(sky.state(trade).await.frozen);
        let page = sky.story.carol.browser.get(path).await;
        let sent = sky.story.send(&sky.story.carol, trade, path, &fields).await;
        for refused in [page, sent] {
            let words = refused.words();
            assert!(
                refused.status == 409 && words.contains("The deposit is not confirmed at present"),
                "{path}: {words}"
            );
        }
        assert_eq!(sky.stage(trade).await, stage);
        sky.mines(1).await;
        assert!(!sky.state(trade).await.frozen);
        let sent = sky.story.send(&sky.story.carol, trade, path, &fields).await;
        assert_eq!((sent.status, sky.stage(trade).await.as_str()), (303, after), "{path}: {}", sent.words());
    }
    sky.story.signs_at(&sky.story.alice, trade, &format!("/trades/{trade}/ruling/cosignature")).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "split");
}

async fn a_payout_that_is_reorganised_away_is_sent_again(sky: &mut Sky) {
    is_sent_again(sky, 1).await;
}

async fn a_payout_that_3_blocks_take_along_is_sent_again(sky: &mut Sky) {
    is_sent_again(sky, 3).await;
}

async fn a_payout_that_7_blocks_take_along_is_sent_again(sky: &mut Sky) {
    is_sent_again(sky, 7).await;
}

async fn is_sent_again(sky: &mut Sky, depth: u32) {
    let (trade, _) = sky.paid().await;
    sky.releases(trade).await;
    sky.mines(depth).await;
    assert_eq!(sky.stage(trade).await, "completed");
    sky.reorganises(depth, Fate::Waiting).await;
    assert_eq!(sky.stage(trade).await, "paying_out", "it is not paid until it is confirmed again");
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
    sky.both_read(trade, "confirmed on the chain").await;
}

async fn a_reorganisation_of_7_blocks_takes_deposit_and_payout_and_both_come_back(sky: &mut Sky) {
    let (trade, _) = sky.paid().await;
    sky.releases(trade).await;
    sky.mines(6).await;
    assert_eq!(sky.stage(trade).await, "completed");
    sky.reorganises(7, Fate::Waiting).await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
}
