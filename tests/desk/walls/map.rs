//! Every line of the URL map, called by everybody who may not, and looked at for its policy.

use reqwest::Method;
use reqwest::multipart::Form;
use trine::courier::mail::Security;
use trine::courier::{Courier, Mailer, Post};
use trine::desk::{Rules, admin, calendar, channels, feeds};
use trine::domain::PublicRef;
use trine::web::routes::{ROUTES, RouteLine, Who};

use crate::golden::assert_golden;
use crate::harness::cast::{Story, story_with};
use crate::harness::{Browser, Seen, Start};

#[test]
fn the_url_map_is_as_printed() {
    let mut text = "# Every URL of the desk: method, path, who may call it.\n".to_owned();
    for RouteLine { method, path, who } in ROUTES {
        text.push_str(&format!("{method} {path} {}\n", format!("{who:?}").to_lowercase()));
    }
    assert_golden("routes.txt", &text);
}

/// Mails go nowhere: nobody listens at this port.
fn courier() -> Courier {
    let post = Post {
        host: "127.0.0.1".into(),
        port: 1,
        security: Security::None,
        login: None,
        from: "notices@desk.example".into(),
        certificate: None,
        desk: "desk.example".into(),
    };
    Courier { mail: Some(Mailer::new(&post).unwrap()), ..Courier::default() }
}

/// A desk with a trade on it, and people who have nothing to do with that trade.
struct Place {
    story: Story,
    trade: PublicRef,
    session: String,
    calendar: String,
    feed: String,
    confirmation: String,
    stranger: Browser,
    other_arbitrator: Browser,
    operator: Browser,
}

impl Place {
    async fn new() -> Self {
        let story = story_with(Start { courier: courier(), ..Start::default() }).await;
        let trade = story.funded().await;
        let other_arbitrator = story.site.register("carl").await;
        let limit = bitcoin::Amount::from_sat(1_000_000_000);
        admin::appoint(&story.site.desk, "carl", "carl@example.org", limit).await.unwrap();
        let session = "SELECT s.id::text FROM sessions s JOIN accounts a ON a.id = s.account WHERE a.name = 'alice'";
        let session = story.site.sql().await.one(session).await;
        let stranger = story.site.register("dora").await;
        let operator = crate::routes::operator::operator(&story).await;
        let calendar = calendar::make(&story.site.desk, story.alice.id).await.unwrap();
        let feed = feeds::make(&story.site.desk, story.alice.id).await.unwrap();
        channels::set_mail(&story.site.desk, story.alice.id, "alice@mail.example").await.unwrap();
        let confirmation = channels::confirmation_of(&story.site.desk, story.alice.id).await.unwrap().unwrap();
        Self { trade, session, calendar, feed, confirmation, stranger, other_arbitrator, operator, story }
    }

    /// The token of a secret address.
    fn token(&self, route: &RouteLine) -> &str {
        match route.path.split('/').nth(1) {
            Some("feed") => &self.feed,
            Some("notices") => &self.confirmation,
            _ => &self.calendar,
        }
    }

    /// The path of a real thing of alice's or bob's. A new kind of parameter needs a line here.
    fn path(&self, route: &RouteLine) -> String {
        let reference = if route.path.starts_with("/offers/") { self.story.offer } else { self.trade };
        let id = match route.path.split('/').nth(1) {
            Some("payment-accounts") => self.story.alice.account.clone(),
            Some("keys") => self.story.alice.key.to_string(),
            Some("account") => self.session.clone(),
            _ => "0198a3f0-0000-7000-8000-000000000000".to_owned(),
        };
        let path = route
            .path
            .replace("{reference}", &reference.to_string())
            .replace("{id}", &id)
            .replace("{number}", "0")
            .replace("{token}", self.token(route))
            .replace("{txid}", &"0".repeat(64))
            .replace("{name}", "alice")
            .replace("{path:.*}", "css/desk.css");
        assert!(!path.contains('{'), "{} has a parameter that this wall cannot fill", route.path);
        path
    }
}

async fn call(browser: &Browser, route: &RouteLine, path: &str) -> Seen {
    let seen = if route.method == "get" { browser.get(path).await } else { browser.post(path, &[]).await };
    looked_at(&format!("{} {path}", route.method), &seen);
    seen
}

/// Never our fault, and always under the policy.
fn looked_at(what: &str, seen: &Seen) {
    assert!(seen.status < 500, "{what}: {} {}", seen.status, seen.words());
    let policy = seen.header("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{what}: {part} is missing in {policy:?}");
    }
    assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{what}: {policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(seen.header(name), value, "{what}: {name}");
    }
    for cookie in seen.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        let session = cookie.starts_with("trine=");
        assert!(!session || cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{what}: {cookie}");
    }
}

#[tokio::test]
async fn nobody_strangers_and_wrong_roles_find_nothing() {
    let place = Place::new().await;
    let before = place.story.site.ledger().await;
    let nobody = place.story.site.browser();
    for route in ROUTES {
        let (path, what) = (place.path(route), format!("{} {}", route.method, route.path));
        if route.who == Who::Anyone {
            if route.method == "get" {
                assert_eq!(call(&nobody, route, &path).await.status, 200, "{what} as nobody");
            }
            continue;
        }
        let seen = call(&nobody, route, &path).await;
        assert_eq!(seen.status, 401, "{what} as nobody: {}", seen.words());
        assert!(seen.body.contains("/sign-in"), "{what} does not say where to sign in");
        let (stranger, arbitrator) = match route.who {
            Who::Party | Who::Owner | Who::Arbitrator => (&[404][..], &[403, 404][..]),
            Who::Operator => (&[404][..], &[404][..]),
            Who::Trader => (&[][..], &[403][..]),
            Who::Anyone | Who::SignedIn | Who::Practice => continue,
        };
        if !stranger.is_empty() {
            let status = call(&place.stranger, route, &path).await.status;
            assert!(stranger.contains(&status), "{what} as a stranger: {status}");
        }
        if route.who != Who::Arbitrator || path.contains(&place.trade.to_string()) {
            let status = call(&place.other_arbitrator, route, &path).await.status;
            assert!(arbitrator.contains(&status), "{what} as another trade's arbitrator: {status}");
        }
        if matches!(route.who, Who::Party | Who::Owner | Who::Arbitrator) {
            let status = call(&place.operator, route, &path).await.status;
            assert_eq!(status, 404, "{what} as an operator");
        }
        if matches!(route.who, Who::Arbitrator | Who::Operator) {
            let status = call(&place.story.bob.browser, route, &path).await.status;
            assert_eq!(status, 404, "{what} as a trader");
        }
    }
    place.story.site.ledger().await.assert_same(&before, "what strangers did");
}

/// How a form is forged: what it is called, its token, its headers.
type Forged<'a> = (&'static str, Option<&'a str>, &'a [(&'static str, &'static str)]);

/// A form sent with this token and these headers, as only another site or a broken browser sends it.
async fn forged(browser: &Browser, path: &str, token: Option<&str>, headers: &[(&str, &str)], parts: bool) -> Seen {
    let mut request = browser.http().request(Method::POST, browser.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request = match (parts, token) {
        (true, Some(token)) => request.multipart(Form::new().text("csrf", token.to_owned())),
        (true, None) => request.multipart(Form::new().text("version", "1")),
        (false, Some(token)) => request.form(&[("csrf", token)]),
        (false, None) => request.form(&[("version", "1")]),
    };
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.text().await.unwrap();
    Seen { status, location: None, headers, bytes: Vec::new(), body }
}

#[tokio::test]
async fn no_form_is_taken_from_another_site_or_without_its_token() {
    let place = Place::new().await;
    let before = place.story.site.ledger().await;
    let foreign = place.stranger.token().await;
    let own = [("sec-fetch-site", "same-origin")];
    for route in ROUTES.iter().filter(|route| route.method == "post") {
        let person = match route.who {
            Who::Arbitrator => &place.story.carol.browser,
            Who::Operator => &place.operator,
            _ => &place.story.alice.browser,
        };
        let (path, token) = (place.path(route), person.token().await);
        let cases: [Forged<'_>; 7] = [
            ("no token", None, &own),
            ("an empty token", Some(""), &own),
            ("a wrong token", Some("0000000000000000"), &own),
            ("a stranger's token", Some(&foreign), &own),
            ("another site", Some(&token), &[("sec-fetch-site", "cross-site")]),
            ("a sister site", Some(&token), &[("sec-fetch-site", "same-site")]),
            ("another origin", Some(&token), &[("origin", "https://evil.example")]),
        ];
        for (name, token, headers) in cases {
            for parts in [false, true] {
                let seen = forged(person, &path, token, headers, parts).await;
                assert_eq!(seen.status, 403, "{path} with {name}: {}", seen.words());
                looked_at(&path, &seen);
                assert!(seen.words().to_lowercase().contains("nothing was changed"), "{path}: {}", seen.words());
            }
        }
    }
    place.story.site.ledger().await.assert_same(&before, "forged forms");
}

#[tokio::test]
async fn no_address_breaks_the_desk_and_every_answer_has_its_policy() {
    let place = Place::new().await;
    let (alice, bob, carol) = (&place.story.alice.browser, &place.story.bob.browser, &place.story.carol.browser);
    for route in ROUTES.iter().filter(|route| route.method == "get") {
        for person in [alice, bob, carol, &place.operator] {
            call(person, route, &place.path(route)).await;
        }
        // Every parameter as nobody sends it in earnest.
        for odd in ["%00", "..%2F..%2Fetc%2Fpasswd", "%F0%9F%92%A9", "%FF", "'", "-1", "99999999999999999999999"] {
            let mut path = route.path.to_owned();
            while let Some((before, after)) = path.split_once('{') {
                path = format!("{before}{odd}{}", after.split_once('}').unwrap().1);
            }
            for person in [alice, carol, &place.operator] {
                looked_at(&path, &person.get(&path).await);
                looked_at(&path, &person.get(&format!("{path}?amount={odd}&currency={odd}&after={odd}&q={odd}")).await);
            }
        }
    }
    for odd in ["/nowhere", "/static/nothing.css", "/static/../Cargo.toml", "/static/%2e%2e/Cargo.toml", "//evil"] {
        let seen = alice.get(odd).await;
        looked_at(odd, &seen);
        assert_eq!(seen.status, 404, "{odd}");
    }
    let put = alice.http().put(alice.url("/account")).send().await.unwrap();
    assert!(matches!(put.status().as_u16(), 404 | 405) && put.headers().contains_key("content-security-policy"));
}

#[tokio::test]
async fn play_money_is_only_on_a_practice_desk() {
    let rules = Rules { practice: false, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let trade = story.agreed().await.to_string();
    let before = story.site.ledger().await;
    for route in ROUTES.iter().filter(|route| route.who == Who::Practice) {
        let fields =
            [("trade", trade.as_str()), ("amount", ""), ("blocks", "1"), ("text", "please cancel"), ("strip", "away")];
        assert_eq!(story.alice.browser.post(route.path, &fields).await.status, 404, "{}", route.path);
    }
    assert_eq!(story.alice.browser.get("/tour").await.status, 404);
    assert_eq!(story.site.browser().get("/tour").await.status, 404);
    assert!(!story.alice.browser.get("/").await.body.contains("class=\"tour\""));
    let take = story.alice.browser.get(&format!("/offers/{}/take?amount=500&address=practice", story.offer)).await;
    assert_eq!(take.value("address").as_deref(), Some(""));
    assert!(!take.body.contains("practice address"));
    story.site.ledger().await.assert_same(&before, "play money");
}
