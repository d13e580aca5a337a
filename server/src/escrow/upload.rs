//! Reads what people upload: PSBTs of version 0 or 2, finished PSBTs, raw transactions; binary, base64 or hex.
//!
//! A reader of our own, because an upload brings signatures and nothing else: it takes the transaction that was
//! signed and the bytes of the signatures, and skips every other field, so that no wallet's extra field is a reason to
//! refuse. It allocates only what the upload has bytes for (the library for version 2 believes the count of inputs it
//! is told), and refuses a field that stands twice in one map (BIP-174). Tests write version 2 with that library.

use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::base64::Engine as _;
use bitcoin::base64::prelude::BASE64_STANDARD;
use bitcoin::consensus::encode::{Decodable, deserialize, deserialize_partial};
use bitcoin::hex::FromHex;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, PublicKey, ScriptBuf, Sequence, Transaction, TxOut, Txid, VarInt, Witness};

use super::spend::unsigned_input;
use crate::domain::Refusal;

const MAGIC: &[u8; 5] = b"psbt\xff";

/// The start of every PSBT in base64.
const MAGIC_BASE64: &str = "cHNidP";

/// One signed transaction of an upload.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Without witnesses.
    pub transaction: Transaction,
    /// What was found for each input.
    pub signatures: Vec<Vec<Found>>,
}

/// Bytes that claim to be a signature, and the key they claim to be of, if they say so.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub key: Option<Vec<u8>>,
    pub bytes: Vec<u8>,
}

/// All parts of an upload of at most `bytes_max` bytes.
pub(super) fn read(upload: &[u8], bytes_max: usize) -> Result<Vec<Part>, Refusal> {
    decode(upload, bytes_max)?.iter().map(|blob| if blob.starts_with(MAGIC) { psbt(blob) } else { raw(blob) }).collect()
}

/// The PSBTs and transactions of an upload, in binary.
pub(super) fn decode(upload: &[u8], bytes_max: usize) -> Result<Vec<Vec<u8>>, Refusal> {
    if upload.len() > bytes_max {
        let words = "The upload is too big: {} bytes, and {} are the limit here. Upload the signed PSBT only.";
        let words = words.replacen("{}", &upload.len().to_string(), 1).replacen("{}", &bytes_max.to_string(), 1);
        return Err(Refusal::invalid(words));
    }
    if upload.starts_with(MAGIC) || deserialize::<Transaction>(upload).is_ok() {
        return Ok(vec![upload.to_vec()]);
    }
    let text = std::str::from_utf8(upload).map_err(|_| unreadable("it is neither a PSBT nor a transaction"))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(Refusal::invalid("There is nothing in the upload. Paste the signed PSBT or choose its file."));
    }
    blobs(text)
}

fn unreadable(why: &str) -> Refusal {
    Refusal::invalid(format!("The upload cannot be read: {why}. Upload the PSBT that your wallet saved after signing."))
}

/// Splits pasted text: several PSBTs or transactions, each possibly broken into lines.
fn blobs(text: &str) -> Result<Vec<Vec<u8>>, Refusal> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.iter().all(|word| word.bytes().all(|b| b.is_ascii_hexdigit())) {
        let whole = Vec::<u8>::from_hex(&words.concat()).ok();
        if let Some(whole) = whole.filter(|blob| blob.starts_with(MAGIC) || raw(blob).is_ok()) {
            return Ok(vec![whole]);
        }
        let each = |word: &&str| Vec::<u8>::from_hex(word).map_err(|_| unreadable("its hexadecimal text is cut off"));
        return words.iter().map(each).collect();
    }
    let mut joined: Vec<String> = Vec::new();
    for word in words {
        match joined.last_mut() {
            Some(last) if !word.starts_with(MAGIC_BASE64) => last.push_str(word),
            _ => joined.push(word.to_owned()),
        }
    }
    let decode = |one: &String| BASE64_STANDARD.decode(one).map_err(|_| unreadable("it is not base64, or cut off"));
    joined.iter().map(decode).collect()
}

fn raw(blob: &[u8]) -> Result<Part, Refusal> {
    let none = |_| unreadable("it is neither a PSBT nor a transaction");
    deserialize::<Transaction>(blob).map(finished).map_err(none)
}

/// The signatures of a finished transaction are the middle of each witness: what is neither empty nor the script.
fn finished(mut transaction: Transaction) -> Part {
    let signatures = transaction.input.iter().map(|input| from_witness(&input.witness)).collect();
    for input in &mut transaction.input {
        input.witness = Witness::new();
    }
    Part { transaction, signatures }
}

fn from_witness(witness: &Witness) -> Vec<Found> {
    let script = witness.len().saturating_sub(1);
    let middle = witness.iter().take(script).filter(|element| !element.is_empty());
    middle.map(|element| Found { key: None, bytes: element.to_vec() }).collect()
}

/// One map of a PSBT: key (its type first) to value.
type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Field types of BIP-174 and BIP-370.
mod field {
    pub const GLOBAL_UNSIGNED_TX: u8 = 0x00;
    pub const GLOBAL_TX_VERSION: u8 = 0x02;
    pub const GLOBAL_FALLBACK_LOCKTIME: u8 = 0x03;
    pub const GLOBAL_INPUT_COUNT: u8 = 0x04;
    pub const GLOBAL_OUTPUT_COUNT: u8 = 0x05;
    pub const GLOBAL_VERSION: u8 = 0xfb;
    pub const IN_PARTIAL_SIG: u8 = 0x02;
    pub const IN_FINAL_SCRIPTWITNESS: u8 = 0x08;
    pub const IN_PREVIOUS_TXID: u8 = 0x0e;
    pub const IN_OUTPUT_INDEX: u8 = 0x0f;
    pub const IN_SEQUENCE: u8 = 0x10;
    pub const IN_REQUIRED_TIME_LOCKTIME: u8 = 0x11;
    pub const IN_REQUIRED_HEIGHT_LOCKTIME: u8 = 0x12;
    pub const OUT_AMOUNT: u8 = 0x03;
    pub const OUT_SCRIPT: u8 = 0x04;
}

fn psbt(bytes: &[u8]) -> Result<Part, Refusal> {
    let mut rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    let global = read_map(&mut rest)?;
    match global.get([field::GLOBAL_VERSION].as_slice()).map(Vec::as_slice) {
        None | Some([0, 0, 0, 0]) => version_0(&global, rest),
        Some([2, 0, 0, 0]) => version_2(&global, rest),
        Some(_) => Err(unreadable("it is a PSBT of an unknown version")),
    }
}

fn version_0(global: &Map, mut rest: &[u8]) -> Result<Part, Refusal> {
    let unsigned = global.get([field::GLOBAL_UNSIGNED_TX].as_slice());
    let unsigned = unsigned.ok_or_else(|| unreadable("the PSBT has no transaction in it"))?;
    // Without witnesses; a transaction without inputs would read as one with, and is none of ours either way.
    let transaction: Transaction =
        deserialize(unsigned).map_err(|_| unreadable("the transaction in the PSBT is damaged"))?;
    let mut signatures = Vec::with_capacity(transaction.input.len());
    for _ in &transaction.input {
        signatures.push(signatures_in(&read_map(&mut rest)?)?);
    }
    Ok(Part { transaction, signatures })
}

fn version_2(global: &Map, mut rest: &[u8]) -> Result<Part, Refusal> {
    let version: i32 = fixed(global, field::GLOBAL_TX_VERSION)?.unwrap_or(2);
    let fallback: Option<u32> = fixed(global, field::GLOBAL_FALLBACK_LOCKTIME)?;
    let inputs = count(global, field::GLOBAL_INPUT_COUNT, rest.len())?;
    let outputs = count(global, field::GLOBAL_OUTPUT_COUNT, rest.len())?;
    let mut transaction = Transaction {
        version: Version(version),
        lock_time: LockTime::from_consensus(fallback.unwrap_or(0)),
        input: Vec::with_capacity(inputs),
        output: Vec::with_capacity(outputs),
    };
    let mut signatures = Vec::with_capacity(inputs);
    let missing = || unreadable("the PSBT does not say what it spends or pays");
    for _ in 0..inputs {
        let map = read_map(&mut rest)?;
        let txid: Txid = fixed(&map, field::IN_PREVIOUS_TXID)?.ok_or_else(missing)?;
        let vout: u32 = fixed(&map, field::IN_OUTPUT_INDEX)?.ok_or_else(missing)?;
        let sequence: Option<u32> = fixed(&map, field::IN_SEQUENCE)?;
        let locked = [field::IN_REQUIRED_TIME_LOCKTIME, field::IN_REQUIRED_HEIGHT_LOCKTIME];
        if locked.iter().any(|kind| map.contains_key([*kind].as_slice())) {
            return Err(unreadable("an input asks for a time lock, and no payout has one"));
        }
        let sequence = sequence.map_or(Sequence::MAX, Sequence);
        transaction.input.push(unsigned_input(OutPoint { txid, vout }, sequence));
        signatures.push(signatures_in(&map)?);
    }
    for _ in 0..outputs {
        let map = read_map(&mut rest)?;
        let value: u64 = fixed(&map, field::OUT_AMOUNT)?.ok_or_else(missing)?;
        let script = map.get([field::OUT_SCRIPT].as_slice()).ok_or_else(missing)?;
        let script_pubkey = ScriptBuf::from_bytes(script.clone());
        transaction.output.push(TxOut { value: Amount::from_sat(value), script_pubkey });
    }
    Ok(Part { transaction, signatures })
}

/// Partial signatures with their keys, and whatever stands in a final witness.
fn signatures_in(map: &Map) -> Result<Vec<Found>, Refusal> {
    let mut found = Vec::new();
    for (key, value) in map {
        match key.split_first() {
            Some((&field::IN_PARTIAL_SIG, key)) => {
                if PublicKey::from_slice(key).is_err() {
                    return Err(unreadable("a signature in it is of something that is no public key"));
                }
                found.push(Found { key: Some(key.to_vec()), bytes: value.clone() });
            }
            Some((&field::IN_FINAL_SCRIPTWITNESS, [])) => {
                let witness = deserialize::<Witness>(value).map_err(|_| unreadable("a witness in it is damaged"))?;
                found.extend(from_witness(&witness));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn read_map(rest: &mut &[u8]) -> Result<Map, Refusal> {
    let mut map = Map::new();
    loop {
        let key = read_bytes(rest)?;
        if key.is_empty() {
            return Ok(map);
        }
        let value = read_bytes(rest)?;
        if map.insert(key.to_vec(), value.to_vec()).is_some() {
            return Err(unreadable("a field of the PSBT is there twice"));
        }
    }
}

/// A compact size, then as many bytes.
fn read_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Refusal> {
    let cut = || unreadable("the PSBT is cut off");
    let (length, used) = deserialize_partial::<VarInt>(rest).map_err(|_| cut())?;
    let length = usize::try_from(length.0).map_err(|_| cut())?;
    let after = rest.get(used..).ok_or_else(cut)?;
    let (bytes, after) = after.split_at_checked(length).ok_or_else(cut)?;
    *rest = after;
    Ok(bytes)
}

/// A field of fixed size without key data.
fn fixed<T: Decodable>(map: &Map, kind: u8) -> Result<Option<T>, Refusal> {
    let value = map.get([kind].as_slice());
    value.map(|value| deserialize(value).map_err(|_| unreadable("a field of the PSBT has a wrong size"))).transpose()
}

/// A count of maps that are still to come; each takes at least one byte.
fn count(global: &Map, kind: u8, bytes_left: usize) -> Result<usize, Refusal> {
    let count: Option<VarInt> = fixed(global, kind)?;
    let count = count.and_then(|count| usize::try_from(count.0).ok()).unwrap_or(0);
    if count <= bytes_left { Ok(count) } else { Err(unreadable("the PSBT is cut off")) }
}
