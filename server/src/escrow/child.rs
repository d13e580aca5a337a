//! Child pays for parent: who owns an output of a payout that lingers spends it with a fee for both (BIP-125 and the
//! mempool's own minimum in mind).
//!
//! The desk knows the address and not the key, so the PSBT names the output and no derivation. What comes back is
//! checked here whole: the desk sends only a child of this very output, with one output, signed so that it is valid.

use bitcoin::absolute::LockTime;
use bitcoin::address::AddressType;
use bitcoin::psbt::PsbtSighashType;
use bitcoin::transaction::Version;
use bitcoin::{
    Address, Amount, EcdsaSighashType, FeeRate, Network, OutPoint, Psbt, Script, ScriptBuf, Transaction, TxOut, Txid,
    Witness, ecdsa,
};
use miniscript::psbt::{PsbtExt, interpreter_check};

use super::fees::{self, DUST, FEE_MAX};
use super::keys::CURVE;
use super::pace::Cost;
use super::spend::{SEQUENCE, unsigned_input};
use super::{address, upload};
use crate::domain::Refusal;

/// A signed child has one input and one output.
const UPLOAD_BYTES_MAX: usize = 256 * 1024;

/// The output of a payout that a child spends.
#[derive(Debug, Clone)]
pub struct Own<'a> {
    /// The payout, signed.
    pub parent: &'a Transaction,
    pub parent_fee: Amount,
    pub vout: u32,
    pub network: Network,
    /// The escrow's script: nothing is sent back to it.
    pub escrow: ScriptBuf,
}

/// A child to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    psbt: Psbt,
    cost: Cost,
    package: Cost,
}

/// A child that is signed, and valid as far as its own input goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedChild {
    transaction: Transaction,
    fee: Amount,
}

impl Own<'_> {
    fn output(&self) -> Result<&TxOut, Refusal> {
        let output = usize::try_from(self.vout).ok().and_then(|vout| self.parent.output.get(vout));
        output.ok_or_else(|| Refusal::conflict("The payout has no such output."))
    }

    fn outpoint(&self) -> OutPoint {
        OutPoint { txid: self.parent.compute_txid(), vout: self.vout }
    }

    /// What the parent pays, with the size it really has.
    pub fn parent_cost(&self) -> Cost {
        Cost { fee: self.parent_fee, vbytes: u64::try_from(self.parent.vsize()).unwrap_or(u64::MAX / 8) }
    }

    fn vbytes_with(&self, to: &Script) -> Result<u64, Refusal> {
        let input = input_weight(&self.output()?.script_pubkey, self.network);
        Ok(fees::weight_around(input, [to]).div_ceil(4))
    }

    /// What a child to `to` pays so that it and its parent together reach `target`. `before` is the fee of a child that
    /// it replaces.
    fn fee(&self, to: &Script, target: FeeRate, before: Option<Amount>) -> Result<Amount, Refusal> {
        let (parent, vbytes) = (self.parent_cost(), self.vbytes_with(to)?);
        if parent.rate() >= target {
            return Err(Refusal::invalid(format!(
                "The payout pays {} sat/vB by itself already, so a child would not make it faster.",
                parent.rate().to_sat_per_vb_floor()
            )));
        }
        let both = target.fee_vb(parent.vbytes.saturating_add(vbytes)).unwrap_or(Amount::MAX_MONEY);
        let own = Cost { fee: both.checked_sub(parent.fee).unwrap_or(Amount::ZERO), vbytes };
        Ok(own.fee.max(own.least_to_replace(before.unwrap_or(Amount::ZERO))))
    }
}

impl Child {
    /// One input, one output, replaceable.
    ///
    /// # Errors
    ///
    /// In words: when the parent is fast enough, the fee is beyond 0.01 bitcoin, or nothing would be left.
    pub fn build(own: &Own<'_>, to: &Address, target: FeeRate, before: Option<Amount>) -> Result<Self, Refusal> {
        let (held, script) = (own.output()?.clone(), to.script_pubkey());
        let cost = Cost { fee: own.fee(&script, target, before)?, vbytes: own.vbytes_with(&script)? };
        let value = left(&held, &script, cost.fee)?;
        let input = vec![unsigned_input(own.outpoint(), SEQUENCE)];
        let output = vec![TxOut { value, script_pubkey: script }];
        let unsigned = Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output };
        let psbt = psbt_of(own, unsigned)?;
        let parent = own.parent_cost();
        let package = Cost { fee: parent.fee + cost.fee, vbytes: parent.vbytes.saturating_add(cost.vbytes) };
        Ok(Self { psbt, cost, package })
    }

    pub fn psbt(&self) -> &Psbt {
        &self.psbt
    }

    /// What the child alone costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Parent and child together: what miners look at.
    pub fn package(&self) -> Cost {
        self.package
    }

    /// What arrives.
    pub fn value(&self) -> Amount {
        self.psbt.unsigned_tx.output.first().map_or(Amount::ZERO, |output| output.value)
    }
}

impl SignedChild {
    /// Takes a signed child: a PSBT whose signature is in it, a finished one, or the raw transaction. What is stored is
    /// read again by this too.
    ///
    /// # Errors
    ///
    /// In words, when it is not a valid child of this very output with one output to an ordinary address, or would not
    /// help.
    pub fn read(upload: &[u8], own: &Own<'_>) -> Result<Self, Refusal> {
        let blobs = upload::decode(upload, UPLOAD_BYTES_MAX)?;
        let [blob] = blobs.as_slice() else {
            return Err(Refusal::invalid("Upload one signed child: there is more than one transaction in this."));
        };
        let (unsigned, given) = parts(blob)?;
        let held = own.output()?.clone();
        let fee = check(own, &unsigned, &held)?;
        let mut psbt = psbt_of(own, unsigned)?;
        if let Some(input) = psbt.inputs.first_mut() {
            input.partial_sigs = given.partial_sigs;
            input.redeem_script = given.redeem_script;
            input.witness_script = given.witness_script;
            input.final_script_sig = given.final_script_sig;
            let by_key = given.tap_key_sig.map(|signature| Witness::p2tr_key_spend(&signature));
            input.final_script_witness = given.final_script_witness.or(by_key);
        }
        let secp = &*CURVE;
        let finished = |psbt: &Psbt| {
            psbt.inputs.iter().all(|input| input.final_script_sig.is_some() || input.final_script_witness.is_some())
        };
        if !finished(&psbt) {
            psbt.finalize_mut(secp).map_err(|_| not_signed())?;
        }
        interpreter_check(&psbt, secp).map_err(|_| not_signed())?;
        let transaction = psbt.extract_tx_unchecked_fee_rate();
        covers_everything(&transaction, &held.script_pubkey)?;
        let cost = Cost { fee, vbytes: u64::try_from(transaction.vsize()).unwrap_or(u64::MAX) };
        if cost.rate() <= own.parent_cost().rate() {
            return Err(Refusal::invalid(
                "This child pays no higher fee rate than the payout itself, so it would not make it faster.",
            ));
        }
        Ok(Self { transaction, fee })
    }

    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    pub fn txid(&self) -> Txid {
        self.transaction.compute_txid()
    }

    pub fn fee(&self) -> Amount {
        self.fee
    }
}

fn not_signed() -> Refusal {
    Refusal::invalid(
        "This child is not signed, or not validly. Open the file from this page in the wallet that holds the address, \
         sign it there, and upload what it saves; if that is refused too, the finished transaction.",
    )
}

/// The unsigned transaction, and what was given for its input.
fn parts(blob: &[u8]) -> Result<(Transaction, bitcoin::psbt::Input), Refusal> {
    let unreadable =
        || Refusal::invalid("The upload cannot be read: it is neither a PSBT (version 0) nor a transaction.");
    if blob.starts_with(b"psbt") {
        let psbt = Psbt::deserialize(blob).map_err(|_| unreadable())?;
        return Ok((psbt.unsigned_tx, psbt.inputs.into_iter().next().unwrap_or_default()));
    }
    let mut transaction: Transaction = bitcoin::consensus::deserialize(blob).map_err(|_| unreadable())?;
    let mut given = bitcoin::psbt::Input::default();
    for input in &mut transaction.input {
        let script = std::mem::take(&mut input.script_sig);
        given.final_script_sig = (!script.is_empty()).then_some(script);
        let witness = std::mem::take(&mut input.witness);
        given.final_script_witness = (!witness.is_empty()).then_some(witness);
    }
    Ok((transaction, given))
}

/// What the child may be; its fee.
fn check(own: &Own<'_>, unsigned: &Transaction, held: &TxOut) -> Result<Amount, Refusal> {
    let ([input], [output]) = (unsigned.input.as_slice(), unsigned.output.as_slice()) else {
        return Err(Refusal::invalid(
            "A child here has one input and one output. Sign the file from this page as it is.",
        ));
    };
    if input.previous_output != own.outpoint() {
        return Err(Refusal::invalid("This spends something else than your output of the payout as it is now."));
    }
    let address = Address::from_script(&output.script_pubkey, own.network).map_err(|_| strange())?;
    address::payable_from(&address.to_string(), &own.escrow, own.network).map_err(|_| strange())?;
    let fee =
        held.value.checked_sub(output.value).ok_or_else(|| Refusal::invalid("This child pays more than it has."))?;
    left(held, &output.script_pubkey, fee)?;
    Ok(fee)
}

fn strange() -> Refusal {
    Refusal::invalid("This child pays to something that is no ordinary address. Sign the file from this page as it is.")
}

/// What is left for the output after the fee.
fn left(held: &TxOut, to: &Script, fee: Amount) -> Result<Amount, Refusal> {
    if fee > FEE_MAX {
        return Err(Refusal::invalid(format!(
            "This child would pay {} sat, more than 0.01 bitcoin. Wait, or choose more blocks.",
            fee.to_sat()
        )));
    }
    let left = held.value.checked_sub(fee).filter(|left| *left >= DUST.max(to.minimal_non_dust()));
    left.ok_or_else(|| {
        Refusal::invalid(format!(
            "Your output has {} sat and the child would pay {} sat: too little would be left. Choose more blocks, or wait.",
            held.value.to_sat(),
            fee.to_sat()
        ))
    })
}

fn psbt_of(own: &Own<'_>, unsigned: Transaction) -> Result<Psbt, Refusal> {
    let mut psbt = Psbt::from_unsigned_tx(unsigned).map_err(|_| strange())?;
    let held = own.output()?;
    if let Some(input) = psbt.inputs.first_mut() {
        // Some wallets want the whole parent, all need the output; of an old-style output the whole parent alone counts.
        let old = held.script_pubkey.is_p2pkh();
        input.witness_utxo = (!old).then(|| held.clone());
        input.non_witness_utxo = Some(own.parent.clone());
        if !held.script_pubkey.is_p2tr() {
            input.sighash_type = Some(PsbtSighashType::from(EcdsaSighashType::All));
        }
    }
    Ok(psbt)
}

/// Weight of an input that spends such an output, with 72-byte signatures. Behind P2SH the key of one signer is taken
/// to be, behind P2WSH two of three.
fn input_weight(script: &Script, network: Network) -> u64 {
    const OUTPOINT_AND_SEQUENCE_WU: u64 = 4 * (36 + 4);
    const SIGNATURE_AND_KEY: u64 = 1 + 72 + 1 + 33;
    let kind = Address::from_script(script, network).ok().and_then(|address| address.address_type());
    OUTPOINT_AND_SEQUENCE_WU
        + match kind {
            Some(AddressType::P2pkh) => 4 * (1 + SIGNATURE_AND_KEY),
            Some(AddressType::P2sh) => 4 * (1 + 23) + 1 + SIGNATURE_AND_KEY,
            Some(AddressType::P2tr) => 4 + 1 + 1 + 64,
            Some(AddressType::P2wsh) => 4 + 1 + 1 + 2 * (1 + 72) + (1 + 105),
            _ => 4 + 1 + SIGNATURE_AND_KEY,
        }
}

/// A signature that does not cover all would let others change what it pays.
fn covers_everything(transaction: &Transaction, held: &Script) -> Result<(), Refusal> {
    let odd = |push: &[u8]| {
        if held.is_p2tr() {
            return push.len() == 65 && push.last() != Some(&0x01);
        }
        ecdsa::Signature::from_slice(push).is_ok_and(|one| one.sighash_type != EcdsaSighashType::All)
    };
    let legacy = |script: &Script| {
        script.instructions().flatten().any(|part| part.push_bytes().is_some_and(|b| odd(b.as_bytes())))
    };
    if transaction.input.iter().any(|input| input.witness.iter().any(odd) || legacy(&input.script_sig)) {
        return Err(Refusal::invalid(
            "The signature of this child does not cover the whole transaction. Sign again with your wallet's default.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
