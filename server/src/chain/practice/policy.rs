//! What Bitcoin Core would not relay although it is valid: the standardness rules of version 31 at its defaults,
//! in Core's own words. Pure.

use bitcoin::script::{Instruction, PushBytes};
use bitcoin::{Amount, FeeRate, Script, Transaction, TxOut, WitnessVersion, ecdsa};

use crate::chain::ChainError;

/// 0.1 sat/vB (`DEFAULT_MIN_RELAY_TX_FEE`): less does not enter a mempool.
pub const RELAY_FEE_RATE_MIN: FeeRate = FeeRate::from_sat_per_kwu(25);
/// 0.1 sat/vB (`DEFAULT_INCREMENTAL_RELAY_FEE`): a replacement pays so much more for its own size.
pub const REPLACEMENT_FEE_RATE: FeeRate = FeeRate::from_sat_per_kwu(25);
/// 0.1 BTC/kvB (`DEFAULT_MAX_RAW_TX_FEE_RATE`): more is a slip of the hand, says `sendrawtransaction`.
pub const FEE_RATE_SLIP: FeeRate = FeeRate::from_sat_per_kwu(2_500_000);
/// Transactions that hang together in the mempool (`DEFAULT_CLUSTER_LIMIT`).
pub const CLUSTER_TRANSACTIONS_MAX: usize = 64;
/// And their virtual size (`DEFAULT_CLUSTER_SIZE_LIMIT_KVB`).
pub const CLUSTER_VBYTES_MAX: u64 = 101_000;
pub const SIGOPS_MAX: usize = 16_000;
const WEIGHT_MAX: u64 = 400_000;
/// 64 bytes without witness could be taken for an inner node of a Merkle tree (CVE-2017-12842).
const BASE_BYTES_MIN: usize = 65;
const SCRIPT_SIG_BYTES_MAX: usize = 1_650;
const P2SH_SIGOPS_MAX: usize = 15;
const WITNESS_SCRIPT_BYTES_MAX: usize = 3_600;
const WITNESS_ITEMS_MAX: usize = 100;
const WITNESS_ITEM_BYTES_MAX: usize = 80;
const ANNEX_TAG: u8 = 0x50;
const MULTISIG_KEYS_MAX: usize = 3;

/// The fee for this many virtual bytes, rounded up as Core does.
pub fn fee_for(rate: FeeRate, vbytes: u64) -> Amount {
    let sats = rate.to_sat_per_kwu().saturating_mul(4).saturating_mul(vbytes).div_ceil(1_000);
    Amount::from_sat(sats)
}

/// `IsStandardTx`: what can be said without the spent outputs.
pub fn check_standard(transaction: &Transaction) -> Result<(), ChainError> {
    let refuse = |why| Err(ChainError::rejected(why));
    if !(1..=3).contains(&transaction.version.0) {
        return refuse("version");
    }
    if transaction.weight().to_wu() > WEIGHT_MAX {
        return refuse("tx-size");
    }
    for input in &transaction.input {
        if input.script_sig.len() > SCRIPT_SIG_BYTES_MAX {
            return refuse("scriptsig-size");
        }
        if !input.script_sig.is_push_only() {
            return refuse("scriptsig-not-pushonly");
        }
    }
    if !transaction.output.iter().all(|output| is_standard(&output.script_pubkey)) {
        return refuse("scriptpubkey");
    }
    if transaction.output.iter().any(is_dust) {
        return refuse("dust");
    }
    if transaction.base_size() < BASE_BYTES_MIN {
        return refuse("tx-size-small");
    }
    Ok(())
}

/// Costs more to spend than it is worth, at 3 sat/vB. Core lets one such output pass in a transaction without
/// fee whose child spends it; there are no packages here.
fn is_dust(output: &TxOut) -> bool {
    output.value < output.script_pubkey.minimal_non_dust()
}

/// A form that Core's `Solver` has a name for.
fn is_standard(script: &Script) -> bool {
    if let Some(version) = script.witness_version() {
        return version != WitnessVersion::V0 || script.is_p2wpkh() || script.is_p2wsh();
    }
    if script.is_op_return() {
        return Script::from_bytes(script.as_bytes().get(1..).unwrap_or_default()).is_push_only();
    }
    if script.is_multisig() {
        let keys = script.instructions().filter(|part| matches!(part, Ok(Instruction::PushBytes(_)))).count();
        return keys <= MULTISIG_KEYS_MAX;
    }
    script.is_p2pkh() || script.is_p2sh() || script.is_p2pk()
}

/// `ValidateInputsStandardness`, `IsWitnessStandard` and the low-S rule: what the spent outputs add.
pub fn check_inputs(transaction: &Transaction, spent: &[TxOut]) -> Result<(), ChainError> {
    for (input, output) in transaction.input.iter().zip(spent) {
        let script = &output.script_pubkey;
        let known_program = script.is_p2wpkh() || script.is_p2wsh() || script.is_p2tr() || is_anchor(script);
        if !is_standard(script) || script.is_op_return() || (script.is_witness_program() && !known_program) {
            return Err(ChainError::rejected("bad-txns-nonstandard-inputs"));
        }
        let pushes = pushes(&input.script_sig);
        let mut program = script.as_script();
        if script.is_p2sh() {
            let redeem = pushes.last().map(|push| Script::from_bytes(push.as_bytes()));
            let redeem = redeem.ok_or_else(|| ChainError::rejected("bad-txns-nonstandard-inputs"))?;
            if redeem.count_sigops() > P2SH_SIGOPS_MAX {
                return Err(ChainError::rejected("bad-txns-nonstandard-inputs"));
            }
            program = redeem;
        }
        let stack: Vec<&[u8]> = input.witness.iter().collect();
        if !stack.is_empty() && !is_witness_standard(program, &stack, script.is_p2sh()) {
            return Err(ChainError::rejected("bad-witness-nonstandard"));
        }
        let mut items = pushes.iter().map(|push| push.as_bytes()).chain(stack.iter().copied());
        if !program.is_p2tr() && items.any(is_high_s) {
            let why = "mempool-script-verify-flag-failed (Non-canonical signature: S value is unnecessarily high)";
            return Err(ChainError::rejected(why));
        }
    }
    Ok(())
}

fn is_witness_standard(program: &Script, stack: &[&[u8]], nested: bool) -> bool {
    if is_anchor(program) || !program.is_witness_program() {
        return false;
    }
    let Some((last, items)) = stack.split_last() else { return true };
    if program.is_p2wsh() {
        let short = items.iter().all(|item| item.len() <= WITNESS_ITEM_BYTES_MAX);
        return short && last.len() <= WITNESS_SCRIPT_BYTES_MAX && items.len() <= WITNESS_ITEMS_MAX;
    }
    if program.is_p2tr() && !nested && !items.is_empty() {
        let arguments = items.split_last().map_or(items, |(_script, arguments)| arguments);
        let small = arguments.iter().all(|item| item.len() <= WITNESS_ITEM_BYTES_MAX);
        return last.first().is_some_and(|tag| *tag != ANNEX_TAG && (tag & 0xfe != 0xc0 || small));
    }
    true
}

/// Pay-to-anchor: anyone's, and spent without a witness.
fn is_anchor(script: &Script) -> bool {
    script.as_bytes() == [0x51, 0x02, 0x4e, 0x73]
}

fn pushes(script: &Script) -> Vec<&PushBytes> {
    let push = |part| match part {
        Ok(Instruction::PushBytes(push)) => Some(push),
        _ => None,
    };
    script.instructions().filter_map(push).collect()
}

/// A signature anyone could have changed on its way (BIP 146).
fn is_high_s(item: &[u8]) -> bool {
    ecdsa::Signature::from_slice(item).is_ok_and(|signature| {
        let mut low = signature.signature;
        low.normalize_s();
        low != signature.signature
    })
}

#[cfg(test)]
mod tests;
