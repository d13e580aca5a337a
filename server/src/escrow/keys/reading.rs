//! What a pasted key consists of: an origin in brackets, and an extended public key in one of its notations.

use std::str::FromStr;

use bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, Xpub};
use bitcoin::{Network, NetworkKind, base58};

use super::{KeyRefusal, coin_type};

/// The fewest words that a wallet's secret has.
const SECRET_WORDS_MIN: usize = 12;

/// Anything that looks private is refused before it is parsed, wherever in the text it stands.
pub(super) fn refuse_private(text: &str) -> Result<(), KeyRefusal> {
    let is_extended = |word: &str| {
        let kind = word.get(1..4) == Some("prv");
        kind && word.starts_with(['x', 't', 'y', 'z', 'u', 'v', 'Y', 'Z', 'U', 'V'])
    };
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let is_wif = |word: &str| (51..=52).contains(&word.len()) && bitcoin::PrivateKey::from_wif(word).is_ok();
    let is_encrypted = |word: &str| word.len() == 58 && word.starts_with("6P"); // BIP-38
    if words.iter().any(|word| is_extended(word) || is_wif(word) || is_encrypted(word)) {
        return Err(KeyRefusal::Private);
    }
    // In any of the languages that wallets have words in. No key has so many words around it.
    let plain = words.iter().filter(|word| word.chars().all(char::is_alphabetic)).count();
    if plain >= SECRET_WORDS_MIN { Err(KeyRefusal::Words) } else { Ok(()) }
}

pub(super) fn without_suffix(key: &str) -> &str {
    ["/<0;1>/*", "/0/*", "/**"].iter().find_map(|suffix| key.strip_suffix(suffix)).unwrap_or(key)
}

pub(super) fn read_origin(origin: &str, network: Network) -> Result<(Fingerprint, u32), KeyRefusal> {
    let coin = coin_type(network);
    let (fingerprint, path) = origin.split_once('/').ok_or(KeyRefusal::Path { coin })?;
    if fingerprint.len() != 8 {
        return Err(KeyRefusal::Fingerprint);
    }
    let fingerprint = Fingerprint::from_str(fingerprint).map_err(|_| KeyRefusal::Fingerprint)?;
    if fingerprint == Fingerprint::default() {
        return Err(KeyRefusal::UnknownFingerprint);
    }
    let path = DerivationPath::from_str(&path.replace('H', "h")).map_err(|_| KeyRefusal::Path { coin })?;
    let wrong = || KeyRefusal::WrongPath { coin, found: path.to_string() };
    let [purpose, found, account, script] = path.as_ref() else { return Err(wrong()) };
    let hardened = |index| ChildNumber::Hardened { index };
    match (*purpose, *found, *account, *script) {
        (p, ChildNumber::Hardened { index: c }, ChildNumber::Hardened { index }, s)
            if p == hardened(48) && s == hardened(2) =>
        {
            if c == coin {
                Ok((fingerprint, index))
            } else {
                Err(KeyRefusal::WrongCoin { coin, found: c })
            }
        }
        _ => Err(wrong()),
    }
}

/// BIP-32 version bytes of public keys, and the SLIP-132 forms with what they are for.
pub(super) fn read_xpub(text: &str, network: Network) -> Result<Xpub, KeyRefusal> {
    let mut bytes = base58::decode_check(text).map_err(|_| KeyRefusal::Garbage)?;
    let (version, _) = bytes.split_first_chunk_mut::<4>().ok_or(KeyRefusal::Garbage)?;
    let kind = match u32::from_be_bytes(*version) {
        0x0488_b21e | 0x02aa_7ed3 => NetworkKind::Main, // xpub, Zpub
        0x0435_87cf | 0x0257_5483 => NetworkKind::Test, // tpub, Vpub
        0x049d_7cb2 => return Err(KeyRefusal::SingleSignature("ypub")),
        0x04b2_4746 => return Err(KeyRefusal::SingleSignature("zpub")),
        0x044a_5262 => return Err(KeyRefusal::SingleSignature("upub")),
        0x045f_1cf6 => return Err(KeyRefusal::SingleSignature("vpub")),
        0x0295_b43f => return Err(KeyRefusal::Nested("Ypub")),
        0x0242_89ef => return Err(KeyRefusal::Nested("Upub")),
        _ => return Err(KeyRefusal::Garbage),
    };
    let (wanted, found) = (NetworkKind::from(network), if kind.is_mainnet() { "mainnet" } else { "a test network" });
    if kind != wanted {
        return Err(KeyRefusal::WrongNetwork { wanted: network, found });
    }
    *version = if kind.is_mainnet() { 0x0488_b21e_u32 } else { 0x0435_87cf }.to_be_bytes();
    Xpub::decode(&bytes).map_err(|_| KeyRefusal::Garbage)
}
