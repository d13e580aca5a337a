//! The consensus rules that a practice chain needs: those of regtest, as in Bitcoin Core's validation.
//! Pure: everything a rule looks at is handed in.

use std::collections::HashSet;

use bitcoin::absolute::LockTime;
use bitcoin::{Amount, Sequence, Transaction, TxOut};

use crate::chain::ChainError;

/// Regtest's target in compact form: every second hash is good enough.
pub const BITS: u32 = 0x207f_ffff;
/// A coinbase output may be spent in the hundredth block after its own.
pub const COINBASE_MATURITY_BLOCKS: u32 = 100;
pub const BLOCK_WEIGHT_MAX: u64 = 4_000_000;
pub const BLOCK_SIGOPS_MAX: usize = 80_000;
const HALVING_BLOCKS: u32 = 150;
const SUBSIDY_START_SATS: u64 = 50 * 100_000_000;

/// What a block of this height may create, fees not counted.
pub fn subsidy(height: u32) -> Amount {
    Amount::from_sat(SUBSIDY_START_SATS.checked_shr(height / HALVING_BLOCKS).unwrap_or(0))
}

/// What can be said of a transaction without knowing the chain.
pub fn check_transaction(transaction: &Transaction) -> Result<(), ChainError> {
    let refuse = |why| Err(ChainError::rejected(why));
    if transaction.input.is_empty() {
        return refuse("bad-txns-vin-empty");
    }
    if transaction.output.is_empty() {
        return refuse("bad-txns-vout-empty");
    }
    if transaction.is_coinbase() {
        return refuse("coinbase");
    }
    let mut spent = HashSet::new();
    if !transaction.input.iter().all(|input| spent.insert(input.previous_output)) {
        return refuse("bad-txns-inputs-duplicate");
    }
    if spent.iter().any(bitcoin::OutPoint::is_null) {
        return refuse("bad-txns-prevout-null");
    }
    match sum(transaction.output.iter().map(|output| output.value)) {
        Some(total) if total <= Amount::MAX_MONEY => Ok(()),
        _ => refuse("bad-txns-txouttotal-toolarge"),
    }
}

/// Adds up, or `None` where that overflows.
pub fn sum(amounts: impl Iterator<Item = Amount>) -> Option<Amount> {
    let mut amounts = amounts;
    amounts.try_fold(Amount::ZERO, Amount::checked_add)
}

/// What the inputs are worth above the outputs.
pub fn fee(transaction: &Transaction, spent: &[TxOut]) -> Result<Amount, ChainError> {
    let taken = sum(spent.iter().map(|output| output.value));
    let given = sum(transaction.output.iter().map(|output| output.value));
    taken
        .zip(given)
        .and_then(|(taken, given)| taken.checked_sub(given))
        .ok_or_else(|| ChainError::rejected("bad-txns-in-belowout"))
}

/// May it be in the block of this height, whose predecessors have this median time (BIP 113)?
pub fn is_final(transaction: &Transaction, height: u32, median_time: u32) -> bool {
    let reached = match transaction.lock_time {
        LockTime::Blocks(lock) => lock.to_consensus_u32() < height,
        LockTime::Seconds(lock) => lock.to_consensus_u32() < median_time,
    };
    let zero = transaction.lock_time.to_consensus_u32() == 0;
    zero || reached || transaction.input.iter().all(|input| input.sequence == Sequence::MAX)
}

/// A relative lock (BIP 68) of one input, in what the spent output's block says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Age {
    /// Height of the block with the spent output; of the next block when it is not confirmed.
    pub height: u32,
    /// Median time of the blocks before that one.
    pub median_time: u32,
}

/// May the input with this sequence be spent in the block of this height after this median time?
pub fn is_old_enough(sequence: Sequence, age: Age, height: u32, median_time: u32) -> bool {
    use bitcoin::relative::LockTime as Relative;
    match sequence.to_relative_lock_time() {
        None => true,
        Some(Relative::Blocks(blocks)) => height >= age.height.saturating_add(u32::from(blocks.value())),
        Some(Relative::Time(units)) => {
            median_time >= age.median_time.saturating_add(u32::from(units.value()).saturating_mul(512))
        }
    }
}

/// Runs every input's script with all of consensus (segwit and taproot too), in Bitcoin Core's own interpreter.
pub fn check_scripts(transaction: &Transaction, spent: &[TxOut]) -> Result<(), ChainError> {
    let bytes = bitcoin::consensus::serialize(transaction);
    let mut outputs = Vec::with_capacity(spent.len());
    for output in spent {
        let script = output.script_pubkey.as_bytes();
        outputs.push(bitcoinconsensus::Utxo {
            script_pubkey: script.as_ptr(),
            script_pubkey_len: u32::try_from(script.len()).map_err(ChainError::rejected)?,
            value: i64::try_from(output.value.to_sat()).map_err(ChainError::rejected)?,
        });
    }
    // Without the spent outputs the interpreter would say yes to a wrong taproot signature.
    let flags = bitcoinconsensus::VERIFY_ALL_PRE_TAPROOT | bitcoinconsensus::VERIFY_TAPROOT;
    for (index, output) in spent.iter().enumerate() {
        let (script, value) = (output.script_pubkey.as_bytes(), output.value.to_sat());
        bitcoinconsensus::verify_with_flags(script, value, &bytes, Some(&outputs), index, flags)
            .map_err(|_| ChainError::rejected(format!("mempool-script-verify-flag-failed (input {index})")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subsidy_halves_until_nothing_is_left() {
        assert_eq!(subsidy(1), Amount::from_int_btc(50));
        assert_eq!(subsidy(149), Amount::from_int_btc(50));
        assert_eq!(subsidy(150), Amount::from_int_btc(25));
        assert_eq!(subsidy(150 * 33), Amount::ZERO);
        assert_eq!(subsidy(u32::MAX), Amount::ZERO);
    }

    #[test]
    fn a_relative_lock_counts_from_the_block_of_the_output() {
        let age = Age { height: 10, median_time: 1_000 };
        assert!(is_old_enough(Sequence::ENABLE_RBF_NO_LOCKTIME, age, 11, 0));
        assert!(!is_old_enough(Sequence::from_height(5), age, 14, 0));
        assert!(is_old_enough(Sequence::from_height(5), age, 15, 0));
        let day = Sequence::from_512_second_intervals(2);
        assert!(!is_old_enough(day, age, 15, 2_023));
        assert!(is_old_enough(day, age, 15, 2_024));
    }
}
