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
    let (path, version) = (format!("/trades/{trade}/unpaid"), story.version(trade, &story.bob).await);
    assert_eq!(story.bob.browser.get(&path).await.status, 409, "the buyer still has time");
    assert_eq!(story.bob.browser.post(&path, &[("version", &version)]).await.status, 409);
    assert!(story.words_at(&story.alice, trade, "").await.contains("Send 500.00 EUR to bob-s Example"));
    story.later(60 * 24 * 8).await;
    let late = story.words_at(&story.alice, trade, "").await;
    assert!(late.contains("ask in the room before you send anything"), "{late}");
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

#[tokio::test]
async fn a_late_deposit_goes_back_and_a_stray_too() {
    let story = story().await;
    let trade = story.agreed().await;
    story.later(181).await;
    assert_eq!(story.stage(trade).await, "cancelled");
    story.deposit(trade, Amount::from_sat(1_000_000)).await;
    assert_eq!(story.stage(trade).await, "refund_due", "a late deposit opens the refund");
    story.signs(&story.bob, trade, "refund", &[]).await;
    story.deposit(trade, Amount::from_sat(300_000)).await;
    story.signs(&story.alice, trade, "refund", &[]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    let first = story.got(&story.bob).await;
    assert!(first > Amount::from_sat(990_000) && first < Amount::from_sat(1_000_000), "{first}");

    let page = story.bob.browser.get(&format!("/trades/{trade}")).await;
    let stray = page
        .between("href=\"/trades/", "\">Sign its refund")
        .map(|path| path.rsplit("/trades/").next().unwrap().to_owned());
    let place = stray.expect("a stray's refund is offered").split_once('/').unwrap().1.to_owned();
    story.signs(&story.bob, trade, &place, &[]).await;
    story.signs(&story.carol, trade, &place, &[]).await;
    story.mine(1).await;
    assert!(story.got(&story.bob).await > first + Amount::from_sat(290_000));
    assert_eq!(story.stage(trade).await, "completed", "a stray never changes the stage");
}

#[tokio::test]
async fn a_short_deposit_goes_back_when_the_window_ends() {
    let story = story().await;
    let trade = story.agreed().await;
    story.deposit(trade, Amount::from_sat(400_000)).await;
    assert_eq!(story.stage(trade).await, "awaiting_deposit");
    let page = story.bob.browser.get(&format!("/trades/{trade}")).await;
    assert!(page.words().contains("Short by 0.00 600 000 BTC"), "{}", page.words());
    assert_eq!(story.press(&story.alice, trade, "cancel").await.status, 409, "coins are there");
    story.later(181).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    story.signs(&story.bob, trade, "refund", &[]).await;
    story.later(1441).await;
    story.signs(&story.carol, trade, "refund", &[]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
}

#[tokio::test]
async fn a_deposit_in_several_outputs_and_over_the_due_is_one_payout() {
    let story = story().await;
    let trade = story.agreed().await;
    story.deposit(trade, Amount::from_sat(600_000)).await;
    story.deposit(trade, Amount::from_sat(500_000)).await;
    assert_eq!(story.stage(trade).await, "funded");
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    assert!(story.got(&story.bob).await > Amount::from_sat(90_000), "the surplus goes back to the seller");
}
