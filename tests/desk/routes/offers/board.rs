//! The board and the pages of people: filters, order, pages, bytes.

use jiff::SignedDuration;

use super::{maker, set_rate};
use crate::harness::{Seen, Site};

/// Where each of some words stands; they must stand in this order.
fn in_order(page: &Seen, words: &[&str]) {
    let text = page.words();
    let places: Vec<usize> =
        words.iter().map(|word| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"))).collect();
    assert!(places.is_sorted(), "{words:?}: {text}");
}

#[tokio::test]
async fn fixed_and_floating_prices_stand_in_one_order_best_first() {
    let site = Site::start().await;
    set_rate(&site, "50000").await;
    let anna = maker(&site, "anna", 1).await;
    for side in ["sell", "buy"] {
        anna.post(&[("side", side), ("price", "51000")]).await;
        anna.post(&[("side", side), ("price", "49000")]).await;
        anna.post(&[("side", side), ("pricing", "market"), ("percent", "1")]).await;
        anna.post(&[("side", side), ("pricing", "market"), ("percent", "-1")]).await;
    }
    let visitor = site.browser();
    in_order(&visitor.get("/").await, &["49 000.00", "49 500.00", "50 500.00", "51 000.00"]);
    in_order(&visitor.get("/?side=sell").await, &["51 000.00", "50 500.00", "49 500.00", "49 000.00"]);
    assert!(visitor.get("/").await.words().contains("−2.0 % vs market"));
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let site = Site::start().await;
    set_rate(&site, "50000").await;
    let anna = maker(&site, "anna", 1).await;
    let first = anna.post(&[]).await;
    site.sql()
        .await
        .batch_execute(
            "INSERT INTO offers (id, reference, account, side, currency, fixed_price, market_percent, total, limit_min, limit_max,
                                 payment_window_minutes, confirmations, key, address, state, created_at, changed_at)
             SELECT gen_random_uuid(), lpad(n::text, 8, '0'), account, side, currency,
                    CASE WHEN n % 2 = 0 THEN 50000 + n / 10 END, CASE WHEN n % 2 = 1 THEN (n / 10) * 0.01 END,
                    total, limit_min, limit_max, 60, 1, key, address, 'open', now(), now()
               FROM offers, generate_series(1, 119) n;
             UPDATE board_versions SET version = version + 1 WHERE slot = 0",
        )
        .await
        .unwrap();
    site.site.board.stale();
    let (mut seen, mut path) = (std::collections::BTreeSet::new(), "/?currency=EUR".to_owned());
    for page in 0.. {
        let board = site.browser().get(&path).await;
        let rows: Vec<String> = board
            .body
            .split("href=\"/offers/")
            .skip(1)
            .map(|rest| rest[..8].to_owned())
            .filter(|r| !r.starts_with("new?"))
            .collect();
        assert_eq!(rows.len(), if page < 4 { 25 } else { 20 });
        for row in rows {
            assert!(seen.insert(row.clone()), "{row} twice");
        }
        let Some(next) = board.between("class=\"btn quiet\" href=\"/?", "\"") else { break };
        path = format!("/?{}", next.replace("&amp;", "&"));
    }
    assert_eq!(seen.len(), 120);
    assert!(seen.contains(&first));
}

#[tokio::test]
async fn filters_hide_and_the_empty_board_says_which_one_is_to_blame() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    anna.post(&[]).await;
    anna.post(&[("price", "59000"), ("min", "3000"), ("max", "5000")]).await;
    let visitor = site.browser();
    let some = visitor.get("/?currency=EUR&amount=500").await.words();
    assert!(some.contains("1 offer") && some.contains("1 offer hidden: your amount is outside the limits"), "{some}");
    let none = visitor.get("/?currency=EUR&amount=2800").await;
    assert!(none.words().contains("No offer fits 2 800.00 EUR"), "{}", none.words());
    assert!(none.words().contains("2 offers for other amounts") && none.words().contains("Post an offer to buy"));
    let none = visitor.get("/?currency=EUR&method=paypal").await.words();
    assert!(none.contains("No offer fits this filter") && none.contains("2 offers paid in any way"), "{none}");
    assert!(visitor.get("/?currency=EUR&country=DE").await.words().contains("58 712.20"));
    assert!(visitor.get("/?currency=EUR&country=JP").await.words().contains("2 offers from anywhere"));
    let elsewhere = visitor.get("/?currency=USD").await.words();
    assert!(elsewhere.contains("Nobody sells bitcoin for USD") && elsewhere.contains("2 offers in EUR"), "{elsewhere}");
    for bad in ["-5", "0", "NaN", "1.123456789", "%EF%BC%95%EF%BC%90", "9999999999999999999", "%3Cscript%3E"] {
        let page = visitor.get(&format!("/?currency=EUR&amount={bad}")).await;
        assert_eq!(page.status, 422, "{bad}");
        assert!(!page.error("amount").is_empty() && !page.body.contains("<script>"), "{bad}");
    }
}

#[tokio::test]
async fn an_old_rate_takes_floating_offers_off_the_board_in_words() {
    let site = Site::start().await;
    set_rate(&site, "50000").await;
    let anna = maker(&site, "anna", 1).await;
    let floats = anna.post(&[("pricing", "market"), ("percent", "2")]).await;
    anna.post(&[("price", "52000")]).await;
    assert!(site.browser().get("/").await.words().contains("51 000.00"));
    site.advance(SignedDuration::from_mins(61));
    let board = site.browser().get("/").await.words();
    assert!(!board.contains("51 000.00") && board.contains("52 000.00"), "{board}");
    assert!(board.contains("1 offer hidden: they float on the market price"), "{board}");
    let page = site.browser().get(&format!("/offers/{floats}")).await.words();
    assert!(page.contains("the market price is too old"), "{page}");
    set_rate(&site, "40000").await;
}

#[tokio::test]
async fn less_than_the_lower_limit_leaves_the_board() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    let offer = anna.post(&[]).await;
    let sql = site.sql().await;
    let taken = |sum: &'static str| {
        format!("UPDATE offers SET reserved = {sum}; UPDATE board_versions SET version = version + 1 WHERE slot = 0")
    };
    sql.batch_execute(&taken("4000")).await.unwrap();
    site.site.board.stale();
    assert!(
        site.browser().get("/?currency=EUR").await.words().contains("100 – 1 000"),
        "the shown limit is what is left"
    );
    sql.batch_execute(&taken("4900.01")).await.unwrap();
    site.site.board.stale();
    assert!(!site.browser().get("/?currency=EUR").await.body.contains(&offer));
    assert!(anna.browser.get("/my/offers").await.words().contains("less than the lower limit is left"));
}

#[tokio::test]
async fn visitors_share_bytes_with_an_etag_and_nothing_of_one_person() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    anna.post(&[]).await;
    let board = site.browser().get("/").await;
    assert!(!board.body.contains("csrf") && board.header("set-cookie").is_empty());
    let tag = board.header("etag").to_owned();
    let again = |tag: String| {
        let request = site.browser().http().get(site.browser().url("/")).header("if-none-match", tag);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(again(tag.clone()).await, 304);
    let packed =
        site.browser().http().get(site.browser().url("/")).header("accept-encoding", "gzip, br").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    anna.post(&[("price", "57000")]).await;
    assert_eq!(again(tag).await, 200, "a new offer is a new page");
    let own = anna.browser.get("/").await;
    assert!(own.header("etag").is_empty() && own.words().contains("Yours"));
    let dark = site.browser();
    let theme = dark.http().get(dark.url("/")).header("cookie", "trine-theme=dark").send().await.unwrap();
    assert!(theme.text().await.unwrap().contains("data-theme=\"dark\""));
}

#[tokio::test]
async fn a_board_that_is_ready_needs_no_database() {
    let site = Site::start().await;
    maker(&site, "anna", 1).await.post(&[]).await;
    let visitor = site.browser();
    let before = visitor.get("/").await.body;
    let version: i64 = site.sql().await.one("SELECT sum(version)::bigint FROM board_versions").await;
    assert!(version > 0);
    // A change nobody announced is not seen: the bytes come from memory.
    site.sql().await.batch_execute("UPDATE offers SET fixed_price = 1").await.unwrap();
    assert_eq!(visitor.get("/").await.body, before);
}

#[tokio::test]
async fn a_person_has_a_public_page() {
    let site = Site::start().await;
    let anna = maker(&site, "anna-k", 1).await;
    let offer = anna.post(&[]).await;
    let page = site.browser().get("/people/anna-k").await;
    assert!(page.words().contains("new") && page.words().contains("no dispute lost") && page.body.contains(&offer));
    assert!(page.body.contains("<svg class=\"face\""));
    for nobody in ["nobody", "x", "anna_k", "%3Cscript%3E", "ANNA-K"] {
        assert_eq!(site.browser().get(&format!("/people/{nobody}")).await.status, 404, "{nobody}");
    }
}
