//! One function per thing a person or a clock can make happen.
//!
//! Every change has one shape: load for update, decide, save, log, announce, commit. What must leave the building is
//! an outbox row of the same transaction.

pub mod accounts;
pub mod acts;
pub mod admin;
pub mod alive;
pub mod amendments;
pub mod arbitration;
pub mod arbitrators;
pub mod audit;
pub mod board;
pub mod books;
pub mod calendar;
pub mod channels;
pub mod children;
pub mod clock;
pub mod codes;
pub mod conduct;
pub mod conflicts;
pub mod contracts;
pub mod crash;
pub mod delivery;
pub mod disputes;
pub mod draw;
pub mod effects;
pub mod error;
pub mod escrow_book;
pub mod estimates;
pub mod feeds;
pub mod fees;
pub mod funding;
pub mod handover;
pub mod hours;
pub mod judge;
pub mod keyfile;
pub mod keys;
pub mod levels;
pub mod live;
pub mod notices;
pub mod offers;
pub mod operator;
pub mod passwords;
pub mod payment_accounts;
pub mod payouts;
pub mod people;
pub mod pictures;
pub mod practice;
pub mod public_log;
pub mod quotes;
pub mod reader;
pub mod recovery;
pub mod reinstatement;
pub mod restored;
pub mod room;
pub mod rules;
pub mod rulings;
pub mod secrets;
pub mod settlements;
pub mod sight;
pub mod signing;
pub mod splits;
pub mod take;
pub mod throttle;
pub mod tour;
pub mod trade_facts;
pub mod trades;
pub mod under_way;
pub mod visits;
pub mod watcher;
pub mod weather;
pub mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

pub use error::{Done, Error, Failure};
pub use rules::{Registration, Rules};
pub use secrets::Secrets;

use crate::chain::Chain;
use crate::chain::practice::Practice;
use crate::courier::Courier;
use crate::store::{self, GenericClient, Store, Transaction};

/// The desk: what every use case needs.
#[derive(Debug)]
pub struct Desk {
    pub store: Store,
    pub chain: Arc<dyn Chain>,
    /// The same chain on a practice desk, which can also pay and mine.
    pub practice: Option<Arc<Practice>>,
    pub rules: Rules,
    pub secrets: Secrets,
    pub clock: Clock,
    /// Takes mails and webhooks out of the building, where the operator has said how.
    pub courier: Courier,
    /// Wakes the desk's own work after a change.
    pub wake: tokio::sync::Notify,
    /// The pages that are open here.
    pub live: Arc<live::Live>,
    /// Who waits for a take to be made.
    takes: take::Queue,
    /// The levels that were given here.
    levels: levels::Given,
    /// The seed of the day, once it was looked up.
    seed: std::sync::Mutex<Option<draw::Seed>>,
    /// Held by whoever reads the chain.
    reading: tokio::sync::Mutex<reader::Reading>,
}

impl Desk {
    pub fn new(store: Store, chain: Arc<dyn Chain>, rules: Rules, secrets: Secrets) -> Self {
        Self {
            store,
            chain,
            practice: None,
            rules,
            secrets,
            clock: Clock::default(),
            courier: Courier::default(),
            wake: tokio::sync::Notify::new(),
            live: Arc::default(),
            takes: take::Queue::default(),
            levels: levels::Given::default(),
            seed: std::sync::Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// A desk on play money.
    #[must_use]
    pub fn with_practice(mut self, practice: Option<Arc<Practice>>) -> Self {
        self.practice = practice;
        self
    }

    /// A desk that can send mails or webhooks.
    #[must_use]
    pub fn with_courier(mut self, courier: Courier) -> Self {
        self.courier = courier;
        self
    }

    /// The time of this act: PostgreSQL's.
    pub async fn now(&self, client: &impl GenericClient) -> Result<Timestamp, Error> {
        Ok(self.clock.shifted(store::now(client).await?))
    }

    /// Commits a change, and wakes the desk's own work for what follows from it, and whoever looks at it.
    async fn keep(&self, tx: Transaction<'_>) -> Done<()> {
        tx.commit().await?;
        self.wake.notify_one();
        self.live.kick();
        Ok(())
    }
}

/// The desk's clock is the database's; tests move it forward.
#[derive(Debug, Default)]
pub struct Clock {
    ahead_seconds: AtomicI64,
}

impl Clock {
    pub fn shifted(&self, at: Timestamp) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead_seconds.load(Ordering::SeqCst));
        at.checked_add(ahead).unwrap_or(at)
    }

    /// The time up to which the chain is known: the tip's own time, or when the node was last heard, whichever is
    /// earlier: a node that is heard but has no newer block has seen nothing new either.
    pub fn shifted_tip(&self, tip_at: Timestamp, seen_at: Timestamp) -> Timestamp {
        self.shifted(tip_at).min(seen_at)
    }

    /// Moves the desk into the future, for tests.
    pub fn advance(&self, by: SignedDuration) {
        self.ahead_seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}
