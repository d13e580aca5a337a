//! A parent and the child that pays for it.

use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::{Builder, PushBytesBuf};
use trine::chain::{ChainError, Fact};

use super::coins::{Lock, anyones_script, coin_of, pay};
use super::on_every_chain;
use super::world::{World, seen, spent};

on_every_chain! {
    a_parent_and_its_child_arrive_together_and_may_be_sent_again,
    a_child_of_a_parent_that_lost_is_refused,
}

async fn a_parent_and_its_child_arrive_together_and_may_be_sent_again(world: &mut World) {
    let lock = Lock::number(1);
    let mut desk = world.listener().await.watch_script(&lock.script());
    let parent = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    let escrow = coin_of(&parent, 0);
    let child = lock.spend(std::slice::from_ref(&escrow), &[(anyones_script(), 90_000)]);
    let package = [parent.clone(), child.clone()];
    world.chain.submit_package(&package).await.unwrap();
    assert_eq!(desk.hear(world).await, [seen(&parent, 0, None), spent(&escrow, &child, None)]);
    world.chain.submit_package(&package).await.unwrap();
    world.mine(1).await;
    world.chain.submit_package(&package).await.unwrap();
    assert!(desk.hear(world).await.iter().all(|fact| !matches!(fact, Fact::Evicted { .. })));
}

async fn a_child_of_a_parent_that_lost_is_refused(world: &mut World) {
    let lock = Lock::number(1);
    let coin = world.coin().await;
    let parent = pay(&coin, &[(lock.script(), 100_000)], 1_000);
    let child = lock.spend(&[coin_of(&parent, 0)], &[(anyones_script(), 90_000)]);
    world.broadcast(&pay(&coin, &[(lock.script(), 50_000)], 5_000)).await;
    world.mine(1).await;
    let refused = world.chain.submit_package(&[parent, child]).await.unwrap_err();
    assert!(matches!(refused, ChainError::Rejected(_)), "{refused}");
}

/// As many bytes as one transaction may well have.
const BULK_BYTES: usize = 95_000;

/// Fills the mempool of a node that was started with `-maxmempool=5` with what pays some 10 sat/vB, until the cheapest of
/// it is thrown out.
pub async fn fill_the_mempool(world: &mut World) {
    world.mine(62).await;
    let bytes = PushBytesBuf::try_from(vec![7; BULK_BYTES]).unwrap();
    let bulk = Builder::new().push_opcode(OP_RETURN).push_slice(bytes).into_script();
    for _ in 0..62 {
        let filler = pay(&world.coin().await, &[(bulk.clone(), 0)], 1_000_000);
        match world.chain.broadcast(&filler).await {
            Ok(()) => {}
            Err(ChainError::Rejected(why)) if why.contains("mempool") => return,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the mempool does not get full");
}

mod on_core_when_full {
    use super::*;

    #[tokio::test]
    async fn a_parent_below_the_mempools_minimum_arrives_with_a_child_that_pays_for_both() {
        let mut world = World::core_with(&["-maxmempool=5"]).await;
        let lock = Lock::number(1);
        let deposit = pay(&world.coin().await, &[(lock.script(), 1_000_000)], 1_000);
        world.broadcast(&deposit).await;
        world.mine(1).await;
        fill_the_mempool(&mut world).await;
        let escrow = coin_of(&deposit, 0);
        let parent = lock.spend(&[escrow], &[(anyones_script(), 999_800)]);
        let refused = world.chain.broadcast(&parent).await.unwrap_err();
        assert!(refused.to_string().contains("mempool min fee not met"), "{refused}");
        let estimate = world.chain.fee_rate(6).await.unwrap().to_sat_per_vb_ceil();
        assert!(estimate > 9, "an estimate is never under the mempool's minimum: {estimate}");
        let child = super::super::coins::spend_anyones(&[coin_of(&parent, 0)], &[(anyones_script(), 980_000)]);
        world.chain.submit_package(&[parent.clone(), child.clone()]).await.unwrap();
        for one in [&parent, &child] {
            assert!(world.chain.transaction(one.compute_txid(), None).await.unwrap().is_some());
        }
        let poor = super::super::coins::spend_anyones(&[coin_of(&parent, 0)], &[(anyones_script(), 999_000)]);
        let refused = world.chain.submit_package(&[parent, poor]).await.unwrap_err();
        assert!(matches!(refused, ChainError::Rejected(_)), "{refused}");
    }
}
