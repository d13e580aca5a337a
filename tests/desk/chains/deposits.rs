//! Money that arrives.

use trine::chain::{Cursor, Fact};

use super::coins::{Lock, coin_of, pay};
use super::on_every_chain;
use super::world::{World, seen};

on_every_chain! {
    a_deposit_is_seen_then_confirmed,
    two_deposits_are_two_outputs,
    a_script_watched_later_is_heard_from_then_on,
    a_waiting_deposit_is_told_until_the_caller_knows_it,
    a_confirmed_deposit_is_never_called_evicted,
    a_coinbase_output_is_called_one,
    many_blocks_are_read_in_several_answers,
    a_transaction_is_found_waiting_and_in_its_block,
}

async fn a_deposit_is_seen_then_confirmed(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    assert_eq!(desk.hear(world).await, []);
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, None)]);
    let unconfirmed = world.chain.unspent(coin_of(&deposit, 0).outpoint).await.unwrap().unwrap();
    assert_eq!((unconfirmed.confirmations, unconfirmed.coinbase), (0, false));
    desk.remember_unconfirmed(deposit.compute_txid());
    world.mine(3).await;
    let block = world.chain.cursor_at(world.height().await - 2).await.unwrap();
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, Some(block))]);
    let unspent = world.chain.unspent(coin_of(&deposit, 0).outpoint).await.unwrap().unwrap();
    assert_eq!((unspent.confirmations, unspent.output), (3, deposit.output[0].clone()));
}

async fn two_deposits_are_two_outputs(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let first = pay(&world.coin().await, &[(lock.script(), 60_000), (lock.script(), 40_000)], 1_000);
    let second = pay(&world.coin().await, &[(lock.script(), 50_000)], 1_000);
    world.broadcast(&first).await;
    world.mine(1).await;
    let block = world.tip().await;
    world.broadcast(&second).await;
    let heard = desk.hear(world).await;
    assert_eq!(heard, [seen(&first, 0, Some(block)), seen(&first, 1, Some(block)), seen(&second, 0, None)]);
}

async fn a_script_watched_later_is_heard_from_then_on(world: &mut World) {
    let (early, late) = (Lock::number(1), Lock::number(2));
    let mut desk = world.listener().await.watch_script(&early.script());
    let deposit = pay(&world.coin().await, &[(late.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    assert_eq!(desk.hear(world).await, []);
    desk.watched.scripts.insert(late.script());
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, None)], "it still waits, so it is not too late");
    world.mine(1).await;
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, Some(world.tip().await))]);
}

async fn a_waiting_deposit_is_told_until_the_caller_knows_it(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, None)]);
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, None)], "as if the desk had crashed before writing it down");
    desk.remember_unconfirmed(deposit.compute_txid());
    assert_eq!(desk.hear(world).await, []);
}

async fn a_confirmed_deposit_is_never_called_evicted(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    desk.remember_unconfirmed(deposit.compute_txid());
    world.mine(1).await;
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, Some(world.tip().await))]);
    assert_eq!(desk.hear(world).await, [], "though the caller still holds it for unconfirmed");
    world.mine(1).await;
    assert_eq!(desk.hear(world).await, []);
}

async fn a_coinbase_output_is_called_one(world: &mut World) {
    let mut desk = world.listener().await.watch_script(&super::coins::anyones_script());
    world.mine(1).await;
    let heard = desk.hear(world).await;
    assert!(matches!(heard[..], [Fact::OutputSeen { coinbase: true, block: Some(_), .. }]), "{heard:?}");
}

async fn many_blocks_are_read_in_several_answers(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let start = desk.cursor.height;
    world.mine(130).await;
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(120).await;
    let first = world.chain.facts_since(&desk.cursor, &desk.watched).await.unwrap();
    assert!(!first.caught_up);
    let heard = desk.hear_all(world).await;
    let heights: Vec<u32> = heard
        .iter()
        .filter_map(|fact| match fact {
            Fact::BlockConnected { block, .. } => Some(block.height),
            _ => None,
        })
        .collect();
    assert_eq!(heights, (start + 1..=start + 250).collect::<Vec<_>>());
    assert_eq!(heard.iter().filter(|fact| matches!(fact, Fact::OutputSeen { .. })).count(), 1);
    assert_eq!(desk.cursor, world.tip().await);
}

async fn a_transaction_is_found_waiting_and_in_its_block(world: &mut World) {
    let deposit = pay(&world.coin().await, &[(Lock::number(1).script(), 100_000)], 1_000);
    let txid = deposit.compute_txid();
    assert_eq!(world.chain.transaction(txid, None).await.unwrap(), None);
    world.broadcast(&deposit).await;
    assert_eq!(world.chain.transaction(txid, None).await.unwrap(), Some(deposit.clone()));
    world.mine(1).await;
    let block: Cursor = world.tip().await;
    assert_eq!(world.chain.transaction(txid, Some(block.hash)).await.unwrap(), Some(deposit));
}
