//! Payouts that arrive: who bears the miner fee chooses, what lingers is sent with more, and a child pays for its parent.

use bitcoin::{Amount, Psbt, Transaction, Txid};
use trine::chain::Chain;
use trine::domain::PublicRef;

use crate::harness::Seen;
use crate::harness::cast::{Person, Story, story};

const TICKS: [&str; 3] = ["own_account", "amount", "payer"];

impl Story {
    /// Signs a page and says a miner fee with it.
    pub async fn signs_with_fee(&self, who: &Person, trade: PublicRef, place: &str, tick: &str, fee: u64) -> Seen {
        let path = format!("/trades/{trade}/{place}");
        let signatures = who.signatures(&path).await;
        let (version, fee) = (self.version(trade, who).await, fee.to_string());
        let fields = [("version", version.as_str()), ("signatures", &signatures), (tick, "yes"), ("fee", &fee)];
        let seen = who.browser.post(&path, &fields).await;
        self.work().await;
        seen
    }

    /// The fees of a signing page, lowest first.
    pub async fn fees(&self, who: &Person, trade: PublicRef, place: &str) -> Vec<u64> {
        let page = who.browser.get(&format!("/trades/{trade}/{place}")).await;
        let envelope = page.envelope();
        let psbts = envelope["psbts"].as_array().unwrap().iter();
        let held: u64 = envelope["funding"].as_array().unwrap().iter().map(|one| one["sat"].as_u64().unwrap()).sum();
        psbts
            .map(|one| {
                let psbt: Psbt = one["base64"].as_str().unwrap().parse().unwrap();
                held - psbt.unsigned_tx.output.iter().map(|output| output.value.to_sat()).sum::<u64>()
            })
            .collect()
    }

    /// The payout that waits in the mempool, with its fee.
    pub async fn waiting(&self, trade: PublicRef) -> (Transaction, u64) {
        let txid = self.payout_txid(trade).await;
        let payout = self.site.chain.transaction(txid, None).await.unwrap().expect("the payout is on the chain");
        let sql = "SELECT fee_sat FROM payouts WHERE txid = $1";
        let key: &[u8] = bitcoin::hashes::Hash::as_byte_array(&txid);
        let fee: i64 = self.site.sql().await.query_one(sql, &[&key]).await.unwrap().get(0);
        (payout, fee.try_into().unwrap())
    }

    pub async fn payout_txid(&self, trade: PublicRef) -> Txid {
        let (row, _) = trine::desk::trade_facts::party(&self.site.desk, trade, self.bob.id).await.unwrap();
        row.payout_txid.expect("a payout left")
    }

    pub async fn raises(&self, who: &Person, trade: PublicRef, fee: u64) -> Seen {
        let version = self.version(trade, who).await;
        let fields = [("version", version.as_str()), ("fee", &fee.to_string())];
        let seen = who.browser.post(&format!("/trades/{trade}/payout/fee"), &fields).await;
        self.work().await;
        seen
    }

    /// Blocks that hold nothing of what waits.
    pub fn mine_empty(&self, blocks: u32) {
        self.site.chain.mine_empty(blocks, jiff::Timestamp::now()).unwrap();
    }

    /// The release is complete and waits; alice's fees, lowest first.
    pub async fn released(&self) -> (PublicRef, Vec<u64>) {
        let trade = self.paid().await;
        let fees = self.fees(&self.bob, trade, "release").await;
        self.signs(&self.bob, trade, "release", &TICKS).await;
        (trade, fees)
    }
}

#[tokio::test]
async fn every_fee_is_shown_before_signing_with_how_long_it_takes() {
    let story = story().await;
    let trade = story.funded().await;
    let page = story.alice.browser.get(&format!("/trades/{trade}/payment")).await;
    let words = page.words();
    for part in ["Miner fee", "You bear it", "expected within 3 blocks, about 30 minutes", "you get 0.00 99", "sat/vB"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    let seller = story.bob.browser.get(&format!("/trades/{trade}/release")).await.words();
    assert!(seller.contains("Signed with each of these fees; who bears it decides"), "{seller}");
    assert!(!seller.contains("You bear it"), "the seller does not bear the release's fee");
}

#[tokio::test]
async fn the_desk_takes_the_lowest_fee_expected_within_an_hour() {
    let story = story().await;
    let (trade, fees) = story.released().await;
    assert_eq!(fees.len(), 3);
    // 4 sat/vB get in within six blocks on the practice chain: that is the first step.
    assert_eq!(story.waiting(trade).await.1, fees[0]);
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
}

#[tokio::test]
async fn who_bears_the_fee_may_choose_a_higher_one_while_signing() {
    let story = story().await;
    let trade = story.funded().await;
    let fees = story.fees(&story.alice, trade, "payment").await;
    let sent = story.signs_with_fee(&story.alice, trade, "payment", "sent", fees[2]).await;
    assert_eq!(sent.status, 303, "{}", sent.words());
    // What the seller says of a fee that he does not bear is refused, and nothing happens.
    let refused = story.signs_with_fee(&story.bob, trade, "refund", "x", fees[0]).await;
    assert_ne!(refused.status, 500);
    story.signs(&story.bob, trade, "release", &TICKS).await;
    assert_eq!(story.waiting(trade).await.1, fees[2]);
    story.check_log(trade).await;
}

#[tokio::test]
async fn who_is_paid_can_have_the_next_fee_sent_at_any_time_and_nobody_else() {
    let story = story().await;
    let (trade, fees) = story.released().await;
    let before = story.payout_txid(trade).await;
    let refused = story.raises(&story.bob, trade, fees[1]).await;
    assert_eq!(refused.status, 409, "{}", refused.words());
    assert!(refused.words().contains("Who bears the miner fee decides"), "{}", refused.words());
    assert_eq!(story.raises(&story.alice, trade, fees[0]).await.status, 409, "it is on its way already");
    assert_eq!(story.raises(&story.alice, trade, 77).await.status, 409, "nobody signed that");
    assert_eq!(story.payout_txid(trade).await, before);

    assert_eq!(story.raises(&story.alice, trade, fees[1]).await.status, 303);
    let (payout, fee) = story.waiting(trade).await;
    assert_eq!(fee, fees[1]);
    assert_ne!(payout.compute_txid(), before);
    assert!(story.site.chain.transaction(before, None).await.unwrap().is_none(), "the first was replaced");
    assert_eq!(story.stage(trade).await, "paying_out");
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    assert_eq!(story.payout_txid(trade).await, payout.compute_txid());
    story.check_log(trade).await;
}

#[tokio::test]
async fn a_payout_that_lingers_can_be_raised_by_either_after_36_blocks() {
    let story = story().await;
    let (trade, fees) = story.released().await;
    story.mine_empty(35);
    story.work().await;
    assert_eq!(story.raises(&story.bob, trade, fees[1]).await.status, 409, "35 blocks are not enough");
    story.mine_empty(1);
    story.work().await;
    let page = story.bob.browser.get(&format!("/trades/{trade}")).await.words();
    assert!(page.contains("The payout lingers") && page.contains("waited for 36 blocks"), "{page}");
    let page = story.bob.browser.get(&format!("/trades/{trade}/payout")).await.words();
    assert!(page.contains("Send it with"), "{page}");
    assert_eq!(story.raises(&story.bob, trade, fees[1]).await.status, 303);
    assert_eq!(story.waiting(trade).await.1, fees[1]);
    assert_eq!(story.raises(&story.bob, trade, fees[2]).await.status, 409, "the wait begins anew");
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
}

#[tokio::test]
async fn an_older_fee_step_that_is_mined_after_all_ends_the_trade_as_it_should() {
    let story = story().await;
    let (trade, fees) = story.released().await;
    let (first, _) = story.waiting(trade).await;
    assert_eq!(story.raises(&story.alice, trade, fees[2]).await.status, 303);
    // A miner who never saw the replacement.
    story.site.chain.evict(story.payout_txid(trade).await).unwrap();
    story.site.chain.broadcast(&first).await.unwrap();
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    assert_eq!(story.payout_txid(trade).await, first.compute_txid(), "the page names what really paid");
}

#[tokio::test]
async fn an_evicted_payout_is_sent_again() {
    let story = story().await;
    let (trade, _) = story.released().await;
    let (payout, _) = story.waiting(trade).await;
    // Thrown out before the desk has even seen it wait: noticed at the next block.
    story.site.chain.evict(payout.compute_txid()).unwrap();
    story.mine_empty(1);
    story.work().await;
    story.work().await;
    assert_eq!(story.site.chain.waiting(), 1, "it waits again");
    // And after it was seen: noticed at once.
    story.work().await;
    story.site.chain.evict(payout.compute_txid()).unwrap();
    assert_eq!(story.site.chain.waiting(), 0);
    story.work().await;
    story.work().await;
    assert_eq!(story.site.chain.waiting(), 1, "and again");
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    story.check_log(trade).await;
}

#[tokio::test]
async fn an_evicted_payout_takes_its_deposit_along_when_that_left_the_chain_too() {
    let story = story().await;
    let (trade, _) = story.released().await;
    let now = jiff::Timestamp::now();
    story.site.chain.reorganise(3, trine::chain::practice::Fate::Forgotten, now).unwrap();
    for _ in 0..4 {
        story.work().await;
    }
    assert_eq!(story.site.chain.waiting(), 2, "deposit and payout wait");
    story.mine(3).await;
    assert_eq!(story.stage(trade).await, "completed");
    assert!(story.got(&story.alice).await > Amount::from_sat(990_000));
}
