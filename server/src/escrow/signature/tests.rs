use bitcoin::Amount;
use bitcoin::secp256k1::Secp256k1;

use super::*;
use crate::escrow::payout::PayoutKind;
use crate::escrow::spend::Coin;
use crate::escrow::testing::{self, consensus_verifies, digest, wallet};

fn release_of(funding: &[Coin]) -> Payout {
    let agreed = testing::contract().agreed().unwrap();
    Payout::of_all_steps(&agreed, PayoutKind::Release, funding, testing::rate(5)).unwrap().remove(0)
}

fn release() -> Payout {
    release_of(&testing::deposit(&testing::lock(), &[700_000, 350_000]))
}

#[test]
fn each_two_of_the_three_can_finish_and_bitcoins_own_code_agrees() {
    let payout = release();
    for [one, other] in
        [[Party::Buyer, Party::Seller], [Party::Seller, Party::Arbitrator], [Party::Arbitrator, Party::Buyer]]
    {
        let [a, b] = [one, other].map(|party| wallet(party).party_signature(payout.spend(), party));
        let signed = SignedPayout::new(&payout, &a, &b).unwrap();
        assert!(consensus_verifies(payout.spend(), signed.transaction()), "{one} and {other}");
        assert_eq!((signed.txid(), signed.signed_by()), (payout.spend().txid(), [one, other]));
        assert_eq!(signed.transaction(), SignedPayout::new(&payout, &b, &a).unwrap().transaction());
        assert!(signed.transaction().vsize() <= usize::try_from(payout.vbytes()).unwrap());
        assert!(signed.transaction().vsize() + 2 >= usize::try_from(payout.vbytes()).unwrap());
    }
}

#[test]
fn one_alone_never_can() {
    let payout = release();
    let one = wallet(Party::Buyer).party_signature(payout.spend(), Party::Buyer);
    assert!(SignedPayout::new(&payout, &one, &one.clone()).is_err());
    let alone = finished(payout.spend(), &one, &one);
    assert!(!consensus_verifies(payout.spend(), &alone));
}

#[test]
fn signatures_of_another_transaction_make_no_payout() {
    let [payout, other] = [release(), release_of(&testing::deposit(&testing::lock(), &[1_002_000]))];
    let buyer = wallet(Party::Buyer).party_signature(payout.spend(), Party::Buyer);
    let seller = wallet(Party::Seller).party_signature(other.spend(), Party::Seller);
    assert!(SignedPayout::new(&payout, &buyer, &seller).unwrap_err().to_string().contains("not both"));
    assert!(buyer.reverify(other.spend()).is_err());
}

#[test]
fn a_stored_signature_is_verified_again() {
    let payout = release();
    let signature = wallet(Party::Seller).party_signature(payout.spend(), Party::Seller);
    let stored = signature.to_bytes();
    assert_eq!(PartySignature::from_stored(payout.spend(), Party::Seller, &stored), Ok(signature));
    assert!(PartySignature::from_stored(payout.spend(), Party::Buyer, &stored).is_err(), "another's key");
    assert!(PartySignature::from_stored(payout.spend(), Party::Seller, &stored[..stored.len() - 1]).is_err());
    assert!(PartySignature::from_stored(payout.spend(), Party::Seller, &[]).is_err());
    for place in 0..stored.len() {
        let mut damaged = stored.clone();
        damaged[place] ^= 1;
        assert!(PartySignature::from_stored(payout.spend(), Party::Seller, &damaged).is_err(), "byte {place}");
    }
}

#[test]
fn only_byte_01_strict_der_and_low_s_pass() {
    let payout = release_of(&testing::deposit(&testing::lock(), &[1_002_000]));
    let spend = payout.spend();
    let secret = wallet(Party::Buyer).secret(spend.lock(), Party::Buyer);
    let good = Secp256k1::new().sign_ecdsa_low_r(&digest(spend, 0), &secret);
    let der = good.serialize_der().to_vec();
    let with = |byte| [der.clone(), vec![byte]].concat();
    assert!(verify_input(spend, 0, Party::Buyer, &with(0x01)).is_ok());
    for (byte, name) in [
        (0x02, "SIGHASH_NONE"),
        (0x03, "SIGHASH_SINGLE"),
        (0x81, "SIGHASH_ALL|SIGHASH_ANYONECANPAY"),
        (0x82, "SIGHASH_NONE|SIGHASH_ANYONECANPAY"),
        (0x83, "SIGHASH_SINGLE|SIGHASH_ANYONECANPAY"),
        (0x00, "0x00"),
        (0x41, "0x41"),
    ] {
        let said = verify_input(spend, 0, Party::Buyer, &with(byte)).unwrap_err().to_string();
        assert!(said.contains(name), "{said}");
    }
    let garbage = |bytes: &[u8]| verify_input(spend, 0, Party::Buyer, bytes).unwrap_err();
    assert!(matches!(garbage(&[]), SignatureRefusal::Garbage { .. }));
    assert!(matches!(garbage(&[1]), SignatureRefusal::Garbage { .. }));
    assert!(matches!(garbage(&with(0x01)[1..]), SignatureRefusal::Garbage { .. }));
    let mut padded = der.clone();
    padded.insert(4, 0); // a zero in front of R, and the lengths to match
    padded[1] += 1;
    padded[3] += 1;
    padded.push(0x01);
    assert!(matches!(garbage(&padded), SignatureRefusal::Garbage { .. }));
    assert_eq!(garbage(&[high_s(&good), vec![0x01]].concat()), SignatureRefusal::HighS { input: 1 });
    let misfit = verify_input(spend, 0, Party::Seller, &with(0x01)).unwrap_err();
    assert_eq!(misfit, SignatureRefusal::DoesNotFit { input: 1, party: Party::Seller });
}

/// The same signature with S replaced by the order less S.
pub(in crate::escrow) fn high_s(signature: &secp256k1::ecdsa::Signature) -> Vec<u8> {
    let mut compact = signature.serialize_compact();
    let s = secp256k1::SecretKey::from_slice(&compact[32..]).unwrap().negate();
    compact[32..].copy_from_slice(&s[..]);
    let high = secp256k1::ecdsa::Signature::from_compact(&compact).unwrap();
    assert_ne!(high, *signature);
    high.serialize_der().to_vec()
}

#[test]
fn a_psbt_handed_out_carries_what_is_there_for_it() {
    let [payout, other] = [release(), release_of(&testing::deposit(&testing::lock(), &[1_002_000]))];
    let buyer = wallet(Party::Buyer).party_signature(payout.spend(), Party::Buyer);
    let foreign = wallet(Party::Seller).party_signature(other.spend(), Party::Seller);
    let psbt = payout.spend().with_signatures([&buyer, &foreign]);
    assert!(psbt.inputs.iter().all(|input| input.partial_sigs.len() == 1));
    assert_eq!(psbt.unsigned_tx, *payout.spend().transaction());
    assert_eq!(payout.amount_to(crate::escrow::contract::Payee::Desk), Amount::from_sat(4_000));
}
