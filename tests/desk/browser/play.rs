//! A buyer, a seller and an arbitrator, each in a browser of their own. All they do, they do on the pages.

use bitcoin::{Amount, ScriptBuf};
use jiff::SignedDuration;
use tokio::sync::SemaphorePermit;
use trine::desk::{admin, arbitrators, worker};

use super::actor::Actor;
use crate::harness::chrome::{Way, turn};
use crate::harness::proxy::Proxy;
use crate::harness::site::Log;
use crate::harness::{Site, Start};

/// A desk behind a proxy that watches, and three people.
pub struct Play {
    pub buyer: Actor,
    pub seller: Actor,
    pub arbitrator: Actor,
    pub proxy: Proxy,
    pub site: Site,
    pub log: Log,
    _turn: SemaphorePermit<'static>,
}

impl Play {
    /// All three are registered, have keys made in their browsers, and can trade.
    pub async fn start() -> Self {
        Self::start_with(Start::default()).await
    }

    /// Everybody uses the browser in this way.
    pub async fn start_as(way: Way) -> Self {
        Self::start_as_with(way, Start::default()).await
    }

    pub async fn start_with(start: Start) -> Self {
        Self::start_as_with(Way::Mouse, start).await
    }

    async fn start_as_with(way: Way, start: Start) -> Self {
        let turn = turn().await;
        let log = Log::default();
        let site = Site::start_with(Start { log: Some(log.clone()), ..start }).await;
        admin::set_rate(&site.desk, "EUR", "50000".parse().unwrap()).await.unwrap();
        let proxy = Proxy::before(&site.origin);
        let arbitrator = Actor::enters_as(&proxy, "ada-rules", way).await;
        let limit = Amount::from_sat(1_000_000_000);
        arbitrators::appoint(&site.desk, arbitrator.name, "ada@example.org", limit).await.unwrap();
        let arbitrator = arbitrator.has_a_key().await;
        arbitrator.drills().await;
        let buyer = Actor::enters_as(&proxy, "bea-buys", way).await.has_a_key().await;
        buyer.adds_an_account().await;
        let seller = Actor::enters_as(&proxy, "sol-sells", way).await.has_a_key().await;
        seller.adds_an_account().await;
        let play = Self { buyer, seller, arbitrator, proxy, site, log, _turn: turn };
        play.work().await;
        play
    }

    /// The desk does its own work once.
    pub async fn work(&self) {
        worker::work_once(&self.site.desk).await.unwrap();
    }

    pub async fn later(&self, minutes: i64) {
        self.site.advance(SignedDuration::from_mins(minutes));
        self.work().await;
    }

    /// The seller offers, the buyer takes 500 euros of it: 0.01 BTC.
    pub async fn sale(&self) -> String {
        let offer = self.seller.offers("sell").await;
        self.buyer.takes(&offer).await
    }

    /// The same trade, the other way round: the buyer offers, the seller takes.
    pub async fn purchase(&self) -> String {
        let offer = self.buyer.offers("buy").await;
        self.seller.takes(&offer).await
    }

    pub async fn both_sign_the_contract(&self, trade: &str) {
        for who in [&self.seller, &self.buyer] {
            who.opens(trade).await;
            who.chrome.press("Read and sign the contract").await;
            who.signs().await;
            self.work().await;
        }
    }

    /// The seller pays what the checked page asks for, and it is mined.
    pub async fn is_funded(&self, trade: &str) {
        let seller = &self.seller;
        seller.sees_the_address(trade).await;
        seller.opens(trade).await;
        seller.chrome.posts("form[action='/practice/deposit'] button").await;
        seller.chrome.reads("on its way").await;
        self.is_mined(seller, "The coins are locked").await;
    }

    /// Presses "Mine a block" on the trade's page until it has these words.
    async fn is_mined(&self, who: &Actor, words: &str) {
        for _ in 0..6 {
            who.chrome.posts("form[action='/practice/blocks'] button").await;
            self.work().await;
            who.chrome.goto(&who.chrome.path().await).await;
            if who.chrome.words("main").await.contains(words) {
                return;
            }
        }
        panic!("six blocks, and never {words:?}:\n{}", who.chrome.words("main").await);
    }

    /// Everything up to coins in escrow.
    pub async fn funded_sale(&self) -> String {
        let trade = self.sale().await;
        self.both_sign_the_contract(&trade).await;
        self.is_funded(&trade).await;
        trade
    }

    pub async fn payment_is_marked(&self, trade: &str) {
        self.payment_is_about_to_be_marked(trade).await;
        self.buyer.signs().await;
        self.buyer.chrome.reads("Waiting for sol-sells to release").await;
    }

    /// The buyer stands at the signing page, and has ticked what it asks.
    pub async fn payment_is_about_to_be_marked(&self, trade: &str) {
        self.buyer.opens(trade).await;
        self.buyer.chrome.press("I have sent 500.00 EUR").await;
        self.buyer.ticks(&["sent"]).await;
    }

    pub async fn is_released(&self, trade: &str) {
        self.seller.opens(trade).await;
        self.seller.chrome.press("It is there: release the coins").await;
        self.seller.ticks(&["own_account", "amount", "payer"]).await;
        self.seller.signs().await;
        self.work().await;
    }

    /// The payout is mined; both read that the trade is over.
    pub async fn is_completed(&self, trade: &str) {
        self.work().await;
        self.seller.opens(trade).await;
        self.is_mined(&self.seller, "Completed").await;
        for who in [&self.buyer, &self.seller] {
            who.opens(trade).await;
            who.chrome.reads("Completed").await;
        }
        assert_eq!(self.stage(trade).await, "completed");
    }

    pub async fn stage(&self, trade: &str) -> String {
        let sql = self.site.sql().await;
        sql.query_one("SELECT stage FROM trades WHERE reference = $1", &[&trade]).await.unwrap().get(0)
    }

    /// The contract both sign.
    pub async fn contract(&self, trade: &str) -> serde_json::Value {
        let sql = self.site.sql().await;
        let row = sql.query_one("SELECT contract_text FROM trades WHERE reference = $1", &[&trade]).await.unwrap();
        serde_json::from_str(row.get(0)).unwrap()
    }

    /// Script and deposit due of a trade's escrow.
    pub async fn escrow(&self, trade: &str) -> (ScriptBuf, Amount) {
        let contract = self.contract(trade).await;
        let address: bitcoin::Address<_> = contract["address"].as_str().unwrap().parse().unwrap();
        let due = Amount::from_sat(contract["deposit_sat"].as_u64().unwrap());
        (address.assume_checked().script_pubkey(), due)
    }

    /// So much comes to the escrow, as deep as it has to be.
    pub async fn comes(&self, trade: &str, sats: u64) {
        self.site.chain.pay(&self.escrow(trade).await.0, Amount::from_sat(sats)).unwrap();
        self.work().await;
        self.site.mine(2);
        self.work().await;
    }

    /// The seller proposes to trade what is in escrow, and stands at the signing page.
    pub async fn scaling_down_is_proposed(&self, trade: &str) {
        self.seller.opens(trade).await;
        self.seller.chrome.press("Change the contract instead").await;
        self.seller.chrome.press("Propose to scale down").await;
        self.seller.chrome.find("#signer-app[data-state]:not([data-state=checking])").await;
    }

    /// Somebody pays the escrow once more.
    pub async fn a_stray_comes(&self, trade: &str) {
        self.site.chain.pay(&self.escrow(trade).await.0, Amount::from_sat(100_000)).unwrap();
        self.work().await;
        self.site.mine(6);
        self.work().await;
    }

    /// What reached somebody's address on the practice chain.
    pub async fn got(&self, who: &Actor) -> u64 {
        let script = who.address.script_pubkey();
        let height = trine::chain::Chain::tip(&*self.site.chain).await.unwrap().block.height;
        let blocks = (0..=height).map(|height| self.site.chain.block(height).unwrap());
        let outputs = blocks.flat_map(|block| block.txdata).flat_map(|transaction| transaction.output);
        outputs.filter(|output| output.script_pubkey == script).map(|output| output.value.to_sat()).sum()
    }
}
