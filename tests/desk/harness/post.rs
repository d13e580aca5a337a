//! Where mails and webhooks arrive: a real mail server, and a receiver that keeps what it is sent.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use trine::courier::mail::Security;
use trine::courier::{Courier, Mailer, Post};

use super::site::{listener, runs_beside};

/// A mail as it arrived.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Header lines and text, as they came.
    pub raw: String,
    pub subject: String,
    pub id: String,
    pub to: String,
    pub text: String,
}

/// A mail server in a process of its own (Debian's python3-aiosmtpd), until it is dropped.
pub struct MailServer {
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl MailServer {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With options of `smtpd.py`.
    pub fn start_with(options: &[&str]) -> Self {
        let python = std::env::var_os("SMTP_PYTHON").expect("SMTP_PYTHON is not set: run the tests with script/test");
        let folder = std::env::temp_dir().join(format!("trine-mail-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desk/harness/smtpd.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(&folder)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the mail server says its port; is python3-aiosmtpd there?");
        Self { port, folder, child }
    }

    /// From now on it gives this answer instead of taking a mail; without one it takes them again.
    pub fn refuse(&self, answer: Option<&str>) {
        let file = self.folder.join("refuse");
        match answer {
            Some(answer) => std::fs::write(file, answer).unwrap(),
            None => std::fs::remove_file(file).unwrap(),
        }
    }

    /// What a desk needs to send its mails here, in the open.
    pub fn post(&self) -> Post {
        Post {
            host: "127.0.0.1".into(),
            port: self.port,
            security: Security::None,
            login: None,
            from: "Desk <notices@desk.example>".into(),
            certificate: None,
            desk: "desk.example".into(),
        }
    }

    /// A desk's courier that takes mails here, and webhooks nowhere.
    pub fn courier(&self) -> Courier {
        Courier { mail: Some(Mailer::new(&self.post()).unwrap()), hooks: None, home: "https://desk.example".into() }
    }

    /// All mails that arrived, in order.
    pub fn mails(&self) -> Vec<Mail> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|kind| kind == "eml"));
        files.sort();
        files.iter().map(|file| Mail::read(&std::fs::read_to_string(file).unwrap())).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Mail {
    /// The path of the link that confirms the address it came to.
    pub fn link(&self) -> String {
        let (_, rest) = self.text.split_once("https://desk.example/notices/confirm/").expect("a link");
        format!("/notices/confirm/{}", rest.split_whitespace().next().unwrap())
    }

    fn read(raw: &str) -> Self {
        let raw = raw.replace("\r\n", "\n");
        let (head, body) = raw.split_once("\n\n").unwrap();
        let head = head.replace("\n ", " ");
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_default().to_owned()
        };
        let quoted = header("Content-Transfer-Encoding") == "quoted-printable";
        let text = if quoted { body.replace("=\n", "").replace("=3D", "=") } else { body.to_owned() };
        let (subject, id, to) = (header("Subject"), header("Message-ID"), header("X-Envelope-To"));
        Self { subject, id, to, text, raw }
    }
}

/// What a receiver of webhooks got.
#[derive(Debug, Clone)]
pub struct Hooked {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: String,
}

#[derive(Clone, Default)]
struct Shared {
    got: Arc<Mutex<Vec<Hooked>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

/// Keeps every webhook that is posted to it, until it is dropped.
pub struct Receiver {
    pub url: String,
    shared: Shared,
    server: ServerHandle,
}

impl Receiver {
    pub fn start() -> Self {
        let shared = Shared::default();
        let (listener, origin) = listener();
        let url = format!("{origin}/hooks?for=me");
        let keeping = shared.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(keeping.clone())).default_service(web::to(keep))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)
        .unwrap()
        .run();
        Self { url, shared, server: runs_beside(server) }
    }

    /// The next answers; afterwards 204.
    pub fn answers(&self, statuses: &[u16]) {
        self.shared.answers.lock().unwrap().extend(statuses);
    }

    pub fn got(&self) -> Vec<Hooked> {
        self.shared.got.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn keep(shared: web::Data<Shared>, request: HttpRequest, body: String) -> HttpResponse {
    assert_eq!((request.method().as_str(), request.uri().to_string().as_str()), ("POST", "/hooks?for=me"));
    let header =
        |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    shared.got.lock().unwrap().push(Hooked {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
    });
    let status = shared.answers.lock().unwrap().pop_front().unwrap_or(204);
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).insert_header(("location", "/elsewhere")).finish()
}

/// Certificates and keys of `vectors/tls.json`, as files, until it is dropped.
pub struct Papers {
    folder: PathBuf,
    all: serde_json::Value,
}

impl Papers {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("trine-papers-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        Self { folder, all: serde_json::from_str(include_str!("../../vectors/tls.json")).unwrap() }
    }

    /// The path of a file with the `certificate` or the `key` of somebody.
    pub fn file(&self, who: &str, what: &str) -> String {
        let path = self.folder.join(format!("{who}-{what}.pem"));
        std::fs::write(&path, self.all[who][what].as_str().unwrap()).unwrap();
        path.display().to_string()
    }
}

impl Drop for Papers {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
