//! Who waits for a take to be made: a batch takes everybody who came while the ones before were under way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::batch::{self, Ask};
use crate::desk::Desk;
use crate::desk::error::{Done, Error};
use crate::domain::PublicRef;

/// Batches under way at the same time: while PostgreSQL works for one, the desk works for another.
const LANES: usize = 2;

/// Takes in one batch: what a person waits for at most, and what one transaction holds.
const BATCH_MAX: usize = 32;

/// Takes that wait, and how many batches are under way.
#[derive(Debug, Default)]
pub struct Queue {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    lanes: usize,
}

type Answer = oneshot::Sender<Done<PublicRef>>;
type Waiting = (Ask, Answer);

/// The answer to a take. The batch is made to its end even if nobody waits for the answer any more.
pub(super) async fn answer(desk: &Arc<Desk>, ask: Ask) -> Done<PublicRef> {
    let (answer, answered) = oneshot::channel();
    if desk.takes.enter((ask, answer)) {
        tokio::spawn(lane(desk.clone()));
    }
    answered.await.map_err(|_| Error::broken("a batch of takes ended without an answer"))?
}

/// Makes one batch after the other until nobody waits.
async fn lane(desk: Arc<Desk>) {
    loop {
        // Whoever else is about to come in comes in first.
        tokio::task::yield_now().await;
        let Some(waiting) = desk.takes.next() else { return };
        // A task of its own: should it break, the lane goes on.
        if let Err(error) = tokio::spawn(make(desk.clone(), waiting)).await {
            tracing::error!(%error, "a batch of takes");
        }
    }
}

async fn make(desk: Arc<Desk>, waiting: Vec<Waiting>) {
    let (asks, answers): (Vec<Ask>, Vec<Answer>) = waiting.into_iter().unzip();
    for (answer, outcome) in answers.into_iter().zip(batch::make(&desk, &asks).await) {
        // Who has gone away finds the trade in the list.
        let _ = answer.send(outcome);
    }
}

impl Queue {
    /// Whether this one needs a new lane.
    fn enter(&self, waiting: Waiting) -> bool {
        let mut inner = self.inner();
        inner.waiting.push_back(waiting);
        let is_new = inner.lanes < LANES;
        if is_new {
            inner.lanes = inner.lanes.saturating_add(1);
        }
        is_new
    }

    /// The next batch; without one the lane ends here, so that whoever comes after this opens it again.
    fn next(&self) -> Option<Vec<Waiting>> {
        let mut inner = self.inner();
        let count = inner.waiting.len().min(BATCH_MAX);
        if count == 0 {
            inner.lanes = inner.lanes.saturating_sub(1);
            return None;
        }
        Some(inner.waiting.drain(..count).collect())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
