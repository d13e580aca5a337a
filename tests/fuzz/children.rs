//! The child of a payout: whoever is paid chose the address, and with it the script that his signed child is checked by.

use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::bip32::{DerivationPath, Fingerprint};
use bitcoin::consensus::serialize;
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use bitcoin::transaction::Version;
use bitcoin::{
    Address, Amount, CompressedPublicKey, FeeRate, Network, OutPoint, PrivateKey, Psbt, ScriptBuf, Sequence,
    Transaction, TxIn, TxOut, Witness,
};
use trine::escrow::Contract;
use trine::escrow::child::{Child, Own, SignedChild};

use crate::{input, vector};

const NETWORK: Network = Network::Regtest;
const PAID: Amount = Amount::from_sat(500_000);
const CHILD_PAYS: Amount = Amount::from_sat(10_000);

fn transaction(input: TxIn, value: Amount, script_pubkey: ScriptBuf) -> Transaction {
    let output = vec![TxOut { value, script_pubkey }];
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output }
}

/// A payout to this script, with a witness of the usual size.
fn payout_to(script: ScriptBuf) -> Transaction {
    let witness = Witness::from_slice(&[vec![], vec![9; 71], vec![9; 71], vec![9; 105]]);
    transaction(TxIn { witness, ..Default::default() }, PAID, script)
}

fn own<'a>(parent: &'a Transaction, escrow: &ScriptBuf) -> Own<'a> {
    Own { parent, parent_fee: Amount::from_sat(200), vout: 0, network: NETWORK, escrow: escrow.clone() }
}

/// A payout to each usual kind of address of one key, with its signed child as wallets save it.
fn paid(escrow: &ScriptBuf) -> Vec<(Transaction, Vec<Vec<u8>>)> {
    let secp = Secp256k1::new();
    let key = PrivateKey::new(SecretKey::from_slice(&[7; 32]).unwrap(), NETWORK);
    let public = key.public_key(&secp);
    let compressed = CompressedPublicKey(public.inner);
    let nested = Address::p2shwpkh(&compressed, NETWORK);
    let addresses = [Address::p2wpkh(&compressed, NETWORK), nested.clone(), Address::p2pkh(compressed, NETWORK)];
    let of_one = |address: Address| {
        let parent = payout_to(address.script_pubkey());
        let own = own(&parent, escrow);
        let mut psbt =
            Child::build(&own, &address, FeeRate::from_sat_per_vb(30).unwrap(), None).unwrap().psbt().clone();
        let spent = &mut psbt.inputs[0];
        spent.redeem_script = (address == nested).then(|| ScriptBuf::new_p2wpkh(&compressed.wpubkey_hash()));
        spent.bip32_derivation.insert(public.inner, (Fingerprint::default(), DerivationPath::master()));
        psbt.sign(&BTreeMap::from([(public, key)]), &secp).unwrap();
        let signed = SignedChild::read(&psbt.serialize(), &own).unwrap();
        let seeds = vec![psbt.serialize(), psbt.to_string().into_bytes(), serialize(signed.transaction())];
        (parent, seeds)
    };
    addresses.map(of_one).into()
}

/// Short pieces, each after the byte that says how long it is.
fn pieces(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    while let [length, rest @ ..] = bytes {
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces
}

/// A child of a payout to any script that its owner may have thought of: behind P2WSH and P2SH, finished and not.
fn of_any_script(bytes: &[u8]) -> Vec<(Transaction, Vec<u8>)> {
    let mut stack = pieces(bytes);
    let script = ScriptBuf::from_bytes(if stack.is_empty() { Vec::new() } else { stack.remove(0) });
    let back = ScriptBuf::new().to_p2wsh();
    let child_of = |parent: &Transaction, script_sig: ScriptBuf, witness: Witness| {
        let previous_output = OutPoint { txid: parent.compute_txid(), vout: 0 };
        let spent = TxIn { previous_output, script_sig, sequence: Sequence::ENABLE_RBF_NO_LOCKTIME, witness };
        transaction(spent, PAID - CHILD_PAYS, back.clone())
    };
    let segwit = payout_to(script.to_p2wsh());
    let mut witness = stack.clone();
    witness.push(script.to_bytes());
    let finished = serialize(&child_of(&segwit, ScriptBuf::new(), Witness::from_slice(&witness)));
    let mut open = Psbt::from_unsigned_tx(child_of(&segwit, ScriptBuf::new(), Witness::new())).unwrap();
    open.inputs[0].witness_script = Some(script.clone());
    let legacy = payout_to(script.to_p2sh());
    let pushed = witness.into_iter().filter_map(|piece| PushBytesBuf::try_from(piece).ok());
    let script_sig = pushed.fold(Builder::new(), |builder, piece| builder.push_slice(piece)).into_script();
    let old = serialize(&child_of(&legacy, script_sig, Witness::new()));
    vec![(segwit.clone(), finished), (segwit, open.serialize()), (legacy, old)]
}

/// What is accepted is stored, and read again by the same function.
fn reads_back(upload: &[u8], parent: &Transaction, escrow: &ScriptBuf) {
    let own = own(parent, escrow);
    let Ok(child) = SignedChild::read(upload, &own) else { return };
    assert_eq!(SignedChild::read(&serialize(child.transaction()), &own).as_ref(), Ok(&child));
    let paid: Vec<Amount> = child.transaction().output.iter().map(|output| output.value + child.fee()).collect();
    assert_eq!(paid, [PAID]);
}

#[test]
fn uploads_for_a_child() {
    let escrow = Contract::parse(vector("/contract/text")).unwrap().lock().unwrap().script_pubkey();
    let paid = paid(&escrow);
    bolero::check!().for_each(|bytes: &[u8]| {
        for (parent, seeds) in &paid {
            let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
            reads_back(&input(bytes, &seeds), parent, &escrow);
        }
        for (parent, upload) in of_any_script(bytes) {
            reads_back(&upload, &parent, &escrow);
        }
    });
}
