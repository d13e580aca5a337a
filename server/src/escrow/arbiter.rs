//! The arbitrator's key and his public record.
//!
//! His account xpub is never published: with it anyone could recognise every spent escrow of the desk. He adds one
//! unhardened level P per pair of traders, and his record commits to xpub_0 … xpub_4095 by a Merkle root, so that a
//! signer can check the one xpub_P that is in its contract.
//!
//! Leaf of P: SHA-256(0x00 ‖ the 78 bytes of BIP-32 that base58check decodes from the text of xpub_P).
//! Node: SHA-256(0x01 ‖ left ‖ right). 4096 leaves, so a path has 12 hashes, the leaf's neighbour first; at height h
//! (0 for the leaves) the hash so far stands on the left when bit h of P is 0.

use std::fmt;

use bitcoin::Network;
use bitcoin::bip32::{ChildNumber, Fingerprint, Xpub};
use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::secp256k1::{Secp256k1, Verification};
use serde::{Deserialize, Serialize};

use super::canonical;
use super::keys::{AccountKey, EscrowKey};
use crate::domain::Refusal;

/// The extra level P of an arbitrator's key: a serial number per arbitrator key and unordered pair of trader keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArbiterLevel(u32);

/// How many levels a record commits to.
pub const ARBITER_LEVELS: u32 = 4096;

/// Hashes in a Merkle path over 4096 leaves.
const MERKLE_HEIGHT: usize = 12;

impl ArbiterLevel {
    /// Kept for drills; pairs of traders get 0 … 4094.
    pub const DRILL: Self = Self(ARBITER_LEVELS - 1);

    pub fn new(level: u32) -> Option<Self> {
        (level < ARBITER_LEVELS).then_some(Self(level))
    }

    /// The level of the `serial`-th pair (from 0); `None` when the key has had all its pairs.
    pub fn of_pair(serial: u32) -> Option<Self> {
        Self::new(serial).filter(|level| *level != Self::DRILL)
    }

    pub fn get(self) -> u32 {
        self.0
    }

    pub(super) fn step(self) -> ChildNumber {
        ChildNumber::Normal { index: self.0 }
    }

    /// xpub_P of an account xpub.
    pub(super) fn derive(self, secp: &Secp256k1<impl Verification>, account: &Xpub) -> Xpub {
        // Fails for one level in 2^127. The account key then stands in its place, and no contract takes it:
        // its depth is wrong.
        account.ckd_pub(secp, self.step()).unwrap_or(*account)
    }
}

impl fmt::Display for ArbiterLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an arbitrator publishes about himself: canonical JSON, named in contracts by its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArbiterRecord {
    /// Always 1.
    pub v: u32,
    pub network: Network,
    pub name: String,
    /// The origin fingerprint of his key.
    pub fingerprint: Fingerprint,
    /// How to reach him without the desk.
    pub contact: String,
    pub date: jiff::civil::Date,
    /// The Merkle root over xpub_0 … xpub_4095.
    pub root: sha256::Hash,
}

impl ArbiterRecord {
    /// Canonical JSON; refuses text that a contract could not hold.
    pub fn to_text(&self) -> Result<String, Refusal> {
        Ok(canonical::write(self)?)
    }

    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let record: Self = canonical::read(text)?;
        if record.v != 1 {
            return Err(Refusal::invalid("This record of an arbitrator is of a version that is not known here."));
        }
        Ok(record)
    }

    /// Whether `xpub` is this arbitrator's key at a level, shown by its Merkle path.
    pub fn admits(&self, level: ArbiterLevel, xpub: &Xpub, path: &[sha256::Hash]) -> bool {
        verify_path(&self.root, level, xpub, path)
    }

    /// What a contract names.
    pub fn hash(&self) -> Result<sha256::Hash, Refusal> {
        Ok(sha256::Hash::hash(self.to_text()?.as_bytes()))
    }
}

/// The Merkle tree of an arbitrator's key, with what it was made from: thousands of derivations, so keep it.
#[derive(Debug, Clone)]
pub struct ArbiterTree {
    /// Of xpub_0 … xpub_4095.
    keys: Vec<EscrowKey>,
    /// Leaves first, the root alone in the last.
    rows: Vec<Vec<sha256::Hash>>,
}

impl ArbiterTree {
    pub fn new(key: &AccountKey) -> Self {
        let keys: Vec<EscrowKey> =
            (0..ARBITER_LEVELS).map(|level| EscrowKey::of_arbiter(key, ArbiterLevel(level))).collect();
        let mut rows: Vec<Vec<sha256::Hash>> = vec![keys.iter().map(|key| leaf(key.xpub())).collect()];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let above = row.as_chunks::<2>().0.iter().map(|[left, right]| node(left, right)).collect();
            rows.push(above);
        }
        Self { keys, rows }
    }

    /// The key in escrows at this level.
    pub fn escrow_key(&self, level: ArbiterLevel) -> Option<EscrowKey> {
        self.keys.get(usize::try_from(level.0).ok()?).cloned()
    }

    pub fn root(&self) -> sha256::Hash {
        self.rows.last().and_then(|row| row.first()).copied().unwrap_or_else(sha256::Hash::all_zeros)
    }

    /// The 12 neighbours on the way from xpub_P to the root.
    pub fn path(&self, level: ArbiterLevel) -> Vec<sha256::Hash> {
        let mut place = usize::try_from(level.0).unwrap_or_default();
        let mut path = Vec::with_capacity(MERKLE_HEIGHT);
        for row in self.rows.iter().take(MERKLE_HEIGHT) {
            path.extend(row.get(place ^ 1));
            place >>= 1;
        }
        path
    }
}

/// The Merkle root over xpub_0 … xpub_4095.
pub fn merkle_root(key: &AccountKey) -> sha256::Hash {
    ArbiterTree::new(key).root()
}

/// See [`ArbiterTree::path`].
pub fn merkle_path(key: &AccountKey, level: ArbiterLevel) -> Vec<sha256::Hash> {
    ArbiterTree::new(key).path(level)
}

/// Whether `xpub` is the one that the root commits to at this level.
pub fn verify_path(root: &sha256::Hash, level: ArbiterLevel, xpub: &Xpub, path: &[sha256::Hash]) -> bool {
    if path.len() != MERKLE_HEIGHT || xpub.child_number != level.step() {
        return false;
    }
    let mut hash = leaf(xpub);
    let mut place = level.0;
    for neighbour in path {
        hash = if place & 1 == 0 { node(&hash, neighbour) } else { node(neighbour, &hash) };
        place >>= 1;
    }
    hash == *root
}

fn leaf(xpub: &Xpub) -> sha256::Hash {
    let mut engine = sha256::Hash::engine();
    engine.input(&[0x00]);
    engine.input(&xpub.encode());
    sha256::Hash::from_engine(engine)
}

fn node(left: &sha256::Hash, right: &sha256::Hash) -> sha256::Hash {
    let mut engine = sha256::Hash::engine();
    engine.input(&[0x01]);
    engine.input(left.as_ref());
    engine.input(right.as_ref());
    sha256::Hash::from_engine(engine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::testing;

    #[test]
    fn every_level_has_a_path_and_no_other_key_fits_it() {
        let key = testing::arbiter();
        let tree = ArbiterTree::new(&key);
        let secp = &*crate::escrow::keys::CURVE;
        for level in [0, 1, 2, 77, 2048, 4094, 4095].map(|p| ArbiterLevel::new(p).unwrap()) {
            let (xpub, path) = (level.derive(secp, key.xpub()), tree.path(level));
            assert!(verify_path(&tree.root(), level, &xpub, &path));
            assert_eq!(tree.escrow_key(level), Some(EscrowKey::of_arbiter(&key, level)));
            let other = ArbiterLevel::new((level.get() + 1) % ARBITER_LEVELS).unwrap();
            assert!(!verify_path(&tree.root(), other, &xpub, &path));
            assert!(!verify_path(&tree.root(), level, &other.derive(secp, key.xpub()), &path));
            assert!(!verify_path(&tree.root(), level, &xpub, &path[1..]));
            assert!(!verify_path(&tree.root(), level, &level.derive(secp, testing::buyer().xpub()), &path));
        }
    }

    #[test]
    fn a_record_reads_back_what_it_writes_and_its_levels_end() {
        let record = testing::record();
        assert_eq!(ArbiterRecord::parse(&record.to_text().unwrap()), Ok(record));
        assert_eq!(ArbiterLevel::new(4096), None);
        assert_eq!(ArbiterLevel::of_pair(4095), None);
        assert!(ArbiterLevel::of_pair(4094).is_some());
    }

    #[test]
    fn a_record_admits_its_own_keys_at_their_levels() {
        let (record, key, secp) = (testing::record(), testing::arbiter(), Secp256k1::verification_only());
        let (level, other) = (ArbiterLevel::new(7).unwrap(), ArbiterLevel::new(8).unwrap());
        let path = merkle_path(&key, level);
        assert_eq!(path, ArbiterTree::new(&key).path(level));
        assert!(record.admits(level, &level.derive(&secp, key.xpub()), &path));
        assert!(!record.admits(level, &other.derive(&secp, key.xpub()), &path));
    }
}
