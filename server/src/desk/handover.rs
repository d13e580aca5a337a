//! Hands complete payouts, and the children that pay for them, to the network; and writes down what the node says.
//!
//! A refusal is told on the trade's page, in words, and to whom the coins would go. The desk tries again at growing
//! intervals as long as the payout is the one under way, for a mempool empties and a chain comes back; it never does so
//! silently.

use bitcoin::{Transaction as Tx, Txid};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::watcher::chain_trouble;
use super::{Desk, children, crash, effects, funding, notices};
use crate::chain::ChainError;
use crate::domain::{Stage, TradeId};
use crate::escrow::SignedPayout;
use crate::store::deposits::DepositRow;
use crate::store::handovers::{self, Attempt, HandoverRow};
use crate::store::outbox::{self, Job};
use crate::store::payouts::PayoutRow;
use crate::store::trades::TradeRow;
use crate::store::{Transaction, trades};

/// A refused transaction is tried again after a minute, then after twice as long each time, at most an hour.
const AGAIN_SECONDS: i64 = 60;
const AGAIN_DOUBLED_MAX: u32 = 6;

/// One transaction on its way out.
struct Going<'a> {
    what: &'a str,
    txid: Txid,
    job: &'a Job,
    /// Another transaction that does the same is on its way: nothing is held up if this one is refused.
    is_spare: bool,
}

/// Does a broadcast job. Already there is success, so it may run twice; what is no longer wanted is left.
pub(super) async fn broadcast(desk: &Desk, tx: &Transaction<'_>, trade: TradeId, job: &Job) -> Done<()> {
    let word = |field: &str| job.payload.get(field).and_then(|word| word.as_str()).unwrap_or_default();
    let Some(row) = trades::find_by_id(tx, trade).await? else { return Ok(()) };
    let book = EscrowBook::read(tx, &row).await?;
    match word("kind") {
        "stray" => stray(desk, tx, &row, &book, job, word("txid")).await,
        "child" => child(desk, tx, &row, &book, job, word("txid")).await,
        _ => payout(desk, tx, &row, &book, job).await,
    }
}

fn unsigned() -> Error {
    Error::broken("a payout to broadcast lacks a signature")
}

/// The refund of a stray, at one of its fees. Once a block has the stray's coins there is nothing to hand over any more,
/// whichever refund took them.
async fn stray(
    desk: &Desk,
    tx: &Transaction<'_>,
    row: &TradeRow,
    book: &EscrowBook,
    job: &Job,
    txid: &str,
) -> Done<()> {
    let signed = book.complete_stray(txid)?.ok_or_else(unsigned)?;
    let txid = signed.txid();
    let spends =
        |one: &&DepositRow| signed.transaction().input.iter().any(|input| input.previous_output == one.outpoint);
    let coins = book.deposits.iter().find(spends).ok_or_else(|| Error::broken("a refund of no stray"))?;
    match coins.spent_by.filter(|_| coins.spent_height.is_some()) {
        Some(by) if by == txid => return taken(desk, tx, row, "stray", txid).await,
        Some(_) => return Ok(handovers::give_up(tx, row.id, txid).await?),
        None => {}
    }
    let is_spare = is_spare(tx, row, book, coins, txid).await?;
    let sent = send(desk, signed.transaction()).await;
    note(desk, tx, row, &Going { what: "stray", txid, job, is_spare }, sent).await
}

/// Another refund of the same coins was taken by the node, or another transaction spends them.
async fn is_spare(
    tx: &Transaction<'_>,
    row: &TradeRow,
    book: &EscrowBook,
    coins: &DepositRow,
    txid: Txid,
) -> Done<bool> {
    if coins.spent_by.is_some_and(|by| by != txid) {
        return Ok(true);
    }
    let handed = handovers::of_trade(tx, row.id).await?;
    let is_taken = |other: &PayoutRow| handed.iter().any(|one| one.txid == other.txid && one.taken_at.is_some());
    Ok(book.other_refunds(coins.outpoint, txid).any(is_taken))
}

/// The payout under way, as the row names it.
fn under_way(row: &TradeRow, book: &EscrowBook) -> Done<Option<SignedPayout>> {
    let running = row.payout_txid.zip(row.state.paying_out).filter(|_| row.state.stage == Stage::PayingOut);
    let Some((txid, kind)) = running else { return Ok(None) };
    let payout =
        book.payout_of(kind, txid).ok_or_else(|| Error::broken("the payout under way is none of its trade"))?;
    Ok(Some(book.signed(payout)?.ok_or_else(unsigned)?))
}

async fn payout(desk: &Desk, tx: &Transaction<'_>, row: &TradeRow, book: &EscrowBook, job: &Job) -> Done<()> {
    let Some(signed) = under_way(row, book)? else { return Ok(()) };
    deposits_again(desk, book).await?;
    let going = Going { what: "payout", txid: signed.txid(), job, is_spare: false };
    let mut sent = send(desk, signed.transaction()).await;
    if let Err(ChainError::Rejected(why)) = &sent
        && why.contains("fee")
        && let Some(child) = children::latest(tx, row, book, signed.txid()).await?
    {
        // Too little for itself, but a child of it pays for both.
        let package = [signed.transaction().clone(), child.transaction().clone()];
        sent = desk.chain.submit_package(&package).await;
    }
    if sent.is_ok() {
        crash::point(crash::AFTER_BROADCAST);
    }
    note(desk, tx, row, &going, sent).await
}

/// A child goes together with its parent.
async fn child(
    desk: &Desk,
    tx: &Transaction<'_>,
    row: &TradeRow,
    book: &EscrowBook,
    job: &Job,
    txid: &str,
) -> Done<()> {
    let Some(parent) = under_way(row, book)? else { return Ok(()) };
    // If there is none, another one took its place, or the payout under way is another.
    let standing = children::standing(tx, row, book, parent.txid()).await?;
    let Some(child) = standing.into_iter().find(|child| child.txid().to_string() == txid) else { return Ok(()) };
    deposits_again(desk, book).await?;
    let sent = desk.chain.submit_package(&[parent.transaction().clone(), child.transaction().clone()]).await;
    if sent.is_ok() {
        taken(desk, tx, row, "payout", parent.txid()).await?;
    }
    note(desk, tx, row, &Going { what: "child", txid: child.txid(), job, is_spare: false }, sent).await
}

async fn send(desk: &Desk, transaction: &Tx) -> Result<(), ChainError> {
    desk.chain.test_accept(transaction).await?;
    desk.chain.broadcast(transaction).await
}

/// A deposit that a reorganisation took out of its block goes first: without it there is nothing to spend.
async fn deposits_again(desk: &Desk, book: &EscrowBook) -> Done<()> {
    for deposit in book.deposits.iter().filter(|deposit| deposit.funding && deposit.height.is_none()) {
        match desk.chain.broadcast(&deposit.transaction).await {
            Ok(()) => {}
            Err(ChainError::Rejected(why)) => {
                tracing::warn!(txid = %deposit.outpoint.txid, why, "the node does not take a deposit again");
            }
            Err(other) => return Err(chain_trouble(other)),
        }
    }
    Ok(())
}

async fn taken(desk: &Desk, tx: &Transaction<'_>, row: &TradeRow, what: &str, txid: Txid) -> Done<()> {
    let (height, at) = (funding::tip_height(tx).await?, desk.now(tx).await?);
    let attempt = Attempt { trade: row.id, txid, what, height, refusal: None, next_at: None, at };
    handovers::note(tx, &attempt).await?;
    tracing::info!(trade.id = %row.reference, %txid, what, "handed to the chain");
    Ok(())
}

/// Writes down what became of it; refused, it is tried again later.
async fn note(
    desk: &Desk,
    tx: &Transaction<'_>,
    row: &TradeRow,
    going: &Going<'_>,
    sent: Result<(), ChainError>,
) -> Done<()> {
    let why = match sent {
        Ok(()) => return taken(desk, tx, row, going.what, going.txid).await,
        Err(ChainError::Rejected(why)) => why,
        Err(other) => return Err(chain_trouble(other)),
    };
    let at = desk.now(tx).await?;
    let before = handovers::of_trade(tx, row.id).await?.into_iter().find(|one| one.txid == going.txid);
    let next_at = again_at(at, before.as_ref());
    let height = funding::tip_height(tx).await?;
    let refusal = Some(why.as_str());
    let attempt =
        Attempt { trade: row.id, txid: going.txid, what: going.what, height, refusal, next_at: Some(next_at), at };
    handovers::note(tx, &attempt).await?;
    outbox::add_for(tx, effects::BROADCAST, Some(row.id), &going.job.payload, at, next_at).await?;
    tracing::warn!(trade.id = %row.reference, txid = %going.txid, why, spare = going.is_spare, "the node refuses a transaction");
    if !going.is_spare {
        notices::refused(tx, row, going.what, going.txid, at).await?;
    }
    Ok(())
}

fn again_at(at: Timestamp, before: Option<&HandoverRow>) -> Timestamp {
    let attempts = before.map_or(0, |one| u32::try_from(one.attempts).unwrap_or(u32::MAX));
    let seconds = AGAIN_SECONDS << attempts.min(AGAIN_DOUBLED_MAX);
    at.checked_add(SignedDuration::from_secs(seconds.min(3_600))).unwrap_or(at)
}

/// Asks for the payout under way to be handed over.
pub(super) async fn ask(tx: &Transaction<'_>, row: &TradeRow, payload: &serde_json::Value, at: Timestamp) -> Done<()> {
    Ok(outbox::add(tx, effects::BROADCAST, Some(row.id), payload, at).await?)
}

/// The job of a child.
pub(super) fn of_child(txid: Txid) -> serde_json::Value {
    json!({ "kind": "child", "txid": txid.to_string() })
}

/// A node's reason, for people.
pub fn in_words(why: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["insufficient fee", "replacement"]) {
        "It pays too little more than the transaction whose place it should take."
    } else if says(&["min fee", "relay fee"]) {
        "Its miner fee is below what nodes take at present. A higher fee, or a child that pays for it, gets it through."
    } else if says(&["missingorspent", "missing-inputs", "missing inputs"]) {
        "The node does not see the coins it spends: another transaction spent them, or the deposit left the chain."
    } else if says(&["conflict"]) {
        "Another transaction that spends the same coins waits already."
    } else if says(&["cluster", "chain", "too many"]) {
        "Too many waiting transactions hang together with it."
    } else {
        "The node does not take it."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_reasons_are_told_in_words() {
        for (why, words) in [
            ("mempool min fee not met, 146 < 1500", "below what nodes take"),
            ("min relay fee not met, 1 < 14", "below what nodes take"),
            ("insufficient fee, rejecting replacement 12ab", "too little more"),
            ("replacement-failed, insufficient feerate", "too little more"),
            ("bad-txns-inputs-missingorspent", "does not see the coins"),
            ("txn-mempool-conflict", "waits already"),
            ("too-large-cluster", "hang together"),
            ("dust", "does not take it"),
        ] {
            assert!(in_words(why).contains(words), "{why}: {}", in_words(why));
        }
    }

    #[test]
    fn what_was_refused_waits_longer_each_time() {
        let at = Timestamp::UNIX_EPOCH;
        let row = |attempts| HandoverRow {
            txid: bitcoin::hashes::Hash::all_zeros(),
            height: 1,
            attempts,
            first_at: at,
            last_at: at,
            taken_at: None,
            refusal: None,
            next_at: None,
        };
        let waits = |attempts| again_at(at, Some(&row(attempts))).as_second();
        assert_eq!(
            (again_at(at, None).as_second(), waits(1), waits(5), waits(6), waits(i32::MAX)),
            (60, 120, 1_920, 3_600, 3_600)
        );
    }
}
