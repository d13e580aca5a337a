use bitcoin::consensus::serialize;
use bitcoin::hex::DisplayHex;
use bitcoin::psbt::Psbt;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Amount, EcdsaSighashType, ScriptBuf, Sequence, ecdsa};
use proptest::prelude::*;

use super::*;
use crate::escrow::payout::{Payout, PayoutKind};
use crate::escrow::signature::{SignedPayout, tests::high_s};
use crate::escrow::testing::{self, digest, stranger, wallet};

/// Releases over two deposits, at three fees.
fn payouts() -> Vec<Payout> {
    let agreed = testing::contract().agreed().unwrap();
    let funding = testing::deposit(&testing::lock(), &[700_000, 350_000]);
    Payout::of_all_steps(&agreed, PayoutKind::Release, &funding, testing::rate(5)).unwrap()
}

fn spends(payouts: &[Payout]) -> Vec<&Spend> {
    payouts.iter().map(Payout::spend).collect()
}

/// Accepted from the buyer; who signed which transaction.
fn accepted(upload: &[u8]) -> Result<Vec<(Party, bitcoin::Txid)>, String> {
    let payouts = payouts();
    let signatures = accept(upload, &spends(&payouts), Party::Buyer).map_err(|why| why.to_string())?;
    Ok(signatures.iter().map(|signature| (signature.party(), signature.txid())).collect())
}

fn refused(upload: impl AsRef<[u8]>, words: &str) {
    let said = accepted(upload.as_ref()).unwrap_err();
    assert!(said.contains(words), "{said}");
}

fn signed(spend: &Spend) -> Psbt {
    wallet(Party::Buyer).signed_psbt(spend, Party::Buyer)
}

fn complete(payout: &Payout) -> bitcoin::Transaction {
    let [one, other] = [Party::Buyer, Party::Seller].map(|p| wallet(p).party_signature(payout.spend(), p));
    SignedPayout::new(payout, &one, &other).unwrap().transaction().clone()
}

#[test]
fn one_psbt_is_taken_in_every_dress() {
    let payouts = payouts();
    let psbt = signed(payouts[1].spend());
    let own = vec![(Party::Buyer, payouts[1].spend().txid())];
    let base64 = psbt.to_string();
    let wrapped: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    for upload in [
        psbt.serialize(),
        base64.clone().into_bytes(),
        format!("\u{feff}  {base64}\r\n").into_bytes(),
        wrapped.join("\n").into_bytes(),
        psbt.serialize().to_lower_hex_string().into_bytes(),
        psbt.serialize().to_upper_hex_string().into_bytes(),
        version_2(&psbt).serialize(),
    ] {
        assert_eq!(accepted(&upload), Ok(own.clone()));
    }
}

#[test]
fn several_psbts_are_taken_at_once() {
    let payouts = payouts();
    let all: Vec<String> = payouts.iter().map(|payout| signed(payout.spend()).to_string()).collect();
    let txids: Vec<_> = payouts.iter().map(|payout| (Party::Buyer, payout.spend().txid())).collect();
    assert_eq!(txids.len(), 3);
    for between in ["\n", " ", "\n\n"] {
        assert_eq!(accepted(all.join(between).as_bytes()), Ok(txids.clone()));
    }
    let twice = format!("{} {}", all[0], all[0]);
    assert_eq!(accepted(twice.as_bytes()), Ok(vec![txids[0]]));
}

/// As a wallet that speaks BIP-370 gives it back.
fn version_2(psbt: &Psbt) -> psbt_v2::v2::Psbt {
    use psbt_v2::v2::{Creator, InputBuilder, OutputBuilder};
    let tx = &psbt.unsigned_tx;
    let mut made = Creator::new().transaction_version(tx.version).constructor_modifiable();
    for input in &tx.input {
        made = made.input(InputBuilder::new(&input.previous_output).build());
    }
    for output in &tx.output {
        made = made.output(OutputBuilder::new(output.clone()).build());
    }
    let mut made = made.psbt().unwrap();
    for ((to, from), input) in made.inputs.iter_mut().zip(&psbt.inputs).zip(&tx.input) {
        to.sequence = Some(input.sequence);
        to.partial_sigs.clone_from(&from.partial_sigs);
        to.witness_utxo.clone_from(&from.witness_utxo);
        to.final_script_witness.clone_from(&from.final_script_witness);
    }
    made
}

#[test]
fn finished_uploads_bring_the_signatures_of_both() {
    let payouts = payouts();
    let payout = &payouts[0];
    let both = vec![(Party::Buyer, payout.spend().txid()), (Party::Seller, payout.spend().txid())];
    let transaction = complete(payout);
    let mut psbt = payout.spend().psbt().clone();
    for (input, signed) in psbt.inputs.iter_mut().zip(&transaction.input) {
        input.final_script_witness = Some(signed.witness.clone());
    }
    for upload in [
        serialize(&transaction),
        serialize(&transaction).to_lower_hex_string().into_bytes(),
        psbt.serialize(),
        psbt.to_string().into_bytes(),
        version_2(&psbt).serialize(),
    ] {
        assert_eq!(accepted(&upload), Ok(both.clone()));
    }
}

#[test]
fn an_upload_must_be_signed_by_its_sender() {
    let payouts = payouts();
    let spend = payouts[0].spend();
    refused(spend.psbt().serialize(), "no signature");
    refused(wallet(Party::Seller).signed_psbt(spend, Party::Seller).serialize(), "none with your key");
    let mut half = signed(spend);
    half.inputs[1].partial_sigs.clear();
    refused(half.serialize(), "signed only 1 of 2");
    let mut others_half = signed(spend);
    let seller = wallet(Party::Seller).signed_psbt(spend, Party::Seller);
    others_half.inputs[0].partial_sigs.extend(seller.inputs[0].partial_sigs.clone());
    assert_eq!(accepted(&others_half.serialize()), Ok(vec![(Party::Buyer, spend.txid())]));
}

#[test]
fn a_key_that_is_none_of_the_three_is_refused() {
    let payouts = payouts();
    let spend = payouts[0].spend();
    let mut psbt = signed(spend);
    let secret = stranger().key().xpub().public_key;
    let signature = *psbt.inputs[0].partial_sigs.values().next().unwrap();
    psbt.inputs[0].partial_sigs.insert(bitcoin::PublicKey::new(secret), signature);
    refused(psbt.serialize(), "none of the three keys");
    let mut renamed = signed(spend);
    let signature = renamed.inputs[0].partial_sigs.pop_first().unwrap().1;
    renamed.inputs[0].partial_sigs.insert(spend.lock().public_key(Party::Seller), signature);
    refused(renamed.serialize(), "not one of seller");
}

#[test]
fn other_trades_and_changed_transactions_are_refused_in_their_own_words() {
    let payouts = payouts();
    let spend = payouts[0].spend();
    let changed = |change: &dyn Fn(&mut Psbt)| {
        let mut psbt = signed(spend);
        change(&mut psbt);
        psbt.serialize()
    };
    let agreed = testing::contract().agreed().unwrap();
    let elsewhere = testing::deposit(&testing::lock(), &[1_002_000]);
    let other = Payout::of_all_steps(&agreed, PayoutKind::Release, &elsewhere, testing::rate(5)).unwrap();
    refused(signed(other[0].spend()).serialize(), "another trade");
    let mine = ScriptBuf::from_bytes(testing::address(9).script_pubkey().to_bytes());
    refused(changed(&|psbt| psbt.unsigned_tx.output[2].script_pubkey = mine.clone()), "an address that");
    refused(changed(&|psbt| psbt.unsigned_tx.output[2].value -= Amount::from_sat(1)), "other amounts");
    refused(
        changed(&|psbt| {
            psbt.unsigned_tx.output.remove(0);
            psbt.outputs.remove(0);
        }),
        "missing",
    );
    refused(
        changed(&|psbt| {
            let again = psbt.unsigned_tx.output[0].clone();
            psbt.unsigned_tx.output.push(again);
            psbt.outputs.push(Default::default());
        }),
        "twice",
    );
    refused(
        changed(&|psbt| {
            psbt.unsigned_tx.input.remove(1);
            psbt.inputs.remove(1);
        }),
        "inputs were changed",
    );
    refused(
        changed(&|psbt| {
            psbt.unsigned_tx.input.push(other[0].spend().transaction().input[0].clone());
            psbt.inputs.push(Default::default());
        }),
        "inputs were changed",
    );
    refused(changed(&|psbt| psbt.unsigned_tx.input[0].sequence = Sequence::MAX), "sequence");
    refused(changed(&|psbt| psbt.unsigned_tx.version.0 = 1), "version");
    refused(
        changed(&|psbt| psbt.unsigned_tx.lock_time = bitcoin::absolute::LockTime::from_consensus(800_000)),
        "lock time",
    );
    refused(changed(&|psbt| psbt.unsigned_tx.output.swap(0, 1)), "order");
}

#[test]
fn a_payout_of_another_kind_is_refused_even_with_good_signatures() {
    let agreed = testing::contract().agreed().unwrap();
    let funding = testing::deposit(&testing::lock(), &[700_000, 350_000]);
    let refund = Payout::of_all_steps(&agreed, PayoutKind::Refund, &funding, testing::rate(5)).unwrap();
    refused(signed(refund[0].spend()).serialize(), "The transaction was changed");
    refused(serialize(&complete(&refund[0])), "The transaction was changed");
}

#[test]
fn signatures_that_bind_too_little_are_refused() {
    let payouts = payouts();
    let spend = payouts[0].spend();
    let secret = wallet(Party::Buyer).secret(spend.lock(), Party::Buyer);
    for kind in [
        EcdsaSighashType::None,
        EcdsaSighashType::Single,
        EcdsaSighashType::AllPlusAnyoneCanPay,
        EcdsaSighashType::NonePlusAnyoneCanPay,
        EcdsaSighashType::SinglePlusAnyoneCanPay,
    ] {
        // Really signed for that kind, as several wallets do without a word.
        let mut psbt = signed(spend);
        let (value, script) = (spend.values()[0], spend.lock().witness_script());
        let digest = bitcoin::sighash::SighashCache::new(spend.transaction())
            .p2wsh_signature_hash(0, script, value, kind)
            .unwrap();
        let signature = Secp256k1::new().sign_ecdsa(&digest.into(), &secret);
        let key = spend.lock().public_key(Party::Buyer);
        psbt.inputs[0].partial_sigs.insert(key, ecdsa::Signature { signature, sighash_type: kind });
        refused(psbt.serialize(), &kind.to_string());
        psbt.inputs[0].final_script_witness = Some(bitcoin::Witness::from_slice(&[
            &[][..],
            &ecdsa::Signature { signature, sighash_type: kind }.to_vec(),
            script.as_bytes(),
        ]));
        psbt.inputs[0].partial_sigs.clear();
        refused(psbt.serialize(), &kind.to_string());
    }
    let mut transaction = complete(&payouts[0]);
    let good = Secp256k1::new().sign_ecdsa_low_r(&digest(spend, 0), &secret);
    let high = [high_s(&good), vec![1]].concat();
    transaction.input[0].witness =
        bitcoin::Witness::from_slice(&[&[][..], &high, spend.lock().witness_script().as_bytes()]);
    refused(serialize(&transaction), "low-S");
}

#[test]
fn garbage_is_refused_as_garbage() {
    let psbt = signed(payouts()[0].spend()).serialize();
    refused("", "nothing in the upload");
    refused(" \n ", "nothing in the upload");
    refused("hello", "cannot be read");
    refused([0xff, 0xfe, 0x00], "cannot be read");
    refused(b"psbt\xff", "cut off");
    refused("cHNidP", "cannot be read");
    refused("00", "cannot be read");
    for length in (5..psbt.len() - 40).step_by(7) {
        assert!(accepted(&psbt[..length]).is_err());
    }
    let double = [b"psbt\xff".as_slice(), &[1, 0xfb, 4, 0, 0, 0, 0], &[1, 0xfb, 4, 0, 0, 0, 0], &[0]].concat();
    refused(double, "twice");
    let version_3 = [b"psbt\xff".as_slice(), &[1, 0xfb, 4, 3, 0, 0, 0], &[0]].concat();
    refused(version_3, "unknown version");
    // A version 2 that claims 2^60 inputs allocates nothing.
    let claims = [b"psbt\xff".as_slice(), &[1, 0xfb, 4, 2, 0, 0, 0], &[1, 4, 9, 0xff, 0, 0, 0, 0, 0, 0, 0, 16], &[0]];
    refused(claims.concat(), "cut off");
    let longer = [b"psbt\xff".as_slice(), &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]].concat();
    refused(longer, "cut off");
}

#[test]
fn an_upload_that_is_too_big_is_not_even_read() {
    let payouts = payouts();
    let limit = upload_bytes_max(spends(&payouts));
    refused(vec![b'a'; limit + 1], "too big");
    let psbt = signed(payouts[0].spend()).to_string();
    let padded = format!("{psbt}{}", " ".repeat(limit - psbt.len()));
    assert!(accepted(padded.as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_the_door_fall(bytes in proptest::collection::vec(any::<u8>(), 0..400), psbt in any::<bool>()) {
        let upload = if psbt { [b"psbt\xff".as_slice(), &bytes].concat() } else { bytes };
        prop_assert!(upload::read(&upload, 1_000).is_err());
    }

    #[test]
    fn one_flipped_bit_never_brings_another_transaction_or_key(place in 0_usize..4_000, bit in 0_u8..8) {
        let payouts = payouts();
        let mut upload = signed(payouts[0].spend()).serialize();
        let place = place % upload.len();
        upload[place] ^= 1 << bit;
        if let Ok(signatures) = accept(&upload, &spends(&payouts), Party::Buyer) {
            for signature in signatures {
                prop_assert_eq!(signature.party(), Party::Buyer);
                prop_assert!(signature.reverify(payouts[0].spend()).is_ok());
            }
        }
    }
}

#[test]
fn an_upload_may_be_as_long_as_what_is_asked_for_and_a_little_more() {
    let payouts = payouts();
    let asked: usize = payouts.iter().map(|payout| payout.spend().psbt().to_string().len()).sum();
    assert_eq!(upload_bytes_max(spends(&payouts)), asked + 65_536);
    // Hexadecimal text may be broken into lines, too.
    let psbt = signed(payouts[0].spend()).serialize();
    let (first, second) = psbt.split_at(100);
    let lines = format!("{}\n{}\n", first.to_lower_hex_string(), second.to_lower_hex_string());
    assert_eq!(accepted(lines.as_bytes()).unwrap().len(), 1);
}
