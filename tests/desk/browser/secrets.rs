//! After a whole trade nothing that could sign is anywhere but with its owner.

use bitcoin::Network;
use bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv};
use bitcoin::secp256k1::Secp256k1;
use data_encoding::{BASE64, HEXLOWER};

use super::actor::Actor;
use super::play::Play;
use crate::harness::{PASSWORD, Site};

/// A secret's name and how it could look.
type Needle = (String, Vec<u8>);

#[tokio::test]
async fn no_secret_is_in_traffic_database_log_or_files() {
    let play = Play::start().await;
    let trade = play.funded_sale().await;
    play.payment_is_marked(&trade).await;
    play.is_released(&trade).await;
    play.is_completed(&trade).await;
    let key = play.buyer.chrome.run("return fetch('/keys').then((page) => page.text())").await;
    let file = key.as_str().unwrap().split('"').find(|part| part.starts_with("/keys/") && part.ends_with("/file"));
    for path in [file.unwrap(), &format!("/trades/{trade}/contract.json"), &format!("/trades/{trade}/room.txt")] {
        let script = format!("return fetch('{path}').then((file) => file.text())");
        assert!(play.buyer.chrome.run(&script).await.as_str().unwrap().len() > 50, "{path} is a file");
    }

    let index = escrow_index(&play.site, &trade).await;
    let people = [&play.buyer, &play.seller, &play.arbitrator];
    let needles: Vec<Needle> = people.into_iter().flat_map(|who| secrets(who, index)).collect();
    let traffic = Haystack::new(&play.proxy.traffic());
    let (database, log) = (Haystack::new(&database(&play.site).await), Haystack::new(&play.log.text()));
    for (place, text) in [("traffic", &traffic), ("database", &database), ("log", &log)] {
        for (name, needle) in &needles {
            assert!(!text.has(needle), "{name} is in the {place}");
        }
    }
    // The search finds what is there.
    assert!(traffic.has(PASSWORD.replace(' ', "+").as_bytes()), "passwords pass the wire");
    assert!(!log.has(PASSWORD.as_bytes()) && !database.has(PASSWORD.as_bytes()), "and go no further");
    assert!(database.has(b"aes-256-gcm") && traffic.has(b"aes-256-gcm"), "sealed keys are kept");
    assert!(log.has(b"/contract-signature"), "the log tells of requests");
}

/// Bytes to search, each as the character of its number: so the search is that of text, which is fast.
struct Haystack(String);

impl Haystack {
    fn new(bytes: &[u8]) -> Self {
        Self(bytes.iter().copied().map(char::from).collect())
    }

    fn has(&self, needle: &[u8]) -> bool {
        self.0.contains(&Self::new(needle).0)
    }
}

async fn escrow_index(site: &Site, trade: &str) -> u32 {
    let sql = site.sql().await;
    let row = sql.query_one("SELECT contract_text FROM trades WHERE reference = $1", &[&trade]).await.unwrap();
    let contract: serde_json::Value = serde_json::from_str(row.get(0)).unwrap();
    u32::try_from(contract["N"].as_u64().expect("a contract names its index")).unwrap()
}

/// Everything of one person that must never leave the page, in every form it could leave in.
fn secrets(who: &Actor, index: u32) -> Vec<Needle> {
    let mut found = Vec::new();
    let mut text = |name: &str, text: &str| {
        let name = format!("{}'s {name}", who.name);
        for shape in [text.to_owned(), text.replace(' ', "+"), text.replace(' ', "%20"), text.replace(' ', "\",\"")] {
            found.push((name.clone(), shape.into_bytes()));
        }
        found.push((name.clone(), HEXLOWER.encode(text.as_bytes()).into_bytes()));
        found.push((name, BASE64.encode(text.as_bytes()).trim_end_matches('=').as_bytes().to_vec()));
    };
    let words: Vec<&str> = who.words.split(' ').collect();
    for three in words.windows(3) {
        text("words", &three.join(" "));
    }
    text("passphrase", &who.passphrase);
    let seed = bip39::Mnemonic::parse_normalized(&who.words).unwrap().to_seed_normalized("");
    let secp = Secp256k1::new();
    let master = Xpriv::new_master(Network::Regtest, &seed).unwrap();
    let account: DerivationPath = "48'/1'/0'/2'".parse().unwrap();
    let account = master.derive_priv(&secp, &account).unwrap();
    let steps = [ChildNumber::from_normal_idx(0).unwrap(), ChildNumber::from_normal_idx(index).unwrap()];
    let escrow = account.derive_priv(&secp, &steps).unwrap();
    let mut bytes = |name: &str, bytes: &[u8]| {
        let name = format!("{}'s {name}", who.name);
        found.push((name.clone(), bytes.to_vec()));
        found.push((name.clone(), HEXLOWER.encode(bytes).into_bytes()));
        found.push((name, BASE64.encode(bytes).trim_end_matches('=').as_bytes().to_vec()));
    };
    bytes("seed", &seed);
    for (name, key) in [("master key", master), ("account key", account), ("escrow key", escrow)] {
        bytes(name, &key.private_key.secret_bytes());
    }
    for (name, key) in [("master key", master), ("account key", account), ("escrow key", escrow)] {
        found.push((format!("{}'s {name}", who.name), key.to_string().into_bytes()));
        found.push((format!("{}'s {name}", who.name), key.to_priv().to_wif().into_bytes()));
    }
    found
}

/// Every row of every table, as text.
async fn database(site: &Site) -> Vec<u8> {
    let sql = site.sql().await;
    let tables = "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
    let mut dump = String::new();
    for table in sql.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        for row in sql.query(&format!("SELECT it::text FROM {table} AS it"), &[]).await.unwrap() {
            dump.push_str(row.get::<_, &str>(0));
            dump.push('\n');
        }
    }
    // A row's text doubles quotes; what stands in JSON is to be found as it is.
    dump.push_str(&dump.replace("\"\"", "\""));
    dump.into_bytes()
}
