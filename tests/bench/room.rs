//! From sending words to the other side's screen, with a thousand open pages at a server of its own: `trine serve`, as
//! it is run, on a database that reaches the disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use trine::desk::secrets::sha256;
use trine::desk::{Rules, reader};
use trine::domain::{PublicRef, UserId};

use super::Figure;
use super::crowd;
use super::harness::cast::{Story, story_with};
use super::harness::site::{DATA_KEY, SESSION_KEY};
use super::harness::{Browser, Start};

/// Two open pages each.
const ROOMS: usize = 500;
/// Messages that are timed, each by another writer in turn, so that nobody's are slowed down.
const MESSAGES: usize = 1_500;
const WARM_UP: usize = 200;
const BETWEEN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);

/// A message that was heard: its number, and when.
type Heard = (usize, Instant);

/// Somebody with a page open in one room.
struct Someone {
    room: PublicRef,
    browser: Browser,
    session: String,
    token: String,
}

pub async fn measure() -> Vec<Figure> {
    let folder = std::env::temp_dir().join(format!("trine-room-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    let rules = Rules { new_account_trades_max: u32::MAX, ..Rules::default() };
    let chain = folder.join("first.chain");
    let story = story_with(Start { rules, chain_file: Some(chain.clone()), ..Start::default() }).await;
    let rooms = crowd::trades(&story, ROOMS).await;
    reader::step_down(&story.site.desk).await;
    std::fs::copy(chain, folder.join("served.chain")).unwrap();
    let (mut server, origin) = serve(&story, &folder).await;
    let people = people(&story, &origin, &rooms).await;
    let figures = figures(&people, server.id()).await;
    server.kill().unwrap();
    server.wait().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    figures
}

async fn serve(story: &Story, folder: &Path) -> (Child, String) {
    let listen = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let origin = format!("http://{listen}");
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let server = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_trine")))
        .args(["serve", "--until-stdin-closes"])
        .env("DATABASE_URL", story.site.database_url())
        .env("TRINE_LISTEN", &listen)
        .env("TRINE_ORIGINS", &origin)
        .env("TRINE_CHAIN", "practice")
        .env("TRINE_NETWORK", "regtest")
        .env("TRINE_PRACTICE_CHAIN", folder.join("served.chain"))
        .env("TRINE_SESSION_KEY", HEXLOWER.encode(&SESSION_KEY))
        .env("TRINE_DATA_KEY", HEXLOWER.encode(&DATA_KEY))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let (browser, until) = (Browser::new(&origin), Instant::now() + PATIENCE);
    while browser.try_get("/healthz").await.is_none() {
        assert!(Instant::now() < until, "the server never answered");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (server, origin)
}

/// Everybody is signed in: the rows are written directly, for a password takes its time.
async fn people(story: &Story, origin: &str, rooms: &[(PublicRef, UserId, UserId)]) -> Vec<Arc<Someone>> {
    let sql = story.site.sql().await;
    let insert = "INSERT INTO sessions (id, account, token_hash, agent, created_at, seen_at, expires_at)
                  VALUES (gen_random_uuid(), $1, $2, 'bench', now(), now(), now() + interval '1 day')";
    let mut people = Vec::new();
    for (room, buyer, seller) in rooms {
        for account in [buyer, seller] {
            let session = uuid::Uuid::new_v4().simple().to_string();
            sql.execute(insert, &[&account.0, &sha256(&session).as_slice()]).await.unwrap();
            let token = HEXLOWER.encode(&story.site.desk.secrets.mac("form", session.as_bytes()));
            let browser = Browser::with_session(origin, &session);
            people.push(Arc::new(Someone { room: *room, browser, session, token }));
        }
    }
    people
}

async fn figures(people: &[Arc<Someone>], server: u32) -> Vec<Figure> {
    // The server has its connections and plans before anything is measured.
    for number in 0..WARM_UP {
        say(&people[number % people.len()], usize::MAX - number).await;
    }
    let before = resident_kib(server);
    let (tell, mut heard) = mpsc::unbounded_channel();
    for someone in people {
        listen(someone, tell.clone()).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let each = (resident_kib(server) - before) / people.len() as f64;
    let mut sent = HashMap::new();
    for number in 0..MESSAGES {
        // From the far end of the crowd: those who warmed up have said enough.
        let writer = people[people.len() - 1 - number % people.len()].clone();
        sent.insert(number, Instant::now());
        tokio::spawn(async move { say(&writer, number).await });
        tokio::time::sleep(BETWEEN).await;
    }
    let mut millis: Vec<f64> = Vec::new();
    // Each is heard by its writer and by the other; the later one counts.
    let mut once: HashMap<usize, Instant> = HashMap::new();
    while millis.len() < MESSAGES {
        let (number, at) =
            tokio::time::timeout(PATIENCE, heard.recv()).await.expect("a message was never heard").unwrap();
        let Some(start) = sent.get(&number) else { continue };
        if let Some(first) = once.insert(number, at) {
            millis.push(first.max(at).duration_since(*start).as_secs_f64() * 1000.0);
        }
    }
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| millis[((millis.len() - 1) as f64 * share) as usize];
    vec![
        ("room_streams", people.len() as f64, "streams"),
        ("room_p50_ms", at(0.5), "ms"),
        ("room_p99_ms", at(0.99), "ms"),
        ("stream_kib", each, "KiB"),
    ]
}

async fn say(who: &Someone, number: usize) {
    let text = format!("message ({number})");
    let fields = [("csrf", who.token.as_str()), ("text", text.as_str())];
    let seen = who.browser.post_bare(&format!("/trades/{}/messages", who.room), &fields).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
}

/// Opens a page's stream where it stands now, and tells what it hears.
async fn listen(who: &Someone, tell: mpsc::UnboundedSender<Heard>) {
    let page = who.browser.get(&format!("/trades/{}", who.room)).await;
    let at = page.between("data-at=\"", "\"").expect("a page says where it is").to_owned();
    let address = who.browser.origin.strip_prefix("http://").unwrap().to_owned();
    let mut line = TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "GET /trades/{}/stream?at={at} HTTP/1.1\r\nHost: {address}\r\nCookie: trine={}\r\nAccept: text/event-stream\r\n\r\n",
        who.room, who.session
    );
    line.write_all(request.as_bytes()).await.unwrap();
    tokio::spawn(async move {
        let (mut text, mut bytes) = (String::new(), [0_u8; 4096]);
        while let Ok(read @ 1..) = line.read(&mut bytes).await {
            let at = Instant::now();
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
            while let Some((_, rest)) = text.split_once("message (") {
                let Some((number, rest)) = rest.split_once(')') else { break };
                if let Ok(number) = number.parse() {
                    let _ = tell.send((number, at));
                }
                text = rest.to_owned();
            }
            if !text.contains("message (") {
                text = text.split_off(text.char_indices().rev().nth(12).map_or(0, |(at, _)| at));
            }
        }
    });
}

/// What a process holds in memory.
fn resident_kib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
