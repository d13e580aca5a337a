//! One backend with its miner, and somebody who listens to it.

use std::sync::Arc;

use bitcoin::{Address, Block, Network, OutPoint, ScriptBuf, Transaction, Txid};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use trine::chain::practice::{Fate, Practice};
use trine::chain::{BlockRef, Chain, Cursor, Fact, Watched};

use super::bitcoind::{Bitcoind, Folder};
use super::coins::{Coin, anyones_script, coin_of};
use super::electrs::{self, Electrs};
use super::esplora::{self, Esplora};
use super::explorer::Explorer;

/// Enough for ten coins that may be spent.
const BLOCKS_AT_START: u32 = 110;
/// Of the chain before it listens, somebody knows so many.
const REMEMBERED_BLOCKS: u32 = 10;

#[derive(Debug)]
pub struct World {
    pub chain: Arc<dyn Chain>,
    backend: Backend,
    /// What stands between the node and the desk.
    front: Option<Front>,
    /// Height of the next coinbase to spend.
    next_coin: u32,
}

#[derive(Debug)]
enum Backend {
    Practice { practice: Option<Arc<Practice>>, folder: Folder, now: Option<Timestamp> },
    Core(Bitcoind),
}

#[derive(Debug)]
enum Front {
    Electrs(Electrs),
    Esplora(Esplora),
    Explorer(Explorer),
}

impl World {
    pub fn practice() -> Self {
        Self::practice_at(Some("2026-11-21T12:00:00Z".parse().unwrap()))
    }

    /// One whose blocks are of today, for a desk that looks at their time.
    pub fn practice_today() -> Self {
        Self::practice_at(None)
    }

    fn practice_at(now: Option<Timestamp>) -> Self {
        let folder = Folder::new();
        let practice = Arc::new(Practice::open(&folder.0.join("chain")).unwrap());
        practice.mine(BLOCKS_AT_START, now.unwrap_or_else(Timestamp::now)).unwrap();
        let backend = Backend::Practice { practice: Some(practice.clone()), folder, now };
        Self { chain: practice, backend, front: None, next_coin: 1 }
    }

    pub async fn core() -> Self {
        Self::core_with(&[]).await
    }

    /// A node with further options.
    pub async fn core_with(options: &'static [&'static str]) -> Self {
        let node = Bitcoind::start_with(options).await;
        let chain = Arc::new(node.client(Network::Regtest));
        let world = Self { chain, backend: Backend::Core(node), front: None, next_coin: 1 };
        world.mine(BLOCKS_AT_START).await;
        world
    }

    /// A node with electrs before it.
    pub async fn electrum() -> Self {
        let mut world = Self::core_with(electrs::node_options()).await;
        let server = Electrs::start(world.node()).await;
        world.chain = Arc::new(server.client());
        world.front = Some(Front::Electrs(server));
        world
    }

    /// A node with an Esplora server before it: a real one if the run has one.
    pub async fn esplora() -> Self {
        let Some(program) = esplora::program() else { return Self::explored().await };
        let mut world = Self::core().await;
        let server = Esplora::start(program, world.node()).await;
        world.chain = Arc::new(server.client());
        world.front = Some(Front::Esplora(server));
        world
    }

    /// A node with the tests' own Esplora server before it, which tells lies if it is asked to.
    pub async fn explored() -> Self {
        let mut world = Self::core().await;
        let server = Explorer::start(world.node()).await;
        world.chain = Arc::new(server.client());
        world.front = Some(Front::Explorer(server));
        world
    }

    pub fn node(&self) -> &Bitcoind {
        match &self.backend {
            Backend::Core(node) => node,
            Backend::Practice { .. } => panic!("the practice chain has no node"),
        }
    }

    pub fn electrs(&self) -> std::net::SocketAddr {
        match &self.front {
            Some(Front::Electrs(server)) => server.address,
            _ => panic!("no electrs stands before this node"),
        }
    }

    pub fn explorer(&self) -> &Explorer {
        match &self.front {
            Some(Front::Explorer(server)) => server,
            _ => panic!("no explorer stands before this node"),
        }
    }

    /// Servers that are asked by script have no mempool rules of their own to ask.
    pub fn tries_all(&self) -> bool {
        self.front.is_none()
    }

    /// Waits until what stands before the node knows what the node knows.
    async fn settle(&self) {
        match &self.front {
            Some(Front::Electrs(server)) => server.catch_up(self.node()).await,
            Some(Front::Esplora(server)) => server.catch_up(self.node()).await,
            Some(Front::Explorer(_)) | None => {}
        }
    }

    pub async fn mine(&self, blocks: u32) {
        match &self.backend {
            Backend::Practice { practice, now, .. } => {
                practice.as_ref().unwrap().mine(blocks, now.unwrap_or_else(Timestamp::now)).unwrap();
            }
            Backend::Core(node) => {
                node.rpc("generatetoaddress", json!([blocks, address(&anyones_script())])).await;
            }
        }
        self.settle().await;
    }

    /// A block whose new coins go to this script.
    pub async fn mine_for(&self, script: &ScriptBuf) {
        match &self.backend {
            Backend::Practice { practice, now, .. } => {
                practice.as_ref().unwrap().mine_for(script, now.unwrap_or_else(Timestamp::now)).unwrap();
            }
            Backend::Core(node) => {
                node.rpc("generatetoaddress", json!([1, address(script)])).await;
            }
        }
        self.settle().await;
    }

    /// Blocks that leave everything waiting.
    pub async fn mine_empty(&self, blocks: u32) {
        match &self.backend {
            Backend::Practice { practice, now, .. } => {
                practice.as_ref().unwrap().mine_empty(blocks, now.unwrap_or_else(Timestamp::now)).unwrap();
            }
            Backend::Core(node) => {
                for _ in 0..blocks {
                    node.rpc("generateblock", json!([address(&anyones_script()), []])).await;
                }
            }
        }
        self.settle().await;
    }

    /// A block that holds this transaction and none of the others, which wait on where they still can. A miner takes it,
    /// whatever the mempool holds.
    pub async fn mine_only(&self, one: &Transaction, others: &[Transaction]) {
        match &self.backend {
            Backend::Practice { practice, now, .. } => {
                let practice = practice.as_ref().unwrap();
                others.iter().for_each(|other| practice.evict(other.compute_txid()).unwrap());
                self.broadcast(one).await;
                practice.mine(1, now.unwrap_or_else(Timestamp::now)).unwrap();
                for other in others {
                    drop(self.chain.broadcast(other).await);
                }
            }
            Backend::Core(node) => {
                let one = bitcoin::consensus::encode::serialize_hex(one);
                node.rpc("generateblock", json!([address(&anyones_script()), [one]])).await;
            }
        }
        self.settle().await;
    }

    /// Only the practice chain forgets on demand.
    pub fn forgets(&self) -> bool {
        matches!(self.backend, Backend::Practice { .. })
    }

    /// The node's mempool forgets this transaction.
    pub fn forget(&self, transaction: &Transaction) {
        match &self.backend {
            Backend::Practice { practice, .. } => practice.as_ref().unwrap().evict(transaction.compute_txid()).unwrap(),
            Backend::Core(_) => panic!("a real node forgets nothing on demand"),
        }
    }

    /// What reached an address, in blocks.
    pub async fn got(&self, at: &Address) -> u64 {
        let script = at.script_pubkey();
        let mut got = 0;
        for height in 0..=self.height().await {
            let outputs = self.block(height).await.txdata.into_iter().flat_map(|one| one.output);
            got += outputs.filter(|one| one.script_pubkey == script).map(|one| one.value.to_sat()).sum::<u64>();
        }
        got
    }

    /// Takes `depth` blocks away and makes one more; their transactions are mined again, or wait.
    pub async fn reorganise(&self, depth: u32, fate: Fate) {
        match &self.backend {
            Backend::Practice { practice, now, .. } => {
                let later = now.unwrap_or_else(Timestamp::now).checked_add(SignedDuration::from_mins(1)).unwrap();
                practice.as_ref().unwrap().reorganise(depth, fate, later).unwrap();
            }
            Backend::Core(node) => {
                let height = self.height().await;
                let first = node.rpc("getblockhash", json!([height + 1 - depth])).await;
                node.rpc("invalidateblock", json!([first])).await;
                // Another address, or the same block would be made again.
                let other = address(&super::coins::Lock::number(200).script());
                for _ in 0..=depth {
                    match fate {
                        Fate::Mined => node.rpc("generatetoaddress", json!([1, other])).await,
                        Fate::Waiting => node.rpc("generateblock", json!([other, []])).await,
                        Fate::Forgotten => panic!("a real node forgets nothing on demand"),
                    };
                }
            }
        }
        self.settle().await;
    }

    /// Ends the node and starts it again on what it kept.
    pub async fn restart(&mut self) {
        match &mut self.backend {
            Backend::Practice { practice, folder, .. } => {
                *practice = None;
                // The last handle, so that the file's lock is free.
                self.chain = Arc::new(Practice::in_memory());
                let opened = Arc::new(Practice::open(&folder.0.join("chain")).unwrap());
                *practice = Some(opened.clone());
                self.chain = opened;
            }
            Backend::Core(node) => {
                node.restart().await;
                self.chain = match &mut self.front {
                    None => Arc::new(node.client(Network::Regtest)),
                    Some(Front::Electrs(server)) => {
                        server.restart(node).await;
                        Arc::new(server.client())
                    }
                    Some(Front::Esplora(server)) => {
                        server.restart(node).await;
                        Arc::new(server.client())
                    }
                    Some(Front::Explorer(server)) => {
                        *server = Explorer::start(node).await;
                        Arc::new(server.client())
                    }
                };
            }
        }
    }

    pub async fn height(&self) -> u32 {
        self.chain.tip().await.unwrap().block.height
    }

    pub async fn tip(&self) -> BlockRef {
        self.chain.tip().await.unwrap().block
    }

    /// A coin of 50 bitcoin that anyone may spend, each time another one.
    pub async fn coin(&mut self) -> Coin {
        self.next_coin += 1;
        self.coin_at(self.next_coin - 1).await
    }

    /// What the block at this height made.
    pub async fn coin_at(&self, height: u32) -> Coin {
        coin_of(&self.block(height).await.txdata[0], 0)
    }

    pub async fn block(&self, height: u32) -> Block {
        match &self.backend {
            Backend::Practice { practice, .. } => practice.as_ref().unwrap().block(height).unwrap(),
            Backend::Core(node) => {
                let hash = node.rpc("getblockhash", json!([height])).await;
                let hex = node.rpc("getblock", json!([hash, 0])).await;
                bitcoin::consensus::encode::deserialize_hex(hex.as_str().unwrap()).unwrap()
            }
        }
    }

    pub async fn broadcast(&self, transaction: &Transaction) {
        self.chain.broadcast(transaction).await.unwrap();
        self.settle().await;
    }

    pub async fn listener(&self) -> Listener {
        let cursor = self.tip().await;
        let mut watched = Watched::default();
        for height in cursor.height.saturating_sub(REMEMBERED_BLOCKS)..=cursor.height {
            watched.trail.step(self.chain.cursor_at(height).await.unwrap());
        }
        Listener { cursor, watched }
    }
}

fn address(script: &ScriptBuf) -> String {
    Address::from_script(script, Network::Regtest).unwrap().to_string()
}

/// Somebody with a cursor, as the desk is.
#[derive(Debug)]
pub struct Listener {
    pub cursor: Cursor,
    pub watched: Watched,
}

impl Listener {
    pub fn watch_script(mut self, script: &ScriptBuf) -> Self {
        self.watched.scripts.insert(script.clone());
        self
    }

    pub fn watch_outpoint(mut self, outpoint: OutPoint) -> Self {
        self.watched.outpoints.insert(outpoint);
        self
    }

    /// Everything new, asked for until nothing is left, connected blocks left out.
    pub async fn hear(&mut self, world: &World) -> Vec<Fact> {
        let facts = self.hear_all(world).await;
        facts.into_iter().filter(|fact| !matches!(fact, Fact::BlockConnected { .. })).collect()
    }

    pub async fn hear_all(&mut self, world: &World) -> Vec<Fact> {
        world.settle().await;
        let mut heard = Vec::new();
        loop {
            let facts = world.chain.facts_since(&self.cursor, &self.watched).await.unwrap();
            self.cursor = facts.cursor;
            self.watched.trail.follow(&facts.events);
            heard.extend(facts.events);
            if facts.caught_up {
                return heard;
            }
        }
    }

    /// As the desk does once it has written down what it heard.
    pub fn remember_unconfirmed(&mut self, txid: Txid) {
        self.watched.unconfirmed.insert(txid);
    }

    pub fn forget_unconfirmed(&mut self, txid: Txid) {
        self.watched.unconfirmed.remove(&txid);
    }
}

/// The fact that this transaction's output was seen.
pub fn seen(transaction: &Transaction, vout: u32, block: Option<BlockRef>) -> Fact {
    let coin = coin_of(transaction, vout);
    Fact::OutputSeen {
        outpoint: coin.outpoint,
        script: coin.output.script_pubkey,
        amount: coin.output.value,
        coinbase: transaction.is_coinbase(),
        transaction: transaction.clone(),
        block,
    }
}

/// The fact that this transaction spends that output.
pub fn spent(coin: &Coin, by: &Transaction, block: Option<BlockRef>) -> Fact {
    Fact::Spent { outpoint: coin.outpoint, by: by.clone(), block }
}
