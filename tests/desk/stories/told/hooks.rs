//! Notices as webhooks: signed, again until they arrive, and never to where only the desk can reach.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use trine::courier::{Courier, Hooks};
use trine::desk::delivery;
use trine::domain::deadlines::What;

use super::{assert_tells_nothing, deliveries};
use crate::harness::Start;
use crate::harness::cast::{Person, Story, story_with};
use crate::harness::post::{Hooked, Receiver};

fn courier(allow_private: bool) -> Courier {
    Courier { mail: None, hooks: Some(Hooks::new(allow_private).unwrap()), home: "https://desk.example".into() }
}

/// A desk that may call this machine.
async fn with_hooks() -> (Story, Receiver) {
    let story = story_with(Start { courier: courier(true), ..Start::default() }).await;
    (story, Receiver::start())
}

impl Story {
    /// Sets somebody's webhook; its secret.
    async fn hooks_to(&self, who: &Person, url: &str) -> String {
        let seen = who.browser.post("/account/notices/hook", &[("url", url)]).await;
        assert_eq!(seen.status, 200, "{}", seen.words());
        seen.between("hook-secret\">", "<").expect("a secret").to_owned()
    }

    async fn sends(&self) {
        delivery::deliver_due(&self.site.desk).await.unwrap();
    }
}

/// As a receiver checks it, with nothing of the desk's own code.
fn is_signed(hooked: &Hooked, secret: &str) -> bool {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(hooked.id.as_bytes());
    mac.update(b".");
    mac.update(hooked.timestamp.as_bytes());
    mac.update(b".");
    mac.update(hooked.body.as_bytes());
    let given = BASE64.decode(hooked.signature.strip_prefix("v1,").unwrap().as_bytes()).unwrap();
    mac.verify_slice(&given).is_ok()
}

#[tokio::test]
async fn a_webhook_is_signed_as_the_standard_says_and_tells_nothing() {
    let (story, receiver) = with_hooks().await;
    let secret = story.hooks_to(&story.bob, &receiver.url).await;
    let hidden = story.bob.browser.get("/account/notices").await;
    assert!(!hidden.body.contains(&secret) && hidden.body.contains("127.0.0.1"), "shown once");
    let trade = story.paid().await;
    story.alice.browser.post(&format!("/trades/{trade}/messages"), &[("text", "psst, between us")]).await;
    story.site.advance(SignedDuration::from_secs(61));
    story.sends().await;
    let [half, _] = story.reminder_times(trade, What::Release).await;
    story.at(half).await;
    story.sends().await;
    let got = receiver.got();
    assert!(got.len() >= 4, "{got:?}");
    let now = story.site.desk.now(&story.site.desk.store.connection().await.unwrap()).await.unwrap().as_second();
    let mut types = Vec::new();
    for hooked in &got {
        assert!(is_signed(hooked, &secret), "{hooked:?}");
        assert!(!is_signed(&Hooked { body: hooked.body.replace("turn", "torn"), ..hooked.clone() }, &secret));
        assert!(hooked.timestamp.parse::<i64>().unwrap() <= now && hooked.id.starts_with("msg_"));
        let body: serde_json::Value = serde_json::from_str(&hooked.body).unwrap();
        assert_eq!(body["data"]["trade"], trade.as_str());
        assert_tells_nothing(&body["data"]["text"].to_string());
        let mut keys: Vec<&String> = body["data"].as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, ["kinds", "text", "trade", "turn", "until", "url"]);
        types.push(body["type"].as_str().unwrap().to_owned());
    }
    for wanted in ["trade.turn", "trade.reminder", "trade.message"] {
        assert!(types.iter().any(|one| one == wanted), "{wanted} in {types:?}");
    }
    story.sends().await;
    assert_eq!(receiver.got().len(), got.len(), "each once");
}

#[tokio::test]
async fn a_receiver_that_fails_gets_it_again_under_the_same_name() {
    let (story, receiver) = with_hooks().await;
    story.hooks_to(&story.bob, &receiver.url).await;
    receiver.answers(&[500, 302, 429]);
    story.take().await;
    let page = || async { story.bob.browser.get("/account/notices").await.words() };
    for (wait, words) in [(0, "answered 500"), (6, "redirects are not followed"), (301, "answered 429")] {
        story.site.advance(SignedDuration::from_secs(wait));
        story.sends().await;
        assert!(page().await.contains(words), "{}", page().await);
    }
    story.sends().await;
    assert_eq!(receiver.got().len(), 3, "not before its time");
    story.site.advance(SignedDuration::from_secs(1801));
    story.sends().await;
    let got = receiver.got();
    assert_eq!(got.len(), 4, "nobody was asked at /elsewhere");
    assert!(got.iter().all(|one| one.id == got[0].id && one.body == got[0].body), "{got:?}");
    assert!(got[3].timestamp > got[0].timestamp);
    assert!(page().await.contains("Sent, after 4 tries."), "{}", page().await);
    // Asked for once more by hand: the same name again.
    let id: uuid::Uuid = story.site.sql().await.one("SELECT id FROM deliveries").await;
    let seen = story.bob.browser.post("/account/notices/again", &[("delivery", &id.to_string())]).await;
    assert_eq!(seen.status, 303);
    story.sends().await;
    let got = receiver.got();
    assert_eq!((got.len(), &got[4].id), (5, &got[0].id));
}

#[tokio::test]
async fn a_webhook_that_fails_for_good_is_shown_and_one_that_is_gone_is_stopped() {
    let (story, receiver) = with_hooks().await;
    story.hooks_to(&story.bob, &receiver.url).await;
    let trade = story.take().await;
    receiver.answers(&[500; 7]);
    for _ in 0..7 {
        story.sends().await;
        // The trade's own windows stand as they are; only the retries' clock is moved.
        story.site.sql().await.execute("UPDATE deliveries SET due_at = due_at - interval '1 day'", &[]).await.unwrap();
    }
    assert_eq!((receiver.got().len(), deliveries(&story, "failed").await), (7, 1));
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    story.signs(&story.alice, trade, "contract-signature", &[]).await;
    receiver.answers(&[410]);
    story.sends().await;
    let page = story.bob.browser.get("/account/notices").await.words();
    assert!(page.contains("answered 410: it is gone. Nothing is sent there any more."), "{page}");
    story.deposit(trade, bitcoin::Amount::from_sat(1_000_000)).await;
    story.sends().await;
    assert_eq!(receiver.got().len(), 8);
    assert_eq!(story.bob.browser.post("/account/notices/test", &[("channel", "hook")]).await.status, 409);
    story.hooks_to(&story.bob, &receiver.url).await;
    assert_eq!(story.bob.browser.post("/account/notices/test", &[("channel", "hook")]).await.status, 303);
    story.sends().await;
    let got = receiver.got();
    assert!(got.len() == 9 && got[8].body.contains("\"type\":\"test\""), "{got:?}");
}

/// It was asked, and its owner has a new one by the time it answers.
#[tokio::test]
async fn a_receiver_that_says_late_that_it_is_gone_does_not_stop_the_one_after_it() {
    let (story, receiver) = with_hooks().await;
    let slow = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    story.hooks_to(&story.bob, &format!("http://{}/", slow.local_addr().unwrap())).await;
    let trade = story.take().await;
    let desk = story.site.desk.clone();
    let sending = tokio::spawn(async move { delivery::deliver_due(&desk).await });
    let (mut asked, _) = slow.accept().await.unwrap();
    story.hooks_to(&story.bob, &receiver.url).await;
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    story.signs(&story.alice, trade, "contract-signature", &[]).await;
    asked.write_all(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
    sending.await.unwrap().unwrap();
    story.sends().await;
    let page = story.bob.browser.get("/account/notices").await.words();
    assert!(!page.contains("Nothing is sent there any more"), "{page}");
    assert_eq!((receiver.got().len(), deliveries(&story, "waiting").await), (1, 0));
}

#[tokio::test]
async fn addresses_inside_are_refused_beside_the_field_and_never_called() {
    let story = story_with(Start { courier: courier(false), ..Start::default() }).await;
    let receiver = Receiver::start();
    let bob = &story.bob.browser;
    for bad in [
        "",
        "ftp://example.org/",
        receiver.url.as_str(),
        "https://127.0.0.1/",
        "https://localhost/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://10.1.2.3/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]/",
        "https://224.0.0.1/",
        "https://me:secret@example.org/",
    ] {
        let seen = bob.post("/account/notices/hook", &[("url", bad)]).await;
        assert_eq!(seen.status, 422, "{bad}");
        assert!(!seen.error("url").is_empty(), "{bad}: {}", seen.words());
        assert_eq!(seen.value("url").unwrap_or_default().replace("&#x2F;", "/"), bad, "what was typed stays");
    }
    assert_eq!(story.site.sql().await.count("notice_channels").await, 0);
    assert_eq!(receiver.got().len(), 0);
}

#[tokio::test]
async fn one_receiver_that_hangs_does_not_hold_up_the_others() {
    let (story, receiver) = with_hooks().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging = format!("http://{}/", silent.local_addr().unwrap());
    story.hooks_to(&story.alice, &hanging).await;
    story.hooks_to(&story.bob, &receiver.url).await;
    story.agreed().await;
    let desk = story.site.desk.clone();
    let sending = tokio::spawn(async move { delivery::deliver_due(&desk).await });
    let begun = std::time::Instant::now();
    while receiver.got().is_empty() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "held up");
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(!sending.is_finished() || deliveries(&story, "waiting").await == 0);
    sending.abort();
}

#[tokio::test]
async fn what_was_told_half_a_year_ago_is_forgotten() {
    let (story, receiver) = with_hooks().await;
    story.hooks_to(&story.bob, &receiver.url).await;
    story.take().await;
    story.sends().await;
    let sql = story.site.sql().await;
    trine::desk::admin::tidy(&story.site.desk).await.unwrap();
    assert_eq!((sql.count("notices").await, sql.count("deliveries").await), (1, 1));
    story.site.advance(SignedDuration::from_hours(24 * 181));
    trine::desk::admin::tidy(&story.site.desk).await.unwrap();
    // The trade itself has ended by then, and that is news.
    assert_eq!(sql.one::<i64>("SELECT count(*) FROM notices WHERE cause = 'take'").await, 0);
    assert_eq!(sql.one::<i64>("SELECT count(*) FROM deliveries WHERE state = 'sent'").await, 0);
}

#[tokio::test]
async fn one_that_the_desk_cannot_make_is_told_and_holds_up_no_other() {
    let (story, receiver) = with_hooks().await;
    story.hooks_to(&story.bob, &receiver.url).await;
    story.hooks_to(&story.alice, &receiver.url).await;
    story.sends().await;
    let before = receiver.got().len();
    let sql = story.site.sql().await;
    sql.execute("UPDATE notice_channels SET secret_sealed = '\\x0102' WHERE account = $1", &[&story.bob.id.0])
        .await
        .unwrap();
    for who in [&story.bob, &story.alice] {
        let add = "INSERT INTO deliveries (account, channel, purpose, created_at, due_at)
                   VALUES ($1, 'hook', 'test', now(), now())";
        sql.execute(add, &[&who.id.0]).await.unwrap();
    }
    story.site.advance(SignedDuration::from_secs(1));
    story.sends().await;
    assert_eq!(receiver.got().len(), before + 1, "alice's");
    let page = story.bob.browser.get("/account/notices").await.words();
    assert!(page.contains("The desk could not make it."), "{page}");
    assert_eq!(deliveries(&story, "waiting").await, 1, "it is tried again as one that did not arrive");
}

/// What was written before, and what failed and was put off before.
#[tokio::test]
async fn a_clock_that_was_put_back_holds_nothing_back() {
    let (story, receiver) = with_hooks().await;
    story.hooks_to(&story.bob, &receiver.url).await;
    story.take().await;
    story.site.advance(SignedDuration::from_hours(-3));
    story.sends().await;
    assert_eq!(receiver.got().len(), 1);
    receiver.answers(&[500]);
    assert_eq!(story.bob.browser.post("/account/notices/test", &[("channel", "hook")]).await.status, 303);
    story.sends().await;
    assert_eq!((receiver.got().len(), deliveries(&story, "waiting").await), (2, 1));
    story.sends().await;
    assert_eq!(receiver.got().len(), 2, "it waits for its next try");
    story.site.advance(SignedDuration::from_hours(-24));
    story.sends().await;
    assert_eq!((receiver.got().len(), deliveries(&story, "waiting").await), (3, 0));
}
