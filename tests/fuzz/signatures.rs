//! The signature door: whatever is uploaded, only signatures of one of the three keys for this very transaction.

use std::str::FromStr;

use bitcoin::ecdsa::Signature;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, FeeRate, OutPoint, Psbt, PublicKey, Txid};
use trine::domain::Party;
use trine::escrow::message::Form;
use trine::escrow::{Coin, Contract, Payout, PayoutKind, Spend, accept, message};

use crate::{input, vector};

fn release() -> Vec<Payout> {
    let agreed = Contract::parse(vector("/contract/text")).unwrap().agreed().unwrap();
    let transaction = bitcoin::Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time: bitcoin::absolute::LockTime::ZERO,
        input: vec![bitcoin::TxIn {
            previous_output: OutPoint { txid: Txid::all_zeros(), vout: 7 },
            ..Default::default()
        }],
        output: vec![bitcoin::TxOut {
            value: agreed.deposit() + Amount::from_sat(5_000),
            script_pubkey: agreed.lock().script_pubkey(),
        }],
    };
    let outpoint = OutPoint { txid: transaction.compute_txid(), vout: 0 };
    let coin = Coin { outpoint, value: transaction.output[0].value, transaction: Some(transaction.into()) };
    Payout::of_all_steps(&agreed, PayoutKind::Release, &[coin], FeeRate::from_sat_per_vb(20).unwrap()).unwrap()
}

#[test]
fn uploads_for_a_payout() {
    let payouts = release();
    let spends: Vec<&Spend> = payouts.iter().map(Payout::spend).collect();
    let psbts: Vec<Vec<u8>> = spends.iter().map(|spend| spend.psbt().serialize()).collect();
    let base64 = spends[0].psbt().to_string();
    let raw = bitcoin::consensus::serialize(spends[0].transaction());
    let mut seeds: Vec<&[u8]> = psbts.iter().map(Vec::as_slice).collect();
    seeds.extend([base64.as_bytes(), raw.as_slice()]);
    bolero::check!().for_each(|bytes: &[u8]| {
        // Nobody has signed any of these: whatever comes, nothing may be accepted.
        for party in Party::ALL {
            assert!(accept(&input(bytes, &seeds), &spends, party).is_err());
        }
    });
}

#[test]
fn uploads_for_a_contract() {
    let contract = Contract::parse(vector("/contract/text")).unwrap();
    let (lock, words) = (contract.lock().unwrap(), contract.message().unwrap());
    let unsigned = message::build(Form::Bip322, &lock, &words).unwrap().psbt().serialize();
    let mut psbt: Psbt = vector("/contract/forms/0/psbt").parse().unwrap();
    let key: PublicKey = vector("/trade/keys/0/public_key").parse().unwrap();
    let signature = vector("/contract/forms/0/signed/0/signatures/0");
    psbt.inputs[0].partial_sigs.insert(key, Signature::from_str(signature).unwrap());
    let signed = psbt.serialize();
    assert!(message::verify(&signed, &lock, &words, Party::Buyer).is_ok());
    bolero::check!().for_each(|bytes: &[u8]| {
        let upload = input(bytes, &[&unsigned, &signed]);
        if let Ok(taken) = message::verify(&upload, &lock, &words, Party::Buyer) {
            assert_eq!(taken.signature.party(), Party::Buyer);
        }
        // The seller has signed nothing of this.
        assert!(message::verify(&upload, &lock, &words, Party::Seller).is_err());
    });
}
