//! The desk's own work: reading the chain, firing windows that ended, emptying the outbox. Each part is safe to run
//! twice, and to stop anywhere.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::error::Done;
use super::trades::{self, Who};
use super::{Desk, audit, clock, effects, estimates, handover, judge, notices, sight, watcher};
use crate::domain::TradeId;
use crate::store::outbox::{self, Job};
use crate::store::{Connection, Transaction, deposits, trades as store};

/// How often the desk looks by itself when nothing wakes it.
const BEAT: Duration = Duration::from_secs(1);
/// A job that failed waits this long, doubled each time, at most [`RETRY_SECONDS_MAX`].
const RETRY_SECONDS: i64 = 2;
const RETRY_SECONDS_MAX: i64 = 600;

/// What was done is looked into for some days, if at all.
const DONE_KEPT_DAYS: i64 = 7;
/// So many are forgotten in one statement: the database gives up what takes too long.
const FORGOTTEN_AT_ONCE: u16 = 10_000;

/// An audit that failed is a long one, and the chain may be out of sight for a while.
const AUDIT_RETRY: Duration = Duration::from_secs(300);

/// Works until the desk is dropped by everybody else. Beside it the desk says that it runs: a node that takes its time
/// over every answer makes a round longer than an outage is.
pub async fn run(desk: Arc<Desk>) {
    tokio::join!(work(&desk), clock::keep_beating(&desk));
}

async fn work(desk: &Arc<Desk>) {
    if let Err(error) = clock::draw_again(desk).await {
        tracing::warn!(%error, "turns and windows are not written again; each is with the next change of its trade");
    }
    loop {
        match work_once(desk).await {
            Ok(()) if audit::is_due(desk).await => {
                // It may look through all the coins there are; nothing waits for it.
                tokio::spawn(audit_in_the_background(desk.clone()));
            }
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the desk's own work"),
        }
        let _ = tokio::time::timeout(BEAT, desk.wake.notified()).await;
    }
}

async fn audit_in_the_background(desk: Arc<Desk>) {
    if let Err(error) = audit::audit(&desk).await {
        tracing::error!(%error, "the books could not be held against the chain; it is tried again");
        tokio::time::sleep(AUDIT_RETRY).await;
        audit::is_due_again(&desk).await;
    }
}

/// One round of everything. Each part runs even if another failed; the first trouble is told.
pub async fn work_once(desk: &Desk) -> Done<()> {
    let beaten = clock::beat(desk).await;
    let asked = estimates::refresh(desk).await;
    let watched = watcher::watch_once(desk).await;
    let judged = empty_outbox(desk).await;
    let fired = fire_windows(desk).await;
    let reminded = notices::remind(desk).await;
    let sent = empty_outbox(desk).await;
    beaten.and(asked).and(watched).and(judged).and(fired).and(reminded).and(sent)
}

/// Ends the windows that are over. While the chain is out of sight every clock stands still.
pub async fn fire_windows(desk: &Desk) -> Done<()> {
    let mut client = desk.store.connection().await?;
    if sight::trouble(&client).await?.is_some() {
        return Ok(());
    }
    let now = desk.now(&client).await?;
    // In this order: what was read up to this time is judged, or the trade is not among those that are due.
    let tip_at = deposits::cursor(&client).await?.map(|cursor| desk.clock.shifted_tip(cursor.tip_at, cursor.seen_at));
    let mut first = Ok(());
    for id in store::due(&client, now).await? {
        // A trade that cannot go on holds up no other; the first trouble is told at the end.
        match fire(desk, &mut client, id, tip_at).await {
            Err(error) if !error.is_away() => {
                tracing::error!(trade.id = %id, %error, "a window that is over could not be ended");
                first = first.and(Err(error));
            }
            done => done?,
        }
    }
    first
}

async fn fire(desk: &Desk, client: &mut Connection, id: TradeId, tip_at: Option<Timestamp>) -> Done<()> {
    let tx = client.transaction().await?;
    let now = desk.now(&tx).await?;
    let Some(row) = store::lock_by_id(&tx, id).await? else { return Ok(()) };
    if row.state.overdue(now, tip_at).is_none() {
        return Ok(());
    }
    let row = clock::catch_up(desk, &tx, row, now).await?;
    if let Some(act) = row.state.overdue(now, tip_at) {
        trades::change(desk, &tx, row, act, Who::CLOCK, now).await?;
    }
    tx.commit().await?;
    desk.live.kick();
    Ok(())
}

/// Does what is due in the outbox, in one pass: each job at most once, in the order in which they were written. What is put
/// off may be due again before the last one is put off; it waits for the next pass.
pub async fn empty_outbox(desk: &Desk) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let mut last = 0;
    loop {
        let tx = client.transaction().await?;
        let now = desk.now(&tx).await?;
        let Some(job) = outbox::next(&tx, last, now).await? else { return Ok(()) };
        last = job.number;
        if let Err(error) = attempt(desk, tx, &job, now).await {
            // Not even its failure could be written down: it is on another connection, or the same job would be the
            // first again for ever.
            drop(client);
            let other = desk.store.connection().await?;
            outbox::later(&other, job.number, retry_at(now, job.attempts), &error.to_string()).await?;
            return Err(error);
        }
        desk.live.kick();
    }
}

/// Does a job, or notes why it is done later.
async fn attempt(desk: &Desk, mut tx: Transaction<'_>, job: &Job, now: Timestamp) -> Done<()> {
    if sight::NEEDED_BY.contains(&job.kind.as_str()) && sight::trouble(&tx).await?.is_some() {
        outbox::later(&tx, job.number, retry_at(now, 0), "the chain is out of sight").await?;
        return Ok(tx.commit().await?);
    }
    outbox::may_wait(&tx).await?;
    // A savepoint: what a job did before it failed is undone, and the note of its failure stays.
    let work = tx.transaction().await?;
    let outcome = match perform(desk, &work, job).await {
        Ok(()) => work.commit().await.map_err(super::Error::from),
        Err(error) => {
            work.rollback().await?;
            Err(error)
        }
    };
    match outcome {
        Ok(()) => outbox::done(&tx, job.number, now).await?,
        Err(error) => {
            tracing::error!(job = job.kind, attempts = job.attempts, %error, "a job failed and will be tried again");
            outbox::later(&tx, job.number, retry_at(now, job.attempts), &error.to_string()).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// Forgets the jobs that were done some time ago.
pub async fn sweep(desk: &Desk) -> Done<()> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let before = now.checked_sub(SignedDuration::from_hours(24 * DONE_KEPT_DAYS)).unwrap_or(now);
    while outbox::sweep(&client, before, FORGOTTEN_AT_ONCE.into()).await? == u64::from(FORGOTTEN_AT_ONCE) {}
    Ok(())
}

fn retry_at(now: Timestamp, attempts: i32) -> Timestamp {
    let doubled =
        RETRY_SECONDS.saturating_mul(1_i64.checked_shl(u32::try_from(attempts).unwrap_or(16).min(16)).unwrap_or(1));
    now.checked_add(SignedDuration::from_secs(doubled.min(RETRY_SECONDS_MAX))).unwrap_or(now)
}

async fn perform(desk: &Desk, tx: &Transaction<'_>, job: &Job) -> Done<()> {
    match (job.kind.as_str(), job.trade) {
        (judge::JUDGE, Some(trade)) => {
            judge::judge(desk, tx, trade).await?;
            // A payout under way is judged with every block.
            notices::lingering(desk, tx, trade).await
        }
        (watcher::DEPOSIT, Some(trade)) => {
            let txid = job.payload.get("txid").and_then(|txid| txid.as_str()).unwrap_or_default();
            watcher::broadcast_deposit(desk, tx, trade, txid).await
        }
        (clock::SIT_OUT, Some(trade)) => clock::sit_out(desk, tx, trade).await,
        (effects::BROADCAST, Some(trade)) => handover::broadcast(desk, tx, trade, job).await,
        (other, _) => Err(super::Error::broken(format!("no such job: {other}"))),
    }
}
