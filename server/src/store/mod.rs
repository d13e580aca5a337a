//! What is kept, in PostgreSQL. SQL stands as a named `const` above the one function that runs it.
//!
//! The store never decides what *may* happen; it makes it so, and its constraints refuse what never should.

pub mod accounts;
pub mod acts;
pub mod arbitrators;
pub mod attachments;
mod batch;
pub mod board;
pub mod books;
mod bundle;
pub mod calendars;
pub mod channels;
pub mod children;
pub mod conduct;
pub mod conflicts;
pub mod contracts;
pub mod deadlines;
pub mod deliveries;
pub mod deposit_transactions;
pub mod deposits;
pub mod desk_state;
pub mod disputes;
pub mod draws;
pub mod estimates;
pub mod handovers;
pub mod hours;
pub mod keys;
pub mod live;
pub mod messages;
pub mod migrate;
pub mod notices;
pub mod offers;
pub mod outages;
pub mod outbox;
pub mod overview;
pub mod payment_accounts;
pub mod payouts;
pub mod public_log;
pub mod rates;
pub mod reader;
pub mod reputation;
pub mod restores;
pub mod sessions;
pub mod settlements;
pub mod sight;
pub mod takes;
pub mod throttles;
pub mod tour;
pub mod trade_log;
pub mod trades;
pub mod watched;

use std::time::Duration;

pub use self::batch::Batch;
pub use deadpool_postgres::GenericClient;
use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, Timeouts};
use jiff::Timestamp;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

/// Everything that goes wrong between the program and its database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no connection to the database in time")]
    Busy(#[source] PoolError),
    /// Its own words only: the details of a database error hold what people typed.
    #[error("the database: {}", told(.0))]
    Sql(tokio_postgres::Error),
    #[error("a row holds what the program does not understand: {0}")]
    Row(String),
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} {} {}", db.code().code(), db.message(), db.constraint().unwrap_or_default()),
        None => error.to_string(),
    }
}

/// Why the database cannot be used at the moment, though nothing is wrong with what was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// Others held for too long what this wanted; once more it may work.
    Busy,
    /// It could not be reached, so nothing was done.
    Away,
    /// It went away while it worked: what was asked may be done or not.
    Lost,
    /// It can be read only: a standby, or one that somebody has locked.
    ReadOnly,
    /// Its disk or its memory is full.
    Full,
}

impl StoreError {
    /// Whether the database is in trouble, and which. Everything else is a mistake of the program.
    pub fn unavailable(&self) -> Option<Unavailable> {
        match self {
            Self::Busy(PoolError::Backend(_)) => Some(Unavailable::Away),
            Self::Busy(_) => Some(Unavailable::Busy),
            Self::Sql(error) => match error.code() {
                Some(code) => Unavailable::of(code),
                // No answer of the database at all: the connection broke.
                None => (error.is_closed() || is_io(error)).then_some(Unavailable::Lost),
            },
            Self::Row(_) => None,
        }
    }

    /// The name of the constraint that refused, where one did.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Sql(error) => error.as_db_error().and_then(|e| e.constraint()),
            _ => None,
        }
    }
}

impl Unavailable {
    fn of(code: &SqlState) -> Option<Self> {
        const WAITED: [SqlState; 4] = [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::QUERY_CANCELED,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
        ];
        const ENDED: [SqlState; 3] =
            [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT];
        const CLOSED: [SqlState; 2] = [SqlState::CANNOT_CONNECT_NOW, SqlState::TOO_MANY_CONNECTIONS];
        match code {
            code if WAITED.contains(code) => Some(Self::Busy),
            code if ENDED.contains(code) => Some(Self::Lost),
            code if CLOSED.contains(code) => Some(Self::Away),
            &SqlState::READ_ONLY_SQL_TRANSACTION => Some(Self::ReadOnly),
            // 08xxx: a pooler in between has lost the database.
            code if code.code().starts_with("08") => Some(Self::Lost),
            // 53xxx: out of disk, of memory, of any other thing it needs.
            code if code.code().starts_with("53") => Some(Self::Full),
            _ => None,
        }
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
}

pub type Stored<T> = Result<T, StoreError>;

/// How many connections one server opens at most.
const CONNECTIONS_MAX: usize = 24;
/// And for batches of takes, of which only a few are under way at a time.
const BATCH_CONNECTIONS_MAX: usize = 8;
/// How long a request waits for a connection before it is told that the desk is busy.
const ACQUIRE_SECONDS: u64 = 5;

/// The connection pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    batches: Pool,
    config: tokio_postgres::Config,
}

pub type Connection = deadpool_postgres::Object;
/// A connection for one purpose, outside the pool. It ends with its owner.
pub type Apart = deadpool_postgres::ClientWrapper;
pub type Transaction<'a> = deadpool_postgres::Transaction<'a>;

impl Store {
    /// Opens a pool on a libpq URL; connects on first use.
    pub fn open(database_url: &str) -> anyhow::Result<Self> {
        Self::open_with(place(database_url)?)
    }

    /// The same from its parts.
    pub fn open_with(mut config: tokio_postgres::Config) -> anyhow::Result<Self> {
        config.application_name("trine").connect_timeout(Duration::from_secs(ACQUIRE_SECONDS)).options(OPTIONS);
        let pool = pool(&config, CONNECTIONS_MAX)?;
        let batches = pool_of_batches(&config)?;
        Ok(Self { pool, batches, config })
    }

    /// The same for work that looks through everything there is: no statement is given up.
    pub fn patient(mut self) -> anyhow::Result<Self> {
        self.config.options("-c timezone=UTC -c jit=off");
        self.pool = pool(&self.config, CONNECTIONS_MAX)?;
        Ok(self)
    }

    /// The same with so many connections at most.
    pub fn narrowed(mut self, connections: usize) -> anyhow::Result<Self> {
        self.pool = pool(&self.config, connections)?;
        Ok(self)
    }

    pub async fn connection(&self) -> Stored<Connection> {
        self.pool.get().await.map_err(StoreError::Busy)
    }

    /// A transaction for statements over arrays, of any length: the plan that is made once is the right one, and making
    /// another each time takes longer than following it. It goes by the indexes, one key after the other, however small
    /// a table was when it was made.
    pub async fn batch(&self) -> Stored<Batch> {
        Ok(Batch(Some(self.batches.get().await.map_err(StoreError::Busy)?)))
    }

    /// One that is never given back.
    pub async fn connection_apart(&self) -> Stored<Apart> {
        Ok(deadpool_postgres::Object::take(self.connection().await?))
    }
}

/// Where Debian's PostgreSQL has its socket, and where others do.
const SOCKETS: [&str; 3] = ["/run/postgresql", "/var/run/postgresql", "/tmp"];

/// Where a libpq URL leads; without a host to the PostgreSQL of this machine, as libpq itself would have it.
pub fn place(database_url: &str) -> Result<tokio_postgres::Config, tokio_postgres::Error> {
    let mut config: tokio_postgres::Config = database_url.parse()?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        let there = SOCKETS.into_iter().find(|folder| std::path::Path::new(folder).is_dir());
        config.host_path(there.unwrap_or("/run/postgresql"));
    }
    Ok(config)
}

/// A machine that vanishes without a word is noticed within two minutes, and what it had locked is free again.
const OPTIONS: &str = "-c timezone=UTC -c jit=off -c statement_timeout=20s -c lock_timeout=8s -c idle_in_transaction_session_timeout=30s \
     -c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=6";

fn pool_of_batches(config: &tokio_postgres::Config) -> anyhow::Result<Pool> {
    let plans = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off";
    let mut config = config.clone();
    config.options(format!("{OPTIONS} {plans}"));
    pool(&config, BATCH_CONNECTIONS_MAX)
}

fn pool(config: &tokio_postgres::Config, connections_max: usize) -> anyhow::Result<Pool> {
    let manager =
        Manager::from_config(config.clone(), NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let wait = Some(Duration::from_secs(ACQUIRE_SECONDS));
    let timeouts = Timeouts { wait, create: wait, recycle: wait };
    Ok(Pool::builder(manager).max_size(connections_max).runtime(Runtime::Tokio1).timeouts(timeouts).build()?)
}

const NOW: &str = "SELECT now()";

/// The database's time; inside a transaction the time it began.
pub async fn now(client: &impl GenericClient) -> Stored<Timestamp> {
    Ok(client.query_one(&client.prepare_cached(NOW).await?, &[]).await?.try_get(0)?)
}

/// Satoshis as PostgreSQL keeps them. No amount of bitcoin comes near the limit of an i64.
pub fn sats(amount: bitcoin::Amount) -> i64 {
    i64::try_from(amount.to_sat()).unwrap_or(i64::MAX)
}

/// An amount from a `bigint` of satoshis; a negative one is a broken row.
pub fn amount(sats: i64) -> Stored<bitcoin::Amount> {
    u64::try_from(sats).map(bitcoin::Amount::from_sat).map_err(|_| StoreError::Row(format!("{sats} satoshis")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_host_leads_to_a_socket_of_this_machine() {
        use tokio_postgres::config::Host;
        let of = |url: &str| place(url).unwrap().get_hosts().to_vec();
        assert!(matches!(&of("postgresql:///trine")[..], [Host::Unix(folder)] if folder.is_absolute()));
        assert_eq!(of("postgresql://db.example/trine"), [Host::Tcp("db.example".into())]);
        assert!(of("hostaddr=127.0.0.1 dbname=trine").is_empty());
    }

    #[test]
    fn a_pooler_that_lost_the_database_says_nothing_of_what_was_done() {
        assert_eq!(Unavailable::of(&SqlState::from_code("08P01")), Some(Unavailable::Lost));
        assert_eq!(Unavailable::of(&SqlState::UNIQUE_VIOLATION), None);
    }
}
