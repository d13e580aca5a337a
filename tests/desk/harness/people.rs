//! People with keys: a browser, and a wallet the desk never sees.

use std::ops::Deref;

use bitcoin::{Amount, Network, Psbt};
use trine::desk::admin;
use trine::partners::keys::Wallet;

use super::client::Browser;
use super::site::Site;

/// What an arbitrator of a test may hold at most: more than any test trades.
const EXPOSURE_LIMIT: Amount = Amount::from_sat(100_000_000_000);

/// Somebody with an account and a wallet; everything a browser can do, they can.
pub struct Person {
    pub browser: Browser,
    pub wallet: Wallet,
}

impl Deref for Person {
    type Target = Browser;
    fn deref(&self) -> &Browser {
        &self.browser
    }
}

impl Person {
    /// `[fingerprint/48'/1'/0'/2']tpub…`
    pub fn key(&self) -> String {
        key_of(&self.wallet, 0)
    }

    /// Signs a base64 PSBT; the signed one, in base64.
    pub fn sign(&self, psbt: &str) -> String {
        let mut psbt: Psbt = psbt.trim().parse().expect("a base64 PSBT");
        self.wallet.sign(&mut psbt).unwrap();
        psbt.to_string()
    }
}

/// A wallet's account key with its origin, as it is pasted.
pub fn key_of(wallet: &Wallet, account: u32) -> String {
    format!("{}{}", wallet.origin(account).unwrap(), wallet.xpub(account).unwrap())
}

impl Site {
    /// A new account with a new wallet's key.
    pub async fn trader(&self, name: &str) -> Person {
        self.with_key(name, Wallet::new(Network::Regtest).unwrap()).await
    }

    /// A new account with the key of these words.
    pub async fn trader_with_key(&self, name: &str, words: &str) -> Person {
        self.with_key(name, Wallet::from_words(words, Network::Regtest).unwrap()).await
    }

    /// An arbitrator on duty: appointed, with a key, drilled.
    pub async fn arbitrator(&self, name: &str) -> Person {
        let arbitrator = self.appointed(name).await;
        arbitrator.drill().await;
        arbitrator
    }

    /// An arbitrator who has a key and has not done the drill.
    pub async fn appointed(&self, name: &str) -> Person {
        let browser = self.register(name).await;
        admin::appoint(&self.desk, name, "mail me at the desk's own address", EXPOSURE_LIMIT).await.unwrap();
        let person = Person { browser, wallet: Wallet::new(Network::Regtest).unwrap() };
        person.submit("/keys/wallet", &[("key", &person.key())]).await;
        person
    }

    async fn with_key(&self, name: &str, wallet: Wallet) -> Person {
        let person = Person { browser: self.register(name).await, wallet };
        person.submit("/keys/wallet", &[("key", &person.key())]).await;
        person
    }
}

impl Person {
    /// Signs today's drill.
    pub async fn drill(&self) {
        let page = self.get("/keys/drill").await;
        let psbt = page.between("The same as text</summary><p class=\"mono keytext\">", "<").expect("a drill");
        self.submit("/keys/drill", &[("signatures", &self.sign(psbt))]).await;
    }
}
