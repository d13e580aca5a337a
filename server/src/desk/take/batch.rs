//! A batch of takes: held and read, decided one after the other, written and committed at once.
//!
//! Locks are taken in one order, by every batch of every server: offers, then the accounts of both sides, each by their
//! ids; so no two batches wait for each other.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::decision::{Decided, Table};
use super::{TakeForm, no_node, trade};
use crate::desk::error::{Done, Error};
use crate::desk::{Desk, crash, quotes};
use crate::domain::{Fiat, OfferId, PublicRef, Refusal, RefusalKind, UserId};
use crate::store::takes::{self, NewTake, Written};
use crate::store::{Batch, Connection, StoreError, Unavailable, trades};

/// How often a take is tried that another server overtakes each time.
const OVERTAKEN_MAX: usize = 8;

/// Who wants to take what.
#[derive(Debug)]
pub(super) struct Ask {
    pub taker: UserId,
    pub offer: PublicRef,
    pub form: TakeForm,
}

/// A batch that came to nothing as a whole.
enum Trouble {
    /// Somebody else has given a level or an index meanwhile that this one wanted to give. Nothing was written.
    Overtaken(Error),
    /// Nothing was written: each of its takes may be tried again.
    Undone(Error),
    /// The database went away over it: it is done, or it is not.
    Unknown(Error),
}

impl<E: Into<Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Undone(error.into())
    }
}

/// The answers to all of them, in their order.
pub(super) async fn make(desk: &Desk, asks: &[Ask]) -> Vec<Done<PublicRef>> {
    if let [ask] = asks {
        return vec![alone(desk, ask).await];
    }
    match together(desk, asks).await {
        Ok(answers) => answers,
        Err(Trouble::Undone(error) | Trouble::Overtaken(error)) => {
            tracing::warn!(%error, takes = asks.len(), "a batch of takes is undone, each is made alone");
            join_all(asks.iter().map(|ask| alone(desk, ask))).await
        }
        Err(Trouble::Unknown(error)) => asks.iter().map(|_| Err(again(&error))).collect(),
    }
}

/// The same for one that only it can be to blame for.
async fn alone(desk: &Desk, ask: &Ask) -> Done<PublicRef> {
    let mut tries = 1..OVERTAKEN_MAX;
    loop {
        match together(desk, std::slice::from_ref(ask)).await {
            Ok(mut answers) => return answers.pop().ok_or_else(|| Error::broken("a take without an answer"))?,
            Err(Trouble::Overtaken(_)) if tries.next().is_some() => {}
            Err(Trouble::Overtaken(_)) => return Err(too_fast().into()),
            Err(Trouble::Undone(error) | Trouble::Unknown(error)) => return Err(error),
        }
    }
}

fn too_fast() -> Refusal {
    let words = "Very many take offers at this moment, and somebody was faster each time. Nothing was changed; please try again in a moment.";
    Refusal::new(RefusalKind::Unavailable, words)
}

/// The same trouble, for everybody in the batch.
fn again(error: &Error) -> Error {
    match error {
        Error::Refused(refusal) => refusal.clone().into(),
        Error::Failed(_) => Error::broken(error),
    }
}

async fn together(desk: &Desk, asks: &[Ask]) -> Result<Vec<Done<PublicRef>>, Trouble> {
    let Ok(fee_rate) = quotes::payout_fee_rate(desk).await else {
        return Ok(asks.iter().map(|_| Err(no_node().into())).collect());
    };
    let batch = desk.store.batch().await?;
    let Some(mut table) = Table::read(desk, &batch, asks, fee_rate).await? else {
        batch.rollback().await?;
        return Ok(asks.iter().map(|_| Err(Refusal::not_found().into())).collect());
    };
    let outcomes: Vec<Done<Decided>> = asks.iter().map(|ask| table.decide(desk, ask)).collect();
    let decided: Vec<&Decided> = outcomes.iter().flatten().collect();
    if decided.is_empty() {
        batch.rollback().await?;
    } else {
        commit(desk, batch, &table, &decided).await?;
        crash::point(crash::TAKES_AFTER_COMMIT);
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.map(|decided| decided.reference)).collect())
}

async fn commit(desk: &Desk, batch: Batch, table: &Table, decided: &[&Decided]) -> Result<(), Trouble> {
    let new = papers(desk, batch.client()?, table, decided).await?;
    let reserved: BTreeMap<OfferId, Fiat> = decided.iter().filter_map(|one| table.reserved(one.offer)).collect();
    let beside = Written {
        reserved: &reserved.into_iter().collect::<Vec<_>>(),
        uses: table.indexes.given(),
        levels: &table.levels.new_ones(),
        drawn: &table.draws.drawn(),
        entries: &table.draws.entries(),
        at: table.now,
    };
    crash::point(crash::TAKES_BEFORE_COMMIT);
    takes::commit(batch, &new, &beside).await.map_err(trouble)
}

/// Each one's escrow and contract, with fresh addresses for the fees of those that have any.
async fn papers(desk: &Desk, tx: &Connection, table: &Table, decided: &[&Decided]) -> Done<Vec<NewTake>> {
    let with_fees = decided.iter().filter(|one| one.deal.review.quote.has_fees()).count();
    let addresses = if with_fees > 0 { trades::next_fee_addresses(tx, with_fees).await? } else { Vec::new() };
    let mut addresses = addresses.into_iter();
    let one = |decided: &&Decided| {
        let fees = decided.deal.review.quote.has_fees().then(|| addresses.next()).flatten();
        let priced = table.offer(decided.offer).ok_or_else(|| Error::broken("a take without an offer"))?;
        trade::made(desk, priced, decided, fees)
    };
    decided.iter().map(one).collect()
}

fn trouble(error: StoreError) -> Trouble {
    if takes::is_overtaken(&error) {
        Trouble::Overtaken(error.into())
    } else if error.unavailable() == Some(Unavailable::Lost) {
        // The commit was on its way already.
        Trouble::Unknown(error.into())
    } else {
        Trouble::Undone(error.into())
    }
}
