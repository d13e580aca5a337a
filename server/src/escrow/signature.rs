//! Signatures that were verified, and the only thing that may be broadcast.

use bitcoin::secp256k1;
use bitcoin::{EcdsaSighashType, PublicKey, Transaction, Txid, Witness, ecdsa};

use super::keys::CURVE;
use super::payout::Payout;
use super::spend::Spend;
use crate::domain::{Party, Refusal};

/// What is wrong with one signature. `input` counts from 1, as people do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefusal {
    #[error("The signature of input {input} is no signature: {why}.")]
    Garbage { input: usize, why: &'static str },
    #[error(
        "The signature of input {input} is marked {name}, which lets others change the transaction afterwards. Sign \
         again with SIGHASH_ALL, your wallet's default."
    )]
    Sighash { input: usize, name: String },
    #[error("The signature of input {input} is not in its low-S form, and the network would not relay it. Sign again.")]
    HighS { input: usize },
    #[error(
        "The signature of input {input} is not one of {party} for this transaction. Sign the file from this page as \
         it is, with the key registered for this trade."
    )]
    DoesNotFit { input: usize, party: Party },
    #[error(
        "The signature of input {input} fits none of the three keys of this escrow. Sign the file from this page as \
         it is, with the key registered for this trade."
    )]
    NobodysKey { input: usize },
    #[error("{party} signed only {signed} of {inputs} inputs. Sign all of them.")]
    Incomplete { party: Party, signed: usize, inputs: usize },
}

impl From<SignatureRefusal> for Refusal {
    fn from(why: SignatureRefusal) -> Self {
        Self::invalid(why.to_string())
    }
}

/// One party's signatures of every input of one exact transaction. Exists only after verification: key, byte 0x01,
/// strict DER, low-S and the canonical digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartySignature {
    party: Party,
    key: PublicKey,
    txid: Txid,
    /// One per input, in the order of the inputs.
    signatures: Vec<ecdsa::Signature>,
}

impl PartySignature {
    /// Verifies one signature per input, each DER with its sighash byte.
    pub(super) fn verify(spend: &Spend, party: Party, encoded: &[&[u8]]) -> Result<Self, SignatureRefusal> {
        let inputs = spend.values().len();
        if encoded.len() != inputs {
            return Err(SignatureRefusal::Incomplete { party, signed: encoded.len(), inputs });
        }
        let one = |(place, bytes): (usize, &&[u8])| verify_input(spend, place, party, bytes);
        let signatures = encoded.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        Ok(Self { party, key: spend.lock().public_key(party), txid: spend.txid(), signatures })
    }

    /// Reads what [`Self::to_bytes`] wrote, and verifies it again: a database is not a proof.
    pub fn from_stored(spend: &Spend, party: Party, mut bytes: &[u8]) -> Result<Self, Refusal> {
        let mut encoded: Vec<&[u8]> = Vec::new();
        while let Some((length, rest)) = bytes.split_first() {
            let broken = || Refusal::invalid("A stored signature is damaged.");
            let (one, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(broken)?;
            encoded.push(one);
            bytes = rest;
        }
        Ok(Self::verify(spend, party, &encoded)?)
    }

    /// For the database: per input one byte of length, then DER and the sighash byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for signature in &self.signatures {
            let one = signature.serialize();
            bytes.push(u8::try_from(one.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(&one);
        }
        bytes
    }

    /// Verifies again, for instance before broadcast.
    pub fn reverify(&self, spend: &Spend) -> Result<(), Refusal> {
        Self::from_stored(spend, self.party, &self.to_bytes()).map(|_| ())
    }

    pub fn party(&self) -> Party {
        self.party
    }

    /// The transaction that this signs.
    pub fn txid(&self) -> Txid {
        self.txid
    }

    pub fn is_for(&self, spend: &Spend) -> bool {
        self.txid == spend.txid() && self.key == spend.lock().public_key(self.party)
    }

    pub(super) fn signatures(&self) -> &[ecdsa::Signature] {
        &self.signatures
    }
}

/// Verifies the signature of one input with one party's key. `place` counts from 0.
pub(super) fn verify_input(
    spend: &Spend,
    place: usize,
    party: Party,
    bytes: &[u8],
) -> Result<ecdsa::Signature, SignatureRefusal> {
    let input = place + 1;
    let signature = read_strictly(input, bytes)?;
    let misfit = SignatureRefusal::DoesNotFit { input, party };
    let Some(digest) = spend.sighash(place) else { return Err(misfit) };
    let key = spend.lock().public_key(party).inner;
    match CURVE.verify_ecdsa(&digest, &signature, &key) {
        Ok(()) => Ok(ecdsa::Signature::sighash_all(signature)),
        Err(_) => Err(misfit),
    }
}

/// Strict DER (BIP-66), sighash byte 0x01, low-S (BIP-146). `input` counts from 1.
pub(super) fn read_strictly(input: usize, bytes: &[u8]) -> Result<secp256k1::ecdsa::Signature, SignatureRefusal> {
    let garbage = |why| SignatureRefusal::Garbage { input, why };
    let (sighash, der) = bytes.split_last().ok_or_else(|| garbage("it is empty"))?;
    let signature = secp256k1::ecdsa::Signature::from_der(der).map_err(|_| garbage("it is not DER-encoded"))?;
    if signature.serialize_der().as_ref() != der {
        return Err(garbage("its DER encoding is not strict"));
    }
    if *sighash != 0x01 {
        return Err(SignatureRefusal::Sighash { input, name: sighash_name(*sighash) });
    }
    let mut low = signature;
    low.normalize_s();
    if low == signature { Ok(signature) } else { Err(SignatureRefusal::HighS { input }) }
}

fn sighash_name(byte: u8) -> String {
    match EcdsaSighashType::from_standard(byte.into()) {
        Ok(kind) => kind.to_string(),
        Err(_) => format!("0x{byte:02x}, which is no known kind"),
    }
}

/// A payout with the verified signatures of two different keys: the only thing that can be broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPayout {
    transaction: Transaction,
    signed_by: [Party; 2],
}

impl SignedPayout {
    /// Refuses two signatures of one key, and signatures of another transaction; verifies both again.
    pub fn new(payout: &Payout, one: &PartySignature, other: &PartySignature) -> Result<Self, Refusal> {
        let spend = payout.spend();
        if one.party == other.party {
            return Err(Refusal::invalid("Two signatures of the same key are one. Another of the three must sign."));
        }
        if !one.is_for(spend) || !other.is_for(spend) {
            return Err(Refusal::conflict("These signatures are not both for this payout."));
        }
        one.reverify(spend)?;
        other.reverify(spend)?;
        Ok(Self { transaction: finished(spend, one, other), signed_by: [one.party, other.party] })
    }

    /// The transaction with its witnesses, as the network wants it.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    pub fn txid(&self) -> Txid {
        self.transaction.compute_txid()
    }

    pub fn signed_by(&self) -> [Party; 2] {
        self.signed_by
    }
}

/// Witness of each input: empty (for OP_CHECKMULTISIG's extra element), two signatures in the order of the keys in
/// the script, the script.
pub(super) fn finished(spend: &Spend, one: &PartySignature, other: &PartySignature) -> Transaction {
    let mut transaction = spend.transaction().clone();
    let ordered = spend.lock().parties_in_script().into_iter();
    let ordered: Vec<&PartySignature> =
        ordered.filter_map(|party| [one, other].into_iter().find(|signature| signature.party == party)).collect();
    for (place, input) in transaction.input.iter_mut().enumerate() {
        let mut witness = Witness::new();
        witness.push([]);
        for signature in ordered.iter().filter_map(|signature| signature.signatures.get(place)) {
            witness.push_ecdsa_signature(signature);
        }
        witness.push(spend.lock().witness_script());
        input.witness = witness;
    }
    transaction
}

#[cfg(test)]
pub(in crate::escrow) mod tests;
