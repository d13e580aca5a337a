//! A trade that goes on whatever happens to the desk: everybody tries the next thing until it is done.

use std::time::{Duration, Instant};

use bitcoin::Amount;
use trine::domain::PublicRef;

use super::served::Served;
use crate::harness::cast::{Person, Story};

/// A trade must end within this time, however often the desk dies.
const PATIENCE: Duration = Duration::from_secs(120);

impl Served {
    /// Does whatever comes next, until the trade is completed. The desk is started again whenever it is dead.
    pub async fn until_completed(&mut self, trade: PublicRef) {
        let until = Instant::now() + PATIENCE;
        while self.story.stage(trade).await != "completed" {
            assert!(Instant::now() < until, "{trade} is stuck in {}:\n{}", self.story.stage(trade).await, self.log());
            if self.is_dead() {
                self.start(None).await;
            }
            next(&self.story, trade).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The next thing somebody has to do in a trade; done, refused, or without an answer.
pub async fn next(story: &Story, trade: PublicRef) {
    match story.stage(trade).await.as_str() {
        "proposed" => {
            sign(story, &story.bob, trade, "contract-signature", &[]).await;
            sign(story, &story.alice, trade, "contract-signature", &[]).await;
        }
        "awaiting_deposit" => deposit(story, trade).await,
        "funded" => sign(story, &story.alice, trade, "payment", &["sent"]).await,
        "payment_sent" | "disputed" => {
            sign(story, &story.bob, trade, "release", &["own_account", "amount", "payer"]).await
        }
        "refund_due" => sign(story, &story.bob, trade, "refund", &[]).await,
        "paying_out" => mine(story).await,
        _ => {}
    }
}

async fn sign(story: &Story, who: &Person, trade: PublicRef, place: &str, ticks: &[&str]) {
    let path = format!("/trades/{trade}/{place}");
    let Some(page) = who.browser.try_get(&path).await else { return };
    if page.status != 200 {
        return;
    }
    let Ok(signatures) = who.signed(&page) else { return };
    let version = story.version(trade, who).await;
    let mut fields = vec![("version", version.as_str()), ("signatures", signatures.as_str())];
    fields.extend(ticks.iter().map(|tick| (*tick, "yes")));
    if let Some(answer) = who.browser.try_post(&path, &fields).await {
        assert_ne!(answer.status, 500, "{place}: {}", answer.words());
    }
}

/// Bob pays, unless the desk has seen it already; then blocks come.
async fn deposit(story: &Story, trade: PublicRef) {
    let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    let sql = story.site.sql().await;
    let seen = format!("SELECT coalesce(sum(amount_sat), 0)::bigint FROM deposits WHERE trade = '{}'", row.id);
    if Amount::from_sat(sql.one::<i64>(&seen).await.cast_unsigned()) < row.deposit {
        let reference = trade.to_string();
        let _ = story.bob.browser.try_post("/practice/deposit", &[("trade", &reference)]).await;
    }
    mine(story).await;
}

async fn mine(story: &Story) {
    let _ = story.bob.browser.try_post("/practice/blocks", &[("blocks", "1")]).await;
}
