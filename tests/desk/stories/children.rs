//! What a payout needs when its fee does not reach: words on the page, further fees, and a child that pays for it.

use std::sync::Arc;

use bitcoin::bip32::ChildNumber;
use bitcoin::{FeeRate, Psbt};
use trine::chain::Chain;
use trine::domain::PublicRef;

use crate::harness::cast::{Person, Story, story, story_with};
use crate::harness::{Seen, Start, Weather};

const TICKS: [&str; 3] = ["own_account", "amount", "payer"];

fn rate(sat_per_vb: u64) -> FeeRate {
    FeeRate::from_sat_per_vb(sat_per_vb).unwrap()
}

/// What the person's wallet does with the file: it finds its key by the address, and signs.
pub(super) fn signed_by_wallet(who: &Person, file: &[u8]) -> Psbt {
    let mut psbt = Psbt::deserialize(file).unwrap();
    let secp = bitcoin::secp256k1::Secp256k1::new();
    let child = [ChildNumber::from_normal_idx(0).unwrap()];
    let key = who.wallet.receiving_xpub().unwrap().derive_pub(&secp, &child).unwrap().public_key;
    let origin = who.wallet.origin(0).unwrap();
    let fingerprint = origin[1..9].parse().unwrap();
    assert_eq!(psbt.inputs[0].bip32_derivation.len(), 0, "the desk does not know the key");
    psbt.inputs[0].bip32_derivation.insert(key, (fingerprint, "84'/1'/0'/0".parse().unwrap()));
    who.wallet.sign(&mut psbt).unwrap();
    psbt
}

impl Story {
    pub(super) async fn brings_child(&self, who: &Person, trade: PublicRef, signed: &str) -> Seen {
        let version = self.version(trade, who).await;
        let fields = [("version", version.as_str()), ("signatures", signed)];
        let seen = who.browser.post(&format!("/trades/{trade}/payout/child"), &fields).await;
        self.work().await;
        seen
    }

    pub(super) async fn child_file(&self, who: &Person, trade: PublicRef, blocks: u16) -> Vec<u8> {
        let seen = who.browser.get(&format!("/trades/{trade}/payout/child/files/{blocks}")).await;
        assert_eq!(seen.status, 200, "{}", seen.words());
        seen.bytes
    }

    async fn page(&self, who: &Person, trade: PublicRef, place: &str) -> String {
        let seen = who.browser.get(&format!("/trades/{trade}{place}")).await;
        assert_eq!(seen.status, 200, "{}", seen.words());
        seen.words()
    }
}

#[tokio::test]
async fn who_is_paid_pays_for_a_slow_payout_with_a_child_of_the_own_output() {
    let story = story().await;
    let (trade, _) = story.released().await;
    let refused = story.bob.browser.get(&format!("/trades/{trade}/payout/child")).await;
    assert_eq!(refused.status, 409, "bob gets nothing of this payout");
    let page = story.page(&story.alice, trade, "/payout/child").await;
    for part in [
        "4 sat/vB",
        "in the next block",
        "8 sat/vB for both",
        "Sparrow",
        "Electrum",
        "Bitcoin Core",
        "pays 4 sat/vB by itself",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let file = story.child_file(&story.alice, trade, 1).await;
    let unsigned = Psbt::deserialize(&file).unwrap();
    assert_eq!(story.brings_child(&story.alice, trade, &unsigned.to_string()).await.status, 422, "it is not signed");
    let signed = signed_by_wallet(&story.alice, &file);
    let sent = story.brings_child(&story.alice, trade, &signed.to_string()).await;
    assert_eq!(sent.status, 303, "{}", sent.words());
    assert_eq!(story.site.chain.waiting(), 2, "payout and child wait");
    let again = story.brings_child(&story.alice, trade, &signed.to_string()).await;
    assert_eq!((again.status, story.site.chain.waiting()), (409, 2), "the same child twice");
    let page = story.page(&story.bob, trade, "/payout").await;
    assert!(page.contains("Children") && page.contains("alice"), "{page}");
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    let child = signed.extract_tx_unchecked_fee_rate().compute_txid();
    assert!(story.site.chain.transaction(child, None).await.unwrap().is_some());
}

#[tokio::test]
async fn a_child_that_costs_more_than_a_tenth_of_what_arrives_says_so() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let (trade, _) = story.released().await;
    for (estimate, is_dear) in [(20, false), (500, true)] {
        weather.estimates(rate(estimate));
        story.later(2).await;
        let page = story.page(&story.alice, trade, "/payout/child").await;
        assert_eq!(page.contains("More than a tenth of what arrives"), is_dear, "{estimate}: {page}");
    }
}

#[tokio::test]
async fn a_child_may_pay_another_address_of_ones_own() {
    let story = story().await;
    let (trade, _) = story.released().await;
    let other = story.alice.wallet.receiving_address(3).unwrap();
    let page = story.page(&story.alice, trade, &format!("/payout/child?to={other}")).await;
    assert!(page.contains(&other.to_string()), "{page}");
    let path = format!("/trades/{trade}/payout/child/files/1?to={other}");
    let file = story.alice.browser.get(&path).await.bytes;
    assert_eq!(Psbt::deserialize(&file).unwrap().unsigned_tx.output[0].script_pubkey, other.script_pubkey());
    let escrow = trine::desk::trade_facts::party(&story.site.desk, trade, story.alice.id).await.unwrap().0.address;
    for (to, words) in [("nonsense", "no bitcoin address"), (escrow.as_str(), "address of an escrow")] {
        let page = story.page(&story.alice, trade, &format!("/payout/child?to={to}")).await;
        assert!(page.contains(words), "{to}: {page}");
    }
}

#[tokio::test]
async fn a_refused_payout_is_told_in_words_and_a_child_gets_it_through() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let trade = story.paid().await;
    weather.mempool_minimum(Some(rate(50)));
    story.signs(&story.bob, trade, "release", &TICKS).await;
    assert_eq!((story.stage(trade).await.as_str(), story.site.chain.waiting()), ("paying_out", 0));
    for who in [&story.alice, &story.bob] {
        let page = story.page(who, trade, "").await;
        assert!(page.contains("signed, but not taken yet") && page.contains("below what nodes take"), "{page}");
        let page = story.page(who, trade, "/payout").await;
        assert!(
            page.contains("The node says: mempool min fee not met") && page.contains("the desk tries again"),
            "{page}"
        );
    }
    // Even the highest fee that was signed is too little; it is sent nonetheless if the buyer says so, and told.
    let sql = story.site.sql().await;
    assert_eq!(sql.one::<i64>("SELECT count(*) FROM handovers WHERE refusal IS NOT NULL").await, 1);

    weather.estimates(rate(60));
    story.later(2).await;
    let tried: i32 = sql.one("SELECT attempts FROM handovers").await;
    assert_eq!(tried, 2, "it is tried again after a minute, and not at every beat");
    let signed = signed_by_wallet(&story.alice, &story.child_file(&story.alice, trade, 6).await);
    let sent = story.brings_child(&story.alice, trade, &signed.to_string()).await;
    assert_eq!(sent.status, 303, "{}", sent.words());
    assert_eq!(story.site.chain.waiting(), 2, "the package was taken");
    let page = story.page(&story.alice, trade, "").await;
    assert!(!page.contains("not taken"), "{page}");
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
}

#[tokio::test]
async fn a_refused_payout_goes_out_by_itself_when_the_mempool_empties() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let trade = story.paid().await;
    weather.mempool_minimum(Some(rate(50)));
    story.signs(&story.bob, trade, "release", &TICKS).await;
    weather.mempool_minimum(None);
    story.work().await;
    assert_eq!(story.site.chain.waiting(), 0, "not before its time");
    story.later(2).await;
    assert_eq!(story.site.chain.waiting(), 1);
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
}

#[tokio::test]
async fn when_fees_have_risen_beyond_what_was_signed_two_sign_further_ones() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let (trade, fees) = story.released().await;
    weather.estimates(rate(40));
    story.later(2).await;
    let page = story.page(&story.alice, trade, "/payout").await;
    assert!(page.contains("Fees have risen beyond what was signed"), "{page}");
    assert_eq!(story.press(&story.alice, trade, "payout/fees").await.status, 303);
    assert_eq!(story.press(&story.alice, trade, "payout/fees").await.status, 409, "there are enough now");
    story.signs(&story.alice, trade, "payout/signature", &[]).await;
    assert_eq!(story.alice.browser.get(&format!("/trades/{trade}/payout/signature")).await.status, 409);
    story.signs(&story.bob, trade, "payout/signature", &[]).await;
    let (_, before) = story.waiting(trade).await;
    assert_eq!(before, fees[0], "signing sends nothing");
    let sql = story.site.sql().await;
    let further: i64 = sql.one("SELECT min(fee_sat) FROM payouts WHERE kind = 'release' AND fee_sat > 4000").await;
    assert_eq!(story.raises(&story.alice, trade, further.try_into().unwrap()).await.status, 303);
    assert_eq!(story.waiting(trade).await.1, u64::try_from(further).unwrap());
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    story.check_log(trade).await;
}

#[tokio::test]
async fn the_arbitrator_signs_further_fees_of_a_ruling_with_who_is_paid() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let trade = story.disputed().await;
    story.rules(trade, "split", "60").await;
    story.later(24 * 60 + 1).await;
    story.signs_at(&story.carol, trade, &format!("/arbitration/{trade}/payout")).await;
    story.signs_at(&story.alice, trade, &format!("/trades/{trade}/ruling/cosignature")).await;
    assert_eq!(story.stage(trade).await, "paying_out");
    let (_, before) = story.waiting(trade).await;
    weather.estimates(rate(40));
    story.later(2).await;
    let page = story.page(&story.carol, trade, "/payout").await;
    assert!(page.contains("Fees have risen beyond what was signed"), "{page}");
    assert_eq!(story.press(&story.carol, trade, "payout/fees").await.status, 303);
    story.signs(&story.carol, trade, "payout/signature", &[]).await;
    story.signs(&story.alice, trade, "payout/signature", &[]).await;
    assert_eq!(story.waiting(trade).await.1, before, "signing sends nothing");
    let further = format!("SELECT min(fee_sat) FROM payouts WHERE kind = 'ruling' AND fee_sat > {}", before * 2);
    let further: i64 = story.site.sql().await.one(&further).await;
    for bearer in [&story.alice, &story.bob] {
        assert_eq!(story.waiting(trade).await.1, before, "who bears the fee has the word");
        assert_eq!(story.raises(bearer, trade, further.try_into().unwrap()).await.status, 303);
    }
    assert_eq!(story.waiting(trade).await.1, u64::try_from(further).unwrap());
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    story.check_log(trade).await;
}
