//! What no chain takes, in the order a cheat would try.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::opcodes::all::OP_ADD;
use bitcoin::script::Builder;
use bitcoin::secp256k1::{SecretKey, ecdsa::Signature};
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, Txid, Witness, ecdsa, transaction};
use trine::chain::ChainError;

use super::coins::{Coin, Lock, anyones_script, coin_of, pay, spend_anyones, unsigned};
use super::on_every_chain;
use super::world::World;

on_every_chain! {
    wrong_signatures_are_refused,
    what_is_spent_or_never_was_is_refused,
    odd_forms_are_refused,
    fees_are_neither_too_low_nor_a_slip_of_the_hand,
    what_is_too_early_is_refused,
    a_replacement_pays_more,
}

async fn refused(world: &World, transaction: &Transaction, what: &str) {
    let tried = world.chain.test_accept(transaction).await;
    let refused = matches!(tried, Err(ChainError::Rejected(_)));
    assert!(refused || (tried.is_ok() && !world.tries_all()), "{what}, tried: {tried:?}");
    let sent = world.chain.broadcast(transaction).await;
    assert!(matches!(sent, Err(ChainError::Rejected(_))), "{what}, sent: {sent:?}");
    assert_eq!(world.chain.transaction(transaction.compute_txid(), None).await, Ok(None), "{what}");
}

/// A confirmed deposit into the lock.
async fn deposit(world: &mut World, lock: &Lock) -> Coin {
    let deposit = pay(&world.coin().await, &[(lock.script(), 100_000)], 1_000);
    world.broadcast(&deposit).await;
    world.mine(1).await;
    coin_of(&deposit, 0)
}

async fn wrong_signatures_are_refused(world: &mut World) {
    let lock = Lock::number(1);
    let escrow = deposit(world, &lock).await;
    let escrow = std::slice::from_ref(&escrow);
    let out = [(anyones_script(), 99_000)];
    let good = lock.spend(escrow, &out);

    refused(world, &unsigned(escrow, &out), "no signature").await;
    let mut other_amount = good.clone();
    other_amount.output[0].value = bitcoin::Amount::from_sat(98_000);
    refused(world, &other_amount, "signatures of another transaction").await;
    let mut one = good.clone();
    let parts = good.input[0].witness.to_vec();
    one.input[0].witness = Witness::from_slice(&[vec![], parts[1].clone(), parts[1].clone(), parts[3].clone()]);
    refused(world, &one, "one key twice").await;
    let mut swapped = good.clone();
    swapped.input[0].witness = Witness::from_slice(&[vec![], parts[2].clone(), parts[1].clone(), parts[3].clone()]);
    refused(world, &swapped, "signatures in the wrong order").await;
    let mut high = good.clone();
    high.input[0].witness = Witness::from_slice(&[vec![], high_s(&parts[1]), parts[2].clone(), parts[3].clone()]);
    refused(world, &high, "a signature anyone could have changed").await;
    let mut other_script = good.clone();
    let script = Lock::number(2).witness_script.to_bytes();
    other_script.input[0].witness = Witness::from_slice(&[vec![], parts[1].clone(), parts[2].clone(), script]);
    refused(world, &other_script, "another script").await;

    world.broadcast(&good).await;
}

/// The same signature with the other, the larger, S.
fn high_s(signature: &[u8]) -> Vec<u8> {
    let read = ecdsa::Signature::from_slice(signature).unwrap();
    let compact = read.signature.serialize_compact();
    let s = SecretKey::from_slice(&compact[32..]).unwrap().negate();
    let signature = Signature::from_compact(&[&compact[..32], &s[..]].concat()).unwrap();
    ecdsa::Signature { signature, sighash_type: read.sighash_type }.to_vec()
}

async fn what_is_spent_or_never_was_is_refused(world: &mut World) {
    let coin = world.coin().await;
    world.broadcast(&pay(&coin, &[(Lock::number(1).script(), 100_000)], 1_000)).await;
    world.mine(1).await;
    refused(world, &pay(&coin, &[(Lock::number(2).script(), 100_000)], 9_000), "spent in a block").await;
    let never = Coin { outpoint: OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 0 }, ..coin };
    refused(world, &pay(&never, &[(Lock::number(1).script(), 100_000)], 1_000), "never there").await;
    let coin = world.coin().await;
    refused(world, &spend_anyones(&[coin.clone(), coin.clone()], &[(anyones_script(), 1_000_000)]), "twice in one")
        .await;
    let all = coin.output.value.to_sat();
    refused(world, &spend_anyones(&[coin], &[(anyones_script(), all + 1)]), "more than there is").await;
}

async fn odd_forms_are_refused(world: &mut World) {
    let coin = world.coin().await;
    refused(world, &pay(&coin, &[(anyones_script(), 329)], 1_000), "dust").await;
    let strange = Builder::new().push_opcode(OP_ADD).into_script();
    refused(world, &pay(&coin, &[(strange, 10_000)], 1_000), "a script without a name").await;
    let mut version = pay(&coin, &[(anyones_script(), 10_000)], 1_000);
    version.version = transaction::Version(4);
    refused(world, &version, "a version of the future").await;
    let empty = spend_anyones(std::slice::from_ref(&coin), &[]);
    refused(world, &empty, "no outputs").await;
    let heavy: Vec<(ScriptBuf, u64)> = (0..2_400).map(|_| (anyones_script(), 10_000)).collect();
    refused(world, &pay(&coin, &heavy, 1_000_000), "too heavy").await;
    let mut small = spend_anyones(std::slice::from_ref(&coin), &[(ScriptBuf::new_op_return([]), 0)]);
    small.output[0].value = bitcoin::Amount::ZERO;
    refused(world, &small, "too small, or all of it fee").await;
    world.broadcast(&pay(&coin, &[(anyones_script(), 330)], 1_000)).await;
}

async fn fees_are_neither_too_low_nor_a_slip_of_the_hand(world: &mut World) {
    let coin = world.coin().await;
    let to = |sats| [(Lock::number(1).script(), sats)];
    let size = pay(&coin, &to(100_000), 1_000).vsize() as u64;
    refused(world, &pay(&coin, &to(100_000), 0), "no fee").await;
    refused(world, &pay(&coin, &to(100_000), size.div_ceil(10) - 1), "under 0.1 sat/vB").await;
    refused(world, &pay(&coin, &to(100_000), size * 10_001), "over 10,000 sat/vB").await;
    world.broadcast(&pay(&coin, &to(100_000), size.div_ceil(10))).await;
}

async fn what_is_too_early_is_refused(world: &mut World) {
    let young = world.coin_at(world.height().await - 98).await;
    refused(world, &pay(&young, &[(anyones_script(), 10_000)], 1_000), "a coinbase of 99 blocks").await;
    let ripe = world.coin_at(world.height().await - 99).await;
    world.broadcast(&pay(&ripe, &[(anyones_script(), 10_000)], 1_000)).await;

    let coin = world.coin().await;
    let mut locked = pay(&coin, &[(anyones_script(), 10_000)], 1_000);
    locked.lock_time = LockTime::from_height(world.height().await + 1).unwrap();
    refused(world, &locked, "locked until after the next block").await;
    world.mine(1).await;
    world.broadcast(&locked).await;

    let coin = coin_of(&locked, 0);
    let mut aged = spend_anyones(&[coin], &[(anyones_script(), 9_000)]);
    aged.input[0].sequence = Sequence::from_height(2);
    refused(world, &aged, "its coin is not two blocks old").await;
    world.mine(2).await;
    world.broadcast(&aged).await;
}

async fn a_replacement_pays_more(world: &mut World) {
    let coin = world.coin().await;
    let first = pay(&coin, &[(Lock::number(1).script(), 100_000)], 1_000);
    world.broadcast(&first).await;
    let other = |fee| pay(&coin, &[(Lock::number(2).script(), 100_000)], fee);
    refused(world, &other(1_000), "the same fee").await;
    refused(world, &other(1_001), "not its own size again").await;
    let rest = coin_of(&first, 1);
    let left = rest.output.value.to_sat();
    let child = spend_anyones(&[rest], &[(anyones_script(), left - 2_000)]);
    world.broadcast(&child).await;
    refused(world, &other(2_000), "less than what would leave with it").await;
    world.broadcast(&other(4_000)).await;
    assert_eq!(world.chain.transaction(child.compute_txid(), None).await, Ok(None));
}
