//! Money that leaves.

use bitcoin::constants::genesis_block;
use bitcoin::{FeeRate, Network};
use serde_json::{Value, json};
use trine::chain::core::{Core, CoreAuth};
use trine::chain::electrum::electrum;
use trine::chain::link::Way;
use trine::chain::{Chain, ChainError, Coin as Lying, FEE_RATE_MAX, FEE_RATE_MIN, FEE_RATE_UNKNOWN, Fact};

use super::coins::{Coin, Lock, anyones_script, coin_of, pay};
use super::doors::{liar, plays};
use super::explorer::explored;
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

/// What an operator falls back on.
const FALLBACK: FeeRate = FeeRate::from_sat_per_vb_u32(7);

/// A node that says this of every wait, and asks for little itself.
fn node(asked: &str, estimate: &Value) -> String {
    let little = json!({ "mempoolminfee": 0.000_001, "loaded": true });
    let said = if asked.contains("estimatesmartfee") { estimate } else { &little };
    json!({ "jsonrpc": "2.0", "id": 0, "result": said }).to_string()
}

#[tokio::test]
async fn no_node_takes_a_fee_rate_below_the_floor_or_above_the_ceiling() {
    let unknown = json!({ "errors": ["Insufficient data or no feerate found"], "blocks": 6 });
    // 0.1 and 9,000 sat/vB.
    let (little, much) = (json!({ "feerate": 0.000_001, "blocks": 6 }), json!({ "feerate": 0.09, "blocks": 6 }));
    for (estimate, rate) in [(unknown, FALLBACK), (little, FEE_RATE_MIN), (much, FEE_RATE_MAX)] {
        let door = plays(move |asked| node(asked, &estimate)).await;
        let auth = CoreAuth::Password { user: "desk".to_owned(), password: "x".into() };
        let core = Core::new(&format!("http://{door}"), auth, Network::Regtest).unwrap();
        assert_eq!(core.with_unknown_fee_rate(FALLBACK).fee_rate(6).await, Ok(rate));
    }
}

/// An explorer that has these estimates, and of the chain the first block.
fn explorer(asked: &str, estimates: &Value) -> String {
    if asked.starts_with("GET /fee-estimates ") {
        return estimates.to_string();
    }
    let header = genesis_block(Network::Regtest).header;
    json!([{ "id": header.block_hash(), "height": 0, "version": header.version.to_consensus(),
        "timestamp": header.time, "bits": header.bits.to_consensus(), "nonce": header.nonce,
        "merkle_root": header.merkle_root }])
    .to_string()
}

#[tokio::test]
async fn no_explorer_takes_a_fee_rate_below_the_floor_or_above_the_ceiling() {
    let (little, much) = (json!({ "1": 0.1, "6": 0.1 }), json!({ "1": 9_000.0, "6": 9_000.0 }));
    for (estimates, rate) in [(json!({}), FALLBACK), (little, FEE_RATE_MIN), (much, FEE_RATE_MAX)] {
        let door = plays(move |asked| explorer(asked, &estimates)).await;
        let light = explored(&[format!("http://{door}")], Network::Regtest).with_unknown_fee_rate(FALLBACK);
        assert_eq!(light.fee_rate(6).await, Ok(rate));
    }
}

/// Nobody has paid a fee on a young chain, so nothing can be estimated.
mod on_core_that_is_young {
    use super::*;

    #[tokio::test]
    async fn what_a_node_cannot_estimate_is_the_operators_fallback() {
        let world = World::core().await;
        assert_eq!(world.chain.fee_rate(6).await, Ok(FEE_RATE_UNKNOWN));
        let core = world.node().client(Network::Regtest).with_unknown_fee_rate(FALLBACK);
        assert_eq!(core.fee_rate(6).await, Ok(FALLBACK));
    }
}

mod on_esplora_that_is_young {
    use super::*;

    #[tokio::test]
    async fn what_a_server_cannot_estimate_is_the_operators_fallback() {
        let world = World::explored().await;
        assert_eq!(world.chain.fee_rate(6).await, Ok(FEE_RATE_UNKNOWN));
        let light = world.explorer().client().with_unknown_fee_rate(FALLBACK);
        assert_eq!(light.fee_rate(6).await, Ok(FALLBACK));
    }
}

mod on_electrum_that_is_young {
    use super::*;

    /// Electrum's word for what it does not know is -1.
    fn estimated(line: String, btc_per_kvb: f64) -> String {
        match serde_json::from_str::<Value>(&line) {
            Ok(mut answer) if answer["result"] == -1 => {
                answer["result"] = json!(btc_per_kvb);
                answer.to_string()
            }
            _ => line,
        }
    }

    fn too_little(line: String) -> String {
        estimated(line, 0.000_001)
    }

    fn too_much(line: String) -> String {
        estimated(line, 0.09)
    }

    #[tokio::test]
    async fn fallback_floor_and_ceiling_hold_for_a_server_too() {
        let world = World::electrum().await;
        assert_eq!(world.chain.fee_rate(6).await, Ok(FEE_RATE_UNKNOWN));
        let server = world.electrs();
        let (little, much) = (liar(server, too_little).await, liar(server, too_much).await);
        for (door, rate) in [(server, FALLBACK), (little, FEE_RATE_MIN), (much, FEE_RATE_MAX)] {
            let light =
                electrum(&[format!("tcp://{door}").parse().unwrap()], &Way::default(), Network::Regtest).unwrap();
            assert_eq!(light.with_unknown_fee_rate(FALLBACK).fee_rate(6).await, Ok(rate));
        }
    }
}
