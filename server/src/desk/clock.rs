//! The clock of all windows stands still while the desk does not run or cannot see the chain.
//!
//! Every server says now and then that the desk runs. A long silence before the next word is an outage, and so is the
//! time the chain was out of sight. Before anything happens in a trade, the outages since its last change are counted:
//! each moment once, whoever comes first, and after a crash too, for up to when it is counted stands in the trade itself.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Desk;
use super::error::{Done, Error};
use super::trades::{self, TradeRow, Who};
use crate::domain::deadlines::Deadline;
use crate::domain::trade::{Act, Outage};
use crate::domain::{Actor, TradeId};
use crate::store::{self, Connection, GenericClient, Transaction, deadlines, outages, watched};

/// How often a server says that the desk runs.
const BEAT_SECONDS: i32 = 10;
/// How often it looks whether it is time to, beside its rounds.
const BEAT_LOOKED_AT: Duration = Duration::from_secs(3);
/// A shorter time is a restart, not an outage: nobody's window is worth less for it.
const OUTAGE_SECONDS_MIN: i32 = 120;
/// The rest of an outage that is not worth a line in the room.
const REST_SECONDS_MIN: i64 = 5;

/// The outbox job that counts what a trade has sat out.
pub const SIT_OUT: &str = "sit_out";

/// Says that the desk runs, for as long as this is waited for.
pub(super) async fn keep_beating(desk: &Desk) {
    loop {
        if let Err(error) = beat(desk).await {
            tracing::warn!(%error, "that the desk runs could not be said");
        }
        tokio::time::sleep(BEAT_LOOKED_AT).await;
    }
}

/// Says that the desk runs, and notes how long it did not.
pub async fn beat(desk: &Desk) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    let silent = outages::beat(&tx, BEAT_SECONDS).await?;
    if let Some(silent) = silent {
        heard_again(&tx, silent, desk.now(&tx).await?).await?;
    }
    // The first word of all is written down too.
    Ok(tx.commit().await?)
}

/// After so long a silence; after less than none, the clock was put back, and no outage ends in what is the future now.
async fn heard_again(tx: &Transaction<'_>, silent: SignedDuration, now: Timestamp) -> Done<()> {
    if silent.is_negative() {
        tracing::warn!(seconds = silent.as_secs(), "the database's clock was put back");
        return Ok(outages::end_by_now(tx, now).await?);
    }
    over(tx, Outage::Desk, now.checked_sub(silent).map_err(Error::broken)?, now).await
}

/// Notes an outage that is over, if it was one, with a job for every trade that it may have cost somebody time.
pub(super) async fn over(tx: &Transaction<'_>, why: Outage, began: Timestamp, now: Timestamp) -> Done<()> {
    let lasted = now.duration_since(began);
    if lasted < SignedDuration::from_secs(OUTAGE_SECONDS_MIN.into()) {
        return Ok(());
    }
    tracing::warn!(why = why.as_str(), %began, minutes = lasted.as_mins(), "an outage is over; windows are extended by it");
    outages::note(tx, why.as_str(), began, now).await?;
    Ok(outages::tell_trades(tx, SIT_OUT, now).await?)
}

/// Counts what this trade has sat out since its last change; the row as it is then.
pub(super) async fn catch_up(desk: &Desk, tx: &Transaction<'_>, mut row: TradeRow, now: Timestamp) -> Done<TradeRow> {
    if !row.state.may_sit_out() {
        return Ok(row);
    }
    for (why, from, until) in sat_out(tx, row.state.as_of, now).await? {
        if row.state.may_sit_out() {
            row = trades::change(desk, tx, row, Act::SitOut { why, from, until }, Who::CLOCK, now).await?;
        }
    }
    Ok(row)
}

/// The trade as it is if what it has sat out until now is counted, for those who only look at it. It keeps its version:
/// what is counted at the next change is not written down yet.
pub(super) async fn as_it_stands(client: &impl GenericClient, mut row: TradeRow, now: Timestamp) -> Done<TradeRow> {
    let (version, as_of) = (row.state.version, row.state.as_of);
    for (why, from, until) in sat_out(client, as_of, now).await? {
        if let Ok(counted) = row.state.apply(&Act::SitOut { why, from, until }, Actor::Clock, until) {
            row.state = counted.trade;
        }
    }
    (row.state.version, row.state.as_of) = (version, as_of);
    Ok(row)
}

/// The outages since a moment, in order, each cut to what those before it leave.
async fn sat_out(
    client: &impl GenericClient,
    since: Timestamp,
    now: Timestamp,
) -> Done<Vec<(Outage, Timestamp, Timestamp)>> {
    let mut counted = since;
    let mut pieces = Vec::new();
    for outage in outages::since(client, since, now, OUTAGE_SECONDS_MIN).await? {
        let (from, until) = (outage.began_at.max(counted), outage.ended_at.min(now));
        if until.duration_since(from) < SignedDuration::from_secs(REST_SECONDS_MIN) {
            continue;
        }
        let why = Outage::from_word(&outage.why).ok_or_else(|| Error::broken(format!("outage {}", outage.why)))?;
        pieces.push((why, from, until));
        counted = until;
    }
    Ok(pieces)
}

/// The job after an outage: the trade is told.
pub(super) async fn sit_out(desk: &Desk, tx: &Transaction<'_>, trade: TradeId) -> Done<()> {
    let now = desk.now(tx).await?;
    if let Some(row) = crate::store::trades::lock_by_id(tx, trade).await? {
        catch_up(desk, tx, row, now).await?;
    }
    Ok(())
}

/// Whose turn it is and which windows run is written down again for every trade that is not over: what follows from a
/// state may have been said otherwise by the program that wrote it.
pub async fn draw_again(desk: &Desk) -> Done<()> {
    let mut client = desk.store.connection().await?;
    for (trade, _) in watched::open_escrows(&client).await? {
        // A trade that cannot be drawn holds up no other.
        match draw_one_again(&mut client, trade).await {
            Err(error) if !error.is_away() => {
                tracing::error!(trade.id = %trade, %error, "turn and windows could not be written again");
            }
            done => done?,
        }
    }
    Ok(())
}

async fn draw_one_again(client: &mut Connection, trade: TradeId) -> Done<()> {
    let tx = client.transaction().await?;
    let Some(row) = store::trades::lock_by_id(&tx, trade).await? else { return Ok(()) };
    store::trades::write_turn(&tx, trade, &row.state).await?;
    let kept = deadlines::of_trade(&tx, trade).await?;
    let drawn = row.state.deadlines();
    let is_kept = |one: &Deadline| kept.iter().any(|row| row.says(one));
    if kept.len() != drawn.len() || !drawn.iter().all(is_kept) {
        store::trades::write_deadlines(&tx, trade, &row.state).await?;
    }
    Ok(tx.commit().await?)
}
