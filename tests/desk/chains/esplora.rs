//! A real Esplora server on a regtest node, where ESPLORA_EXE names one: `electrs` of github.com/Blockstream/electrs or of
//! github.com/mempool/electrs. It is on no package registry, so the tests usually take the small truthful one
//! (explorer.rs); with a real one the same promises are held against that.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use bitcoin::Network;
use serde_json::json;
use trine::chain::light::Light;

use super::bitcoind::{Bitcoind, Folder};
use super::explorer::explored;

/// 20 ms each.
const LOOKS_MAX: u32 = 1_000;

#[derive(Debug)]
pub struct Esplora {
    program: OsString,
    folder: Folder,
    process: Mutex<Child>,
    address: SocketAddr,
    http: reqwest::Client,
}

/// The program, if this run has one.
pub fn program() -> Option<OsString> {
    std::env::var_os("ESPLORA_EXE")
}

impl Esplora {
    pub async fn start(program: OsString, node: &Bitcoind) -> Self {
        let folder = Folder::new();
        let (process, address) = spawn(&program, &folder, node);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let server = Self { program, folder, process: Mutex::new(process), address, http };
        server.catch_up(node).await;
        server
    }

    /// Starts it again on what it kept, for a node that was started again.
    pub async fn restart(&mut self, node: &Bitcoind) {
        self.stop();
        let (process, address) = spawn(&self.program, &self.folder, node);
        (*self.process.lock().unwrap(), self.address) = (process, address);
        self.catch_up(node).await;
    }

    fn stop(&self) {
        let mut process = self.process.lock().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }

    /// The desk's own client for it, asking anew each time.
    pub fn client(&self) -> Light {
        explored(&[format!("http://{}", self.address)], Network::Regtest)
    }

    /// Waits until it knows what its node knows: the same best block, the same mempool.
    pub async fn catch_up(&self, node: &Bitcoind) {
        let mut last = String::new();
        for _ in 0..LOOKS_MAX {
            last = match self.differs(node).await {
                Ok(None) => return,
                Ok(Some(what)) => {
                    self.look_now();
                    what
                }
                Err(error) => error.to_string(),
            };
            if let Some(status) = self.process.lock().unwrap().try_wait().unwrap() {
                panic!("the Esplora server ended with {status}: {last}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the Esplora server does not catch up with its node: {last}");
    }

    /// It looks at its node every few seconds, and whenever it is told to.
    fn look_now(&self) {
        let pid = rustix::process::Pid::from_child(&self.process.lock().unwrap());
        rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    }

    async fn differs(&self, node: &Bitcoind) -> reqwest::Result<Option<String>> {
        let ask = async |what: &str| self.http.get(format!("http://{}{what}", self.address)).send().await;
        let (tip, best) = (ask("/blocks/tip/hash").await?.text().await?, node.rpc("getbestblockhash", json!([])).await);
        if best != tip {
            return Ok(Some(format!("its best block is {tip}, the node's {best}")));
        }
        let mut told: Vec<String> = ask("/mempool/txids").await?.json().await?;
        let waiting = node.rpc("getrawmempool", json!([])).await;
        let mut waiting: Vec<String> = serde_json::from_value(waiting).unwrap();
        told.sort();
        waiting.sort();
        Ok((told != waiting).then(|| format!("its mempool is {told:?}, the node's {waiting:?}")))
    }
}

impl Drop for Esplora {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(program: &OsString, folder: &Folder, node: &Bitcoind) -> (Child, SocketAddr) {
    let [http, electrum, figures] = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let process = Command::new(program)
        .args(["--network", "regtest", "--jsonrpc-import"])
        .arg("--db-dir")
        .arg(folder.0.join("db"))
        .args(["--cookie", &std::fs::read_to_string(node.cookie()).unwrap()])
        .args(["--daemon-rpc-addr", node.url().trim_start_matches("http://")])
        .args(["--http-addr", &http.to_string(), "--electrum-rpc-addr", &electrum.to_string()])
        .args(["--monitoring-addr", &figures.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    (process.unwrap_or_else(|error| panic!("ESPLORA_EXE is {}: {error}", program.display())), http)
}
