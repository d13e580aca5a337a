//! The same forgiveness on a real Bitcoin Core: short and changed together, late and taken up again.

use bitcoin::{Amount, Txid, hashes::Hash};
use trine::chain::Chain;
use trine::desk::{Rules, trade_facts};
use trine::domain::PublicRef;

use crate::chains::coins::pay;
use crate::chains::world::World;
use crate::harness::Start;
use crate::harness::cast::{Story, story_with};

/// What a sensible wallet would pay the miners.
const FEE: u64 = 1_000;

struct Real {
    story: Story,
    world: World,
}

impl Real {
    async fn start() -> Self {
        let world = World::core().await;
        let rules = Rules { practice: false, ..Rules::default() };
        let chain: std::sync::Arc<dyn Chain> = world.chain.clone();
        Self { story: story_with(Start { chain: Some(chain), rules, ..Start::default() }).await, world }
    }

    /// Pays the escrow, and makes it deep enough.
    async fn deposit(&mut self, trade: PublicRef, sats: u64) {
        let (row, _) = trade_facts::party(&self.story.site.desk, trade, self.story.bob.id).await.unwrap();
        let coin = self.world.coin().await;
        self.world.broadcast(&pay(&coin, &[(row.script.clone(), sats)], FEE)).await;
        self.story.work().await;
        self.mine(row.state.confirmations).await;
    }

    async fn mine(&self, blocks: u32) {
        self.world.mine(blocks).await;
        self.story.work().await;
    }

    /// Paid, released, in a block; what that paid to alice.
    async fn ends(&self, trade: PublicRef) -> Amount {
        let story = &self.story;
        assert_eq!(story.stage(trade).await, "funded");
        story.signs(&story.alice, trade, "payment", &["sent"]).await;
        story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
        let txid: Vec<u8> = story.site.sql().await.one("SELECT payout_txid FROM trades").await;
        let txid = Txid::from_slice(&txid).unwrap();
        self.mine(2).await;
        assert_eq!(story.stage(trade).await, "completed");
        story.check_logs().await;
        let tip = self.world.height().await;
        let mut blocks = Vec::new();
        for height in tip - 3..=tip {
            blocks.extend(self.world.block(height).await.txdata);
        }
        let payout = blocks.iter().find(|one| one.compute_txid() == txid).expect("the payout is in a block");
        let script = story.alice.address.script_pubkey();
        payout.output.iter().filter(|one| one.script_pubkey == script).map(|one| one.value).sum()
    }
}

#[tokio::test]
async fn a_trade_is_scaled_down_to_a_short_deposit() {
    let mut real = Real::start().await;
    let trade = real.story.agreed().await;
    real.deposit(trade, 400_000).await;
    assert_eq!(real.story.stage(trade).await, "awaiting_deposit");
    real.story.amend(trade, "scale_down").await;
    let got = real.ends(trade).await.to_sat();
    assert!((390_000..400_000).contains(&got), "alice got {got}");
}

#[tokio::test]
async fn a_late_deposit_is_taken_up_again() {
    let mut real = Real::start().await;
    let trade = real.story.agreed().await;
    real.story.later(181).await;
    real.mine(1).await;
    assert_eq!(real.story.stage(trade).await, "cancelled");
    real.deposit(trade, 1_000_000).await;
    assert_eq!(real.story.stage(trade).await, "refund_due");
    for who in [&real.story.bob, &real.story.alice] {
        assert_eq!(real.story.press(who, trade, "reinstatement").await.status, 303);
    }
    let got = real.ends(trade).await.to_sat();
    assert!((990_000..1_000_000).contains(&got), "alice got {got}");
}

#[tokio::test]
async fn a_short_deposit_is_topped_up() {
    let mut real = Real::start().await;
    let trade = real.story.agreed().await;
    real.deposit(trade, 700_000).await;
    let page = real.story.bob.browser.get(&format!("/trades/{trade}/funding")).await;
    let missing = page.envelope()["top_up_sat"].as_u64().unwrap();
    assert!(missing > 300_000, "{missing}");
    real.deposit(trade, missing).await;
    let got = real.ends(trade).await.to_sat();
    assert!((990_000..1_000_000).contains(&got), "alice got {got}");
}

#[tokio::test]
async fn the_buyer_waives_a_small_shortage() {
    let mut real = Real::start().await;
    let trade = real.story.agreed().await;
    real.deposit(trade, 990_000).await;
    assert_eq!(real.story.stage(trade).await, "awaiting_deposit");
    real.story.amend(trade, "waive").await;
    let got = real.ends(trade).await.to_sat();
    assert!((980_000..990_000).contains(&got), "alice got {got}");
}

#[tokio::test]
async fn a_deposit_counts_in_the_window_that_both_made_longer() {
    let mut real = Real::start().await;
    let trade = real.story.agreed().await;
    real.story.later(170).await;
    real.story.amend(trade, "lengthen").await;
    real.story.later(20).await;
    real.mine(1).await;
    assert_eq!(real.story.stage(trade).await, "awaiting_deposit", "the first window would be over");
    real.deposit(trade, 1_000_000).await;
    let got = real.ends(trade).await.to_sat();
    assert!((990_000..1_000_000).contains(&got), "alice got {got}");
}
