//! Money that leaves.

use trine::chain::{ChainError, Coin as Lying, FEE_RATE_MAX, FEE_RATE_MIN, Fact};

use super::coins::{Coin, Lock, anyones_script, coin_of, pay};
use super::on_every_chain;
use super::world::{World, seen, spent};

on_every_chain! {
    a_spend_is_seen_then_confirmed,
    a_deposit_spent_at_once_is_told_with_its_spend,
    broadcasting_again_is_no_error,
    a_replaced_spend_is_evicted,
    a_double_spend_in_a_block_evicts_what_waited,
    what_lies_at_a_script_is_found_without_having_followed_it,
    fee_rates_are_sane,
}

async fn a_spend_is_seen_then_confirmed(world: &mut World) {
    let lock = Lock::number(1);
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(1).await;
    let escrow = coin_of(&deposit, 0);
    let mut desk = world.listener().await.watch_outpoint(escrow.outpoint);
    let payout = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 99_000)]);
    world.chain.test_accept(&payout).await.unwrap();
    assert_eq!(desk.hear(world).await, [], "asking is not sending");
    world.broadcast(&payout).await;
    assert_eq!(desk.hear(world).await, [spent(&escrow, &payout, None)]);
    assert_eq!(world.chain.unspent(escrow.outpoint).await.unwrap(), None);
    desk.remember_unconfirmed(payout.compute_txid());
    assert_eq!(desk.hear(world).await, []);
    world.mine(1).await;
    assert_eq!(desk.hear(world).await, [spent(&escrow, &payout, Some(world.tip().await))]);
    assert_eq!(world.chain.unspent(escrow.outpoint).await.unwrap(), None);
}

async fn a_deposit_spent_at_once_is_told_with_its_spend(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    let escrow = coin_of(&deposit, 0);
    let payout = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 99_000)]);
    world.broadcast(&deposit).await;
    world.broadcast(&payout).await;
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, None), spent(&escrow, &payout, None)]);
    world.mine(1).await;
    let block = Some(world.tip().await);
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, block), spent(&escrow, &payout, block)]);
}

async fn what_lies_at_a_script_is_found_without_having_followed_it(world: &mut World) {
    let (lock, other) = (Lock::number(1), Lock::number(2));
    let at = [lock.script(), other.script()];
    assert_eq!(world.chain.coins_at(&at).await.unwrap(), []);
    let first = pay(&world.coin().await, &[(lock.script(), 100_000), (lock.script(), 50_000)], 1_000);
    world.broadcast(&first).await;
    assert_eq!(world.chain.coins_at(&at).await.unwrap(), [], "what waits is in no block");
    world.mine(1).await;
    let height = world.height().await;
    let second = pay(&world.coin().await, &[(other.script(), 70_000)], 1_000);
    world.broadcast(&second).await;
    world.mine(1).await;

    let there = |coin: Coin, height: u32| Lying { outpoint: coin.outpoint, output: coin.output, height };
    let all =
        [there(coin_of(&first, 0), height), there(coin_of(&first, 1), height), there(coin_of(&second, 0), height + 1)];
    let sorted = |mut coins: Vec<Lying>| {
        coins.sort_by_key(|coin| (coin.height, coin.outpoint.vout));
        coins
    };
    assert_eq!(sorted(world.chain.coins_at(&at).await.unwrap()), all);
    assert_eq!(world.chain.coins_at(&at[1..]).await.unwrap(), all[2..]);
    assert_eq!(world.chain.coins_at(&[]).await.unwrap(), []);

    let payout = lock.spend(&[coin_of(&first, 0)], &[(anyones_script(), 99_000)]);
    world.broadcast(&payout).await;
    assert_eq!(sorted(world.chain.coins_at(&at).await.unwrap()), all, "a spend that waits is not in the chain");
    world.mine(1).await;
    assert_eq!(sorted(world.chain.coins_at(&at).await.unwrap()), all[1..]);
}

async fn broadcasting_again_is_no_error(world: &mut World) {
    let lock = Lock::number(1);
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.broadcast(&deposit).await;
    world.chain.test_accept(&deposit).await.unwrap();
    world.mine(1).await;
    world.broadcast(&deposit).await;
    world.chain.test_accept(&deposit).await.unwrap();
}

async fn a_replaced_spend_is_evicted(world: &mut World) {
    let lock = Lock::number(1);
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(1).await;
    let escrow = coin_of(&deposit, 0);
    let mut desk = world.listener().await.watch_outpoint(escrow.outpoint);
    let slow = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 99_000)]);
    let fast = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 97_000)]);
    world.broadcast(&slow).await;
    desk.hear(world).await;
    desk.remember_unconfirmed(slow.compute_txid());
    world.broadcast(&fast).await;
    let gone = Fact::Evicted { txid: slow.compute_txid() };
    assert_eq!(desk.hear(world).await, [spent(&escrow, &fast, None), gone]);
    let refused = world.chain.broadcast(&slow).await.unwrap_err();
    assert!(matches!(refused, ChainError::Rejected(_)), "{refused}");
}

async fn a_double_spend_in_a_block_evicts_what_waited(world: &mut World) {
    let lock = Lock::number(1);
    let coin = world.coin().await;
    let mut desk = world.listener().await.watch_script(&lock.script());
    let deposit = pay(&coin, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    assert_eq!(desk.hear(world).await, [seen(&deposit, 0, None)]);
    desk.remember_unconfirmed(deposit.compute_txid());
    let elsewhere = pay(&coin, &[(Lock::number(2).script(), 100_000)], 5_000);
    world.broadcast(&elsewhere).await;
    world.mine(1).await;
    let gone = Fact::Evicted { txid: deposit.compute_txid() };
    assert_eq!(desk.hear(world).await, std::slice::from_ref(&gone));
    assert_eq!(desk.hear(world).await, [gone], "until the caller has written it down");
    desk.forget_unconfirmed(deposit.compute_txid());
    assert_eq!(desk.hear(world).await, []);
}

async fn fee_rates_are_sane(world: &mut World) {
    for target in [0, 1, 6, 144, u16::MAX] {
        let rate = world.chain.fee_rate(target).await.unwrap();
        assert!((FEE_RATE_MIN..=FEE_RATE_MAX).contains(&rate), "{target}: {rate}");
    }
}
