//! People are told of their trades in the transaction that changes them, each thing once, and reminded of their windows
//! while these run. Which ways the words go is not decided here.

use bitcoin::Txid;
use jiff::{SignedDuration, Timestamp};

use super::effects::Made;
use super::error::Done;
use super::{Desk, clock, crash, funding, sight};
use crate::domain::deadlines::Deadline;
use crate::domain::notices::{self, Kind, Notice, Percent, Turn};
use crate::domain::trade::{LINGERS_AFTER_BLOCKS, Trade};
use crate::domain::{Party, Side, TradeId, UserId};
use crate::store::notices::{self as store, NewNotice};
use crate::store::trades::{self, TradeRow};
use crate::store::{Connection, Transaction, deadlines, handovers};

/// Longer than anybody waits for what he was told of.
const KEPT_DAYS: i64 = 180;

/// Tells the parties of a change.
pub(super) async fn tell(
    tx: &Transaction<'_>,
    row: &TradeRow,
    before: &Trade,
    made: &Made<'_>,
    now: Timestamp,
) -> Done<()> {
    if ends_moved(before, &row.state) {
        store::move_ends(tx, row.id, now).await?;
    }
    let cause = format!("version {}", row.state.version);
    for notice in notices::of_change(before, &row.state, made.event, made.act, made.actor) {
        store::add(tx, &new(row, notice, cause.clone(), 0), now).await?;
    }
    Ok(())
}

/// The maker learns that the offer was taken.
pub(super) fn of_take(trade: TradeId, state: &Trade, maker: UserId) -> NewNotice {
    let Notice { kinds, turn, window, own, .. } = notices::of_take(state);
    NewNotice { account: maker, trade, cause: "take".into(), kinds, turn, window, over: 0, own }
}

/// Something waits for the word of one party that is no matter of the trade's own state.
pub(super) async fn ask(tx: &Transaction<'_>, row: &TradeRow, party: Party, cause: String, now: Timestamp) -> Done<()> {
    let notice = Notice { party, kinds: vec![Kind::Turn], turn: Turn::Open, window: None, own: false };
    Ok(store::add(tx, &new(row, notice, cause, 0), now).await?)
}

/// The node refuses a transaction: whom it pays is told so once, however often it is tried again.
pub(super) async fn refused(tx: &Transaction<'_>, row: &TradeRow, what: &str, txid: Txid, now: Timestamp) -> Done<()> {
    // A refund of coins beside the trade is the seller's.
    let payees = if what == "stray" { vec![Side::Seller] } else { payees(row) };
    held_up(tx, row, &payees, &format!("refused {txid}"), now).await
}

/// A payout that has waited for so many blocks and is in none: whom it pays is told so once.
pub(super) async fn lingering(desk: &Desk, tx: &Transaction<'_>, trade: TradeId) -> Done<()> {
    let Some(handed) = funding::tip_height(tx).await?.checked_sub(LINGERS_AFTER_BLOCKS) else { return Ok(()) };
    let Some(txid) = handovers::lingers(tx, trade, handed).await? else { return Ok(()) };
    let Some(row) = trades::find_by_id(tx, trade).await? else { return Ok(()) };
    let now = desk.now(tx).await?;
    held_up(tx, &row, &payees(&row), &format!("lingers {txid}"), now).await
}

/// Who gets coins of the payout under way bears its miner fee.
fn payees(row: &TradeRow) -> Vec<Side> {
    row.state.paying_out.map(|kind| row.state.fee_bearers(kind)).unwrap_or_default()
}

async fn held_up(tx: &Transaction<'_>, row: &TradeRow, payees: &[Side], cause: &str, now: Timestamp) -> Done<()> {
    for side in payees {
        let notice = notices::of_held_up((*side).into());
        store::add(tx, &new(row, notice, cause.to_owned(), 0), now).await?;
    }
    Ok(())
}

fn new(row: &TradeRow, notice: Notice, cause: String, over: Percent) -> NewNotice {
    let Notice { party, kinds, turn, window, own } = notice;
    NewNotice { account: row.account_of(party), trade: row.id, cause, kinds, turn, window, over, own }
}

/// An outage or both traders have moved the end of a window that ran.
fn ends_moved(before: &Trade, after: &Trade) -> bool {
    let after = after.deadlines();
    before.deadlines().iter().any(|was| after.iter().any(|is| is.what == was.what && is.due_at != was.due_at))
}

/// Forgets what was told long ago.
pub async fn sweep(desk: &Desk) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    let now = desk.now(&tx).await?;
    let before = now.checked_sub(SignedDuration::from_hours(24 * KEPT_DAYS)).unwrap_or(now);
    store::sweep(&tx, before).await?;
    Ok(tx.commit().await?)
}

/// Reminds of every window of which half or nine tenths are over. While the chain is out of sight every clock stands still.
pub async fn remind(desk: &Desk) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let due = deadlines::to_remind(&client, now).await?;
    if due.is_empty() || sight::trouble(&client).await?.is_some() {
        return Ok(());
    }
    let mut first = Ok(());
    for trade in due {
        // A trade that cannot go on holds up no other; the first trouble is told at the end.
        match remind_in(desk, &mut client, trade).await {
            Err(error) if !error.is_away() => {
                tracing::error!(trade.id = %trade, %error, "nobody could be reminded");
                first = first.and(Err(error));
            }
            done => done?,
        }
    }
    first
}

async fn remind_in(desk: &Desk, client: &mut Connection, trade: TradeId) -> Done<()> {
    let tx = client.transaction().await?;
    let now = desk.now(&tx).await?;
    let Some(row) = trades::lock_by_id(&tx, trade).await? else { return Ok(()) };
    // What an outage cost is counted first: then it may not be time yet.
    let row = clock::catch_up(desk, &tx, row, now).await?;
    for window in row.state.deadlines() {
        remind_of(&tx, &row, &window, now).await?;
    }
    crash::point(crash::REMINDER_BEFORE_COMMIT);
    tx.commit().await?;
    crash::point(crash::REMINDER_AFTER_COMMIT);
    Ok(())
}

async fn remind_of(tx: &Transaction<'_>, row: &TradeRow, window: &Deadline, now: Timestamp) -> Done<()> {
    // Whether it is time, and not told yet, stands in one place: the row that is held with its trade.
    let Some(over) = deadlines::remind(tx, row.id, window.what, now).await? else { return Ok(()) };
    if window.due_at <= now {
        return Ok(());
    }
    for party in row.state.reminded(window) {
        let turn = if row.state.turn().contains(&party) { Turn::Yours } else { Turn::Open };
        let end = Some((window.what, window.due_at));
        let notice = Notice { party, kinds: vec![Kind::Reminder], turn, window: end, own: false };
        // When it began tells a window from one of the same name before it.
        let cause = format!("{over} % of {} since {}", window.what, window.started_at);
        store::add(tx, &new(row, notice, cause, over), now).await?;
    }
    Ok(())
}
