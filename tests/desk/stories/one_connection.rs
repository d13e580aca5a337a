//! A desk with one connection to its database: whoever asked for a second one while he holds the first would wait for
//! ever, and everybody with him.

use bitcoin::Amount;

use crate::harness::cast::{Story, story_with};
use crate::harness::{PASSWORD, Start};

async fn narrow() -> Story {
    story_with(Start { connections: Some(1), throttle_addresses: true, ..Start::default() }).await
}

#[tokio::test]
async fn disputes_and_rulings_need_one() {
    let story = narrow().await;
    let trade = story.disputed().await;
    story.speaks(&story.bob, trade, "It shows three hundred.").await;
    story.rules(trade, "split", "60").await;
    story.later(24 * 60 + 1).await;
    story.signs_at(&story.carol, trade, &format!("/arbitration/{trade}/payout")).await;
    story.signs_at(&story.alice, trade, &format!("/trades/{trade}/ruling/cosignature")).await;
    assert_eq!(story.stage(trade).await, "paying_out");
}

#[tokio::test]
async fn changed_contracts_settlements_and_reports_need_one() {
    let story = narrow().await;
    let trade = story.agreed().await;
    story.deposit(trade, Amount::from_sat(400_000)).await;
    story.amend(trade, "scale_down").await;
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    let split = [("unit", "percent"), ("buyer", "70"), ("note", ""), ("do", "propose")];
    let seen = story.posts(&story.bob, trade, "settlement", &split).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    let report = [("reason", "identity"), ("report", "He asks me to pay somebody else.")];
    let seen = story.posts(&story.bob, trade, "report", &report).await;
    assert!(seen.words().contains("The operator is told"), "{}", seen.words());
    let seen = story.alice.browser.post(&format!("/trades/{trade}/messages"), &[("text", "Hello")]).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
}

#[tokio::test]
async fn accounts_need_one() {
    let story = narrow().await;
    let browser = story.site.browser();
    let welcome = browser.post("/register", &[("name", "dora"), ("password", PASSWORD)]).await;
    let code = welcome.between("id=\"recovery-code\">", "<").unwrap().to_owned();
    let new = "another long one, of eight words or so";
    let fields = [("name", "dora"), ("code", &code), ("new_password", new)];
    let recovered = story.site.browser().post("/recover", &fields).await;
    assert!(recovered.words().contains("You are in again"), "{}", recovered.words());
    let dora = story.site.browser().sign_in("dora", new).await;
    let seen = dora.post("/account/password", &[("password", new), ("new_password", PASSWORD)]).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
}
