use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::opcodes::all::{OP_CHECKMULTISIG, OP_CHECKSIG, OP_DUP, OP_PUSHNUM_1, OP_PUSHNUM_3, OP_PUSHNUM_4};
use bitcoin::script::Builder;
use bitcoin::{OutPoint, ScriptBuf, Sequence, TxIn, Witness, transaction};

use super::*;

fn p2wsh() -> ScriptBuf {
    ScriptBuf::new_p2wsh(&Hash::all_zeros())
}

fn p2tr() -> ScriptBuf {
    ScriptBuf::from([&[0x51, 0x20][..], &[7; 32]].concat())
}

fn paying(script: ScriptBuf, sats: u64) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::new(Hash::all_zeros(), 0),
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(sats), script_pubkey: script }],
    }
}

fn spending(script: ScriptBuf, script_sig: ScriptBuf, witness: &[&[u8]]) -> Result<(), ChainError> {
    let mut built = paying(p2wsh(), 1_000);
    built.input[0].script_sig = script_sig;
    built.input[0].witness = Witness::from_slice(witness);
    check_inputs(&built, &[TxOut { value: Amount::from_sat(2_000), script_pubkey: script }])
}

fn multisig(keys: usize, last: bitcoin::opcodes::Opcode) -> ScriptBuf {
    let secret = bitcoin::secp256k1::SecretKey::from_slice(&[7; 32]).unwrap();
    let key = bitcoin::PublicKey::new(secret.public_key(&bitcoin::secp256k1::Secp256k1::new()));
    let mut builder = Builder::new().push_opcode(OP_PUSHNUM_1);
    for _ in 0..keys {
        builder = builder.push_key(&key);
    }
    builder.push_opcode(last).push_opcode(OP_CHECKMULTISIG).into_script()
}

fn refusal(why: &str) -> Result<(), ChainError> {
    Err(ChainError::rejected(why))
}

#[test]
fn dust_begins_where_core_says() {
    let p2pkh = ScriptBuf::new_p2pkh(&Hash::all_zeros());
    let p2sh = ScriptBuf::new_p2sh(&Hash::all_zeros());
    let p2wpkh = ScriptBuf::new_p2wpkh(&Hash::all_zeros());
    let anchor = ScriptBuf::from(vec![0x51, 0x02, 0x4e, 0x73]);
    for (script, sats) in [(p2pkh, 546), (p2sh, 540), (p2wpkh, 294), (p2wsh(), 330), (p2tr(), 330), (anchor, 240)] {
        assert!(is_standard(&script) && !is_dust(&paying(script.clone(), sats).output[0]), "{script}");
        assert_eq!(check_standard(&paying(script.clone(), sats - 1)), refusal("dust"), "{script}");
    }
    assert_eq!(check_standard(&paying(ScriptBuf::new_op_return([7; 40]), 0)), Ok(()), "data is worth nothing");
}

#[test]
fn scripts_without_a_name_are_refused() {
    let odd = Builder::new().push_opcode(OP_DUP).push_opcode(OP_CHECKSIG).into_script();
    let short_program = ScriptBuf::from([&[0x00, 0x10][..], &[7; 16]].concat());
    let code_after_return = ScriptBuf::from(vec![0x6a, 0xac]);
    for script in [odd, short_program, code_after_return, multisig(4, OP_PUSHNUM_4), ScriptBuf::new()] {
        assert_eq!(check_standard(&paying(script.clone(), 10_000)), refusal("scriptpubkey"), "{script}");
    }
    let future_program = ScriptBuf::from([&[0x52, 0x20][..], &[7; 32]].concat());
    for script in [multisig(3, OP_PUSHNUM_3), future_program] {
        assert_eq!(check_standard(&paying(script.clone(), 10_000)), Ok(()), "{script}");
    }
}

#[test]
fn versions_weights_and_script_sigs_have_bounds() {
    for (version, fine) in [(0, false), (1, true), (2, true), (3, true), (4, false), (-1, false)] {
        let mut built = paying(p2wsh(), 1_000);
        built.version = transaction::Version(version);
        assert_eq!(check_standard(&built).is_ok(), fine, "{version}");
    }
    let mut heavy = paying(p2wsh(), 1_000);
    heavy.output = vec![heavy.output[0].clone(); 2_326];
    assert_eq!(check_standard(&heavy), refusal("tx-size"));
    let mut code = paying(p2wsh(), 1_000);
    code.input[0].script_sig = Builder::new().push_opcode(OP_DUP).into_script();
    assert_eq!(check_standard(&code), refusal("scriptsig-not-pushonly"));
    code.input[0].script_sig = ScriptBuf::from(vec![0x51; 1_651]);
    assert_eq!(check_standard(&code), refusal("scriptsig-size"));
    assert_eq!(check_standard(&paying(ScriptBuf::new_op_return([]), 0)), refusal("tx-size-small"));
}

#[test]
fn witnesses_have_bounds() {
    let stuffed = refusal("bad-witness-nonstandard");
    let none = ScriptBuf::new;
    assert_eq!(spending(p2wsh(), none(), &[&[7; 80], &[0x51]]), Ok(()));
    assert_eq!(spending(p2wsh(), none(), &[&[7; 81], &[0x51]]), stuffed);
    assert_eq!(spending(p2wsh(), none(), &[&[0x51; 3_601]]), stuffed);
    assert_eq!(spending(p2wsh(), none(), &[&[7_u8][..]; 102]), stuffed);
    assert_eq!(spending(p2tr(), none(), &[&[7; 64]]), Ok(()));
    assert_eq!(spending(p2tr(), none(), &[&[7; 64], &[0x50, 1]]), stuffed, "an annex");
    assert_eq!(spending(p2tr(), none(), &[&[7; 81], &[0x51], &[0xc0; 33]]), stuffed);
    let old = ScriptBuf::new_p2pkh(&Hash::all_zeros());
    assert_eq!(spending(old, none(), &[&[7; 4]]), stuffed, "no program, no witness");
}

#[test]
fn coins_that_nobody_should_spend_yet_are_refused() {
    let refused = refusal("bad-txns-nonstandard-inputs");
    let future_program = ScriptBuf::from([&[0x52, 0x20][..], &[7; 32]].concat());
    assert_eq!(spending(future_program, ScriptBuf::new(), &[]), refused);
    assert_eq!(spending(Builder::new().push_opcode(OP_DUP).into_script(), ScriptBuf::new(), &[]), refused);
    let p2sh = ScriptBuf::new_p2sh(&Hash::all_zeros());
    assert_eq!(spending(p2sh, ScriptBuf::new(), &[]), refused, "no redeem script");
}

#[test]
fn fees_are_rounded_up_as_core_does() {
    assert_eq!(fee_for(RELAY_FEE_RATE_MIN, 141), Amount::from_sat(15));
    assert_eq!(fee_for(RELAY_FEE_RATE_MIN, 140), Amount::from_sat(14));
    assert_eq!(fee_for(FEE_RATE_SLIP, 141), Amount::from_sat(1_410_000));
}
