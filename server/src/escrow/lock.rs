//! The escrow itself: `wsh(sortedmulti(2, buyer, seller, arbitrator))`, native P2WSH, keys in BIP-67 order after
//! derivation at `/0/N`.

use std::collections::BTreeMap;

use bitcoin::bip32::{ChainCode, ChildNumber, DerivationPath, Fingerprint, KeySource, Xpub};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::opcodes::all::OP_CHECKMULTISIG;
use bitcoin::script::Builder;
use bitcoin::secp256k1;
use bitcoin::{Address, Network, PublicKey, ScriptBuf};
use miniscript::descriptor::checksum;

use super::arbiter::ArbiterLevel;
use super::keys::{AccountKey, EscrowIndex, EscrowKey, coin_type, same_key};
use crate::domain::{Party, Refusal};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockRefusal {
    #[error("{0} and {1} have the same key. Each of the three needs a key of their own.")]
    SameKey(Party, Party),
    #[error(
        "The keys of {0} and {1} come from wallets with the same fingerprint. Each of the three needs a wallet of \
         their own."
    )]
    SameFingerprint(Party, Party),
    #[error("{0} and {1} would have the same public key in this escrow. Take the next number.")]
    SameDerivedKey(Party, Party),
    #[error("This number gives no usable key. Take the next number.")]
    NoKey,
    #[error("These keys make no escrow: {0}.")]
    Descriptor(String),
}

impl From<LockRefusal> for Refusal {
    fn from(why: LockRefusal) -> Self {
        Self::invalid(why.to_string())
    }
}

/// Three keys and a number N: everything that the script, the address and a wallet's view of it follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    network: Network,
    index: EscrowIndex,
    /// In the order of [`Party::ALL`].
    keys: [EscrowKey; 3],
    public_keys: [PublicKey; 3],
    descriptor: String,
    witness_script: ScriptBuf,
}

impl Lock {
    /// Refuses three registered keys that make no escrow, whatever level and number they get.
    pub fn refuse_alike(keys: [&AccountKey; 3]) -> Result<(), LockRefusal> {
        refuse_alike(keys.map(|key| (key.fingerprint(), key.xpub())))
    }

    /// From the registered keys of two traders and an arbitrator.
    #[cfg(test)]
    pub fn of_accounts(
        [buyer, seller, arbiter]: [&AccountKey; 3],
        level: ArbiterLevel,
        index: EscrowIndex,
        network: Network,
    ) -> Result<Self, LockRefusal> {
        let keys = [EscrowKey::of_trader(buyer), EscrowKey::of_trader(seller), EscrowKey::of_arbiter(arbiter, level)];
        Self::new(keys, index, network)
    }

    /// From three keys in the order buyer, seller, arbitrator.
    pub fn new(keys: [EscrowKey; 3], index: EscrowIndex, network: Network) -> Result<Self, LockRefusal> {
        let [buyer, seller, arbiter] = &keys;
        let derived = |key: &EscrowKey| key.public_key_at(index).ok_or(LockRefusal::NoKey);
        let public_keys = [derived(buyer)?, derived(seller)?, derived(arbiter)?];
        refuse_alike([buyer, seller, arbiter].map(|key| (key.fingerprint(), key.xpub())))?;
        refuse_same_derived(public_keys)?;

        let [b, s, a] = [buyer, seller, arbiter].map(EscrowKey::multipath);
        let descriptor = format!("wsh(sortedmulti(2,{b},{s},{a}))");
        let mut checksum = checksum::Engine::new();
        checksum.input(&descriptor).map_err(|error| LockRefusal::Descriptor(error.to_string()))?;
        let descriptor = format!("{descriptor}#{}", checksum.checksum());
        let witness_script = two_of_three(public_keys);
        Ok(Self { network, index, keys, public_keys, descriptor, witness_script })
    }

    /// The script on which an arbitrator shows that he can sign: his key at [`ArbiterLevel::DRILL`], N = 0, and two
    /// keys that nobody has the private keys of.
    pub fn of_drill(arbiter: &AccountKey, network: Network) -> Result<Self, LockRefusal> {
        let keys = [
            keyless(b"trine drill buyer", network)?,
            keyless(b"trine drill seller", network)?,
            EscrowKey::of_arbiter(arbiter, ArbiterLevel::DRILL),
        ];
        Self::new(keys, EscrowIndex::new(0).ok_or(LockRefusal::NoKey)?, network)
    }

    pub fn network(&self) -> Network {
        self.network
    }

    pub fn index(&self) -> EscrowIndex {
        self.index
    }

    pub fn key(&self, party: Party) -> &EscrowKey {
        let [buyer, seller, arbiter] = &self.keys;
        match party {
            Party::Buyer => buyer,
            Party::Seller => seller,
            Party::Arbitrator => arbiter,
        }
    }

    /// The public key of this party in the script.
    pub fn public_key(&self, party: Party) -> PublicKey {
        let [buyer, seller, arbiter] = self.public_keys;
        match party {
            Party::Buyer => buyer,
            Party::Seller => seller,
            Party::Arbitrator => arbiter,
        }
    }

    /// Whose public key this is, if it is one of the three.
    pub fn party_of(&self, key: &PublicKey) -> Option<Party> {
        Party::ALL.into_iter().find(|party| self.public_key(*party) == *key)
    }

    /// The parties in the order of their keys in the script, which is the order of signatures in a witness.
    pub(super) fn parties_in_script(&self) -> [Party; 3] {
        let mut parties = Party::ALL;
        parties.sort_by_key(|party| self.public_key(*party).to_bytes());
        parties
    }

    /// `2 <key> <key> <key> 3 OP_CHECKMULTISIG`.
    pub fn witness_script(&self) -> &ScriptBuf {
        &self.witness_script
    }

    pub fn script_pubkey(&self) -> ScriptBuf {
        self.witness_script.to_p2wsh()
    }

    pub fn address(&self) -> Address {
        Address::p2wsh(&self.witness_script, self.network)
    }

    /// The multipath form (`<0;1>/*`, `'` for hardened) with its checksum; keys in the order buyer, seller,
    /// arbitrator. This escrow is its receiving address number N.
    pub fn descriptor(&self) -> &str {
        &self.descriptor
    }

    /// Each public key with fingerprint and full path, as PSBT inputs name them (BIP-174).
    pub(super) fn derivations(&self) -> BTreeMap<secp256k1::PublicKey, KeySource> {
        let one = |party| (self.public_key(party).inner, self.key(party).source_at(self.index));
        Party::ALL.into_iter().map(one).collect()
    }

    /// Each account xpub with its origin, as PSBTs name them.
    pub(super) fn xpubs(&self) -> BTreeMap<Xpub, KeySource> {
        self.keys.iter().map(|key| (*key.xpub(), key.source().clone())).collect()
    }
}

/// `2 <key> <key> <key> 3 OP_CHECKMULTISIG`, the keys in the order of BIP-67.
fn two_of_three(mut keys: [PublicKey; 3]) -> ScriptBuf {
    keys.sort_by_key(|key| key.inner.serialize());
    let keys = keys.iter().fold(Builder::new().push_int(2), |script, key| script.push_key(key));
    keys.push_int(3).push_opcode(OP_CHECKMULTISIG).into_script()
}

/// Three keys of three wallets.
fn refuse_alike(keys: [(Fingerprint, &Xpub); 3]) -> Result<(), LockRefusal> {
    for [(party, (fingerprint, xpub)), (other, (other_fingerprint, other_xpub))] in pairs(keys) {
        if same_key(xpub, other_xpub) {
            return Err(LockRefusal::SameKey(party, other));
        }
        if fingerprint == other_fingerprint {
            return Err(LockRefusal::SameFingerprint(party, other));
        }
    }
    Ok(())
}

fn refuse_same_derived(public_keys: [PublicKey; 3]) -> Result<(), LockRefusal> {
    let mut pairs = pairs(public_keys).into_iter();
    let same = pairs.find(|[(_, key), (_, other)]| key == other);
    same.map_or(Ok(()), |[(party, _), (other, _)]| Err(LockRefusal::SameDerivedKey(party, other)))
}

/// Each with each other, named.
fn pairs<T: Copy>([buyer, seller, arbiter]: [T; 3]) -> [[(Party, T); 2]; 3] {
    let [buyer, seller, arbiter] = [(Party::Buyer, buyer), (Party::Seller, seller), (Party::Arbitrator, arbiter)];
    [[buyer, seller], [buyer, arbiter], [seller, arbiter]]
}

/// A key made from a name alone: its point is the first of SHA-256(name ‖ 0), SHA-256(name ‖ 1) … that is the
/// x of a point, so nobody knows a private key for it. Chain code and fingerprint are hashes of the name too.
fn keyless(name: &[u8], network: Network) -> Result<EscrowKey, LockRefusal> {
    let hash = |suffix: &[u8]| sha256::Hash::hash(&[name, suffix].concat()).to_byte_array();
    let point = (0..=u8::MAX).find_map(|n| secp256k1::XOnlyPublicKey::from_slice(&hash(&[n])).ok());
    let public_key = point.ok_or(LockRefusal::NoKey)?.public_key(secp256k1::Parity::Even);
    let chain_code = hash(b" chain code");
    let [a, b, c, d, ..] = hash(b" fingerprint");
    let fingerprint = Fingerprint::from([a, b, c, d]);
    let path = [48, coin_type(network), 0, 2].map(|index| ChildNumber::Hardened { index });
    let xpub = Xpub {
        network: network.into(),
        depth: 4,
        parent_fingerprint: fingerprint,
        child_number: ChildNumber::Hardened { index: 2 },
        public_key,
        chain_code: ChainCode::from(chain_code),
    };
    Ok(EscrowKey::from_parts((fingerprint, DerivationPath::from(path.as_slice())), xpub))
}

#[cfg(test)]
mod tests;
