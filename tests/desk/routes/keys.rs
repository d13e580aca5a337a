//! Signing keys over HTTP.

use bitcoin::Network;
use jiff::Timestamp;
use trine::desk::keys::{self, Indexes};
use trine::domain::{KeyId, TradeId};
use trine::escrow::AccountKey;
use trine::partners::keyfile;
use trine::partners::keys::Wallet;
use trine::store::keys::Use;
use trine::store::{self, GenericClient};
use uuid::Uuid;

use crate::harness::{Person, Site, key_of};

const ABANDON: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

#[tokio::test]
async fn a_wallets_key_is_registered_and_listed() {
    let site = Site::start().await;
    let anna = site.register("anna-k").await;
    assert!(anna.get("/keys").await.words().contains("You have no key yet"));
    let page = anna.get("/keys/wallet").await;
    assert!(page.header("content-security-policy").contains("connect-src 'none'"));
    assert!(page.body.contains("integrity=\"sha256-"));
    let wallet = Wallet::from_words(ABANDON, Network::Regtest).unwrap();
    let page = anna.submit("/keys/wallet", &[("key", &key_of(&wallet, 0))]).await;
    assert!(page.words().contains("73c5da0a"));
    assert!(page.words().contains("proposed for new trades"));
    let again = anna.post("/keys/wallet", &[("key", &key_of(&wallet, 0))]).await;
    assert!(again.error("key").contains("registered this key already"));
}

#[tokio::test]
async fn every_refusal_of_a_key_is_said_in_its_own_words_beside_the_field() {
    let site = Site::start().await;
    let anna = site.register("anna-k").await;
    let wallet = Wallet::from_words(ABANDON, Network::Regtest).unwrap();
    let main = Wallet::from_words(ABANDON, Network::Bitcoin).unwrap();
    let (origin, xpub) = (wallet.origin(0).unwrap(), wallet.xpub(0).unwrap());
    let cases = [
        (String::new(), "no extended public key"),
        (xpub.to_string(), "origin is missing"),
        (key_of(&main, 0), "another network"),
        (format!("[73c5da0a/84'/1'/0'/2']{xpub}"), "BIP-48"),
        (format!("[73c5da0a/48'/0'/0'/2']{xpub}"), "coin type"),
        (format!("[00000000/48'/1'/0'/2']{xpub}"), "00000000"),
        (format!("wsh(multi(1,{origin}{xpub}/0/*))"), "descriptor"),
        (format!("{origin}{}", xpub.to_string().replace('a', "b")), "no extended public key"),
    ];
    for (key, words) in cases {
        let page = anna.post("/keys/wallet", &[("key", &key)]).await;
        assert_eq!(page.status, 422, "{key}");
        assert!(page.error("key").contains(words), "{key}: {}", page.error("key"));
        assert!(page.body.contains(&key.replace('\'', "&#x27;")) || page.words().contains(&key), "{key} is kept");
    }
    assert_eq!(site.sql().await.count("signing_keys").await, 0);
}

#[tokio::test]
async fn a_private_key_or_words_are_refused_and_never_shown_again() {
    let site = Site::start().await;
    let anna = site.register("anna-k").await;
    let tprv = "tprv8ZgxMBicQKsPeDgjzdC36fs6bMjGApWDNLR9erAXMs5skhMv36j9MV5ecvfavji5khqjWaWSFhN3YcCUUdiKH6isR4Pwy3U5y5egddBr16m";
    let wif = "cTpB4YiyKiBcPxnefsDpbnDxFDffjqJob8wGCEDXxgQ7zQoMXJdH";
    for secret in [tprv, wif, ABANDON] {
        let page = anna.post("/keys/wallet", &[("key", secret)]).await;
        assert_eq!(page.status, 422);
        assert!(page.error("key").contains("Give") || page.error("key").contains("give"), "{}", page.error("key"));
        assert!(!page.body.contains(secret), "a secret comes back");
    }
}

#[tokio::test]
async fn a_browser_key_comes_with_its_encrypted_file() {
    let site = Site::start().await;
    let anna = site.register("anna-k").await;
    let page = anna.get("/keys/browser").await;
    let json = page.between("id=\"key-page\">", "</script>").unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(
        (&json["account"], &json["network"], &json["mode"]),
        (&"anna-k".into(), &"regtest".into(), &"make".into())
    );
    let wallet = Wallet::new(Network::Regtest).unwrap();
    let file = serde_json::to_string(&keyfile::seal(&wallet, 0, "anna-k", "orbit maple quiet").unwrap()).unwrap();
    let xpub = key_of(&wallet, 0);
    let weak = file.replace("65536", "1024");
    let refused = anna.post("/keys/browser", &[("xpub", &xpub), ("file", &weak)]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.problem().contains("weaker"));
    let page = anna.submit("/keys/browser", &[("xpub", &xpub), ("file", &file)]).await;
    assert!(page.words().contains("Browser key"));
    let path = page.between("<a class=\"btn quiet\" href=\"", "\"").unwrap().to_owned();
    let answer = anna.get(&path).await;
    assert_eq!(answer.body, file);
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\"trine-key-"));
    assert_eq!(site.register("miro").await.get(&path).await.status, 404);
    let stored: String = site.sql().await.one("SELECT key_file FROM signing_keys").await;
    for words in wallet.words().split(' ') {
        assert!(!stored.contains(&format!(" {words} ")));
    }

    let new_file = serde_json::to_string(&keyfile::seal(&wallet, 0, "anna-k", "another passphrase").unwrap()).unwrap();
    anna.submit("/keys/restore", &[("xpub", &xpub), ("file", &new_file)]).await;
    assert_eq!(anna.get(&path).await.body, new_file);
    let other = Wallet::new(Network::Regtest).unwrap();
    let other_file = serde_json::to_string(&keyfile::seal(&other, 0, "anna-k", "x").unwrap()).unwrap();
    let refused = anna.post("/keys/restore", &[("xpub", &key_of(&other, 0)), ("file", &other_file)]).await;
    assert!(refused.problem().contains("not a key that you have registered"));
}

#[tokio::test]
async fn the_newest_key_is_proposed_and_a_retired_one_can_come_back() {
    let site = Site::start().await;
    let anna = site.trader("anna-k").await;
    anna.submit("/keys/wallet", &[("key", &key_of(&anna.wallet, 1))]).await;
    let newest: Uuid = site.sql().await.one("SELECT id FROM signing_keys WHERE account_number = 1").await;
    let current = || async {
        let account =
            trine::domain::UserId(site.sql().await.one("SELECT id FROM accounts WHERE name = 'anna-k'").await);
        keys::current(&site.desk.store.connection().await.unwrap(), account).await.unwrap().map(|key| key.id)
    };
    assert_eq!(current().await, Some(KeyId(newest)));
    assert_eq!(site.register("miro").await.post(&format!("/keys/{newest}/retirement"), &[]).await.status, 404);
    let page = anna.submit(&format!("/keys/{newest}/retirement"), &[]).await;
    assert!(page.words().contains("retired"));
    assert_ne!(current().await, Some(KeyId(newest)));
    anna.submit(&format!("/keys/{newest}/return"), &[]).await;
    assert_eq!(current().await, Some(KeyId(newest)));
}

#[tokio::test]
async fn a_proof_displaces_the_claims_of_others_and_a_proved_key_belongs_to_one() {
    let site = Site::start().await;
    let owner = site.trader_with_key("anna-k", ABANDON).await;
    let thief = site.trader_with_key("mallory", ABANDON).await;
    let sql = site.sql().await;
    let key = KeyId(
        sql.one("SELECT k.id FROM signing_keys k JOIN accounts a ON a.id = k.account WHERE a.name = 'anna-k'").await,
    );
    let client = site.desk.store.connection().await.unwrap();
    keys::prove(&client, key, Timestamp::now()).await.unwrap();
    keys::prove(&client, key, Timestamp::now()).await.unwrap();
    assert!(thief.get("/keys").await.words().contains("another account proved it is theirs"));
    assert!(owner.get("/keys").await.words().contains("proved by a signature"));
    let third = site.register("trent").await;
    let page = third.post("/keys/wallet", &[("key", &owner.key())]).await;
    assert!(page.error("key").contains("belongs to another account"));
}

/// Indexes are counted by the public key: with another chain code a stranger would use up the owner's.
#[tokio::test]
async fn a_proved_key_owns_its_public_key_whatever_chain_code_others_write_beside_it() {
    let site = Site::start().await;
    let owner = site.trader_with_key("anna-k", ABANDON).await;
    let invented = |byte: u8| {
        let (origin, mut xpub) = (owner.wallet.origin(0).unwrap(), owner.wallet.xpub(0).unwrap());
        xpub.chain_code = [byte; 32].into();
        format!("{origin}{xpub}")
    };
    let thief = site.register("mallory").await;
    thief.submit("/keys/wallet", &[("key", &invented(7))]).await;
    let sql = site.sql().await;
    let key = "SELECT k.id FROM signing_keys k JOIN accounts a ON a.id = k.account WHERE a.name = 'anna-k'";
    let key = KeyId(sql.one(key).await);
    keys::prove(&site.desk.store.connection().await.unwrap(), key, Timestamp::now()).await.unwrap();
    assert!(thief.get("/keys").await.words().contains("another account proved it is theirs"));
    let page = site.register("trent").await.post("/keys/wallet", &[("key", &invented(8))]).await;
    assert!(page.error("key").contains("belongs to another account"), "{}", page.words());
    let twice = "UPDATE signing_keys SET proved_at = now(), displaced_at = NULL";
    let refused = sql.execute(twice, &[]).await.unwrap_err();
    assert!(format!("{refused:?}").contains("a_proved_key_belongs_to_one_account"), "{refused:?}");
}

#[tokio::test]
async fn nobody_registers_a_key_of_an_arbitrators_wallet() {
    let site = Site::start().await;
    let sable = site.appointed("sable").await;
    let anna = site.register("anna-k").await;
    for account in [0, 5] {
        let page = anna.post("/keys/wallet", &[("key", &key_of(&sable.wallet, account))]).await;
        assert!(page.error("key").contains("arbitrator of this desk"), "{}", page.words());
    }
    let miro = site.trader("miro").await;
    let page = sable.post("/keys/wallet", &[("key", &key_of(&miro.wallet, 3))]).await;
    assert!(page.error("key").contains("used for nothing else"));
}

fn parsed(person: &Person) -> AccountKey {
    AccountKey::parse(&person.key(), Network::Regtest).unwrap()
}

/// Writes down that keys were given these indexes.
async fn use_up(client: &impl GenericClient, uses: &[Use]) -> Result<(), tokio_postgres::Error> {
    for one in uses {
        let insert = "INSERT INTO key_uses (public_key, n, trade) VALUES ($1, $2, $3)";
        client.execute(insert, &[&one.public_key.as_slice(), &one.n, &one.trade.0]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_index_is_the_lowest_neither_key_was_given_and_ends_at_900() {
    let site = Site::start().await;
    let (anna, miro, kolo) = (site.trader("anna-k").await, site.trader("miro").await, site.trader("kolo").await);
    let (anna, miro, kolo) = (parsed(&anna), parsed(&miro), parsed(&kolo));
    let mut client = site.desk.store.connection().await.unwrap();
    let tx = client.transaction().await.unwrap();
    // There are no trades in this test; nothing is committed.
    let ids: Vec<KeyId> =
        tx.query("SELECT id FROM signing_keys", &[]).await.unwrap().iter().map(|row| KeyId(row.get(0))).collect();
    let mut indexes = Indexes::of(&store::keys::for_takes(&tx, &[], &ids).await.unwrap());
    let mut given = Vec::new();
    for pair in [[&anna, &miro], [&anna, &miro], [&miro, &kolo], [&anna, &kolo], [&kolo, &anna]] {
        let index = indexes.lowest(pair).unwrap();
        indexes.give(pair, index, TradeId(Uuid::now_v7()));
        given.push(index.get());
    }
    assert_eq!(given, [0, 1, 2, 3, 4]);
    use_up(&tx, indexes.given()).await.unwrap();
    let fill = "INSERT INTO key_uses SELECT $1, n, gen_random_uuid() FROM generate_series(5, 898) n";
    tx.execute(fill, &[&anna.xpub().public_key.serialize().as_slice()]).await.unwrap();
    let mut indexes = Indexes::of(&store::keys::for_takes(&tx, &[], &ids).await.unwrap());
    assert_eq!(indexes.lowest([&miro, &kolo]).unwrap().get(), 5);
    let last = indexes.lowest([&anna, &miro]).unwrap();
    assert_eq!(last.get(), 899);
    indexes.give([&anna, &miro], last, TradeId(Uuid::now_v7()));
    let refused = indexes.lowest([&anna, &kolo]).unwrap_err();
    assert!(refused.to_string().contains("next account number"), "{refused}");
    use_up(&tx, indexes.given()).await.unwrap();
    assert!(use_up(&tx, &indexes.given()[..1]).await.is_err(), "no key has an index twice");
    tx.rollback().await.unwrap();
}
