//! Which server reads the chain, and what it keeps in memory for that: the scripts of all escrows ever made, and the
//! outputs that are not spent for good.
//!
//! One of several servers holds a lock of the database's on a connection of its own. When it dies the connection does, and
//! the next to ask takes over. One that only believes to hold the lock writes nothing: the epoch has moved on.

use super::Desk;
use super::error::Done;
use super::watcher::chain_trouble;
use crate::chain::{Scripts, Trail, Watched};
use crate::store::GenericClient;
use crate::store::deposits::ReadTo;
use crate::store::reader::{self as store, Candidate};
use crate::store::watched::{self, SCRIPTS_AT_ONCE};

/// A spend deeper than a week of blocks is not taken back.
pub(super) const FOR_GOOD_BLOCKS: u32 = 1_008;

/// What the reading server knows. Whoever does not read knows nothing.
#[derive(Debug, Default)]
pub struct Reading {
    candidate: Option<Candidate>,
    epoch: Option<i64>,
    pub(super) watched: Watched,
    /// Every trade made by a transaction below this number is in `watched`.
    made_before: String,
    /// Outputs have changed since they were read into `watched`.
    pub(super) hears_news: bool,
    /// The books were not yet held against the chain in this epoch.
    pub(super) unaudited: bool,
}

/// The epoch in which this server reads, or none: another one does.
pub(super) async fn reads(desk: &Desk, reading: &mut Reading) -> Done<Option<i64>> {
    if let Some(candidate) = &reading.candidate
        && !candidate.is_there().await
    {
        if reading.epoch.is_some() {
            tracing::warn!("the connection that held the reading lock is lost");
        }
        *reading = Reading::default();
    }
    if reading.epoch.is_some() {
        return Ok(reading.epoch);
    }
    let candidate = match reading.candidate.take() {
        Some(candidate) => candidate,
        None => Candidate::enter(&desk.store).await?,
    };
    if !candidate.takes_the_lock().await? {
        reading.candidate = Some(candidate);
        return Ok(None);
    }
    let epoch = begin(desk).await?;
    *reading = Reading {
        candidate: Some(candidate),
        epoch: Some(epoch),
        made_before: "0".into(),
        hears_news: true,
        unaudited: true,
        ..Reading::default()
    };
    tracing::info!(epoch, "this server reads the chain");
    Ok(Some(epoch))
}

/// Gives the lock back: another server may read. The next round of work asks for it again.
pub async fn step_down(desk: &Desk) {
    *desk.reading.lock().await = Reading::default();
}

/// Raises the epoch; the very first reads from now on.
async fn begin(desk: &Desk) -> Done<i64> {
    let client = desk.store.connection().await?;
    if let Some(epoch) = store::take_over(&client).await? {
        return Ok(epoch);
    }
    let tip = desk.chain.tip().await.map_err(chain_trouble)?;
    let mut trail = Trail::default();
    trail.step(tip.block);
    let (cursor, trail) = (tip.block.to_string(), trail.to_string());
    let from = ReadTo { cursor: &cursor, trail: &trail, height: tip.block.height, hash: tip.block.hash };
    let now = desk.now(&client).await?;
    Ok(store::begin(&client, &from, tip.time, now).await?)
}

impl Reading {
    /// Brings the memory up to the books. True if an escrow was made that was not watched.
    pub(super) async fn learn(&mut self, client: &impl GenericClient, height: u32) -> Done<bool> {
        // In this order: a trade that is not seen now was made by a transaction that had not ended then.
        let under_way = watched::under_way(client).await?;
        let scripts: &mut Scripts = &mut self.watched.scripts;
        let before = scripts.len();
        watched::scripts_since(client, &self.made_before, SCRIPTS_AT_ONCE, |script| {
            scripts.insert(script);
        })
        .await?;
        self.made_before = under_way;
        if self.hears_news {
            let open = watched::open(client, height.saturating_sub(FOR_GOOD_BLOCKS)).await?;
            self.watched.inputs = open.inputs.into_iter().collect();
            let inputs = self.watched.inputs.iter().map(|(outpoint, _)| *outpoint);
            self.watched.outpoints = open.outpoints.into_iter().chain(inputs).collect();
            self.watched.unconfirmed = open.unconfirmed.into_iter().collect();
            self.hears_news = false;
        }
        Ok(self.watched.scripts.len() > before)
    }
}
