//! Every change of a trade has one shape: load for update, apply, save, log, announce, commit.

use jiff::Timestamp;

use super::effects::Made;
use super::error::{Done, Error};
use super::{Desk, clock, effects, secrets};
use crate::domain::trade::{Act, Trade};
use crate::domain::{Actor, Party, PublicRef, Refusal, Stage, TradeId, UserId};
use crate::store::trade_log::{self, Line};
use crate::store::trades;
pub use crate::store::trades::TradeRow;
use crate::store::{Connection, GenericClient, Transaction};

/// Who makes something happen in a trade.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    pub actor: Actor,
    /// The account behind it; clock, chain and desk have none.
    pub account: Option<UserId>,
}

impl Who {
    pub const CLOCK: Self = Self { actor: Actor::Clock, account: None };
    pub const CHAIN: Self = Self { actor: Actor::Chain, account: None };
    pub const DESK: Self = Self { actor: Actor::Desk, account: None };

    pub fn party(party: Party, account: UserId) -> Self {
        Self { actor: party.into(), account: Some(account) }
    }
}

/// The trade and what this account is in it; to a stranger there is nothing here.
pub async fn of_party(client: &impl GenericClient, reference: PublicRef, account: UserId) -> Done<(TradeRow, Party)> {
    let row = trades::find(client, reference).await?.ok_or_else(Refusal::not_found)?;
    let party = row.party_of(account).ok_or_else(Refusal::not_found)?;
    Ok((row, party))
}

/// A trade held for a change: nobody else changes it until the transaction ends.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub tx: Transaction<'a>,
    /// The time of this act.
    pub now: Timestamp,
    pub row: TradeRow,
    /// What the account that acts is in it.
    pub party: Party,
}

/// Holds a trade. `seen` is the trade version the form was made from: if the trade has moved since, the act is refused
/// and says so. [`Desk::keep`] ends it.
pub(super) async fn hold<'a>(
    desk: &Desk,
    client: &'a mut Connection,
    reference: PublicRef,
    account: UserId,
    seen: &str,
) -> Done<Held<'a>> {
    let held = locked(desk, client, reference, account).await?;
    if seen.trim().parse() != Ok(held.row.state.version) {
        return Err(moved(&held.row.state).into());
    }
    caught_up(desk, held).await
}

/// The same for what does not depend on where the trade stands.
pub(super) async fn hold_as_it_is<'a>(
    desk: &Desk,
    client: &'a mut Connection,
    reference: PublicRef,
    account: UserId,
) -> Done<Held<'a>> {
    caught_up(desk, locked(desk, client, reference, account).await?).await
}

/// Its windows are as they are now, whatever the desk was away for.
async fn caught_up<'a>(desk: &Desk, held: Held<'a>) -> Done<Held<'a>> {
    let Held { tx, now, row, party } = held;
    let row = clock::catch_up(desk, &tx, row, now).await?;
    Ok(Held { tx, now, row, party })
}

async fn locked<'a>(desk: &Desk, client: &'a mut Connection, reference: PublicRef, account: UserId) -> Done<Held<'a>> {
    let tx = client.transaction().await?;
    let now = desk.now(&tx).await?;
    let row = trades::lock(&tx, reference).await?.ok_or_else(Refusal::not_found)?;
    let party = row.party_of(account).ok_or_else(Refusal::not_found)?;
    Ok(Held { tx, now, row, party })
}

fn moved(trade: &Trade) -> Refusal {
    let now = match trade.stage {
        Stage::Proposed => "it waits for signatures of the contract",
        Stage::AwaitingDeposit => "it waits for the seller's deposit",
        Stage::Funded => "the coins are in escrow and it waits for the buyer's payment",
        Stage::PaymentSent => "the payment is marked as sent",
        Stage::RefundDue => "the deposit is going back to the seller",
        Stage::Disputed => "it is with the arbitrator",
        Stage::Ruled => "the arbitrator has ruled",
        Stage::PayingOut => "a payout is on its way",
        Stage::Completed => "it is completed",
        Stage::Cancelled => "it is cancelled",
    };
    Refusal::conflict(format!(
        "The trade has moved on since you opened this page: {now}. Nothing was changed; look again."
    ))
}

/// Applies one act to a held trade, with everything that follows from it.
pub(super) async fn change(
    desk: &Desk,
    tx: &Transaction<'_>,
    mut row: TradeRow,
    act: Act,
    who: Who,
    now: Timestamp,
) -> Done<TradeRow> {
    let change = row.state.apply(&act, who.actor, now)?;
    let before = row.state.clone();
    row.state = change.trade;
    row.payout_txid = effects::payout_txid(tx, &row, &act, &change.effects).await?;
    if !trades::save(tx, row.id, before.version, &row.state, row.payout_txid).await? {
        return Err(Error::broken(format!("trade {} changed while it was held", row.reference)));
    }
    trades::write_deadlines(tx, row.id, &row.state).await?;
    let line = Line {
        version: row.state.version,
        at: now,
        actor: who.actor,
        account: who.account,
        event: change.event,
        act: serde_json::to_string(&act)?,
        stage_from: Some(before.stage),
        stage_to: row.state.stage,
    };
    log(tx, row.id, &line).await?;
    let made = Made { act: &act, actor: who.actor, event: change.event, effects: &change.effects };
    effects::follow(desk, tx, &row, &before, &made, now).await?;
    tracing::info!(trade.id = %row.reference, stage = %row.state.stage, act = ?std::mem::discriminant(&act), by = %who.actor, "trade");
    Ok(row)
}

/// Appends a line to the chained log of a trade.
pub(super) async fn log(tx: &Transaction<'_>, trade: TradeId, line: &Line) -> Done<()> {
    let previous = trade_log::last_hash(tx, trade).await?;
    Ok(trade_log::append(tx, trade, line, &previous, &chained(&previous, trade, line)).await?)
}

/// The hash of a line: over that of the line before and its own text.
pub(super) fn chained(previous: &[u8], trade: TradeId, line: &Line) -> [u8; 32] {
    secrets::sha256([previous, line.hashed_text(trade).as_bytes()].concat())
}

/// An act that needs nothing but the wish: decline, withdraw, cancel, undo, seen, answered, closed.
pub async fn act(desk: &Desk, reference: PublicRef, account: UserId, seen: &str, act: Act) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = hold(desk, &mut client, reference, account, seen).await?;
    let row = change(desk, &tx, row, act, Who::party(party, account), now).await?;
    desk.keep(tx).await?;
    Ok(row)
}
