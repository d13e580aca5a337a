//! Bad input through every form: words beside the field, what was typed kept, never a 500, never served as it came.

use std::collections::BTreeMap;

use trine::domain::PublicRef;

use crate::harness::cast::{Person, Story, story};
use crate::harness::{Browser, Seen};

/// Numbers that are none, or none of ours.
const BAD_NUMBERS: [&str; 14] = [
    "-5",
    "0",
    "-0",
    "NaN",
    "inf",
    "1e9",
    "1.123456789",
    "５００",
    "99999999999999999999999999999999",
    "0x10",
    "--1",
    "1 2,3.4,5",
    "€",
    "\u{202e}500",
];

async fn post_offer(story: &Story, changed: &[(&str, &str)]) -> Seen {
    let bob = &story.bob;
    let (key, address) = (bob.key.to_string(), bob.address.to_string());
    let mut fields: BTreeMap<&str, &str> = [
        ("side", "sell"),
        ("currency", "EUR"),
        ("accounts", bob.account.as_str()),
        ("pricing", "fixed"),
        ("price", "50000"),
        ("total", "1000"),
        ("min", "100"),
        ("max", "1000"),
        ("key", &key),
        ("address", &address),
    ]
    .into();
    fields.extend(changed.iter().copied());
    let fields: Vec<(&str, &str)> = fields.into_iter().collect();
    bob.browser.post("/offers", &fields).await
}

#[tokio::test]
async fn bad_amounts_of_an_offer_are_told_beside_the_field_and_kept() {
    let story = story().await;
    let before = story.site.sql().await.count("offers").await;
    for field in ["price", "total", "min", "max", "payment_window", "percent"] {
        let empty: &[&str] = if matches!(field, "max" | "payment_window") { &[] } else { &["", "   "] };
        for bad in BAD_NUMBERS.iter().chain(empty) {
            if field == "percent" && ["-5", "0", "-0"].contains(bad) {
                continue;
            }
            let pricing = if field == "percent" { "market" } else { "fixed" };
            let seen = post_offer(&story, &[(field, bad), ("pricing", pricing)]).await;
            assert_eq!(seen.status, 422, "{field} = {bad}: {}", seen.words());
            assert!(!seen.error(field).is_empty(), "{field} = {bad}: nothing beside the field: {}", seen.words());
            assert_eq!(seen.value(field).unwrap_or_default().trim(), bad.trim(), "{field}: what was typed is gone");
        }
    }
    for (field, bad) in [("side", "both"), ("currency", "XXX"), ("accounts", "x"), ("key", "x"), ("address", "x")] {
        let seen = post_offer(&story, &[(field, bad)]).await;
        assert!(matches!(seen.status, 404 | 422), "{field} = {bad}: {} {}", seen.status, seen.words());
    }
    let seen = post_offer(&story, &[("terms", &"x".repeat(20_000))]).await;
    assert_eq!(seen.status, 422);
    assert!(!seen.error("terms").is_empty() && seen.body.contains(&"x".repeat(20_000)), "terms are kept as typed");
    assert_eq!(story.site.sql().await.count("offers").await, before);
}

#[tokio::test]
async fn bad_amounts_of_a_take_are_told_and_reserve_nothing() {
    let story = story().await;
    let before = story.site.ledger().await;
    let alice = &story.alice;
    let (path, key, address) =
        (format!("/offers/{}/take", story.offer), alice.key.to_string(), alice.address.to_string());
    for bad in BAD_NUMBERS.iter().chain(&["", "99.99", "1000.01"]) {
        for step in ["review", "act"] {
            let fields = [
                ("step", step),
                ("amount", bad),
                ("payment_account", &alice.account),
                ("key", &key),
                ("address", &address),
                ("offer_version", "1"),
                ("price_seen", "50000"),
            ];
            let seen = alice.browser.post(&path, &fields).await;
            assert!(matches!(seen.status, 409 | 422), "{bad}: {} {}", seen.status, seen.words());
            assert!(!seen.error("amount").is_empty(), "{bad}: nothing beside the field: {}", seen.words());
        }
    }
    for (field, bad) in [
        ("payment_account", "x"),
        ("payment_account", &story.bob.account),
        ("key", &story.bob.key.to_string()),
        ("key", ""),
        ("address", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("address", &story.bob.address.to_string()),
        ("address", ""),
        ("offer_version", "7"),
        ("price_seen", "49999"),
        ("price_seen", "NaN"),
    ] {
        let mut fields = vec![("amount", "500"), ("payment_account", alice.account.as_str()), ("key", &key)];
        fields.extend([("address", address.as_str()), ("offer_version", "1"), ("price_seen", "50000")]);
        fields.retain(|(name, _)| *name != field);
        fields.push((field, bad));
        let seen = alice.browser.post(&path, &fields).await;
        assert!(matches!(seen.status, 404 | 409 | 422), "{field} = {bad}: {} {}", seen.status, seen.words());
    }
    story.site.ledger().await.assert_same(&before, "refused takes");
}

/// A form of a page: where it goes, how, and what its fields hold.
#[derive(Debug)]
struct Found {
    action: String,
    parts: bool,
    fields: Vec<(String, String)>,
    /// Fields that somebody can write into.
    typed: Vec<String>,
}

/// The changing forms of a page that have something to type.
fn forms(page: &Seen) -> Vec<Found> {
    let mut all = Vec::new();
    for piece in page.body.split("<form").skip(1) {
        let form = piece.split("</form>").next().unwrap();
        let tag = form.split('>').next().unwrap();
        let Some(action) = attribute(tag, "action").filter(|_| tag.contains("method=\"post\"")) else { continue };
        let mut found = Found { action, parts: tag.contains("multipart"), fields: Vec::new(), typed: Vec::new() };
        for (kind, element) in
            ["<input", "<textarea", "<select"].iter().flat_map(|kind| form.split(kind).skip(1).map(move |e| (*kind, e)))
        {
            let tag = element.split('>').next().unwrap();
            let Some(name) = attribute(tag, "name").filter(|name| name != "csrf") else { continue };
            let typed = kind == "<textarea"
                || kind == "<input"
                    && !["hidden", "checkbox", "radio", "file", "submit"]
                        .contains(&attribute(tag, "type").unwrap_or_default().as_str());
            if typed {
                found.typed.push(name.clone());
            }
            let inner = if kind == "<select" { element.split("</select>").next().unwrap() } else { tag };
            found.fields.push((name, attribute(inner, "value").unwrap_or_default()));
        }
        if !found.typed.is_empty() {
            all.push(found);
        }
    }
    all
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.replace("&amp;", "&").replace("&#x2F;", "/"))
}

const SCRIPT: &str =
    "</textarea></script>\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 1000003*1000033 }}";

/// What is put into each field, one after the other.
fn poisons() -> [String; 6] {
    [
        SCRIPT.to_owned(),
        "nul\0byte".to_owned(),
        "A".repeat(30_000),
        "\u{202e}\u{200b}\u{feff}\u{1}\r\n".to_owned(),
        "'; DROP TABLE trades; --".to_owned(),
        "💣".repeat(300),
    ]
}

fn serves_no_script(what: &str, seen: &Seen) {
    assert!(seen.status < 500, "{what}: {} {}", seen.status, seen.words());
    // The last is what a template would make of the sum in SCRIPT: too long for a key or an id to hold it by chance.
    for bare in ["<script>alert", "<img src=x", "javascript:alert", "1000036000099"] {
        assert!(!seen.body.contains(bare), "{what} serves {bare}");
    }
}

async fn poison_forms(browser: &Browser, page: &str) -> usize {
    let mut sent = 0;
    for form in forms(&browser.get(page).await) {
        for name in &form.typed {
            for poison in poisons() {
                let mut fields: Vec<(&str, &str)> =
                    form.fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                fields.retain(|(key, _)| key != name);
                fields.push((name, &poison));
                let seen = if form.parts {
                    browser.upload(&form.action, &fields, ("nothing", "x", Vec::new())).await
                } else {
                    browser.post(&form.action, &fields).await
                };
                let start: String = poison.chars().take(12).collect();
                serves_no_script(&format!("{} ({page}), {name} = {start:?}", form.action), &seen);
                sent += 1;
            }
        }
    }
    sent
}

fn pages_of(person: &Person, story: &Story, trade: PublicRef) -> Vec<String> {
    let mut pages: Vec<String> = [
        "/account",
        "/account/notices",
        "/appearance",
        "/keys/wallet",
        "/keys/browser",
        "/keys/restore",
        "/keys/drill",
        "/payment-accounts/new",
        "/payment-accounts/new?method=sepa",
        "/offers/new",
        "/offers/new?side=sell&currency=EUR",
        "/",
    ]
    .map(str::to_owned)
    .into();
    pages.push(format!("/offers/{}", story.offer));
    pages.push(format!("/offers/{}/take?amount=500", story.offer));
    pages.push(format!("/offers/{}/edit", story.offer));
    for place in
        ["", "/payment", "/cancellation", "/unpaid", "/refund", "/release", "/settlement", "/dispute", "/conduct"]
    {
        pages.push(format!("/trades/{trade}{place}"));
    }
    if person.name == "carol" {
        pages.extend(["/arbitration".to_owned(), format!("/arbitration/{trade}")]);
    }
    pages
}

async fn open_dispute(story: &Story, trade: PublicRef) {
    let version = story.version(trade, &story.alice).await;
    let fields = [("version", version.as_str()), ("reason", "silent"), ("wanted", "split"), ("statement", "Nothing.")];
    let evidence = [("evidence-0", "None."), ("evidence-1", "None."), ("evidence-2", "None.")];
    let seen = story.alice.browser.post(&format!("/trades/{trade}/dispute"), &[&fields[..], &evidence].concat()).await;
    // One of the poisoned forms may have opened it already.
    assert!(matches!(seen.status, 303 | 409), "{}", seen.words());
}

#[tokio::test]
async fn poison_in_every_field_of_every_form_breaks_nothing_and_is_served_as_text() {
    let story = story().await;
    let trade = story.paid().await;
    let nobody = story.site.browser();
    let mut sent = 0;
    for page in ["/register", "/sign-in", "/recover", "/recover/key", "/"] {
        sent += poison_forms(&nobody, page).await;
    }
    let people = [&story.alice, &story.bob, &story.carol];
    for disputed in [false, true] {
        if disputed {
            open_dispute(&story, trade).await;
        }
        for person in people {
            // What belongs to the trade once more in dispute.
            for page in pages_of(person, &story, trade)
                .iter()
                .filter(|page| !disputed || page.contains("/trades/") || page.contains("/arbitration"))
            {
                sent += poison_forms(&person.browser, page).await;
            }
        }
    }
    let olga = crate::routes::operator::operator(&story).await;
    let operators = ["/operator", "/operator/accounts", "/operator/arbitrators", "/operator/invitations"];
    for page in operators.into_iter().chain(["/operator/accounts/bob-s"]) {
        sent += poison_forms(&olga, page).await;
    }
    // A poisoned reason is a reason: what it stopped goes on.
    trine::desk::admin::resume(&story.site.desk).await.unwrap();
    trine::desk::admin::restore(&story.site.desk, "bob-s").await.unwrap();
    for page in operators.into_iter().chain(["/operator/acts", "/operator/accounts/bob-s"]) {
        serves_no_script(page, &olga.get(page).await);
    }
    assert!(sent > 300, "only {sent} fields were found");
    // What was taken after all is shown as text, to everybody.
    story.work().await;
    for person in people {
        let mut pages = pages_of(person, &story, trade);
        pages.extend(
            ["/payment-accounts", "/my/offers", "/keys", "/trades", "/log", "/people/alice"].map(str::to_owned),
        );
        pages.push(format!("/trades/{trade}/room.txt"));
        for page in pages {
            let seen = person.browser.get(&page).await;
            assert!(seen.status < 500, "{page}: {}", seen.status);
            if !page.ends_with(".txt") {
                serves_no_script(&page, &seen);
            }
        }
    }
    story.check_log(trade).await;
}

#[tokio::test]
async fn poison_in_a_url_breaks_nothing_and_leads_nowhere() {
    let story = story().await;
    let poison = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%00";
    for page in ["/", "/sign-in", "/offers/new", "/payment-accounts/new", "/log", "/help", "/recover", "/keys"] {
        for name in ["amount", "currency", "side", "method", "country", "after", "next", "page", "sort", "q", "back"] {
            let path = format!("{page}?{name}={poison}");
            for browser in [&story.alice.browser, &story.site.browser()] {
                serves_no_script(&path, &browser.get(&path).await);
            }
        }
    }
    for next in ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example"]
    {
        let browser = story.site.browser();
        let fields = [("name", "alice"), ("password", crate::harness::PASSWORD), ("next", next)];
        let seen = browser.post("/sign-in", &fields).await;
        assert_eq!(seen.status, 303);
        let location = seen.location.unwrap();
        let inside = location.starts_with('/') && !location[1..].starts_with(['/', '\\', '\t']);
        assert!(inside && !location.contains("evil"), "{next} leads to {location}");
    }
}
