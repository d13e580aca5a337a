//! One exact transaction from an escrow, waiting for two of three signatures.

use std::sync::Arc;

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::psbt::PsbtSighashType;
use bitcoin::secp256k1::Message;
use bitcoin::sighash::SighashCache;
use bitcoin::transaction::Version;
use bitcoin::{Amount, EcdsaSighashType, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};

use super::lock::Lock;
use super::signature::PartySignature;
use crate::domain::Refusal;

/// An output locked by the escrow's script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coin {
    pub outpoint: OutPoint,
    pub value: Amount,
    /// The transaction it is an output of, where known: some signers want to see it.
    pub transaction: Option<Arc<Transaction>>,
}

/// A PSBT shows a deposit's transaction up to this size, for every input anew. What is signed commits to the amount
/// (BIP-143), so no signer has to see it; and one that fills a block would make a file that none can read.
pub const SHOWN_TRANSACTION_BYTES_MAX: usize = 20_000;

/// Replaceable (BIP-125), no relative lock.
pub const SEQUENCE: Sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;

/// A canonical transaction and its PSBT (v0). All signatures of this desk are for one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    lock: Lock,
    psbt: Psbt,
    values: Vec<Amount>,
    /// What wallets may put back: of the deposits' transactions, that which the PSBT does not show.
    hidden_bytes: usize,
}

impl Spend {
    /// A payout's form: version 2, locktime 0, inputs and outputs in BIP-69 order.
    pub(super) fn of_payout(lock: &Lock, coins: &[Coin], outputs: &[TxOut]) -> Result<Self, Refusal> {
        let mut coins = coins.to_vec();
        coins.sort_by_key(|coin| bip69_input(&coin.outpoint));
        let mut output = outputs.to_vec();
        output.sort_by(|one, other| bip69_output(one).cmp(&bip69_output(other)));
        let input = coins.iter().map(|coin| unsigned_input(coin.outpoint, SEQUENCE)).collect();
        let tx = Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output };
        Self::new(lock, tx, &coins)
    }

    /// Any transaction whose inputs are exactly `coins`, in their order.
    pub(super) fn new(lock: &Lock, tx: Transaction, coins: &[Coin]) -> Result<Self, Refusal> {
        let outpoints: Vec<OutPoint> = tx.input.iter().map(|input| input.previous_output).collect();
        if outpoints.is_empty() || !outpoints.iter().eq(coins.iter().map(|coin| &coin.outpoint)) {
            return Err(Refusal::invalid("The inputs of this transaction are not the outputs of the escrow."));
        }
        let no_psbt = |e| Refusal::invalid(format!("This transaction makes no PSBT: {e}."));
        let mut psbt = Psbt::from_unsigned_tx(tx).map_err(no_psbt)?;
        psbt.xpub = lock.xpubs();
        let mut hidden_bytes = 0;
        for (input, coin) in psbt.inputs.iter_mut().zip(coins) {
            let witness_utxo = TxOut { value: coin.value, script_pubkey: lock.script_pubkey() };
            if let Some(previous) = &coin.transaction {
                let vout = usize::try_from(coin.outpoint.vout).unwrap_or(usize::MAX);
                let same = previous.compute_txid() == coin.outpoint.txid;
                if !same || previous.output.get(vout) != Some(&witness_utxo) {
                    return Err(Refusal::invalid("A deposit's transaction does not have the output that is spent."));
                }
            }
            input.witness_utxo = Some(witness_utxo);
            input.non_witness_utxo = coin.transaction.as_deref().and_then(shown);
            hidden_bytes += hidden(coin.transaction.as_deref(), input.non_witness_utxo.as_ref());
            input.witness_script = Some(lock.witness_script().clone());
            input.bip32_derivation = lock.derivations();
            input.sighash_type = Some(PsbtSighashType::from(EcdsaSighashType::All));
        }
        let values = coins.iter().map(|coin| coin.value).collect();
        Ok(Self { lock: lock.clone(), psbt, values, hidden_bytes })
    }

    /// For the message forms, which mark outputs and globals of their PSBT.
    pub(super) fn psbt_mut(&mut self) -> &mut Psbt {
        &mut self.psbt
    }

    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The canonical PSBT, without signatures.
    pub fn psbt(&self) -> &Psbt {
        &self.psbt
    }

    pub fn transaction(&self) -> &Transaction {
        &self.psbt.unsigned_tx
    }

    /// The same before and after signing.
    pub fn txid(&self) -> Txid {
        self.psbt.unsigned_tx.compute_txid()
    }

    /// What each input is worth, in the order of the inputs.
    pub fn values(&self) -> &[Amount] {
        &self.values
    }

    /// The size of the deposits' transactions, as far as the PSBT does not show them.
    pub(super) fn hidden_bytes(&self) -> usize {
        self.hidden_bytes
    }

    /// The digest that a signature of this input with SIGHASH_ALL is for (BIP-143).
    pub fn sighash(&self, input: usize) -> Option<Message> {
        let value = *self.values.get(input)?;
        let digest = SighashCache::new(&self.psbt.unsigned_tx)
            .p2wsh_signature_hash(input, self.lock.witness_script(), value, EcdsaSighashType::All)
            .ok()?;
        Some(Message::from_digest(digest.to_byte_array()))
    }

    /// The PSBT to hand out: canonical, with these verified signatures in it. Those for other transactions are left out.
    pub fn with_signatures<'a>(&self, signatures: impl IntoIterator<Item = &'a PartySignature>) -> Psbt {
        let mut psbt = self.psbt.clone();
        for signature in signatures.into_iter().filter(|signature| signature.is_for(self)) {
            let key = self.lock.public_key(signature.party());
            for (input, one) in psbt.inputs.iter_mut().zip(signature.signatures()) {
                input.partial_sigs.insert(key, *one);
            }
        }
        psbt
    }
}

/// A deposit's transaction as a PSBT shows it: without its witnesses, which its id is not made of; a large one not at all.
fn shown(transaction: &Transaction) -> Option<Transaction> {
    if transaction.base_size() > SHOWN_TRANSACTION_BYTES_MAX {
        return None;
    }
    let mut shown = transaction.clone();
    shown.input.iter_mut().for_each(|input| input.witness = Witness::new());
    Some(shown)
}

fn hidden(whole: Option<&Transaction>, shown: Option<&Transaction>) -> usize {
    let [whole, shown] = [whole, shown].map(|one| one.map_or(0, Transaction::total_size));
    whole.saturating_sub(shown)
}

pub(super) fn unsigned_input(previous_output: OutPoint, sequence: Sequence) -> TxIn {
    TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness: Witness::new() }
}

/// BIP-69: by transaction id as people read it (bytes reversed), then by index.
fn bip69_input(outpoint: &OutPoint) -> ([u8; 32], u32) {
    let mut txid = outpoint.txid.to_byte_array();
    txid.reverse();
    (txid, outpoint.vout)
}

/// BIP-69: by value, then by script.
fn bip69_output(output: &TxOut) -> (Amount, &[u8]) {
    (output.value, output.script_pubkey.as_bytes())
}

#[cfg(test)]
mod tests;
