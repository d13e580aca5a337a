//! The desk's server as a child: started with its settings, asked whether it is ready, told to stop. The practice partners
//! are another child beside it.
//!
//! It has a process group of its own, so that Ctrl-C reaches the supervisor alone and things end in order. Its standard
//! input is a pipe that the supervisor holds: when the supervisor is killed, the pipe closes and the server stops too.

use std::{
    fs::{self, File, TryLockError},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, ChildStdin, Command},
    time::{Instant, sleep, timeout},
};

/// Migrations and reading the chain file come before the first answer.
const READY_SECONDS: u64 = 120;
/// Requests in flight are answered first.
const STOP_SECONDS: u64 = 20;
/// A server whose supervisor was killed needs a moment to notice.
const PORT_SECONDS: u64 = 10;
/// The same until it has ended, as it would be told to.
const ENDED_SECONDS: u64 = STOP_SECONDS + PORT_SECONDS;
const POLL: Duration = Duration::from_millis(50);

/// How the desk's own program is started: which one, with which settings, to be reached where.
#[derive(Debug, Clone)]
pub struct Program {
    pub exe: PathBuf,
    pub settings: PathBuf,
    pub database_url: String,
    pub listen: SocketAddr,
    pub log: PathBuf,
}

impl Program {
    /// Where browsers find it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Runs one of its other subcommands to the end, like `rate set`.
    pub async fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        let out = self.command().args(words).stdin(Stdio::null()).output().await?;
        let told = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "trine {} failed: {}", words.join(" "), told.trim());
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// The same program as the practice partners of this desk. They get its address and their own folder; neither its
    /// settings nor its database.
    pub fn partners(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.exe);
        command.args(["partners", "--until-stdin-closes", "--desk", &self.origin(), "--folder"]).arg(folder);
        for secret in ["DATABASE_URL", "TRINE_SETTINGS", "TRINE_SESSION_KEY", "TRINE_DATA_KEY"] {
            command.env_remove(secret);
        }
        command
    }

    /// The desk itself.
    pub fn serve(&self) -> Command {
        let mut command = self.command();
        command.args(["serve", "--until-stdin-closes"]);
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.exe);
        command
            .arg("--settings")
            .arg(&self.settings)
            .env("DATABASE_URL", &self.database_url)
            .env("TRINE_LISTEN", self.listen.to_string())
            .env("TRINE_ORIGINS", self.origin());
        command
    }
}

/// A child of the supervisor.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    child: Child,
    /// Held open for as long as this lives; waiting for the child would close it.
    _leash: Option<ChildStdin>,
    log: PathBuf,
}

impl Server {
    /// The desk.
    pub async fn start(program: &Program) -> anyhow::Result<Self> {
        wait_for_port(program.listen).await?;
        Self::spawn("the server", program.serve(), &program.log).await
    }

    /// A child that writes to a log of its own and ends when this is gone. It begins when the one before has ended.
    pub async fn spawn(name: &'static str, mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = own_log(name, log).await?;
        let mut child =
            command.stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file).process_group(0).spawn()?;
        Ok(Self { name, _leash: child.stdin.take(), child, log: log.to_owned() })
    }

    /// Fails with its last words when it has ended.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                bail!("{} ended before it was ready ({status}):\n{}", self.name, last_words(&self.log))
            }
        }
    }

    /// Returns when `/readyz` says so; fails with the server's last words when it ends before that.
    pub async fn wait_until_ready(&mut self, origin: &str) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        let until = Instant::now() + Duration::from_secs(READY_SECONDS);
        while Instant::now() < until {
            self.still_runs()?;
            let answer = client.get(format!("{origin}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            sleep(POLL).await;
        }
        bail!("the server is not ready after {READY_SECONDS} seconds:\n{}", last_words(&self.log))
    }

    /// Returns when it ends by itself, which it should not.
    pub async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => anyhow::anyhow!("{} ended by itself ({status}):\n{}", self.name, last_words(&self.log)),
            Err(e) => e.into(),
        }
    }

    /// Tells it to stop, and kills it when it does not.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)) else { return Ok(()) };
        kill_process(pid, Signal::TERM)?;
        if timeout(Duration::from_secs(STOP_SECONDS), self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// The child's log, empty. Locked: the lock is the file's as the child has it open, so it is there until the child has ended,
/// supervisor or not. A child frees its port first and what it has of the chain last.
async fn own_log(name: &str, log: &Path) -> anyhow::Result<File> {
    let in_words = || log.display().to_string();
    let file = File::options().create(true).truncate(false).write(true).open(log).with_context(in_words)?;
    let until = Instant::now() + Duration::from_secs(ENDED_SECONDS);
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(POLL).await,
            Err(TryLockError::WouldBlock) => {
                bail!("{name} of the run before has not ended; its log is {}", log.display())
            }
            Err(TryLockError::Error(why)) => return Err(why).with_context(in_words),
        }
    }
    file.set_len(0).with_context(in_words)?;
    Ok(file)
}

async fn wait_for_port(listen: SocketAddr) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_secs(PORT_SECONDS);
    while let Err(error) = TcpListener::bind(listen) {
        ensure!(
            Instant::now() < until,
            "the address {listen} cannot be used ({error}). Another program may have it; choose one with --listen 127.0.0.1:8081."
        );
        sleep(POLL).await;
    }
    Ok(())
}

fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(15)).map(|line| format!("  {line}\n")).collect()
}
