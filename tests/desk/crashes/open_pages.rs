//! Open pages and the end of a server, in order or not.

use std::time::Duration;

use trine::desk::room;
use trine::domain::PublicRef;

use super::served::Served;
use crate::harness::Ear;
use crate::harness::cast::Person;

/// Well below the time that a server waits for answers under way.
const SOON: Duration = Duration::from_secs(6);

async fn opened(who: &Person, trade: PublicRef) -> (String, Ear) {
    let page = who.browser.get(&format!("/trades/{trade}")).await;
    let path = format!("/trades/{trade}/stream?at={}", page.between("data-at=\"", "\"").unwrap());
    let ear = Ear::open(&who.browser, &path).await;
    (path, ear)
}

/// Said at the desk that is not killed.
async fn say(served: &Served, trade: PublicRef, words: &str) {
    room::say(&served.story.site.desk, trade, served.story.alice.id, words, None).await.unwrap();
}

#[tokio::test]
async fn open_pages_go_on_over_restarts_and_hold_no_server_up() {
    let (mut served, trade) = Served::prepared(async |story| story.funded().await).await;
    served.start(None).await;
    let (path, mut bob) = opened(&served.story.bob, trade).await;
    say(&served, trade, "first").await;
    let first = bob.hears("first").await;
    assert_eq!(first.name, "line");

    let took = served.stop();
    assert!(took < SOON, "a page that is open held it up for {took:?}:\n{}", served.log());
    bob.until("closing").await;
    assert_eq!(bob.next().await, None);
    say(&served, trade, "second").await;
    served.start(None).await;
    let mut bob = Ear::resume(&served.story.bob.browser, &path, &bob.last_id).await;
    let second = bob.until("line").await;
    assert!(second.data["html"].as_str().unwrap().contains("second"), "{second:?}");

    served.kill();
    while bob.next().await.is_some() {}
    say(&served, trade, "third").await;
    served.start(None).await;
    let mut bob = Ear::resume(&served.story.bob.browser, &path, &bob.last_id).await;
    let third = bob.until("line").await;
    assert!(third.data["html"].as_str().unwrap().contains("third"), "{third:?}");
    assert!(served.terminate() < SOON, "SIGTERM");
    while let Some(event) = bob.next().await {
        assert_ne!(event.name, "line", "nothing twice: {event:?}");
    }
}
