//! An arbitrator who should not decide says so; and trades whose arbitrator is missing are called off while nothing is
//! at stake.
//!
//! The key in the script rules and nobody can replace it. So before a deposit is seen the trade is cancelled; afterwards
//! both traders and the operator are told, the two settle between themselves if they can, another arbitrator may mediate,
//! and the declaration stands beside whatever is ruled. He is not drawn again for whom the conflict is with.

use serde_json::json;

use super::error::{Done, Error};
use super::trades::{self, Held, Who};
use super::{Desk, arbitrators, public_log, room};
use crate::domain::text;
use crate::domain::trade::Act;
use crate::domain::{Actor, Party, PublicRef, Refusal, RefusalKind, Stage, TradeId, UserId};
use crate::store::Connection;
use crate::store::conflicts::{self as store, ConflictRow};
use crate::store::trades::{self as trade_store, TradeRow};

/// Both traders read the reason, in one sentence.
const WHY_CHARS_MAX: usize = 300;

/// Declares a conflict. `with`: `buyer`, `seller` or `both`. Fields: `with`, `why`.
pub async fn declare(desk: &Desk, reference: PublicRef, account: UserId, with: &str, why: &str) -> Done<()> {
    let (with_buyer, with_seller) = match with {
        "buyer" => (true, false),
        "seller" => (false, true),
        "both" => (true, true),
        _ => return Err(Refusal::field("with", "Say with whom: the buyer, the seller, or both.").into()),
    };
    let why = text::clean_line(why, WHY_CHARS_MAX).map_err(|error| Refusal::field("why", error.to_string()))?;
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold_as_it_is(desk, &mut client, reference, account).await?;
    if party != Party::Arbitrator {
        return Err(Refusal::not_found().into());
    }
    if matches!(row.state.stage, Stage::Completed | Stage::Cancelled) {
        return Err(Refusal::conflict("This trade is over: there is nothing left to decide in it.").into());
    }
    let new = ConflictRow { with_buyer, with_seller, why: why.clone(), at: now };
    if !store::declare(&tx, row.id, account, &new).await? {
        return Err(Refusal::conflict("You have declared your conflict in this trade already.").into());
    }
    let hidden = [row.buyer, row.seller].map(|trader| public_log::hidden(desk, trader));
    let entry = json!({ "arbitrator": row.arbitrator_name, "accounts": hidden });
    public_log::append(&tx, now, "conflict", &entry).await?;
    let (id, name) = (row.id, row.arbitrator_name.clone());
    room::system(&tx, id, &format!("{name}, the arbitrator, declares a conflict of interest: {why}"), now).await?;
    if cancels(&row) {
        trades::change(desk, &tx, row, Act::LoseArbitrator, Who::DESK, now).await?;
    } else {
        let words = format!(
            "{name}'s key stays in the escrow: nobody can replace it. The two of you can still release, refund or settle \
             without {name}. The operator has been told and can name another arbitrator to mediate."
        );
        room::system(&tx, id, &words, now).await?;
    }
    desk.keep(tx).await
}

/// Whether a declaration would cancel the trade: nothing is at stake in it.
pub fn cancels(row: &TradeRow) -> bool {
    row.state.apply(&Act::LoseArbitrator, Actor::Desk, row.state.stage_since).is_ok()
}

/// What was declared in a trade, for any of its three.
pub async fn of(desk: &Desk, reference: PublicRef, account: UserId) -> Done<Option<ConflictRow>> {
    let client = desk.store.connection().await?;
    let (row, _) = trades::of_party(&client, reference, account).await?;
    Ok(store::of_trade(&client, row.id).await?)
}

/// Calls off trades without a deposit whose arbitrator was dismissed or let his drill lapse. A job that is safe to run
/// often; how many were called off.
pub async fn call_off(desk: &Desk) -> Done<usize> {
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let (mut called_off, mut first) = (0, Ok(()));
    for id in store::without_arbitrator(&client, arbitrators::drilled_since(desk, now)).await? {
        // A trade that cannot go on holds up no other; the first trouble is told at the end.
        match call_one_off(desk, &mut client, id).await {
            Err(error) if !error.is_away() => {
                tracing::error!(trade.id = %id, %error, "a trade without an arbitrator could not be called off");
                first = first.and(Err(error));
            }
            done => called_off += usize::from(done?),
        }
    }
    first.map(|()| called_off)
}

/// False if it is not to be called off any more.
async fn call_one_off(desk: &Desk, client: &mut Connection, id: TradeId) -> Done<bool> {
    let tx = client.transaction().await?;
    let Some(row) = trade_store::lock_by_id(&tx, id).await? else { return Ok(false) };
    let now = desk.now(&tx).await?;
    match trades::change(desk, &tx, row, Act::LoseArbitrator, Who::DESK, now).await {
        Ok(_) => desk.keep(tx).await.map(|()| true),
        // A deposit was seen: he keeps the duty.
        Err(Error::Refused(refusal)) if refusal.kind != RefusalKind::Unavailable => {
            tx.rollback().await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
