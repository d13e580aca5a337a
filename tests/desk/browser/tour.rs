//! A newcomer alone does the whole tour in Chromium, with a key made there, led by the pages.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::harness::chrome::{THEMES, WIDTHS, Way, turn};
use crate::harness::proxy::Proxy;
use crate::partners::process::Practice;

use super::actor::Actor;

/// More steps than the tour has, waiting for partners included.
const LOOKS_MAX: usize = 600;

#[tokio::test]
async fn a_newcomer_alone_does_the_whole_tour() {
    let _turn = turn().await;
    let practice = Practice::start().await;
    let proxy = Proxy::before(&practice.site.origin);
    let start = Instant::now();
    let nora = Actor::enters_as(&proxy, "nora-new", Way::Mouse).await.makes_a_key().await;
    let mut done = Vec::new();
    for _ in 0..LOOKS_MAX {
        nora.chrome.goto("/tour").await;
        if nora.chrome.has("main .note.good").await {
            break;
        }
        let step = nora.chrome.words(".ticks [aria-current=step] b").await;
        if done.last() != Some(&step) {
            done.push(step.clone());
            nora.is_pictured(done.len(), "tour").await;
        }
        nora.takes_the_step(&step).await;
    }
    assert!(nora.chrome.words("main .note.good").await.contains("whole tour"), "stopped after {done:?}");
    println!("figure tour_minutes {:.1} min", start.elapsed().as_secs_f64() / 60.0);
    nora.is_pictured(94, "finished").await;
    assert!(!nora.chrome.has("aside.tour").await, "nothing is left to be said");
    let sql = practice.site.sql().await;
    let ended = "SELECT string_agg(outcome, ' ' ORDER BY created_at) FROM trades";
    assert_eq!(sql.one::<String>(ended).await, "released released refunded released");
}

impl Actor {
    /// With TRINE_SCREENSHOTS=folder: the page as it stands, narrow and wide, by day and by night.
    async fn is_pictured(&self, number: usize, what: &str) {
        let Some(folder) = std::env::var_os("TRINE_SCREENSHOTS").map(PathBuf::from) else { return };
        for width in WIDTHS {
            self.chrome.width(width).await;
            for theme in THEMES {
                self.chrome.theme(theme).await;
                let file = format!("tour-{number:02}-{what}-{width}-{theme}.png");
                self.chrome.picture(&folder.join(file)).await;
            }
        }
        self.chrome.width(WIDTHS[0]).await;
    }

    /// A page on which somebody else was faster is opened again by who reads on.
    async fn signs_or_looks_again(&self) {
        let here = self.chrome.path().await;
        self.unlocks().await;
        for _ in 0..400 {
            if self.chrome.path().await != here || self.chrome.has("main .note.bad[role=alert]").await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nothing came of signing at {here}");
    }

    /// What the tour says, done as it says it.
    async fn takes_the_step(&self, step: &str) {
        let chrome = &self.chrome;
        if chrome.has(".ticks [aria-current=step] a[href='/tour']").await {
            tokio::time::sleep(Duration::from_millis(300)).await;
            return;
        }
        let here = chrome.path().await;
        chrome.click(".ticks [aria-current=step] a").await;
        chrome.leaves(&here).await;
        match step {
            "Add a way to pay" => {
                chrome.press("Save").await;
                chrome.arrives("/tour").await;
            }
            "Take an offer of somebody who sells" | "Take an offer of somebody who buys" => {
                chrome.click("main a[href^='/offers/'][href*='amount=200']").await;
                chrome.click("main a.btn.big[href*='/take?amount=']").await;
                self.is_pictured(92, "address").await;
                chrome.press("Use a practice address").await;
                chrome.tick("input[name=payment_account]").await;
                chrome.press("Go on to the summary").await;
                chrome.find("input[type=hidden][name=price_seen]").await;
                let here = chrome.path().await;
                chrome.click("main form .btn.big").await;
                chrome.leaves(&here).await;
            }
            "Read and sign the contract" | "Co-sign the payout" => self.signs_or_looks_again().await,
            "Say that you have paid" => {
                self.ticks(&["sent"]).await;
                self.signs_or_looks_again().await;
            }
            "Lock the coins" => {
                self.is_pictured(91, "purse").await;
                let purse = "form[action='/practice/deposit']";
                chrome.click(&format!("{purse} button")).await;
                chrome.loses(purse).await;
            }
            "Release the coins" => {
                self.ticks(&["own_account", "amount", "payer"]).await;
                self.signs_or_looks_again().await;
            }
            "Cancel the purchase" => {
                self.ticks(&["not_paid"]).await;
                self.signs_or_looks_again().await;
            }
            "Ask your partner not to release" => {
                self.is_pictured(90, "sentences").await;
                chrome.press("please do not release").await;
                chrome.reads("please do not release").await;
            }
            "Open a dispute" => {
                chrome.click("#f-reason option[value=not_released]").await;
                chrome.click("#f-wanted option[value=release]").await;
                chrome.fill("#f-statement", "I have paid and have the confirmation of my bank.").await;
                chrome.press("Call the arbitrator").await;
                chrome.reads("Say your side").await;
            }
            "Ask the arbitrator to rule for you" => {
                self.is_pictured(93, "arbitrator").await;
                chrome.press("please rule for me").await;
                chrome.reads("please rule for me").await;
            }
            other => panic!("the tour has a step that nobody can do: {other:?}"),
        }
    }
}
