//! What is true of a desk that was killed, once all is over: nothing waits, the board shows what the database has, and
//! the books add up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use trine::desk::{board, books};

use super::served::Served;
use crate::harness::{Browser, Seen};

/// Longer than any job that failed once waits before it is tried again.
const PATIENCE: Duration = Duration::from_secs(120);

const DRAINED: &str = "
    SELECT NOT EXISTS (SELECT FROM outbox WHERE done_at IS NULL)
       AND NOT EXISTS (SELECT FROM deliveries WHERE state = 'waiting')";

/// What is left of each offer that can be taken.
const LEFT: &str = "
    SELECT reference, least(limit_max, total - reserved) FROM offers
     WHERE state = 'open' AND least(limit_max, total - reserved) >= limit_min";

impl Served {
    /// Waits until the queues are empty: of jobs, and of what goes to people outside. The desk is started again when it
    /// is dead.
    pub async fn until_drained(&mut self) {
        let sql = self.story.site.sql().await;
        let until = Instant::now() + PATIENCE;
        while !sql.one::<bool>(DRAINED).await {
            assert!(Instant::now() < until, "the queues do not drain:\n{}", self.log());
            if self.is_dead() {
                self.start(None).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Visitors see of each open offer what the database says is left of it, and no other.
    pub async fn shows_what_is_left(&mut self) {
        let page = self.board().await;
        let sql = self.story.site.sql().await;
        let rows = sql.query(LEFT, &[]).await.unwrap();
        let left: BTreeMap<String, Decimal> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert!(left.len() <= board::PAGE_ROWS, "the first page does not hold them all");
        assert_eq!(shown(&page), left, "{}", page.words());
    }

    async fn board(&mut self) -> Seen {
        let visitor = Browser::new(&self.story.alice.browser.origin);
        let until = Instant::now() + PATIENCE;
        loop {
            if self.is_dead() {
                self.start(None).await;
            }
            if let Some(page) = visitor.try_get("/").await {
                assert_eq!(page.status, 200, "{}", page.words());
                return page;
            }
            assert!(Instant::now() < until, "the board never came:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Logs give rows, and every payout is built again from its contract.
    pub async fn books_add_up(&self) {
        let report = books::check(&self.story.site.desk).await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        let trades = self.story.site.sql().await.count("trades").await;
        assert_eq!(i64::try_from(report.trades).unwrap(), trades, "{report:?}");
    }
}

/// The upper limits on a page of the board.
fn shown(page: &Seen) -> BTreeMap<String, Decimal> {
    let offer = |row: &str| {
        let (reference, rest) = row.split_once('"').unwrap();
        let (_, limits) = rest.split_once("data-l=\"Limits\">").unwrap();
        let (limits, _) = limits.split_once('<').unwrap();
        let (_, upper) = limits.split_once('–').unwrap();
        // Digits stand in groups with narrow blanks between them.
        let plain: String = upper.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        (reference.to_owned(), plain.parse().unwrap())
    };
    page.body.split("data-offer=\"").skip(1).map(offer).collect()
}
