//! A PostgreSQL of a test's own, that can be stopped, filled, copied and taken over: everything it acknowledges is on
//! the disk.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::folder::Folder;

const INITDB: [&str; 4] = ["--username=trine", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"];

/// The folder holds its data, its log and its socket.
pub struct Cluster {
    folder: Folder,
    bin: PathBuf,
    /// PostgreSQL refuses to be root.
    user: Option<(u32, u32)>,
}

impl Cluster {
    pub fn start() -> Self {
        let cluster = Self::empty();
        cluster.run("initdb", &INITDB);
        cluster.up();
        cluster
    }

    fn empty() -> Self {
        let folder = Folder::new();
        let user = rustix::process::getuid().is_root().then(postgres_user);
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        Self { folder, bin: binaries(), user }
    }

    /// A standby of this one: from then on, what is acknowledged is on both.
    pub fn standby(&self) -> Self {
        let standby = Self::empty();
        let from = format!("host={} user=trine application_name=standby", self.folder.path().display());
        standby.run("pg_basebackup", &["-R", "--checkpoint=fast", "--dbname", &from]);
        standby.up();
        self.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
        self.sql("SELECT pg_reload_conf()");
        let in_step = "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'";
        let until = Instant::now() + Duration::from_secs(30);
        while self.sql(in_step) != "t" {
            assert!(Instant::now() < until, "the standby never followed");
            std::thread::sleep(Duration::from_millis(50));
        }
        standby
    }

    /// The standby takes over; the one before must be gone.
    pub fn promote(&self) {
        self.run("pg_ctl", &["promote", "--wait", "--silent"]);
    }

    pub fn up(&self) {
        let options = format!("-k {} -c listen_addresses= -c max_connections=100", self.folder.path().display());
        let log = self.folder.path().join("log");
        self.run("pg_ctl", &["start", "--wait", "--silent", "-l", log.to_str().unwrap(), "-o", &options]);
    }

    /// As if the machine had lost its power.
    pub fn stop_at_once(&self) {
        self.run("pg_ctl", &["stop", "--mode=immediate", "--silent"]);
    }

    /// An operator's restart: connections are ended, work is finished or undone.
    pub fn restart(&self) {
        self.run("pg_ctl", &["restart", "--mode=fast", "--wait", "--silent"]);
    }

    /// The first column of the first row, as text.
    pub fn sql(&self, statement: &str) -> String {
        let host = self.folder.path().to_str().unwrap();
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-h", host, "-U", "trine", "-d", "postgres", "-qAt", "-c", statement]);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{statement}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(self.bin.join(program));
        command.arg("-D").arg(self.folder.path().join("data")).args(arguments).current_dir(self.folder.path());
        command.stdout(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        assert!(command.status().unwrap().success(), "{program} {arguments:?}");
    }

    pub fn url(&self) -> String {
        url(self.folder.path().to_str().unwrap())
    }

    /// Of whichever of the two may be written to.
    pub fn url_with(&self, standby: &Self) -> String {
        let [one, other] =
            [self, standby].map(|cluster| cluster.folder.path().display().to_string().replace('/', "%2F"));
        format!("postgresql://{one},{other}/postgres?user=trine&target_session_attrs=read-write")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = Command::new(self.bin.join("pg_ctl"));
        stop.arg("-D").arg(self.folder.path().join("data")).args(["stop", "--mode=immediate", "--silent"]);
        if let Some((uid, gid)) = self.user {
            stop.uid(uid).gid(gid);
        }
        // Some tests have stopped it already.
        let _ = stop.stderr(Stdio::null()).status();
    }
}

/// One whose disk is small: a file system of its own that nobody else sees, gone with the process.
pub struct SmallCluster {
    folder: Folder,
    child: Child,
}

impl SmallCluster {
    pub fn start(mebibytes: u32) -> Self {
        let folder = Folder::new();
        let (place, bin) = (folder.path().display().to_string(), binaries());
        let bin = bin.display();
        let is_root = rustix::process::getuid().is_root();
        let (alone, plain) = if is_root {
            chown(folder.path(), Some(postgres_user().0), Some(postgres_user().1)).unwrap();
            ("--mount", "setpriv --reuid=postgres --regid=postgres --init-groups")
        } else {
            ("--mount --user --map-current-user --keep-caps", "")
        };
        let script = format!(
            "set -e; mkdir {place}/data; mount -t tmpfs -o size={mebibytes}m,mode=1777 tmpfs {place}/data; \
             {plain} {bin}/initdb -D {place}/data/pg {} >/dev/null; \
             exec {plain} {bin}/postgres -D {place}/data/pg -k {place} -c listen_addresses= 2>{place}/log",
            INITDB.join(" ")
        );
        let mut command = Command::new("unshare");
        let child = command.args(alone.split(' ')).args(["sh", "-c", &script]).spawn().unwrap();
        let cluster = Self { folder, child };
        let ready = |cluster: &Self| {
            let mut asked = Command::new(binaries().join("pg_isready"));
            asked.args(["-q", "-h", cluster.folder.path().to_str().unwrap()]).status().unwrap().success()
        };
        let until = Instant::now() + Duration::from_secs(30);
        while !ready(&cluster) {
            assert!(Instant::now() < until, "a PostgreSQL on a small disk never answered");
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster
    }

    pub fn url(&self) -> String {
        url(self.folder.path().to_str().unwrap())
    }
}

impl Drop for SmallCluster {
    fn drop(&mut self) {
        // `exec` all the way: the child is PostgreSQL itself, and SIGQUIT ends it at once.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

fn url(hosts: &str) -> String {
    format!("postgresql:///postgres?user=trine&host={hosts}")
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
