//! Payment accounts, offers, the board, people: over HTTP.

use trine::desk::admin;
use uuid::Uuid;

use crate::harness::{Browser, Seen, Site};

mod accounts;
mod board;
mod makers;
mod takers;

/// Somebody with a key, a SEPA Instant account and a Wise account in EUR.
pub struct Maker {
    pub browser: Browser,
    pub key: String,
    pub sepa: String,
}

/// An address of the test's network for each letter.
pub fn address(seed: u8) -> String {
    use bitcoin::hashes::Hash;
    let program = bitcoin::WPubkeyHash::from_byte_array([seed; 20]);
    let script = bitcoin::ScriptBuf::new_p2wpkh(&program);
    bitcoin::Address::from_script(&script, bitcoin::Network::Regtest).unwrap().to_string()
}

/// A registered key, put where the keys' own pages would put it.
pub async fn give_key(site: &Site, name: &str, seed: u8) -> String {
    let id = Uuid::now_v7();
    let sql = site.sql().await;
    let (fingerprint, code) = (vec![seed; 4], vec![seed; 32]);
    let public = [&[2][..], &[seed; 32]].concat();
    sql.execute(
        "INSERT INTO signing_keys (id, account, kind, text, fingerprint, account_number, public_key, chain_code, created_at)
         SELECT $1, id, 'wallet', 'text', $3, 0, $4, $5, now() FROM accounts WHERE name = $2",
        &[&id, &name, &fingerprint, &public, &code],
    )
    .await
    .unwrap();
    id.to_string()
}

pub async fn maker(site: &Site, name: &str, seed: u8) -> Maker {
    let browser = site.register(name).await;
    let key = give_key(site, name, seed).await;
    let fields = [("method", "sepa_instant"), ("name", "Anna Keller"), ("iban", "DE89 3704 0044 0532 0130 00")];
    browser.submit("/payment-accounts", &fields).await;
    let sql = site.sql().await;
    let sepa: Uuid = sql
        .query_one(
            "SELECT p.id FROM payment_accounts p JOIN accounts a ON a.id = p.account WHERE a.name = $1",
            &[&name],
        )
        .await
        .unwrap()
        .get(0);
    Maker { browser, key, sepa: sepa.to_string() }
}

impl Maker {
    /// The fields of an offer to sell for EUR at a fixed price, some of them changed.
    pub fn offer(&self, changed: &[(&str, &str)]) -> Vec<(String, String)> {
        let address = address(1);
        let usual = [
            ("side", "sell"),
            ("currency", "EUR"),
            ("accounts", self.sepa.as_str()),
            ("pricing", "fixed"),
            ("price", "58712.20"),
            ("percent", ""),
            ("total", "5000"),
            ("min", "100"),
            ("max", "2500"),
            ("payment_window", ""),
            ("confirmations", "0"),
            ("terms", "Only from your **own** account."),
            ("key", self.key.as_str()),
            ("address", address.as_str()),
        ];
        let value = |name: &str, usual: &str| {
            changed.iter().find(|(other, _)| *other == name).map_or(usual, |(_, value)| *value).to_owned()
        };
        usual.iter().map(|(name, usual)| ((*name).to_owned(), value(name, usual))).collect()
    }

    pub async fn try_post(&self, changed: &[(&str, &str)]) -> Seen {
        send(&self.browser, "/offers", &self.offer(changed)).await
    }

    /// Posts an offer and gives its reference.
    pub async fn post(&self, changed: &[(&str, &str)]) -> String {
        let answer = self.try_post(changed).await;
        assert_eq!(answer.status, 303, "{}", answer.words());
        answer.location.unwrap().trim_start_matches("/offers/").to_owned()
    }
}

pub async fn send(browser: &Browser, path: &str, fields: &[(String, String)]) -> Seen {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(path, &fields).await
}

pub async fn set_rate(site: &Site, price: &str) {
    admin::set_rate(&site.desk, "EUR", price.parse().unwrap()).await.unwrap();
    site.site.board.stale();
}
