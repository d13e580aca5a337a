//! Every page, as the people of a trade see it, at both widths and in both themes: axe finds nothing, nothing sticks out.
//! With TRINE_SCREENSHOTS=folder each is pictured there (script/screenshots).

mod endings;

use std::sync::Arc;

use trine::courier::{Courier, Hooks};
use trine::desk::delivery;

use super::actor::Actor;
use super::odd::pages_of_an_odd_chain;
use super::play::Play;
use super::walk::Walk;
use crate::harness::chrome::{Chrome, Way};
use crate::harness::post::{MailServer, Receiver};
use crate::harness::{Start, Weather};

async fn visitors_pages(walk: &mut Walk, play: &Play, offer: &str) {
    let visitor = Chrome::open(&play.proxy.origin).await;
    let offer = format!("/offers/{offer}");
    walk.visit(&visitor, "visitor", &["/", "/?side=sell", &offer, "/people/sol-sells", "/register", "/sign-in"]).await;
    walk.visit(&visitor, "visitor", &["/recover", "/recover/key", "/log", "/help", "/tour", "/appearance", "/nowhere"])
        .await;
    visitor.goto("/sign-in").await;
    visitor.fill("#f-name", "nobody-here").await;
    visitor.fill("#f-password", "wrong words").await;
    visitor.press("Sign in").await;
    walk.look(&visitor, "visitor sign-in refused").await;
}

async fn own_pages(walk: &mut Walk, play: &Play, offer: &str) {
    let (buyer, seller) = (&play.buyer.chrome, &play.seller.chrome);
    let edit = format!("/offers/{offer}/edit");
    walk.visit(seller, "trader", &["/account", "/keys", "/keys/wallet", "/keys/restore", "/payment-accounts"]).await;
    walk.visit(seller, "trader", &["/account/hours", "/account/calendar", "/account/notices"]).await;
    walk.visit(seller, "trader", &["/payment-accounts/new", "/payment-accounts/new?method=sepa", "/my/offers"]).await;
    walk.visit(seller, "trader", &["/offers/new", "/offers/new?side=sell&currency=EUR", &edit, "/trades"]).await;
    walk.visit(seller, "own", &[&format!("/offers/{offer}")]).await;
    let take = format!("/offers/{offer}/take");
    walk.visit(buyer, "trader", &["/appearance", &take, &format!("{take}?amount=500")]).await;
    buyer.fill("#f-address", "bcrt1qwrong").await;
    buyer.press("Go on to the summary").await;
    buyer.find("#e-address").await;
    walk.look(buyer, "trader take refused").await;
    buyer.goto("/keys/browser").await;
    walk.look(buyer, "key begin").await;
    buyer.click("#make-words").await;
    buyer.find("#words li").await;
    walk.look(buyer, "key words").await;
    buyer.click("#words-written").await;
    buyer.find("[data-word-number]").await;
    walk.look(buyer, "key check").await;
    buyer.goto("/keys/restore").await;
    buyer.fill("#restore-words", &play.buyer.words).await;
    buyer.click("#restore-from-words").await;
    buyer.find("#passphrase").await;
    walk.look(buyer, "key passphrase").await;
    walk.visit(&play.arbitrator.chrome, "arbitrator", &["/keys", "/keys/drill", "/account"]).await;
}

/// The buyer is told by mail and by webhook.
async fn pages_of_being_told(walk: &mut Walk, play: &Play, mails: &MailServer, hooks: &Receiver) {
    let buyer = &play.buyer.chrome;
    buyer.goto("/account/notices").await;
    buyer.fill("#f-address", "bea@home").await;
    buyer.press("Send me the link").await;
    buyer.find("#e-address").await;
    walk.look(buyer, "told address refused").await;
    buyer.fill("#f-address", "bea@mail.example").await;
    buyer.press("Send me the link").await;
    buyer.reads("is on its way to").await;
    delivery::deliver_due(&play.site.desk).await.unwrap();
    walk.visit(buyer, "told unconfirmed", &["/account/notices", &mails.mails()[0].link()]).await;
    buyer.press("Yes, send notices to it").await;
    buyer.reads("The address is confirmed").await;
    walk.look(buyer, "told confirmed").await;
    buyer.goto("/account/notices").await;
    buyer.fill("#f-url", &hooks.url).await;
    buyer.press("Set this address").await;
    buyer.find("#hook-secret").await;
    walk.look(buyer, "told secret").await;
}

/// The operator's, with a dispute and a past deadline on them.
async fn operators_pages(walk: &mut Walk, play: &Play, trade: &str) {
    let olga = Actor::enters_as(&play.proxy, "olga-runs", Way::Mouse).await;
    trine::desk::admin::first_operator(&play.site.desk, olga.name, true).await.unwrap();
    let sql = play.site.sql().await;
    let stuck = "INSERT INTO outbox (kind, payload, created_at, due_at, attempts, last_error)
                 VALUES ('broadcast', '{}', now(), now() + interval '1 h', 3, 'min relay fee not met')";
    sql.batch_execute(stuck).await.unwrap();
    let chrome = &olga.chrome;
    walk.visit(chrome, "operator", &["/operator", "/operator/accounts", "/operator/arbitrators"]).await;
    walk.visit(chrome, "operator", &["/operator/accounts/sol-sells", &format!("/operator/trades/{trade}")]).await;
    chrome.goto("/operator/invitations").await;
    chrome.fill("#f-note", "the baker").await;
    chrome.press("Make an invitation").await;
    chrome.find("#invitation-code").await;
    walk.look(chrome, "operator invitations").await;
    walk.visit(chrome, "operator", &["/operator/acts"]).await;
    sql.batch_execute("DELETE FROM outbox WHERE last_error = 'min relay fee not met'").await.unwrap();
}

async fn pages_of_a_trade(walk: &mut Walk, play: &Play, offer: &str) {
    let (buyer, seller) = (&play.buyer, &play.seller);
    let trade = &buyer.takes(offer).await;
    walk.of_a_trade(buyer, "proposed", trade, &["", "/contract-signature"]).await;
    walk.without_script(buyer, "board", "/").await;
    walk.without_script(buyer, "offer", &format!("/offers/{offer}")).await;
    walk.without_script(buyer, "contract", &format!("/trades/{trade}/contract-signature")).await;
    walk.visit(&buyer.chrome, "with a trade", &["/trades", "/"]).await;
    play.both_sign_the_contract(trade).await;
    walk.of_a_trade(seller, "to fund", trade, &["", "/funding"]).await;
    walk.of_a_trade(buyer, "to fund", trade, &["", "/funding"]).await;
    walk.without_script(seller, "to fund", &format!("/trades/{trade}")).await;
    walk.without_script(seller, "funding", &format!("/trades/{trade}/funding")).await;
    play.is_funded(trade).await;
    seller.opens(trade).await;
    seller.chrome.fill("#f-room-text", "Good morning! The coins are in. Please pay from your own account.").await;
    seller.chrome.press("Send").await;
    walk.of_a_trade(buyer, "funded", trade, &["", "/payment", "/cancellation"]).await;
    walk.of_a_trade(seller, "funded", trade, &[""]).await;
    walk.without_script(buyer, "funded", &format!("/trades/{trade}")).await;
    walk.without_script(buyer, "payment", &format!("/trades/{trade}/payment")).await;
    play.payment_is_marked(trade).await;
    walk.of_a_trade(buyer, "paid", trade, &["", "/payment-release"]).await;
    walk.of_a_trade(seller, "paid", trade, &["", "/release", "/refund"]).await;
    play.is_released(trade).await;
    walk.of_a_trade(buyer, "paying out", trade, &["", "/payout", "/payout/child"]).await;
    // Fees rise beyond what was signed.
    play.site
        .sql()
        .await
        .execute("UPDATE fee_estimates SET sat_per_kwu = 20000, told_at = now() + '1 h'", &[])
        .await
        .unwrap();
    buyer.chrome.goto(&format!("/trades/{trade}/payout")).await;
    buyer.chrome.press("Make higher miner fees").await;
    walk.of_a_trade(buyer, "paying out", trade, &["/payout", "/payout/signature"]).await;
    play.is_completed(trade).await;
    walk.of_a_trade(buyer, "completed", trade, &["", "/conduct"]).await;
    walk.of_a_trade(seller, "completed", trade, &[""]).await;
    walk.visit(&seller.chrome, "after a trade", &["/trades", "/people/bea-buys", "/log", "/my/offers"]).await;
}

/// A second trade, which the arbitrator ends.
async fn pages_of_a_dispute(walk: &mut Walk, play: &Play, offer: &str) {
    let (buyer, seller, arbitrator) = (&play.buyer, &play.seller, &play.arbitrator.chrome);
    let trade = &buyer.takes(offer).await;
    play.both_sign_the_contract(trade).await;
    play.is_funded(trade).await;
    play.payment_is_marked(trade).await;
    walk.of_a_trade(buyer, "paid", trade, &["/dispute"]).await;
    walk.without_script(buyer, "dispute", &format!("/trades/{trade}/dispute")).await;
    walk.of_a_trade(seller, "paid", trade, &["/settlement"]).await;
    play.is_disputed(trade).await;
    walk.of_a_trade(buyer, "disputed", trade, &["", "/dispute"]).await;
    walk.of_a_trade(&play.arbitrator, "disputed", trade, &[""]).await;
    walk.visit(arbitrator, "arbitrator", &["/arbitration", &format!("/arbitration/{trade}")]).await;
    operators_pages(walk, play, trade).await;
    play.is_drafted(trade).await;
    walk.look(arbitrator, "arbitrator draft").await;
    arbitrator.press("Go on to sign it").await;
    walk.look(arbitrator, "arbitrator signs the ruling").await;
    play.arbitrator.signs().await;
    walk.visit(arbitrator, "ruled", &[&format!("/arbitration/{trade}"), "/arbitration/rulings"]).await;
    walk.visit(arbitrator, "ruled", &[&format!("/arbitration/{trade}/conflict")]).await;
    walk.of_a_trade(buyer, "ruled", trade, &["", "/ruling", "/ruling/cosignature"]).await;
    play.is_accepted(trade).await;
    walk.visit(arbitrator, "ruled", &[&format!("/arbitration/{trade}/payout")]).await;
    play.is_carried_out(trade).await;
    play.is_completed(trade).await;
    walk.of_a_trade(seller, "completed", trade, &["", "/ruling"]).await;
}

/// A third one, with a payment gone astray, which the two settle.
async fn pages_of_a_settlement(walk: &mut Walk, play: &Play, offer: &str) {
    let (buyer, seller) = (&play.buyer, &play.seller);
    let trade = &buyer.takes(offer).await;
    play.both_sign_the_contract(trade).await;
    play.is_funded(trade).await;
    play.a_stray_comes(trade).await;
    seller.opens(trade).await;
    walk.look(&seller.chrome, "trade stray sol").await;
    seller.chrome.click("a[href*='/strays/']").await;
    walk.look(&seller.chrome, "trade stray sol refund").await;
    play.payment_is_marked(trade).await;
    play.is_proposed(trade).await;
    walk.look(&seller.chrome, "trade proposed settlement sol").await;
    walk.of_a_trade(buyer, "settling", trade, &["/settlement", "/settlement/acceptance"]).await;
    play.proposal_is_accepted(trade).await;
    walk.of_a_trade(seller, "settling", trade, &["", "/settlement/completion"]).await;
}

/// A fourth one is withdrawn from, a fifth one never paid: the coins go back.
async fn pages_of_a_refund(walk: &mut Walk, play: &Play) {
    let (buyer, seller) = (&play.buyer, &play.seller);
    let offer = &seller.offers("sell").await;
    let trade = &buyer.takes(offer).await;
    buyer.opens(trade).await;
    buyer.chrome.press("Withdraw").await;
    buyer.chrome.reads("Cancelled").await;
    walk.look(&buyer.chrome, "trade cancelled bea").await;
    let trade = &buyer.takes(offer).await;
    play.both_sign_the_contract(trade).await;
    play.is_funded(trade).await;
    play.later(24 * 60 + 1).await;
    walk.of_a_trade(seller, "unpaid", trade, &["", "/unpaid"]).await;
    walk.of_a_trade(buyer, "unpaid", trade, &[""]).await;
    seller.signs_at(&format!("/trades/{trade}/unpaid")).await;
    walk.of_a_trade(seller, "refund due", trade, &[""]).await;
    walk.of_a_trade(buyer, "refund due", trade, &["", "/refund"]).await;
    walk.of_a_trade(&play.arbitrator, "refund due", trade, &[""]).await;
    buyer.signs_at(&format!("/trades/{trade}/refund")).await;
    play.work().await;
    walk.of_a_trade(seller, "going back", trade, &[""]).await;
    play.is_completed(trade).await;
    walk.of_a_trade(seller, "refunded", trade, &[""]).await;
    walk.of_a_trade(buyer, "refunded", trade, &[""]).await;
    walk.visit(&seller.chrome, "at the end", &["/trades", "/", "/my/offers", "/payment-accounts"]).await;
    walk.visit(&play.arbitrator.chrome, "at the end", &["/arbitration"]).await;
    delivery::deliver_due(&play.site.desk).await.unwrap();
    walk.visit(&play.buyer.chrome, "at the end", &["/account/notices"]).await;
}

/// Two more: one is changed to what was deposited, one is taken up again.
async fn pages_of_forgiven_deposits(walk: &mut Walk, play: &Play) {
    let (buyer, seller) = (&play.buyer, &play.seller);
    let trade = &play.sale().await;
    play.both_sign_the_contract(trade).await;
    play.comes(trade, 990_000).await;
    walk.of_a_trade(seller, "short", trade, &["", "/funding", "/amendment"]).await;
    walk.of_a_trade(buyer, "short", trade, &["", "/amendment"]).await;
    play.scaling_down_is_proposed(trade).await;
    walk.look(&seller.chrome, "trade changed sol signature").await;
    seller.signs().await;
    walk.of_a_trade(seller, "changed", trade, &["", "/amendment"]).await;
    walk.of_a_trade(buyer, "changed", trade, &["", "/amendment", "/amendment/signature", "/contracts"]).await;

    let trade = &play.sale().await;
    play.both_sign_the_contract(trade).await;
    play.later(181).await;
    play.comes(trade, 1_050_000).await;
    walk.of_a_trade(seller, "late", trade, &["", "/reinstatement"]).await;
    seller.chrome.press("Take it up again for 500.00 EUR").await;
    walk.of_a_trade(seller, "late asked", trade, &["", "/reinstatement"]).await;
    walk.of_a_trade(buyer, "late", trade, &["", "/reinstatement"]).await;
}

#[tokio::test]
async fn axe_finds_nothing_on_any_page() {
    let (mails, hooks) = (MailServer::start(), Receiver::start());
    let courier = Courier { hooks: Some(Hooks::new(true).unwrap()), ..mails.courier() };
    let weather = Arc::new(Weather::default());
    let play = Play::start_with(Start { courier, weather: Some(weather.clone()), ..Start::default() }).await;
    let mut walk = Walk::above(0);
    let offer = play.seller.offers("sell").await;
    visitors_pages(&mut walk, &play, &offer).await;
    own_pages(&mut walk, &play, &offer).await;
    pages_of_being_told(&mut walk, &play, &mails, &hooks).await;
    pages_of_a_trade(&mut walk, &play, &offer).await;
    pages_of_a_dispute(&mut walk, &play, &offer).await;
    pages_of_a_settlement(&mut walk, &play, &offer).await;
    pages_of_a_refund(&mut walk, &play).await;
    pages_of_forgiven_deposits(&mut walk, &play).await;
    pages_of_an_odd_chain(&mut walk, &play, &weather).await;
    walk.found_nothing();
    walk.left_nothing_out();
}
