use std::str::FromStr;

use bitcoin::Address;
use bitcoin::base64::Engine as _;
use bitcoin::base64::prelude::BASE64_STANDARD;

use super::*;
use crate::escrow::signature::finished;
use crate::escrow::testing::{self, NETWORK, consensus_verifies, wallet};

/// Both signers' signatures in a finished transaction.
fn finished_by(spend: &Spend, parties: [Party; 2]) -> Transaction {
    let [one, other] = parties.map(|party| wallet(party).party_signature(spend, party));
    finished(spend, &one, &other)
}

#[test]
fn message_hashes_and_transactions_are_those_of_bip_322() {
    // https://github.com/bitcoin/bips/blob/master/bip-0322.mediawiki#test-vectors
    let script = Address::from_str("bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l").unwrap().assume_checked();
    let script = script.script_pubkey();
    for (message, hash, to_spend_txid, to_sign_txid) in [
        (
            "",
            "c90c269c4f8fcbe6880f72a721ddfbf1914268a794cbb21cfafee13770ae19f1",
            "c5680aa69bb8d860bf82d4e9cd3504b55dde018de765a91bb566283c545a99a7",
            "1e9654e951a5ba44c8604c4de6c67fd78a27e81dcadcfe1edf638ba3aaebaed6",
        ),
        (
            "Hello World",
            "f0eb03b1a75ac6d9847f55c624a99169b5dccba2a31f5b23bea77ba270de0a7a",
            "b79d196740ad5217771c1098fc4a4b51e0535c32236c71f1ea4d61a2d603352b",
            "88737ae86f2077145f93cc4b153ae9a1cb8d56afa511988c149c5c8c9d93bddf",
        ),
    ] {
        assert_eq!(message_hash(message.as_bytes()).to_string(), hash);
        let spent = to_spend(&script, message.as_bytes(), Amount::ZERO);
        assert_eq!(spent.compute_txid().to_string(), to_spend_txid);
        let signed = to_sign(OutPoint { txid: spent.compute_txid(), vout: 0 });
        assert_eq!(signed.compute_txid().to_string(), to_sign_txid);
    }
}

#[test]
fn the_bips_own_multisig_signatures_fit_our_to_sign() {
    let vectors = include_str!("../../../../tests/vectors/bip322.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let cases = vectors["simple"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let [address, message, signature] =
            ["address", "message", "signature"].map(|field| case[field].as_str().unwrap());
        let script = Address::from_str(address).unwrap().assume_checked().script_pubkey();
        let fits = |message: &str| {
            let spent = to_spend(&script, message.as_bytes(), Amount::ZERO);
            let mut signed = to_sign(OutPoint { txid: spent.compute_txid(), vout: 0 });
            let witness = BASE64_STANDARD.decode(signature).unwrap();
            signed.input[0].witness = bitcoin::consensus::deserialize(&witness).unwrap();
            let bytes = bitcoin::consensus::serialize(&signed);
            let utxo = bitcoinconsensus::Utxo {
                script_pubkey: script.as_bytes().as_ptr(),
                script_pubkey_len: script.len().try_into().unwrap(),
                value: 0,
            };
            bitcoinconsensus::verify(script.as_bytes(), 0, &bytes, Some(&[utxo]), 0).is_ok()
        };
        assert!(fits(message), "{address}");
        assert!(!fits("another message"), "{address}");
    }
}

#[test]
fn the_crate_bip322_verifies_our_signatures_of_the_escrow() {
    let (lock, message) = (testing::lock(), testing::contract().message().unwrap());
    let spend = build(Form::Bip322, &lock, &message).unwrap();
    let valid = bip322::Verification::Valid { time: LockTime::ZERO, age: Sequence::ZERO };
    for parties in
        [[Party::Buyer, Party::Seller], [Party::Seller, Party::Arbitrator], [Party::Arbitrator, Party::Buyer]]
    {
        let signed = finished_by(&spend, parties);
        assert_eq!(bip322::verify_full(&lock.address(), &message, signed.clone()).unwrap(), valid);
        let witness = signed.input[0].witness.clone();
        assert_eq!(bip322::verify_simple(&lock.address(), &message, witness.clone()).unwrap(), valid);
        assert!(bip322::verify_simple(&lock.address(), "another message", witness).is_err());
        assert!(consensus_verifies(&spend, &signed));
    }
}

#[test]
fn the_psbt_says_what_is_signed_and_where_the_keys_are() {
    let (lock, message) = (testing::lock(), testing::contract().message().unwrap());
    let bip322 = build(Form::Bip322, &lock, &message).unwrap();
    let key = raw::Key { type_value: PSBT_GLOBAL_GENERIC_SIGNED_MESSAGE, key: vec![] };
    assert_eq!(bip322.psbt().unknown.get(&key).map(Vec::as_slice), Some(message.as_bytes()));
    assert_eq!(bip322.transaction().version, Version(0));
    let dry = build(Form::DryRun, &lock, &message).unwrap();
    assert_eq!(dry.transaction().version, Version::TWO);
    assert_eq!(dry.transaction().output[0].script_pubkey, lock.script_pubkey());
    assert_eq!(dry.transaction().output[0].value, Amount::from_sat(9_800));
    assert_eq!(dry.psbt().fee().unwrap(), Amount::from_sat(200));
    assert_eq!(dry.psbt().outputs[0].bip32_derivation.len(), 3);
    for spend in [bip322, dry] {
        let (psbt, input) = (spend.psbt(), &spend.psbt().inputs[0]);
        assert_eq!((psbt.xpub.len(), input.bip32_derivation.len()), (3, 3));
        assert_eq!(input.witness_script.as_ref(), Some(lock.witness_script()));
        let spent = input.non_witness_utxo.as_ref().unwrap();
        assert_eq!(spent.compute_txid(), spend.transaction().input[0].previous_output.txid);
        assert!(spent.input[0].previous_output.is_null(), "no chain has it");
        assert_eq!(bitcoin::Psbt::deserialize(&psbt.serialize()).as_ref().ok(), Some(psbt));
    }
}

#[test]
fn a_signature_is_good_for_its_own_role_message_and_escrow_only() {
    let (lock, message) = (testing::lock(), testing::contract().message().unwrap());
    for form in Form::ALL {
        let spend = build(form, &lock, &message).unwrap();
        let upload = wallet(Party::Buyer).signed_psbt(&spend, Party::Buyer).serialize();
        let verified = verify(&upload, &lock, &message, Party::Buyer).unwrap();
        assert_eq!((verified.form, verified.signature.party()), (form, Party::Buyer));

        let said = |upload: &[u8], lock: &Lock, message: &str, party| {
            verify(upload, lock, message, party).unwrap_err().to_string()
        };
        assert!(said(&upload, &lock, &message, Party::Seller).contains("none with your key"));
        assert!(said(&upload, &lock, "another message", Party::Buyer).contains("another trade"));
        assert!(said(&upload, &testing::lock_at(4), &message, Party::Buyer).contains("another trade"));
        assert!(said(&spend.psbt().serialize(), &lock, &message, Party::Buyer).contains("no signature"));
    }
}

#[test]
fn two_signatures_of_the_script_prove_nothing_for_a_third() {
    let (lock, message) = (testing::lock(), testing::contract().message().unwrap());
    let spend = build(Form::DryRun, &lock, &message).unwrap();
    let signed = bitcoin::consensus::serialize(&finished_by(&spend, [Party::Seller, Party::Arbitrator]));
    assert!(verify(&signed, &lock, &message, Party::Buyer).unwrap_err().to_string().contains("none with your key"));
    assert_eq!(verify(&signed, &lock, &message, Party::Seller).unwrap().signature.party(), Party::Seller);
}

#[test]
fn an_arbitrator_drills_on_a_script_of_his_own() {
    let drill = Lock::of_drill(&testing::arbiter(), NETWORK).unwrap();
    let message = drill_message("127.0.0.1", "judge-dee", jiff::civil::date(2026, 11, 20));
    assert_eq!(message, "127.0.0.1 drill judge-dee 2026-11-20");
    let spend = build(Form::DryRun, &drill, &message).unwrap();
    let upload = wallet(Party::Arbitrator).signed_psbt(&spend, Party::Arbitrator).to_string();
    assert!(verify(upload.as_bytes(), &drill, &message, Party::Arbitrator).is_ok());
    let trade = build(Form::DryRun, &testing::lock(), &message).unwrap();
    let upload = wallet(Party::Arbitrator).signed_psbt(&trade, Party::Arbitrator).to_string();
    assert!(verify(upload.as_bytes(), &drill, &message, Party::Arbitrator).is_err());
}

#[test]
fn a_message_is_one_line_of_printable_ascii() {
    for bad in ["", "a\nb", "ü", "\u{7f}", &"a".repeat(513)] {
        assert!(build(Form::Bip322, &testing::lock(), bad).is_err(), "{bad:?}");
    }
}

#[test]
fn forms_have_words_and_a_message_its_limit() {
    for form in Form::ALL {
        assert_eq!(Form::from_word(form.as_str()), Some(form));
        assert!(build(form, &testing::lock(), &"a".repeat(MESSAGE_BYTES_MAX)).is_ok());
        assert!(build(form, &testing::lock(), &"a".repeat(MESSAGE_BYTES_MAX + 1)).is_err());
    }
    assert_eq!(Form::from_word("none"), None);
}
