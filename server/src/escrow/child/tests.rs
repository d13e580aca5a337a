use bitcoin::bip32::{DerivationPath, Fingerprint};
use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::secp256k1::SecretKey;
use bitcoin::{CompressedPublicKey, PrivateKey, PublicKey};
use proptest::prelude::*;
use std::collections::BTreeMap;

use super::*;
use crate::escrow::testing::{self, rate};

const NETWORK: Network = Network::Regtest;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P2pkh,
    P2shP2wpkh,
    P2wpkh,
    P2tr,
}

const KINDS: [Kind; 4] = [Kind::P2pkh, Kind::P2shP2wpkh, Kind::P2wpkh, Kind::P2tr];

/// A wallet of one key: what Sparrow, Electrum or Core do with the file.
struct Wallet {
    key: PrivateKey,
    kind: Kind,
}

impl Wallet {
    fn new(kind: Kind) -> Self {
        Self { key: PrivateKey::new(SecretKey::from_slice(&[7; 32]).unwrap(), NETWORK), kind }
    }

    fn public(&self) -> PublicKey {
        self.key.public_key(&Secp256k1::new())
    }

    fn address(&self) -> Address {
        let compressed = CompressedPublicKey(self.public().inner);
        match self.kind {
            Kind::P2pkh => Address::p2pkh(compressed, NETWORK),
            Kind::P2shP2wpkh => Address::p2shwpkh(&compressed, NETWORK),
            Kind::P2wpkh => Address::p2wpkh(&compressed, NETWORK),
            Kind::P2tr => Address::p2tr(&Secp256k1::new(), self.public().inner.into(), None, NETWORK),
        }
    }

    /// Adds what it knows of its own output, and signs.
    fn sign(&self, psbt: &mut Psbt) {
        let (secp, public) = (Secp256k1::new(), self.public());
        let compressed = CompressedPublicKey(public.inner);
        let input = &mut psbt.inputs[0];
        if self.kind == Kind::P2shP2wpkh {
            input.redeem_script = Some(ScriptBuf::new_p2wpkh(&compressed.wpubkey_hash()));
        }
        if self.kind == Kind::P2tr {
            let mut cache = bitcoin::sighash::SighashCache::new(&psbt.unsigned_tx);
            let held = [psbt.inputs[0].witness_utxo.clone().unwrap()];
            let prevouts = bitcoin::sighash::Prevouts::All(&held);
            let kind = bitcoin::TapSighashType::Default;
            let hash = cache.taproot_key_spend_signature_hash(0, &prevouts, kind).unwrap();
            let pair = Keypair::from_secret_key(&secp, &self.key.inner).tap_tweak(&secp, None);
            let signature = secp.sign_schnorr_no_aux_rand(&hash.into(), &pair.to_keypair());
            psbt.inputs[0].tap_key_sig = Some(bitcoin::taproot::Signature { signature, sighash_type: kind });
            return;
        }
        input.bip32_derivation.insert(public.inner, (Fingerprint::default(), DerivationPath::master()));
        psbt.sign(&BTreeMap::from([(public, self.key)]), &secp).unwrap();
    }
}

/// A payout of one input and so many outputs; the second is `to`. The witness has its usual size.
fn parent(value: u64, fee: u64, to: &Address, outputs: usize) -> Transaction {
    let mut witness = bitcoin::Witness::new();
    witness.push([]);
    (0..2).for_each(|_| witness.push([9; 71]));
    witness.push([9; 105]);
    let mut input = unsigned_input(testing::outpoint(1), SEQUENCE);
    input.witness = witness;
    let other = |n: usize| TxOut {
        value: Amount::from_sat(5_000 + fee),
        script_pubkey: testing::address(u32::try_from(n).unwrap() + 20).script_pubkey(),
    };
    let mut output: Vec<TxOut> = (1..outputs).map(other).collect();
    output.insert(outputs.min(2) - 1, TxOut { value: Amount::from_sat(value), script_pubkey: to.script_pubkey() });
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output }
}

fn escrow() -> ScriptBuf {
    testing::lock_at(3).script_pubkey()
}

fn own<'a>(parent: &'a Transaction, fee: u64, escrow: &ScriptBuf, to: &Address) -> Own<'a> {
    let vout = parent.output.iter().position(|output| output.script_pubkey == to.script_pubkey()).unwrap();
    let parent_fee = Amount::from_sat(fee);
    Own { parent, parent_fee, vout: vout.try_into().unwrap(), network: NETWORK, escrow: escrow.clone() }
}

#[test]
fn a_child_pays_for_both_and_every_usual_wallet_signs_it() {
    let escrow = escrow();
    for kind in KINDS {
        let wallet = Wallet::new(kind);
        let parent = parent(500_000, 200, &wallet.address(), 2);
        let own = own(&parent, 200, &escrow, &wallet.address());
        let child = Child::build(&own, &wallet.address(), rate(30), None).unwrap();
        assert!(child.package().rate() >= rate(30), "{kind:?}");
        assert_eq!(child.psbt().inputs[0].bip32_derivation.len(), 0, "the desk knows no key of it");
        assert_eq!(child.value() + child.cost().fee, Amount::from_sat(500_000));

        let unsigned = child.psbt().to_string();
        assert!(SignedChild::read(unsigned.as_bytes(), &own).is_err(), "{kind:?}: nothing is signed");
        let mut psbt = child.psbt().clone();
        wallet.sign(&mut psbt);
        let signed = SignedChild::read(psbt.to_string().as_bytes(), &own).unwrap();
        assert_eq!(signed.fee(), child.cost().fee);
        // As a file, finished by the wallet, and as the raw transaction: the same child.
        assert_eq!(SignedChild::read(&psbt.serialize(), &own).as_ref(), Ok(&signed));
        match psbt.inputs[0].tap_key_sig.take() {
            Some(signature) => psbt.inputs[0].final_script_witness = Some(Witness::p2tr_key_spend(&signature)),
            None => psbt.finalize_mut(&Secp256k1::new()).unwrap(),
        }
        assert_eq!(SignedChild::read(&psbt.serialize(), &own).as_ref(), Ok(&signed));
        let raw = bitcoin::consensus::serialize(signed.transaction());
        assert_eq!(SignedChild::read(&raw, &own).as_ref(), Ok(&signed));
        let hex = bitcoin::consensus::encode::serialize_hex(signed.transaction());
        assert_eq!(SignedChild::read(hex.as_bytes(), &own).as_ref(), Ok(&signed), "{kind:?}");
        let really = u64::try_from(signed.transaction().vsize()).unwrap();
        let budget = child.cost().vbytes;
        assert!((budget.saturating_sub(2)..=budget).contains(&really), "{kind:?}: {really} of {budget} vB");
    }
}

#[test]
fn what_is_no_child_of_this_output_is_refused() {
    let (escrow, wallet) = (escrow(), Wallet::new(Kind::P2wpkh));
    let parent = parent(500_000, 200, &wallet.address(), 2);
    let own = own(&parent, 200, &escrow, &wallet.address());
    let child = Child::build(&own, &wallet.address(), rate(30), None).unwrap();
    let refused = |change: &dyn Fn(&mut Transaction)| {
        let mut psbt = child.psbt().clone();
        change(&mut psbt.unsigned_tx);
        psbt.inputs.resize_with(psbt.unsigned_tx.input.len(), Default::default);
        psbt.outputs.resize_with(psbt.unsigned_tx.output.len(), Default::default);
        let mut signed = psbt.clone();
        wallet.sign(&mut signed);
        SignedChild::read(signed.to_string().as_bytes(), &own).unwrap_err().words
    };
    let more = |tx: &mut Transaction| tx.output[0].value = Amount::from_sat(500_001);
    assert!(refused(&more).contains("more than it has"));
    assert!(refused(&|tx| tx.output[0].value = Amount::from_sat(300)).contains("too little would be left"));
    assert!(refused(&|tx| tx.output[0].value = Amount::from_sat(499_900)).contains("no higher fee rate"));
    let second = TxOut { value: Amount::from_sat(1_000), script_pubkey: wallet.address().script_pubkey() };
    assert!(refused(&|tx| tx.output.push(second.clone())).contains("one output"));
    assert!(refused(&|tx| tx.output[0].script_pubkey = escrow.clone()).contains("no ordinary address"));
    let anyone = ScriptBuf::from_bytes(vec![0x51, 0x02, 0x4e, 0x73]);
    assert!(refused(&|tx| tx.output[0].script_pubkey = anyone.clone()).contains("no ordinary address"));
    let mut elsewhere = own.clone();
    elsewhere.vout = 0;
    let mut signed = child.psbt().clone();
    wallet.sign(&mut signed);
    let words = SignedChild::read(signed.to_string().as_bytes(), &elsewhere).unwrap_err().words;
    assert!(words.contains("something else than your output"), "{words}");
    for junk in [&b""[..], b"x", b"psbt\xff", &[0; 64]] {
        assert!(SignedChild::read(junk, &own).is_err());
    }
}

#[test]
fn a_signature_that_leaves_something_open_is_refused() {
    let (escrow, wallet) = (escrow(), Wallet::new(Kind::P2wpkh));
    let parent = parent(500_000, 200, &wallet.address(), 1);
    let own = own(&parent, 200, &escrow, &wallet.address());
    let mut psbt = Child::build(&own, &wallet.address(), rate(30), None).unwrap().psbt().clone();
    psbt.inputs[0].sighash_type = Some(EcdsaSighashType::None.into());
    wallet.sign(&mut psbt);
    psbt.finalize_mut(&Secp256k1::new()).unwrap();
    let words = SignedChild::read(&psbt.serialize(), &own).unwrap_err().words;
    assert!(words.contains("does not cover the whole"), "{words}");
}

#[test]
fn a_second_child_pays_more_than_the_first_by_its_own_size() {
    let (escrow, wallet) = (escrow(), Wallet::new(Kind::P2wpkh));
    let parent = parent(500_000, 200, &wallet.address(), 2);
    let own = own(&parent, 200, &escrow, &wallet.address());
    let first = Child::build(&own, &wallet.address(), rate(30), None).unwrap().cost();
    let second = Child::build(&own, &wallet.address(), rate(30), Some(first.fee)).unwrap().cost();
    assert_eq!(second.fee, first.fee + Amount::from_sat(first.vbytes));
    let faster = Child::build(&own, &wallet.address(), rate(90), Some(first.fee)).unwrap();
    assert!(faster.package().rate() >= rate(90) && faster.cost().replaces(first.fee));
}

#[test]
fn a_parent_that_is_fast_enough_needs_no_child() {
    let (escrow, wallet) = (escrow(), Wallet::new(Kind::P2wpkh));
    let parent = parent(500_000, 20_000, &wallet.address(), 2);
    let own = own(&parent, 20_000, &escrow, &wallet.address());
    let words = Child::build(&own, &wallet.address(), rate(30), None).unwrap_err().words;
    assert!(words.contains("by itself already"), "{words}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_child_is_exact_or_refused_in_words(
        value in prop_oneof![546_u64..20_000, 20_000_u64..2_000_000, 20_000_u64..1_000_000_000],
        parent_rate in prop_oneof![Just(0_u64), 1_u64..40],
        target in prop_oneof![Just(1_u64), Just(30), Just(300), Just(2_000), 1_u64..2_000],
        kind in prop::sample::select(&KINDS[..]),
        outputs in 1_usize..4,
        before in prop::option::of(100_u64..50_000),
    ) {
        let (escrow, wallet) = (escrow(), Wallet::new(kind));
        let draft = parent(value, 0, &wallet.address(), outputs);
        let fee = parent_rate * u64::try_from(draft.vsize()).unwrap();
        let parent = parent(value, fee, &wallet.address(), outputs);
        let own = own(&parent, fee, &escrow, &wallet.address());
        let before = before.map(Amount::from_sat);
        match Child::build(&own, &wallet.address(), rate(target), before) {
            Ok(child) => {
                let tx = &child.psbt().unsigned_tx;
                prop_assert_eq!((tx.input.len(), tx.output.len()), (1, 1));
                prop_assert_eq!(child.value() + child.cost().fee, Amount::from_sat(value));
                prop_assert!(child.value() >= DUST && child.cost().fee <= FEE_MAX);
                prop_assert!(child.package().rate() >= rate(target), "the package reaches its rate");
                prop_assert!(child.cost().fee.to_sat() >= child.cost().vbytes, "never under the relay fee itself");
                prop_assert!(before.is_none_or(|before| child.cost().replaces(before)));
                let least = rate(target).fee_vb(child.package().vbytes).unwrap() - Amount::from_sat(fee);
                let floor = child.cost().least_to_replace(before.unwrap_or(Amount::ZERO));
                prop_assert_eq!(child.cost().fee, least.max(floor), "and not a satoshi more");
            }
            Err(refusal) => {
                let fast = parent_rate >= target;
                let both = rate(target).fee_vb(u64::try_from(draft.vsize()).unwrap() + 200).unwrap().to_sat() + 400;
                let poor = value < both + before.map_or(0, Amount::to_sat) + 546;
                let dear = both > FEE_MAX.to_sat();
                prop_assert!(fast || poor || dear, "{}", refusal);
            }
        }
    }
}

#[test]
fn an_input_weighs_what_its_kind_of_output_asks_for() {
    let weight = |address: &Address| input_weight(&address.script_pubkey(), NETWORK);
    let of = |kind| weight(&Wallet::new(kind).address());
    // Outpoint, sequence and length of the script; then what signs, four times or once.
    assert_eq!(of(Kind::P2pkh), 160 + 4 * (1 + 107));
    assert_eq!(of(Kind::P2shP2wpkh), 160 + 4 * (1 + 23) + 1 + 107);
    assert_eq!(of(Kind::P2wpkh), 160 + 4 + 1 + 107);
    assert_eq!(of(Kind::P2tr), 160 + 4 + 1 + 1 + 64);
    // An escrow's own input, as payouts count it.
    assert_eq!(weight(&testing::lock().address()), 418);
}

#[test]
fn a_child_pays_a_hundredth_of_a_bitcoin_at_most() {
    let held = TxOut { value: Amount::ONE_BTC, script_pubkey: ScriptBuf::new() };
    let to = Wallet::new(Kind::P2wpkh).address().script_pubkey();
    assert_eq!(left(&held, &to, FEE_MAX), Ok(Amount::from_sat(99_000_000)));
    assert!(left(&held, &to, FEE_MAX + Amount::from_sat(1)).unwrap_err().words.contains("more than 0.01 bitcoin"));
    assert!(left(&held, &to, Amount::ONE_BTC).unwrap_err().words.contains("more than 0.01 bitcoin"));
}

#[test]
fn a_taproot_signature_covers_everything_or_is_refused() {
    let held = Wallet::new(Kind::P2tr).address().script_pubkey();
    let signed = |length: usize, last: u8| {
        let mut signature = vec![9; length];
        *signature.last_mut().unwrap() = last;
        let mut transaction = parent(100_000, 1_000, &Wallet::new(Kind::P2tr).address(), 2);
        transaction.input[0].witness = bitcoin::Witness::from_slice(&[signature]);
        covers_everything(&transaction, &held)
    };
    assert!(signed(64, 0x83).is_ok(), "the default covers everything");
    assert!(signed(65, 0x01).is_ok(), "and so does ALL");
    for sighash in [0x02, 0x03, 0x81, 0x82, 0x83] {
        assert!(signed(65, sighash).is_err(), "{sighash:#x}");
    }
}

#[test]
fn only_a_taproot_input_is_left_to_its_own_kind_of_signature() {
    for kind in KINDS {
        let wallet = Wallet::new(kind);
        let parent = parent(100_000, 1_000, &wallet.address(), 2);
        let own = Own {
            parent: &parent,
            parent_fee: Amount::from_sat(1_000),
            vout: 1,
            network: NETWORK,
            escrow: ScriptBuf::new(),
        };
        let child = Child::build(&own, &Wallet::new(Kind::P2wpkh).address(), rate(20), None).unwrap();
        assert_eq!(child.psbt().inputs[0].sighash_type.is_none(), kind == Kind::P2tr, "{kind:?}");
    }
}
