//! The same trades in other hands: with JavaScript off, on a phone, by keyboard alone.

use serde_json::json;

use super::play::Play;
use crate::harness::chrome::Way;

impl Play {
    /// A purchase, and after it a dispute that is ruled on.
    async fn lives(&self) {
        let trade = self.funded_sale().await;
        self.payment_is_marked(&trade).await;
        self.is_released(&trade).await;
        self.is_completed(&trade).await;
        assert!((990_000..1_000_000).contains(&self.got(&self.buyer).await));

        let trade = self.funded_sale().await;
        self.payment_is_marked(&trade).await;
        self.is_disputed(&trade).await;
        self.is_ruled(&trade).await;
        self.is_accepted(&trade).await;
        self.is_carried_out(&trade).await;
        self.is_completed(&trade).await;
        assert!((390_000..=400_000).contains(&self.got(&self.seller).await));
    }
}

#[tokio::test]
async fn everything_but_browser_signing_works_without_javascript() {
    let play = Play::start_as(Way::NoScript).await;
    play.lives().await;
    // It was off: what a page without script says is shown, and the switch of the theme is not wired.
    play.buyer.chrome.goto("/").await;
    assert!(play.buyer.chrome.words("body").await.contains("JavaScript is off"));
}

#[tokio::test]
async fn a_purchase_and_a_dispute_on_a_phone() {
    let play = Play::start_as(Way::Phone).await;
    let hand = "return [innerWidth, matchMedia('(pointer: coarse)').matches]";
    assert_eq!(play.buyer.chrome.run(hand).await, json!([390, true]));
    play.lives().await;
}

#[tokio::test]
async fn a_purchase_and_a_dispute_by_keyboard_alone() {
    let play = Play::start_as(Way::Keyboard).await;
    play.lives().await;
}
