//! A server may be behind and answer well all the same. When its best block is old, or below one that another server told,
//! the others are asked too, and the chain with the most work is followed.

use std::sync::atomic::Ordering;

use bitcoin::Work;
use bitcoin::block::Header;
use jiff::Timestamp;

use super::reading::Reader;
use super::{Light, Server, headers};
use crate::chain::facts::BLOCKS_PER_ANSWER_MAX;
use crate::chain::trouble::STALE;
use crate::chain::{ChainError, Tip};

/// Where two servers differ by more of their last blocks, no reorganisation explains it: the operator has to look.
const BRANCH_BLOCKS_MAX: u32 = 30;

impl Light {
    /// The tip of the server that has just answered, or of one whose chain has more work, which is asked from then on.
    pub(super) async fn furthest(&self, tip: Tip, now: Timestamp) -> Tip {
        let Some(answered) = self.servers.get(self.best.load(Ordering::Relaxed)) else { return tip };
        answered.height.store(tip.block.height, Ordering::Relaxed);
        let is_behind = |server: &Server| server.height.load(Ordering::Relaxed) > tip.block.height;
        if now.duration_since(tip.time) <= STALE && !self.servers.iter().any(is_behind) {
            return tip;
        }
        let (mut best, mut furthest) = (answered, tip);
        for (index, server) in self.servers.iter().enumerate() {
            if std::ptr::eq(server, answered) {
                continue;
            }
            match self.further(server, best, &furthest).await {
                Ok(Some(further)) => {
                    tracing::warn!(server = best.source.name(), better = server.source.name(), "a server is behind");
                    server.height.store(further.block.height, Ordering::Relaxed);
                    self.best.store(index, Ordering::Relaxed);
                    (best, furthest) = (server, further);
                }
                // What it told before, if that was more, is no reason to ask it again.
                Ok(None) => server.height.store(0, Ordering::Relaxed),
                Err(error) => {
                    tracing::warn!(server = server.source.name(), %error, "whether another server is behind is not known");
                    if matches!(error, ChainError::Confused(_)) {
                        server.height.store(0, Ordering::Relaxed);
                    }
                }
            }
        }
        furthest
    }

    /// The tip of this server, if its chain has more work than the other's.
    async fn further(&self, server: &Server, other: &Server, tip: &Tip) -> Result<Option<Tip>, ChainError> {
        self.is_ours(server).await?;
        let own = Reader::new(server.source.as_ref(), &self.memory, self.network).tip().await?;
        if own.block.height <= tip.block.height {
            return Ok(None);
        }
        let from = tip.block.height.saturating_sub(BRANCH_BLOCKS_MAX);
        let longest = u32::try_from(BLOCKS_PER_ANSWER_MAX).map_err(ChainError::confused)?;
        let to = own.block.height.min(tip.block.height.saturating_add(longest));
        let theirs = headers::read(other.source.as_ref(), self.network, from, tip.block.height).await?;
        let its = headers::read(server.source.as_ref(), self.network, from, to).await?;
        let (Some(its), Some(theirs)) = (its, theirs) else { return Ok(None) };
        if its.first() != theirs.first() {
            return Err(ChainError::confused(format!(
                "{} and {} have different blocks {from}",
                server.source.name(),
                other.source.name()
            )));
        }
        Ok((work(&its) > work(&theirs)).then_some(own))
    }
}

/// What these blocks cost.
fn work(headers: &[Header]) -> Option<Work> {
    headers.iter().map(Header::work).reduce(|sum, one| sum + one)
}
