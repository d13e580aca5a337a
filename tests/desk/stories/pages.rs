//! What the pages of a trade promise on the way.

use crate::harness::cast::story;

#[tokio::test]
async fn price_fees_and_arbitrator_are_fixed_at_the_take() {
    let story = story().await;
    let trade = story.take().await;
    let before = contract(&story, trade).await;
    trine::desk::admin::set_rate(&story.site.desk, "EUR", "70000".parse().unwrap()).await.unwrap();
    trine::desk::arbitrators::dismiss(&story.site.desk, "carol").await.unwrap();
    assert_eq!(contract(&story, trade).await, before);
    assert!(before.contains("\"price\":\"50000.00\"") && before.contains("\"fiat\":\"500.00\""), "{before}");
}

async fn contract(story: &crate::harness::cast::Story, trade: trine::domain::PublicRef) -> String {
    let sql = story.site.sql().await;
    let row = sql.query_one("SELECT contract_text FROM trades WHERE reference = $1", &[&trade.as_str()]).await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn payment_details_are_shown_to_the_buyer_from_funded_on_and_lie_encrypted() {
    let story = story().await;
    let page = format!("/trades/{}", story.agreed().await);
    let iban = "DE89370400440532013000";
    assert!(!story.alice.browser.get(&page).await.body.contains(iban), "before the coins are in escrow");
    let trade: trine::domain::PublicRef = page.rsplit('/').next().unwrap().parse().unwrap();
    story.deposit(trade, bitcoin::Amount::from_sat(1_000_000)).await;
    assert!(story.alice.browser.get(&page).await.body.contains(iban));
    let sql = story.site.sql().await;
    for table in ["trades", "payment_accounts", "trade_events", "messages"] {
        let rows = sql.query(&format!("SELECT t::text FROM {table} t"), &[]).await.unwrap();
        let hex = data_encoding::HEXLOWER.encode(iban.as_bytes());
        assert!(
            rows.iter().all(|row| !row.get::<_, String>(0).contains(iban) && !row.get::<_, String>(0).contains(&hex))
        );
    }
    story.signs(&story.alice, trade, "cancellation", &["not_paid"]).await;
    assert!(
        !story.alice.browser.get(&page).await.body.contains(iban),
        "after a refund signature nobody is told where to pay"
    );
}

#[tokio::test]
async fn a_mark_comes_with_the_release_signature_and_is_undone_once() {
    let story = story().await;
    let trade = story.paid().await;
    let sql = story.site.sql().await;
    let signed = "SELECT count(*) FROM signatures s JOIN payouts p ON p.id = s.payout WHERE p.kind = 'release' AND s.party = 'buyer'";
    assert_eq!(sql.query_one(signed, &[]).await.unwrap().get::<_, i64>(0), 3, "every fee step");
    assert_eq!(story.press(&story.alice, trade, "payment/undo").await.status, 303);
    assert_eq!(story.stage(trade).await, "funded");
    // The signature is in already, so the second mark needs none.
    let version = story.version(trade, &story.alice).await;
    let fields = [("version", version.as_str()), ("sent", "yes")];
    assert_eq!(story.alice.browser.post(&format!("/trades/{trade}/payment"), &fields).await.status, 303);
    assert_eq!(story.press(&story.alice, trade, "payment/undo").await.status, 409, "once");
    assert_eq!(story.stage(trade).await, "payment_sent");
}

#[tokio::test]
async fn a_release_needs_every_box_of_its_checklist_and_is_paid_only_when_confirmed() {
    let story = story().await;
    let trade = story.paid().await;
    let seen = story.sign(&story.bob, trade, "release", &["own_account", "amount"]).await;
    assert_eq!((seen.status, story.stage(trade).await.as_str()), (422, "payment_sent"), "{}", seen.words());
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    let page = format!("/trades/{trade}");
    let words = story.alice.browser.get(&page).await.words();
    assert!(words.contains("It counts as paid when it has") && !words.contains("You have the coins"), "{words}");
    story.mine(2).await;
    assert!(story.alice.browser.get(&page).await.words().contains("confirmed on the chain"));
}

#[tokio::test]
async fn the_contract_with_both_signatures_is_there_when_both_have_signed() {
    let story = story().await;
    let trade = story.take().await;
    let (file, signatures) =
        (format!("/trades/{trade}/contract.json"), format!("/trades/{trade}/contract-signatures.json"));
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    assert_eq!(story.bob.browser.get(&file).await.status, 409);
    story.signs(&story.alice, trade, "contract-signature", &[]).await;
    let given = story.alice.browser.get(&file).await;
    assert_eq!(given.bytes, contract(&story, trade).await.into_bytes(), "exactly the hashed bytes");
    let hash = data_encoding::HEXLOWER.encode(&trine::desk::secrets::sha256(&given.bytes));
    let signatures = story.bob.browser.get(&signatures).await.body;
    assert!(signatures.contains(&format!("contract {hash}")) && !signatures.contains("null"), "{signatures}");
}

#[tokio::test]
async fn my_trades_are_sorted_by_who_must_act() {
    let story = story().await;
    let trade = story.take().await;
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    let alices = story.alice.browser.get("/trades").await.words();
    assert!(alices.contains("Waiting for you") && !alices.contains("Running"), "{alices}");
    let bobs = story.bob.browser.get("/trades").await.words();
    assert!(bobs.contains("Running") && !bobs.contains("Waiting for you"), "{bobs}");
    assert_eq!(story.press(&story.alice, trade, "withdrawal").await.status, 303);
    assert!(story.bob.browser.get("/trades").await.words().contains("Over"));
}
