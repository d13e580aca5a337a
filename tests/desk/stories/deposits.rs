//! Deposits that forgive: too little, too late, too early; contracts that are changed together, trades taken up again.

use bitcoin::Amount;
use trine::desk::{arbitrators, trade_facts};
use trine::domain::PublicRef;

use crate::harness::Seen;
use crate::harness::cast::{Person, Story, story};

const RELEASE: [&str; 3] = ["own_account", "amount", "payer"];

impl Story {
    /// Sends a form of the trade with this version and these fields.
    pub async fn posts(&self, who: &Person, trade: PublicRef, place: &str, fields: &[(&str, &str)]) -> Seen {
        let version = self.version(trade, who).await;
        let mut all = vec![("version", version.as_str())];
        all.extend_from_slice(fields);
        let seen = who.browser.post(&format!("/trades/{trade}/{place}"), &all).await;
        self.work().await;
        seen
    }

    /// Proposes a changed contract, and signs it.
    pub async fn proposes_change(&self, who: &Person, trade: PublicRef, kind: &str) {
        let seen = self.posts(who, trade, "amendment", &[("kind", kind), ("minutes", "60")]).await;
        assert_eq!(seen.status, 303, "{kind}: {}", seen.words());
        self.signs(who, trade, "amendment/signature", &["bears"]).await;
    }

    /// Both sign a changed contract.
    pub async fn amend(&self, trade: PublicRef, kind: &str) {
        self.proposes_change(&self.bob, trade, kind).await;
        self.signs(&self.alice, trade, "amendment/signature", &["bears"]).await;
    }

    pub async fn words_at(&self, who: &Person, trade: PublicRef, place: &str) -> String {
        let seen = who.browser.get(&format!("/trades/{trade}{place}")).await;
        assert_eq!(seen.status, 200, "{place}: {}", seen.words());
        seen.words()
    }

    pub async fn reserved(&self) -> f64 {
        self.site.sql().await.one("SELECT reserved::float8 FROM offers").await
    }

    /// Paid, released, and confirmed.
    pub async fn goes_on_to_the_end(&self, trade: PublicRef) {
        assert_eq!(self.stage(trade).await, "funded");
        self.signs(&self.alice, trade, "payment", &["sent"]).await;
        self.signs(&self.bob, trade, "release", &RELEASE).await;
        self.mine(2).await;
        assert_eq!(self.stage(trade).await, "completed");
    }
}

/// Four tenths of the deposit have come.
async fn short() -> (Story, PublicRef) {
    let story = story().await;
    let trade = story.agreed().await;
    story.deposit(trade, Amount::from_sat(400_000)).await;
    (story, trade)
}

#[tokio::test]
async fn a_short_deposit_is_named_and_topped_up_with_the_cost_of_another_output() {
    let (story, trade) = short().await;
    let rate = u64::from(trade_facts::of(&story.site.desk, trade, story.bob.id).await.unwrap().book.contract.feerate);
    let cost = 105 * 2 * rate;
    let card = story.words_at(&story.bob, trade, "").await;
    assert!(card.contains("Short by 0.00 600 000 BTC"), "{card}");
    assert!(card.contains("A refund gives you 0.00 400 000 BTC"), "{card}");
    let page = story.bob.browser.get(&format!("/trades/{trade}/funding")).await;
    let asked = trine::domain::money::btc_grouped(Amount::from_sat(600_000 + cost)).replace('\u{202f}', " ");
    assert!(page.words().contains(&format!("Send the missing {asked} BTC")), "{}", page.words());
    assert_eq!(page.envelope()["top_up_sat"].as_u64(), Some(600_000 + cost));
    story.deposit(trade, Amount::from_sat(600_000 + cost - 1)).await;
    assert!(story.words_at(&story.bob, trade, "").await.contains("Short by 0.00 000 001 BTC"));
    assert_eq!(story.stage(trade).await, "awaiting_deposit");
    assert!(story.words_at(&story.alice, trade, "").await.contains("Do not pay yet"));
    story.deposit(trade, Amount::from_sat(cost + 1)).await;
    story.goes_on_to_the_end(trade).await;
    let (alice, bob) = (story.got(&story.alice).await.to_sat(), story.got(&story.bob).await.to_sat());
    assert!((990_000..1_000_000).contains(&alice), "alice got {alice}");
    assert!(bob < 3 * cost, "what is over is bob's: {bob}");
}

#[tokio::test]
async fn a_top_up_counts_only_until_the_window_ends() {
    let (story, trade) = short().await;
    story.later(181).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    let page = story.words_at(&story.bob, trade, "/funding").await;
    assert!(page.contains("Send nothing more"), "{page}");
}

#[tokio::test]
async fn both_scale_the_trade_down_to_what_was_deposited() {
    let (story, trade) = short().await;
    assert!((story.reserved().await - 500.0).abs() < f64::EPSILON);
    let page = story.words_at(&story.alice, trade, "/amendment").await;
    assert!(page.contains("200.00 EUR") && page.contains("0.00 400 000 BTC"), "{page}");
    assert!(page.contains("more than 5 %"), "what cannot be waived says why: {page}");
    story.proposes_change(&story.alice, trade, "scale_down").await;
    assert!(story.words_at(&story.alice, trade, "").await.contains("Waiting for bob-s to sign the changed contract"));
    assert!(story.words_at(&story.bob, trade, "").await.contains("alice proposes a change"));
    let old = story.words_at(&story.bob, trade, "/amendment").await;
    assert!(old.contains("alice proposes: trade what is in escrow") && old.contains("Signed by alice"), "{old}");
    assert_eq!(story.stage(trade).await, "awaiting_deposit", "the old contract stays until both have signed");
    story.signs(&story.bob, trade, "amendment/signature", &[]).await;
    assert_eq!(story.stage(trade).await, "funded", "what is there is enough now");
    assert!((story.reserved().await - 200.0).abs() < f64::EPSILON, "the offer has the rest again");
    assert!(story.words_at(&story.alice, trade, "").await.contains("Send 200.00 EUR to bob-s Example"));

    let all = story.words_at(&story.carol, trade, "/contracts").await;
    assert!(all.contains("Scaled down in force") && all.contains("The first contract superseded"), "{all}");
    let file = |number: u32| format!("/trades/{trade}/contracts/{number}");
    let first = story.bob.browser.get(&file(0)).await.body;
    let second: serde_json::Value = serde_json::from_str(&story.bob.browser.get(&file(1)).await.body).unwrap();
    let hash = bitcoin::hashes::Hash::hash(first.as_bytes());
    let hash: bitcoin::hashes::sha256::Hash = hash;
    assert_eq!(second["supersedes"], hash.to_string());
    assert_eq!((second["fiat"].as_str(), second["amount_sat"].as_u64()), (Some("200.00"), Some(400_000)));
    let now = story.bob.browser.get(&format!("/trades/{trade}/contract.json")).await.body;
    assert_eq!(now, story.bob.browser.get(&file(1)).await.body, "the one in force is the trade's contract");
    for number in [0, 1] {
        let signatures = story.bob.browser.get(&format!("{}/signatures", file(number))).await;
        assert!(signatures.body.contains("\"buyer\": \"cHNidP"), "{}", signatures.body);
    }
    story.goes_on_to_the_end(trade).await;
    let got = story.got(&story.alice).await.to_sat();
    assert!((390_000..400_000).contains(&got), "alice got {got}");
}

#[tokio::test]
async fn the_buyer_waives_what_is_missing() {
    let story = story().await;
    let trade = story.agreed().await;
    story.deposit(trade, Amount::from_sat(990_000)).await;
    let page = story.words_at(&story.alice, trade, "/amendment").await;
    assert!(page.contains("You bear it: you pay the same money and get fewer coins"), "{page}");
    story.proposes_change(&story.bob, trade, "waive").await;
    let seen = story.sign(&story.alice, trade, "amendment/signature", &[]).await;
    assert_eq!(seen.status, 422, "alice has to say that she bears it: {}", seen.words());
    assert!(seen.words().contains("I still pay 500.00 EUR, and get 0.00 990 000 BTC for it"), "{}", seen.words());
    story.signs(&story.alice, trade, "amendment/signature", &["bears"]).await;
    assert!(story.words_at(&story.alice, trade, "").await.contains("Send 500.00 EUR"));
    assert!((story.reserved().await - 500.0).abs() < f64::EPSILON);
    story.goes_on_to_the_end(trade).await;
    assert!((980_000..990_000).contains(&story.got(&story.alice).await.to_sat()));
}

#[tokio::test]
async fn both_make_the_deposit_window_longer() {
    let story = story().await;
    let trade = story.agreed().await;
    story.later(170).await;
    let seen = story.posts(&story.bob, trade, "amendment", &[("kind", "lengthen"), ("minutes", "7")]).await;
    assert_eq!((seen.status, seen.error("minutes").as_str()), (422, "Choose how much longer."));
    story.amend(trade, "lengthen").await;
    story.later(20).await;
    assert_eq!(story.stage(trade).await, "awaiting_deposit", "the first window would be over");
    story.deposit(trade, Amount::from_sat(1_000_000)).await;
    assert_eq!(story.stage(trade).await, "funded");

    let other = crate::harness::cast::story().await;
    let trade = other.agreed().await;
    other.amend(trade, "lengthen").await;
    other.later(241).await;
    assert_eq!(other.stage(trade).await, "cancelled", "and it ends as well");
}

#[tokio::test]
async fn a_proposal_is_taken_back_declined_or_lapses_and_the_contract_stays() {
    let (story, trade) = short().await;
    let hash = || async {
        let sql = "SELECT encode(contract_hash, 'hex') FROM trades";
        story.site.sql().await.one::<String>(sql).await
    };
    let before = hash().await;
    for who in [&story.bob, &story.alice] {
        story.proposes_change(&story.bob, trade, "scale_down").await;
        assert_eq!(story.press(who, trade, "amendment/withdrawal").await.status, 303);
        let gone = story.bob.browser.get(&format!("/trades/{trade}/amendment/signature")).await;
        assert_eq!(gone.status, 409, "{}", gone.words());
    }
    story.proposes_change(&story.bob, trade, "lengthen").await;
    story.later(61).await;
    let room = story.words_at(&story.bob, trade, "").await;
    assert!(room.contains("The proposed change was not signed by both in time"), "{room}");
    assert!(room.contains("took the proposed change back") && room.contains("declined the proposed change"), "{room}");
    assert_eq!(hash().await, before);
    let all = story.words_at(&story.alice, trade, "/contracts").await;
    assert_eq!(all.matches("taken back or declined").count(), 4, "{all}");
    story.deposit(trade, Amount::from_sat(700_000)).await;
    story.goes_on_to_the_end(trade).await;
}

#[tokio::test]
async fn a_deposit_that_is_enough_ends_a_half_signed_change() {
    let (story, trade) = short().await;
    story.proposes_change(&story.bob, trade, "scale_down").await;
    let signatures = story.alice.signatures(&format!("/trades/{trade}/amendment/signature")).await;
    story.deposit(trade, Amount::from_sat(700_000)).await;
    assert_eq!(story.stage(trade).await, "funded");
    let seen = story.posts(&story.alice, trade, "amendment/signature", &[("signatures", &signatures)]).await;
    assert_eq!(seen.status, 409);
    assert!(seen.words().contains("The coins are in escrow under the contract as it was"), "{}", seen.words());
    assert!(story.words_at(&story.alice, trade, "").await.contains("Send 500.00 EUR"));
    assert!(story.words_at(&story.alice, trade, "/contracts").await.contains("lapsed"));
    let seen = story.posts(&story.bob, trade, "amendment", &[("kind", "scale_down")]).await;
    assert_eq!(seen.status, 409, "{}", seen.words());
    story.goes_on_to_the_end(trade).await;
    story.check_logs().await;
}

#[tokio::test]
async fn a_late_deposit_is_taken_up_again_by_both_at_the_agreed_price() {
    let story = story().await;
    let trade = story.agreed().await;
    story.later(181).await;
    assert!(story.reserved().await.abs() < f64::EPSILON);
    story.deposit(trade, Amount::from_sat(1_050_000)).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    trine::desk::admin::set_rate(&story.site.desk, "EUR", "70000".parse().unwrap()).await.unwrap();
    let card = story.words_at(&story.alice, trade, "").await;
    assert!(card.contains("The deposit is here, too late") && !card.contains("DE89"), "{card}");
    let page = story.words_at(&story.bob, trade, "/reinstatement").await;
    assert!(page.contains("500.00 EUR, as agreed then") && page.contains("0.00 050 000 BTC more"), "{page}");
    assert_eq!(story.press(&story.bob, trade, "reinstatement").await.status, 303);
    assert!(story.words_at(&story.alice, trade, "").await.contains("bob-s wants to take the trade up again"));
    assert_eq!(story.press(&story.bob, trade, "reinstatement").await.status, 409, "bob has said so");
    assert_eq!(story.press(&story.carol, trade, "reinstatement").await.status, 404);
    assert_eq!(story.press(&story.bob, trade, "reinstatement/withdrawal").await.status, 303);
    assert_eq!(story.press(&story.alice, trade, "reinstatement").await.status, 303);
    assert_eq!(story.stage(trade).await, "refund_due", "each has to say it");
    assert_eq!(story.press(&story.bob, trade, "reinstatement").await.status, 303);
    assert_eq!(story.stage(trade).await, "funded");
    assert!((story.reserved().await - 500.0).abs() < f64::EPSILON, "the offer holds it again");
    assert!(story.words_at(&story.alice, trade, "").await.contains("DE89"), "now alice may know where to pay");
    story.goes_on_to_the_end(trade).await;
    assert!((990_000..1_000_000).contains(&story.got(&story.alice).await.to_sat()));
    assert!((49_000..=50_000).contains(&story.got(&story.bob).await.to_sat()), "the surplus goes back");
}

#[tokio::test]
async fn nothing_is_taken_up_again_after_a_signature_or_without_an_arbitrator_on_duty() {
    let story = story().await;
    let trade = story.agreed().await;
    story.later(181).await;
    story.deposit(trade, Amount::from_sat(1_000_000)).await;
    assert_eq!(story.press(&story.alice, trade, "reinstatement").await.status, 303);
    arbitrators::dismiss(&story.site.desk, "carol").await.unwrap();
    let seen = story.press(&story.bob, trade, "reinstatement").await;
    assert_eq!(seen.status, 409);
    assert!(seen.words().contains("carol, the arbitrator of this trade, is not on duty"), "{}", seen.words());
    story.signs(&story.bob, trade, "refund", &[]).await;
    let seen = story.press(&story.bob, trade, "reinstatement").await;
    assert!(seen.words().contains("a signature stays valid for ever"), "{}", seen.words());
    story.signs(&story.alice, trade, "refund", &[]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
}

#[tokio::test]
async fn a_short_deposit_that_is_completed_too_late_is_taken_up_again() {
    let (story, trade) = short().await;
    story.later(181).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    let seen = story.press(&story.alice, trade, "reinstatement").await;
    assert!(seen.words().contains("less in escrow than was agreed"), "{}", seen.words());
    story.deposit(trade, Amount::from_sat(700_000)).await;
    for who in [&story.alice, &story.bob] {
        assert_eq!(story.press(who, trade, "reinstatement").await.status, 303);
    }
    story.goes_on_to_the_end(trade).await;
    assert!((990_000..1_000_000).contains(&story.got(&story.alice).await.to_sat()));
}

#[tokio::test]
async fn an_early_deposit_counts_when_both_have_signed_and_goes_back_if_not() {
    for signed in [true, false] {
        let story = story().await;
        let trade = story.take().await;
        story.deposit(trade, Amount::from_sat(1_000_000)).await;
        assert_eq!(story.stage(trade).await, "proposed");
        if signed {
            story.signs(&story.bob, trade, "contract-signature", &[]).await;
            story.signs(&story.alice, trade, "contract-signature", &[]).await;
            story.goes_on_to_the_end(trade).await;
        } else {
            assert_eq!(story.press(&story.bob, trade, "decline").await.status, 303);
            story.work().await;
            assert_eq!(story.stage(trade).await, "refund_due");
            story.signs(&story.bob, trade, "refund", &[]).await;
            story.signs(&story.alice, trade, "refund", &[]).await;
            story.mine(2).await;
            assert!(story.got(&story.bob).await.to_sat() > 990_000);
        }
    }
}

#[tokio::test]
async fn dust_at_the_address_of_a_cancelled_trade_is_left_and_said() {
    let story = story().await;
    let trade = story.agreed().await;
    story.deposit(trade, Amount::from_sat(1_900)).await;
    story.later(181).await;
    assert_eq!(story.stage(trade).await, "cancelled");
    let card = story.words_at(&story.bob, trade, "").await;
    assert!(card.contains("1 900 sat are at the address"), "{card}");
}
