//! A desk in hostile hands changes what it shows. The signer in the page notices, says so, and signs nothing.

use bitcoin::Network;
use serde_json::Value;
use trine::escrow::{ArbiterLevel, EscrowIndex, EscrowKey, Lock};
use trine::partners::keys::Wallet;

use super::actor::Actor;
use super::play::Play;

const ENVELOPE: &str = "<script type=\"application/json\" id=\"envelope\">";

/// The page with another envelope.
fn with_envelope(page: &str, change: impl Fn(&mut Value)) -> String {
    let Some((before, rest)) = page.split_once(ENVELOPE) else { return page.to_owned() };
    let (text, after) = rest.split_once("</script>").unwrap();
    let mut envelope: Value = serde_json::from_str(text).unwrap();
    change(&mut envelope);
    let text = envelope.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    format!("{before}{ENVELOPE}{text}</script>{after}")
}

async fn refusal_of(who: &Actor) -> (String, String) {
    let refusal = who.refusal().await.expect("the signer was to refuse");
    assert!(!who.chrome.has("#signer-passphrase").await, "nothing can be signed after a refusal");
    assert!(!who.chrome.has("[data-checked=yes]").await, "no address is shown as checked");
    refusal
}

/// A contract with a thief's key in the seller's place, whole in itself: descriptor, address and hash fit.
fn with_the_thiefs_key(envelope: &mut Value, thief: &Wallet) {
    let text = envelope["contract"].as_str().unwrap();
    let mut contract: Value = serde_json::from_str(text).unwrap();
    let key = |contract: &Value, at: usize, part: &str| contract["keys"][at][part].as_str().unwrap().to_owned();
    let was = (contract["descriptor"].as_str().unwrap().to_owned(), contract["address"].as_str().unwrap().to_owned());
    let (origin, xpub) = (thief.origin(0).unwrap(), thief.xpub(0).unwrap().to_string());
    let text = text.replace(&key(&contract, 1, "origin"), &origin).replace(&key(&contract, 1, "xpub"), &xpub);
    contract["keys"][1]["origin"] = origin.into();
    contract["keys"][1]["xpub"] = xpub.into();
    let number = |name: &str| u32::try_from(contract[name].as_u64().unwrap()).unwrap();
    let level = ArbiterLevel::new(number("P")).unwrap();
    let keys = [
        EscrowKey::read_trader(&key(&contract, 0, "origin"), &key(&contract, 0, "xpub"), Network::Regtest).unwrap(),
        EscrowKey::read_trader(&key(&contract, 1, "origin"), &key(&contract, 1, "xpub"), Network::Regtest).unwrap(),
        EscrowKey::read_arbiter(&key(&contract, 2, "origin"), &key(&contract, 2, "xpub"), level, Network::Regtest)
            .unwrap(),
    ];
    let lock = Lock::new(keys, EscrowIndex::new(number("N")).unwrap(), Network::Regtest).unwrap();
    assert_ne!(was.0, lock.descriptor());
    let descriptor = serde_json::from_str::<Value>(&text).unwrap()["descriptor"].as_str().unwrap().to_owned();
    let text = text.replace(&descriptor, lock.descriptor()).replace(&was.1, &lock.address().to_string());
    with_contract(envelope, text);
}

/// Another contract, with the hash and message that fit it.
fn with_contract(envelope: &mut Value, text: String) {
    let hash = sha256(&text);
    let message = format!("127.0.0.1 trade {} contract {hash}", envelope["trade"].as_str().unwrap());
    (envelope["contract_hash"], envelope["message"], envelope["contract"]) = (hash.into(), message.into(), text.into());
}

/// Another ruling: what the buyer gets and what the seller gets change places, in its text and beside it.
fn with_the_parts_exchanged(envelope: &mut Value) {
    let Some(text) = envelope["ruling"].as_str() else { return };
    let mut ruling: Value = serde_json::from_str(text).unwrap();
    for parts in [&mut ruling, &mut envelope["payout"]] {
        let (buyer, seller) = (parts["buyer_sat"].clone(), parts["seller_sat"].clone());
        (parts["buyer_sat"], parts["seller_sat"]) = (seller, buyer);
    }
    envelope["ruling"] = ruling.to_string().into();
}

/// The account that the seller has, and the one that a thief has; the page shows them in groups of four.
const RIGHT: [&str; 2] = ["DE89370400440532013000", "DE89 3704 0044 0532 0130 00"];
const WRONG: [&str; 2] = ["GB29NWBK60161331926819", "GB29 NWBK 6016 1331 9268 19"];

fn sha256(text: &str) -> String {
    use sha2::Digest;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(text.as_bytes()))
}

#[tokio::test]
async fn another_key_is_refused_in_words() {
    let play = Play::start().await;
    let trade = play.sale().await;
    let thief = Wallet::new(Network::Regtest).unwrap();
    play.proxy
        .edit(Some(Box::new(move |_, page| with_envelope(&page, |envelope| with_the_thiefs_key(envelope, &thief)))));
    play.seller.chrome.goto(&format!("/trades/{trade}/contract-signature")).await;
    let (kind, words) = refusal_of(&play.seller).await;
    assert_eq!(kind, "key");
    assert_eq!(words, "The seller’s key in the contract is not your key. Sign nothing and send nothing.");
    assert_eq!(play.stage(&trade).await, "proposed");
    play.proxy.edit(None);
    play.both_sign_the_contract(&trade).await;
    assert_eq!(play.stage(&trade).await, "awaiting_deposit");
}

#[tokio::test]
async fn another_address_is_refused_in_words() {
    let play = Play::start().await;
    let trade = play.sale().await;
    play.both_sign_the_contract(&trade).await;
    let sql = play.site.sql().await;
    let row = sql.query_one("SELECT address FROM trades WHERE reference = $1", &[&trade]).await.unwrap();
    let (right, wrong): (String, String) = (row.get(0), play.arbitrator.address.to_string());
    // Only what is shown is changed, then also what is said to the signer.
    let (from, to) = (right.clone(), wrong.clone());
    play.proxy.edit(Some(Box::new(move |_, page| match page.split_once("id=\"signer-app\"") {
        Some((before, after)) => format!("{before}id=\"signer-app\"{}", after.replace(&from, &to)),
        None => page,
    })));
    play.seller.chrome.goto(&format!("/trades/{trade}/funding")).await;
    let (kind, words) = refusal_of(&play.seller).await;
    assert_eq!(kind, "address", "{words}");
    assert!(words.contains("The desk shows another address"), "{words}");
    assert!(!play.seller.chrome.words("main").await.contains(&wrong), "the wrong address is not shown");

    // A desk that also changes the contract, and its hash, meets the three keys.
    let (from, to) = (right, wrong);
    play.proxy.edit(Some(Box::new(move |_, page| {
        let page = with_envelope(&page, |envelope| {
            let text = envelope["contract"].as_str().unwrap().replace(&from, &to);
            with_contract(envelope, text);
        });
        page.replace(&from, &to)
    })));
    play.seller.chrome.goto(&format!("/trades/{trade}/funding")).await;
    let (kind, words) = refusal_of(&play.seller).await;
    assert_eq!(kind, "address", "{words}");
    assert!(words.contains("not the one that its three keys make"), "{words}");
}

#[tokio::test]
async fn another_ruling_is_refused_in_words() {
    let play = Play::start().await;
    let trade = play.ruled_sale().await;
    let page = format!("/trades/{trade}/ruling/cosignature");
    play.proxy.edit(Some(Box::new(|_, page| with_envelope(&page, with_the_parts_exchanged))));
    for who in [&play.buyer, &play.seller] {
        who.chrome.goto(&page).await;
        let (kind, words) = refusal_of(who).await;
        assert_eq!(kind, "message");
        assert_eq!(words, "What the arbitrator signed is not this ruling. Sign nothing and send nothing.");
    }
    // The right ruling, and nothing that shows whose it is.
    let unsigned = |envelope: &mut Value| envelope["ruling_signature"] = Value::Null;
    play.proxy.edit(Some(Box::new(move |_, page| with_envelope(&page, unsigned))));
    play.buyer.chrome.goto(&page).await;
    let (kind, words) = refusal_of(&play.buyer).await;
    assert_eq!(kind, "signature");
    assert!(words.contains("did not send the arbitrator’s signature"), "{words}");
    assert_eq!(play.stage(&trade).await, "ruled");

    play.proxy.edit(None);
    play.is_carried_out(&trade).await;
    play.is_completed(&trade).await;
}

#[tokio::test]
async fn other_payment_details_are_refused_and_out_of_sight() {
    let play = Play::start().await;
    let (buyer, trade) = (&play.buyer, play.funded_sale().await);
    let page = format!("/trades/{trade}/payment");
    let swap = |page: String| page.replace(RIGHT[0], WRONG[0]).replace(RIGHT[1], WRONG[1]);
    play.proxy.edit(Some(Box::new(move |_, page| swap(page))));
    // The trade's own page checks nothing, says so, and leads to the page that does.
    buyer.opens(&trade).await;
    assert!(buyer.chrome.words("main").await.contains("Not checked by this page."));
    buyer.chrome.press("Have them compared with the contract before you send money").await;
    buyer.chrome.arrives(&page).await;
    let (kind, words) = refusal_of(buyer).await;
    assert_eq!(kind, "details");
    assert_eq!(words, "The payment details shown are not those of the contract. Send no money.");
    let shown = buyer.chrome.words("main").await;
    assert!(!shown.contains("Where to pay") && !shown.contains(WRONG[1]), "the wrong account is not shown:\n{shown}");
    assert_eq!(buyer.chrome.content("[data-signer=payee-details]").await, "");
    // So it is when anything else does not fit.
    let unsigned = |envelope: &mut Value| envelope["contract_signatures"]["seller"] = Value::Null;
    play.proxy.edit(Some(Box::new(move |_, page| with_envelope(&page, unsigned))));
    buyer.chrome.goto(&page).await;
    assert_eq!(refusal_of(buyer).await.0, "signature");
    assert!(!buyer.chrome.words("main").await.contains("Where to pay"));

    play.proxy.edit(None);
    buyer.chrome.goto(&page).await;
    assert_eq!(buyer.refusal().await, None);
    let shown = buyer.chrome.words("[data-signer=details-block]").await;
    assert!(shown.contains(RIGHT[1]) && shown.contains("Checked by this page"), "{shown}");
    assert!(!shown.contains("Not checked"), "{shown}");
    buyer.chrome.without_script(true).await;
    buyer.chrome.goto(&page).await;
    let shown = buyer.chrome.words("[data-signer=details-block]").await;
    assert!(shown.contains(RIGHT[1]) && shown.contains("Not checked by this page."), "{shown}");
    buyer.chrome.without_script(false).await;
}
