mod listener;
mod payouts;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bitcoin::hashes::Hash;
use bitcoin::{Network, ScriptBuf, constants};
use proptest::prelude::*;

use super::*;
use crate::chain::Fact;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

fn somebody(number: u8) -> ScriptBuf {
    ScriptBuf::new_p2wsh(&bitcoin::WScriptHash::from_byte_array([number; 32]))
}

fn ready_chain() -> Practice {
    let chain = Practice::in_memory();
    chain.prepare(now()).unwrap();
    chain
}

fn sats(sats: u64) -> Amount {
    Amount::from_sat(sats)
}

/// Everything that a chain is: its tip, its coins, what waits.
fn picture(chain: &Practice) -> (BlockRef, BTreeMap<String, u64>, Vec<Txid>) {
    let inner = chain.lock();
    let tip = inner.tip().unwrap().block;
    let coins = inner.state.coins().map(|(outpoint, coin)| (outpoint.to_string(), coin.output.value.to_sat()));
    (tip, coins.collect(), inner.state.pool.all().iter().map(|entry| entry.txid).collect())
}

#[test]
fn the_chain_begins_with_regtests_own_block() {
    let chain = Practice::in_memory();
    assert_eq!(chain.block(0).unwrap(), constants::genesis_block(Network::Regtest));
}

#[test]
fn preparing_twice_makes_no_more_blocks() {
    let chain = ready_chain();
    let tip = picture(&chain);
    chain.prepare(after(60)).unwrap();
    assert_eq!(picture(&chain), tip);
}

#[test]
fn the_same_calls_make_the_same_chain() {
    let make = || {
        let chain = ready_chain();
        chain.pay(&somebody(1), sats(100_000)).unwrap();
        chain.mine(2, after(10)).unwrap();
        chain.reorganise(1, Fate::Mined, after(20)).unwrap();
        picture(&chain)
    };
    assert_eq!(make(), make());
}

#[test]
fn blocks_are_whole_and_their_time_goes_on_when_the_clock_does_not() {
    let chain = ready_chain();
    chain.pay(&somebody(1), sats(100_000)).unwrap();
    chain.mine(20, now().checked_sub(SignedDuration::from_hours(1)).unwrap()).unwrap();
    let inner = chain.lock();
    for height in 1..=130 {
        let (place, block) = inner.state.block_at(height).unwrap();
        assert!(block.check_merkle_root() && block.check_witness_commitment(), "{place}");
        // The first sixteen heights are opcodes, which this reader does not know.
        assert!(height <= 16 || block.bip34_block_height() == Ok(u64::from(height)), "{place}");
        assert!(block.header.validate_pow(block.header.target()).is_ok());
        assert!(block.header.time > inner.state.median_time(height - 1), "{place}");
    }
}

#[test]
fn the_faucet_pays_many_times_without_a_block() {
    let chain = ready_chain();
    for payment in 0..400 {
        chain.pay(&somebody(1), sats(100_000 + payment)).unwrap();
    }
    chain.mine(1, now()).unwrap();
    assert_eq!(chain.waiting(), 0);
    let refused = chain.pay(&somebody(1), Amount::MAX_MONEY).unwrap_err();
    assert!(matches!(refused, ChainError::Rejected(_)));
    assert_eq!(chain.pay(&somebody(1), sats(329)), Err(ChainError::rejected("dust")));
}

#[test]
fn the_faucet_collects_small_coins_for_a_large_payment() {
    let chain = ready_chain();
    let txid = chain.pay(&somebody(1), Amount::from_int_btc(420)).unwrap();
    assert!(chain.lock().state.pool.get(&txid).unwrap().transaction.input.len() > 8);
    chain.mine(1, now()).unwrap();
    assert!(chain.lock().state.is_confirmed(&txid));
}

#[test]
fn the_faucet_lives_after_the_last_subsidy() {
    let chain = Practice::in_memory();
    for hours in 0..6 {
        chain.mine(1_000, after(60 * hours)).unwrap();
    }
    chain.pay(&somebody(1), sats(100_000)).unwrap();
    chain.mine(1, after(400)).unwrap();
    assert_eq!(chain.waiting(), 0);
}

#[test]
fn a_forgotten_deposit_is_gone_with_its_child_and_its_coin_is_free() {
    let chain = ready_chain();
    let before = picture(&chain).1;
    let deposit = chain.pay(&mint::faucet_script(), Amount::from_int_btc(49)).unwrap();
    chain.mine(1, after(1)).unwrap();
    let watched = Watched { unconfirmed: [deposit].into(), ..Watched::default() };
    let cursor = picture(&chain).0;
    chain.reorganise(1, Fate::Forgotten, after(2)).unwrap();
    let facts = chain.lock().facts(&cursor, &watched).unwrap();
    assert_eq!(facts.events.first(), Some(&Fact::BlockDisconnected { block: cursor }));
    assert_eq!(facts.events.last(), Some(&Fact::Evicted { txid: deposit }));
    let (_, coins, waiting) = picture(&chain);
    assert_eq!(waiting, []);
    assert!(before.keys().all(|coin| coins.contains_key(coin)));
}

#[test]
fn an_evicted_payment_can_be_sent_again() {
    let chain = ready_chain();
    let txid = chain.pay(&somebody(1), sats(100_000)).unwrap();
    let payment = chain.lock().state.pool.get(&txid).unwrap().transaction.clone();
    chain.evict(txid).unwrap();
    assert_eq!(chain.waiting(), 0);
    chain.lock().accept(&payment).unwrap();
    assert_eq!(chain.waiting(), 1);
}

#[test]
fn the_heart_beats_while_something_is_young() {
    let chain = ready_chain();
    let soon = after(5);
    assert_eq!(chain.beat(soon).unwrap(), None, "nothing waits, the last block is young");
    assert!(chain.beat(after(11)).unwrap().is_some(), "a sign of life");
    chain.pay(&somebody(1), sats(100_000)).unwrap();
    let beats = (0..60).filter(|_| chain.beat(after(12)).unwrap().is_some()).count();
    assert_eq!(beats, 36, "until the payment is 36 blocks deep");
}

#[test]
fn requests_out_of_bounds_are_refused() {
    let chain = ready_chain();
    assert!(matches!(chain.mine(1_001, now()), Err(ChainError::Rejected(_))));
    assert!(matches!(chain.reorganise(111, Fate::Mined, now()), Err(ChainError::Rejected(_))));
    assert!(matches!(chain.block(111), Err(ChainError::Confused(_))));
}

#[derive(Debug, Clone)]
enum Step {
    Pay(u8, u64),
    Mine(u32),
    Reorganise(u32, Fate),
    EvictFirst,
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![Just(Fate::Mined), Just(Fate::Waiting), Just(Fate::Forgotten)];
    prop_oneof![
        5 => (0_u8..4, 400_u64..9_000_000_000).prop_map(|(who, sats)| Step::Pay(who, sats)),
        3 => (1_u32..4).prop_map(Step::Mine),
        2 => (1_u32..6, fate).prop_map(|(depth, fate)| Step::Reorganise(depth, fate)),
        1 => Just(Step::EvictFirst),
    ]
}

fn run(chain: &Practice, steps: &[Step]) {
    chain.prepare(now()).unwrap();
    for (minute, step) in (1_i64..).zip(steps) {
        match step {
            // The first of them is the faucet itself, so that payments hang on payments.
            Step::Pay(0, amount) => drop(chain.pay(&mint::faucet_script(), sats(*amount))),
            Step::Pay(who, amount) => drop(chain.pay(&somebody(*who), sats(*amount))),
            Step::Mine(blocks) => drop(chain.mine(*blocks, after(minute)).unwrap()),
            Step::Reorganise(depth, fate) => drop(chain.reorganise(*depth, *fate, after(minute)).unwrap()),
            Step::EvictFirst => {
                let first = picture(chain).2.first().copied();
                first.into_iter().for_each(|txid| chain.evict(txid).unwrap());
            }
        }
    }
}

fn scratch() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("trine-practice-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(name)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_no_money_is_made_or_lost_and_the_file_tells_it_again(
        steps in proptest::collection::vec(step(), 1..30),
    ) {
        let path = scratch();
        let chain = Practice::open(&path).unwrap();
        run(&chain, &steps);
        let before = picture(&chain);
        let made: u64 = (1..=before.0.height).map(|height| rules::subsidy(height).to_sat()).sum();
        prop_assert_eq!(before.1.values().sum::<u64>(), made);
        drop(chain);
        let again = Practice::open(&path).unwrap();
        prop_assert_eq!(picture(&again), before);
        again.mine(1, after(1_000)).unwrap();
        drop(again);
        std::fs::remove_file(&path).unwrap();
    }
}
