//! The people of a story: alice buys, bob sells, carol arbitrates. Each has a wallet of their own and signs in Rust
//! what a browser or a hardware wallet would sign; everything they do goes through the desk's own doors.

use std::collections::BTreeMap;

use bitcoin::{Address, Amount, Psbt};
use jiff::SignedDuration;
use trine::desk::keys::{self, Owner};
use trine::desk::offers::{self, OfferForm};
use trine::desk::payment_accounts::{self, AccountForm};
use trine::desk::take::{self, TakeForm};
use trine::desk::{admin, arbitrators, trade_facts, worker};
use trine::domain::offer::OfferInput;
use trine::domain::{KeyId, PublicRef, Role, UserId};
use trine::partners::keys::Wallet;

use super::{Browser, Seen, Site, Start};

/// Somebody with a browser and a wallet.
pub struct Person {
    pub name: &'static str,
    pub id: UserId,
    pub browser: Browser,
    pub wallet: Wallet,
    pub key: KeyId,
    pub account: String,
    /// Where this person gets bitcoin.
    pub address: Address,
}

/// A desk with alice, bob and carol on it, a rate, and bob's offer to sell.
pub struct Story {
    pub site: Site,
    pub alice: Person,
    pub bob: Person,
    pub carol: Person,
    pub offer: PublicRef,
}

/// A new story: everything is ready for alice to take bob's offer.
pub async fn story() -> Story {
    story_with(Start::default()).await
}

/// The same on a desk with other rules.
pub async fn story_with(start: Start) -> Story {
    let site = Site::start_with(start).await;
    let carol = person(&site, "carol", Role::Arbitrator).await;
    let alice = person(&site, "alice", Role::Trader).await;
    let bob = person(&site, "bob-s", Role::Trader).await;
    admin::set_rate(&site.desk, "EUR", "50000".parse().unwrap()).await.unwrap();
    let offer = offers::post(&site.desk, bob.id, &offer_form(&bob, "sell")).await.unwrap();
    worker::work_once(&site.desk).await.unwrap();
    Story { site, alice, bob, carol, offer }
}

/// An offer of 100 to 1000 euros at a fixed price.
pub fn offer_form(maker: &Person, side: &str) -> OfferForm {
    OfferForm {
        input: offer_input(side, &maker.account),
        key: maker.key.to_string(),
        address: maker.address.to_string(),
    }
}

/// The same without its key and address.
pub fn offer_input(side: &str, account: &str) -> OfferInput {
    OfferInput {
        side: side.into(),
        currency: "EUR".into(),
        accounts: vec![account.to_owned()],
        pricing: "fixed".into(),
        price: "50000".into(),
        total: "1000".into(),
        min: "100".into(),
        max: "1000".into(),
        ..Default::default()
    }
}

pub async fn person(site: &Site, name: &'static str, role: Role) -> Person {
    let browser = site.register(name).await;
    let sql = site.sql().await;
    let id = UserId(sql.query_one("SELECT id FROM accounts WHERE name = $1", &[&name]).await.unwrap().get(0));
    if role == Role::Arbitrator {
        arbitrators::appoint(&site.desk, name, "carol@example.org", Amount::from_sat(1_000_000_000)).await.unwrap();
    }
    let network = site.desk.rules.network;
    let wallet = Wallet::new(network).unwrap();
    let text = format!("{}{}", wallet.origin(0).unwrap(), wallet.xpub(0).unwrap());
    let key = keys::register(&site.desk, Owner { account: id, name, role }, &text, None).await.unwrap();
    let mut account = String::new();
    if role == Role::Arbitrator {
        let drill = arbitrators::drill(&site.desk, id).await.unwrap();
        let mut psbt: Psbt = drill.psbt.parse().unwrap();
        wallet.sign(&mut psbt).unwrap();
        arbitrators::sign_drill(&site.desk, id, psbt.to_string().as_bytes()).await.unwrap();
    } else {
        let fields = [("name", format!("{name} Example")), ("iban", "DE89370400440532013000".to_owned())];
        let fields: BTreeMap<String, String> = fields.map(|(k, v)| (k.to_owned(), v)).into();
        let form = AccountForm { method: "sepa".into(), label: "my bank".into(), fields };
        account = payment_accounts::add(&site.desk, id, &form).await.unwrap().to_string();
    }
    let secp = bitcoin::secp256k1::Secp256k1::new();
    let receiving = wallet.receiving_xpub().unwrap();
    let child = receiving.derive_pub(&secp, &[bitcoin::bip32::ChildNumber::from_normal_idx(0).unwrap()]).unwrap();
    let address = Address::p2wpkh(&bitcoin::CompressedPublicKey(child.public_key), network);
    Person { name, id, browser, wallet, key, account, address }
}

impl Person {
    /// Signs every PSBT of a signing page in the own wallet.
    pub async fn signatures(&self, page: &str) -> String {
        let seen = self.browser.get(page).await;
        assert_eq!(seen.status, 200, "{page}:\n{}", seen.words());
        self.signed(&seen).unwrap_or_else(|why| panic!("{page}: {why}"))
    }

    /// The PSBTs of a signing page, signed; not if the wallet finds nothing that it has not signed yet.
    pub fn signed(&self, page: &Seen) -> anyhow::Result<String> {
        let envelope = page.envelope();
        let psbts = envelope["psbts"].as_array().unwrap();
        let signed = psbts.iter().map(|one| {
            let mut psbt: Psbt = one["base64"].as_str().unwrap().parse()?;
            self.wallet.sign(&mut psbt)?;
            Ok(psbt.to_string())
        });
        Ok(signed.collect::<anyhow::Result<Vec<_>>>()?.join("\n"))
    }
}

impl Story {
    /// Alice takes 500 euros of bob's offer.
    pub async fn take(&self) -> PublicRef {
        self.take_by(&self.alice, "500").await
    }

    pub async fn take_by(&self, taker: &Person, amount: &str) -> PublicRef {
        let form = TakeForm {
            amount: amount.into(),
            payment_account: taker.account.clone(),
            key: taker.key.to_string(),
            address: taker.address.to_string(),
            offer_version: "1".into(),
            price_seen: "50000".into(),
        };
        take::take(&self.site.desk, taker.id, self.offer, &form).await.unwrap()
    }

    /// The version of a trade, as a page of it would carry.
    pub async fn version(&self, trade: PublicRef, who: &Person) -> String {
        trade_facts::party(&self.site.desk, trade, who.id).await.unwrap().0.state.version.to_string()
    }

    pub async fn stage(&self, trade: PublicRef) -> String {
        trade_facts::party(&self.site.desk, trade, self.bob.id).await.unwrap().0.state.stage.to_string()
    }

    /// Signs a signing page and sends it with its ticks; the answer.
    pub async fn sign(&self, who: &Person, trade: PublicRef, place: &str, ticks: &[&str]) -> Seen {
        let path = format!("/trades/{trade}/{place}");
        let signatures = who.signatures(&path).await;
        let version = self.version(trade, who).await;
        let mut fields = vec![("version", version.as_str()), ("signatures", signatures.as_str())];
        fields.extend(ticks.iter().map(|tick| (*tick, "yes")));
        who.browser.post(&path, &fields).await
    }

    /// The same, and it is accepted.
    pub async fn signs(&self, who: &Person, trade: PublicRef, place: &str, ticks: &[&str]) {
        let seen = self.sign(who, trade, place, ticks).await;
        assert_eq!(seen.status, 303, "{} signs {place}:\n{}", who.name, seen.words());
        self.work().await;
    }

    /// Presses a button of the trade page.
    pub async fn press(&self, who: &Person, trade: PublicRef, place: &str) -> Seen {
        let version = self.version(trade, who).await;
        let seen = who.browser.post(&format!("/trades/{trade}/{place}"), &[("version", version.as_str())]).await;
        self.work().await;
        seen
    }

    /// The desk does its own work once.
    pub async fn work(&self) {
        worker::work_once(&self.site.desk).await.unwrap();
    }

    pub async fn mine(&self, blocks: u32) {
        self.site.chain.mine(blocks, jiff::Timestamp::now()).unwrap();
        self.work().await;
        self.check_logs().await;
    }

    pub async fn later(&self, minutes: i64) {
        self.site.advance(SignedDuration::from_mins(minutes));
        self.work().await;
        self.check_logs().await;
    }

    /// Both have signed the contract.
    pub async fn agreed(&self) -> PublicRef {
        let trade = self.take().await;
        self.signs(&self.bob, trade, "contract-signature", &[]).await;
        self.signs(&self.alice, trade, "contract-signature", &[]).await;
        trade
    }

    /// Bob pays this much into the escrow, and it is confirmed.
    pub async fn deposit(&self, trade: PublicRef, amount: Amount) {
        let (row, _) = trade_facts::party(&self.site.desk, trade, self.bob.id).await.unwrap();
        self.site.chain.pay(&row.script, amount).unwrap();
        self.work().await;
        self.mine(row.state.confirmations).await;
    }

    /// The coins are in escrow.
    pub async fn funded(&self) -> PublicRef {
        let trade = self.agreed().await;
        let (row, _) = trade_facts::party(&self.site.desk, trade, self.bob.id).await.unwrap();
        self.deposit(trade, row.deposit).await;
        assert_eq!(self.stage(trade).await, "funded");
        trade
    }

    /// Alice has marked her payment.
    pub async fn paid(&self) -> PublicRef {
        let trade = self.funded().await;
        self.signs(&self.alice, trade, "payment", &["sent"]).await;
        assert_eq!(self.stage(trade).await, "payment_sent");
        trade
    }

    /// What reached somebody's address, confirmed.
    pub async fn got(&self, who: &Person) -> Amount {
        let script = who.address.script_pubkey();
        let height = trine::chain::Chain::tip(&*self.site.chain).await.unwrap().block.height;
        let blocks = (0..=height).map(|height| self.site.chain.block(height).unwrap());
        blocks
            .flat_map(|block| block.txdata)
            .flat_map(|transaction| transaction.output)
            .filter(|output| output.script_pubkey == script)
            .map(|output| output.value)
            .sum()
    }
}
