//! Somebody new, with a wallet of their own, who knows only the pages.

use bitcoin::Network;
use trine::partners::door::{Door, Form, form};
use trine::partners::keys::Wallet;
use trine::partners::papers::{Envelope, Expected, Signer};

use super::process::Practice;

pub struct Newcomer {
    pub name: &'static str,
    pub door: Door,
    pub wallet: Wallet,
}

impl Newcomer {
    /// Registers, with a key and ways to be paid in two currencies.
    pub async fn enter(practice: &Practice, name: &'static str) -> Self {
        let door = Door::new(&practice.site.origin).unwrap();
        let wallet = Wallet::new(Network::Regtest).unwrap();
        let me = Self { name, door, wallet };
        let form = me.door.form("/register", "/register").await.unwrap();
        me.send(form.with("name", name).with("password", crate::harness::PASSWORD)).await;
        let key = format!("{}{}", me.wallet.origin(0).unwrap(), me.wallet.xpub(0).unwrap());
        let form = me.door.form("/keys/wallet", "/keys/wallet").await.unwrap();
        me.send(form.with("key", key)).await;
        for (method, fields) in [
            ("sepa_instant", vec![("name", "Nora New"), ("iban", "DE89370400440532013000")]),
            ("wise", vec![("name", "Nora New"), ("handle", "@noranew")]),
        ] {
            let page = format!("/payment-accounts/new?method={method}");
            let form = me.door.form(&page, "/payment-accounts").await.unwrap();
            me.send(fields.into_iter().fold(form, |form, (field, value)| form.with(field, value))).await;
        }
        me
    }

    async fn send(&self, form: Form) -> String {
        self.door.send(&form).await.unwrap()
    }

    /// Takes so much of an offer; the trade's reference.
    pub async fn takes(&self, offer: &str, amount: &str) -> String {
        let action = format!("/offers/{offer}/take");
        let first = self.door.form(&format!("{action}?amount={amount}"), &action).await.unwrap();
        let address = self.wallet.receiving_address(0).unwrap().to_string();
        let summary = self.send(first.with("address", address).ticked("payment_account")).await;
        let path = self.send(form(&summary, &action).expect("a summary to confirm")).await;
        path.strip_prefix("/trades/").expect("a trade").to_owned()
    }

    /// Signs what a page of the trade asks for, having checked it, with all boxes ticked.
    pub async fn signs(&self, trade: &str, place: &str, expected: Expected) {
        let path = format!("/trades/{trade}/{place}");
        let page = self.door.page(&path).await.unwrap();
        let signer = Signer { name: self.name, wallet: &self.wallet };
        let paper = Envelope::of(&page).unwrap().check(trade.parse().unwrap(), &signer, expected).unwrap();
        let sign = |mut psbt| {
            self.wallet.sign(&mut psbt).unwrap();
            psbt.to_string()
        };
        let signatures: Vec<String> = paper.psbts.into_iter().map(sign).collect();
        let ticks = ["sent", "own_account", "amount", "payer", "not_paid", "final"];
        let form = ticks.into_iter().fold(form(&page, &path).unwrap(), Form::ticked);
        self.door.send_with_file(&form.with("signatures", signatures.join("\n")), None).await.unwrap();
    }

    /// Presses one of the sentences on the trade's page.
    pub async fn says(&self, trade: &str, words: &str) {
        let form = self.door.form(&format!("/trades/{trade}"), &format!("/trades/{trade}/messages")).await.unwrap();
        self.door.send_with_file(&form.with("text", words), None).await.unwrap();
    }

    /// Sends a form of a page of the trade.
    pub async fn fills(&self, trade: &str, page: &str, action: &str, fields: &[(&str, &str)]) {
        let (page, action) = (format!("/trades/{trade}{page}"), action.replace("{trade}", trade));
        let form = self.door.form(&page, &action).await.unwrap();
        self.send(fields.iter().fold(form, |form, (name, value)| form.with(name, *value))).await;
    }
}
