//! The same stories on a real Bitcoin Core: the desk and its people know no other chain, and coins move in its blocks.

use bitcoin::Amount;
use trine::chain::Chain;
use trine::desk::Rules;

use super::actor::Actor;
use super::play::Play;
use crate::chains::coins::pay;
use crate::chains::world::World;
use crate::harness::Start;

/// What a sensible wallet would pay the miners.
const FEE: u64 = 1_000;

struct RealPlay {
    play: Play,
    world: World,
}

impl RealPlay {
    async fn start() -> Self {
        let world = World::core().await;
        let rules = Rules { practice: false, ..Rules::default() };
        let chain: std::sync::Arc<dyn Chain> = world.chain.clone();
        let play = Play::start_with(Start { chain: Some(chain), rules, ..Start::default() }).await;
        Self { play, world }
    }

    /// As many blocks as the contract asks for.
    async fn mine(&self, trade: &str) {
        let depth = self.play.contract(trade).await["confirmations"].as_u64().unwrap();
        self.world.mine(u32::try_from(depth).unwrap()).await;
        self.play.work().await;
    }

    /// Both have signed; the seller pays the address that his page has checked.
    async fn funded_sale(&mut self) -> String {
        let play = &self.play;
        let trade = play.sale().await;
        play.both_sign_the_contract(&trade).await;
        let (script, deposit) = play.escrow(&trade).await;
        play.seller.sees_the_address(&trade).await;
        let coin = self.world.coin().await;
        self.world.broadcast(&pay(&coin, &[(script, deposit.to_sat())], FEE)).await;
        self.play.work().await;
        self.play.seller.opens(&trade).await;
        self.play.seller.chrome.reads("on its way").await;
        self.mine(&trade).await;
        assert_eq!(self.play.stage(&trade).await, "funded");
        trade
    }

    /// The payout is in a block of the real chain and pays this person at least this much.
    async fn is_paid_in_a_block(&self, trade: &str, who: &Actor, at_least: u64) {
        let sql = self.play.site.sql().await;
        let row = sql.query_one("SELECT payout_txid FROM trades WHERE reference = $1", &[&trade]).await.unwrap();
        let txid: Vec<u8> = row.get(0);
        let (tip, mut mined) = (self.world.height().await, Vec::new());
        for height in tip - 6..=tip {
            mined.extend(self.world.block(height).await.txdata);
        }
        let paid = mined.iter().find(|one| txid_bytes(one) == txid).expect("the payout is in one of the last blocks");
        let script = who.address.script_pubkey();
        let got: Amount = paid.output.iter().filter(|one| one.script_pubkey == script).map(|one| one.value).sum();
        assert!(got.to_sat() >= at_least, "{} got {got}", who.name);
        assert_eq!(self.play.stage(trade).await, "completed");
    }
}

fn txid_bytes(transaction: &bitcoin::Transaction) -> Vec<u8> {
    use bitcoin::hashes::Hash;
    transaction.compute_txid().to_byte_array().to_vec()
}

#[tokio::test]
async fn a_purchase_ends_in_a_block() {
    let mut real = RealPlay::start().await;
    let trade = real.funded_sale().await;
    real.play.payment_is_marked(&trade).await;
    real.play.is_released(&trade).await;
    assert_eq!(real.play.stage(&trade).await, "paying_out");
    real.mine(&trade).await;
    real.is_paid_in_a_block(&trade, &real.play.buyer, 990_000).await;
    real.play.buyer.opens(&trade).await;
    real.play.buyer.chrome.reads("Completed").await;
}

#[tokio::test]
async fn a_ruling_ends_in_a_block() {
    let mut real = RealPlay::start().await;
    let trade = real.funded_sale().await;
    real.play.payment_is_marked(&trade).await;
    real.play.is_disputed(&trade).await;
    real.play.is_ruled(&trade).await;
    real.play.is_accepted(&trade).await;
    real.play.is_carried_out(&trade).await;
    assert_eq!(real.play.stage(&trade).await, "paying_out");
    real.mine(&trade).await;
    real.is_paid_in_a_block(&trade, &real.play.buyer, 590_000).await;
    real.is_paid_in_a_block(&trade, &real.play.seller, 390_000).await;
}
