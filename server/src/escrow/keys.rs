//! Signing keys: the account xpub with its origin, and what becomes of it in one escrow.
//!
//! `[fingerprint/48'/coin'/account'/2']xpub` (BIP-48, P2WSH). Coin 0 on mainnet, 1 elsewhere. Only public keys
//! live here; everything private is refused before it is looked at, and never repeated in an error.

use std::fmt;
use std::sync::LazyLock;

use bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, KeySource, Xpub};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, VerifyOnly};
use bitcoin::{Network, NetworkKind, PublicKey};

use self::reading::{read_origin, read_xpub, refuse_private, without_suffix};
use super::arbiter::ArbiterLevel;
use crate::domain::Refusal;

/// The curve, prepared once: doing so takes longer than deriving a key.
pub static CURVE: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// The branch that the keys of escrows are on, as a wallet's receiving addresses are.
const RECEIVING: ChildNumber = ChildNumber::Normal { index: 0 };

/// Longer than any key with its origin (about 150 characters).
const KEY_TEXT_CHARS_MAX: usize = 512;

/// What is wrong with a pasted key, each in its own words (protocol §2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    #[error(
        "This is a private key. Whoever has it can take the coins: give it to nobody, this desk included. It was not \
         kept here, but treat it as seen by others. Paste the public key (xpub or Zpub) with its origin."
    )]
    Private,
    #[error(
        "These look like the secret words of a wallet. Give them to nobody, this desk included. They were not kept \
         here, but treat them as seen by others. Paste the public key (xpub or Zpub) with its origin."
    )]
    Words,
    #[error(
        "{0} is the key of a single-signature account. An escrow needs a multisig account: choose \"multisig\", \
         \"P2WSH\" or \"BIP-48\" in your wallet and export that key."
    )]
    SingleSignature(&'static str),
    #[error(
        "{0} is the key of a nested multisig account (P2SH-P2WSH). This desk uses native P2WSH: export the key of \
         the script type 2, m/48'/coin'/account'/2'."
    )]
    Nested(&'static str),
    #[error(
        "The origin is missing. Paste the key with fingerprint and path in brackets before it, like \
         [d34db33f/48'/0'/0'/2']xpub…; most wallets call this \"key expression\" or \"descriptor key\"."
    )]
    MissingOrigin,
    #[error("A whole descriptor is not needed. Paste one key only: [fingerprint/48'/coin'/account'/2']xpub….")]
    Descriptor,
    #[error("The fingerprint is eight characters of 0–9 and a–f, the first thing in the brackets.")]
    Fingerprint,
    #[error(
        "The fingerprint 00000000 means that your wallet does not know it. Look for the master fingerprint of the \
         device that holds the words, and put it in."
    )]
    UnknownFingerprint,
    #[error("The path in the brackets cannot be read. It must be 48'/{coin}'/account'/2', account below 2147483648.")]
    Path { coin: u32 },
    #[error("The path must be 48'/{coin}'/account'/2' (BIP-48 for native P2WSH multisig); this key says {found}.")]
    WrongPath { coin: u32, found: String },
    #[error("This key is for another network: its path has coin type {found}', and this desk needs {coin}'.")]
    WrongCoin { coin: u32, found: u32 },
    #[error("This key is for another network: this desk is on {wanted}, the key is for {found}.")]
    WrongNetwork { wanted: Network, found: &'static str },
    #[error(
        "Key and origin do not fit: an account key is 4 levels deep, this one is {depth}. Export the key at \
         m/48'/coin'/account'/2' itself, not one above or below it."
    )]
    Depth { depth: u8 },
    #[error(
        "Key and origin do not fit: the last step of the path is 2', but the key says it is {child}. Export it again."
    )]
    Child { child: String },
    #[error("This is no extended public key. Copy it again, whole; a character may be missing or changed.")]
    Garbage,
}

impl From<KeyRefusal> for Refusal {
    fn from(why: KeyRefusal) -> Self {
        Self::invalid(why.to_string())
    }
}

/// The index of an escrow, the last step of the path `/0/N` of all three keys. Wallets look 1,000 ahead at most,
/// so a key that reached 900 is asked for a new account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EscrowIndex(u32);

impl EscrowIndex {
    pub const MAX: Self = Self(900);

    pub fn new(index: u32) -> Option<Self> {
        (index <= Self::MAX.0).then_some(Self(index))
    }

    pub fn get(self) -> u32 {
        self.0
    }

    /// The suffix of a trade key, `/0/N`.
    pub(super) fn suffix(self) -> [ChildNumber; 2] {
        [RECEIVING, ChildNumber::Normal { index: self.0 }]
    }
}

impl fmt::Display for EscrowIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A trader's or an arbitrator's account key, as registered.
///
/// Two of them are equal when public key and chain code are, whatever origin was written before them.
#[derive(Debug, Clone, Copy)]
pub struct AccountKey {
    fingerprint: Fingerprint,
    account: u32,
    xpub: Xpub,
    /// What was read, if it is how the xpub is written: base58 takes its time.
    text: Option<XpubText>,
    /// The key at `/0`, if it is known already.
    receiving: Option<Xpub>,
}

/// The base58check of an extended public key, 78 bytes with these version bytes.
type XpubText = [u8; 111];

impl PartialEq for AccountKey {
    fn eq(&self, other: &Self) -> bool {
        same_key(&self.xpub, &other.xpub)
    }
}

impl Eq for AccountKey {}

/// The BIP-44 coin type of a network: 0 on mainnet, 1 everywhere else.
pub fn coin_type(network: Network) -> u32 {
    u32::from(network != Network::Bitcoin)
}

impl AccountKey {
    /// Reads `[fingerprint/48'/coin'/account'/2']xpub`, with `'`, `h` or `H` for hardened steps, with xpub/tpub or
    /// the SLIP-132 forms Zpub/Vpub, and with a trailing `/<0;1>/*`, `/0/*` or `/**` as wallets write it.
    pub fn parse(text: &str, network: Network) -> Result<Self, KeyRefusal> {
        let text = text.trim();
        refuse_private(text)?;
        if text.contains('(') {
            return Err(KeyRefusal::Descriptor);
        }
        if text.len() > KEY_TEXT_CHARS_MAX {
            return Err(KeyRefusal::Garbage);
        }
        let Some(rest) = text.strip_prefix('[') else {
            // Say first what is worse than a missing origin.
            read_xpub(without_suffix(text), network)?;
            return Err(KeyRefusal::MissingOrigin);
        };
        let (origin, key) = rest.split_once(']').ok_or(KeyRefusal::MissingOrigin)?;
        let key = without_suffix(key.trim());
        let xpub = read_xpub(key, network)?;
        let (fingerprint, account) = read_origin(origin, network)?;
        if xpub.depth != 4 {
            return Err(KeyRefusal::Depth { depth: xpub.depth });
        }
        if xpub.child_number != (ChildNumber::Hardened { index: 2 }) {
            return Err(KeyRefusal::Child { child: xpub.child_number.to_string() });
        }
        let text = key.as_bytes().try_into().ok().filter(|_| key.starts_with(['x', 't']));
        Ok(Self { fingerprint, account, xpub, text, receiving: None })
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The account number in the path.
    pub fn account(&self) -> u32 {
        self.account
    }

    pub fn xpub(&self) -> &Xpub {
        &self.xpub
    }

    /// The public key itself, by which uses of the key are counted.
    pub fn public_key_bytes(&self) -> [u8; 33] {
        self.xpub.public_key.serialize()
    }

    /// `48'/coin'/account'/2'`.
    pub fn path(&self) -> DerivationPath {
        let coin = u32::from(self.xpub.network != NetworkKind::Main);
        [48, coin, self.account, 2].map(|index| ChildNumber::Hardened { index }).as_slice().into()
    }

    /// `[fingerprint/48'/coin'/account'/2']`, with its brackets.
    pub fn origin(&self) -> String {
        origin_text(&(self.fingerprint, self.path()))
    }

    /// SHA-256 of chain code and public key: equal for equal keys, whatever is written around them.
    pub fn identity(&self) -> [u8; 32] {
        let mut bytes = self.xpub.chain_code.to_bytes().to_vec();
        bytes.extend(self.xpub.public_key.serialize());
        sha256::Hash::hash(&bytes).to_byte_array()
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.xpub)
    }
}

/// A key as it stands in one escrow: a trader's account key, or the arbitrator's with its extra level P.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscrowKey {
    origin: KeySource,
    xpub: Xpub,
    /// The xpub as wallets write it; base58 is slow enough to do it once.
    xpub_text: String,
    /// Its key at `/0`.
    receiving: Option<Xpub>,
}

impl EscrowKey {
    pub fn of_trader(key: &AccountKey) -> Self {
        let receiving = key.receiving.or_else(|| receiving(&key.xpub));
        let text = key.text.and_then(|text| String::from_utf8(text.to_vec()).ok());
        let xpub_text = text.unwrap_or_else(|| key.xpub.to_string());
        Self { origin: (key.fingerprint, key.path()), xpub: key.xpub, xpub_text, receiving }
    }

    /// `[fingerprint/48'/coin'/account'/2'/P]xpub_P`.
    pub fn of_arbiter(key: &AccountKey, level: ArbiterLevel) -> Self {
        let origin = (key.fingerprint, key.path().child(level.step()));
        Self::from_parts(origin, level.derive(&CURVE, &key.xpub))
    }

    /// Reads a trader's key from a contract: exactly as written by [`Self::origin`] and [`Self::xpub`].
    pub fn read_trader(origin: &str, xpub: &str, network: Network) -> Result<Self, KeyRefusal> {
        Ok(Self::of_trader(&AccountKey::parse(&format!("{origin}{xpub}"), network)?))
    }

    /// Reads the arbitrator's key from a contract. Whether `xpub` is his, only his record's Merkle root can say.
    pub fn read_arbiter(origin: &str, xpub: &str, level: ArbiterLevel, network: Network) -> Result<Self, KeyRefusal> {
        let coin = coin_type(network);
        let (account_origin, step) = origin
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .and_then(|inner| inner.rsplit_once('/'))
            .ok_or(KeyRefusal::MissingOrigin)?;
        let (fingerprint, account) = read_origin(account_origin, network)?;
        let xpub = read_xpub(xpub, network)?;
        if step != level.to_string() {
            return Err(KeyRefusal::WrongPath { coin, found: step.to_owned() });
        }
        if xpub.depth != 5 {
            return Err(KeyRefusal::Depth { depth: xpub.depth });
        }
        if xpub.child_number != level.step() {
            return Err(KeyRefusal::Child { child: xpub.child_number.to_string() });
        }
        let path = [48, coin, account, 2].map(|index| ChildNumber::Hardened { index });
        let path = DerivationPath::from(path.as_slice()).child(level.step());
        Ok(Self::from_parts((fingerprint, path), xpub))
    }

    pub(super) fn from_parts(origin: KeySource, xpub: Xpub) -> Self {
        Self { origin, xpub, xpub_text: xpub.to_string(), receiving: receiving(&xpub) }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.origin.0
    }

    pub fn xpub(&self) -> &Xpub {
        &self.xpub
    }

    /// The xpub as text.
    pub fn xpub_text(&self) -> &str {
        &self.xpub_text
    }

    /// `[fingerprint/path]`, with its brackets.
    pub fn origin(&self) -> String {
        origin_text(&self.origin)
    }

    pub(super) fn source(&self) -> &KeySource {
        &self.origin
    }

    /// The key's full path from the wallet's seed, for BIP-174.
    pub(super) fn source_at(&self, index: EscrowIndex) -> KeySource {
        (self.origin.0, self.origin.1.extend(index.suffix()))
    }

    /// The public key at `/0/N`. `None` for one index in 2^127 that has no key.
    pub(super) fn public_key_at(&self, index: EscrowIndex) -> Option<PublicKey> {
        let [_, step] = index.suffix();
        self.receiving?.ckd_pub(&*CURVE, step).ok().map(|xpub| PublicKey::new(xpub.public_key))
    }

    /// As in the descriptor: `[fingerprint/path]xpub/<0;1>/*`.
    pub(super) fn multipath(&self) -> String {
        format!("{self}/<0;1>/*")
    }
}

impl fmt::Display for EscrowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.xpub_text)
    }
}

/// The key at `/0`. `None` for one key in 2^127 that has none.
pub(super) fn receiving(xpub: &Xpub) -> Option<Xpub> {
    xpub.ckd_pub(&*CURVE, RECEIVING).ok()
}

pub(super) fn same_key(one: &Xpub, other: &Xpub) -> bool {
    one.public_key == other.public_key && one.chain_code == other.chain_code
}

fn origin_text((fingerprint, path): &KeySource) -> String {
    format!("[{fingerprint}/{path}]")
}

mod reading;
#[cfg(test)]
mod tests;
mod unpacked;
