//! Ends, starts and strange nodes.

use std::net::SocketAddr;
use std::time::Duration;

use bitcoin::Network;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use serde_json::json;
use trine::chain::core::{Core, CoreAuth};
use trine::chain::practice::Fate;
use trine::chain::{Chain, ChainError, Cursor, Fact, Trouble, Watched};

use super::bitcoind::Bitcoind;
use super::coins::{Lock, pay};
use super::doors::{dead, named, of_chain, plays, silent};
use super::on_every_chain;
use super::world::{World, seen};

on_every_chain! {
    a_cursor_survives_a_restart_of_both_sides,
    a_cursor_left_on_a_dead_branch_finds_its_way_after_a_restart,
    an_unknown_cursor_is_told_to_the_operator,
}

async fn a_cursor_survives_a_restart_of_both_sides(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let confirmed = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    let waiting = pay(&world.coin().await, &[(lock.script(), 200_000)], 1_000);
    world.broadcast(&confirmed).await;
    world.mine(1).await;
    world.broadcast(&waiting).await;
    let kept = desk.cursor.to_string();
    let tip = world.tip().await;
    world.restart().await;
    assert_eq!(world.tip().await, tip);
    desk.cursor = kept.parse().unwrap();
    assert_eq!(desk.hear(world).await, [seen(&confirmed, 0, Some(tip)), seen(&waiting, 0, None)]);
}

async fn a_cursor_left_on_a_dead_branch_finds_its_way_after_a_restart(world: &mut World) {
    world.mine(1).await;
    let mut desk = world.listener().await;
    let block = desk.cursor;
    world.reorganise(1, Fate::Mined).await;
    world.restart().await;
    assert_eq!(desk.hear(world).await, [Fact::BlockDisconnected { block }]);
}

async fn an_unknown_cursor_is_told_to_the_operator(world: &mut World) {
    let nowhere = Cursor { height: 3, hash: bitcoin::BlockHash::from_byte_array([7; 32]) };
    let error = world.chain.facts_since(&nowhere, &Watched::default()).await.unwrap_err();
    assert!(matches!(error, ChainError::Confused(_)), "{error}");
}

#[tokio::test]
async fn a_node_of_another_network_is_told_to_the_operator() {
    let node = Bitcoind::start().await;
    let error = node.client(Network::Bitcoin).tip().await.unwrap_err();
    assert_eq!(error, ChainError::confused("the node is on regtest, the desk on main"));
}

/// The desk's client for what stands behind a door.
fn client(door: SocketAddr, network: Network) -> Core {
    let auth = CoreAuth::Password { user: "desk".to_owned(), password: "x".into() };
    Core::new(&format!("http://{door}"), auth, network).unwrap()
}

#[tokio::test]
async fn a_node_that_is_away_is_asked_again_later() {
    let nobody = dead().await;
    let error = client(nobody, Network::Regtest).tip().await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable(_)), "{error}");
    assert_eq!(error.trouble(), Some(Trouble::Absent));
    let no_cookie = CoreAuth::Cookie("/nowhere/.cookie".into());
    let core = Core::new(&format!("http://{nobody}"), no_cookie, Network::Regtest).unwrap();
    assert!(matches!(core.tip().await.unwrap_err(), ChainError::Unreachable(_)));
}

#[tokio::test]
async fn a_node_that_takes_the_question_and_never_answers_hangs() {
    let core = client(silent().await, Network::Regtest).with_patience(Duration::from_millis(500));
    let cursor = Cursor { height: 0, hash: genesis_block(Network::Regtest).block_hash() };
    let asked = [core.tip().await.map(drop), core.facts_since(&cursor, &Watched::default()).await.map(drop)];
    for error in asked.map(Result::unwrap_err) {
        assert!(matches!(error, ChainError::Hanging(_)), "{error}");
        assert_eq!(error.trouble(), Some(Trouble::Hanging));
    }
}

/// Played, for a real node on a network with a history reads it for days.
#[tokio::test]
async fn a_node_that_has_just_been_started_or_has_not_read_the_whole_chain_is_loading() {
    let info = |is_reading: bool| {
        let block = genesis_block(Network::Bitcoin).block_hash();
        json!({ "result": { "chain": "main", "blocks": 700_000, "bestblockhash": block, "time": 1_631_333_672,
            "initialblockdownload": is_reading, "chainwork": "00".repeat(32) } })
    };
    let started = json!({ "error": { "code": -28, "message": "Loading block index..." } });
    for (said, told) in [(info(true), "it has read 700000 blocks"), (started, "Loading block index")] {
        let door = plays(move |_| said.to_string()).await;
        let error = client(door, Network::Bitcoin).tip().await.unwrap_err();
        assert!(matches!(&error, ChainError::Loading(why) if why.contains(told)), "{told}: {error}");
        assert_eq!(error.trouble(), Some(Trouble::Loading));
    }
    let read = info(false);
    let door = plays(move |asked| of_chain(asked, &read, Network::Bitcoin)).await;
    assert_eq!(client(door, Network::Bitcoin).tip().await.unwrap().block.height, 700_000);
}

/// A node that was set up anew never had the block that the desk read last and the others have left since.
#[tokio::test]
async fn a_node_that_never_had_the_last_block_is_read_on_from_the_one_before() {
    let world = World::core().await;
    let mut desk = world.listener().await;
    world.mine(2).await;
    let read = desk.hear_all(&world).await;
    let Some(Fact::BlockConnected { block: last, .. }) = read.last() else { panic!("two blocks were read") };
    let left = Cursor { height: last.height, hash: bitcoin::BlockHash::all_zeros() };
    desk.cursor = left;
    let told = desk.hear_all(&world).await;
    assert!(matches!(&told[0], Fact::BlockDisconnected { block } if *block == left), "{told:?}");
    assert!(matches!(&told[1], Fact::BlockConnected { block, .. } if block == last), "{told:?}");
    assert_eq!(told.len(), 2);
}

/// It may have been away when the desk was started: so this is asked with its first answer, whenever that comes.
#[tokio::test]
async fn a_node_that_has_the_right_name_and_another_first_block_is_not_believed() {
    let cursor = Cursor { height: 0, hash: genesis_block(Network::Signet).block_hash() };
    for (network, is_right) in [(Network::Testnet, false), (Network::Signet, true)] {
        let core = client(plays(move |asked| of_chain(asked, &named("signet"), network)).await, Network::Signet);
        let tip = core.tip().await;
        assert_eq!(tip.is_ok(), is_right, "{tip:?}");
        if let Err(error) = tip {
            assert!(error.to_string().contains("is on another network: the first block of signet is"), "{error}");
            assert_eq!(core.facts_since(&cursor, &Watched::default()).await.unwrap_err(), error);
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_to_the_operator() {
    let node = Bitcoind::start().await;
    let auth = CoreAuth::Password { user: "desk".to_owned(), password: "wrong".into() };
    let core = Core::new(node.url(), auth, Network::Regtest).unwrap();
    assert!(matches!(core.tip().await.unwrap_err(), ChainError::Confused(_)));
}
