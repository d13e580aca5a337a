//! A small Esplora server: the documented API, told truthfully from a regtest node's RPC. (The real one is on no package
//! registry.) It keeps the whole chain in memory and looks at the node before each answer.

mod ledger;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, Path};
use actix_web::{App, HttpResponse, HttpServer};
use bitcoin::consensus::encode;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Block, BlockHash, Network, OutPoint, Script, Txid};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use trine::chain::esplora::esplora;
use trine::chain::light::Light;
use trine::chain::link::Way;

use self::ledger::{Chain, keep_scripts, merkle_proof};
use super::bitcoind::{Bitcoind, call};

/// Esplora's own numbers.
const WAITING_PER_ANSWER: usize = 50;
const CONFIRMED_PER_PAGE: usize = 25;
const BLOCKS_PER_PAGE: u32 = 10;
/// Where it is told to refuse long histories.
const HISTORY_MAX: usize = 20;

/// What it does not tell truthfully any more, or not as others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    AnotherTransaction,
    AnotherPlace,
    AnotherHeader,
    AlreadyConfirmed,
    /// A block is indexed and the mempool not yet cleaned: what the best block holds is listed as waiting too.
    StillWaiting,
    /// As at mempool.space: one page for what waits and what is confirmed, the former first.
    OnePage,
    /// A server of another kind, that knows no scripts.
    NoScripts,
    /// Long histories are refused.
    NothingLong,
    /// They are told, in more bytes than anybody reads.
    TooLong,
    /// This transaction is refused.
    NotThis(Txid),
    /// Histories are told as they were told last, whatever happened since.
    FromCache,
    /// It was asked too often.
    Busy,
    /// The same, for estimates alone.
    BusyWithEstimates,
}

/// Of each script how often its history was asked for, and what was answered last to each question.
#[derive(Debug, Default)]
struct Told {
    asked: HashMap<String, usize>,
    last: HashMap<String, Vec<Value>>,
}

pub struct Explorer {
    pub address: SocketAddr,
    lie: Arc<std::sync::Mutex<Option<Lie>>>,
    told: Arc<std::sync::Mutex<Told>>,
    handle: ServerHandle,
}

impl std::fmt::Debug for Explorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an explorer at {}", self.address)
    }
}

struct Node {
    url: String,
    cookie: PathBuf,
    http: reqwest::Client,
    chain: Mutex<Chain>,
    lie: Arc<std::sync::Mutex<Option<Lie>>>,
    told: Arc<std::sync::Mutex<Told>>,
}

impl Node {
    fn lies(&self, lie: Lie) -> bool {
        *self.lie.lock().unwrap() == Some(lie)
    }

    async fn rpc(&self, method: &str, params: Value) -> Result<Value, String> {
        call(&self.http, &self.url, &self.cookie, method, params).await
    }

    async fn read<T: encode::Decodable>(&self, method: &str, params: Value) -> Result<T, String> {
        let hex = self.rpc(method, params).await?;
        encode::deserialize_hex(hex.as_str().unwrap_or_default()).map_err(|error| error.to_string())
    }

    /// Brings what is kept to what the node has.
    async fn look(&self, chain: &mut Chain) -> Result<(), String> {
        let tip = self.rpc("getblockcount", json!([])).await?.as_u64().unwrap_or_default() as usize;
        while let Some(last) = chain.blocks.last() {
            let height = chain.blocks.len() - 1;
            let same =
                height <= tip && self.rpc("getblockhash", json!([height])).await? == last.block_hash().to_string();
            if same {
                break;
            }
            let gone = chain.blocks.pop().into_iter().flat_map(|block| block.txdata);
            chain.kept.extend(gone.map(|one| (one.compute_txid(), one)));
        }
        while chain.blocks.len() <= tip {
            let hash = self.rpc("getblockhash", json!([chain.blocks.len()])).await?;
            let block: Block = self.read("getblock", json!([hash, 0])).await?;
            block.txdata.iter().for_each(|one| keep_scripts(&mut chain.scripts, one));
            chain.blocks.push(block);
        }
        let now = self.rpc("getrawmempool", json!([])).await?;
        let now: Vec<Txid> = serde_json::from_value(now).map_err(|error| error.to_string())?;
        chain.waiting.retain(|txid, _| now.contains(txid));
        for txid in now {
            if !chain.waiting.contains_key(&txid) {
                let transaction = self.read("getrawtransaction", json!([txid])).await?;
                keep_scripts(&mut chain.scripts, &transaction);
                chain.waiting.insert(txid, transaction);
            }
        }
        Ok(())
    }
}

type Asked = Data<Node>;

/// Looks at the node, then answers; what is not there is 404, a node that is away 503.
async fn answer(node: &Node, tell: impl FnOnce(&Chain) -> Option<HttpResponse>) -> HttpResponse {
    if node.lies(Lie::Busy) {
        return too_many();
    }
    let mut chain = node.chain.lock().await;
    if let Err(error) = node.look(&mut chain).await {
        return HttpResponse::ServiceUnavailable().body(error);
    }
    tell(&chain).unwrap_or_else(|| HttpResponse::NotFound().body("not found"))
}

fn too_many() -> HttpResponse {
    HttpResponse::TooManyRequests().body("Too Many Requests")
}

fn text(what: impl ToString) -> Option<HttpResponse> {
    Some(HttpResponse::Ok().content_type("text/plain").body(what.to_string()))
}

fn list(what: Vec<Value>) -> Option<HttpResponse> {
    Some(HttpResponse::Ok().json(what))
}

fn cached(node: &Node, question: String, what: Vec<Value>) -> Option<HttpResponse> {
    let mut told = node.told.lock().unwrap();
    let before = told.last.get(&question).filter(|_| node.lies(Lie::FromCache)).cloned();
    let what = before.unwrap_or(what);
    if !node.lies(Lie::AnotherPlace) {
        told.last.insert(question, what.clone());
    }
    list(what)
}

async fn tip_height(node: Asked) -> HttpResponse {
    answer(&node, |chain| text(chain.blocks.len() - 1)).await
}

async fn tip_hash(node: Asked) -> HttpResponse {
    answer(&node, |chain| text(chain.blocks.last()?.block_hash())).await
}

async fn blocks(node: Asked, from: Path<u32>) -> HttpResponse {
    answer(&node, |chain| {
        chain.blocks.get(*from as usize)?;
        let page = (from.saturating_sub(BLOCKS_PER_PAGE - 1)..=*from).rev();
        let mut page: Vec<Value> = page.map(|height| chain.block(height)).collect();
        if node.lies(Lie::AnotherHeader) {
            page[0]["nonce"] = json!(page[0]["nonce"].as_u64().unwrap() ^ 1);
        }
        list(page)
    })
    .await
}

async fn block_height(node: Asked, height: Path<u32>) -> HttpResponse {
    answer(&node, |chain| text(chain.blocks.get(*height as usize)?.block_hash())).await
}

async fn block_header(node: Asked, hash: Path<BlockHash>) -> HttpResponse {
    answer(&node, |chain| {
        let block = chain.blocks.iter().find(|block| block.block_hash() == *hash)?;
        text(encode::serialize_hex(&block.header))
    })
    .await
}

async fn script_history(node: Asked, name: Path<String>) -> HttpResponse {
    *node.told.lock().unwrap().asked.entry(name.clone()).or_default() += 1;
    answer(&node, |chain| {
        let history = chain.history(&name);
        if node.lies(Lie::NoScripts) {
            return None;
        }
        if node.lies(Lie::NothingLong) && history.len() > HISTORY_MAX {
            return Some(HttpResponse::BadRequest().body("Too many history entries"));
        }
        if node.lies(Lie::TooLong) && history.len() > HISTORY_MAX {
            return text(" ".repeat(33 << 20));
        }
        let tip = chain.blocks.len() as u32 - 1;
        let waits = |height: Option<u32>| height.is_none() || (node.lies(Lie::StillWaiting) && height == Some(tip));
        let waiting = history.iter().filter(|(height, _)| waits(*height)).map(|(_, one)| (None, *one));
        let confirmed = history.iter().filter(|(height, _)| height.is_some()).copied();
        let page: Vec<_> = if node.lies(Lie::OnePage) {
            waiting.chain(confirmed).take(WAITING_PER_ANSWER).collect()
        } else {
            waiting.take(WAITING_PER_ANSWER).chain(confirmed.take(CONFIRMED_PER_PAGE)).collect()
        };
        let told = |height: Option<u32>| height.or_else(|| node.lies(Lie::AlreadyConfirmed).then_some(tip));
        let page = page.into_iter().map(|(height, one)| chain.transaction(told(height), one)).collect();
        cached(&node, name.clone(), page)
    })
    .await
}

async fn confirmed_history(node: Asked, name: Path<String>) -> HttpResponse {
    answer(&node, |chain| {
        let history = chain.history(&name);
        let confirmed = history.iter().filter(|(height, _)| height.is_some()).take(CONFIRMED_PER_PAGE);
        cached(&node, format!("{name}/chain"), confirmed.map(|(height, one)| chain.transaction(*height, one)).collect())
    })
    .await
}

async fn older_history(node: Asked, path: Path<(String, Txid)>) -> HttpResponse {
    answer(&node, |chain| {
        let history = chain.history(&path.0);
        let confirmed = history.iter().filter(|(height, _)| height.is_some());
        let rest = confirmed.skip_while(|(_, one)| one.compute_txid() != path.1).skip(1).take(CONFIRMED_PER_PAGE);
        list(rest.map(|(height, one)| chain.transaction(*height, one)).collect())
    })
    .await
}

async fn raw(node: Asked, txid: Path<Txid>) -> HttpResponse {
    answer(&node, |chain| {
        if node.lies(Lie::NotThis(*txid)) {
            return Some(HttpResponse::BadRequest().body("response too large"));
        }
        let mut one = chain.find(*txid)?.1.clone();
        if node.lies(Lie::AnotherTransaction) {
            one.lock_time = bitcoin::absolute::LockTime::from_consensus(1);
        }
        Some(HttpResponse::Ok().body(encode::serialize(&one)))
    })
    .await
}

async fn status(node: Asked, txid: Path<Txid>) -> HttpResponse {
    answer(&node, |chain| Some(HttpResponse::Ok().json(chain.status(chain.find(*txid)?.0)))).await
}

async fn outspend(node: Asked, path: Path<(Txid, u32)>) -> HttpResponse {
    let (txid, vout) = *path;
    answer(&node, |chain| {
        let spend = match chain.spender(OutPoint { txid, vout }) {
            Some((height, one)) => json!({ "spent": true, "txid": one.compute_txid(), "status": chain.status(height) }),
            None => json!({ "spent": false }),
        };
        Some(HttpResponse::Ok().json(spend))
    })
    .await
}

async fn proof(node: Asked, txid: Path<Txid>) -> HttpResponse {
    answer(&node, |chain| {
        let found = chain.find(*txid)?.0;
        let height = if node.lies(Lie::AlreadyConfirmed) { chain.blocks.len() as u32 - 1 } else { found? };
        if node.lies(Lie::AlreadyConfirmed) {
            return Some(HttpResponse::Ok().json(json!({ "block_height": height, "merkle": [], "pos": 0 })));
        }
        let (mut place, branch) = merkle_proof(&chain.blocks[height as usize], *txid)?;
        if node.lies(Lie::AnotherPlace) {
            place += 1;
        }
        Some(HttpResponse::Ok().json(json!({ "block_height": height, "merkle": branch, "pos": place })))
    })
    .await
}

async fn send(node: Asked, hex: String) -> HttpResponse {
    match node.rpc("sendrawtransaction", json!([hex])).await {
        Ok(txid) => HttpResponse::Ok().body(txid.as_str().unwrap_or_default().to_owned()),
        Err(error) => HttpResponse::BadRequest().body(format!("sendrawtransaction RPC error: {error}")),
    }
}

async fn fees(node: Asked) -> HttpResponse {
    if node.lies(Lie::Busy) || node.lies(Lie::BusyWithEstimates) {
        return too_many();
    }
    let mut rates = serde_json::Map::new();
    for target in [1, 3, 6, 144] {
        let Ok(estimate) = node.rpc("estimatesmartfee", json!([target])).await else { continue };
        if let Some(rate) = estimate["feerate"].as_f64() {
            rates.insert(target.to_string(), json!(rate * 100_000.0));
        }
    }
    HttpResponse::Ok().json(rates)
}

impl Explorer {
    pub async fn start(node: &Bitcoind) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (url, cookie) = (node.url().to_owned(), node.cookie());
        let lie: Arc<std::sync::Mutex<Option<Lie>>> = Arc::default();
        let told: Arc<std::sync::Mutex<Told>> = Arc::default();
        let (lied, noted) = (lie.clone(), told.clone());
        let (start, started) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let http = reqwest::Client::builder().no_proxy().build().unwrap();
                let chain = Mutex::default();
                let node = Data::from(Arc::new(Node { url, cookie, http, chain, lie: lied, told: noted }));
                let app = move || {
                    App::new()
                        .app_data(node.clone())
                        .route("/blocks/tip/height", web::get().to(tip_height))
                        .route("/blocks/tip/hash", web::get().to(tip_hash))
                        .route("/blocks/{from}", web::get().to(blocks))
                        .route("/block-height/{height}", web::get().to(block_height))
                        .route("/block/{hash}/header", web::get().to(block_header))
                        .route("/scripthash/{name}/txs", web::get().to(script_history))
                        .route("/scripthash/{name}/txs/chain", web::get().to(confirmed_history))
                        .route("/scripthash/{name}/txs/chain/{txid}", web::get().to(older_history))
                        .route("/tx/{txid}/raw", web::get().to(raw))
                        .route("/tx/{txid}/status", web::get().to(status))
                        .route("/tx/{txid}/outspend/{vout}", web::get().to(outspend))
                        .route("/tx/{txid}/merkle-proof", web::get().to(proof))
                        .route("/tx", web::post().to(send))
                        .route("/fee-estimates", web::get().to(fees))
                        .app_data(web::PayloadConfig::new(16 << 20))
                };
                let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1);
                let server = server.listen(listener).unwrap().run();
                let _ = start.send(server.handle());
                server.await.unwrap();
            });
        });
        Self { address, lie, told, handle: started.await.unwrap() }
    }

    pub fn lies(&self, lie: Lie) {
        *self.lie.lock().unwrap() = Some(lie);
    }

    pub fn is_honest_again(&self) {
        *self.lie.lock().unwrap() = None;
    }

    /// How often it was asked for the history of this script.
    pub fn asked(&self, script: &Script) -> usize {
        let name = sha256::Hash::hash(script.as_bytes()).to_string();
        self.told.lock().unwrap().asked.get(&name).copied().unwrap_or_default()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The desk's own client for it, asking anew each time.
    pub fn client(&self) -> Light {
        explored(&[self.url()], Network::Regtest)
    }
}

pub fn explored(urls: &[String], network: Network) -> Light {
    let addresses: Vec<_> = urls.iter().map(|url| url.parse().unwrap()).collect();
    esplora(&addresses, &Way::default(), network).unwrap().with_pace(std::time::Duration::ZERO)
}

impl Drop for Explorer {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}
