//! The desk's own secrets and what they are used for: form tokens, and private fields at rest.
//! None of them can move a coin.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

use super::error::{Done, Error};

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness there is no safe way on; the operating system refuses only before it has booted.
    if getrandom::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// SHA-256 of some bytes.
pub fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes.as_ref()).into()
}

/// 32 bytes for form tokens and log salts, 32 bytes for private fields, with the version of the latter.
#[derive(Debug)]
pub struct Secrets {
    token_key: SecretBox<[u8; 32]>,
    data_key: SecretBox<[u8; 32]>,
    data_key_version: u8,
}

impl Secrets {
    pub fn new(token_key: [u8; 32], data_key: [u8; 32], data_key_version: u8) -> Self {
        Self {
            token_key: SecretBox::new(Box::new(token_key)),
            data_key: SecretBox::new(Box::new(data_key)),
            data_key_version,
        }
    }

    /// HMAC-SHA-256 under the token key; `purpose` keeps uses apart.
    pub fn mac(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        keyed(self.token_key.expose_secret(), purpose, bytes)
    }

    /// What tells the data key and its version from others, and nothing else of them.
    pub fn data_key_mark(&self) -> [u8; 32] {
        keyed(self.data_key.expose_secret(), "data key", &[self.data_key_version])
    }

    /// Encrypts a private field: version byte, 12-byte nonce, AES-256-GCM ciphertext. `place` binds it to its row.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Done<Vec<u8>> {
        let nonce: [u8; 12] = random();
        let payload = Payload { msg: plain, aad: place.as_bytes() };
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::broken("a private field could not be encrypted"))?;
        Ok([&[self.data_key_version][..], &nonce, &sealed].concat())
    }

    /// Decrypts what [`seal`](Self::seal) made for the same place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Done<Vec<u8>> {
        let broken = || Error::broken(format!("a private field ({place}) does not open with this data key"));
        let (version, rest) = sealed.split_first().ok_or_else(broken)?;
        if *version != self.data_key_version {
            return Err(Error::broken(format!("a private field ({place}) needs data key version {version}")));
        }
        let (nonce, cipher) = rest.split_first_chunk::<12>().ok_or_else(broken)?;
        let payload = Payload { msg: cipher, aad: place.as_bytes() };
        self.cipher().decrypt(&Nonce::from(*nonce), payload).map_err(|_| broken())
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&Key::<Aes256Gcm>::from(*self.data_key.expose_secret()))
    }
}

fn keyed(key: &[u8; 32], purpose: &str, bytes: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key) else {
        unreachable!("HMAC takes a key of any length")
    };
    mac.update(purpose.as_bytes());
    mac.update(&[0]);
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_field_opens_only_in_its_place() {
        let secrets = Secrets::new([1; 32], [2; 32], 1);
        let sealed = secrets.seal("trade 1 payee", b"IT60").unwrap();
        assert_eq!(secrets.open("trade 1 payee", &sealed).unwrap(), b"IT60");
        assert!(secrets.open("trade 2 payee", &sealed).is_err());
        assert!(Secrets::new([1; 32], [3; 32], 1).open("trade 1 payee", &sealed).is_err());
        assert!(Secrets::new([1; 32], [2; 32], 2).open("trade 1 payee", &sealed).is_err());
    }
}
