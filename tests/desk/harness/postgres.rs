//! A database of its own for each test, copied from a migrated template in a tenth of a second.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    path::Path,
};

use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Lets one test at a time look at the template ("tests").
const TEMPLATE_LOCK: i64 = 0x0074_6573_7473;

/// Dropped with the value, as far as that goes: the whole server ends with the run.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    admin_url: String,
}

/// An empty, migrated database that nobody else has.
pub async fn fresh_database() -> TestDatabase {
    let admin_url = std::env::var("TRINE_TEST_PG")
        .expect("TRINE_TEST_PG is not set: these tests need a PostgreSQL; script/test starts one and runs them");
    fresh_database_on(&admin_url).await
}

/// The same on another server.
pub async fn fresh_database_on(admin_url: &str) -> TestDatabase {
    let admin = connect(admin_url).await;
    let template = format!("template_{:016x}", migrations_hash());
    ensure_template(&admin, admin_url, &template).await;
    let name = format!("test_{}", Uuid::new_v4().simple());
    admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
    TestDatabase { name, admin_url: admin_url.to_owned() }
}

impl TestDatabase {
    pub fn url(&self) -> String {
        with_database(&self.admin_url, &self.name)
    }

    /// A connection of the test's own, beside the desk's pool.
    pub async fn client(&self) -> Client {
        connect(&self.url()).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (url, name) = (self.admin_url.clone(), self.name.clone());
        // The test's runtime is ending; the farewell needs one of its own, and may fail.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let admin = connect(&url).await;
                let _ = admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            });
        })
        .join();
    }
}

/// Made once per run and per state of the migrations. A template that is half made is not marked as one.
async fn ensure_template(admin: &Client, admin_url: &str, template: &str) {
    admin.execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
    let ready =
        admin.query_opt("SELECT datistemplate FROM pg_database WHERE datname = $1", &[&template]).await.unwrap();
    if !ready.is_some_and(|row| row.get(0)) {
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {template} WITH (FORCE)")).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {template}")).await.unwrap();
        let (mut client, connection) =
            tokio_postgres::connect(&with_database(admin_url, template), NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        trine::store::migrate::run(&mut client).await.unwrap();
        // A database with a connection cannot be copied.
        drop(client);
        connection.await.unwrap().unwrap();
        admin.batch_execute(&format!("ALTER DATABASE {template} IS_TEMPLATE true")).await.unwrap();
    }
    admin.execute("SELECT pg_advisory_unlock($1)", &[&TEMPLATE_LOCK]).await.unwrap();
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// `postgresql://user@host/postgres?x=y` with another database's name.
fn with_database(url: &str, name: &str) -> String {
    let (before, options) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = before.rsplit_once('/').unwrap();
    format!("{server}/{name}?{options}")
}

fn migrations_hash() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}

#[tokio::test]
async fn each_test_has_a_migrated_database_of_its_own() {
    let (one, other) = (fresh_database().await, fresh_database().await);
    let insert = "INSERT INTO rates (currency, price, set_at) VALUES ('EUR', 1, now())";
    one.client().await.batch_execute(insert).await.unwrap();
    let count = other.client().await.query_one("SELECT count(*) FROM rates", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 0);
}
