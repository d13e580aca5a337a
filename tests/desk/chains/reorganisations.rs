//! The chain changes its mind.

use trine::chain::practice::Fate;
use trine::chain::{BlockRef, Fact};

use super::coins::{Lock, anyones_script, coin_of, pay};
use super::on_every_chain;
use super::world::{World, seen, spent};

on_every_chain! {
    a_reorganisation_takes_a_deposit_back_and_brings_it_again,
    a_deposit_mined_again_is_told_with_its_new_block,
    a_deposit_double_spent_in_a_reorganisation_is_evicted,
    a_payout_follows_its_deposit_through_a_reorganisation,
    blocks_are_told_down_to_the_fork_and_up_again,
}

/// Its index keeps for ever what was in a block that left the chain.
mod on_core_with_an_index {
    use super::*;

    async fn indexed() -> World {
        World::core_with(&["-txindex=1"]).await
    }

    #[tokio::test]
    async fn a_reorganisation_takes_a_deposit_back_and_brings_it_again() {
        super::a_reorganisation_takes_a_deposit_back_and_brings_it_again(&mut indexed().await).await;
    }

    #[tokio::test]
    async fn a_deposit_mined_again_is_told_with_its_new_block() {
        super::a_deposit_mined_again_is_told_with_its_new_block(&mut indexed().await).await;
    }

    #[tokio::test]
    async fn a_deposit_double_spent_in_a_reorganisation_is_evicted() {
        super::a_deposit_double_spent_in_a_reorganisation_is_evicted(&mut indexed().await).await;
    }

    #[tokio::test]
    async fn a_payout_follows_its_deposit_through_a_reorganisation() {
        super::a_payout_follows_its_deposit_through_a_reorganisation(&mut indexed().await).await;
    }
}

async fn a_reorganisation_takes_a_deposit_back_and_brings_it_again(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(1).await;
    let block = world.tip().await;
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, Some(block))]);
    world.reorganise(1, Fate::Waiting).await;
    assert_eq!(desk.hear(world).await, [Fact::BlockDisconnected { block }, seen(&deposit, 0, None)]);
    desk.remember_unconfirmed(deposit.compute_txid());
    world.mine(1).await;
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, Some(world.tip().await))]);
}

async fn a_deposit_mined_again_is_told_with_its_new_block(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(2).await;
    let second = world.tip().await;
    let first = world.chain.cursor_at(second.height - 1).await.unwrap();
    desk.hear(world).await;
    world.reorganise(2, Fate::Mined).await;
    let again = world.chain.cursor_at(first.height).await.unwrap();
    assert_ne!(again, first);
    let gone = |block| Fact::BlockDisconnected { block };
    assert_eq!(desk.hear(world).await, [gone(second), gone(first), seen(&deposit, 0, Some(again))]);
}

async fn a_deposit_double_spent_in_a_reorganisation_is_evicted(world: &mut World) {
    let lock = Lock::number(1);
    let coin = world.coin().await;
    let mut desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&coin, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(1).await;
    let block = world.tip().await;
    desk.hear(world).await;
    world.reorganise(1, Fate::Waiting).await;
    let elsewhere = pay(&coin, &[(Lock::number(2).script(), 100_000)], 5_000);
    world.broadcast(&elsewhere).await;
    world.mine(1).await;
    assert_eq!(desk.hear(world).await, [Fact::BlockDisconnected { block }]);
    // What the block held is now unconfirmed in the desk's books.
    desk.remember_unconfirmed(deposit.compute_txid());
    assert_eq!(desk.hear(world).await, [Fact::Evicted { txid: deposit.compute_txid() }]);
    assert_eq!(world.chain.unspent(coin_of(&deposit, 0).outpoint).await.unwrap(), None);
    assert_eq!(world.chain.transaction(deposit.compute_txid(), None).await.unwrap(), None);
}

async fn a_payout_follows_its_deposit_through_a_reorganisation(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    let escrow = coin_of(&deposit, 0);
    let payout = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 99_000)]);
    world.broadcast(&deposit).await;
    world.mine(1).await;
    let below = world.tip().await;
    world.broadcast(&payout).await;
    world.mine(1).await;
    let above = world.tip().await;
    desk.hear(world).await;
    world.reorganise(2, Fate::Waiting).await;
    let gone = |block| Fact::BlockDisconnected { block };
    let heard = desk.hear(world).await;
    assert_eq!(heard, [gone(above), gone(below), seen(&deposit, 0, None), spent(&escrow, &payout, None)]);
    world.mine(1).await;
    let block = Some(world.tip().await);
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, block), spent(&escrow, &payout, block)]);
}

async fn blocks_are_told_down_to_the_fork_and_up_again(world: &mut World) {
    world.mine(3).await;
    let mut desk = world.listener().await;
    let old: Vec<BlockRef> = branch(world, 3).await;
    world.reorganise(3, Fate::Mined).await;
    let new: Vec<BlockRef> = branch(world, 4).await;
    let told: Vec<(bool, BlockRef)> = desk
        .hear_all(world)
        .await
        .into_iter()
        .map(|fact| match fact {
            Fact::BlockConnected { block, .. } => (true, block),
            Fact::BlockDisconnected { block } => (false, block),
            other => panic!("{other:?}"),
        })
        .collect();
    let down = old.iter().rev().map(|block| (false, *block));
    let up = new.iter().map(|block| (true, *block));
    assert_eq!(told, down.chain(up).collect::<Vec<_>>());
}

/// The last blocks of the best chain, lowest first.
async fn branch(world: &World, length: u32) -> Vec<BlockRef> {
    let height = world.height().await;
    let mut blocks = Vec::new();
    for height in height + 1 - length..=height {
        blocks.push(world.chain.cursor_at(height).await.unwrap());
    }
    blocks
}
