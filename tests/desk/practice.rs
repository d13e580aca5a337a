//! `trine practice` and `trine serve` as people start them.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::chains::doors::{named, of_chain, plays};
use crate::harness::postgres::{TestDatabase, fresh_database};

const TRINE: &str = env!("CARGO_BIN_EXE_trine");
/// A first start makes a database, ninety blocks and some accounts; the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder of one's own that everyone may pass through, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("trine-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A practice desk that runs; what it prints is read up to the word that it is open.
struct Practice {
    child: Child,
    said: Vec<String>,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Practice {
    fn start(state: &Path, port: u16) -> Self {
        Self::start_as(Command::new(TRINE), state, port)
    }

    fn start_as(mut program: Command, state: &Path, port: u16) -> Self {
        let mut child = program
            .args(["practice", "--listen", &format!("127.0.0.1:{port}")])
            .env("TRINE_STATE", state)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut practice = Self { child, said: Vec::new(), lines };
        practice.hear("Ctrl-C stops it.");
        practice
    }

    fn hear(&mut self, words: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.said.iter().any(|line| line.contains(words)) {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.said.push(line),
                Err(_) => panic!("never said {words:?}, only {:#?}", self.said),
            }
        }
    }

    fn has_said(&self, words: &str) -> bool {
        self.said.iter().any(|line| line.contains(words))
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Ctrl-C, and what it prints until it is gone.
    fn stop(mut self) -> bool {
        self.signal(rustix::process::Signal::INT);
        self.hear("Everything is kept");
        self.child.wait().unwrap().success()
    }
}

#[test]
fn practice_goes_on_with_the_same_data_after_ctrl_c_and_after_kill_9() {
    let folder = Folder::new();
    let port = free_port();
    let first = Practice::start(&folder.0, port);
    assert!(first.has_said("set up and started"));
    let passwords = fs::read_to_string(folder.0.join("partners/people.json")).unwrap();
    let settings = fs::read_to_string(folder.0.join("desk/settings.toml")).unwrap();
    assert!(first.stop(), "Ctrl-C ends it well");

    let mut second = Practice::start(&folder.0, port);
    second.signal(rustix::process::Signal::KILL);
    second.child.wait().unwrap();

    // PostgreSQL is still there; the old server lets go of the port.
    let third = Practice::start(&folder.0, port);
    assert!(third.has_said("still running from before"), "{:?}", third.said);
    assert_eq!(fs::read_to_string(folder.0.join("partners/people.json")).unwrap(), passwords);
    assert_eq!(fs::read_to_string(folder.0.join("desk/settings.toml")).unwrap(), settings);
    assert!(third.stop());
    assert!(!folder.0.join("postgres/data/postmaster.pid").exists(), "PostgreSQL stopped too");
}

/// Passwords go through the form and are hashed; words and passphrases never leave the people's own folder.
#[test]
fn practice_prints_its_peoples_secrets_and_the_server_has_none_of_them() {
    let folder = Folder::new();
    let practice = Practice::start(&folder.0, free_port());
    let people: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.0.join("partners/people.json")).unwrap()).unwrap();
    let people = people.as_array().unwrap();
    let printed = practice.said.join("\n");
    assert!(practice.stop());

    let mut files = Vec::new();
    for part in ["postgres", "desk", "server.log", "partners.log"] {
        collect(&folder.0.join(part), &mut files);
    }
    assert!(files.len() > 100, "the database is among them");
    for person in people {
        let secret = |what: &str| person[what].as_str().unwrap();
        assert!(printed.contains(secret("password")));
        assert_eq!(printed.contains(secret("words")), secret("part") != "operator");
        for (path, text) in &files {
            let found = ["words", "passphrase", "password"].into_iter().find(|what| text.contains(secret(what)));
            assert_eq!(found, None, "a secret of {} is in {}", person["name"], path.display());
        }
    }
    // The search finds what is there: the ciphertext of a key file.
    assert!(files.iter().any(|(_, text)| text.contains("aes-256-gcm")));
}

fn collect(path: &Path, into: &mut Vec<(PathBuf, String)>) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| collect(&entry.unwrap().path(), into));
    } else if path.is_file() {
        into.push((path.to_owned(), String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()));
    }
}

/// The other tests run it as whoever runs the tests; when that is root, here is somebody else.
#[test]
fn practice_needs_no_root() {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let (program, state) = (folder.0.join("trine"), folder.0.join("state"));
    fs::copy(TRINE, &program).unwrap();
    fs::create_dir(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut somebody = Command::new(program);
    somebody.uid(NOBODY).gid(NOBODY).current_dir(&folder.0);
    assert!(Practice::start_as(somebody, &state, free_port()).stop());
    let owner = fs::metadata(state.join("postgres/data")).unwrap().uid();
    assert_eq!(owner, NOBODY);
}

#[test]
fn a_second_practice_on_the_same_folder_is_refused_in_words() {
    let folder = Folder::new();
    let first = Practice::start(&folder.0, free_port());
    let second = Command::new(TRINE).arg("practice").env("TRINE_STATE", &folder.0).output().unwrap();
    assert!(!second.status.success());
    assert!(words(&second).contains("another `trine practice` runs"), "{}", words(&second));
    assert!(first.stop());
}

fn words(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// Another subcommand on good settings but for what is given.
fn trine(database: &TestDatabase, arguments: &[&str], changes: &[(&str, &str)]) -> Output {
    command(database, &Folder::new(), arguments, changes).output().unwrap()
}

fn command(database: &TestDatabase, folder: &Folder, arguments: &[&str], changes: &[(&str, &str)]) -> Command {
    let mut command = Command::new(TRINE);
    command
        .args(arguments)
        .env("DATABASE_URL", database.url())
        .env("TRINE_LISTEN", format!("127.0.0.1:{}", free_port()))
        .envs([("TRINE_NETWORK", "regtest"), ("TRINE_CHAIN", "practice")])
        .env("TRINE_PRACTICE_CHAIN", folder.0.join("practice.chain"))
        .envs([("TRINE_SESSION_KEY", "1f".repeat(31) + "00"), ("TRINE_DATA_KEY", "2f".repeat(31) + "00")])
        .envs(changes.iter().copied());
    command
}

/// `trine serve`, expected to refuse; one that serves ends at once, as its stdin is closed.
fn serve(database: &TestDatabase, changes: &[(&str, &str)]) -> String {
    let out = trine(database, &["serve", "--until-stdin-closes"], changes);
    assert!(!out.status.success());
    words(&out)
}

/// A subcommand, expected to do its work; what it says.
fn done(database: &TestDatabase, arguments: &[&str]) -> String {
    let out = trine(database, arguments, &[]);
    assert!(out.status.success(), "{arguments:?}: {}", words(&out));
    String::from_utf8(out.stdout).unwrap()
}

#[tokio::test]
async fn operators_do_their_work_by_commands() {
    let database = fresh_database().await;
    assert!(done(&database, &["operator", "add", "odile"]).contains("with the password"));
    assert!(done(&database, &["operator", "add", "odile", "--existing"]).contains("is an operator now"));
    assert!(done(&database, &["operator", "add", "sable"]).contains("with the password"));
    let trine_refuses = |arguments: &[&str]| words(&trine(&database, arguments, &[]));
    assert!(trine_refuses(&["operator", "add", "sable"]).contains("say so with --existing"));
    assert!(done(&database, &["operator", "remove", "sable"]).contains("is a trader like others now"));
    assert!(trine_refuses(&["arbitrator", "dismiss", "sable"]).contains("not an arbitrator"));
    let appoint = ["arbitrator", "appoint", "sable", "--contact", "sable@desk.example", "--exposure-limit", "2.5"];
    assert!(done(&database, &appoint).contains("is an arbitrator now"));
    assert!(done(&database, &["arbitrator", "dismiss", "sable"]).contains("is dismissed"));
    done(&database, &["account", "suspend", "odile", "Asked for it."]);
    done(&database, &["account", "restore", "odile"]);
    assert!(done(&database, &["rate", "set", "eur", "58420.10"]).contains("58420.10 EUR"));
    assert!(done(&database, &["invite"]).trim().len() >= 16);
    done(&database, &["pause", "The node is being moved."]);
    done(&database, &["resume"]);

    let client = database.client().await;
    let row =
        client.query_one("SELECT role, suspended_at IS NULL FROM accounts WHERE name = 'odile'", &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, bool>(1)), ("operator", true));
    let price = client.query_one("SELECT price::text FROM rates WHERE currency = 'EUR'", &[]).await.unwrap();
    assert_eq!(price.get::<_, &str>(0), "58420.10");

    let refused = trine(&database, &["account", "suspend", "nobody-here", "Why not."], &[]);
    assert!(!refused.status.success());
    assert!(words(&refused).contains("There is no account"), "{}", words(&refused));
}

#[tokio::test]
async fn serve_refuses_a_default_secret_in_words() {
    let database = fresh_database().await;
    let told = serve(&database, &[("TRINE_DATA_KEY", "change-me")]);
    assert!(told.contains("secrets.data_key is still the default"), "{told}");
}

#[tokio::test]
async fn serve_refuses_a_play_chain_on_a_network_of_worth_in_words() {
    let database = fresh_database().await;
    let told = serve(&database, &[("TRINE_NETWORK", "bitcoin")]);
    assert!(told.contains("play chain"), "{told}");
}

#[tokio::test]
async fn serve_refuses_a_database_of_a_newer_program_in_words() {
    let database = fresh_database().await;
    let newer = "INSERT INTO refinery_schema_history SELECT 999, 'from_the_future', applied_on, checksum
                 FROM refinery_schema_history LIMIT 1";
    database.client().await.batch_execute(newer).await.unwrap();
    let told = serve(&database, &[]);
    assert!(told.contains("made by a newer Trine"), "{told}");
}

#[tokio::test]
async fn serve_refuses_a_half_done_migration_in_words() {
    let database = fresh_database().await;
    // The newest may be one that can be made twice; the second cannot.
    let half = "DELETE FROM refinery_schema_history WHERE version > 1";
    database.client().await.batch_execute(half).await.unwrap();
    let told = serve(&database, &[]);
    assert!(told.contains("half done"), "{told}");
}

/// The name is right, and nobody would know from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_refuses_a_node_whose_chain_begins_with_another_block_in_words() {
    let database = fresh_database().await;
    let node = plays(|asked| of_chain(asked, &named("signet"), bitcoin::Network::Testnet)).await;
    let url = format!("http://{node}");
    let core = [("TRINE_CHAIN", "core"), ("TRINE_CORE_URL", url.as_str()), ("TRINE_NETWORK", "signet")];
    let told = serve(&database, &[&core[..], &[("TRINE_CORE_USER", "desk"), ("TRINE_CORE_PASSWORD", "x")]].concat());
    assert!(told.contains("the node is on another network"), "{told}");
}

#[tokio::test]
async fn a_desk_opens_while_its_chain_is_away_and_says_so() {
    let (database, folder, listen) = (fresh_database().await, Folder::new(), format!("127.0.0.1:{}", free_port()));
    let away = format!("tcp://127.0.0.1:{}", free_port());
    let changes = [("TRINE_CHAIN", "electrum"), ("TRINE_CHAIN_SERVERS", &away), ("TRINE_LISTEN", &listen)];
    let mut desk = command(&database, &folder, &["serve", "--until-stdin-closes"], &changes)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let until = Instant::now() + PATIENCE;
    let told = loop {
        assert!(Instant::now() < until && desk.try_wait().unwrap().is_none(), "the desk never said so");
        if let Ok(answer) = http.get(format!("http://{listen}/readyz")).send().await {
            let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
            if body.contains("nothing is counted until it is back") {
                break (status, body);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((told.0, told.1.contains("chain: absent since")), (503, true), "{}", told.1);
    drop(desk.stdin.take());
    assert!(desk.wait().unwrap().success());
}

mod on_core {
    use super::*;
    use crate::chains::bitcoind::Bitcoind;

    #[tokio::test]
    async fn serve_refuses_a_node_of_another_network_in_words() {
        let (database, node) = (fresh_database().await, Bitcoind::start().await);
        let cookie = node.cookie();
        let core =
            [("TRINE_CHAIN", "core"), ("TRINE_CORE_URL", node.url()), ("TRINE_CORE_COOKIE", cookie.to_str().unwrap())];
        let told = serve(&database, &[core[0], core[1], core[2], ("TRINE_NETWORK", "signet")]);
        assert!(told.contains("the node is on another network"), "{told}");
    }
}

mod on_electrum {
    use super::*;
    use crate::chains::world::World;

    #[tokio::test]
    async fn serve_refuses_a_server_of_another_network_in_words() {
        let (database, world) = (fresh_database().await, World::electrum().await);
        let server = format!("tcp://{}", world.electrs());
        let told = serve(
            &database,
            &[("TRINE_CHAIN", "electrum"), ("TRINE_CHAIN_SERVERS", &server), ("TRINE_NETWORK", "signet")],
        );
        assert!(told.contains("is on another network"), "{told}");
    }
}

mod on_esplora {
    use super::*;
    use crate::chains::world::World;

    #[tokio::test]
    async fn serve_refuses_a_server_of_another_network_in_words() {
        let (database, world) = (fresh_database().await, World::explored().await);
        let server = world.explorer().url();
        let told = serve(
            &database,
            &[("TRINE_CHAIN", "esplora"), ("TRINE_CHAIN_SERVERS", &server), ("TRINE_NETWORK", "signet")],
        );
        assert!(told.contains("is on another network"), "{told}");
    }
}
