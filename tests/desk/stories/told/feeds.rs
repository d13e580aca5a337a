//! What waits for somebody, as a feed at a secret address.

use jiff::SignedDuration;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use trine::desk::clock;
use trine::domain::deadlines::What;

use super::{assert_tells_nothing, tag};
use crate::harness::cast::story;

#[tokio::test]
async fn a_feed_says_what_waits_and_forgets_what_is_done() {
    let story = story().await;
    let (alice, bob) = (story.feed(&story.alice).await, story.feed(&story.bob).await);
    assert_eq!(story.titles(&bob).await, [""; 0]);
    let trade = story.take().await;
    let due = |at: jiff::Timestamp| at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%-d %b %H:%M UTC").to_string();
    let mine = format!("Trade {}: your turn until ", trade.grouped());
    let until = due(story.state(trade).await.sign_by);
    assert_eq!(story.titles(&bob).await, [format!("{mine}{until}.")], "his offer was taken");
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    assert_eq!(story.titles(&bob).await, [""; 0], "he has signed");
    story.signs(&story.alice, trade, "contract-signature", &[]).await;
    let titles = story.titles(&bob).await;
    assert!(titles.len() == 1 && titles[0].starts_with(&mine), "{titles:?}");
    story.deposit(trade, bitcoin::Amount::from_sat(1_000_000)).await;
    let [half, _] = story.reminder_times(trade, What::Payment).await;
    story.at(half).await;
    let titles = story.titles(&alice).await;
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[0].starts_with(&mine) && titles[0].ends_with("Half of the time is over."), "{titles:?}");
    assert!(titles[1].starts_with(&mine), "{titles:?}");

    let said = story.bob.browser.post(&format!("/trades/{trade}/messages"), &[("text", "psst, between us")]).await;
    assert_eq!(said.status, 303);
    let again = story.bob.browser.post(&format!("/trades/{trade}/messages"), &[("text", "psst, between us")]).await;
    assert_eq!(again.status, 303);
    let message = format!("Trade {}: a new message.", trade.grouped());
    let count = |titles: Vec<String>| titles.iter().filter(|title| **title == message).count();
    assert_eq!(count(story.titles(&alice).await), 1, "once until she looks");
    assert_eq!(count(story.titles(&bob).await), 0, "his own words");
    story.alice.browser.get(&format!("/trades/{trade}")).await;
    assert_eq!(count(story.titles(&alice).await), 0, "she has read it");

    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    story.mine(6).await;
    assert_eq!(story.stage(trade).await, "completed");
    for feed in [&alice, &bob] {
        let titles = story.titles(feed).await;
        assert_eq!(titles[0], format!("Trade {}: it is over.", trade.grouped()));
        assert!(titles.iter().all(|title| !title.contains("your turn")), "{titles:?}");
    }
    // News are old after two weeks.
    story.later(15 * 24 * 60).await;
    assert_eq!(story.titles(&alice).await, [""; 0]);
}

#[tokio::test]
async fn a_feed_tells_no_names_no_sums_and_nothing_of_what_was_said() {
    let story = story().await;
    let feeds = [story.feed(&story.alice).await, story.feed(&story.bob).await, story.feed(&story.carol).await];
    let trade = story.disputed().await;
    story.alice.browser.post(&format!("/trades/{trade}/messages"), &[("text", "psst, between us")]).await;
    let [half, _] = story.reminder_times(trade, What::Ruling).await;
    story.at(half).await;
    let mut entries = 0;
    for feed in &feeds {
        let body = story.site.browser().get(feed).await.body;
        // Where the desk is found has numbers of its own.
        assert_tells_nothing(&body.replace(&story.site.origin, ""));
        entries += body.matches("<entry>").count();
    }
    assert!(entries >= 5, "only {entries} entries were looked at");
}

#[tokio::test]
async fn a_feed_has_stable_names_and_is_not_sent_twice_for_nothing() {
    let story = story().await;
    let trade = story.funded().await;
    let feed = story.feed(&story.alice).await;
    let nobody = story.site.browser();
    let first = nobody.get(&feed).await;
    assert!(tag(&first.body, "id").starts_with("tag:127.0.0.1,2026:feed/"), "{}", first.body);
    let entry = |body: &str| body.split_once("<entry>").unwrap().1.to_owned();
    let etag = first.headers.get(ETAG).unwrap().to_str().unwrap().to_owned();
    let ask =
        || async { nobody.http().get(nobody.url(&feed)).header(IF_NONE_MATCH, etag.clone()).send().await.unwrap() };
    assert_eq!(ask().await.status(), 304);
    // The end moves: the same entry, changed later, and another tag.
    story.site.advance(SignedDuration::from_mins(40));
    story.silent_for(30).await;
    clock::beat(&story.site.desk).await.unwrap();
    story.work().await;
    assert_eq!(ask().await.status(), 200);
    let second = nobody.get(&feed).await;
    let (was, is) = (entry(&first.body), entry(&second.body));
    assert_eq!((tag(&was, "id"), tag(&was, "published")), (tag(&is, "id"), tag(&is, "published")));
    assert!(tag(&is, "updated") > tag(&was, "updated") && tag(&is, "title") != tag(&was, "title"), "{is}");
    assert!(tag(&second.body, "updated") >= tag(&is, "updated"));
    let pay_by = story.state(trade).await.pay_by.unwrap().strftime("%H:%M UTC").to_string();
    assert!(tag(&is, "title").contains(&pay_by), "{is}");
}

#[tokio::test]
async fn a_feed_has_one_address_that_can_be_renewed_and_ended() {
    let story = story().await;
    story.funded().await;
    let nobody = story.site.browser();
    let first = story.feed(&story.alice).await;
    let second = story.feed(&story.alice).await;
    assert_eq!((nobody.get(&first).await.status, nobody.get(&second).await.status), (404, 200));
    let hidden = story.alice.browser.get("/account/notices").await;
    assert!(!hidden.body.contains(second.rsplit('/').next().unwrap()), "shown once");
    assert!(hidden.words().contains("There is an address since"), "{}", hidden.words());
    let seen = story.alice.browser.post("/account/notices/end", &[("channel", "feed")]).await;
    assert_eq!(seen.status, 303);
    assert_eq!(nobody.get(&second).await.status, 404);
    assert_eq!(story.alice.browser.post("/account/notices/end", &[("channel", "pigeon")]).await.status, 404);
}

#[tokio::test]
async fn what_is_switched_off_is_not_in_the_feed() {
    let story = story().await;
    let feed = story.feed(&story.alice).await;
    let trade = story.funded().await;
    story.bob.browser.post(&format!("/trades/{trade}/messages"), &[("text", "hello")]).await;
    assert_eq!(story.titles(&feed).await.len(), 2);
    let choose = |kinds: &'static [&'static str]| {
        let fields: Vec<(&str, &str)> = kinds.iter().map(|kind| ("kind", *kind)).chain([("channel", "feed")]).collect();
        let browser = &story.alice.browser;
        async move { assert_eq!(browser.post("/account/notices/kinds", &fields).await.status, 303) }
    };
    choose(&["message", "nonsense"]).await;
    assert_eq!(story.titles(&feed).await, [format!("Trade {}: a new message.", trade.grouped())]);
    choose(&[]).await;
    assert_eq!(story.titles(&feed).await, [""; 0]);
    // Whoever renews the address keeps the choice.
    let feed = story.feed(&story.alice).await;
    assert_eq!(story.titles(&feed).await, [""; 0]);
    choose(&["turn"]).await;
    assert_eq!(story.titles(&feed).await.len(), 1);
}
