//! A wire between the desk and its PostgreSQL on which every write is counted, so that the desk can be killed right
//! before one or right after it: between any two things it writes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_postgres::config::Host;

use super::folder::Folder;

/// When the desk dies: before the database hears of a write, or when it has done it and nobody has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    Before,
    After,
}

pub struct Wire {
    /// Where its socket is.
    _folder: Folder,
    url: String,
    plan: Arc<Plan>,
}

#[derive(Default)]
struct Plan {
    victim: AtomicU32,
    /// How many writes are left until the one that matters; zero when nothing is planned.
    left: AtomicU64,
    death: Mutex<Option<Death>>,
}

impl Wire {
    /// To the database of this URL.
    pub fn to(database_url: &str) -> Self {
        let config: tokio_postgres::Config = database_url.parse().unwrap();
        let [Host::Unix(there)] = config.get_hosts() else { panic!("{database_url} is no socket") };
        let there = there.join(".s.PGSQL.5432");
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let (user, name) = (config.get_user().unwrap(), config.get_dbname().unwrap());
        let url = format!("postgresql:///{name}?user={user}&host={}", folder.path().display());
        let plan = Arc::new(Plan::default());
        tokio::spawn(accept(listener, there, plan.clone()));
        Self { _folder: folder, url, plan }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on writes count; the process dies at the one of this number.
    pub fn kill_at(&self, victim: u32, number: u64, death: Death) {
        self.plan.victim.store(victim, Ordering::SeqCst);
        *self.plan.death.lock().unwrap() = Some(death);
        self.plan.left.store(number, Ordering::SeqCst);
    }

    /// Nothing more is planned; how many writes were left until the one of that number: none if it has been reached.
    pub fn stop(&self) -> u64 {
        self.plan.left.swap(0, Ordering::SeqCst)
    }
}

impl Plan {
    /// Counts a write. How to die, if it was the one.
    fn write(&self) -> Option<Death> {
        let one_less = |left: u64| (left > 0).then(|| left - 1);
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).ok()?;
        if before == 1 { *self.death.lock().unwrap() } else { None }
    }

    fn kill(&self) {
        let pid = i32::try_from(self.victim.load(Ordering::SeqCst)).ok().and_then(Pid::from_raw).unwrap();
        let _ = kill_process(pid, Signal::KILL);
    }
}

async fn accept(listener: UnixListener, there: PathBuf, plan: Arc<Plan>) {
    while let Ok((desk, _)) = listener.accept().await {
        let database = UnixStream::connect(&there).await.unwrap();
        let (from_desk, to_desk) = desk.into_split();
        let (from_database, to_database) = database.into_split();
        let line = Arc::new(Line::default());
        tokio::spawn(to_the_database(from_desk, to_database, plan.clone(), line.clone()));
        tokio::spawn(to_the_desk(from_database, to_desk, plan.clone(), line));
    }
}

/// One connection: how many answers were asked for and have come, and after which one the desk dies.
#[derive(Default)]
struct Line {
    asked: AtomicU64,
    dies_after: AtomicU64,
}

async fn to_the_database(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    plan: Arc<Plan>,
    line: Arc<Line>,
) {
    let (mut statements, mut bound) = (HashMap::<Vec<u8>, bool>::new(), false);
    // The first message has no letter.
    let Some(startup) = read(&mut from, false).await else { return };
    line.asked.fetch_add(1, Ordering::SeqCst);
    let _ = to.write_all(&startup).await;
    while let Some(message) = read(&mut from, true).await {
        let mut texts = message[5..].split(|byte| *byte == 0);
        let is_write = match message[0] {
            b'P' => {
                let (name, sql) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
                statements.insert(name.to_vec(), writes(&String::from_utf8_lossy(sql)));
                false
            }
            b'B' => {
                bound = texts.nth(1).and_then(|name| statements.get(name)).copied().unwrap_or_default();
                false
            }
            b'E' => bound,
            b'Q' => String::from_utf8_lossy(texts.next().unwrap_or_default()).starts_with("COMMIT"),
            _ => false,
        };
        let asks = matches!(message[0], b'S' | b'Q');
        match is_write.then(|| plan.write()).flatten() {
            Some(Death::Before) => return plan.kill(),
            // What it asks is answered by the next answer, or by the one to this very message.
            Some(Death::After) => line.dies_after.store(line.asked.load(Ordering::SeqCst) + 1, Ordering::SeqCst),
            None => {}
        }
        if asks {
            line.asked.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}

async fn to_the_desk(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    plan: Arc<Plan>,
    line: Arc<Line>,
) {
    let mut answered = 0;
    while let Some(message) = read(&mut from, true).await {
        if message[0] == b'Z' {
            answered += 1;
            if answered == line.dies_after.load(Ordering::SeqCst) {
                return plan.kill();
            }
        }
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}

/// One message of the protocol: a letter, its length with itself, its bytes.
async fn read(from: &mut (impl AsyncRead + Unpin), with_letter: bool) -> Option<Vec<u8>> {
    let mut message = vec![0; if with_letter { 5 } else { 4 }];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(*message.last_chunk().unwrap());
    let head = message.len();
    message.resize(head + usize::try_from(length).unwrap() - 4, 0);
    from.read_exact(&mut message[head..]).await.ok()?;
    Some(message)
}

fn writes(sql: &str) -> bool {
    let sql = sql.trim_start();
    let starts = ["INSERT", "UPDATE", "DELETE"].iter().any(|word| sql.starts_with(word));
    let inside = ["INSERT INTO", "DELETE FROM", "nextval"].iter().any(|word| sql.contains(word));
    starts || inside
}
