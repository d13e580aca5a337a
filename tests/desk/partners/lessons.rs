//! The four lessons of the tour and what else the sentences make of a trade, from outside, against the real process.

use trine::partners::habits::HELLO;
use trine::partners::papers::Expected;

use super::newcomer::Newcomer;
use super::process::Practice;

impl Practice {
    async fn outcome(&self, trade: &str) -> String {
        self.until_stage(trade, "completed").await;
        self.site.sql().await.one(&format!("SELECT outcome FROM trades WHERE reference = '{trade}'")).await
    }

    /// A purchase up to coins in escrow.
    async fn bought(&self, nora: &Newcomer) -> String {
        let trade = nora.takes(&self.offer("miro", "seller", "EUR").await, "200").await;
        nora.signs(&trade, "contract-signature", Expected::Contract).await;
        self.until_stage(&trade, "funded").await;
        trade
    }

    /// A sale up to coins in escrow.
    async fn sold(&self, nora: &Newcomer) -> String {
        let trade = nora.takes(&self.offer("miro", "buyer", "EUR").await, "200").await;
        nora.signs(&trade, "contract-signature", Expected::Contract).await;
        self.until_stage(&trade, "awaiting_deposit").await;
        trade
    }

    async fn pays_the_deposit(&self, nora: &Newcomer, trade: &str) {
        nora.fills(trade, "", "/practice/deposit", &[]).await;
    }

    async fn until_said(&self, trade: &str, words: &str) {
        let sql = format!(
            "SELECT count(*) > 0 FROM messages m JOIN trades t ON t.id = m.trade
             WHERE t.reference = '{trade}' AND m.body LIKE '{words}%'"
        );
        self.until(&sql).await;
    }

    async fn disputed(&self, nora: &Newcomer) -> String {
        let trade = self.bought(nora).await;
        nora.says(&trade, "please do not release").await;
        self.until_said(&trade, "All right, I do not release").await;
        nora.signs(&trade, "payment", Expected::Release).await;
        let opening = [("reason", "not_released"), ("wanted", "release"), ("statement", "I have paid, see the room.")];
        nora.fills(&trade, "/dispute", "/trades/{trade}/dispute", &opening).await;
        self.until_said(&trade, "Hello, I am the practice arbitrator").await;
        trade
    }
}

#[tokio::test]
async fn a_newcomer_alone_buys_sells_is_refunded_and_wins_a_dispute() {
    let practice = Practice::start().await;
    let nora = Newcomer::enter(&practice, "nora").await;

    let trade = practice.bought(&nora).await;
    nora.signs(&trade, "payment", Expected::Release).await;
    assert_eq!(practice.outcome(&trade).await, "released");
    let said = practice.said(&trade).await;
    assert_eq!(said.iter().filter(|line| *line == HELLO).count(), 1, "{said:?}");

    let trade = practice.sold(&nora).await;
    practice.pays_the_deposit(&nora, &trade).await;
    practice.until_stage(&trade, "payment_sent").await;
    nora.signs(&trade, "release", Expected::Release).await;
    assert_eq!(practice.outcome(&trade).await, "released");

    let trade = practice.bought(&nora).await;
    nora.signs(&trade, "cancellation", Expected::Refund).await;
    assert_eq!(practice.outcome(&trade).await, "refunded");

    let trade = practice.disputed(&nora).await;
    nora.says(&trade, "please rule for me").await;
    practice.until_stage(&trade, "ruled").await;
    nora.signs(&trade, "ruling/cosignature", Expected::Ruling).await;
    assert_eq!(practice.outcome(&trade).await, "released");
}

#[tokio::test]
async fn fixed_sentences_make_partners_cancel_wait_dispute_and_settle() {
    let practice = Practice::start().await;
    let nora = Newcomer::enter(&practice, "nora").await;

    // Cancelled before anything is there, then with coins in escrow.
    let trade = practice.sold(&nora).await;
    nora.says(&trade, "Please cancel.").await;
    practice.until_stage(&trade, "cancelled").await;
    let trade = practice.sold(&nora).await;
    nora.says(&trade, "please do not pay").await;
    practice.pays_the_deposit(&nora, &trade).await;
    practice.until_stage(&trade, "funded").await;
    nora.says(&trade, "please cancel").await;
    practice.until_stage(&trade, "refund_due").await;
    nora.signs(&trade, "refund", Expected::Refund).await;
    assert_eq!(practice.outcome(&trade).await, "refunded");

    // A partner waits, goes on, disputes; the arbitrator rules against who asks for that.
    let trade = practice.sold(&nora).await;
    nora.says(&trade, "please do not pay").await;
    practice.pays_the_deposit(&nora, &trade).await;
    practice.until_said(&trade, "All right, I do not pay").await;
    practice.until_stage(&trade, "funded").await;
    nora.says(&trade, "please go on").await;
    practice.until_stage(&trade, "payment_sent").await;
    nora.says(&trade, "please open a dispute").await;
    practice.until_stage(&trade, "disputed").await;
    let page = format!("/trades/{trade}/dispute");
    let statement = nora.door.form(&page, &format!("{page}/statements")).await.unwrap();
    nora.door.send(&statement.with("statement", "Nothing has arrived.")).await.unwrap();
    nora.says(&trade, "please rule against me").await;
    practice.until_stage(&trade, "ruled").await;
    nora.fills(&trade, "/ruling", "/trades/{trade}/ruling/acceptance", &[]).await;
    assert_eq!(practice.outcome(&trade).await, "released");

    // A settlement of the partner's, accepted.
    let trade = practice.bought(&nora).await;
    nora.says(&trade, "please propose a settlement").await;
    practice.until_said(&trade, "All right, I propose half").await;
    practice
        .until(&format!(
            "SELECT count(*) = 1 FROM settlements s JOIN trades t ON t.id = s.trade WHERE t.reference = '{trade}'"
        ))
        .await;
    nora.signs(&trade, "settlement/acceptance", Expected::Settlement).await;
    assert_eq!(practice.outcome(&trade).await, "split");
}

#[tokio::test]
async fn partners_killed_at_any_moment_go_on_where_the_pages_say() {
    let mut practice = Practice::start().await;
    let nora = Newcomer::enter(&practice, "nora").await;
    let trade = nora.takes(&practice.offer("miro", "seller", "EUR").await, "200").await;
    nora.signs(&trade, "contract-signature", Expected::Contract).await;
    practice.kill_partners();
    practice.call_partners();
    practice.until_stage(&trade, "awaiting_deposit").await;
    practice.until_said(&trade, "I lock the coins now").await;
    practice.kill_partners();
    practice.call_partners();
    practice.until_stage(&trade, "funded").await;
    nora.signs(&trade, "payment", Expected::Release).await;
    practice.until_said(&trade, "The money is there").await;
    practice.kill_partners();
    practice.call_partners();
    assert_eq!(practice.outcome(&trade).await, "released");

    let said = practice.said(&trade).await;
    for one in &said {
        assert_eq!(said.iter().filter(|line| *line == one).count(), 1, "{one:?} was said twice");
    }
    let sql = practice.site.sql().await;
    assert_eq!(sql.count("deposits").await, 1, "it paid once");
    let offers: i64 = sql.one("SELECT count(*) FROM offers").await;
    practice.until("SELECT count(*) = 10 FROM offers WHERE state = 'open'").await;
    assert_eq!(offers, 10, "no offer was posted twice");
}
