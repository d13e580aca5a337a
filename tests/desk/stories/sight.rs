//! The chain goes out of sight and comes back.

use std::sync::Arc;

use bitcoin::Network;
use jiff::{SignedDuration, Timestamp};
use trine::chain::{ChainError, Trouble};
use trine::desk::{Rules, trade_facts, watcher, worker};
use trine::web::times::Moment;

use crate::harness::cast::story_with;
use crate::harness::{Start, Weather};
use crate::routes::operator::operator;

/// Each trouble, and what is said of it to everybody.
fn troubles() -> [(ChainError, &'static str); 5] {
    let why = || "so says the test".to_owned();
    [
        (ChainError::Unreachable(why()), "The desk cannot reach its bitcoin node."),
        (ChainError::Hanging(why()), "The desk's bitcoin node does not answer."),
        (ChainError::Loading(why()), "The desk's bitcoin node is still reading the chain."),
        (ChainError::Behind(why()), "The desk's bitcoin node hears of no new blocks."),
        (ChainError::Confused(why()), "The desk's bitcoin node contradicts itself; the operator must look at it."),
    ]
}

#[tokio::test]
async fn nothing_is_called_funded_while_the_chain_is_out_of_sight() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let (desk, sql, olga) = (&story.site.desk, story.site.sql().await, operator(&story).await);
    let trade = story.agreed().await;
    let (row, _) = trade_facts::party(desk, trade, story.bob.id).await.unwrap();
    story.site.chain.pay(&row.script, row.deposit).unwrap();
    story.site.chain.mine(6, jiff::Timestamp::now()).unwrap();
    // The desk has heard of the deposit, and loses sight of the chain before it has thought about it.
    watcher::watch_once(desk).await.unwrap();
    let page = format!("/trades/{trade}");
    for (trouble, words) in troubles() {
        weather.turns_bad(trouble.clone());
        worker::work_once(desk).await.unwrap_err();
        assert_eq!(story.stage(trade).await, "awaiting_deposit", "{trouble}");
        let seen = story.alice.browser.get(&page).await;
        assert!(seen.words().contains("The chain is not visible since"), "{}", seen.words());
        assert!(seen.words().contains("nothing is counted until it is."), "{}", seen.words());
        assert!(!seen.words().contains("so says the test"), "the error is the operator's");
        let ready = story.alice.browser.get("/readyz").await;
        let line = format!("chain: {} since", trouble.trouble().map(Trouble::as_str).unwrap());
        assert_eq!((ready.status, ready.body.contains(&line)), (503, true), "{}", ready.body);
        assert!(!ready.body.contains("so says the test"), "what the node said is the operator's: {}", ready.body);
        let since: Moment = sql.one::<jiff::Timestamp>("SELECT since FROM chain_trouble").await.into();
        let told = olga.get("/operator").await.words();
        let said = format!("{words} Since {}", since.text);
        assert!(told.contains(&said) && told.contains(&trouble.to_string()), "{said}, for {trouble}: {told}");
    }
    weather.clears();
    story.work().await;
    assert_eq!(story.stage(trade).await, "funded");
    let seen = story.alice.browser.get(&page).await;
    assert!(!seen.words().contains("not visible"), "{}", seen.words());
    let ready = story.alice.browser.get("/readyz").await;
    assert_eq!((ready.status, ready.body.contains("since")), (200, false), "{}", ready.body);
    let told = olga.get("/operator").await.words();
    assert!(told.contains("in sight, block") && !told.contains("so says the test"), "{told}");
}

/// Its node answers, and tells of no new block: what it told before is not acted on either.
#[tokio::test]
async fn nothing_is_judged_while_the_best_block_is_too_old_to_be_one() {
    let rules = Rules { network: Network::Signet, practice: false, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let (desk, sql, olga) = (&story.site.desk, story.site.sql().await, operator(&story).await);
    let trade = story.agreed().await;
    let (row, _) = trade_facts::party(desk, trade, story.bob.id).await.unwrap();
    story.site.chain.pay(&row.script, row.deposit).unwrap();
    story.site.chain.mine(row.state.confirmations, Timestamp::now()).unwrap();
    watcher::watch_once(desk).await.unwrap();
    let waiting = "SELECT count(*) FROM outbox WHERE kind = 'judge' AND done_at IS NULL";
    let mut since = None;
    let old = [
        (3, "stale", "The desk's bitcoin node hears of no new blocks."),
        (22, "initial download", "The desk's bitcoin node is still reading the chain."),
    ];
    for (hours, name, words) in old {
        story.site.advance(SignedDuration::from_hours(hours));
        worker::work_once(desk).await.unwrap();
        assert_eq!(story.stage(trade).await, "awaiting_deposit", "{name}");
        assert_eq!(sql.one::<i64>(waiting).await, 1, "{name}: the job is kept and not done");
        let ready = story.alice.browser.get("/readyz").await;
        let line = format!("chain: {name} since");
        assert_eq!((ready.status, ready.body.contains(&line)), (503, true), "{line}: {}", ready.body);
        let seen = story.alice.browser.get(&format!("/trades/{trade}")).await.words();
        assert!(seen.contains("The chain is not visible since") && seen.contains("nothing is counted until it is."));
        let told = olga.get("/operator").await.words();
        assert!(told.contains(words) && told.contains("its newest block, "), "{words}: {told}");
        let lost: Timestamp = sql.one("SELECT since FROM chain_trouble").await;
        assert_eq!(*since.get_or_insert(lost), lost, "since the first trouble");
    }
    let now = Timestamp::now().checked_add(SignedDuration::from_hours(25)).unwrap();
    story.site.chain.mine(1, now).unwrap();
    story.work().await;
    assert_eq!(story.stage(trade).await, "funded");
    let ready = story.alice.browser.get("/readyz").await;
    assert_eq!((ready.status, ready.body.contains("since")), (200, false), "{}", ready.body);
}

#[tokio::test]
async fn out_of_sight_is_since_the_first_trouble_not_the_last() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let desk = &story.site.desk;
    let sql = story.site.sql().await;
    let since = || async { sql.one::<jiff::Timestamp>("SELECT since FROM chain_trouble").await };
    weather.turns_bad(ChainError::unreachable("gone"));
    worker::work_once(desk).await.unwrap_err();
    let first = since().await;
    story.site.advance(jiff::SignedDuration::from_mins(7));
    weather.turns_bad(ChainError::hanging("silent"));
    worker::work_once(desk).await.unwrap_err();
    assert_eq!(since().await, first);
    assert_eq!(sql.one::<String>("SELECT state FROM chain_trouble").await, "hanging");
}

#[tokio::test]
async fn nobody_is_asked_to_sign_while_the_chain_is_out_of_sight_and_nothing_breaks() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let trade = story.paid().await;
    let page = format!("/trades/{trade}/release");
    assert_eq!(story.bob.browser.get(&page).await.status, 200);
    weather.turns_bad(ChainError::unreachable("gone"));
    let seen = story.bob.browser.get(&page).await;
    assert_eq!(seen.status, 503, "{}", seen.words());
    assert!(seen.words().contains("The desk cannot see the chain just now, so nothing is signed"), "{}", seen.words());
}
