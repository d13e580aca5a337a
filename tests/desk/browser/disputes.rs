//! Trades that do not go as planned: two agree on a split, or the arbitrator rules.

use super::play::Play;

impl Play {
    /// The buyer has paid, or says so, and calls the arbitrator; the seller answers.
    pub async fn is_disputed(&self, trade: &str) {
        let (buyer, seller) = (&self.buyer.chrome, &self.seller.chrome);
        let dispute = format!("/trades/{trade}/dispute");
        buyer.goto(&dispute).await;
        buyer.fill("main [name=statement]", "I sent the money at noon and hear nothing.").await;
        buyer.click("#f-reason option:nth-of-type(2)").await;
        buyer.click("#f-wanted option:nth-of-type(2)").await;
        buyer.press("Call the arbitrator").await;
        buyer.reads("Opened by").await;
        seller.goto(&dispute).await;
        seller.fill("main [name=statement]", "Only a part of it has arrived.").await;
        seller.press("Send to the arbitrator").await;
        seller.reads("Only a part of it has arrived.").await;
    }

    /// The arbitrator drafts a split, and reads what it would pay.
    pub async fn is_drafted(&self, trade: &str) {
        let chrome = &self.arbitrator.chrome;
        chrome.goto("/arbitration").await;
        chrome.click(&format!("a[href='/arbitration/{trade}']")).await;
        chrome.tick("#o-split").await;
        chrome.fill("#f-buyer", "60").await;
        chrome.fill("#f-facts", "The bank statement shows a part of the sum.").await;
        chrome.fill("#f-reasons", "Each gets what the payment was worth.").await;
        chrome.press("Show what this would pay").await;
        chrome.find("a[href$='/signature']").await;
    }

    /// Everything up to a ruling that both accept.
    pub async fn ruled_sale(&self) -> String {
        let trade = self.funded_sale().await;
        self.payment_is_marked(&trade).await;
        self.is_disputed(&trade).await;
        self.is_ruled(&trade).await;
        self.is_accepted(&trade).await;
        trade
    }

    pub async fn is_ruled(&self, trade: &str) {
        self.is_drafted(trade).await;
        self.arbitrator.chrome.press("Go on to sign it").await;
        self.arbitrator.signs().await;
        assert_eq!(self.stage(trade).await, "ruled");
    }

    /// Neither trader has anything to object to.
    pub async fn is_accepted(&self, trade: &str) {
        for who in [&self.buyer, &self.seller] {
            who.chrome.goto(&format!("/trades/{trade}/ruling")).await;
            who.chrome.press("I accept the ruling").await;
            who.chrome.reads(&format!("{} has nothing to object to", who.name)).await;
        }
        self.work().await;
    }

    /// The arbitrator and the buyer sign the payout.
    pub async fn is_carried_out(&self, trade: &str) {
        self.arbitrator.chrome.goto(&format!("/arbitration/{trade}/payout")).await;
        self.arbitrator.signs().await;
        self.buyer.chrome.goto(&format!("/trades/{trade}/ruling")).await;
        self.buyer.chrome.press("Co-sign the payout").await;
        self.buyer.signs().await;
        self.work().await;
    }

    /// The seller proposes seven parts of ten for the buyer.
    pub async fn is_proposed(&self, trade: &str) {
        self.seller.opens(trade).await;
        self.seller.chrome.press("Propose a settlement").await;
        self.seller.chrome.fill("#f-buyer", "70").await;
        self.seller.chrome.press("Propose").await;
        self.seller.chrome.reads("You propose").await;
    }

    pub async fn proposal_is_accepted(&self, trade: &str) {
        self.buyer.chrome.goto(&format!("/trades/{trade}/settlement")).await;
        self.buyer.chrome.press("Accept this split").await;
        self.buyer.ticks(&["final"]).await;
        self.buyer.signs().await;
    }
}

#[tokio::test]
async fn a_settlement_between_two() {
    let play = Play::start().await;
    let trade = play.funded_sale().await;
    play.payment_is_marked(&trade).await;
    play.is_proposed(&trade).await;
    play.proposal_is_accepted(&trade).await;
    play.seller.opens(&trade).await;
    play.seller.chrome.press("Complete the settlement").await;
    play.seller.signs().await;
    play.is_completed(&trade).await;
    let (buyer, seller) = (play.got(&play.buyer).await, play.got(&play.seller).await);
    assert!((690_000..=700_000).contains(&buyer), "the buyer got {buyer}");
    assert!((290_000..=300_000).contains(&seller), "the seller got {seller}");
}

#[tokio::test]
async fn a_dispute_ends_in_a_split() {
    let play = Play::start().await;
    let trade = play.ruled_sale().await;
    play.is_carried_out(&trade).await;
    play.is_completed(&trade).await;
    let (buyer, seller) = (play.got(&play.buyer).await, play.got(&play.seller).await);
    assert!((590_000..=600_000).contains(&buyer), "the buyer got {buyer}");
    assert!((390_000..=400_000).contains(&seller), "the seller got {seller}");
}
