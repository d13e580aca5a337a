//! Reads the chain at its own pace, writes down what happened to escrows, and leaves a job for each trade it concerns.

use std::collections::{BTreeSet, HashSet};

use bitcoin::Txid;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::error::{Done, Error};
use super::reader::{self, Reading};
use super::{Desk, crash, funding, sight};
use crate::chain::{ChainError, Cursor, Fact, Facts, Tip, Trail};
use crate::domain::{Stage, TradeId};
use crate::store::deposits::{self, CursorRow, DepositRow, ReadTo, SeenOutput};
use crate::store::trades::TradeRow;
use crate::store::{GenericClient, Transaction, outbox, reader as epochs, trades, watched};

pub use super::judge::JUDGE;

/// The outbox job that hands a deposit's transaction to the network again.
pub const DEPOSIT: &str = "deposit";

/// A deposit that the network refuses is handed over again after this long.
const DEPOSIT_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// A coinbase counts after 100 blocks, everything else much sooner: what is deeper changes nothing by getting deeper.
const DEPTH_MATTERS_BLOCKS: u32 = 120;

/// Reads everything that happened since the last time, and writes it down together with the jobs that judge it. Of
/// several servers one reads; in one server one at a time: what it knows and how far it has read belong together.
pub async fn watch_once(desk: &Desk) -> Done<()> {
    let mut reading = desk.reading.lock().await;
    let watched = watch_all(desk, &mut reading).await;
    if let Err(error) = &watched {
        sight::lost(desk, error).await;
    }
    watched
}

async fn watch_all(desk: &Desk, reading: &mut Reading) -> Done<()> {
    let Some(epoch) = reader::reads(desk, reading).await? else { return Ok(()) };
    while !watch_some(desk, reading, epoch).await? {}
    Ok(())
}

/// True when there is nothing more to read, or somebody else reads by now.
async fn watch_some(desk: &Desk, reading: &mut Reading, epoch: i64) -> Done<bool> {
    let mut client = desk.store.connection().await?;
    let (cursor, row) = cursor(&client).await?;
    let tip = desk.chain.tip().await.map_err(chain_trouble)?;
    let facts = facts(desk, &client, reading, &cursor, &row).await?;

    let tx = client.transaction().await?;
    let now = desk.now(&tx).await?;
    if !move_on(&tx, epoch, &cursor, &row, &facts, &tip, now).await? {
        tracing::warn!("another server reads the chain by now");
        *reading = Reading::default();
        return Ok(true);
    }
    let mut touched = note(&tx, &facts.events, now).await?;
    reading.hears_news |= !touched.is_empty();
    if facts.cursor != cursor {
        touched.extend(watched::wait_for_blocks(&tx, deep(facts.cursor.height)).await?);
    }
    sight::seen(desk, &tx, &tip, now).await?;
    for trade in &touched {
        outbox::add_unless_it_waits(&tx, JUDGE, *trade, now).await?;
    }
    tx.commit().await?;
    desk.live.kick();
    if !touched.is_empty() {
        crash::point(crash::NOTED_BEFORE_JUDGED);
    }
    Ok(facts.caught_up)
}

fn deep(height: u32) -> u32 {
    height.saturating_sub(DEPTH_MATTERS_BLOCKS)
}

/// The facts after the cursor, about everything that could be paid when they were told. An address is known to nobody
/// before its trade is committed: so a trade that is found after the facts were told, and only such a trade, may be paid
/// in a block that they have passed; then they are asked for again.
async fn facts(
    desk: &Desk,
    client: &impl GenericClient,
    reading: &mut Reading,
    cursor: &Cursor,
    row: &CursorRow,
) -> Done<Facts> {
    reading.learn(client, cursor.height).await?;
    loop {
        reading.watched.trail = trail(row)?;
        let facts = desk.chain.facts_since(cursor, &reading.watched).await.map_err(chain_trouble)?;
        if !reading.learn(client, cursor.height).await? {
            return Ok(facts);
        }
    }
}

/// Notes how far the chain is read, before anything else is written. False if another server reads by now.
async fn move_on(
    tx: &Transaction<'_>,
    epoch: i64,
    cursor: &Cursor,
    row: &CursorRow,
    facts: &Facts,
    tip: &Tip,
    now: Timestamp,
) -> Done<bool> {
    // Windows that wait for the chain must not run ahead of what was read of it.
    let read_at = facts.events.iter().rev().find_map(|event| match event {
        Fact::BlockConnected { time, .. } => Some(*time),
        _ => None,
    });
    let tip_at = if facts.caught_up { tip.time } else { read_at.unwrap_or(row.tip_at) };
    let place = facts.cursor;
    if place == *cursor {
        return Ok(epochs::read_to(tx, epoch, None, tip_at, now).await?);
    }
    let mut trail = trail(row)?;
    trail.follow(&facts.events);
    let read = ReadTo { cursor: &place.to_string(), trail: &trail.to_string(), height: place.height, hash: place.hash };
    Ok(epochs::read_to(tx, epoch, Some(&read), tip_at, now).await?)
}

/// Where to read from: whoever reads has begun somewhere.
pub(super) async fn cursor(client: &impl GenericClient) -> Done<(Cursor, CursorRow)> {
    let row = deposits::cursor(client).await?.ok_or_else(|| Error::broken("the chain is read from nowhere"))?;
    let cursor = row.cursor.parse().map_err(|_| Error::broken("the chain cursor is not height:hash"))?;
    Ok((cursor, row))
}

fn trail(row: &CursorRow) -> Done<Trail> {
    row.trail.parse().map_err(|_| Error::broken("the chain's trail is not height:hash"))
}

pub(super) fn chain_trouble(error: ChainError) -> Error {
    Error::Failed(super::Failure(anyhow::Error::new(error)))
}

/// Writes down what the chain told; safe to hear twice. The trades it concerns.
pub(super) async fn note(tx: &Transaction<'_>, events: &[Fact], at: Timestamp) -> Done<BTreeSet<TradeId>> {
    let mut touched = BTreeSet::new();
    let mut evicted = HashSet::new();
    for event in events {
        match event {
            Fact::BlockConnected { .. } => {}
            Fact::BlockDisconnected { block } => {
                let gone = deposits::disconnect(tx, block.hash, block.height).await?;
                touched.extend(gone.trades);
                for (trade, txid) in gone.deposits {
                    give_again(tx, trade, txid, at).await?;
                }
            }
            Fact::OutputSeen { outpoint, script, amount, coinbase, transaction, block } => {
                let Some(trade) = watched::trade_of(tx, script).await? else { continue };
                let block = block.map(|block| (block.height, block.hash));
                let (outpoint, value, coinbase) = (*outpoint, *amount, *coinbase);
                let seen = SeenOutput { trade, outpoint, value, coinbase, transaction, block, at };
                if deposits::see(tx, &seen).await? {
                    touched.insert(trade);
                }
            }
            Fact::Spent { outpoint, by, block } => {
                let height = block.map(|block| block.height);
                touched.extend(deposits::spend(tx, *outpoint, by, height).await?);
            }
            Fact::Evicted { txid } => {
                evicted.insert(*txid);
            }
        }
    }
    for txid in evicted {
        let gone = deposits::evict(tx, txid, at).await?;
        for (trade, deposit) in gone.may_come_back {
            let waits = trades::find_by_id(tx, trade).await?.is_some_and(|row| is_under_way(&row));
            if waits && deposits::missing(tx, trade).await?.contains(&deposit) {
                give_again(tx, trade, deposit, at).await?;
            }
        }
        touched.extend(gone.trades);
    }
    Ok(touched)
}

/// Of a trade that is over nobody waits for a deposit: given again, it would only have to be sent back.
fn is_under_way(row: &TradeRow) -> bool {
    !matches!(row.state.stage, Stage::Completed | Stage::Cancelled)
}

/// A deposit whose block is gone, or that this node has forgotten: nobody else may be there to tell the network of it.
async fn give_again(tx: &Transaction<'_>, trade: TradeId, deposit: Txid, at: Timestamp) -> Done<()> {
    Ok(outbox::add(tx, DEPOSIT, Some(trade), &json!({ "txid": deposit.to_string() }), at).await?)
}

/// Hands the transaction of a deposit to the network again. What is refused is tried again as long as it may still come: a
/// full mempool empties, and what spends the same coins may vanish.
pub(super) async fn broadcast_deposit(desk: &Desk, tx: &Transaction<'_>, trade: TradeId, txid: &str) -> Done<()> {
    let outputs = deposits::of_trade(tx, trade).await?;
    let Some(output) = outputs.iter().find(|output| output.outpoint.txid.to_string() == txid) else { return Ok(()) };
    let why = match desk.chain.broadcast(&output.transaction).await {
        Ok(()) => return Ok(()),
        Err(ChainError::Rejected(why)) => why,
        Err(error) => return Err(chain_trouble(error)),
    };
    tracing::warn!(txid, why, "a deposit that lost its block or its place is not taken by the network again");
    if may_still_come(tx, trade, output).await? {
        let now = desk.now(tx).await?;
        let later = now.checked_add(DEPOSIT_AGAIN).map_err(Error::broken)?;
        outbox::add_for(tx, DEPOSIT, Some(trade), &json!({ "txid": txid }), now, later).await?;
    }
    Ok(())
}

/// It is in no block, somebody waits for it, and what it is made of was not spent elsewhere for good.
async fn may_still_come(tx: &Transaction<'_>, trade: TradeId, output: &DepositRow) -> Done<bool> {
    let Some(row) = trades::find_by_id(tx, trade).await?.filter(is_under_way) else { return Ok(false) };
    let tip = funding::tip_height(tx).await?;
    Ok(output.height.is_none() && !funding::undone(tx, &row, tip).await?.contains(&output.outpoint.txid))
}
