//! A story that goes on in a process of its own: the real `trine serve`, on the story's database and a copy of its
//! chain, so that it can be killed.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bitcoin::Amount;
use trine::chain::practice::Practice;
use trine::desk::{Rules, crash};
use trine::domain::PublicRef;

use super::answers::Answers;
use super::folder::Folder;
use crate::harness::Start;
use crate::harness::cast::{Person, Story, story_with};
use crate::harness::site::{DATA_KEY, SESSION_KEY};

const TRINE: &str = env!("CARGO_BIN_EXE_trine");
/// A start, or a round of the desk's own work, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
const SIGKILL: i32 = 9;

/// The people and their wallets are the test's; the desk is another process, when it runs.
pub struct Served {
    pub story: Story,
    folder: Folder,
    child: Option<Child>,
    /// The same after each start.
    listen: String,
    /// What else the desk is told by its environment.
    pub environment: Vec<(String, String)>,
    /// Where the desk finds its database.
    pub database_url: String,
    /// What was acknowledged to whom tried again and again.
    pub answers: Answers,
}

impl Served {
    /// A story as far as `prepare` takes it, on a chain that is kept in a file.
    pub async fn prepared<T>(prepare: impl AsyncFnOnce(&Story) -> T) -> (Self, T) {
        let folder = Folder::new();
        let first = folder.path().join("prepared.chain");
        // Nothing waits for an objection: the clock of another process cannot be moved.
        let rules = Rules { objection_free_below: Amount::MAX_MONEY, new_account_trades_max: 20, ..Rules::default() };
        let story = story_with(Start { chain_file: Some(first.clone()), rules, ..Start::default() }).await;
        let prepared = prepare(&story).await;
        trine::desk::reader::step_down(&story.site.desk).await;
        // The desk that prepared it keeps its own file, and does nothing any more.
        std::fs::copy(first, folder.path().join("served.chain")).unwrap();
        let listen = format!("127.0.0.1:{}", own_port());
        let database_url = story.site.database_url();
        let (environment, answers) = (Vec::new(), Answers::default());
        let mut served = Self { story, folder, child: None, listen, environment, database_url, answers };
        let origin = format!("http://{}", served.listen);
        let Story { alice, bob, carol, .. } = &mut served.story;
        for browser in [&mut alice.browser, &mut bob.browser, &mut carol.browser] {
            browser.origin.clone_from(&origin);
        }
        (served, prepared)
    }

    /// Starts the desk, to die at a point if one is named.
    pub async fn start(&mut self, crash_at: Option<&str>) {
        assert!(self.child.is_none(), "it runs already");
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = self.command();
        command
            .args(["serve", "--until-stdin-closes"])
            .envs(crash_at.map(|point| (crash::VARIABLE, point)))
            .stdin(Stdio::piped())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        while !self.is_ready().await {
            let gone = self.child.as_mut().unwrap().try_wait().unwrap().is_some();
            assert!(!gone && Instant::now() < until, "the desk never answered:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The program with this desk's settings, to be told what to do.
    pub fn command(&self) -> Command {
        let mut command = Command::new(TRINE);
        command
            .env("DATABASE_URL", &self.database_url)
            .env("TRINE_LISTEN", &self.listen)
            .env("TRINE_ORIGINS", format!("http://{}", self.listen))
            .env("TRINE_CHAIN", "practice")
            .env("TRINE_NETWORK", "regtest")
            .env("TRINE_PRACTICE_CHAIN", self.folder.path().join("served.chain"))
            // The same secrets as the desk that prepared the story, so that its sessions and forms go on.
            .env("TRINE_SESSION_KEY", hex(&SESSION_KEY))
            .env("TRINE_DATA_KEY", hex(&DATA_KEY))
            .env("TRINE_WORKERS", "2")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env_remove(crash::VARIABLE);
        command
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Nothing runs: it was never started, or has died.
    pub fn is_dead(&mut self) -> bool {
        let is_dead = self.child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
        if is_dead {
            self.child = None;
        }
        is_dead
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    async fn is_ready(&self) -> bool {
        let browser = &self.story.alice.browser;
        browser.http().get(browser.url("/readyz")).send().await.is_ok_and(|answer| answer.status() == 200)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// It has died, or will now, at its named point: by SIGKILL.
    pub async fn has_died(&mut self) {
        let mut child = self.child.take().unwrap();
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "the point was never reached:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(status.signal(), Some(SIGKILL), "it died of something else:\n{}", self.log());
    }

    /// `kill -9` from outside, whatever it is doing.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ctrl-C of whoever started it: its standard input closes. How long it took to stop in order.
    pub fn stop(&mut self) -> Duration {
        self.stopped(|child| drop(child.stdin.take()))
    }

    /// The same by SIGTERM.
    pub fn terminate(&mut self) -> Duration {
        self.stopped(|child| {
            let pid = rustix::process::Pid::from_child(child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        })
    }

    fn stopped(&mut self, tell: impl FnOnce(&mut Child)) -> Duration {
        let mut child = self.child.take().unwrap();
        let start = Instant::now();
        tell(&mut child);
        while child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "it does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        start.elapsed()
    }

    /// Stops it; the chain as it left it.
    pub fn chain(&mut self) -> Practice {
        self.kill();
        Practice::open(&self.folder.path().join("served.chain")).unwrap()
    }

    /// Sends a form as a browser does. The status, or nothing if the desk died over it.
    pub async fn post(&self, who: &Person, path: &str, fields: &[(&str, &str)]) -> Option<u16> {
        let token = who.browser.token().await;
        let mut all = vec![("csrf", token.as_str())];
        all.extend_from_slice(fields);
        let request = who.browser.http().post(who.browser.url(path)).header("sec-fetch-site", "same-origin");
        request.form(&all).send().await.ok().map(|answer| answer.status().as_u16())
    }

    /// Signs a signing page and sends it with its ticks.
    pub async fn sign(&self, who: &Person, trade: PublicRef, path: &str, ticks: &[&str]) -> Option<u16> {
        let signatures = who.signatures(path).await;
        let version = self.story.version(trade, who).await;
        let mut fields = vec![("version", version.as_str()), ("signatures", signatures.as_str())];
        fields.extend(ticks.iter().map(|tick| (*tick, "yes")));
        self.post(who, path, &fields).await
    }

    pub async fn mine(&self, blocks: &str) -> Option<u16> {
        self.post(&self.story.bob, "/practice/blocks", &[("blocks", blocks)]).await
    }

    /// Waits for the desk's own work.
    pub async fn until(&self, what: &str, sql: &str) {
        let client = self.story.site.sql().await;
        let until = Instant::now() + PATIENCE;
        while !client.one::<bool>(sql).await {
            assert!(Instant::now() < until, "{what}: never\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn until_stage(&self, stage: &str) {
        self.until(stage, &format!("SELECT bool_and(stage = '{stage}') FROM trades")).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that is still free after a death: below those that are given to whoever asks for any.
fn own_port() -> u16 {
    let tries = std::iter::repeat_with(|| {
        let [high, low, ..] = *uuid::Uuid::new_v4().as_bytes();
        20_000 + u16::from_be_bytes([high, low]) % 12_000
    });
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    tries.take(100).find(is_free).expect("a free port")
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
