//! The acts of a trade, tried by its own people in the wrong part, and at the wrong time.

use bitcoin::Psbt;
use trine::domain::PublicRef;

use crate::harness::cast::{Person, Story, story};

/// The person's own signature for whatever the place asks for, or the best he can get hold of.
async fn upload(person: &Person, trade: PublicRef, place: &str) -> String {
    let page = person.browser.get(&format!("/trades/{trade}/{place}")).await;
    if page.status == 200 && page.body.contains("id=\"envelope\"") {
        let envelope = page.envelope();
        let mut psbt: Psbt = envelope["psbts"][0]["base64"].as_str().unwrap().parse().unwrap();
        // Who has signed already sends the same again.
        let _ = person.wallet.sign(&mut psbt);
        return psbt.to_string();
    }
    "cHNidP8=".to_owned()
}

/// Each of these people is refused each of these acts now; nothing is written.
async fn refused(story: &Story, trade: PublicRef, cases: &[(&str, &[&Person])]) {
    let before = story.site.ledger().await;
    for (place, people) in cases {
        for person in *people {
            let (upload, version) = (upload(person, trade, place).await, story.version(trade, person).await);
            let mut fields = vec![("version", version.as_str()), ("signatures", upload.as_str())];
            fields.extend(["sent", "own_account", "amount", "payer", "not_paid"].map(|tick| (tick, "yes")));
            let path = format!("/trades/{trade}/{place}");
            let seen = person.browser.post(&path, &fields).await;
            let what = format!("{place} by {} in {}", person.name, story.stage(trade).await);
            assert!(matches!(seen.status, 404 | 409 | 422), "{what}: {} {}", seen.status, seen.words());
            assert!(!seen.words().is_empty(), "{what}: no words");
        }
    }
    let places: Vec<&str> = cases.iter().map(|(place, _)| *place).collect();
    story.site.ledger().await.assert_same(&before, &places.join(", "));
}

#[tokio::test]
async fn nobody_acts_for_another_party() {
    let story = story().await;
    let (alice, bob, carol) = (&story.alice, &story.bob, &story.carol);
    let everybody: &[&Person] = &[alice, bob, carol];
    let money: &[&str] = &["payment", "release", "payment-release", "cancellation", "unpaid", "refund"];
    let never = |places: &[&'static str]| places.iter().map(|place| (*place, everybody)).collect::<Vec<_>>();

    let trade = story.take().await;
    refused(&story, trade, &[("decline", &[carol]), ("withdrawal", &[carol])]).await;
    refused(&story, trade, &[("contract-signature", &[carol])]).await;
    refused(&story, trade, &never(money)).await;
    refused(&story, trade, &never(&["cancel", "payment/undo", "payment/answer", "payment-seen"])).await;

    story.signs(bob, trade, "contract-signature", &[]).await;
    story.signs(alice, trade, "contract-signature", &[]).await;
    refused(&story, trade, &never(money)).await;
    refused(&story, trade, &[("cancel", &[carol]), ("decline", everybody), ("withdrawal", everybody)]).await;

    let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, bob.id).await.unwrap();
    story.deposit(trade, row.deposit).await;
    refused(&story, trade, &[("payment", &[bob, carol]), ("payment-seen", &[alice, carol])]).await;
    refused(&story, trade, &[("cancellation", &[bob, carol]), ("unpaid", everybody), ("release", &[bob, carol])]).await;
    refused(&story, trade, &never(&["cancel", "decline", "withdrawal", "payment/undo", "payment/answer"])).await;
    refused(&story, trade, &[("contract-signature", everybody)]).await;

    story.signs(alice, trade, "payment", &["sent"]).await;
    refused(&story, trade, &[("payment/undo", &[bob, carol]), ("payment/answer", &[alice, carol])]).await;
    refused(&story, trade, &[("release", &[alice, carol]), ("payment-release", everybody)]).await;
    refused(&story, trade, &[("cancellation", &[bob, carol]), ("refund", &[carol])]).await;
    refused(&story, trade, &never(&["payment", "unpaid", "payment-seen", "cancel", "contract-signature"])).await;

    story.signs(bob, trade, "release", &["own_account", "amount", "payer"]).await;
    refused(&story, trade, &never(money)).await;
    refused(&story, trade, &never(&["payment/undo", "payment/answer", "payment-seen", "cancel"])).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    refused(&story, trade, &never(money)).await;
    story.check_log(trade).await;
}

#[tokio::test]
async fn after_a_refund_signature_nobody_is_told_to_pay() {
    let story = story().await;
    let (alice, bob, carol) = (&story.alice, &story.bob, &story.carol);
    let trade = story.funded().await;
    story.later(60 * 24 * 8).await;
    refused(&story, trade, &[("unpaid", &[alice, carol])]).await;
    story.signs(alice, trade, "cancellation", &["not_paid"]).await;
    let everybody: &[&Person] = &[alice, bob, carol];
    refused(&story, trade, &[("payment", everybody), ("payment-seen", everybody), ("unpaid", everybody)]).await;
    refused(&story, trade, &[("refund", &[alice, carol]), ("release", everybody)]).await;
    let page = alice.browser.get(&format!("/trades/{trade}")).await;
    assert!(!page.body.contains("DE89"), "payment details are hidden after a refund signature");
    story.signs(bob, trade, "refund", &[]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    story.check_log(trade).await;
}
