//! A buyer, a seller and an arbitrator, each in a browser of their own. All they do, they do on the pages.

use bitcoin::bip32::ChildNumber;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Address, Amount, CompressedPublicKey, Network, ScriptBuf};
use jiff::SignedDuration;
use tokio::sync::SemaphorePermit;
use trine::desk::{admin, arbitrators, worker};
use trine::partners::keys::Wallet;

use crate::harness::chrome::{Chrome, turn};
use crate::harness::proxy::Proxy;
use crate::harness::site::Log;
use crate::harness::{PASSWORD, Site, Start};

/// Somebody at a browser, with paper beside it.
pub struct Actor {
    pub name: &'static str,
    pub chrome: Chrome,
    /// As written down from the screen.
    pub words: String,
    pub passphrase: String,
    /// Where this person gets bitcoin.
    pub address: Address,
}

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

    pub async fn start_with(start: Start) -> Self {
        let turn = turn().await;
        let log = Log::default();
        let site = Site::start_with(Start { log: Some(log.clone()), ..start }).await;
        admin::set_rate(&site.desk, "EUR", "50000".parse().unwrap()).await.unwrap();
        let proxy = Proxy::before(&site.origin);
        let arbitrator = Actor::enters(&proxy, "ada-rules").await;
        let limit = Amount::from_sat(1_000_000_000);
        arbitrators::appoint(&site.desk, arbitrator.name, "ada@example.org", limit).await.unwrap();
        let arbitrator = arbitrator.makes_a_key().await;
        arbitrator.drills().await;
        let buyer = Actor::enters(&proxy, "bea-buys").await.makes_a_key().await;
        buyer.adds_an_account().await;
        let seller = Actor::enters(&proxy, "sol-sells").await.makes_a_key().await;
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
        seller.chrome.click("form[action='/practice/deposit'] button").await;
        seller.chrome.reads("on its way").await;
        self.is_mined(seller, "The coins are locked").await;
    }

    /// Presses "Mine a block" on the trade's page until it has these words.
    async fn is_mined(&self, who: &Actor, words: &str) {
        for _ in 0..6 {
            who.chrome.click("form[action='/practice/blocks'] button").await;
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
        self.buyer.opens(trade).await;
        self.buyer.chrome.press("I have sent 500.00 EUR").await;
        self.buyer.ticks(&["sent"]).await;
        self.buyer.signs().await;
        self.buyer.chrome.reads("Waiting for sol-sells to release").await;
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

impl Actor {
    /// Opens a browser and registers.
    pub async fn enters(proxy: &Proxy, name: &'static str) -> Self {
        let chrome = Chrome::open(&proxy.origin).await;
        chrome.goto("/register").await;
        chrome.fill("#f-name", name).await;
        chrome.fill("#f-password", PASSWORD).await;
        chrome.press("Register").await;
        chrome.find("main .code").await;
        Self { name, chrome, words: String::new(), passphrase: String::new(), address: address() }
    }

    /// Makes a key in the browser: twelve words, three of them asked back, a suggested passphrase.
    pub async fn makes_a_key(mut self) -> Self {
        let chrome = &self.chrome;
        chrome.goto("/keys/browser").await;
        chrome.click("#make-words").await;
        chrome.find("#words li").await;
        let script = "return [...document.querySelectorAll('#words li')].map((li) => li.textContent).join(' ')";
        let words = chrome.run(script).await.as_str().unwrap().to_owned();
        let list: Vec<&str> = words.split(' ').collect();
        assert_eq!(list.len(), 12);
        chrome.click("#words-written").await;
        chrome.find("[data-word-number]").await;
        let script =
            "return [...document.querySelectorAll('[data-word-number]')].map((one) => +one.dataset.wordNumber)";
        let asked = chrome.run(script).await;
        assert_eq!(asked.as_array().unwrap().len(), 3);
        for number in asked.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()) {
            let word = list[usize::try_from(number).unwrap() - 1];
            chrome.fill(&format!("[data-word-number='{number}']"), word).await;
        }
        chrome.click("#words-check").await;
        let passphrase = self.seals_the_key().await;
        (self.words, self.passphrase) = (words, passphrase);
        self
    }

    /// Takes the passphrase that is suggested, and seals the key with it; the passphrase.
    pub async fn seals_the_key(&self) -> String {
        let chrome = &self.chrome;
        chrome.click("#passphrase-suggest").await;
        let passphrase = chrome.content("#passphrase-suggestion").await;
        chrome.fill("#passphrase", &passphrase).await;
        chrome.fill("#passphrase-again", &passphrase).await;
        chrome.click("#passphrase-set").await;
        chrome.find("[data-step=done]").await;
        chrome.click("#key-form button").await;
        chrome.arrives("/keys").await;
        passphrase
    }

    /// The arbitrator shows that the key can sign.
    pub async fn drills(&self) {
        self.chrome.goto("/keys/drill").await;
        self.unlocks().await;
        self.chrome.find(".note.good").await;
    }

    pub async fn adds_an_account(&self) {
        self.chrome.goto("/payment-accounts/new?method=sepa").await;
        self.chrome.fill("#f-name", &format!("{} Example", self.name)).await;
        self.chrome.fill("#f-iban", "DE89370400440532013000").await;
        self.chrome.press("Save").await;
        self.chrome.arrives("/payment-accounts").await;
    }

    /// Posts an offer of 1500 euros, 100 to 1000 each time, at 50,000; its reference.
    pub async fn offers(&self, side: &str) -> String {
        let chrome = &self.chrome;
        chrome.goto(&format!("/offers/new?side={side}&currency=EUR")).await;
        chrome.tick("input[name=accounts]").await;
        chrome.tick("input[name=pricing][value=fixed]").await;
        for (field, value) in [("price", "50000"), ("total", "1500"), ("min", "100"), ("max", "1000")] {
            chrome.fill(&format!("input[name={field}]"), value).await;
        }
        chrome.fill("#f-address", &self.address.to_string()).await;
        chrome.press("Post the offer").await;
        self.stands_at("/offers/").await
    }

    /// Takes 500 euros of an offer; the reference of the trade.
    pub async fn takes(&self, offer: &str) -> String {
        let chrome = &self.chrome;
        chrome.goto(&format!("/offers/{offer}/take?amount=500")).await;
        chrome.fill("#f-address", &self.address.to_string()).await;
        chrome.tick("input[name=payment_account]").await;
        chrome.press("Go on to the summary").await;
        chrome.find("input[type=hidden][name=price_seen]").await;
        chrome.click("main form .btn.big").await;
        self.stands_at("/trades/").await
    }

    /// The reference behind a prefix in the URL, when the browser has come there.
    async fn stands_at(&self, prefix: &str) -> String {
        for _ in 0..100 {
            let path = self.chrome.path().await;
            let rest = path.strip_prefix(prefix).unwrap_or_default();
            if rest.len() == 8 && rest != "new" {
                return rest.to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{} is at {}:\n{}", self.name, self.chrome.path().await, self.chrome.words("main").await)
    }

    pub async fn opens(&self, trade: &str) {
        self.chrome.goto(&format!("/trades/{trade}")).await;
    }

    /// The funding page has checked the contract, and only then shows where to pay.
    pub async fn sees_the_address(&self, trade: &str) {
        self.opens(trade).await;
        self.chrome.press("Check and show the address").await;
        self.chrome.find("[data-signer=address][data-checked=yes]").await;
        assert!(self.chrome.words("[data-signer=checked]").await.contains("checks passed"));
    }

    pub async fn ticks(&self, boxes: &[&str]) {
        for name in boxes {
            self.chrome.tick(&format!("#t-{name}")).await;
        }
    }

    /// Types the passphrase where the page, having checked everything, asks for it.
    pub async fn unlocks(&self) {
        self.chrome.find("#signer-app[data-state]:not([data-state=checking])").await;
        if let Some(refusal) = self.refusal().await {
            panic!("{} is refused: {refusal:?}", self.name);
        }
        self.chrome.fill("#signer-passphrase", &self.passphrase).await;
        self.chrome.click("#signer-sign").await;
    }

    /// Signs the page that is open, and is led on by the desk.
    pub async fn signs(&self) {
        let here = self.chrome.path().await;
        self.unlocks().await;
        self.chrome.leaves(&here).await;
    }

    pub async fn signs_at(&self, path: &str) {
        self.chrome.goto(path).await;
        self.signs().await;
    }

    /// Kind and words of the signer's refusal, when there is one.
    pub async fn refusal(&self) -> Option<(String, String)> {
        self.chrome.find("#signer-app[data-state]:not([data-state=checking])").await;
        if !self.chrome.has("#signer-app [data-refusal]").await {
            return None;
        }
        let alert = self.chrome.find("#signer-app [data-refusal]").await;
        Some((alert.attr("data-refusal").await.unwrap().unwrap(), alert.text().await.unwrap()))
    }
}

/// A fresh address of a wallet that is no part of the story.
fn address() -> Address {
    let receiving = Wallet::new(Network::Regtest).unwrap().receiving_xpub().unwrap();
    let child = receiving.derive_pub(&Secp256k1::new(), &[ChildNumber::from_normal_idx(0).unwrap()]).unwrap();
    Address::p2wpkh(&CompressedPublicKey(child.public_key), Network::Regtest)
}
