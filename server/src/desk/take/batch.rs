//! A batch of takes: held and read, decided one after the other, written and committed at once.
//!
//! Locks are taken in one order, by every batch of every server: offers, accounts, pairs, keys, each by their ids; so
//! no two batches wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::decision::{Decided, Table};
use super::{TakeForm, no_node, trade};
use crate::desk::error::{Done, Error};
use crate::desk::{Desk, crash, draw, quotes};
use crate::domain::{Fiat, KeyId, OfferId, PublicRef, UserId};
use crate::escrow::{AccountKey, ArbiterLevel};
use crate::store::takes::{self, NewTake};
use crate::store::{Transaction, Unavailable, trades};

/// Who wants to take what.
#[derive(Debug)]
pub(super) struct Ask {
    pub taker: UserId,
    pub offer: PublicRef,
    pub form: TakeForm,
}

/// A batch that came to nothing as a whole.
enum Trouble {
    /// Nothing was written: each of its takes may be tried again.
    Undone(Error),
    /// The database went away over the commit: it is done, or it is not.
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
        Err(Trouble::Undone(error)) => {
            tracing::warn!(%error, takes = asks.len(), "a batch of takes is undone, each is made alone");
            join_all(asks.iter().map(|ask| alone(desk, ask))).await
        }
        Err(Trouble::Unknown(error)) => asks.iter().map(|_| Err(again(&error))).collect(),
    }
}

/// The same for one that only it can be to blame for.
async fn alone(desk: &Desk, ask: &Ask) -> Done<PublicRef> {
    match together(desk, std::slice::from_ref(ask)).await {
        Ok(mut answers) => answers.pop().ok_or_else(|| Error::broken("a take without an answer"))?,
        Err(Trouble::Undone(error) | Trouble::Unknown(error)) => Err(error),
    }
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
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    let mut table = Table::read(desk, &tx, asks, fee_rate).await?;
    let outcomes: Vec<Done<Decided>> = asks.iter().map(|ask| table.decide(desk, ask)).collect();
    let decided: Vec<&Decided> = outcomes.iter().flatten().collect();
    if !decided.is_empty() {
        let new = papers(desk, &tx, &table, &decided).await?;
        let reserved: BTreeMap<OfferId, Fiat> = decided.iter().filter_map(|one| table.reserved(one.offer)).collect();
        let reserved: Vec<(OfferId, Fiat)> = reserved.into_iter().collect();
        tokio::try_join!(
            biased;
            table.draws.write(&tx),
            async { Ok(takes::write(&tx, &new, &reserved, table.indexes.given()).await?) },
        )?;
        crash::point(crash::TAKES_BEFORE_COMMIT);
        commit(tx).await?;
        crash::point(crash::TAKES_AFTER_COMMIT);
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.map(|decided| decided.reference)).collect())
}

/// Levels and fee addresses of all of them, then each one's escrow and contract.
async fn papers(desk: &Desk, tx: &Transaction<'_>, table: &Table, decided: &[&Decided]) -> Done<Vec<NewTake>> {
    let (fee_addresses, mut levels) = tokio::try_join!(
        biased;
        async { Ok(trades::next_fee_addresses(tx, decided.len()).await?) },
        levels(tx, decided),
    )?;
    let one = |(decided, fee_address): (&&Decided, u32)| {
        let level = levels.get_mut(&decided.arbitrator.key_id).and_then(Vec::pop);
        let level = level.ok_or_else(|| Error::broken("a take without a level"))?;
        let priced = table.offer(decided.offer).ok_or_else(|| Error::broken("a take without an offer"))?;
        trade::made(desk, priced, decided, level, fee_address)
    };
    decided.iter().zip(fee_addresses).map(one).collect()
}

/// The levels of each arbitrator's key, the first take's last.
async fn levels(tx: &Transaction<'_>, decided: &[&Decided]) -> Done<BTreeMap<KeyId, Vec<ArbiterLevel>>> {
    let mut levels = BTreeMap::new();
    let arbitrators: BTreeSet<KeyId> = decided.iter().map(|one| one.arbitrator.key_id).collect();
    for key in arbitrators {
        let pairs: Vec<[&AccountKey; 2]> =
            decided.iter().filter(|one| one.arbitrator.key_id == key).map(|one| one.keys()).collect();
        let mut of_key = draw::levels_for(tx, key, &pairs).await?;
        of_key.reverse();
        levels.insert(key, of_key);
    }
    Ok(levels)
}

async fn commit(tx: Transaction<'_>) -> Result<(), Trouble> {
    let error = match tx.commit().await {
        Ok(()) => return Ok(()),
        Err(error) => crate::store::StoreError::from(error),
    };
    let is_unknown = error.unavailable() == Some(Unavailable::Lost);
    let error = Error::from(error);
    Err(if is_unknown { Trouble::Unknown(error) } else { Trouble::Undone(error) })
}
