use bitcoin::consensus::serialize;

use super::*;
use crate::domain::Party;
use crate::escrow::accept;
use crate::escrow::door::upload_bytes_max;
use crate::escrow::testing::{self, wallet};

/// A deposit whose transaction has so many inputs, each with a witness of 107 bytes, and pays the escrow so many times.
fn deposit(inputs: u32, outputs: usize) -> Vec<Coin> {
    let lock = testing::lock();
    let mut input = unsigned_input(testing::outpoint(1), SEQUENCE);
    input.witness = Witness::from_slice(&[vec![1; 72], vec![2; 33]]);
    let place = |vout| TxIn { previous_output: OutPoint { vout, ..input.previous_output }, ..input.clone() };
    let output = TxOut { value: Amount::from_sat(400_000), script_pubkey: lock.script_pubkey() };
    let transaction = Arc::new(Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: (0..inputs).map(place).collect(),
        output: vec![output; outputs],
    });
    let txid = transaction.compute_txid();
    let coin = |vout| Coin {
        outpoint: OutPoint { txid, vout },
        value: Amount::from_sat(400_000),
        transaction: Some(transaction.clone()),
    };
    (0..u32::try_from(outputs).unwrap()).map(coin).collect()
}

fn spend(coins: &[Coin]) -> Spend {
    let output = TxOut { value: Amount::from_sat(390_000), script_pubkey: testing::address(0).script_pubkey() };
    Spend::of_payout(&testing::lock(), coins, &[output]).unwrap()
}

#[test]
fn a_deposits_transaction_is_shown_without_its_witnesses_and_has_the_same_id() {
    let coins = deposit(3, 2);
    let spend = spend(&coins);
    for (input, coin) in spend.psbt().inputs.iter().zip(&coins) {
        let shown = input.non_witness_utxo.as_ref().unwrap();
        assert_eq!(shown.compute_txid(), coin.outpoint.txid);
        assert!(shown.input.iter().all(|input| input.witness.is_empty()));
        assert_eq!(input.witness_utxo.as_ref().unwrap().value, coin.value);
    }
    assert_eq!(Psbt::deserialize(&spend.psbt().serialize()).unwrap(), *spend.psbt());
}

#[test]
fn a_large_deposit_transaction_is_left_out_and_the_payout_is_signed_all_the_same() {
    // 41 bytes an input without its witness: just within the limit, and just beyond it.
    let small = deposit(480, 1);
    let large = deposit(490, 3);
    let base = |coins: &[Coin]| coins[0].transaction.as_ref().unwrap().base_size();
    assert!(base(&small) <= SHOWN_TRANSACTION_BYTES_MAX && base(&large) > SHOWN_TRANSACTION_BYTES_MAX);
    assert!(spend(&small).psbt().inputs[0].non_witness_utxo.is_some());
    let spend = spend(&large);
    assert!(spend.psbt().inputs.iter().all(|input| input.non_witness_utxo.is_none() && input.witness_utxo.is_some()));
    assert!(spend.psbt().serialize().len() < 6_000);
    let signed = wallet(Party::Buyer).signed_psbt(&spend, Party::Buyer).serialize();
    assert_eq!(accept(&signed, &[&spend], Party::Buyer).unwrap().len(), 1);
}

#[test]
fn a_wallet_may_put_back_the_whole_transaction_of_a_deposit() {
    let coins = deposit(2_000, 3);
    let spend = spend(&coins);
    let mut signed = wallet(Party::Seller).signed_psbt(&spend, Party::Seller);
    for input in &mut signed.inputs {
        input.non_witness_utxo = coins[0].transaction.as_deref().cloned();
    }
    let whole = serialize(coins[0].transaction.as_deref().unwrap()).len();
    assert!(signed.serialize().len() > 3 * whole && signed.serialize().len() > 64 * 1024);
    assert!(upload_bytes_max([&spend]) > signed.to_string().len());
    assert_eq!(accept(&signed.serialize(), &[&spend], Party::Seller).unwrap().len(), 1);
}

#[test]
fn another_transaction_than_the_deposits_is_refused_whatever_its_size() {
    for inputs in [3, 2_000] {
        let mut coins = deposit(inputs, 1);
        let other = deposit(inputs + 1, 1);
        coins[0].transaction.clone_from(&other[0].transaction);
        let output = TxOut { value: Amount::from_sat(390_000), script_pubkey: testing::address(0).script_pubkey() };
        assert!(Spend::of_payout(&testing::lock(), &coins, &[output]).is_err());
    }
}
