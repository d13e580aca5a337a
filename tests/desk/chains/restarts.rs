//! Ends, starts and strange nodes.

use bitcoin::Network;
use bitcoin::hashes::Hash;
use trine::chain::core::{Core, CoreAuth};
use trine::chain::practice::Fate;
use trine::chain::{Chain, ChainError, Cursor, Fact, Watched};

use super::bitcoind::Bitcoind;
use super::coins::{Lock, pay};
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

#[tokio::test]
async fn a_node_that_is_away_is_asked_again_later() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let auth = CoreAuth::Password { user: "desk".to_owned(), password: "x".into() };
    let core = Core::new(&format!("http://{nobody}"), auth, Network::Regtest).unwrap();
    assert!(matches!(core.tip().await.unwrap_err(), ChainError::Unreachable(_)));
    let no_cookie = CoreAuth::Cookie("/nowhere/.cookie".into());
    let core = Core::new(&format!("http://{nobody}"), no_cookie, Network::Regtest).unwrap();
    assert!(matches!(core.tip().await.unwrap_err(), ChainError::Unreachable(_)));
}

#[tokio::test]
async fn a_wrong_password_is_told_to_the_operator() {
    let node = Bitcoind::start().await;
    let auth = CoreAuth::Password { user: "desk".to_owned(), password: "wrong".into() };
    let core = Core::new(node.url(), auth, Network::Regtest).unwrap();
    assert!(matches!(core.tip().await.unwrap_err(), ChainError::Confused(_)));
}
