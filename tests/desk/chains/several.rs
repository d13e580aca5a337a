//! Several servers: the first that answers right is heard, and a better one behind it when it may be behind itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bitcoin::consensus::encode::serialize_hex;
use bitcoin::constants::genesis_block;
use bitcoin::{Address, Network};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use trine::chain::electrum::electrum;
use trine::chain::esplora::esplora;
use trine::chain::light::Light;
use trine::chain::link::Way;
use trine::chain::{BlockRef, Chain, ChainError, Watched};

use super::bitcoind::Bitcoind;
use super::coins::{Lock, anyones_script, pay};
use super::doors::{liar, plays, silent};
use super::electrs::{Electrs, node_options, node_options_with};
use super::explorer::{Explorer, Lie};
use super::world::{Listener, World};

/// Of November 2023: a block that is made at that time is old.
const LONG_AGO: &str = "-mocktime=1700000000";
const BLOCKS_LONG_AGO: u32 = 40;

fn hasty() -> Way {
    Way { patience: Duration::from_millis(500), ..Way::default() }
}

/// By the scheme of their addresses.
fn of(servers: &[String], way: &Way) -> Light {
    if servers[0].starts_with("tcp:") {
        let servers: Vec<_> = servers.iter().map(|server| server.parse().unwrap()).collect();
        electrum(&servers, way, Network::Regtest).unwrap()
    } else {
        let servers: Vec<_> = servers.iter().map(|server| server.parse().unwrap()).collect();
        esplora(&servers, way, Network::Regtest).unwrap().with_pace(Duration::ZERO)
    }
}

fn tcp(address: SocketAddr) -> String {
    format!("tcp://{address}")
}

fn http(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// A deposit in the best block, and somebody who has not heard of it yet.
async fn deposited(world: &mut World) -> Listener {
    let lock = Lock::number(1);
    let desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(1).await;
    desk
}

/// Whatever is wrong with the first, the second is heard: of the tip, and of the block with the deposit.
async fn the_second_is_heard(world: &World, desk: &Listener, bad: &str, second: &str) {
    let several = of(&[bad.to_owned(), second.to_owned()], &hasty());
    let facts = several.facts_since(&desk.cursor, &desk.watched).await;
    assert_eq!(facts.expect(bad).events.len(), 2, "the block and the deposit: {bad}");
    assert_eq!(several.tip().await.unwrap().block, world.tip().await, "{bad}");
    let alone = of(&[bad.to_owned()], &hasty());
    let error = alone.facts_since(&desk.cursor, &desk.watched).await.expect_err(bad);
    assert!(!matches!(error, ChainError::Rejected(_)), "{bad}: {error}");
}

/// The chain of one node up to some block, given to another.
async fn copy(from: &Bitcoind, to: &Bitcoind, height: u32) {
    for height in 1..=height {
        let hash = from.rpc("getblockhash", json!([height])).await;
        let block = from.rpc("getblock", json!([hash, 0])).await;
        assert_eq!(to.rpc("submitblock", json!([block])).await, Value::Null);
    }
}

async fn mine(node: &Bitcoind, blocks: u32) {
    let to = Address::from_script(&anyones_script(), Network::Regtest).unwrap().to_string();
    node.rpc("generatetoaddress", json!([blocks, to])).await;
}

async fn best(node: &Bitcoind) -> BlockRef {
    node.client(Network::Regtest).tip().await.unwrap().block
}

/// A node that has heard of no block since long ago, and one that has the same chain and a block of today.
async fn stale_and_fresh() -> [Bitcoind; 2] {
    let stale = Bitcoind::start_with(node_options_with(&[LONG_AGO])).await;
    mine(&stale, BLOCKS_LONG_AGO).await;
    let fresh = Bitcoind::start_with(node_options()).await;
    copy(&stale, &fresh, BLOCKS_LONG_AGO).await;
    mine(&fresh, 1).await;
    [stale, fresh]
}

/// Nobody is there who answers, and how often he was called.
async fn counts() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, calls) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = calls.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    (address, calls)
}

/// While the first has a block of today nobody else is asked; when its best block is old the other is, in vain here.
async fn others_are_asked_when_the_best_block_is_old(fresh: &str, stale: &str, scheme: &str) {
    for (first, is_old) in [(fresh, false), (stale, true)] {
        let (door, calls) = counts().await;
        let several = of(&[first.to_owned(), format!("{scheme}://{door}")], &hasty());
        let alone = of(&[first.to_owned()], &hasty()).tip().await.unwrap();
        for _ in 0..2 {
            assert_eq!(several.tip().await.unwrap(), alone);
        }
        assert_eq!(calls.load(Ordering::SeqCst) > 0, is_old, "{first}");
    }
}

mod on_electrum {
    use super::*;

    fn another_place(line: String) -> String {
        line.replace("\"pos\":1", "\"pos\":2")
    }

    fn another_network(line: String) -> String {
        let first = |network| serialize_hex(&genesis_block(network).header);
        line.replace(&first(Network::Regtest), &first(Network::Signet))
    }

    #[tokio::test]
    async fn the_first_that_answers_right_is_heard_whatever_is_wrong_with_those_before_it() {
        let mut world = World::electrum().await;
        let behind = Bitcoind::start_with(node_options()).await;
        copy(world.node(), &behind, world.height().await - 1).await;
        let behind = Electrs::start(&behind).await;
        let desk = deposited(&mut world).await;
        let right = world.electrs();
        let bad =
            [liar(right, another_place).await, liar(right, another_network).await, silent().await, behind.address];
        for bad in bad {
            the_second_is_heard(&world, &desk, &tcp(bad), &tcp(right)).await;
        }
    }

    #[tokio::test]
    async fn a_server_whose_best_block_is_old_gives_way_to_one_with_more_work() {
        let [old, new] = stale_and_fresh().await;
        let (stale, fresh) = (Electrs::start(&old).await, Electrs::start(&new).await);
        let several = of(&[tcp(stale.address), tcp(fresh.address)], &Way::default());
        assert_eq!(several.tip().await.unwrap().block, best(&new).await);
        let cursor = of(&[tcp(stale.address)], &Way::default()).tip().await.unwrap().block;
        let facts = several.facts_since(&cursor, &Watched::default()).await.unwrap();
        assert_eq!(facts.cursor, best(&new).await, "it is read, too");
        others_are_asked_when_the_best_block_is_old(&tcp(fresh.address), &tcp(stale.address), "tcp").await;
    }
}

mod on_esplora {
    use super::*;

    /// Whatever it is asked, it tells of the first block of another network.
    fn another_network(_: &str) -> String {
        let header = genesis_block(Network::Signet).header;
        json!([{ "id": header.block_hash(), "height": 0, "version": header.version.to_consensus(),
            "timestamp": header.time, "bits": header.bits.to_consensus(), "nonce": header.nonce,
            "merkle_root": header.merkle_root }])
        .to_string()
    }

    #[tokio::test]
    async fn the_first_that_answers_right_is_heard_whatever_is_wrong_with_those_before_it() {
        let mut world = World::explored().await;
        let node = Bitcoind::start().await;
        copy(world.node(), &node, world.height().await - 1).await;
        let (behind, lying) = (Explorer::start(&node).await, Explorer::start(world.node()).await);
        lying.lies(Lie::AnotherPlace);
        let desk = deposited(&mut world).await;
        let bad = [lying.address, plays(another_network).await, silent().await, behind.address];
        for bad in bad {
            the_second_is_heard(&world, &desk, &http(bad), &http(world.explorer().address)).await;
        }
    }

    #[tokio::test]
    async fn a_server_whose_best_block_is_old_gives_way_to_one_with_more_work_and_to_no_other() {
        let [old, new] = stale_and_fresh().await;
        let (stale, fresh, lying) =
            (Explorer::start(&old).await, Explorer::start(&new).await, Explorer::start(&new).await);
        let another = Bitcoind::start().await;
        mine(&another, BLOCKS_LONG_AGO + 2).await;
        let another = Explorer::start(&another).await;
        lying.lies(Lie::AnotherHeader);
        let first = http(stale.address);
        for other in [&lying, &another] {
            let several = of(&[first.clone(), http(other.address)], &Way::default());
            assert_eq!(several.tip().await.unwrap().block, best(&old).await, "{other:?}");
        }
        let all = [&stale, &another, &lying, &fresh].map(|server| http(server.address));
        assert_eq!(of(&all, &Way::default()).tip().await.unwrap().block, best(&new).await);
        others_are_asked_when_the_best_block_is_old(&http(fresh.address), &first, "http").await;
    }

    /// Its best block is of today, and another server had told a later one.
    #[tokio::test]
    async fn a_server_that_knows_less_than_another_told_gives_way_when_that_one_is_back() {
        let world = World::explored().await;
        let node = Bitcoind::start().await;
        copy(world.node(), &node, world.height().await - 1).await;
        let (behind, ahead) = (Explorer::start(&node).await, world.explorer());
        let several = of(&[http(ahead.address), http(behind.address)], &Way::default());
        let tip = several.tip().await.unwrap().block;
        assert_eq!(tip, world.tip().await);
        ahead.lies(Lie::Busy);
        assert_eq!(several.tip().await.unwrap().block, best(&node).await);
        ahead.is_honest_again();
        assert_eq!(several.tip().await.unwrap().block, tip);
    }
}
