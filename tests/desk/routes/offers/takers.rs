//! Looking at an offer and taking it, up to the act itself.

use trine::desk::offers;

use super::{address, maker, set_rate};
use crate::harness::cast::{offer_form, story};
use crate::harness::{Site, Start};

#[tokio::test]
async fn the_sums_are_shown_with_all_fees_before_taking() {
    let mut start = Start::default();
    start.rules.fee_xpub = Some("given".into());
    start.rules.arbitrator_fee_bp = 100;
    let site = Site::start_with(start).await;
    let anna = maker(&site, "anna", 1).await;
    let offer = anna.post(&[("price", "50000")]).await;
    let page = site.browser().get(&format!("/offers/{offer}?amount=500")).await.words();
    assert!(page.contains("You send 500.00 EUR"), "{page}");
    assert!(page.contains("0.01 000 000 BTC at 50 000.00 EUR"), "{page}");
    assert!(page.contains("Your part of the desk's fee 0.00 005 000 BTC"), "{page}");
    assert!(page.contains("The arbitrator's fee, only after a ruling 0.00 010 000 BTC"), "{page}");
    assert!(page.contains("At most after a dispute that you win 0.00 98"), "{page}");
    let example = site.browser().get(&format!("/offers/{offer}")).await.words();
    assert!(example.contains("An example.") && example.contains("You send 1 000.00 EUR"), "{example}");
    for bad in ["-5", "0", "NaN", "50", "2500.01", "1.123456789", "%EF%BC%95%EF%BC%90%EF%BC%90"] {
        let page = site.browser().get(&format!("/offers/{offer}?amount={bad}")).await;
        assert!(!page.error("amount").is_empty(), "{bad}");
        assert!(!page.words().contains("You send"), "{bad}");
    }
    assert_eq!(site.browser().get("/offers/00000000").await.status, 404);
    assert_eq!(site.browser().get("/offers/%3Cscript%3E").await.status, 404);
}

#[tokio::test]
async fn taking_goes_from_amount_to_details_to_a_summary_and_changes_nothing_until_confirmed() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    let offer = anna.post(&[]).await;
    let path = format!("/offers/{offer}/take");
    let boris = maker(&site, "boris", 2).await;
    assert_eq!(site.browser().get(&path).await.status, 401);
    assert!(boris.browser.get(&path).await.words().contains("How much?"));
    let wrong = boris.browser.get(&format!("{path}?amount=50")).await;
    assert_eq!((wrong.status, wrong.value("amount").as_deref()), (422, Some("50")));
    assert!(wrong.error("amount").contains("From 100.00 EUR to 2 500.00 EUR"), "{}", wrong.words());
    let details = boris.browser.get(&format!("{path}?amount=500")).await;
    assert!(details.words().contains("Your payout address") && details.words().contains("You send 500.00 EUR"));
    assert!(details.body.contains("Use a practice address"), "on a practice desk");
    let filled = boris.browser.get(&format!("{path}?amount=500&address=practice")).await;
    let address_asked = filled.value("address").unwrap_or_default();
    assert!(address_asked.starts_with("bcrt1q") && address_asked.len() == 44, "a practice address: {address_asked}");

    let payout = address(8);
    let all = [
        ("step", "review"),
        ("amount", "500"),
        ("address", payout.as_str()),
        ("key", boris.key.as_str()),
        ("payment_account", boris.sepa.as_str()),
    ];
    let summary = boris.browser.post(&path, &all).await;
    assert_eq!(summary.status, 200, "{}", summary.words());
    assert!(summary.words().contains(&payout) && summary.words().contains("Compare the address"));
    assert_eq!(summary.value("price_seen").as_deref(), Some("58712.20"));
    assert_eq!(summary.value("offer_version").as_deref(), Some("1"));
    let back: Vec<(&str, &str)> = all.iter().map(|(n, v)| (*n, if *n == "step" { "details" } else { *v })).collect();
    let details = boris.browser.post(&path, &back).await;
    assert_eq!(details.value("address").as_deref(), Some(payout.as_str()), "the way back keeps what was typed");
    let theirs = address(1);
    for (field, bad) in [
        ("address", "bcrt1qwrong"),
        ("address", theirs.as_str()),
        ("address", ""),
        ("key", anna.key.as_str()),
        ("key", ""),
        ("payment_account", anna.sepa.as_str()),
        ("payment_account", "<script>"),
        ("amount", "-1"),
        ("amount", "1.123456789"),
    ] {
        let changed: Vec<(&str, &str)> = all.iter().map(|(n, v)| (*n, if *n == field { bad } else { *v })).collect();
        let refused = boris.browser.post(&path, &changed).await;
        assert_eq!(refused.status, 422, "{field} {bad}: {}", refused.words());
        assert!(!refused.error(field).is_empty(), "{field} {bad}: {}", refused.words());
        assert!(!refused.body.contains("<script>"));
        if field == "key" {
            assert_eq!(refused.value("address").as_deref(), Some(payout.as_str()), "what was typed is kept");
        }
    }
    assert_eq!(site.sql().await.count("trades").await, 0);
    let reserved: i64 = site.sql().await.one("SELECT sum(reserved)::bigint FROM offers").await;
    assert_eq!(reserved, 0);
}

#[tokio::test]
async fn a_price_that_moved_since_the_summary_is_shown_and_confirmed_anew() {
    let site = Site::start().await;
    set_rate(&site, "50000").await;
    let anna = maker(&site, "anna", 1).await;
    let offer = anna.post(&[("pricing", "market"), ("percent", "0")]).await;
    let boris = maker(&site, "boris", 2).await;
    let payout = address(8);
    let confirm = [
        ("amount", "500"),
        ("address", payout.as_str()),
        ("key", boris.key.as_str()),
        ("payment_account", boris.sepa.as_str()),
        ("offer_version", "1"),
        ("price_seen", "50000.00"),
    ];
    set_rate(&site, "51000").await;
    let moved = boris.browser.post(&format!("/offers/{offer}/take"), &confirm).await;
    assert_eq!(moved.status, 409, "{}", moved.words());
    assert!(moved.problem().contains("price has moved"), "{}", moved.problem());
    assert_eq!(moved.value("price_seen").as_deref(), Some("51000.00"));
    assert_eq!(moved.value("address").as_deref(), Some(payout.as_str()), "everything typed is kept");
    assert_eq!(site.sql().await.count("trades").await, 0);
}

#[tokio::test]
async fn ones_own_offer_is_not_for_taking() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    let offer = anna.post(&[]).await;
    let take = anna.browser.get(&format!("/offers/{offer}/take?amount=500")).await;
    assert_eq!(take.location, Some(format!("/offers/{offer}")));
    assert!(anna.browser.get(&format!("/offers/{offer}")).await.words().contains("your own offer"));
}

#[tokio::test]
async fn a_take_by_the_forms_makes_a_trade_and_the_board_shows_what_is_left() {
    let story = story().await;
    let (alice, path) = (&story.alice, format!("/offers/{}/take", story.offer));
    let address = alice.address.to_string();
    let key = alice.key.to_string();
    let typed = [
        ("amount", "500"),
        ("address", address.as_str()),
        ("key", key.as_str()),
        ("payment_account", alice.account.as_str()),
    ];
    let review: Vec<_> = [("step", "review")].into_iter().chain(typed).collect();
    let summary = alice.browser.post(&path, &review).await;
    assert_eq!(summary.status, 200, "{}", summary.words());
    let (version, price) = (summary.value("offer_version").unwrap(), summary.value("price_seen").unwrap());
    let confirm: Vec<_> =
        typed.into_iter().chain([("offer_version", version.as_str()), ("price_seen", price.as_str())]).collect();
    let taken = alice.browser.post(&path, &confirm).await;
    assert_eq!(taken.status, 303, "{}", taken.words());
    let trade = taken.location.unwrap();
    assert!(trade.starts_with("/trades/"), "{trade}");
    assert_eq!(alice.browser.get(&trade).await.status, 200);
    assert_eq!(story.bob.browser.get(&trade).await.status, 200);
    assert!(story.site.browser().get("/").await.words().contains("100 – 500"), "the board shows what is left");

    let again = alice.browser.post(&path, &confirm).await;
    assert_eq!(again.status, 409, "one trade at a time for who is new: {}", again.words());
    let page = alice.browser.get(&format!("/offers/{}", story.offer)).await.words();
    assert!(page.contains("carol arbitrates between the two of you"), "{page}");
}

#[tokio::test]
async fn a_completed_trade_is_counted_for_both() {
    let story = story().await;
    let trade = story.paid().await;
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    let bob = story.site.browser().get("/people/bob-s").await.words();
    assert!(
        bob.contains("1 trade · 100 %") && bob.contains("1 partner") && bob.contains("releases within a minute"),
        "{bob}"
    );
    let alice = story.site.browser().get("/people/alice").await.words();
    assert!(alice.contains("1 trade · 100 %") && alice.contains("nothing released yet"), "{alice}");
    story.site.site.board.stale();
    assert!(story.site.browser().get("/").await.words().contains("1 trade · 100 % · releases within a minute"));
}

#[tokio::test]
async fn a_buyer_who_cancels_after_funding_has_a_failed_trade_and_the_seller_none() {
    let story = story().await;
    let trade = story.funded().await;
    story.signs(&story.alice, trade, "cancellation", &["not_paid"]).await;
    story.signs(&story.bob, trade, "refund", &[]).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    let known = |name: &'static str| {
        let desk = story.site.desk.clone();
        async move { trine::desk::people::profile(&desk, name).await.unwrap().person.reputation }
    };
    let (alice, bob) = (known("alice").await, known("bob-s").await);
    assert_eq!((alice.completed, alice.failed), (0, 1));
    assert_eq!((bob.completed, bob.failed), (0, 0));
}

#[tokio::test]
async fn no_escrow_is_paid_out_to_whoevers_it_is() {
    let story = story().await;
    let (desk, trade) = (&story.site.desk, story.take().await);
    let escrow: Vec<u8> =
        story.site.sql().await.one(&format!("SELECT script_pubkey FROM trades WHERE reference = '{trade}'")).await;
    let escrow = bitcoin::Address::from_script(&bitcoin::ScriptBuf::from_bytes(escrow), bitcoin::Network::Regtest);
    let escrow = escrow.unwrap().to_string();
    let words = "This is the address of an escrow. Enter one of your own wallet.";

    let form = offers::OfferForm { address: escrow.clone(), ..offer_form(&story.alice, "sell") };
    assert!(offers::post(desk, story.alice.id, &form).await.unwrap_err().to_string().contains(words));

    let other = offers::post(desk, story.bob.id, &offer_form(&story.bob, "buy")).await.unwrap();
    for step in ["review", ""] {
        let fields = [
            ("step", step),
            ("amount", "200"),
            ("address", &escrow),
            ("key", &story.alice.key.to_string()),
            ("payment_account", &story.alice.account),
            ("offer_version", "1"),
            ("price_seen", "50000"),
        ];
        let refused = story.alice.browser.post(&format!("/offers/{other}/take"), &fields).await;
        assert_eq!((refused.status, refused.error("address").as_str()), (422, words), "{step}: {}", refused.words());
    }
    assert_eq!(story.site.sql().await.count("trades").await, 1);
}
