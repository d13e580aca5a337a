//! Posting, changing and turning offers.

use super::{Maker, address, maker, send, set_rate};
use crate::harness::Site;
use trine::desk::admin;

#[tokio::test]
async fn an_offer_is_posted_and_stands_on_the_board_at_once() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    assert!(site.browser().get("/").await.words().contains("Nobody sells bitcoin"));
    let offer = anna.post(&[]).await;
    let board = site.browser().get("/?currency=EUR").await;
    assert!(board.words().contains("58 712.20") && board.body.contains(&format!("/offers/{offer}")));
    let page = site.browser().get(&format!("/offers/{offer}")).await;
    assert!(page.body.contains("<strong>own</strong>"), "terms are markdown");
    assert!(page.words().contains("100 – 2 500 EUR"));
    assert!(anna.browser.get("/my/offers").await.words().contains("Sell bitcoin for EUR"));
}

/// Values that are no amounts, prices or limits.
const BAD_NUMBERS: [&str; 10] =
    ["", "0", "-5", "NaN", "1e9", "1.123456789", "５００", "99999999999999999999", "<script>", "1.234"];

#[tokio::test]
async fn bad_numbers_are_refused_beside_their_field_and_nothing_is_made() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    set_rate(&site, "58420.10").await;
    for field in ["price", "total", "min", "max", "payment_window", "confirmations"] {
        for bad in BAD_NUMBERS {
            let may_be_empty = ["max", "payment_window", "confirmations"].contains(&field) && bad.is_empty();
            if may_be_empty || (field == "confirmations" && bad == "0") {
                continue;
            }
            let refused = anna.try_post(&[(field, bad)]).await;
            assert_eq!(refused.status, 422, "{field} {bad:?}: {}", refused.words());
            assert!(!refused.error(field).is_empty() || !refused.error("min").is_empty(), "{field} {bad:?}");
            assert!(refused.body.contains("value=\"58712.20\"") || field == "price", "the rest is kept");
        }
    }
    for bad in ["", "NaN", "-60", "101", "1.123"] {
        let refused = anna.try_post(&[("pricing", "market"), ("percent", bad)]).await;
        assert_eq!(refused.status, 422, "{bad:?}");
        assert!(!refused.error("percent").is_empty(), "{bad:?}");
    }
    assert_eq!(site.sql().await.count("offers").await, 0);
}

#[tokio::test]
async fn script_in_every_field_is_shown_as_text() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    let script = "\"><script>alert(1)</script>";
    let fields: Vec<(String, String)> =
        anna.offer(&[]).into_iter().map(|(name, _)| (name, script.to_owned())).collect();
    let refused = send(&anna.browser, "/offers", &fields).await;
    assert_eq!(refused.status, 422);
    assert!(!refused.body.contains("<script>alert"));
    let mut fields =
        anna.offer(&[("terms", "<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://x.example/p)")]);
    fields.push(("unknown".into(), script.into()));
    let made = send(&anna.browser, "/offers", &fields).await;
    let page = site.browser().get(&made.location.unwrap()).await;
    assert!(
        !page.body.contains("<script>alert") && !page.body.contains("=\"javascript:") && !page.body.contains("<img")
    );
}

#[tokio::test]
async fn key_address_and_accounts_must_be_ones_own_and_fit() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    let boris = maker(&site, "boris", 2).await;
    for (field, bad, words) in [
        ("key", boris.key.as_str(), "Choose one of your signing keys"),
        ("key", "x", "Choose one of your signing keys"),
        ("accounts", boris.sepa.as_str(), "your own payment accounts"),
        ("address", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "another network"),
        ("address", "", "Enter the address"),
        ("side", "x", "buy or sell"),
    ] {
        let refused = anna.try_post(&[(field, bad)]).await;
        assert_eq!(refused.status, 422, "{field}");
        assert!(refused.error(field).contains(words), "{field}: {}", refused.error(field));
    }
    let typed = anna.try_post(&[("address", "bcrt1qwrong")]).await;
    assert_eq!(typed.value("address").as_deref(), Some("bcrt1qwrong"));
    assert_eq!(site.sql().await.count("offers").await, 0);
}

#[tokio::test]
async fn a_price_that_floats_needs_a_market() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    let floating = [("pricing", "market"), ("percent", "+1.5")];
    assert!(anna.try_post(&floating).await.error("percent").contains("no market price"));
    set_rate(&site, "58420.10").await;
    let form = anna.browser.get("/offers/new?side=sell&currency=EUR").await.words();
    assert!(form.contains("58 420.10") && form.contains("59 004.30"), "{form}");
    anna.post(&floating).await;
    assert!(site.browser().get("/").await.words().contains("59 296.40"));
}

#[tokio::test]
async fn a_change_moves_the_version_and_only_its_maker_may() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    let offer = anna.post(&[]).await;
    let path = format!("/offers/{offer}/edit");
    let form = anna.browser.get(&path).await;
    assert_eq!(form.value("version").as_deref(), Some("1"));
    let mut fields = anna.offer(&[("price", "60000"), ("side", "buy"), ("currency", "USD")]);
    fields.push(("version".into(), "1".into()));
    assert_eq!(send(&anna.browser, &path, &fields).await.status, 303);
    let page = site.browser().get(&format!("/offers/{offer}")).await.words();
    assert!(page.contains("60 000.00 EUR") && page.contains("version 2"), "side and currency stay: {page}");
    let stale = send(&anna.browser, &path, &fields).await;
    assert_eq!(stale.status, 409, "the version was 2 by then");
    assert!(stale.problem().contains("another window"));

    let boris = maker(&site, "boris", 2).await;
    for (what, fields) in [("edit", fields.as_slice()), ("pause", &[]), ("resumption", &[]), ("withdrawal", &[])] {
        let answer = send(&boris.browser, &format!("/offers/{offer}/{what}"), fields).await;
        assert_eq!(answer.status, 404, "{what}");
    }
    assert_eq!(boris.browser.get(&path).await.status, 404);
}

#[tokio::test]
async fn paused_and_withdrawn_offers_are_not_on_the_board() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    let offer = anna.post(&[]).await;
    let on_board = || async { site.browser().get("/?currency=EUR").await.body.contains(&offer) };
    let turn = |what: &'static str| {
        let path = format!("/offers/{offer}/{what}");
        let browser = anna.browser.clone();
        async move { browser.post(&path, &[]).await.status }
    };
    assert!(on_board().await);
    assert_eq!(turn("pause").await, 303);
    assert_eq!(turn("pause").await, 303, "asked twice, done once");
    assert!(!on_board().await);
    assert_eq!(turn("resumption").await, 303);
    assert!(on_board().await);
    assert_eq!(turn("withdrawal").await, 303);
    assert!(!on_board().await);
    assert_eq!(turn("resumption").await, 409, "withdrawn for ever");
    assert!(site.browser().get(&format!("/offers/{offer}")).await.words().contains("withdrawn"));
}

#[tokio::test]
async fn suspended_accounts_and_a_paused_desk_post_nothing() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    let offer = anna.post(&[]).await;
    admin::pause(&site.desk, "moving house").await.unwrap();
    let refused = anna.try_post(&[]).await;
    assert_eq!(refused.status, 503);
    assert!(refused.problem().contains("moving house"), "{}", refused.words());
    assert_eq!(refused.value("total").as_deref(), Some("5000"));
    admin::resume(&site.desk).await.unwrap();
    admin::suspend(&site.desk, "anna", "asked for odd things").await.unwrap();
    let refused = anna.try_post(&[]).await;
    assert_eq!(refused.status, 403);
    assert!(refused.problem().contains("asked for odd things"));
    site.site.board.stale();
    assert!(!site.browser().get("/?currency=EUR").await.body.contains(&offer), "a suspended maker's offers are hidden");
    assert_eq!(site.sql().await.count("offers").await, 1);
}

#[tokio::test]
async fn buyers_post_too_and_their_address_is_a_payout_address() {
    let site = Site::start().await;
    let anna: Maker = maker(&site, "anna", 1).await;
    let form = anna.browser.get("/offers/new?side=buy&currency=EUR").await;
    assert!(form.words().contains("Your payout address"));
    let payout = address(5);
    anna.post(&[("side", "buy"), ("address", &payout)]).await;
    assert!(site.browser().get("/?side=sell").await.words().contains("58 712.20"));
    assert!(!site.browser().get("/?side=buy&currency=EUR").await.words().contains("58 712.20"));
}
