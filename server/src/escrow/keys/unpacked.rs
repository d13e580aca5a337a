//! A registered key as bytes that are read without base58 and without arithmetic on the curve, to be kept beside its text:
//! a take reads two keys and needs one step below their `/0`.

use bitcoin::bip32::{ChainCode, ChildNumber, Fingerprint, Xpub};
use bitcoin::{Network, secp256k1};

use super::{AccountKey, RECEIVING, receiving};

/// Fingerprint, account number and the parent's fingerprint; then public key (uncompressed) and chain code, of the key
/// itself and of the one at `/0`.
pub const UNPACKED: usize = 4 + 4 + 4 + 2 * (65 + 32);

impl AccountKey {
    /// To be kept. `None` for one key in 2^127 that has no step `/0`.
    pub fn unpacked(&self) -> Option<[u8; UNPACKED]> {
        let pair = |xpub: &Xpub| (xpub.public_key.serialize_uncompressed(), xpub.chain_code.to_bytes());
        let ((own, own_code), (below, below_code)) = (pair(&self.xpub), pair(&receiving(&self.xpub)?));
        let parts: [&[u8]; 7] = [
            &self.fingerprint.to_bytes(),
            &self.account.to_be_bytes(),
            &self.xpub.parent_fingerprint.to_bytes(),
            &own,
            &own_code,
            &below,
            &below_code,
        ];
        parts.concat().try_into().ok()
    }

    /// The key whose text, as [`std::fmt::Display`] writes it, and [`Self::unpacked`] form were kept. `None` if they are
    /// none; whether the two belong together is not looked at.
    pub fn from_unpacked(text: &str, unpacked: &[u8; UNPACKED], network: Network) -> Option<Self> {
        let (_, text) = text.split_once(']')?;
        let (fingerprint, rest) = unpacked.split_first_chunk::<4>()?;
        let (account, rest) = rest.split_first_chunk::<4>()?;
        let (parent, rest) = rest.split_first_chunk::<4>()?;
        let (own, below) = rest.split_first_chunk::<97>()?;
        let xpub = |bytes: &[u8], depth, parent_fingerprint, child_number| {
            let (public_key, chain_code) = bytes.split_first_chunk::<65>()?;
            let public_key = secp256k1::PublicKey::from_slice(public_key).ok()?;
            let chain_code = ChainCode::from(<[u8; 32]>::try_from(chain_code).ok()?);
            Some(Xpub { network: network.into(), depth, parent_fingerprint, child_number, public_key, chain_code })
        };
        let own = xpub(own, 4, Fingerprint::from(*parent), ChildNumber::Hardened { index: 2 })?;
        Some(Self {
            fingerprint: Fingerprint::from(*fingerprint),
            account: u32::from_be_bytes(*account),
            xpub: own,
            text: Some(text.as_bytes().try_into().ok()?),
            receiving: Some(xpub(below, 5, own.fingerprint(), RECEIVING)?),
        })
    }
}
