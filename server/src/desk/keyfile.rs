//! The encrypted key file of a browser key: kept unread, but looked at from outside. A file with weaker encryption, or
//! for another account or key, would be somebody's trick.

use bitcoin::Network;
use data_encoding::BASE64;
use serde::Deserialize;

use crate::domain::Refusal;
use crate::escrow::AccountKey;

/// A file of ours has about 900 bytes.
pub const KEY_FILE_BYTES_MAX: usize = 4096;

const MEMORY_KIB_MIN: u32 = 65_536;
const PASSES_MIN: u32 = 3;
/// More would lock its owner out of a phone.
const MEMORY_KIB_MAX: u32 = 1_048_576;
const PASSES_MAX: u32 = 20;
/// The padded words and the tag of AES-GCM.
const CIPHERTEXT_BYTES: usize = 256 + 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    v: u8,
    kind: String,
    account: String,
    network: String,
    origin: String,
    xpub: String,
    kdf: Kdf,
    cipher: String,
    nonce: String,
    ciphertext: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    m_kib: u32,
    t: u32,
    p: u32,
    salt: String,
}

/// Refuses a file that is not the encrypted form of this key for this account.
pub fn check(text: &str, account: &str, key: &AccountKey, network: Network) -> Result<(), Refusal> {
    let file = read(text)?;
    let says = |words: &str| Err(Refusal::field("file", words));
    if file.account != account {
        return says("This key file was made for another account.");
    }
    if file.network != network.to_string() {
        return says("This key file was made for another network.");
    }
    match key_of(&file, network) {
        Ok(own) if own == *key && own.origin() == key.origin() => Ok(()),
        _ => says("The key file holds another key than the one to be registered."),
    }
}

/// The key a file says that it holds.
pub fn key_in(text: &str, network: Network) -> Result<AccountKey, Refusal> {
    key_of(&read(text)?, network).map_err(|why| Refusal::field("file", why.all_words()))
}

fn key_of(file: &KeyFile, network: Network) -> Result<AccountKey, Refusal> {
    Ok(AccountKey::parse(&format!("{}{}", file.origin, file.xpub), network)?)
}

fn read(text: &str) -> Result<KeyFile, Refusal> {
    let not_ours = || Refusal::field("file", "This is not a key file of Trine.");
    if text.len() > KEY_FILE_BYTES_MAX {
        return Err(Refusal::field("file", "A key file has at most 4 KiB; this is more."));
    }
    let file: KeyFile = serde_json::from_str(text).map_err(|_| not_ours())?;
    let kdf = &file.kdf;
    if file.v != 1 || file.kind != "trine-key" || file.cipher != "aes-256-gcm" || kdf.name != "argon2id" {
        return Err(not_ours());
    }
    let strong = (MEMORY_KIB_MIN..=MEMORY_KIB_MAX).contains(&kdf.m_kib)
        && (PASSES_MIN..=PASSES_MAX).contains(&kdf.t)
        && kdf.p == 1;
    if !strong {
        return Err(Refusal::field(
            "file",
            "This key file is encrypted with weaker parameters than this desk accepts (Argon2id, 64 MiB, 3 passes).",
        ));
    }
    let holds = |text: &str, bytes: usize| BASE64.decode(text.as_bytes()).is_ok_and(|decoded| decoded.len() == bytes);
    if holds(&kdf.salt, 16) && holds(&file.nonce, 12) && holds(&file.ciphertext, CIPHERTEXT_BYTES) {
        Ok(file)
    } else {
        Err(not_ours())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partners::keyfile::seal;
    use crate::partners::keys::Wallet;

    const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    #[test]
    fn a_key_file_is_taken_for_its_own_account_key_and_network_only() {
        let wallet = Wallet::from_words(WORDS, Network::Regtest).unwrap();
        let text = serde_json::to_string(&seal(&wallet, 0, "anna-k", "orbit maple quiet").unwrap()).unwrap();
        let key = |number| {
            let text = format!("{}{}", wallet.origin(number).unwrap(), wallet.xpub(number).unwrap());
            AccountKey::parse(&text, Network::Regtest).unwrap()
        };
        assert_eq!(check(&text, "anna-k", &key(0), Network::Regtest), Ok(()));
        assert!(check(&text, "miro", &key(0), Network::Regtest).is_err());
        assert!(check(&text, "anna-k", &key(1), Network::Regtest).is_err());
        assert!(check(&text, "anna-k", &key(0), Network::Signet).is_err());
        for (from, to) in [
            ("\"m_kib\":65536", "\"m_kib\":1024"),
            ("\"t\":3", "\"t\":1"),
            ("argon2id", "pbkdf2"),
            ("\"v\":1", "\"v\":2"),
            ("{\"v\"", "{\"words\":\"x\",\"v\""),
            ("\"nonce\":\"", "\"nonce\":\"AA"),
        ] {
            let weaker = text.replace(from, to);
            assert_ne!(weaker, text);
            assert!(check(&weaker, "anna-k", &key(0), Network::Regtest).is_err(), "{to}");
        }
        assert!(check(&format!("{text}{}", " ".repeat(4096)), "anna-k", &key(0), Network::Regtest).is_err());
    }
}
