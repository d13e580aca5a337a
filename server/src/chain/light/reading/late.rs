//! What a server lists late: it may tell of a block before it tells of what the block changed, or tell a history from a
//! cache. By then the block counts as read, so what is new in the last blocks is told after them.

use bitcoin::Txid;

use super::{BlockRef, Cursor, Entry, Gatherer, Reader, Stretch, Watched, headers};
use crate::chain::ChainError;

/// An hour: no honest server lags for longer.
pub const LATE_BLOCKS: u32 = 6;
/// A week: what somebody has waited for since then is not found by looking further down.
const AWAITED_BLOCKS: u32 = 1_008;

impl Reader<'_> {
    /// Tells what is in a block that was read before, of what the caller calls unconfirmed, and of what he cannot have
    /// heard of. Each is proved to be below the fork, as everything else is above it. What this look tells with its
    /// heights: it counts as told when the whole look is.
    pub(super) async fn late(
        &self,
        cursor: &Cursor,
        watched: &Watched,
        stretch: &Stretch,
        own: &[Entry],
        facts: &mut Gatherer<'_>,
    ) -> Result<Result<Vec<(Txid, u32)>, String>, ChainError> {
        let fork = stretch.fork;
        let heard_from = self.memory.asked_at(cursor, fork.height).max(fork.height.saturating_sub(LATE_BLOCKS));
        let awaited_from = fork.height.saturating_sub(AWAITED_BLOCKS);
        let (mut late, mut told) = (Vec::new(), Vec::new());
        let mut lowest = fork.height;
        for (entry, height) in own.iter().filter_map(|entry| Some((entry, entry.height?))) {
            let from = if watched.unconfirmed.contains(&entry.txid) { awaited_from } else { heard_from };
            let is_late = height > from && height <= fork.height && !self.memory.was_told(entry.txid, height, cursor);
            if is_late {
                lowest = lowest.min(height);
                late.push(*entry);
            }
            if is_late || stretch.header(height).is_some() {
                told.push((entry.txid, height));
            }
        }
        if late.is_empty() {
            return Ok(Ok(told));
        }
        let Some(headers) = headers::read(self.source, self.network, lowest, fork.height).await? else {
            return Ok(Err("it has fewer headers than a moment ago".to_owned()));
        };
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else { return Ok(Ok(told)) };
        if last.block_hash() != fork.hash {
            return Ok(Err(format!("block {} is another one than a moment ago", fork.height)));
        }
        let below = BlockRef { height: lowest.saturating_sub(1), hash: first.prev_blockhash };
        let read = Stretch { fork: below, headers, height: fork.height };
        let blocks = match self.blocks(&read, &late).await? {
            Ok(blocks) => blocks,
            Err(odd) => return Ok(Err(odd)),
        };
        for (height, block) in &blocks {
            let Some(header) = read.header(*height) else { continue };
            let place = BlockRef { height: *height, hash: header.block_hash() };
            block.transactions().for_each(|transaction| facts.confirmed(transaction, place));
        }
        Ok(Ok(told))
    }
}
