//! Signed messages: proof that a key holder can sign for this very script (protocol §3).
//!
//! Two forms. **bip322**: the `to_sign` of BIP-322 on the escrow's script. **dry-run**, for signers that refuse it:
//! the same `to_spend` with 10,000 sat, and an ordinary transaction that pays 9,800 of them back to the escrow; its
//! input cannot exist on any chain. Both are a [`Spend`], and go through the same door as payouts.

use std::fmt;

use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::psbt::raw;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use super::door;
use super::lock::Lock;
use super::signature::PartySignature;
use super::spend::{Coin, SEQUENCE, Spend, unsigned_input};
use crate::domain::{Party, Refusal};

/// PSBT_GLOBAL_GENERIC_SIGNED_MESSAGE (BIP-322): the message as UTF-8, no key data.
pub const PSBT_GLOBAL_GENERIC_SIGNED_MESSAGE: u8 = 0x09;

/// What the dry run pretends to spend.
pub const DRY_RUN_SATS: u64 = 10_000;

/// What it pays back: a fee of 2 %, for devices stop at 10 %.
pub const DRY_RUN_BACK_SATS: u64 = 9_800;

/// Longer than any message of the desk.
const MESSAGE_BYTES_MAX: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    Bip322,
    DryRun,
}

impl Form {
    pub const ALL: [Self; 2] = [Self::Bip322, Self::DryRun];

    /// The word in the database and in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bip322 => "bip322",
            Self::DryRun => "dry-run",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == word)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The transaction whose signature signs `message` on the escrow's script.
pub fn build(form: Form, lock: &Lock, message: &str) -> Result<Spend, Refusal> {
    let printable = message.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if message.is_empty() || message.len() > MESSAGE_BYTES_MAX || !printable {
        return Err(Refusal::invalid("A message to sign is one line of printable ASCII."));
    }
    let script = lock.script_pubkey();
    let value = match form {
        Form::Bip322 => Amount::ZERO,
        Form::DryRun => Amount::from_sat(DRY_RUN_SATS),
    };
    let spent = to_spend(&script, message.as_bytes(), value);
    let outpoint = OutPoint { txid: spent.compute_txid(), vout: 0 };
    let to_sign = match form {
        Form::Bip322 => to_sign(outpoint),
        Form::DryRun => dry_run(outpoint, script),
    };
    let mut spend = Spend::new(lock, to_sign, &[Coin { outpoint, value, transaction: Some(spent.into()) }])?;
    let psbt = spend.psbt_mut();
    match form {
        Form::Bip322 => {
            let key = raw::Key { type_value: PSBT_GLOBAL_GENERIC_SIGNED_MESSAGE, key: Vec::new() };
            psbt.unknown.insert(key, message.as_bytes().to_vec());
        }
        Form::DryRun => {
            // So that a wallet sees its own address, not a stranger's.
            if let Some(output) = psbt.outputs.first_mut() {
                output.witness_script = Some(lock.witness_script().clone());
                output.bip32_derivation = lock.derivations();
            }
        }
    }
    Ok(spend)
}

/// A verified signature of a message, and the form it was given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSignature {
    pub form: Form,
    pub signature: PartySignature,
}

/// Verifies an upload as the signature of `message` by `party`, in either form. Signatures of others in it prove
/// nothing here and are left out.
pub fn verify(upload: &[u8], lock: &Lock, message: &str, party: Party) -> Result<MessageSignature, Refusal> {
    let (bip322, dry_run) = (build(Form::Bip322, lock, message)?, build(Form::DryRun, lock, message)?);
    let accepted = door::accept(upload, &[&bip322, &dry_run], party)?;
    let own = accepted.into_iter().find(|signature| signature.party() == party);
    let signature = own.ok_or_else(|| Refusal::invalid("There is no signature with your key in this upload."))?;
    let form = if signature.is_for(&bip322) { Form::Bip322 } else { Form::DryRun };
    Ok(MessageSignature { form, signature })
}

/// What an arbitrator signs at his drill, on [`Lock::of_drill`], in the dry-run form: `<desk> drill <name> <date>`.
pub fn drill_message(desk: &str, arbitrator: &str, date: jiff::civil::Date) -> String {
    format!("{desk} drill {arbitrator} {date}")
}

/// SHA-256 tagged with `BIP0322-signed-message`.
fn message_hash(message: &[u8]) -> sha256::Hash {
    let tag = sha256::Hash::hash(b"BIP0322-signed-message");
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_ref());
    engine.input(tag.as_ref());
    engine.input(message);
    sha256::Hash::from_engine(engine)
}

/// BIP-322's virtual transaction whose output is spent by `to_sign`; the BIP has `value` zero.
fn to_spend(script: &Script, message: &[u8], value: Amount) -> Transaction {
    let script_sig = ScriptBuf::builder().push_int(0).push_slice(message_hash(message).to_byte_array()).into_script();
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::ZERO,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value, script_pubkey: script.to_owned() }],
    }
}

fn to_sign(spent: OutPoint) -> Transaction {
    let nothing =
        TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::builder().push_opcode(OP_RETURN).into_script() };
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![unsigned_input(spent, Sequence::ZERO)],
        output: vec![nothing],
    }
}

fn dry_run(spent: OutPoint, escrow: ScriptBuf) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![unsigned_input(spent, SEQUENCE)],
        output: vec![TxOut { value: Amount::from_sat(DRY_RUN_BACK_SATS), script_pubkey: escrow }],
    }
}

#[cfg(test)]
mod tests;
