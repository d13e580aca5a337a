//! A PostgreSQL of one's own: no port, no password, no system service; a folder holds all of it.
//!
//! It survives the supervisor (own process group), is adopted when found running, and started anew after a crash.
//! As root it runs as the user `postgres`, for PostgreSQL refuses to be root.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::{Instant, sleep};

use super::user::Unprivileged;

/// The name of the one database role; it owns everything and exists only behind this socket.
const ROLE: &str = "trine";
/// `sun_path` of a Unix socket holds 108 bytes with the closing zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Recovery after a hard stop replays at most what was written since the last checkpoint.
const START_SECONDS: u64 = 60;
const STOP_SECONDS: u64 = 30;
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub struct PrivatePostgres {
    bin: PathBuf,
    folder: PathBuf,
    user: Option<Unprivileged>,
}

/// How it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Set up for the first time.
    Nothing,
    /// Its data was there and it was not running.
    Stopped,
    /// It ran already, from an earlier start; it goes on.
    Running,
}

/// How a PostgreSQL is told to stop, by the signal it knows it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Ends all sessions, writes everything down.
    Fast,
    /// Drops everything at once; the next start recovers from the log.
    Immediate,
}

impl PrivatePostgres {
    /// A PostgreSQL living in `folder`; nothing is started yet.
    pub fn at(folder: &Path) -> anyhow::Result<Self> {
        let wanted = fs::read_to_string(folder.join("data/PG_VERSION")).ok();
        let user = Unprivileged::if_root()?;
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let folder = folder.canonicalize()?;
        let socket = folder.join(".s.PGSQL.5432");
        ensure!(
            socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX,
            "the state folder's path is too long for a Unix socket ({}). Set TRINE_STATE to a shorter one.",
            socket.display()
        );
        if let Some(user) = &user {
            user.take_over(&folder)?;
        }
        let bin = binaries(wanted.as_deref().map(str::trim), &folder)?;
        Ok(Self { bin, folder, user })
    }

    /// Sets up what is missing, starts what does not run, and returns when it answers.
    pub async fn start(&self) -> anyhow::Result<Found> {
        if self.answers().await {
            return Ok(Found::Running);
        }
        let found = if self.data().join("PG_VERSION").exists() {
            Found::Stopped
        } else {
            self.set_up()?;
            Found::Nothing
        };
        let until = Instant::now() + Duration::from_secs(START_SECONDS);
        let mut child = None;
        while Instant::now() < until {
            if self.answers().await {
                return Ok(if child.is_none() { Found::Running } else { found });
            }
            // Somebody else's postmaster on this folder is starting or stopping: wait for it. Ours that ended (a child
            // of a crashed one may still hold the memory for a moment) is tried again.
            if self.postmaster().is_none() {
                self.forget_stale_pid()?;
                child = Some(self.spawn()?);
            }
            self.wait_while_starting(child.as_mut(), until).await;
        }
        bail!("PostgreSQL did not start within {START_SECONDS} seconds. Its last words:\n{}", self.last_words())
    }

    /// Tells it to stop and waits until it has.
    pub async fn stop(&self, how: Stop) -> anyhow::Result<()> {
        let Some(pid) = self.postmaster() else { return Ok(()) };
        kill_process(pid, if how == Stop::Fast { Signal::INT } else { Signal::QUIT })?;
        let until = Instant::now() + Duration::from_secs(STOP_SECONDS);
        while self.postmaster().is_some() {
            ensure!(Instant::now() < until, "PostgreSQL did not stop within {STOP_SECONDS} seconds");
            sleep(POLL).await;
        }
        Ok(())
    }

    /// The URL of a database in it, over its socket.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql:///{database}?user={ROLE}&host={}", percent_encoded(&self.folder))
    }

    /// Makes a database unless it exists.
    pub async fn create_database(&self, name: &str) -> anyhow::Result<()> {
        let client = connect(&self.url("postgres")).await?;
        if client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await?.is_none() {
            client.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await?;
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    async fn answers(&self) -> bool {
        connect(&self.url("postgres")).await.is_ok()
    }

    /// A set-up that is cut short leaves only a folder that the next one removes.
    fn set_up(&self) -> anyhow::Result<()> {
        let fresh = self.folder.join("data.new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        let out = self
            .command("initdb")
            .arg("-D")
            .arg(&fresh)
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth=trust"])
            .arg(format!("--username={ROLE}"))
            .output()?;
        ensure!(out.status.success(), "initdb failed:\n{}", String::from_utf8_lossy(&out.stderr));
        fs::rename(&fresh, self.data())?;
        Ok(())
    }

    fn spawn(&self) -> anyhow::Result<std::process::Child> {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("postgresql.log"))?;
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder)
            .args(["-c", "listen_addresses=", "-c", "max_connections=100"])
            .process_group(0)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(child)
    }

    /// Until it answers, ends, or time is up.
    async fn wait_while_starting(&self, mut child: Option<&mut std::process::Child>, until: Instant) {
        while Instant::now() < until && !self.answers().await {
            let ended = match child.as_mut() {
                Some(child) => !matches!(child.try_wait(), Ok(None)),
                None => self.postmaster().is_none(),
            };
            sleep(POLL).await;
            if ended {
                return;
            }
        }
    }

    /// The process that holds this folder, if there is one: the pid file alone proves nothing, pids come back.
    fn postmaster(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?)?;
        test_kill_process(pid).ok()?;
        let lives_in = fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).ok()?;
        (lives_in == self.data()).then_some(pid)
    }

    fn forget_stale_pid(&self) -> anyhow::Result<()> {
        for file in ["data/postmaster.pid", ".s.PGSQL.5432.lock", ".s.PGSQL.5432"] {
            match fs::remove_file(self.folder.join(file)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(&self.folder).stdin(Stdio::null()).env_remove("PGDATA");
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.join("postgresql.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(12)).map(|line| format!("  {line}\n")).collect()
    }
}

async fn connect(url: &str) -> anyhow::Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The folder with `initdb` and `postgres`: of the version that made the data, or else the newest.
fn binaries(wanted: Option<&str>, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = candidates().into_iter().filter_map(|bin| Some((major(&bin)?, bin))).collect();
    // A stable sort: among equals the one named first (PG_BIN) stays first.
    found.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    let Some(wanted) = wanted else {
        let named = std::env::var_os("PG_BIN").map(PathBuf::from);
        let chosen = found.iter().find(|(_, bin)| Some(bin) == named.as_ref()).or(found.first());
        return chosen.map(|(_, bin)| bin.clone()).context(
            "PostgreSQL is missing: no folder with initdb and postgres in PG_BIN, pg_config --bindir or /usr/lib/postgresql. \
             script/bootstrap installs it.",
        );
    };
    let have = found.iter().map(|(major, _)| major.to_string()).collect::<Vec<_>>().join(", ");
    let matching = found.into_iter().find(|(major, _)| major.to_string() == wanted).map(|(_, bin)| bin);
    matching.with_context(|| {
        format!(
            "the data in {} was made by PostgreSQL {wanted}, and this machine has {}. Install PostgreSQL {wanted}, or move \
             that folder away to begin anew.",
            folder.display(),
            if have.is_empty() { "none" } else { &have }
        )
    })
}

fn candidates() -> Vec<PathBuf> {
    let mut bins: Vec<PathBuf> = std::env::var_os("PG_BIN").map(PathBuf::from).into_iter().collect();
    if let Ok(out) = Command::new("pg_config").arg("--bindir").output() {
        bins.push(PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()));
    }
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    bins.extend(installed.map(|version| version.path().join("bin")));
    bins.retain(|bin| bin.join("initdb").exists() && bin.join("postgres").exists());
    bins
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` → 15.
fn major(bin: &Path) -> Option<u32> {
    let out = Command::new(bin.join("postgres")).arg("--version").output().ok()?;
    let words = String::from_utf8_lossy(&out.stdout).into_owned();
    let version = words.split_whitespace().nth(2)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn percent_encoded(path: &Path) -> String {
    use std::{fmt::Write, os::unix::ffi::OsStrExt};
    path.as_os_str().as_bytes().iter().fold(String::new(), |mut out, byte| {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(*byte)),
            _ => write!(out, "%{byte:02X}").unwrap_or_default(),
        }
        out
    })
}

#[cfg(test)]
mod tests;
