//! Saved ways to be paid and to pay.

use super::{give_key, maker};
use crate::harness::Site;

#[tokio::test]
async fn an_account_is_checked_sealed_and_shown_to_its_owner_only() {
    let site = Site::start().await;
    let anna = site.register("anna").await;
    let typed = [("method", "sepa_instant"), ("name", "Anna <b>Keller"), ("iban", "DE89 3704 0044 0532 0130 01")];
    let refused = anna.post("/payment-accounts", &typed).await;
    assert_eq!(refused.status, 422);
    assert!(refused.error("iban").contains("check digits"), "{}", refused.words());
    assert!(!refused.error("name").is_empty());
    assert_eq!(refused.value("iban").as_deref(), Some("DE89 3704 0044 0532 0130 01"), "what was typed is kept");
    assert_eq!(site.sql().await.count("payment_accounts").await, 0);

    let typed = [
        ("method", "sepa_instant"),
        ("name", "Anna Keller"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("label", "My bank"),
    ];
    let list = anna.submit("/payment-accounts", &typed).await;
    assert!(list.words().contains("My bank") && list.words().contains("DE89 3704 0044 0532 0130 00"));
    let sealed: Vec<u8> = site.sql().await.one("SELECT sealed FROM payment_accounts").await;
    assert!(!String::from_utf8_lossy(&sealed).contains("DE89"), "only ciphertext is kept");
    let other = site.register("boris").await;
    assert!(!other.get("/payment-accounts").await.body.contains("DE89"));
}

#[tokio::test]
async fn the_way_back_leads_to_the_desk_only() {
    let site = Site::start().await;
    let anna = site.register("anna").await;
    let iban = ("iban", "DE89370400440532013000");
    let with = |next| [("method", "sepa_instant"), ("name", "Anna Keller"), iban, ("next", next)];
    let back = anna.post("/payment-accounts", &with("/offers/new?side=sell")).await;
    assert_eq!(back.location.as_deref(), Some("/offers/new?side=sell"));
    let away = anna.post("/payment-accounts", &with("//evil.example")).await;
    assert_eq!(away.location.as_deref(), Some("/payment-accounts"));
}

#[tokio::test]
async fn every_way_to_pay_has_its_form_and_the_list_is_narrowed_by_country_and_currency() {
    let site = Site::start().await;
    let anna = site.register("anna").await;
    for method in trine::domain::MethodId::all() {
        let form = anna.get(&format!("/payment-accounts/new?method={method}")).await;
        assert_eq!(form.status, 200, "{method}");
        let empty = anna.post("/payment-accounts", &[("method", method.as_str())]).await;
        assert_eq!(empty.status, 422, "{method}");
        for field in method.method().fields.iter().filter(|field| field.required) {
            assert!(!empty.error(&field.id).is_empty(), "{method}: {}", field.id);
        }
    }
    let narrowed = anna.get("/payment-accounts/new?country=CH&currency=CHF").await.words();
    assert!(narrowed.contains("TWINT") && !narrowed.contains("Zelle"), "{narrowed}");
}

#[tokio::test]
async fn an_account_that_an_offer_stands_on_stays_until_the_offer_goes() {
    let site = Site::start().await;
    let anna = maker(&site, "anna", 1).await;
    give_key(&site, "anna", 7).await;
    let offer = anna.post(&[]).await;
    let removal = format!("/payment-accounts/{}/removal", anna.sepa);
    let refused = anna.browser.post(&removal, &[]).await;
    assert_eq!(refused.status, 409);
    assert!(refused.problem().contains(&offer), "{}", refused.problem());
    assert_eq!(site.register("boris").await.post(&removal, &[]).await.status, 404, "nobody else's");
    anna.browser.submit(&format!("/offers/{offer}/withdrawal"), &[]).await;
    assert_eq!(anna.browser.post(&removal, &[]).await.status, 303);
    let left: i64 = site.sql().await.one("SELECT count(*) FROM payment_accounts WHERE octet_length(sealed) > 0").await;
    assert_eq!(left, 0, "what was in it is gone");
}
