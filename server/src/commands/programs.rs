//! PostgreSQL's own programs, and how they are told where the database is: by their environment, so that no password
//! stands in a list of processes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::store;

/// Where a database is, as libpq reads it.
#[derive(Debug, Clone)]
pub struct Place {
    config: Config,
    environment: Vec<(&'static str, OsString)>,
}

impl Place {
    /// From a URL as in the settings.
    pub fn of(url: &str) -> anyhow::Result<Self> {
        let config = store::place(url).context("database.url cannot be read")?;
        Ok(Self { environment: environment(&config)?, config })
    }

    /// The same server, another database.
    pub fn with_database(&self, name: &str) -> anyhow::Result<Self> {
        let mut config = self.config.clone();
        config.dbname(name);
        Ok(Self { environment: environment(&config)?, config })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or("the user's own")
    }
}

fn environment(config: &Config) -> anyhow::Result<Vec<(&'static str, OsString)>> {
    let mut all: Vec<(&'static str, OsString)> = Vec::new();
    let mut hosts = OsString::new();
    for host in config.get_hosts() {
        if !hosts.is_empty() {
            hosts.push(",");
        }
        match host {
            Host::Tcp(name) => hosts.push(name),
            Host::Unix(folder) => hosts.push(folder),
        }
    }
    if !hosts.is_empty() {
        all.push(("PGHOST", hosts));
    }
    let addresses: Vec<String> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
    if !addresses.is_empty() {
        all.push(("PGHOSTADDR", addresses.join(",").into()));
    }
    let ports: Vec<String> = config.get_ports().iter().map(ToString::to_string).collect();
    if !ports.is_empty() {
        all.push(("PGPORT", ports.join(",").into()));
    }
    if let Some(user) = config.get_user() {
        all.push(("PGUSER", user.into()));
    }
    if let Some(password) = config.get_password() {
        let password = std::str::from_utf8(password).context("the database's password is not text")?;
        all.push(("PGPASSWORD", password.into()));
    }
    if let Some(name) = config.get_dbname() {
        all.push(("PGDATABASE", name.into()));
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite {
        all.push(("PGTARGETSESSIONATTRS", "read-write".into()));
    }
    Ok(all)
}

/// Runs one of PostgreSQL's programs on a database; an error is what it said.
pub fn run(name: &str, place: &Place, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let program = find(name)?;
    let mut command = Command::new(&program);
    command.args(arguments).envs(place.environment.iter().map(|(key, value)| (key, value)));
    let done = command.output().with_context(|| format!("{} cannot be run", program.display()))?;
    ensure!(
        done.status.success(),
        "{name} did not succeed:\n{}",
        String::from_utf8_lossy(&done.stderr).trim().lines().take(20).collect::<Vec<_>>().join("\n")
    );
    Ok(done.stdout)
}

/// In `PG_BIN`, or of Debian's newest version, or on the path.
fn find(name: &str) -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("PG_BIN") {
        return there(Path::new(&folder), name);
    }
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| folder.join(name).is_file())
        .collect();
    versions.sort_unstable();
    if let Some((_, folder)) = versions.pop() {
        return there(&folder, name);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(folder) = std::env::split_paths(&path).find(|folder| folder.join(name).is_file()) else {
        bail!(
            "{name} is missing: it belongs to PostgreSQL's client programs. Install them, or name their folder in PG_BIN"
        )
    };
    there(&folder, name)
}

fn there(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let program = folder.join(name);
    ensure!(program.is_file(), "there is no {name} in {}", folder.display());
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_the_environment_and_never_by_arguments() {
        let place =
            Place::of("postgresql://desk:secret@db.example:5433/trine?target_session_attrs=read-write").unwrap();
        let told: Vec<(&str, &str)> =
            place.environment.iter().map(|(key, value)| (*key, value.to_str().unwrap())).collect();
        assert_eq!(
            told,
            [
                ("PGHOST", "db.example"),
                ("PGPORT", "5433"),
                ("PGUSER", "desk"),
                ("PGPASSWORD", "secret"),
                ("PGDATABASE", "trine"),
                ("PGTARGETSESSIONATTRS", "read-write")
            ]
        );
        let other = place.with_database("postgres").unwrap();
        assert_eq!((place.database(), other.database()), ("trine", "postgres"));
        let address = Place::of("hostaddr=10.0.0.5 dbname=trine").unwrap();
        assert_eq!(address.environment[0], ("PGHOSTADDR", "10.0.0.5".into()));
        let socket = Place::of("postgresql:///trine?user=desk&host=/run/postgresql").unwrap();
        assert_eq!(socket.environment[0], ("PGHOST", "/run/postgresql".into()));
    }
}
