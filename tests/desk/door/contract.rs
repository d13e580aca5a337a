//! Signing the contract proves the key for this very script, in time.

use bitcoin::{EcdsaSighashType, Psbt};
use trine::desk::{Rules, contracts, trade_facts};
use trine::domain::PublicRef;

use super::forge::{self, honest, papers, send};
use crate::harness::Start;
use crate::harness::cast::{Person, Story, story, story_with};

/// The message PSBTs of a trade: BIP-322 and dry run.
async fn messages(story: &Story, trade: PublicRef) -> Vec<Psbt> {
    let (row, _) = trade_facts::party(&story.site.desk, trade, story.alice.id).await.unwrap();
    contracts::psbts_to_sign(&row).unwrap().into_iter().map(|(_, base64)| base64.parse().unwrap()).collect()
}

async fn refuses(story: &Story, me: &Person, trade: PublicRef, name: &str, upload: &str, status: u16) {
    let before = story.site.ledger().await;
    let seen = send(story, me, trade, "contract-signature", upload).await;
    assert_eq!(seen.status, status, "{name}:\n{}", seen.words());
    assert!(!seen.problem().is_empty() || !seen.words().is_empty(), "{name}: no words");
    story.site.ledger().await.assert_same(&before, name);
}

#[tokio::test]
async fn only_the_own_signature_of_this_contract_is_taken() {
    let rules = Rules { new_account_trades_max: 2, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let (trade, other) = (story.take().await, story.take().await);
    let (alice, bob, carol) = (&story.alice, &story.bob, &story.carol);
    let (own, theirs) = (messages(&story, trade).await, messages(&story, other).await);
    for psbt in &theirs {
        refuses(&story, alice, trade, "another trade's contract", &honest(alice, psbt).to_string(), 422).await;
    }
    for psbt in &own {
        refuses(&story, alice, trade, "the seller's key", &honest(bob, psbt).to_string(), 422).await;
        refuses(&story, alice, trade, "the arbitrator's key", &honest(carol, psbt).to_string(), 422).await;
        refuses(&story, bob, trade, "the buyer's key", &honest(alice, psbt).to_string(), 422).await;
        let none = forge::with_sighash(alice, psbt, EcdsaSighashType::None).to_string();
        refuses(&story, alice, trade, "NONE", &none, 422).await;
        refuses(&story, alice, trade, "high-S", &forge::high_s(&honest(alice, psbt)).to_string(), 422).await;
        refuses(&story, alice, trade, "unsigned", &psbt.to_string(), 422).await;
    }
    refuses(&story, carol, trade, "the arbitrator signs", &honest(carol, &own[0]).to_string(), 409).await;
    for (place, person) in [alice, bob].into_iter().enumerate() {
        let signed = honest(person, &own[place]).to_string();
        let seen = send(&story, person, trade, "contract-signature", &signed).await;
        assert_eq!(seen.status, 303, "either form is taken: {}", seen.words());
        refuses(&story, person, trade, "a second time", &signed, 409).await;
    }
    assert_eq!(story.stage(trade).await, "awaiting_deposit");
    story.check_log(trade).await;
}

#[tokio::test]
async fn a_contract_is_not_signed_after_its_time() {
    let story = story().await;
    let trade = story.take().await;
    let psbt = papers(&story.alice, trade, "contract-signature").await.remove(0);
    // The clock has moved; the desk's own jobs have not run yet.
    story.site.advance(jiff::SignedDuration::from_mins(61));
    refuses(&story, &story.alice, trade, "too late", &honest(&story.alice, &psbt).to_string(), 409).await;
    story.work().await;
    assert_eq!(story.stage(trade).await, "cancelled");
    refuses(&story, &story.alice, trade, "cancelled", &honest(&story.alice, &psbt).to_string(), 409).await;
    story.check_log(trade).await;
}
