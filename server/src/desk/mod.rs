//! One function per thing a person or a clock can make happen.
//!
//! Every change has one shape: load for update, decide, save, log, announce, commit. What must leave the building is
//! an outbox row of the same transaction.

pub mod accounts;
pub mod admin;
pub mod board;
pub mod codes;
pub mod error;
pub mod offers;
pub mod passwords;
pub mod payment_accounts;
pub mod people;
pub mod quotes;
pub mod rules;
pub mod secrets;
pub mod throttle;
pub mod visits;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

pub use error::{Done, Error, Failure};
pub use rules::{Registration, Rules};
pub use secrets::Secrets;

use crate::chain::Chain;
use crate::store::{self, GenericClient, Store};

/// The desk: what every use case needs.
#[derive(Debug)]
pub struct Desk {
    pub store: Store,
    pub chain: Arc<dyn Chain>,
    pub rules: Rules,
    pub secrets: Secrets,
    pub clock: Clock,
}

impl Desk {
    /// The time of this act: PostgreSQL's.
    pub async fn now(&self, client: &impl GenericClient) -> Result<Timestamp, Error> {
        Ok(self.clock.shifted(store::now(client).await?))
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

    /// Moves the desk into the future, for tests.
    pub fn advance(&self, by: SignedDuration) {
        self.ahead_seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}
