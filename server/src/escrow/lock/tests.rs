use bitcoin::secp256k1::Secp256k1;
use std::str::FromStr;

use bitcoin::opcodes::all::{OP_PUSHNUM_2, OP_PUSHNUM_3};
use miniscript::{Descriptor, DescriptorPublicKey};

use super::*;
use crate::escrow::testing::{self, NETWORK};

fn lock_of(keys: [&AccountKey; 3]) -> Result<Lock, LockRefusal> {
    Lock::of_accounts(keys, testing::level(), EscrowIndex::new(3).unwrap(), NETWORK)
}

#[test]
fn the_script_is_two_of_three_in_the_order_of_bip_67() {
    for index in 0..20 {
        let lock = testing::lock_at(index);
        let mut keys = Party::ALL.map(|party| lock.public_key(party));
        keys.sort_by_key(|key| key.to_bytes());
        let by_hand = Builder::new().push_opcode(OP_PUSHNUM_2);
        let by_hand = keys.iter().fold(by_hand, |script, key| script.push_key(key));
        let by_hand = by_hand.push_opcode(OP_PUSHNUM_3).push_opcode(OP_CHECKMULTISIG).into_script();
        assert_eq!(*lock.witness_script(), by_hand);
        assert_eq!(lock.witness_script().len(), 105);
        assert_eq!(lock.address().script_pubkey(), by_hand.to_p2wsh());
        assert_eq!(lock.parties_in_script().map(|party| lock.public_key(party)), keys);
    }
}

#[test]
fn the_order_of_sorted_keys_follows_bip_67s_vectors() {
    let keys = [
        "022df8750480ad5b26950b25c7ba79d3e37d75f640f8e5d9bcd5b150a0f85014da",
        "02ff12471208c14bd580709cb2358d98975247d8765f92bc25eab3b2763ed605f8",
        "02fe6f0a5a297eb38c391581c4413e084773ea23954d93f7753db7dc0adc188b2f",
    ];
    let script = |keys: &[&str]| {
        let text = format!("wsh(sortedmulti(2,{}))", keys.join(","));
        Descriptor::<PublicKey>::from_str(&text).unwrap().explicit_script().unwrap()
    };
    let [a, c, b] = keys;
    assert_eq!(script(&[c, b, a]), script(&[a, b, c]));
    let by_hand = [a, b, c]
        .iter()
        .fold(Builder::new().push_opcode(OP_PUSHNUM_2), |script, key| script.push_key(&key.parse().unwrap()));
    let by_hand = by_hand.push_opcode(OP_PUSHNUM_3).push_opcode(OP_CHECKMULTISIG).into_script();
    assert_eq!(script(&keys), by_hand);
}

#[test]
fn a_wallet_given_the_descriptor_finds_the_address_at_its_index() {
    let lock = testing::lock();
    let descriptor = Descriptor::<DescriptorPublicKey>::from_str(lock.descriptor()).unwrap();
    let [receive, change] = descriptor.into_single_descriptors().unwrap().try_into().unwrap();
    let at = |descriptor: &Descriptor<DescriptorPublicKey>, index| {
        descriptor.at_derivation_index(index).unwrap().address(NETWORK).unwrap()
    };
    assert_eq!(at(&receive, testing::INDEX), lock.address());
    assert_ne!(at(&receive, testing::INDEX + 1), lock.address());
    assert_ne!(at(&change, testing::INDEX), lock.address());
    let [buyer, seller, arbiter] =
        Party::ALL.map(|party| lock.descriptor().find(&lock.key(party).to_string()).unwrap());
    assert!(buyer < seller && seller < arbiter);
    assert!(lock.address().to_string().starts_with("bcrt1q"));
}

#[test]
fn script_and_descriptor_are_those_that_miniscript_makes_of_the_same_keys() {
    for index in 0..40 {
        let lock = testing::lock_at(index);
        let keys = Party::ALL.map(|party| lock.key(party).multipath()).join(",");
        let theirs = Descriptor::<DescriptorPublicKey>::from_str(&format!("wsh(sortedmulti(2,{keys}))")).unwrap();
        theirs.sanity_check().unwrap();
        assert_eq!(lock.descriptor(), theirs.to_string());
        let receiving = theirs.into_single_descriptors().unwrap().swap_remove(0);
        let theirs = receiving.derived_descriptor(&Secp256k1::verification_only(), index).unwrap();
        assert_eq!(*lock.witness_script(), theirs.explicit_script().unwrap());
    }
}

#[test]
fn no_key_has_two_places() {
    let (buyer, seller, arbiter) = (testing::buyer(), testing::seller(), testing::arbiter());
    assert_eq!(lock_of([&buyer, &buyer, &arbiter]), Err(LockRefusal::SameKey(Party::Buyer, Party::Seller)));
    let renamed = AccountKey::parse(&format!("[d34db33f/48'/1'/4'/2']{}", buyer.xpub()), NETWORK).unwrap();
    assert_eq!(lock_of([&buyer, &renamed, &arbiter]), Err(LockRefusal::SameKey(Party::Buyer, Party::Seller)));
    let same_wallet = format!("[{}/48'/1'/4'/2']{}", arbiter.fingerprint(), seller.xpub());
    let same_wallet = AccountKey::parse(&same_wallet, NETWORK).unwrap();
    let refused = lock_of([&buyer, &same_wallet, &arbiter]);
    assert_eq!(refused, Err(LockRefusal::SameFingerprint(Party::Seller, Party::Arbitrator)));
}

#[test]
fn keys_that_derive_to_the_same_public_key_are_refused() {
    let one = testing::lock().public_key(Party::Buyer);
    let refused = refuse_same_derived([one, testing::lock().public_key(Party::Seller), one]);
    assert_eq!(refused, Err(LockRefusal::SameDerivedKey(Party::Buyer, Party::Arbitrator)));
}

#[test]
fn every_number_and_level_gives_an_escrow_of_its_own() {
    let [a, b] = [testing::lock_at(1), testing::lock_at(2)];
    let keys = [&testing::buyer(), &testing::seller(), &testing::arbiter()];
    let other_level = Lock::of_accounts(keys, ArbiterLevel::new(8).unwrap(), a.index(), NETWORK).unwrap();
    assert_ne!(a.address(), b.address());
    assert_ne!(a.address(), other_level.address());
    assert_eq!(a.public_key(Party::Buyer), other_level.public_key(Party::Buyer));
    assert_ne!(a.public_key(Party::Arbitrator), other_level.public_key(Party::Arbitrator));
}

#[test]
fn nobody_holds_the_other_two_keys_of_a_drill() {
    let drill = Lock::of_drill(&testing::arbiter(), NETWORK).unwrap();
    let again = Lock::of_drill(&testing::buyer(), NETWORK).unwrap();
    assert_eq!(drill.key(Party::Buyer), again.key(Party::Buyer));
    let x = drill.key(Party::Buyer).xpub().public_key.x_only_public_key().0.serialize();
    let hash = |n: u8| sha256::Hash::hash(&[b"trine drill buyer".as_slice(), &[n]].concat()).to_byte_array();
    assert!((0..8).any(|n| hash(n) == x), "its x is a hash of a name");
}
