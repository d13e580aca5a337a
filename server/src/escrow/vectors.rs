//! `tests/vectors/trade.json`: one trade with all its texts, keys, signatures and transactions, for the browser
//! signer's tests to agree with. `TRINE_WRITE_VECTORS=1 cargo test --lib escrow::vectors` writes it anew.

use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hex::DisplayHex;
use bitcoin::{Amount, Network};
use serde_json::{Value, json};

use super::lock::Lock;
use super::message::{self, Form};
use super::payout::{Payout, PayoutKind};
use super::signature::SignedPayout;
use super::spend::{Coin, Spend};
use super::testing::{self, wallet};
use crate::domain::Party;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/trade.json");

#[test]
fn the_vectors_are_what_this_code_makes() {
    let vectors = vectors();
    if std::env::var_os("TRINE_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, format!("{}\n", serde_json::to_string_pretty(&vectors).unwrap())).unwrap();
    }
    // As values: in which order serde_json writes the fields of an object is up to other crates of the build.
    let written: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert_eq!(written, vectors, "see this file's first lines");
}

fn vectors() -> Value {
    let contract = testing::contract();
    let lock = contract.lock().unwrap();
    let ruling = testing::ruling();
    let drill = Lock::of_drill(&testing::arbiter(), testing::NETWORK).unwrap();
    let drill_message = message::drill_message("127.0.0.1", "judge-dee", jiff::civil::date(2026, 11, 20));
    json!({
        "about": "A trade on regtest. Words are from BIP-39's test vectors; signatures are RFC 6979 with low R. Made by server/src/escrow/vectors.rs, which checks that it is current.",
        "network": Network::Regtest.to_string(),
        "people": Party::ALL.map(person),
        "trade": trade(&lock),
        "arbitrator": arbitrator(),
        "private": { "details": text(&testing::details().to_text().unwrap()), "payer": text(&testing::payer().to_text().unwrap()) },
        "contract": {
            "text": contract.to_text().unwrap(),
            "hash": contract.hash().unwrap().to_string(),
            "message": contract.message().unwrap(),
            "forms": Form::ALL.map(|form| signed(form, &lock, &contract.message().unwrap(), &[Party::Buyer, Party::Seller])),
        },
        "ruling": {
            "text": ruling.to_text().unwrap(),
            "hash": ruling.hash().unwrap().to_string(),
            "message": ruling.message().unwrap(),
            "forms": Form::ALL.map(|form| signed(form, &lock, &ruling.message().unwrap(), &[Party::Arbitrator])),
        },
        "drill": {
            "P": drill.key(Party::Arbitrator).source().1.to_u32_vec().last(),
            "N": drill.index().get(),
            "descriptor": drill.descriptor(),
            "address": drill.address().to_string(),
            "message": drill_message,
            "forms": [signed(Form::DryRun, &drill, &drill_message, &[Party::Arbitrator])],
        },
        "payouts": payouts(&lock),
    })
}

fn person(party: Party) -> Value {
    let key = wallet(party).key();
    let place = Party::ALL.iter().position(|one| *one == party).unwrap();
    json!({
        "role": party,
        "words": testing::WORDS[place],
        "fingerprint": key.fingerprint().to_string(),
        "origin": key.origin(),
        "xpub": key.xpub().to_string(),
    })
}

fn trade(lock: &Lock) -> Value {
    let keys = Party::ALL.map(|party| {
        let key = lock.key(party);
        json!({
            "role": party,
            "origin": key.origin(),
            "xpub": key.xpub().to_string(),
            "path": key.source_at(lock.index()).1.to_string(),
            "public_key": lock.public_key(party).to_string(),
        })
    });
    json!({
        "P": testing::LEVEL,
        "N": testing::INDEX,
        "keys": keys,
        "descriptor": lock.descriptor(),
        "witness_script": lock.witness_script().to_hex_string(),
        "script_pubkey": lock.script_pubkey().to_hex_string(),
        "address": lock.address().to_string(),
    })
}

/// The record, and the way from two of his keys to its root; leaf and node hashing: see `arbiter.rs`.
fn arbitrator() -> Value {
    let record = testing::record();
    let path = |level| -> Vec<String> { testing::TREE.path(level).iter().map(ToString::to_string).collect() };
    json!({
        "record": { "text": record.to_text().unwrap(), "hash": record.hash().unwrap().to_string() },
        "merkle": {
            "leaf": "SHA-256(0x00 || the 78 bytes that base58check decodes from xpub_P)",
            "node": "SHA-256(0x01 || left || right); at height h the hash so far is left when bit h of P is 0",
            "root": record.root.to_string(),
            "P": testing::LEVEL,
            "xpub_P": testing::lock().key(Party::Arbitrator).xpub().to_string(),
            "path": path(testing::level()),
        },
    })
}

fn text(text: &str) -> Value {
    use bitcoin::hashes::{Hash, sha256};
    json!({ "text": text, "hash": sha256::Hash::hash(text.as_bytes()).to_string() })
}

fn signed(form: Form, lock: &Lock, message: &str, parties: &[Party]) -> Value {
    let spend = message::build(form, lock, message).unwrap();
    json!({
        "form": form.as_str(),
        "txid": spend.txid().to_string(),
        "unsigned_tx": serialize_hex(spend.transaction()),
        "sighash": sighashes(&spend),
        "psbt": spend.psbt().to_string(),
        "signed": parties.iter().map(|party| signature(&spend, *party)).collect::<Vec<_>>(),
    })
}

fn signature(spend: &Spend, party: Party) -> Value {
    let signatures = wallet(party).sign(spend, party);
    json!({
        "role": party,
        "signatures": signatures.iter().map(|one| one.to_vec().to_lower_hex_string()).collect::<Vec<_>>(),
        "psbt": wallet(party).signed_psbt(spend, party).to_string(),
    })
}

fn sighashes(spend: &Spend) -> Vec<String> {
    (0..spend.values().len()).map(|input| testing::digest(spend, input).as_ref().to_lower_hex_string()).collect()
}

/// The cases that a signer must be able to check, each at all fee steps of an estimate of 5 sat/vB.
fn payouts(lock: &Lock) -> Vec<Value> {
    let sat = Amount::from_sat;
    let ruling = PayoutKind::Ruling { buyer: sat(601_200), seller: sat(400_800) };
    let settlement = PayoutKind::Settlement { buyer: sat(500_000), seller: sat(502_000) };
    let to_buyer = PayoutKind::Settlement { buyer: sat(1_001_700), seller: sat(300) };
    let exact: &[u64] = &[1_002_000];
    let over: &[u64] = &[700_000, 350_000];
    let no_fee = Amount::ZERO;
    [
        ("release of an exact deposit", PayoutKind::Release, exact, no_fee),
        ("release with a surplus from two deposits", PayoutKind::Release, over, no_fee),
        ("release with a surplus too small for an output", PayoutKind::Release, &[1_002_400], no_fee),
        ("refund of an exact deposit", PayoutKind::Refund, exact, no_fee),
        ("refund of two deposits", PayoutKind::Refund, over, no_fee),
        ("settlement", settlement, exact, no_fee),
        ("settlement with a surplus from two deposits", settlement, over, no_fee),
        ("settlement whose smaller part is dust", to_buyer, exact, no_fee),
        ("ruling", ruling, exact, no_fee),
        ("ruling with an arbitrator fee", ruling, exact, sat(10_000)),
        ("stray", PayoutKind::Stray, &[30_000], no_fee),
    ]
    .into_iter()
    .map(|(name, kind, sats, arbitrator_fee)| payout(lock, name, kind, sats, arbitrator_fee))
    .collect()
}

fn payout(lock: &Lock, name: &str, kind: PayoutKind, sats: &[u64], arbitrator_fee: Amount) -> Value {
    let contract = testing::contract_of(Amount::from_sat(1_000_000), Amount::from_sat(2_000), arbitrator_fee);
    let funding = testing::deposit(lock, sats);
    let made = Payout::of_all_steps(&contract.agreed().unwrap(), kind, &funding, testing::rate(5)).unwrap();
    let (buyer, seller) = match kind {
        PayoutKind::Settlement { buyer, seller } | PayoutKind::Ruling { buyer, seller } => (Some(buyer), Some(seller)),
        _ => (None, None),
    };
    json!({
        "name": name,
        "kind": kind.as_str(),
        "buyer_sat": buyer.map(Amount::to_sat),
        "seller_sat": seller.map(Amount::to_sat),
        "contract": contract.to_text().unwrap(),
        "funding": funding.iter().map(coin).collect::<Vec<_>>(),
        "steps": made.iter().map(step).collect::<Vec<_>>(),
    })
}

fn coin(coin: &Coin) -> Value {
    json!({ "outpoint": coin.outpoint.to_string(), "sat": coin.value.to_sat(), "script_hex": testing::lock().script_pubkey().to_hex_string() })
}

fn step(payout: &Payout) -> Value {
    let spend = payout.spend();
    let parties = match payout.kind() {
        PayoutKind::Ruling { .. } => [Party::Arbitrator, Party::Buyer],
        _ => [Party::Buyer, Party::Seller],
    };
    let [one, other] = parties.map(|party| wallet(party).party_signature(spend, party));
    let complete = SignedPayout::new(payout, &one, &other).unwrap();
    assert!(testing::consensus_verifies(spend, complete.transaction()));
    let shares = payout.shares().iter().map(
        |share| json!({ "to": share.payee, "script_hex": share.script.to_hex_string(), "sat": share.amount.to_sat() }),
    );
    json!({
        "steps": payout.steps().iter().map(|step| step.multiple()).collect::<Vec<_>>(),
        "fee_sat": payout.fee().to_sat(),
        "vbytes": payout.vbytes(),
        "shares": shares.collect::<Vec<_>>(),
        "txid": spend.txid().to_string(),
        "sighash": sighashes(spend),
        "psbt": spend.psbt().to_string(),
        "signed": parties.map(|party| json!({ "role": party, "signatures": signature(spend, party)["signatures"] })),
        "complete_tx": serialize_hex(complete.transaction()),
    })
}
