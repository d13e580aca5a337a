//! Who may enter the mempool: Core's `PreChecks`, replacement and script checks in the same order and words.

use std::collections::HashSet;

use bitcoin::{OutPoint, Transaction, TxOut};

use super::rules::{self, Age};
use super::state::State;
use super::{policy, rules::COINBASE_MATURITY_BLOCKS};
use crate::chain::ChainError;

/// Decides about a transaction that comes from outside.
pub fn check(state: &State, transaction: &Transaction) -> Result<(), ChainError> {
    rules::check_transaction(transaction)?;
    policy::check_standard(transaction)?;
    let spent = check_in_context(state, transaction)?;
    policy::check_inputs(transaction, &spent)?;
    let by_outpoint = |wanted: &OutPoint| {
        let mut pairs = transaction.input.iter().zip(&spent);
        pairs.find(|(input, _)| input.previous_output == *wanted).map(|(_, output)| output.clone())
    };
    let sigops = transaction.total_sigop_cost(by_outpoint);
    if sigops > policy::SIGOPS_MAX {
        return Err(ChainError::rejected("bad-txns-too-many-sigops"));
    }
    check_fee(state, transaction, &spent)?;
    rules::check_scripts(transaction, &spent)
}

/// Decides about one that was in a block which is no longer best: valid is enough.
pub fn check_again(state: &State, transaction: &Transaction) -> Result<(), ChainError> {
    rules::check_transaction(transaction)?;
    let spent = check_in_context(state, transaction)?;
    if transaction.input.iter().any(|input| state.pool.spender(&input.previous_output).is_some()) {
        return Err(ChainError::rejected("txn-mempool-conflict"));
    }
    rules::check_scripts(transaction, &spent)
}

/// The outputs it spends, in its order; from the chain or the mempool, spent there by another or not.
pub fn spent_outputs(state: &State, transaction: &Transaction) -> Result<Vec<TxOut>, ChainError> {
    let find = |outpoint: &OutPoint| {
        let waiting = || state.pool.output(outpoint).cloned();
        let found = state.coin(outpoint).map(|coin| coin.output.clone()).or_else(waiting);
        found.ok_or_else(|| ChainError::rejected("bad-txns-inputs-missingorspent"))
    };
    transaction.input.iter().map(|input| find(&input.previous_output)).collect()
}

fn check_in_context(state: &State, transaction: &Transaction) -> Result<Vec<TxOut>, ChainError> {
    let next = state.height().saturating_add(1);
    let median_time = state.median_time(state.height());
    if !rules::is_final(transaction, next, median_time) {
        return Err(ChainError::rejected("non-final"));
    }
    let spent = spent_outputs(state, transaction)?;
    for input in &transaction.input {
        let coin = state.coin(&input.previous_output);
        let height = coin.map_or(next, |coin| coin.height);
        let age = Age { height, median_time: state.median_time(height.saturating_sub(1)) };
        if transaction.version.0 >= 2 && !rules::is_old_enough(input.sequence, age, next, median_time) {
            return Err(ChainError::rejected("non-BIP68-final"));
        }
        let young = next.saturating_sub(height) < COINBASE_MATURITY_BLOCKS;
        if coin.is_some_and(|coin| coin.coinbase) && young {
            return Err(ChainError::rejected("bad-txns-premature-spend-of-coinbase"));
        }
    }
    rules::fee(transaction, &spent)?;
    Ok(spent)
}

/// Fees: enough to be relayed, enough to replace what it conflicts with (BIP 125 without the signal, which Core
/// no longer asks for), and not so much that it must be a slip of the hand.
fn check_fee(state: &State, transaction: &Transaction, spent: &[TxOut]) -> Result<(), ChainError> {
    let fee = rules::fee(transaction, spent)?;
    let vbytes = u64::try_from(transaction.vsize()).map_err(ChainError::rejected)?;
    if fee < policy::fee_for(policy::RELAY_FEE_RATE_MIN, vbytes) {
        return Err(ChainError::rejected("min relay fee not met"));
    }
    if fee > policy::fee_for(policy::FEE_RATE_SLIP, vbytes) {
        return Err(ChainError::rejected("max-fee-exceeded"));
    }
    let replaced = state.pool.conflicts(transaction);
    let cluster = state.pool.cluster(transaction);
    if transaction.input.iter().any(|input| replaced.contains(&input.previous_output.txid)) {
        return Err(ChainError::rejected("bad-txns-spends-conflicting-tx"));
    }
    check_replacement(state, &replaced, fee, vbytes)?;
    let stays: Vec<_> = cluster.difference(&replaced).filter_map(|txid| state.pool.get(txid)).collect();
    let size = stays.iter().map(|entry| entry.vbytes).fold(vbytes, u64::saturating_add);
    if stays.len() >= policy::CLUSTER_TRANSACTIONS_MAX || size > policy::CLUSTER_VBYTES_MAX {
        return Err(ChainError::rejected("too-large-cluster"));
    }
    Ok(())
}

/// Core asks that the whole mempool's fee diagram improves; here: more fee than all that leaves, its own size
/// paid again, and a higher rate than each that leaves. That refuses a little more, and never less.
fn check_replacement(
    state: &State,
    replaced: &HashSet<bitcoin::Txid>,
    fee: bitcoin::Amount,
    vbytes: u64,
) -> Result<(), ChainError> {
    let entries: Vec<_> = replaced.iter().filter_map(|txid| state.pool.get(txid)).collect();
    if entries.is_empty() {
        return Ok(());
    }
    let lost = rules::sum(entries.iter().map(|entry| entry.fee)).unwrap_or(bitcoin::Amount::MAX_MONEY);
    let due = lost.checked_add(policy::fee_for(policy::REPLACEMENT_FEE_RATE, vbytes));
    if due.is_none_or(|due| fee < due) {
        return Err(ChainError::rejected("insufficient fee, rejecting replacement"));
    }
    let better = |entry: &super::mempool::Entry| {
        u128::from(fee.to_sat()) * u128::from(entry.vbytes) > u128::from(entry.fee.to_sat()) * u128::from(vbytes)
    };
    if !entries.iter().all(|entry| better(entry)) {
        return Err(ChainError::rejected("replacement-failed, insufficient feerate"));
    }
    Ok(())
}
