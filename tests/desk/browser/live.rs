//! Open pages in a real browser.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use trine::desk::live;

use crate::harness::PASSWORD;
use crate::harness::cast::{Person, Story, offer_form, story};
use crate::harness::chrome::{Chrome, THEMES, WIDTHS, turn};

pub async fn signed_in(story: &Story, who: &Person) -> Chrome {
    signed_in_at(&story.site.origin, who).await
}

async fn signed_in_at(origin: &str, who: &Person) -> Chrome {
    let chrome = Chrome::open(origin).await;
    chrome.goto("/sign-in").await;
    chrome.fill("#f-name", who.name).await;
    chrome.fill("#f-password", PASSWORD).await;
    chrome.press("Sign in").await;
    chrome.arrives("/").await;
    chrome
}

/// Waits until the script's answer is true. The page is not loaded again.
async fn until(chrome: &Chrome, what: &str, script: &str) {
    let start = Instant::now();
    while chrome.run(&format!("return !!({script})")).await != true {
        let page = chrome.run("return document.documentElement.outerHTML.slice(0, 6000)").await;
        assert!(start.elapsed() < Duration::from_secs(40), "{what}: never\n{}", page.as_str().unwrap_or_default());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn shows(chrome: &Chrome, css: &str, words: &str) {
    let script =
        format!("document.querySelector('{css}')?.innerText.replace(/[\\u202f\\u00a0]/g, ' ').includes('{words}')");
    until(chrome, words, &script).await;
}

async fn is_open(chrome: &Chrome) {
    chrome.find("html[data-live-state=open]").await;
}

/// Looked at by axe at both widths, in both themes; pictured if TRINE_LIVE_PICTURES names a folder.
async fn is_fine(chrome: &Chrome, name: &str) {
    for width in WIDTHS {
        chrome.width(width).await;
        assert_eq!(chrome.overhang().await, 0, "{name} at {width}");
        for theme in THEMES {
            chrome.theme(theme).await;
            assert_eq!(chrome.faults().await, Vec::<String>::new(), "{name} {width} {theme}");
            if let Some(folder) = std::env::var_os("TRINE_LIVE_PICTURES") {
                chrome.picture(&PathBuf::from(folder).join(format!("{name}-{width}-{theme}.png"))).await;
            }
        }
    }
    chrome.width(WIDTHS[0]).await;
}

#[tokio::test]
async fn words_and_stages_appear_without_reloading_and_what_is_half_typed_stays() {
    let _turn = turn().await;
    let story = story().await;
    tokio::spawn(live::run(story.site.desk.clone()));
    let trade = story.agreed().await;
    let path = format!("/trades/{trade}");
    let alice = signed_in(&story, &story.alice).await;
    alice.goto(&path).await;
    is_open(&alice).await;
    alice.run("window.notReloaded = true; document.querySelector('[data-part=papers] details').open = true").await;
    alice.fill("#f-room-text", "half a senten").await;

    let messages = format!("{path}/messages");
    let said = story.bob.browser.post(&messages, &[("text", "Good morning. The coins come at once.")]).await;
    assert_eq!(said.status, 303);
    shows(&alice, ".lines", "Good morning.").await;
    let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    story.site.chain.pay(&row.script, row.deposit).unwrap();
    story.work().await;
    shows(&alice, "[data-part=facts]", "seen, not confirmed").await;
    story.mine(row.state.confirmations).await;
    shows(&alice, "[data-part=now]", "Send 500.00 EUR").await;
    shows(&alice, ".lines", "Coins arrived in escrow").await;
    shows(&alice, "[role=status].vh", "Send 500.00 EUR").await;
    until(&alice, "the title tells whose turn it is", "document.title.startsWith('(1) ')").await;
    let icon = "document.querySelector('link[rel=icon]').getAttribute('href').includes('waits')";
    until(&alice, "the icon too", icon).await;
    for (what, kept) in [
        ("what is half typed", "document.querySelector('#f-room-text').value === 'half a senten'"),
        ("where one types", "document.activeElement.id === 'f-room-text'"),
        ("what was opened", "document.querySelector('[data-part=papers] details').open"),
        ("the page itself", "window.notReloaded"),
    ] {
        assert_eq!(alice.run(&format!("return {kept}")).await, true, "{what} is kept");
    }

    // The rest is typed and sent, without leaving the page; the new card's form works with this browser's token.
    alice.fill("#f-room-text", "half a sentence").await;
    alice.click(".say button").await;
    shows(&alice, ".lines .msg.me", "half a sentence").await;
    until(&alice, "the form is empty again", "document.querySelector('#f-room-text').value === ''").await;
    assert_eq!(alice.run("return window.notReloaded").await, true);
    is_fine(&alice, "room").await;
    story.bob.browser.get(&path).await;
    shows(&alice, ".lines .msg.me", "read").await;

    // Who is here, and a tab that is out of sight.
    let bob = signed_in(&story, &story.bob).await;
    bob.goto(&path).await;
    is_open(&bob).await;
    shows(&alice, "[data-here]", "bob-s is here").await;
    is_fine(&bob, "here").await;
    assert_eq!(story.site.desk.live.taken(), 2);
    let first = bob.opens_a_tab().await;
    open_pages(&story, 1, "a hidden tab closes its stream").await;
    assert_eq!(story.alice.browser.post(&messages, &[("text", "While you looked elsewhere.")]).await.status, 303);
    bob.closes_the_tab(first).await;
    shows(&bob, ".lines", "While you looked elsewhere.").await;
    open_pages(&story, 2, "it comes again").await;
}

#[tokio::test]
async fn two_browsers_at_two_servers_see_one_room() {
    let _turn = turn().await;
    let story = story().await;
    let second = story.site.second(story.site.desk.rules.clone());
    for desk in [&story.site.desk, &second.desk] {
        tokio::spawn(live::run(desk.clone()));
    }
    let trade = story.agreed().await;
    let path = format!("/trades/{trade}");
    let (alice, bob) = (signed_in(&story, &story.alice).await, signed_in_at(&second.origin, &story.bob).await);
    for chrome in [&alice, &bob] {
        chrome.goto(&path).await;
        is_open(chrome).await;
        chrome.run("window.notReloaded = true").await;
    }
    assert_eq!((story.site.desk.live.taken(), second.desk.live.taken()), (1, 1));
    shows(&alice, "[data-here]", "bob-s is here").await;
    for (from, to, words) in [(&alice, &bob, "From the first server."), (&bob, &alice, "From the second one.")] {
        from.fill("#f-room-text", words).await;
        from.click(".say button").await;
        shows(from, ".lines .msg.me", words).await;
        shows(to, ".lines", words).await;
    }
    let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    story.site.chain.pay(&row.script, row.deposit).unwrap();
    story.work().await;
    story.mine(row.state.confirmations).await;
    shows(&alice, "[data-part=now]", "Send 500.00 EUR").await;
    shows(&bob, ".lines", "Coins arrived in escrow").await;
    for chrome in [&alice, &bob] {
        assert_eq!(chrome.run("return window.notReloaded").await, true);
        let twice = "return [...document.querySelectorAll('.lines .msg')].filter(one => one.innerText.includes('From the')).length";
        assert_eq!(chrome.run(twice).await, 2, "each line once");
    }
}

async fn open_pages(story: &Story, wanted: usize, what: &str) {
    let start = Instant::now();
    while story.site.desk.live.taken() != wanted {
        assert!(start.elapsed() < Duration::from_secs(40), "{what}: {} are open", story.site.desk.live.taken());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_board_says_how_many_offers_are_new_and_moves_nothing() {
    let _turn = turn().await;
    let story = story().await;
    let visitor = Chrome::open(&story.site.origin).await;
    visitor.goto("/").await;
    let rows = "return document.querySelectorAll('.book tbody tr').length";
    let before = visitor.run(rows).await;
    let place = "return document.querySelector('.book').getBoundingClientRect().top";
    let top = visitor.run(place).await;
    for price in ["49000", "49500"] {
        let mut form = offer_form(&story.bob, "sell");
        form.input.price = price.into();
        trine::desk::offers::post(&story.site.desk, story.bob.id, &form).await.unwrap();
    }
    story.site.site.board.stale();
    shows(&visitor, "[data-board-news]", "2 new offers, show").await;
    assert_eq!((visitor.run(rows).await, visitor.run(place).await), (before.clone(), top), "nothing has moved");
    is_fine(&visitor, "board").await;
    visitor.click("[data-board-news] a").await;
    until(&visitor, "they are shown", "document.querySelectorAll('.book tbody tr').length === 3").await;
    assert_eq!(before, 1);
}
