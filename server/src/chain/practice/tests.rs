use super::*;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

#[test]
fn the_first_blocks_let_the_faucet_pay() {
    let chain = Practice::in_memory();
    chain.prepare(now()).unwrap();
    let script = bitcoin::ScriptBuf::new_p2wsh(&bitcoin::hashes::Hash::all_zeros());
    let txid = chain.pay(&script, Amount::from_sat(100_000)).unwrap();
    chain.mine(1, now()).unwrap();
    let inner = chain.lock();
    let paid = inner.state.confirmed(&txid).unwrap();
    assert!(paid.output.iter().any(|output| output.script_pubkey == script));
}
