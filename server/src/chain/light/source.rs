//! What a server that is asked by script can tell. Nothing of it is believed here; `reading` checks it.

use std::fmt;

use bitcoin::block::Header;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{FeeRate, ScriptBuf, Transaction, Txid};

use crate::chain::{Answer, ChainError};

/// One server.
pub trait Source: fmt::Debug + Send + Sync {
    /// Its address, for the operator.
    fn name(&self) -> &str;

    /// The height of its best block.
    fn height(&self) -> Answer<'_, u32>;

    /// So many headers from this height on, fewer if there are no more.
    fn headers(&self, from: u32, count: u32) -> Answer<'_, Vec<Header>>;

    /// For each script, in the same order, what touches it: everything that waits, and what is confirmed above this
    /// height (and perhaps more). As of no earlier than the last `height`.
    fn histories<'a>(&'a self, scripts: &'a [ScriptBuf], above: u32) -> Answer<'a, Vec<History>>;

    /// A transaction it has, perhaps one that it should have forgotten.
    fn transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>>;

    /// Whether that transaction waits or is in the best chain now.
    fn knows<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, bool>;

    /// Where in the block of this height it is; none if it is not there.
    fn proof(&self, txid: Txid, height: u32) -> Answer<'_, Option<Proof>>;

    /// Gives it to the network; what the server refuses is `Rejected`, even if it knows it already.
    fn send<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()>;

    fn estimate(&self, target_blocks: u16) -> Answer<'_, Option<FeeRate>>;
}

/// What touches one script, or why the server does not tell it: of a script with a long history many do not.
pub type History = Result<Vec<Entry>, ChainError>;

/// A transaction in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub txid: Txid,
    /// None while it waits.
    pub height: Option<u32>,
}

/// The way from a transaction up to its block's Merkle root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Its number in the block.
    pub position: u32,
    /// The neighbours on the way, the lowest first.
    pub branch: Vec<sha256d::Hash>,
}

impl Proof {
    /// As Electrum and Esplora write it: hashes in the reversed hexadecimal of txids.
    pub fn read(position: u32, branch: &[String]) -> Result<Self, ChainError> {
        let hash = |text: &String| text.parse().map_err(|_| ChainError::confused("a Merkle proof that is no proof"));
        Ok(Self { position, branch: branch.iter().map(hash).collect::<Result<_, _>>()? })
    }

    /// Whether it leads from this transaction to the header's root.
    pub fn fits(&self, txid: Txid, header: &Header) -> bool {
        let (mut hash, mut position) = (txid.to_raw_hash(), self.position);
        for neighbour in &self.branch {
            let pair = if position & 1 == 0 { [hash, *neighbour] } else { [*neighbour, hash] };
            hash = sha256d::Hash::hash(&pair.map(sha256d::Hash::to_byte_array).concat());
            position >>= 1;
        }
        position == 0 && hash == header.merkle_root.to_raw_hash()
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::constants::genesis_block;
    use bitcoin::{Network, TxMerkleNode};

    use super::*;

    #[test]
    fn a_proof_leads_from_one_transaction_to_one_root() {
        let mut header = genesis_block(Network::Regtest).header;
        let txids = [1_u8, 2, 3].map(|number| Txid::from_byte_array([number; 32]));
        let pair =
            |a: sha256d::Hash, b: sha256d::Hash| sha256d::Hash::hash(&[a.to_byte_array(), b.to_byte_array()].concat());
        let raw = txids.map(Txid::to_raw_hash);
        let (left, right) = (pair(raw[0], raw[1]), pair(raw[2], raw[2]));
        header.merkle_root = TxMerkleNode::from_raw_hash(pair(left, right));
        let proof = Proof { position: 1, branch: vec![raw[0], right] };
        assert!(proof.fits(txids[1], &header));
        assert!(!proof.fits(txids[2], &header));
        assert!(!Proof { position: 0, ..proof.clone() }.fits(txids[1], &header));
        assert!(!Proof { position: 5, ..proof.clone() }.fits(txids[1], &header), "beyond the tree");
        let written: Vec<String> = proof.branch.iter().map(ToString::to_string).collect();
        assert_eq!(Proof::read(1, &written), Ok(proof));
        assert!(Proof::read(0, &["zz".to_owned()]).is_err());
    }
}
