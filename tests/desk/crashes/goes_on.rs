//! A trade that goes on whatever happens to the desk: everybody tries the next thing until it is done. What the desk
//! acknowledges is remembered.

use std::time::{Duration, Instant};

use bitcoin::Amount;
use trine::domain::PublicRef;

use super::served::Served;
use crate::harness::cast::{Person, Story};

/// A trade must end within this time, however often the desk dies.
const PATIENCE: Duration = Duration::from_secs(120);

impl Served {
    /// Alice takes 500 euros of bob's offer, as often as it needs. The desk is started again whenever it is dead.
    pub async fn until_taken(&mut self) -> PublicRef {
        let sql = self.story.site.sql().await;
        let offer = self.story.offer.to_string();
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(row) = sql.query_opt("SELECT reference FROM trades", &[]).await.unwrap() {
                return row.get::<_, String>(0).parse().unwrap();
            }
            assert!(Instant::now() < until, "nobody can take:\n{}", self.log());
            if self.is_dead() {
                self.start(None).await;
            }
            take(self, &offer, "500").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Does whatever comes next, until the trade is completed. The desk is started again whenever it is dead.
    pub async fn until_completed(&mut self, trade: PublicRef) {
        self.until_completed_by(trade, next).await;
    }

    /// The same where something else comes next.
    pub async fn until_completed_by(&mut self, trade: PublicRef, next: impl AsyncFn(&Self, PublicRef)) {
        let until = Instant::now() + PATIENCE;
        while self.story.stage(trade).await != "completed" {
            assert!(Instant::now() < until, "{trade} is stuck in {}:\n{}", self.story.stage(trade).await, self.log());
            if self.is_dead() {
                self.start(None).await;
            }
            next(self, trade).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Alice takes so many euros of an offer, over HTTP like everything else; done, refused, or without an answer.
pub async fn take(served: &Served, offer: &str, amount: &str) {
    let alice = &served.story.alice;
    let (key, address) = (alice.key.to_string(), alice.address.to_string());
    let fields = [
        ("step", "take"),
        ("amount", amount),
        ("payment_account", alice.account.as_str()),
        ("key", &key),
        ("address", &address),
        ("offer_version", "1"),
        ("price_seen", "50000"),
    ];
    let Some(answer) = alice.browser.try_post(&format!("/offers/{offer}/take"), &fields).await else { return };
    assert!(matches!(answer.status, 303 | 409 | 503), "{} {}", answer.status, answer.words());
    if answer.status == 303 {
        let place = answer.location.unwrap();
        served.answers.took(place.rsplit('/').next().unwrap().parse().unwrap());
    }
}

/// One of the two says something new in the room; said, refused, or without an answer.
pub async fn speak(served: &Served, trade: PublicRef) {
    let unique = uuid::Uuid::new_v4();
    let who = if unique.as_bytes()[0].is_multiple_of(2) { &served.story.alice } else { &served.story.bob };
    let text = format!("word {}", unique.simple());
    let path = format!("/trades/{trade}/messages");
    let Some(answer) = who.browser.try_post(&path, &[("text", &text)]).await else { return };
    // Nobody speaks faster than he may.
    assert!(matches!(answer.status, 303 | 409 | 429 | 503), "{} {}", answer.status, answer.words());
    if answer.status == 303 {
        served.answers.said(trade, &text);
    }
}

/// The next thing somebody has to do in a trade; done, refused, or without an answer.
pub async fn next(served: &Served, trade: PublicRef) {
    let Story { alice, bob, .. } = &served.story;
    match served.story.stage(trade).await.as_str() {
        "proposed" => {
            sign(served, bob, trade, "contract-signature", &[]).await;
            sign(served, alice, trade, "contract-signature", &[]).await;
        }
        "awaiting_deposit" => deposit(served, trade).await,
        "funded" => sign(served, alice, trade, "payment", &["sent"]).await,
        "payment_sent" | "disputed" => {
            sign(served, bob, trade, "release", &["own_account", "amount", "payer"]).await;
        }
        "refund_due" => {
            sign(served, bob, trade, "refund", &[]).await;
            sign(served, alice, trade, "refund", &[]).await;
        }
        "paying_out" => mine(served).await,
        _ => {}
    }
}

async fn sign(served: &Served, who: &Person, trade: PublicRef, place: &str, ticks: &[&str]) {
    if sign_at(served, who, trade, &format!("/trades/{trade}/{place}"), ticks).await {
        let party = if who.id == served.story.alice.id { "buyer" } else { "seller" };
        served.answers.signed(trade, party, place);
    }
}

/// Signs a signing page and sends it with its ticks; whether it was said to be done.
pub async fn sign_at(served: &Served, who: &Person, trade: PublicRef, path: &str, ticks: &[&str]) -> bool {
    let Some(page) = who.browser.try_get(path).await else { return false };
    if page.status != 200 {
        return false;
    }
    let Ok(signatures) = who.signed(&page) else { return false };
    let mut fields = vec![("signatures", signatures.as_str())];
    fields.extend(ticks.iter().map(|tick| (*tick, "yes")));
    send(served, who, trade, path, &fields).await
}

/// Sends a form of a trade; whether it was said to be done.
pub async fn send(served: &Served, who: &Person, trade: PublicRef, path: &str, fields: &[(&str, &str)]) -> bool {
    let version = served.story.version(trade, who).await;
    let mut all = vec![("version", version.as_str())];
    all.extend_from_slice(fields);
    let Some(answer) = who.browser.try_post(path, &all).await else { return false };
    assert_ne!(answer.status, 500, "{path}: {}", answer.words());
    answer.status == 303
}

/// Bob pays, unless the desk has seen it already; then blocks come.
async fn deposit(served: &Served, trade: PublicRef) {
    let story = &served.story;
    let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    let sql = story.site.sql().await;
    let seen = format!("SELECT coalesce(sum(amount_sat), 0)::bigint FROM deposits WHERE trade = '{}'", row.id);
    if Amount::from_sat(sql.one::<i64>(&seen).await.cast_unsigned()) < row.deposit {
        let reference = trade.to_string();
        let answer = story.bob.browser.try_post("/practice/deposit", &[("trade", &reference)]).await;
        if answer.is_some_and(|answer| answer.status == 303) {
            served.answers.deposited(trade);
        }
    }
    mine(served).await;
}

async fn mine(served: &Served) {
    let _ = served.story.bob.browser.try_post("/practice/blocks", &[("blocks", "1")]).await;
}
