//! The partners' process beside a desk whose chain beats and whose worker works.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitcoin::Amount;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use trine::desk::{admin, arbitrators, live, worker};

use crate::harness::{Site, Start};

const TRINE: &str = env!("CARGO_BIN_EXE_trine");
/// The machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The chain's heart beats faster than on a desk of people.
const BEAT: Duration = Duration::from_millis(500);

/// A practice desk that lives by itself, with partners.
pub struct Practice {
    pub site: Site,
    pub folder: PathBuf,
    partners: Option<Child>,
    ended: Arc<AtomicBool>,
}

impl Practice {
    /// Partners have made their offers.
    pub async fn start() -> Self {
        let site = Site::start_with(Start::default()).await;
        for (currency, price) in [("EUR", "58420.10"), ("CHF", "54900"), ("GBP", "50310.50"), ("USD", "67240")] {
            admin::set_rate(&site.desk, currency, price.parse().unwrap()).await.unwrap();
        }
        let ended = Arc::new(AtomicBool::new(false));
        let (chain, over) = (site.chain.clone(), ended.clone());
        std::thread::spawn(move || {
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(BEAT);
                chain.beat(Timestamp::now()).unwrap();
            }
        });
        let (desk, over) = (site.desk.clone(), ended.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                // Pages that are open are told, as on any desk.
                let _bells = tokio::spawn(live::run(desk.clone()));
                while !over.load(Ordering::SeqCst) {
                    // Another reader of the chain may be faster; the next round sees the rest.
                    let _ = worker::work_once(&desk).await;
                    sleep(Duration::from_millis(200)).await;
                }
            });
        });
        let folder = std::env::temp_dir().join(format!("trine-partners-{}", uuid::Uuid::new_v4().simple()));
        let mut practice = Self { site, folder, partners: None, ended };
        practice.call_partners();
        practice.until("SELECT count(*) = 1 FROM accounts WHERE name = 'sable'").await;
        let limit = Amount::from_sat(1_000_000_000);
        arbitrators::appoint(&practice.site.desk, "sable", "sable@desk.example", limit).await.unwrap();
        practice.until("SELECT count(*) >= 10 FROM offers WHERE state = 'open'").await;
        practice.until("SELECT count(*) = 1 FROM arbitrators WHERE drilled_at IS NOT NULL").await;
        practice
    }

    /// Starts the process.
    pub fn call_partners(&mut self) {
        let log = if std::env::var_os("PARTNERS_LOG").is_some() { Stdio::inherit() } else { Stdio::null() };
        let child = Command::new(TRINE)
            .args(["partners", "--desk", &self.site.origin, "--until-stdin-closes", "--folder"])
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.partners = Some(child);
    }

    /// As kill -9 does.
    pub fn kill_partners(&mut self) {
        let mut child = self.partners.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits until the database says yes.
    pub async fn until(&self, question: &str) {
        let (sql, until) = (self.site.sql().await, Instant::now() + PATIENCE);
        while !sql.one::<bool>(question).await {
            assert!(Instant::now() < until, "never came true: {question}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits for a stage of a trade.
    pub async fn until_stage(&self, trade: &str, stage: &str) {
        self.until(&format!("SELECT stage = '{stage}' FROM trades WHERE reference = '{trade}'")).await;
    }

    /// An open offer of a partner.
    pub async fn offer(&self, maker: &str, side: &str, currency: &str) -> String {
        let sql = format!(
            "SELECT o.reference FROM offers o JOIN accounts a ON a.id = o.account
             WHERE a.name = '{maker}' AND o.side = '{side}' AND o.currency = '{currency}' AND o.state = 'open'"
        );
        self.site.sql().await.one(&sql).await
    }

    /// What was said in a trade's room by people, the oldest first.
    pub async fn said(&self, trade: &str) -> Vec<String> {
        let sql = "SELECT m.body FROM messages m JOIN trades t ON t.id = m.trade
                   WHERE t.reference = $1 AND m.account IS NOT NULL ORDER BY m.number";
        let rows = self.site.sql().await.query(sql, &[&trade]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for Practice {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(mut child) = self.partners.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
