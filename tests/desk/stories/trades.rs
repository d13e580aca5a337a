use bitcoin::Amount;

use crate::harness::cast::story;

#[tokio::test]
async fn buyer_gets_the_coins_when_the_seller_releases() {
    let story = story().await;
    let trade = story.paid().await;
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    assert_eq!(story.stage(trade).await, "paying_out");
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    let got = story.got(&story.alice).await.to_sat();
    assert!((990_000..1_000_000).contains(&got), "alice got {got} sat");
    for person in [&story.alice, &story.bob] {
        let page = person.browser.get(&format!("/trades/{trade}")).await;
        assert_eq!(page.status, 200, "{}", page.words());
        assert!(page.words().contains("Completed"));
    }
}

#[tokio::test]
async fn seller_gets_the_deposit_back_when_the_buyer_cancels() {
    let story = story().await;
    let trade = story.funded().await;
    story.signs(&story.alice, trade, "cancellation", &["not_paid"]).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    let mark = story.alice.browser.get(&format!("/trades/{trade}/payment")).await;
    assert_eq!(mark.status, 409, "after a refund signature there is nothing to pay");
    story.signs(&story.bob, trade, "refund", &[]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    assert!(story.got(&story.bob).await > Amount::from_sat(990_000));
}

#[tokio::test]
async fn seller_gets_refund_when_buyer_never_pays() {
    let story = story().await;
    let trade = story.funded().await;
    assert_eq!(story.sign(&story.bob, trade, "unpaid", &[]).await.status, 409, "the buyer still has time");
    story.later(60 * 24 * 8).await;
    story.signs(&story.bob, trade, "unpaid", &[]).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    story.signs(&story.alice, trade, "refund", &[]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
}

#[tokio::test]
async fn a_deposit_that_never_comes_gives_the_offer_its_amount_back() {
    let story = story().await;
    let trade = story.agreed().await;
    let sql = story.site.sql().await;
    let reserved = || async {
        let row = sql.query_one("SELECT reserved::text FROM offers", &[]).await.unwrap();
        row.get::<_, String>(0).parse::<f64>().unwrap()
    };
    assert_eq!(reserved().await, 500.0);
    story.later(181).await;
    assert_eq!(story.stage(trade).await, "cancelled");
    assert_eq!(reserved().await, 0.0);
}
