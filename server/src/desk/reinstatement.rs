//! A deposit came late, or the trade was given up too early: both may take it up again, at the agreed price.
//!
//! Nobody signs for it: the contract that both signed stays as it is, and no coins move. Each presses a button that
//! names the trade's version, and it stands in the log.

use super::error::Done;
use super::trades::{self, Held, Who};
use super::{Desk, arbitrators, sight};
use crate::domain::trade::Act;
use crate::domain::{PublicRef, Refusal, Side, UserId};
use crate::store::trades::TradeRow;
use crate::store::{GenericClient, payouts};

/// What the page of it shows.
#[derive(Debug)]
pub struct Reinstatement {
    pub row: TradeRow,
    pub side: Side,
    /// Why it cannot be.
    pub closed: Option<Refusal>,
}

pub async fn of(desk: &Desk, reference: PublicRef, account: UserId) -> Done<Reinstatement> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let side = party.side().ok_or_else(Refusal::not_found)?;
    let closed = why_not(desk, &client, &row).await?;
    Ok(Reinstatement { row, side, closed })
}

/// Why this trade cannot be taken up again.
pub async fn why_not(desk: &Desk, client: &impl GenericClient, row: &TradeRow) -> Done<Option<Refusal>> {
    if let Err(refusal) = row.state.may_reinstate() {
        return Ok(Some(refusal));
    }
    // Also one that was brought along by somebody else, and counts for nothing yet, stays valid for ever.
    if !payouts::signatures_of_trade(client, row.id).await?.is_empty() {
        return Ok(Some(Refusal::conflict(
            "A signature for these coins exists already and stays valid for ever, so the trade is not taken up again.",
        )));
    }
    if sight::trouble(client).await?.is_some() {
        let words =
            "The chain is not visible just now, so nobody knows what is in the escrow. Try again when it is back.";
        return Ok(Some(Refusal::conflict(words)));
    }
    let now = desk.now(client).await?;
    let on_duty = arbitrators::on_duty(desk, client, now).await?;
    Ok((!on_duty.iter().any(|one| one.account == row.arbitrator)).then(|| {
        Refusal::conflict(format!(
            "{}, the arbitrator of this trade, is not on duty at present, so it is not taken up again. The coins go \
             back to the seller.",
            row.arbitrator_name
        ))
    }))
}

/// One trader wants the trade after all; when both do, it goes on with all its windows new.
pub async fn agree(desk: &Desk, reference: PublicRef, account: UserId, seen: &str) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    party.side().ok_or_else(Refusal::not_found)?;
    if let Some(refusal) = why_not(desk, &tx, &row).await? {
        return Err(refusal.into());
    }
    let row = trades::change(desk, &tx, row, Act::AgreeToReinstate, Who::party(party, account), now).await?;
    desk.keep(tx).await?;
    Ok(row)
}

/// Takes that back, while the other has not agreed.
pub async fn take_back(desk: &Desk, reference: PublicRef, account: UserId, seen: &str) -> Done<TradeRow> {
    trades::act(desk, reference, account, seen, Act::TakeBackReinstatement).await
}
