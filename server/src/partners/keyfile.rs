//! The encrypted key file, the same as the browser signer makes (`static/signer/src/keyfile.js`): the words under a
//! signing passphrase, Argon2id then AES-256-GCM, account and network authenticated. The desk keeps it unread.

use aes_gcm::{
    Aes256Gcm, Key, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use anyhow::{Context, anyhow, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::keys::Wallet;

const KDF_NAME: &str = "argon2id";
const MEMORY_KIB: u32 = 65_536;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// Padding hides how long the words are.
const PLAIN_BYTES: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    v: u8,
    kind: String,
    pub account: String,
    pub network: String,
    pub origin: String,
    pub xpub: String,
    kdf: Kdf,
    cipher: String,
    nonce: String,
    ciphertext: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    m_kib: u32,
    t: u32,
    p: u32,
    salt: String,
}

/// Encrypts a wallet's words for one account of the desk. Takes about half a second of one processor.
pub fn seal(wallet: &Wallet, number: u32, account: &str, passphrase: &str) -> anyhow::Result<KeyFile> {
    let network = wallet.network().to_string();
    let (mut salt, mut nonce) = ([0; 16], [0; 12]);
    getrandom::fill(&mut salt).and_then(|()| getrandom::fill(&mut nonce)).map_err(|e| anyhow!("no randomness: {e}"))?;
    let padded = format!("{:<PLAIN_BYTES$}", wallet.words());
    let aad = associated_data(account, &network);
    let ciphertext = cipher(passphrase, &salt)?
        .encrypt(&Nonce::from(nonce), Payload { msg: padded.as_bytes(), aad: aad.as_bytes() })
        .map_err(|_| anyhow!("the words could not be encrypted"))?;
    Ok(KeyFile {
        v: 1,
        kind: "trine-key".into(),
        account: account.into(),
        network,
        origin: wallet.origin(number)?,
        xpub: wallet.xpub(number)?.to_string(),
        kdf: Kdf { name: KDF_NAME.into(), m_kib: MEMORY_KIB, t: PASSES, p: LANES, salt: BASE64.encode(&salt) },
        cipher: "aes-256-gcm".into(),
        nonce: BASE64.encode(&nonce),
        ciphertext: BASE64.encode(&ciphertext),
    })
}

/// The words inside. Refuses parameters other than ours: weaker ones would be somebody's trick.
pub fn open(file: &KeyFile, passphrase: &str) -> anyhow::Result<String> {
    let kdf = &file.kdf;
    ensure!(file.v == 1 && file.kind == "trine-key" && file.cipher == "aes-256-gcm", "this is not a Trine key file");
    ensure!(
        kdf.name == KDF_NAME && (kdf.m_kib, kdf.t, kdf.p) == (MEMORY_KIB, PASSES, LANES),
        "this key file asks for other encryption parameters than Argon2id, {MEMORY_KIB} KiB, {PASSES} passes"
    );
    let salt = BASE64.decode(kdf.salt.as_bytes())?;
    let nonce: [u8; 12] = BASE64.decode(file.nonce.as_bytes())?.try_into().ok().context("a nonce has 12 bytes")?;
    let sealed = BASE64.decode(file.ciphertext.as_bytes())?;
    let aad = associated_data(&file.account, &file.network);
    let plain = cipher(passphrase, &salt)?
        .decrypt(&Nonce::from(nonce), Payload { msg: &sealed, aad: aad.as_bytes() })
        .map_err(|_| anyhow!("the signing passphrase does not open this key file"))?;
    Ok(String::from_utf8(plain)?.trim_end().to_owned())
}

fn associated_data(account: &str, network: &str) -> String {
    format!("trine-key|1|{account}|{network}|{KDF_NAME}|{MEMORY_KIB}|{PASSES}|{LANES}")
}

fn cipher(passphrase: &str, salt: &[u8]) -> anyhow::Result<Aes256Gcm> {
    let normal: String = passphrase.nfkc().collect();
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).map_err(|e| anyhow!("argon2: {e}"))?;
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(normal.as_bytes(), salt, &mut key)
        .map_err(|e| anyhow!("argon2: {e}"))?;
    Ok(Aes256Gcm::new(&Key::<Aes256Gcm>::from(key)))
}

#[cfg(test)]
mod tests;
