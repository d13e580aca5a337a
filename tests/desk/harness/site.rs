//! A whole desk for one test: its own database, its own practice chain, a loopback port, a clock that can be moved.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::{Server, ServerHandle};
use bitcoin::{Address, Amount, Txid};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Client;
use trine::chain::Chain;
use trine::chain::practice::Practice;
use trine::courier::Courier;
use trine::desk::{Desk, Rules, Secrets, admin};
use trine::store::Store;
use trine::web::{self, site::Outside};

use super::Weather;
use super::client::Browser;
use super::postgres::{TestDatabase, fresh_database, fresh_database_on};

/// The secrets of every test's desk; production refuses any that are one byte over and over.
pub const SESSION_KEY: [u8; 32] = *b"ties form tokens to the sessions";
pub const DATA_KEY: [u8; 32] = *b"seals what is private, at rest..";

/// How a test's desk differs from the usual one.
#[derive(Default)]
pub struct Start {
    pub rules: Rules,
    /// Count attempts per address; everybody in a test has the same one.
    pub throttle_addresses: bool,
    /// Whoever comes from this machine is a proxy that says for whom it comes.
    pub behind_proxy: bool,
    /// Another chain than the practice chain: a real node.
    pub chain: Option<Arc<dyn Chain>>,
    /// What stands between the desk and the practice chain.
    pub weather: Option<Arc<Weather>>,
    /// Where everything goes that the server says while it answers requests.
    pub log: Option<Log>,
    /// Where the practice chain is kept; else in memory.
    pub chain_file: Option<PathBuf>,
    /// Who takes mails and webhooks out of the building; else nobody.
    pub courier: Courier,
    /// So many connections to the database at most; else as many as a desk has.
    pub connections: Option<usize>,
    /// A PostgreSQL of the test's own; else the one of the run.
    pub postgres: Option<String>,
}

/// What a server said.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    /// From now on all that this thread says goes here, down to the finest.
    fn follow_this_thread(&self) {
        let log = self.clone();
        let everything = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        std::mem::forget(tracing::subscriber::set_default(everything));
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A desk that answers at `origin` until it is dropped.
pub struct Site {
    pub origin: String,
    pub desk: Arc<Desk>,
    pub chain: Arc<Practice>,
    pub site: Arc<web::Site>,
    database: TestDatabase,
    server: ServerHandle,
}

impl Site {
    /// The usual desk: regtest, open registration, nobody there yet.
    pub async fn start() -> Self {
        Self::start_with(Start::default()).await
    }

    pub async fn start_with(start: Start) -> Self {
        // What breaks is told beside the test that broke it.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::ERROR)
            .with_ansi(false)
            .with_test_writer()
            .try_init();
        let database = match &start.postgres {
            None => fresh_database().await,
            Some(admin_url) => fresh_database_on(admin_url).await,
        };
        let chain = Arc::new(match &start.chain_file {
            None => Practice::in_memory(),
            Some(file) => Practice::open(file).unwrap(),
        });
        chain.prepare(Timestamp::now()).unwrap();
        let mut behind = start.chain.unwrap_or_else(|| chain.clone() as Arc<dyn Chain>);
        if let Some(weather) = start.weather {
            weather.over(behind);
            behind = weather;
        }
        let practice = start.rules.practice.then(|| chain.clone());
        let mut store = Store::open(&database.url()).unwrap();
        if let Some(connections) = start.connections {
            store = store.narrowed(connections).unwrap();
        }
        let desk =
            Desk::new(store, behind, start.rules, Secrets::new(SESSION_KEY, DATA_KEY, 1)).with_practice(practice);
        let desk = desk.with_courier(start.courier);
        let desk = Arc::new(desk);
        admin::settle(&desk).await.unwrap();
        let (listener, origin) = listener();
        let outside = Outside {
            origins: vec![origin.clone()],
            trusted_proxies: start.behind_proxy.then_some(Ipv4Addr::LOCALHOST.into()).into_iter().collect(),
            throttle_addresses: start.throttle_addresses,
            onion: false,
        };
        let site = Arc::new(web::Site::new(desk.clone(), outside).unwrap());
        let shared = site.clone();
        let log = start.log;
        let server = HttpServer::new(move || {
            if let Some(log) = &log {
                log.follow_this_thread();
            }
            web::app(shared.clone())
        })
        .workers(2)
        // A test that is slow for a while must not meet a connection that the server is about to close.
        .keep_alive(Duration::from_secs(600))
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)
        .unwrap()
        .run();
        Self { origin, desk, chain, site, database, server: runs_beside(server) }
    }

    /// Another server of the same desk: its own pool, its own memory, the same database and chain. Its origin, and what
    /// ends it.
    pub fn second(&self, rules: Rules) -> Second {
        let store = Store::open(&self.database.url()).unwrap();
        let desk = Desk::new(store, self.chain.clone(), rules, Secrets::new(SESSION_KEY, DATA_KEY, 1));
        let desk = Arc::new(desk);
        let (listener, origin) = listener();
        let outside = Outside {
            origins: vec![origin.clone()],
            trusted_proxies: Vec::new(),
            throttle_addresses: false,
            onion: false,
        };
        let site = Arc::new(web::Site::new(desk.clone(), outside).unwrap());
        let server = HttpServer::new(move || web::app(site.clone()))
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1)
            .listen(listener)
            .unwrap()
            .run();
        Second { origin, desk, server: runs_beside(server) }
    }

    /// A browser nobody has used yet.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.origin)
    }

    /// A browser signed in to a new account. Its password is [`PASSWORD`](super::PASSWORD).
    pub async fn register(&self, name: &str) -> Browser {
        self.browser().register(name).await
    }

    /// A connection of the test's own, beside the desk's pool.
    pub async fn sql(&self) -> Sql {
        Sql(self.database.client().await)
    }

    pub fn database_url(&self) -> String {
        self.database.url()
    }

    /// Moves the desk's clock forward.
    pub fn advance(&self, by: SignedDuration) {
        self.desk.clock.advance(by);
    }

    /// Pays from the practice chain's faucet; the payment waits for the next block.
    pub fn pay(&self, address: &Address, amount: Amount) -> Txid {
        self.chain.pay(&address.script_pubkey(), amount).unwrap()
    }

    /// Makes blocks.
    pub fn mine(&self, blocks: u32) {
        self.chain.mine(blocks, Timestamp::now()).unwrap();
    }
}

/// A further server of a desk, until it is dropped.
pub struct Second {
    pub origin: String,
    pub desk: Arc<Desk>,
    server: ServerHandle,
}

impl Drop for Second {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Nobody waits for it: the database goes with force, and the process ends with the run.
        drop(self.server.stop(false));
    }
}

/// A plain connection with a few shorthands.
pub struct Sql(Client);

impl Sql {
    /// The first column of the one row.
    pub async fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(&self, sql: &str) -> T {
        self.0.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// The number of rows of a table.
    pub async fn count(&self, table: &str) -> i64 {
        self.one(&format!("SELECT count(*) FROM {table}")).await
    }
}

impl Deref for Sql {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.0
    }
}

impl DerefMut for Sql {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.0
    }
}

/// A free place of this machine, and its origin.
pub fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

/// The server lives in a thread of its own: a test's runtime is not an actix system.
pub fn runs_beside(server: Server) -> ServerHandle {
    let handle = server.handle();
    std::thread::spawn(move || actix_web::rt::System::new().block_on(server));
    handle
}
