//! A changed contract is signed through the same door as the first.

use bitcoin::{Amount, EcdsaSighashType};

use super::forge::{self, honest, papers, send};
use crate::harness::cast::{Person, Story, story};
use trine::domain::PublicRef;

const PLACE: &str = "amendment/signature";

async fn refuses(story: &Story, me: &Person, trade: PublicRef, name: &str, upload: &str, status: u16) {
    let before = story.site.ledger().await;
    let seen = send(story, me, trade, PLACE, upload).await;
    assert_eq!(seen.status, status, "{name}:\n{}", seen.words());
    assert!(!seen.words().is_empty(), "{name}: no words");
    story.site.ledger().await.assert_same(&before, name);
}

#[tokio::test]
async fn only_the_own_signature_of_the_changed_contract_is_taken() {
    let story = story().await;
    let trade = story.take().await;
    let (alice, bob, carol) = (&story.alice, &story.bob, &story.carol);
    let first = papers(alice, trade, "contract-signature").await;
    for who in [bob, alice] {
        story.signs(who, trade, "contract-signature", &[]).await;
    }
    story.deposit(trade, Amount::from_sat(400_000)).await;
    refuses(&story, alice, trade, "nothing is proposed", &honest(alice, &first[0]).to_string(), 409).await;
    let seen = story.posts(alice, trade, "amendment", &[("kind", "scale_down")]).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    let own = papers(alice, trade, PLACE).await;
    for psbt in &first {
        refuses(&story, alice, trade, "the first contract", &honest(alice, psbt).to_string(), 422).await;
    }
    for psbt in &own {
        refuses(&story, alice, trade, "the seller's key", &honest(bob, psbt).to_string(), 422).await;
        refuses(&story, alice, trade, "the arbitrator's key", &honest(carol, psbt).to_string(), 422).await;
        refuses(&story, carol, trade, "the arbitrator signs", &honest(carol, psbt).to_string(), 404).await;
        let none = forge::with_sighash(alice, psbt, EcdsaSighashType::None).to_string();
        refuses(&story, alice, trade, "NONE", &none, 422).await;
        refuses(&story, alice, trade, "high-S", &forge::high_s(&honest(alice, psbt)).to_string(), 422).await;
        refuses(&story, alice, trade, "unsigned", &psbt.to_string(), 422).await;
    }
    let signed = honest(alice, &own[0]).to_string();
    assert_eq!(send(&story, alice, trade, PLACE, &signed).await.status, 303);
    refuses(&story, alice, trade, "a second time", &signed, 409).await;
    // A withdrawn proposal is not signed; the same one proposed again is another.
    assert_eq!(story.press(alice, trade, "amendment/withdrawal").await.status, 303);
    refuses(&story, bob, trade, "taken back", &honest(bob, &own[0]).to_string(), 409).await;
    assert_eq!(story.posts(bob, trade, "amendment", &[("kind", "scale_down")]).await.status, 303);
    refuses(&story, alice, trade, "the one taken back", &signed, 422).await;
    story.site.advance(jiff::SignedDuration::from_mins(61));
    let late = papers(bob, trade, PLACE).await;
    refuses(&story, bob, trade, "too late", &honest(bob, &late[0]).to_string(), 409).await;
    story.check_log(trade).await;
}
