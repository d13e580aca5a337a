//! Making blocks, and paying from what they create.
//!
//! Every coinbase pays a script that anyone can spend: the faucet needs no key, so there is none to keep.

use bitcoin::absolute::LockTime;
use bitcoin::blockdata::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::opcodes::OP_TRUE;
use bitcoin::script::Builder;
use bitcoin::transaction;
use bitcoin::{
    Amount, Block, CompactTarget, FeeRate, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness,
};
use jiff::Timestamp;

use super::policy;
use super::rules::{self, COINBASE_MATURITY_BLOCKS};
use super::state::State;
use crate::chain::ChainError;

/// 2 sat/vB: enough to be mined, little enough to last.
const FAUCET_FEE_RATE: FeeRate = FeeRate::from_sat_per_vb_u32(2);
/// Smaller coins of the faucet stay where they are: spending one costs a good part of it.
const FAUCET_COIN_SATS_MIN: u64 = 1_000;
/// Room for the header, the coinbase and its commitment.
const RESERVED_WEIGHT: u64 = 8_000;
const RESERVED_SIGOPS: usize = 400;

/// What unlocks the faucet's outputs: no signature at all.
fn faucet_witness_script() -> ScriptBuf {
    Builder::new().push_opcode(OP_TRUE).into_script()
}

/// Where every coinbase and the faucet's change go.
pub fn faucet_script() -> ScriptBuf {
    faucet_witness_script().to_p2wsh()
}

pub fn is_faucet(script: &Script) -> bool {
    script.is_p2wsh() && *script == *faucet_script()
}

/// The next block, with what waits or without. Its time is `now`, unless the rules ask for later.
pub fn block(state: &State, now: Timestamp, with_waiting: bool, reward_to: &Script) -> Result<Block, ChainError> {
    let (tip, _) = state.tip()?;
    let height = tip.height.saturating_add(1);
    let mut fees = Amount::ZERO;
    let mut transactions = Vec::new();
    if with_waiting {
        for (transaction, fee) in chosen(state) {
            fees = fees.checked_add(fee).ok_or_else(|| ChainError::confused("the fees are beyond all money"))?;
            transactions.push(transaction);
        }
    }
    let reward = rules::subsidy(height).checked_add(fees).ok_or_else(|| ChainError::confused("too much money"))?;
    transactions.insert(0, coinbase(height, state.blocks_ever(), reward, reward_to));
    let after = state.median_time(tip.height).saturating_add(1);
    let time = u32::try_from(now.as_second()).unwrap_or(0).max(after);
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: tip.hash,
        merkle_root: TxMerkleNode::all_zeros(),
        time,
        bits: CompactTarget::from_consensus(rules::BITS),
        nonce: 0,
    };
    let mut block = Block { header, txdata: transactions };
    commit(&mut block)?;
    let target = block.header.target();
    while block.header.validate_pow(target).is_err() {
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
    Ok(block)
}

/// Waiting transactions in their order, as many as fit. Where one does not fit, its children do not either.
fn chosen(state: &State) -> Vec<(Transaction, Amount)> {
    let mut weight = RESERVED_WEIGHT;
    let mut sigops = RESERVED_SIGOPS;
    let mut chosen = Vec::new();
    let mut left_out = std::collections::HashSet::new();
    for entry in state.pool.all() {
        let more = entry.transaction.weight().to_wu();
        let find = |outpoint: &OutPoint| {
            state.coin(outpoint).map(|coin| coin.output.clone()).or_else(|| state.pool.output(outpoint).cloned())
        };
        let cost = entry.transaction.total_sigop_cost(find);
        let orphan = entry.transaction.input.iter().any(|input| left_out.contains(&input.previous_output.txid));
        if orphan || weight + more > rules::BLOCK_WEIGHT_MAX || sigops + cost > rules::BLOCK_SIGOPS_MAX {
            left_out.insert(entry.txid);
            continue;
        }
        weight += more;
        sigops += cost;
        chosen.push((entry.transaction.clone(), entry.fee));
    }
    chosen
}

/// Height first (BIP 34), then a number that no other block has.
fn coinbase(height: u32, number: usize, reward: Amount, to: &Script) -> Transaction {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let script_sig = Builder::new().push_int(i64::from(height)).push_slice(number.to_le_bytes()).into_script();
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[[0_u8; 32]]),
        }],
        output: vec![TxOut { value: reward, script_pubkey: to.to_owned() }],
    }
}

/// The witness commitment (BIP 141) into the coinbase, the Merkle root into the header.
fn commit(block: &mut Block) -> Result<(), ChainError> {
    let broken = || ChainError::confused("a block without a coinbase");
    let root = block.witness_root().ok_or_else(broken)?;
    let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
    let mut bytes = [0_u8; 36];
    let (head, tail) = bytes.split_at_mut(4);
    head.copy_from_slice(&[0xaa, 0x21, 0xa9, 0xed]);
    tail.copy_from_slice(commitment.as_byte_array());
    let output = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return(bytes) };
    block.txdata.first_mut().ok_or_else(broken)?.output.push(output);
    block.header.merkle_root = block.compute_merkle_root().ok_or_else(broken)?;
    Ok(())
}

/// A payment from the faucet, change back to it. Takes one coin where one is enough, confirmed before waiting,
/// the smallest that will do, so that many payments in a row do not hang on each other.
pub fn payment(state: &State, script: &Script, amount: Amount) -> Result<Transaction, ChainError> {
    let coins = faucet_coins(state);
    let mut taken: Vec<(OutPoint, Amount)> = Vec::new();
    for (outpoint, value) in &coins {
        let built = spend(&[(*outpoint, *value)], script, amount);
        if let Some(transaction) = built {
            return Ok(transaction);
        }
    }
    let mut largest = coins;
    largest.sort_by_key(|(outpoint, value)| (std::cmp::Reverse(*value), *outpoint));
    for coin in largest {
        taken.push(coin);
        if let Some(transaction) = spend(&taken, script, amount) {
            return Ok(transaction);
        }
    }
    Err(ChainError::rejected("the faucet is dry: mine some blocks, or ask for less"))
}

/// What may be spent now: confirmed ones from the smallest, then change that still waits, shortest chain first.
fn faucet_coins(state: &State) -> Vec<(OutPoint, Amount)> {
    let next = state.height().saturating_add(1);
    let useful = |value: Amount| value.to_sat() >= FAUCET_COIN_SATS_MIN;
    let mut confirmed: Vec<(OutPoint, Amount)> = state
        .faucet()
        .filter(|(outpoint, coin)| {
            let ripe = !coin.coinbase || next.saturating_sub(coin.height) >= COINBASE_MATURITY_BLOCKS;
            ripe && useful(coin.output.value) && state.pool.spender(outpoint).is_none()
        })
        .map(|(outpoint, coin)| (outpoint, coin.output.value))
        .collect();
    confirmed.sort_by_key(|(outpoint, value)| (*value, *outpoint));
    let mut waiting = Vec::new();
    for entry in state.pool.all() {
        for (vout, output) in (0_u32..).zip(&entry.transaction.output) {
            let outpoint = OutPoint { txid: entry.txid, vout };
            let free = state.pool.spender(&outpoint).is_none() && useful(output.value);
            if !free || !is_faucet(&output.script_pubkey) {
                continue;
            }
            let cluster = state.pool.cluster(&entry.transaction).len();
            if cluster < policy::CLUSTER_TRANSACTIONS_MAX {
                waiting.push((cluster, outpoint, output.value));
            }
        }
    }
    waiting.sort();
    confirmed.extend(waiting.into_iter().map(|(_, outpoint, value)| (outpoint, value)));
    confirmed
}

/// Spends these coins, or `None` if they are not worth the amount and the fee.
fn spend(coins: &[(OutPoint, Amount)], script: &Script, amount: Amount) -> Option<Transaction> {
    let witness = Witness::from_slice(&[faucet_witness_script().as_bytes()]);
    let input = coins.iter().map(|(previous_output, _)| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: witness.clone(),
    });
    let mut transaction = Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: input.collect(),
        output: vec![TxOut { value: amount, script_pubkey: script.to_owned() }],
    };
    let total = rules::sum(coins.iter().map(|(_, value)| *value))?;
    let left = total.checked_sub(amount)?;
    let fee = |transaction: &Transaction| {
        let vbytes = u64::try_from(transaction.vsize()).ok()?;
        Some(policy::fee_for(FAUCET_FEE_RATE, vbytes))
    };
    left.checked_sub(fee(&transaction)?)?;
    let change_script = faucet_script();
    let floor = change_script.minimal_non_dust();
    transaction.output.push(TxOut { value: floor, script_pubkey: change_script });
    match left.checked_sub(fee(&transaction)?) {
        Some(change) if change >= floor => {
            transaction.output.last_mut()?.value = change;
        }
        _ => {
            transaction.output.pop();
        }
    }
    Some(transaction)
}
