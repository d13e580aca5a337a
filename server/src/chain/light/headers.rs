//! Headers that hang together and cost work.

use bitcoin::Network;
use bitcoin::block::Header;
use bitcoin::consensus::Params;

use super::source::Source;
use crate::chain::ChainError;

/// The difficulty is set anew after so many blocks.
const PERIOD_BLOCKS: u32 = 2_016;

/// The headers of these heights, both included, checked against each other. `None` when the server has fewer by now.
pub async fn read(
    source: &dyn Source,
    network: Network,
    from: u32,
    to: u32,
) -> Result<Option<Vec<Header>>, ChainError> {
    let wanted = to.saturating_sub(from).saturating_add(1);
    let mut headers = source.headers(from, wanted).await?;
    let wanted = usize::try_from(wanted).map_err(ChainError::confused)?;
    if headers.len() < wanted {
        return Ok(None);
    }
    headers.truncate(wanted);
    check(network, from, &headers).map_err(|why| ChainError::confused(format!("{}: {why}", source.name())))?;
    Ok(Some(headers))
}

/// Each has the work it claims, follows the one before, and claims as much work as it must. What is only true of the
/// whole chain, the exact difficulty after a period, is held to what one period can change.
fn check(network: Network, from: u32, headers: &[Header]) -> Result<(), String> {
    let params = Params::new(network);
    for (height, header) in (from..).zip(headers) {
        let target = header.target();
        if target > params.max_attainable_target || header.validate_pow(target).is_err() {
            return Err(format!("the header of block {height} has too little work"));
        }
    }
    let steady = matches!(network, Network::Bitcoin | Network::Signet);
    let next_heights = from.saturating_add(1)..;
    for ((before, header), height) in headers.iter().zip(headers.iter().skip(1)).zip(next_heights) {
        if header.prev_blockhash != before.block_hash() {
            return Err(format!("the header of block {height} does not follow the one before"));
        }
        if !steady {
            continue;
        }
        let (old, new) = (before.target(), header.target());
        let may_change = height.checked_rem(PERIOD_BLOCKS) == Some(0);
        let in_bounds = new <= old.max_transition_threshold(&params) && new >= old.min_transition_threshold();
        if (before.bits != header.bits && !may_change) || !in_bounds {
            return Err(format!("the header of block {height} has another difficulty than it must"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bitcoin::constants::genesis_block;
    use bitcoin::hashes::Hash;
    use bitcoin::{CompactTarget, TxMerkleNode};

    use super::*;

    /// A regtest header on top of another; every second number has the work.
    fn next(before: &Header) -> Header {
        let merkle_root = TxMerkleNode::from_byte_array([1; 32]);
        let mut header = Header { prev_blockhash: before.block_hash(), merkle_root, nonce: 0, ..*before };
        while header.validate_pow(header.target()).is_err() {
            header.nonce += 1;
        }
        header
    }

    #[test]
    fn headers_hang_together_and_cost_work() {
        let first = genesis_block(Network::Regtest).header;
        let chain = [first, next(&first), next(&next(&first))];
        assert_eq!(check(Network::Regtest, 0, &chain), Ok(()));
        let gap = [chain[0], chain[2]];
        assert!(check(Network::Regtest, 0, &gap).unwrap_err().contains("does not follow"));
        let mut lazy = chain;
        while lazy[1].validate_pow(lazy[1].target()).is_ok() {
            lazy[1].nonce += 1;
        }
        assert!(check(Network::Regtest, 0, &lazy).unwrap_err().contains("too little work"));
        assert!(check(Network::Bitcoin, 0, &chain).unwrap_err().contains("too little work"), "regtest's work is none");
    }

    #[test]
    fn difficulty_changes_only_after_a_period() {
        let first = genesis_block(Network::Regtest).header;
        let mut other = next(&first);
        other.bits = CompactTarget::from_consensus(0x2050_ffff);
        while other.validate_pow(other.target()).is_err() {
            other.nonce += 1;
        }
        // Regtest's work under the rules of a network that keeps to its difficulty.
        assert!(check(Network::Regtest, 5, &[first, other]).is_ok());
        assert!(check(Network::Signet, 5, &[first, other]).is_err());
    }
}
