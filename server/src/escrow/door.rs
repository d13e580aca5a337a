//! The door for signatures: **an upload brings signatures, nothing else** (protocol §7).
//!
//! The transaction in the upload must be, to the last bit, one of the canonical ones; then its signatures are
//! verified against that one, and everything else in the upload is forgotten.

use bitcoin::{PublicKey, Transaction, TxOut};

use super::signature::{PartySignature, SignatureRefusal, read_strictly, verify_input};
use super::spend::Spend;
use super::upload::{self, Found, Part};
use crate::domain::{Party, Refusal};

/// Room for what wallets add to a PSBT.
const UPLOAD_EXTRA_BYTES: usize = 64 * 1024;

/// An upload may be as long as all canonical PSBTs in base64 with the whole transactions of the deposits in them, which
/// wallets put back and older files held, and 64 KiB more.
pub fn upload_bytes_max<'a>(spends: impl IntoIterator<Item = &'a Spend>) -> usize {
    let base64 = |spend: &Spend| (spend.psbt().serialize().len() + spend.hidden_bytes()).div_ceil(3) * 4;
    spends.into_iter().map(base64).sum::<usize>() + UPLOAD_EXTRA_BYTES
}

/// Takes the signatures out of an upload by `sender` for any of these canonical transactions.
///
/// Every signature in it must verify for one of the three keys, and at least one transaction must be signed by the
/// sender in full. Signatures of others are kept for the key that made them; if they do not cover all inputs they
/// are dropped, for they are not the sender's to complete.
///
/// # Errors
///
/// A refusal in words. Nothing of a refused upload is taken.
pub fn accept(upload: &[u8], spends: &[&Spend], sender: Party) -> Result<Vec<PartySignature>, Refusal> {
    let parts = upload::read(upload, upload_bytes_max(spends.iter().copied()))?;
    let mut accepted: Vec<PartySignature> = Vec::new();
    for part in &parts {
        let spend = find(&part.transaction, spends)?;
        for signature in signatures_of(part, spend, sender)? {
            let known = |one: &PartySignature| one.party() == signature.party() && one.txid() == signature.txid();
            if !accepted.iter().any(known) {
                accepted.push(signature);
            }
        }
    }
    if accepted.iter().any(|signature| signature.party() == sender) {
        return Ok(accepted);
    }
    if parts.iter().all(|part| part.signatures.iter().all(Vec::is_empty)) {
        return Err(Refusal::invalid("There is no signature in this upload. Sign it in your wallet first."));
    }
    Err(Refusal::invalid(format!(
        "There are valid signatures in this upload, but none with your key ({sender}). Sign with the wallet that holds \
         the key registered for this trade."
    )))
}

fn signatures_of(part: &Part, spend: &Spend, sender: Party) -> Result<Vec<PartySignature>, Refusal> {
    // Per input, the party and the bytes of each verified signature.
    let mut verified: Vec<Vec<(Party, &[u8])>> = Vec::new();
    for (place, found) in part.signatures.iter().enumerate() {
        let owner = |found: &'_ Found| owner(found, place, spend);
        let owned = found.iter().map(|found| Ok((owner(found)?, found.bytes.as_slice())));
        verified.push(owned.collect::<Result<_, SignatureRefusal>>()?);
    }
    let mut complete = Vec::new();
    for party in Party::ALL {
        let of_party = |input: &Vec<(Party, &'_ [u8])>| input.iter().any(|(owner, _)| *owner == party);
        let encoded: Vec<&[u8]> = verified
            .iter()
            .filter_map(|input| input.iter().find(|(owner, _)| *owner == party))
            .map(|(_, bytes)| *bytes)
            .collect();
        let signed = verified.iter().filter(|input| of_party(input)).count();
        match signed {
            0 => {}
            _ if signed == verified.len() => complete.push(PartySignature::verify(spend, party, &encoded)?),
            _ if party == sender => {
                return Err(SignatureRefusal::Incomplete { party, signed, inputs: verified.len() }.into());
            }
            _ => {}
        }
    }
    Ok(complete)
}

/// Whose signature this is; verified.
fn owner(found: &Found, place: usize, spend: &Spend) -> Result<Party, SignatureRefusal> {
    let input = place + 1;
    if let Some(key) = &found.key {
        let party = PublicKey::from_slice(key).ok().and_then(|key| spend.lock().party_of(&key));
        let party = party.ok_or(SignatureRefusal::NobodysKey { input })?;
        return verify_input(spend, place, party, &found.bytes).map(|_| party);
    }
    read_strictly(input, &found.bytes)?;
    let fits = |party: &Party| verify_input(spend, place, *party, &found.bytes).is_ok();
    Party::ALL.into_iter().find(fits).ok_or(SignatureRefusal::NobodysKey { input })
}

/// The canonical transaction that the upload is of, or words for how it differs.
fn find<'a>(transaction: &Transaction, spends: &[&'a Spend]) -> Result<&'a Spend, Refusal> {
    let txid = transaction.compute_txid();
    if let Some(same) = spends.iter().find(|spend| spend.txid() == txid) {
        return Ok(same);
    }
    let inputs = |tx: &Transaction| {
        let mut outpoints: Vec<_> = tx.input.iter().map(|input| input.previous_output).collect();
        outpoints.sort();
        outpoints
    };
    let theirs = inputs(transaction);
    let shares = |spend: &&&Spend| inputs(spend.transaction()).iter().any(|outpoint| theirs.contains(outpoint));
    let Some(near) = spends.iter().filter(shares).min_by_key(|spend| distance(transaction, spend.transaction())) else {
        return Err(Refusal::invalid(
            "This is a transaction of another trade, or an outdated one: it spends nothing that is asked for here. Take \
             the file from this page, sign it, and upload that.",
        ));
    };
    if inputs(near.transaction()) != theirs {
        return Err(Refusal::invalid(
            "The inputs were changed: the transaction must spend exactly the outputs of this escrow that the file from \
             this page spends. Sign that file as it is.",
        ));
    }
    Err(Refusal::invalid(how_outputs_differ(transaction, near.transaction())))
}

/// How many outputs are in one of the two and not in the other.
fn distance(one: &Transaction, other: &Transaction) -> usize {
    let only = |a: &Transaction, b: &Transaction| a.output.iter().filter(|output| !b.output.contains(output)).count();
    only(one, other) + only(other, one)
}

fn how_outputs_differ(theirs: &Transaction, ours: &Transaction) -> String {
    let foreign: Vec<&TxOut> = theirs.output.iter().filter(|output| !ours.output.contains(output)).collect();
    let missing = ours.output.iter().any(|output| !theirs.output.contains(output));
    let moved = foreign.iter().any(|output| ours.output.iter().all(|one| one.script_pubkey != output.script_pubkey));
    let what = if moved {
        "it pays an address that this payout does not pay"
    } else if !foreign.is_empty() {
        "it pays other amounts than this payout"
    } else if missing {
        "an output of this payout is missing"
    } else if theirs.output.len() != ours.output.len() {
        "an output is there twice"
    } else {
        "its version, lock time, sequence numbers or order are not the ones of the file from this page"
    };
    format!("The transaction was changed: {what}. Sign the file from this page as it is.")
}

#[cfg(test)]
mod tests;
