//! PostgreSQL stopped at once under writes: what was acknowledged is read back, nothing is there twice, and the desk
//! answers again soon after its database does.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use trine::domain::{PublicRef, Role};

use super::folder::Folder;
use crate::harness::cast::{Person, person, story_with};
use crate::harness::ledger::check_log;
use crate::harness::{Browser, Site, Start};

/// The database is back: within this time the desk answers as before.
const BACK: Duration = Duration::from_secs(5);
/// An account may say twenty things at once, then one every six seconds: at this pace nobody is throttled here.
const BETWEEN_MESSAGES: Duration = Duration::from_millis(250);
const TAKERS: [&str; 4] = ["taker-a", "taker-b", "taker-c", "taker-d"];

/// A PostgreSQL that keeps its promises: everything acknowledged is on the disk.
struct Cluster {
    folder: Folder,
    bin: PathBuf,
    /// PostgreSQL refuses to be root.
    user: Option<(u32, u32)>,
}

impl Cluster {
    fn start() -> Self {
        let folder = Folder::new();
        let user = rustix::process::getuid().is_root().then(postgres_user);
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let cluster = Self { folder, bin: binaries(), user };
        cluster.run("initdb", &["--username=trine", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]);
        cluster.up();
        cluster
    }

    fn up(&self) {
        let options = format!("-k {} -c listen_addresses= -c max_connections=100", self.folder.path().display());
        let log = self.folder.path().join("log");
        self.run("pg_ctl", &["start", "--wait", "--silent", "-l", log.to_str().unwrap(), "-o", &options]);
    }

    fn stop_at_once(&self) {
        self.run("pg_ctl", &["stop", "--mode=immediate", "--silent"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(self.bin.join(program));
        command.arg("-D").arg(self.folder.path().join("data")).args(arguments).current_dir(self.folder.path());
        command.stdout(std::process::Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        assert!(command.status().unwrap().success(), "{program} {arguments:?}");
    }

    fn url(&self) -> String {
        format!("postgresql:///postgres?user=trine&host={}", self.folder.path().display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop_at_once();
    }
}

fn postgres_user() -> (u32, u32) {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("postgres:")).expect("a user named postgres");
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

/// As `script/test` finds them: `PG_BIN`, or the newest of Debian's.
fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("PG_BIN") {
        return folder.into();
    }
    let mut versions: Vec<u32> = std::fs::read_dir("/usr/lib/postgresql")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    Path::new("/usr/lib/postgresql").join(versions.last().unwrap().to_string()).join("bin")
}

/// What was acknowledged to those who write.
#[derive(Default)]
struct Acknowledged {
    messages: Mutex<Vec<String>>,
    trades: Mutex<Vec<(&'static str, String)>>,
    enough: AtomicBool,
}

/// Says one thing after the other until told to stop; what was answered with a redirect counts.
async fn talk(browser: Browser, name: &'static str, trade: PublicRef, seen: Arc<Acknowledged>) {
    let token = browser.token().await;
    for number in 0.. {
        if seen.enough.load(Ordering::SeqCst) {
            return;
        }
        let text = format!("{name} says {number}");
        if post(&browser, &format!("/trades/{trade}/messages"), &[("csrf", &token), ("text", &text)]).await.is_some() {
            seen.messages.lock().unwrap().push(text);
        }
        tokio::time::sleep(BETWEEN_MESSAGES).await;
    }
}

/// Tries to take until it is acknowledged.
async fn take(taker: Person, offer: PublicRef, wait: Duration, seen: Arc<Acknowledged>) {
    let token = taker.browser.token().await;
    let (key, address) = (taker.key.to_string(), taker.address.to_string());
    let fields = [
        ("csrf", token.as_str()),
        ("step", "take"),
        ("amount", "100"),
        ("payment_account", &taker.account),
        ("key", &key),
        ("address", &address),
        ("offer_version", "1"),
        ("price_seen", "50000"),
    ];
    tokio::time::sleep(wait).await;
    while !seen.enough.load(Ordering::SeqCst) {
        if let Some(place) = post(&taker.browser, &format!("/offers/{offer}/take"), &fields).await {
            seen.trades.lock().unwrap().push((taker.name, place));
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where the redirect leads, if there was one: the act is done.
async fn post(browser: &Browser, path: &str, fields: &[(&str, &str)]) -> Option<String> {
    let request = browser.http().post(browser.url(path)).header("sec-fetch-site", "same-origin");
    let answer = request.form(fields).timeout(Duration::from_secs(20)).send().await.ok()?;
    let place = answer.headers().get("location")?.to_str().ok()?.to_owned();
    (answer.status() == 303).then_some(place)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_survives_an_immediate_stop_of_postgresql() {
    let cluster = Cluster::start();
    let story = story_with(Start { postgres: Some(cluster.url()), ..Start::default() }).await;
    let trade = story.take_by(&story.alice, "100").await;
    let seen = Arc::new(Acknowledged::default());
    let mut tasks = Vec::new();
    for (wait, name) in (0..).zip(TAKERS) {
        let taker = person(&story.site, name, Role::Trader).await;
        // One before the stop, the others around it.
        let wait = Duration::from_millis(300 + 300 * wait);
        tasks.push(tokio::spawn(take(taker, story.offer, wait, seen.clone())));
    }
    for (name, browser) in [("alice", &story.alice.browser), ("bob", &story.bob.browser)] {
        for _ in 0..2 {
            tasks.push(tokio::spawn(talk(browser.clone(), name, trade, seen.clone())));
        }
    }
    tokio::time::sleep(Duration::from_millis(1000)).await;
    cluster.stop_at_once();
    let before = seen.messages.lock().unwrap().len();
    assert!(before > 0, "nothing was written before the stop");
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.up();
    let back = Instant::now();
    while seen.messages.lock().unwrap().len() < before + 3 {
        assert!(back.elapsed() < BACK, "the desk does not answer {BACK:?} after its database is back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while seen.trades.lock().unwrap().len() < TAKERS.len() && back.elapsed() < BACK {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen.enough.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    read_back(&story.site, trade, &seen).await;
}

async fn read_back(site: &Site, trade: PublicRef, seen: &Acknowledged) {
    let sql = site.sql().await;
    let said =
        sql.query("SELECT body, count(*) FROM messages WHERE account IS NOT NULL GROUP BY body", &[]).await.unwrap();
    let said: std::collections::HashMap<String, i64> = said.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(!said.is_empty());
    for text in seen.messages.lock().unwrap().iter() {
        assert!(said.contains_key(text), "“{text}” was acknowledged and is not there");
    }
    let trades =
        sql.query("SELECT a.name, t.reference FROM trades t JOIN accounts a ON a.id = t.buyer", &[]).await.unwrap();
    let trades: Vec<(String, String)> = trades.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (name, place) in seen.trades.lock().unwrap().iter() {
        let there = trades.iter().any(|(buyer, reference)| buyer == name && place.ends_with(reference.as_str()));
        assert!(there, "{name}'s take was acknowledged and is not there");
    }
    for name in TAKERS {
        assert!(trades.iter().filter(|(buyer, _)| buyer == name).count() <= 1, "{name} took twice");
    }
    let right: bool = sql.one("SELECT reserved = 100 * (SELECT count(*) FROM trades) FROM offers").await;
    assert!(right, "the offer holds for each take what it took");
    for (_, reference) in &trades {
        check_log(&sql, reference.parse().unwrap()).await;
    }
    check_log(&sql, trade).await;
}
