//! Whether the desk can see the chain. While it cannot, nothing is judged: no deposit counts and nothing is called funded,
//! and the pages say since when.

use jiff::Timestamp;

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::{Desk, clock, trades, watcher};
use crate::chain::{ChainError, Tip, Trouble};
use crate::domain::trade::Outage;
use crate::domain::{PublicRef, Refusal, RefusalKind, UserId};
use crate::store::{GenericClient, Transaction, outbox, sight};

/// Jobs that wait while the chain is out of sight: nothing is judged, and what goes on is counted once it is over.
pub(super) const NEEDED_BY: [&str; 2] = [watcher::JUDGE, clock::SIT_OUT];

/// Why the chain cannot be seen, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfSight {
    pub trouble: Trouble,
    /// The last error, for the operator.
    pub why: String,
    pub since: Timestamp,
}

impl OutOfSight {
    /// For people who trade: what is the matter, without the operator's addresses.
    pub fn in_words(&self) -> &'static str {
        match self.trouble {
            Trouble::Absent => "The desk cannot reach its bitcoin node.",
            Trouble::Hanging => "The desk's bitcoin node does not answer.",
            Trouble::Loading => "The desk's bitcoin node is still reading the chain.",
            Trouble::Stale => "The desk's bitcoin node hears of no new blocks.",
            Trouble::Contradicting => "The desk's bitcoin node contradicts itself; the operator must look at it.",
        }
    }
}

/// None while all is well.
pub async fn trouble(client: &impl GenericClient) -> Done<Option<OutOfSight>> {
    let Some(row) = sight::trouble(client).await? else { return Ok(None) };
    let trouble =
        Trouble::from_word(&row.state).ok_or_else(|| Error::broken(format!("no such trouble: {}", row.state)))?;
    Ok(Some(OutOfSight { trouble, why: row.why, since: row.since }))
}

/// Notes that reading failed, if it was the chain's fault.
pub(super) async fn lost(desk: &Desk, error: &Error) {
    let Error::Failed(failure) = error else { return };
    let Some(cause) = failure.0.downcast_ref::<ChainError>() else { return };
    let Some(trouble) = cause.trouble() else { return };
    if let Err(error) = note(desk, trouble, &cause.to_string()).await {
        tracing::error!(%error, "that the chain is out of sight could not be written down");
    }
}

async fn note(desk: &Desk, trouble: Trouble, why: &str) -> Done<()> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    if sight::trouble(&client).await?.is_none() {
        tracing::error!(
            state = trouble.as_str(),
            why,
            "the chain is out of sight; nothing is counted until it is back"
        );
    }
    Ok(sight::lose(&client, trouble.as_str(), why, now).await?)
}

/// Notes that the chain answered: all is well, unless its tip is too old to be one.
pub(super) async fn seen(desk: &Desk, tx: &Transaction<'_>, tip: &Tip, now: Timestamp) -> Done<()> {
    if let Some(trouble) = Trouble::of_tip(tip, now, desk.rules.network) {
        let why = format!("its newest block, {}, is of {}", tip.block.height, tip.time);
        return Ok(sight::lose(tx, trouble.as_str(), &why, now).await?);
    }
    if let Some(since) = sight::regain(tx).await? {
        tracing::info!("the chain is in sight again");
        clock::over(tx, Outage::Chain, since, now).await?;
        outbox::hasten(tx, &NEEDED_BY, now).await?;
    }
    Ok(())
}

/// The outputs are there now, unspent; a signature for spent ones would be given for nothing.
pub(super) async fn coins_are_there(desk: &Desk, reference: PublicRef, account: UserId) -> Done<()> {
    let client = desk.store.connection().await?;
    let (row, _) = trades::of_party(&client, reference, account).await?;
    row.state.not_frozen()?;
    let book = EscrowBook::read(&client, &row).await?;
    // Nobody keeps a connection while he waits for the node.
    drop(client);
    for coin in book.funding() {
        if desk.chain.unspent(coin.outpoint).await.map_err(out_of_sight)?.is_none() {
            return Err(Refusal::conflict(
                "The coins of this escrow are being spent already, or the chain was reorganised. Nothing is signed now; look at the trade again in a minute.",
            )
            .into());
        }
    }
    Ok(())
}

fn out_of_sight(error: ChainError) -> Refusal {
    tracing::warn!(%error, "nobody can be asked to sign");
    Refusal::new(
        RefusalKind::Unavailable,
        "The desk cannot see the chain just now, so nothing is signed: nobody could tell whether the coins are there. \
         Clocks stand still meanwhile; try again in a minute.",
    )
}
