//! A browser key comes back from its words, and only to whom it belongs.

use trine::partners::keyfile;

use super::play::Play;

#[tokio::test]
async fn a_key_is_restored_from_its_words_and_no_other_key_is_taken() {
    let play = Play::start().await;
    let (chrome, sql) = (&play.buyer.chrome, play.site.sql().await);
    let file = "SELECT k.key_file FROM signing_keys k JOIN accounts a ON a.id = k.account WHERE a.name = $1";
    let before: String = sql.query_one(file, &[&play.buyer.name]).await.unwrap().get(0);

    chrome.goto("/keys/restore").await;
    chrome.fill("#restore-words", &play.seller.words).await;
    chrome.click("#restore-from-words").await;
    let refusal = chrome.words("[data-refusal=key]").await;
    assert!(refusal.contains("not one that is registered for your account"), "{refusal}");

    chrome.goto("/keys/restore").await;
    chrome.fill("#restore-words", &play.buyer.words).await;
    chrome.click("#restore-from-words").await;
    let passphrase = play.buyer.seals_the_key().await;

    let after: String = sql.query_one(file, &[&play.buyer.name]).await.unwrap().get(0);
    assert_ne!(before, after, "sealed anew");
    let opened = keyfile::open(&serde_json::from_str(&after).unwrap(), &passphrase).unwrap();
    assert_eq!(opened, play.buyer.words, "the same key under the new passphrase");
}
