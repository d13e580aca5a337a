//! A real Electrum server, electrs, on a regtest node: its own folder, a port of the loopback, gone when dropped.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use bitcoin::consensus::encode;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Network, Script, Transaction, Txid};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use trine::chain::electrum::electrum;
use trine::chain::light::Light;
use trine::chain::link::Way;

use super::bitcoind::{Bitcoind, Folder};

/// 20 ms each.
const LOOKS_MAX: u32 = 1_000;

#[derive(Debug)]
pub struct Electrs {
    folder: Folder,
    process: Mutex<Child>,
    pub address: SocketAddr,
}

/// What a node needs for electrs to read its blocks.
pub fn node_options() -> &'static [&'static str] {
    node_options_with(&[])
}

/// The same with further options.
pub fn node_options_with(more: &[&str]) -> &'static [&'static str] {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // electrs 0.10 wants a field of mempool entries that newer nodes leave out.
    let options =
        [format!("-bind=127.0.0.1:{port}"), "-whitelist=127.0.0.1".to_owned(), "-deprecatedrpc=bip125".to_owned()];
    let options = options.into_iter().chain(more.iter().map(ToString::to_string));
    let options: Vec<&'static str> = options.map(|option| &*option.leak()).collect();
    options.leak()
}

impl Electrs {
    pub async fn start(node: &Bitcoind) -> Self {
        let folder = Folder::new();
        let (process, address) = spawn(&folder, node);
        let server = Self { folder, process: Mutex::new(process), address };
        server.catch_up(node).await;
        server
    }

    /// Starts it again on what it kept, for a node that was started again.
    pub async fn restart(&mut self, node: &Bitcoind) {
        self.stop();
        let (process, address) = spawn(&self.folder, node);
        (*self.process.lock().unwrap(), self.address) = (process, address);
        self.catch_up(node).await;
    }

    pub fn stop(&self) {
        let mut process = self.process.lock().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }

    /// The desk's own client for it.
    pub fn client(&self) -> Light {
        self.client_for(Network::Regtest)
    }

    pub fn client_for(&self, network: Network) -> Light {
        electrum(&[format!("tcp://{}", self.address).parse().unwrap()], &Way::default(), network).unwrap()
    }

    /// Waits until it knows what its node knows: the same best block, the same mempool.
    pub async fn catch_up(&self, node: &Bitcoind) {
        let mut last = String::new();
        for _ in 0..LOOKS_MAX {
            last = match self.differs(node).await {
                Ok(None) => return,
                Ok(Some(what)) => what,
                Err(error) => error.to_string(),
            };
            if let Some(status) = self.process.lock().unwrap().try_wait().unwrap() {
                panic!("electrs ended with {status}: {last}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("electrs does not catch up with its node: {last}");
    }

    async fn differs(&self, node: &Bitcoind) -> std::io::Result<Option<String>> {
        let mut line = Line::open(self.address).await?;
        let best = node.rpc("getbestblockhash", json!([])).await;
        let tip = line.ask("blockchain.headers.subscribe", json!([])).await?;
        let header = tip["result"]["hex"].as_str().and_then(|hex| encode::deserialize_hex(hex).ok());
        let hash = header.map(|header: bitcoin::block::Header| header.block_hash().to_string());
        if hash.as_deref() != best.as_str() {
            return Ok(Some(format!("its best block is {hash:?}, the node's {best}")));
        }
        let waiting = node.rpc("getrawmempool", json!([])).await;
        let mut size = 0;
        for txid in waiting.as_array().unwrap() {
            let hex = node.rpc("getrawtransaction", json!([txid])).await;
            let transaction: Transaction = encode::deserialize_hex(hex.as_str().unwrap()).unwrap();
            size += transaction.vsize();
            if !line.lists(&transaction.output[0].script_pubkey, transaction.compute_txid()).await? {
                return Ok(Some(format!("it does not list {txid}")));
            }
        }
        let histogram = line.ask("mempool.get_fee_histogram", json!([])).await?;
        let bins = histogram["result"].as_array().into_iter().flatten();
        let listed: u64 = bins.filter_map(|bin| bin[1].as_u64()).sum();
        // It has all that the node has, and nothing besides.
        Ok((listed != size as u64).then(|| format!("its mempool is of {listed} vB, the node's of {size}")))
    }
}

impl Drop for Electrs {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(folder: &Folder, node: &Bitcoind) -> (Child, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = std::env::var_os("ELECTRS_EXE").unwrap_or_else(|| "electrs".into());
    let p2p = node.options().iter().find_map(|option| option.strip_prefix("-bind=")).unwrap();
    let process = Command::new(&program)
        .args(["--network", "regtest", "--skip-block-download-wait", "--db-parallelism", "1", "--log-filters", "ERROR"])
        .arg("--db-dir")
        .arg(folder.0.join("db"))
        .arg("--cookie-file")
        .arg(node.cookie())
        .args(["--daemon-rpc-addr", node.url().trim_start_matches("http://")])
        .args(["--daemon-p2p-addr", p2p, "--electrum-rpc-addr", &address.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let process = process.unwrap_or_else(|error| {
        panic!(
            "no Electrum server to test against: {program:?}: {error}; put electrs on PATH or name it in ELECTRS_EXE"
        )
    });
    (process, address)
}

/// A few plain questions, beside the client that is tested.
struct Line(BufReader<TcpStream>);

impl Line {
    async fn open(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(address).await?)))
    }

    async fn ask(&mut self, method: &str, params: Value) -> std::io::Result<Value> {
        let request = format!("{}\n", json!({ "id": 0, "method": method, "params": params }));
        self.0.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        self.0.read_line(&mut answer).await?;
        serde_json::from_str(&answer).map_err(std::io::Error::other)
    }

    async fn lists(&mut self, script: &Script, txid: Txid) -> std::io::Result<bool> {
        let mut name = sha256::Hash::hash(script.as_bytes()).to_byte_array();
        name.reverse();
        let name = data_encoding::HEXLOWER.encode(&name);
        let history = self.ask("blockchain.scripthash.get_history", json!([name])).await?;
        let entries = history["result"].as_array().into_iter().flatten();
        Ok(entries.into_iter().any(|entry| entry["tx_hash"] == txid.to_string()))
    }
}
