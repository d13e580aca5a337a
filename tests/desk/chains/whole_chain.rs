//! A whole practice chain, given to a real node block by block: it arrives at the same tip.

use bitcoin::{Amount, Network};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trine::chain::Chain;
use trine::chain::practice::{Fate, Practice};

use super::bitcoind::Bitcoind;
use super::coins::{Lock, anyones_script, coin_of};

/// Gives the node every block from this height on.
async fn give(node: &Bitcoind, chain: &Practice, from: u32) {
    for height in from..=chain.tip().await.unwrap().block.height {
        let hex = bitcoin::consensus::encode::serialize_hex(&chain.block(height).unwrap());
        let answer = node.rpc("submitblock", json!([hex])).await;
        // A branch that is not the longest yet is taken, and said so.
        assert!(answer == Value::Null || answer == "inconclusive", "block {height}: {answer}");
    }
}

#[tokio::test]
async fn a_real_node_accepts_a_practice_chain() {
    let node = Bitcoind::start().await;
    let chain = Practice::in_memory();
    let start: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
    let at = |minutes| start.checked_add(SignedDuration::from_mins(minutes)).unwrap();
    chain.prepare(at(0)).unwrap();

    let lock = Lock::number(1);
    for payment in 0..80_u64 {
        chain.pay(&Lock::number(9).script(), Amount::from_sat(1_000_000 + payment)).unwrap();
    }
    let deposit = chain.pay(&lock.script(), Amount::from_sat(5_000_000)).unwrap();
    chain.mine(3, at(10)).unwrap();
    let deposit = chain.transaction(deposit, None).await.unwrap().unwrap();
    let place = deposit.output.iter().position(|output| output.script_pubkey == lock.script()).unwrap();
    let payout = lock.spend(&[coin_of(&deposit, u32::try_from(place).unwrap())], &[(anyones_script(), 4_990_000)]);
    chain.broadcast(&payout).await.unwrap();
    chain.mine(2, at(20)).unwrap();
    give(&node, &chain, 1).await;

    let fork = chain.tip().await.unwrap().block.height - 4;
    chain.reorganise(4, Fate::Waiting, at(30)).unwrap();
    chain.mine(60, at(40)).unwrap();
    give(&node, &chain, fork + 1).await;

    let theirs = node.client(Network::Regtest).tip().await.unwrap();
    assert_eq!(theirs, chain.tip().await.unwrap());
    let info = node.rpc("gettxoutsetinfo", json!(["none"])).await;
    assert_eq!(info["total_amount"].as_f64(), Some(149.0 * 50.0 + f64::from(theirs.block.height - 149) * 25.0));
}
