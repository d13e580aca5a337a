//! Somebody at a browser: registers, has a key, offers, takes, and signs.

use std::path::PathBuf;

use bitcoin::bip32::ChildNumber;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Address, CompressedPublicKey, Network, Psbt};
use trine::partners::keys::Wallet;

use crate::harness::PASSWORD;
use crate::harness::chrome::{Chrome, Way};
use crate::harness::proxy::Proxy;

/// Somebody at a browser, with paper beside it.
pub struct Actor {
    pub name: &'static str,
    pub chrome: Chrome,
    /// As written down from the screen.
    pub words: String,
    pub passphrase: String,
    /// Where this person gets bitcoin.
    pub address: Address,
    /// With JavaScript off the key is in a wallet of one's own, which signs files.
    pub wallet: Option<OwnWallet>,
}

/// A wallet beside the browser, and the folder in which it keeps the files it signed.
pub struct OwnWallet {
    keys: Wallet,
    folder: PathBuf,
}

impl OwnWallet {
    fn of(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("trine-wallet-{name}-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        Self { keys: Wallet::new(Network::Regtest).unwrap(), folder }
    }

    /// Signs the file; where the signed one is.
    fn signs(&self, file: &[u8]) -> PathBuf {
        let mut psbt = Psbt::deserialize(file).unwrap();
        self.keys.sign(&mut psbt).unwrap();
        let signed = self.folder.join(format!("{}.psbt", psbt.unsigned_tx.compute_txid()));
        std::fs::write(&signed, psbt.serialize()).unwrap();
        signed
    }
}

impl Drop for OwnWallet {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Actor {
    /// Opens a browser and registers.
    pub async fn enters_as(proxy: &Proxy, name: &'static str, way: Way) -> Self {
        let chrome = Chrome::open_as(&proxy.origin, way).await;
        chrome.goto("/register").await;
        chrome.fill("#f-name", name).await;
        chrome.fill("#f-password", PASSWORD).await;
        chrome.press("Register").await;
        chrome.find("main .code").await;
        let wallet = (way == Way::NoScript).then(|| OwnWallet::of(name));
        Self { name, chrome, words: String::new(), passphrase: String::new(), address: address(), wallet }
    }

    pub async fn has_a_key(self) -> Self {
        let Some(wallet) = &self.wallet else { return self.makes_a_key().await };
        let key = format!("{}{}", wallet.keys.origin(0).unwrap(), wallet.keys.xpub(0).unwrap());
        self.chrome.goto("/keys/wallet").await;
        self.chrome.fill("#f-key", &key).await;
        self.chrome.press("Register this key").await;
        self.chrome.arrives("/keys").await;
        self
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
        if self.wallet.is_some() {
            assert!(self.chrome.words("[data-signer=unchecked]").await.contains("this address is the desk's word"));
            return;
        }
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
        if let Some(wallet) = &self.wallet {
            return self.signs_a_file(wallet).await;
        }
        self.chrome.find("#signer-app[data-state]:not([data-state=checking])").await;
        if let Some(refusal) = self.refusal().await {
            panic!("{} is refused: {refusal:?}", self.name);
        }
        self.chrome.fill("#signer-passphrase", &self.passphrase).await;
        self.chrome.click("#signer-sign").await;
    }

    /// Downloads the files that the page asks to be signed, of several those that are needed, and brings them back signed.
    async fn signs_a_file(&self, wallet: &OwnWallet) {
        let chrome = &self.chrome;
        let needed = |place: usize| format!("#signing li:nth-child({place}):has(.tag) > a[download]");
        let mut links = Vec::new();
        for place in 1..=3 {
            if chrome.has(&needed(place)).await {
                links.push(needed(place));
            }
        }
        if links.is_empty() {
            links.push("#signing li a[download], a[href$='/psbt'][download]".to_owned());
        }
        for link in links {
            let signed = wallet.signs(&chrome.downloads(&link).await);
            chrome.chooses("#f-file", &signed).await;
        }
        chrome.click("#signing .btn.big").await;
    }

    /// Signs the page that is open, and is led on by the desk.
    pub async fn signs(&self) {
        // The page before lives, and may still be shown for a moment.
        self.chrome.find("#signing").await;
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
