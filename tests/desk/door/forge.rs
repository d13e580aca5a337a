//! Signatures as only an attacker or a broken wallet makes them.

use bitcoin::bip32::{DerivationPath, Xpriv};
use bitcoin::ecdsa::Signature;
use bitcoin::secp256k1::{self, Message, Secp256k1, SecretKey};
use bitcoin::sighash::SighashCache;
use bitcoin::{EcdsaSighashType, Network, PrivateKey, Psbt, PublicKey, Transaction, Witness};

use crate::harness::Seen;
use crate::harness::cast::{Person, Story};
use trine::domain::PublicRef;

/// The PSBTs of a signing page, unsigned by its reader.
pub async fn papers(person: &Person, trade: PublicRef, place: &str) -> Vec<Psbt> {
    papers_at(person, &format!("/trades/{trade}/{place}")).await
}

/// The same, by its whole path.
pub async fn papers_at(person: &Person, path: &str) -> Vec<Psbt> {
    let seen = person.browser.get(path).await;
    assert_eq!(seen.status, 200, "{path}: {}", seen.words());
    let envelope = seen.envelope();
    envelope["psbts"].as_array().unwrap().iter().map(|one| one["base64"].as_str().unwrap().parse().unwrap()).collect()
}

/// Sends an upload as text, with every tick.
pub async fn send(story: &Story, person: &Person, trade: PublicRef, place: &str, upload: &str) -> Seen {
    send_at(story, person, trade, &format!("/trades/{trade}/{place}"), upload).await
}

/// The same, by its whole path.
pub async fn send_at(story: &Story, person: &Person, trade: PublicRef, path: &str, upload: &str) -> Seen {
    let version = story.version(trade, person).await;
    let mut fields = vec![("version", version.as_str()), ("signatures", upload)];
    fields.extend(["sent", "own_account", "amount", "payer", "not_paid", "final"].map(|tick| (tick, "yes")));
    person.browser.post(path, &fields).await
}

/// Sends an upload as a file, with every tick.
pub async fn send_file(story: &Story, person: &Person, trade: PublicRef, place: &str, bytes: Vec<u8>) -> Seen {
    send_files(story, person, trade, place, vec![bytes]).await
}

/// Sends several files at once, with every tick.
pub async fn send_files(story: &Story, person: &Person, trade: PublicRef, place: &str, files: Vec<Vec<u8>>) -> Seen {
    let version = story.version(trade, person).await;
    let mut fields = vec![("version", version.as_str()), ("signatures", "")];
    fields.extend(["sent", "own_account", "amount", "payer", "not_paid"].map(|tick| (tick, "yes")));
    let files = files.into_iter().map(|bytes| ("file", "signed.psbt", bytes)).collect();
    person.browser.uploads(&format!("/trades/{trade}/{place}"), &fields, files).await
}

/// Signed by the person's wallet as it should be.
pub fn honest(person: &Person, psbt: &Psbt) -> Psbt {
    let mut psbt = psbt.clone();
    person.wallet.sign(&mut psbt).unwrap();
    psbt
}

/// The person's key of the first input.
fn key(person: &Person, psbt: &Psbt) -> (PublicKey, SecretKey) {
    let secp = Secp256k1::new();
    let seed = bip39::Mnemonic::parse(person.wallet.words()).unwrap().to_seed("");
    let master = Xpriv::new_master(Network::Regtest, &seed).unwrap();
    let mine = master.fingerprint(&secp);
    let places = &psbt.inputs[0].bip32_derivation;
    let (_, (_, path)) = places.iter().find(|(_, (fingerprint, _))| *fingerprint == mine).expect("my key is in it");
    let path: DerivationPath = path.clone();
    let secret = master.derive_priv(&secp, &path).unwrap().private_key;
    (PrivateKey::new(secret, Network::Regtest).public_key(&secp), secret)
}

/// Signs every input with this kind of hash.
pub fn with_sighash(person: &Person, psbt: &Psbt, kind: EcdsaSighashType) -> Psbt {
    let (public, secret) = key(person, psbt);
    with_secret(psbt, public, &secret, kind)
}

/// Signs every input with a key that is nobody's, under its own name or under somebody else's.
pub fn with_foreign_key(person: &Person, psbt: &Psbt, named_mine: bool) -> Psbt {
    let secret = SecretKey::from_slice(&[7; 32]).unwrap();
    let own = PrivateKey::new(secret, Network::Regtest).public_key(&Secp256k1::new());
    let named = if named_mine { key(person, psbt).0 } else { own };
    with_secret(psbt, named, &secret, EcdsaSighashType::All)
}

fn with_secret(psbt: &Psbt, public: PublicKey, secret: &SecretKey, kind: EcdsaSighashType) -> Psbt {
    let mut signed = psbt.clone();
    let mut cache = SighashCache::new(&psbt.unsigned_tx);
    for (place, input) in signed.inputs.iter_mut().enumerate() {
        let (script, value) = (input.witness_script.clone().unwrap(), input.witness_utxo.clone().unwrap().value);
        let hash = cache.p2wsh_signature_hash(place, &script, value, kind).unwrap();
        let signature = Secp256k1::new().sign_ecdsa(&Message::from(hash), secret);
        input.partial_sigs.insert(public, Signature { signature, sighash_type: kind });
    }
    signed
}

/// The same signatures with s on the upper half of the curve: valid mathematics, refused by every node's policy.
pub fn high_s(psbt: &Psbt) -> Psbt {
    let mut psbt = psbt.clone();
    for signature in psbt.inputs.iter_mut().flat_map(|input| input.partial_sigs.values_mut()) {
        let mut compact = signature.signature.serialize_compact();
        let s = SecretKey::from_slice(&compact[32..]).unwrap().negate();
        compact[32..].copy_from_slice(&s.secret_bytes());
        signature.signature = secp256k1::ecdsa::Signature::from_compact(&compact).unwrap();
    }
    psbt
}

/// Changes the transaction, then signs what came of it in earnest.
pub fn altered(person: &Person, psbt: &Psbt, alter: impl FnOnce(&mut Psbt)) -> Psbt {
    let mut psbt = psbt.clone();
    alter(&mut psbt);
    let (public, secret) = key(person, &psbt);
    with_secret(&psbt, public, &secret, EcdsaSighashType::All)
}

/// The witness of an input that only one has signed.
fn witness(psbt: &Psbt, place: usize) -> Witness {
    let input = &psbt.inputs[place];
    let mut witness = Witness::new();
    witness.push([]);
    input.partial_sigs.values().for_each(|signature| witness.push(signature.to_vec()));
    witness.push(input.witness_script.as_ref().unwrap().as_bytes());
    witness
}

/// Finalised by a wallet that does not count: the witness holds what signatures there are.
pub fn finalised(psbt: &Psbt) -> Psbt {
    let mut done = psbt.clone();
    for (place, input) in done.inputs.iter_mut().enumerate() {
        input.final_script_witness = Some(witness(psbt, place));
        input.partial_sigs.clear();
    }
    done
}

/// The raw transaction with what signatures there are.
pub fn raw(psbt: &Psbt) -> Transaction {
    let mut transaction = psbt.unsigned_tx.clone();
    for (place, input) in transaction.input.iter_mut().enumerate() {
        input.witness = witness(psbt, place);
    }
    transaction
}

/// As a wallet that speaks BIP-370 gives it back.
pub fn version_2(psbt: &Psbt) -> Vec<u8> {
    use psbt_v2::v2::{Creator, InputBuilder, OutputBuilder};
    let tx = &psbt.unsigned_tx;
    let mut made = Creator::new().transaction_version(tx.version).constructor_modifiable();
    for input in &tx.input {
        made = made.input(InputBuilder::new(&input.previous_output).build());
    }
    for output in &tx.output {
        made = made.output(OutputBuilder::new(output.clone()).build());
    }
    let mut made = made.psbt().unwrap();
    for ((to, from), input) in made.inputs.iter_mut().zip(&psbt.inputs).zip(&tx.input) {
        to.sequence = Some(input.sequence);
        to.partial_sigs.clone_from(&from.partial_sigs);
        to.witness_utxo.clone_from(&from.witness_utxo);
    }
    made.serialize()
}
