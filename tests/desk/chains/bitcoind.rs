//! A real Bitcoin Core on a regtest of its own: its own folder, a port of the loopback, gone when dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bitcoin::Network;
use serde_json::{Value, json};
use trine::chain::core::{Core, CoreAuth};

/// A start that takes longer than 400 × 50 ms is broken.
const STARTS_ASKED_MAX: u32 = 400;

#[derive(Debug)]
pub struct Bitcoind {
    folder: Folder,
    process: Child,
    url: String,
    http: reqwest::Client,
    options: &'static [&'static str],
}

/// A folder under the system's temporary one that goes with its owner.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("trine-chains-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Bitcoind {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with further options.
    pub async fn start_with(options: &'static [&'static str]) -> Self {
        let folder = Folder::new();
        let (process, url) = spawn(&folder.0, options);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut node = Self { folder, process, url, http, options };
        node.wait_until_ready().await;
        node
    }

    /// Ends it in good order and starts it again on the same folder, at another port.
    pub async fn restart(&mut self) {
        self.rpc("stop", json!([])).await;
        self.process.wait().unwrap();
        (self.process, self.url) = spawn(&self.folder.0, self.options);
        self.wait_until_ready().await;
    }

    /// The desk's own client for this node.
    pub fn client(&self, network: Network) -> Core {
        Core::new(&self.url, CoreAuth::Cookie(self.cookie()), network).unwrap()
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        self.try_rpc(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub async fn try_rpc(&self, method: &str, params: Value) -> Result<Value, String> {
        call(&self.http, &self.url, &self.cookie(), method, params).await
    }

    /// What it was started with, beside the usual.
    pub fn options(&self) -> &'static [&'static str] {
        self.options
    }

    pub fn cookie(&self) -> PathBuf {
        self.folder.0.join("regtest/.cookie")
    }

    /// The one place that waits by the clock: a process start gives no other sign.
    async fn wait_until_ready(&mut self) {
        for _ in 0..STARTS_ASKED_MAX {
            if self.try_rpc("getblockcount", json!([])).await.is_ok() {
                return;
            }
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("bitcoind ended with {status} at its start");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("bitcoind does not answer");
    }
}

impl Drop for Bitcoind {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One call of a node's RPC.
pub async fn call(
    http: &reqwest::Client,
    url: &str,
    cookie: &Path,
    method: &str,
    params: Value,
) -> Result<Value, String> {
    let cookie = std::fs::read_to_string(cookie).map_err(|error| error.to_string())?;
    let (user, password) = cookie.split_once(':').ok_or("half a cookie")?;
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params });
    let request = http.post(url).basic_auth(user, Some(password)).json(&body);
    let response = request.send().await.map_err(|error| error.to_string())?;
    let answer: Value = response.json().await.map_err(|error| error.to_string())?;
    match answer.get("error") {
        None | Some(Value::Null) => Ok(answer["result"].clone()),
        Some(error) => Err(error.to_string()),
    }
}

fn spawn(folder: &Path, options: &[&str]) -> (Child, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = std::env::var_os("BITCOIND_EXE").unwrap_or_else(|| "bitcoind".into());
    let process = Command::new(&program)
        .arg("-regtest")
        .arg(format!("-datadir={}", folder.display()))
        .arg(format!("-rpcport={port}"))
        .args(["-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", "-server", "-connect=0", "-dnsseed=0"])
        .args(["-printtoconsole=0", "-dbcache=4", "-par=1", "-rpcthreads=2"])
        .arg(if options.iter().any(|option| option.starts_with("-bind=")) { "-listen=1" } else { "-listen=0" })
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let process = process.unwrap_or_else(|error| {
        panic!("no Bitcoin Core to test against: {program:?}: {error}; put bitcoind on PATH or name it in BITCOIND_EXE")
    });
    (process, format!("http://127.0.0.1:{port}"))
}
