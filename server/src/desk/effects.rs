//! What follows from a change of a trade, done in the same transaction.

use bitcoin::{Amount, Txid};
use jiff::Timestamp;
use serde_json::json;

use super::error::{Done, Error};
use super::escrow_book::{EscrowBook, coin};
use super::room::EventFacts;
use super::{Desk, funding, notices, room, rulings, watcher, weather};
use crate::domain::disputing::Reason;
use crate::domain::money::sats_grouped;
use crate::domain::offer::{OfferState, PauseReason};
use crate::domain::trade::{Act, Effect, PayoutKind, Trade};
use crate::domain::{Actor, DisputeId, Event, Fiat, Party, Refusal, Side, Stage};
use crate::escrow::Coin;
use crate::escrow::payout::PayoutKind as Kind;
use crate::store::disputes::{self, DisputeRow};
use crate::store::payouts::PayoutRow;
use crate::store::trades::TradeRow;
use crate::store::{Transaction, board, contracts, deposits, offers, outbox, payouts, settlements};

/// The outbox job that hands a complete payout to the chain.
pub const BROADCAST: &str = "broadcast";

/// An accepted act, as the room is told of it.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub act: &'a Act,
    pub actor: Actor,
    pub event: Option<Event>,
    pub effects: &'a [Effect],
}

/// The transaction that pays out, once a payout is complete; it stands in the row from the same moment on, and gives way
/// to the one that really spent the coins.
pub(super) async fn payout_txid(
    tx: &Transaction<'_>,
    row: &TradeRow,
    act: &Act,
    effects: &[Effect],
) -> Done<Option<Txid>> {
    if matches!(act, Act::ConfirmPayout { .. } | Act::SeeForeignSpend { .. }) {
        // The judge has written down which one it was.
        return Ok(row.payout_txid);
    }
    if matches!(act, Act::VoidPayout { .. } | Act::LoseDepositForGood) {
        return Ok(None);
    }
    let sent = effects.iter().find_map(|effect| match effect {
        Effect::Broadcast(kind) => Some(*kind),
        _ => None,
    });
    let Some(kind) = sent else { return Ok(row.payout_txid) };
    let book = EscrowBook::read(tx, row).await?;
    if let Act::RaiseFee { fee, .. } = act {
        let dearer = book.live(kind.as_str()).find(|payout| payout.fee == *fee && book.is_complete(payout));
        return Ok(Some(dearer.ok_or_else(not_signed_by_two)?.txid));
    }
    let before = row.payout_txid.and_then(|txid| book.payout_of(kind, txid));
    if let Some(before) = before.filter(|payout| book.is_complete(payout)) {
        return Ok(Some(before.txid));
    }
    let said = row.state.fee_said(kind);
    let first = book.first(kind, said)?.ok_or_else(different_fees)?;
    if let Some(said) = said.filter(|said| first.fee > *said) {
        not_against_the_word(row, &book, kind, said, first.fee)?;
    }
    // Verified once more, and within its limits, before anything depends on it.
    Ok(Some(book.signed(first)?.ok_or_else(different_fees)?.txid()))
}

fn not_signed_by_two() -> Refusal {
    Refusal::conflict("The payout with this miner fee is not signed by two yet. Nothing was changed.")
}

/// Who bears the miner fee has agreed to less than the least that is complete, and has signed what he agreed to: then it is
/// the other who forces the dearer one, and it does not go by itself.
fn not_against_the_word(
    row: &TradeRow,
    book: &EscrowBook,
    kind: PayoutKind,
    said: Amount,
    least: Amount,
) -> Result<(), Refusal> {
    let bearers = row.state.fee_bearers(kind);
    let signed = |payout: &&PayoutRow| bearers.iter().all(|side| book.has_signed(payout, Party::from(*side)));
    if !book.live(kind.as_str()).filter(|payout| payout.fee <= said).any(|payout| signed(&payout)) {
        return Ok(());
    }
    Err(Refusal::conflict(format!(
        "The other signature is only for a miner fee of {} sat, more than the {} sat that you or the other side agreed to, \
         so nothing was sent. Whoever bears the fee can agree to {} sat while signing; or both agree on a settlement.",
        sats_grouped(least),
        sats_grouped(said),
        sats_grouped(least)
    )))
}

/// Own wallets may sign one fee step of several; two signatures of different steps complete nothing.
fn different_fees() -> Refusal {
    Refusal::invalid(
        "Your signature and the other one are for different miner fees, so they complete nothing. Sign the files of \
         all fees on this page, and send them together.",
    )
}

pub(super) async fn follow(
    desk: &Desk,
    tx: &Transaction<'_>,
    row: &TradeRow,
    before: &Trade,
    made: &Made<'_>,
    now: Timestamp,
) -> Done<()> {
    for effect in made.effects {
        match effect {
            Effect::ReturnReservation => return_reservation(tx, row).await?,
            Effect::PauseOffer => pause_offer(tx, row, before, now).await?,
            Effect::FixFundingSet => fix_funding_set(desk, tx, row, before.stage, now).await?,
            Effect::KeepTheRest => keep_the_rest(tx, row, now).await?,
            Effect::TakeBack => take_back(tx, row, now).await?,
            Effect::FixTaken => fix_taken(tx, row).await?,
            Effect::ForgetSettlement => settlements::forget(tx, row.id, now).await?,
            Effect::BuildRefund => build_refund(desk, tx, row, now).await?,
            Effect::Broadcast(kind) => broadcast(tx, row, *kind, now).await?,
            Effect::LapseProposals => lapse_proposals(tx, row, now).await?,
            Effect::OpenDispute => open_by_itself(tx, row, made, now).await?,
            Effect::CloseDispute => disputes::close(tx, row.id, now).await?,
            Effect::PublishRuling => rulings::publish(desk, tx, row, now).await?,
            Effect::WithdrawRuling => rulings::take_back(desk, tx, row, now).await?,
            Effect::LapseAmendment => contracts::lapse(tx, row.id, now).await?,
            Effect::ReserveAgain => reserve_again(tx, row).await?,
            Effect::JudgeAgain => outbox::add(tx, watcher::JUDGE, Some(row.id), &json!({}), now).await?,
        }
    }
    notices::tell(tx, row, before, made, now).await?;
    tell_the_room(tx, row, made, now).await?;
    weather::tell(tx, row, before, made, now).await
}

async fn tell_the_room(tx: &Transaction<'_>, row: &TradeRow, made: &Made<'_>, now: Timestamp) -> Done<()> {
    let fiat = row.fiat_words();
    let facts = EventFacts {
        after: &row.state,
        actor: made.actor,
        buyer: &row.buyer_name,
        seller: &row.seller_name,
        arbitrator: &row.arbitrator_name,
        fiat: &fiat,
    };
    match made.event {
        Some(event) => room::announce(tx, row.id, event, &facts, now).await,
        None => room::announce_act(tx, row.id, made.act, &facts, now).await,
    }
}

/// Unaccepted proposals end; their payouts are not asked for any more.
async fn lapse_proposals(tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    settlements::lapse(tx, row.id, now).await?;
    Ok(payouts::void_dead_settlements(tx, row.id, now).await?)
}

/// A trade that ends unfunded gives its amount back to the offer.
async fn return_reservation(tx: &Transaction<'_>, row: &TradeRow) -> Done<()> {
    let Some(held) = offers::lock_id(tx, row.offer).await? else { return Ok(()) };
    let fiat = Fiat::new(row.fiat, held.offer.currency).map_err(Error::broken)?;
    offers::set_reserved(tx, row.offer, held.offer.give_back(fiat)).await?;
    Ok(board::bump(tx).await?)
}

/// A trade that is taken up again holds its amount of the offer again, as far as others have left it.
async fn reserve_again(tx: &Transaction<'_>, row: &TradeRow) -> Done<()> {
    let Some(held) = offers::lock_id(tx, row.offer).await? else { return Ok(()) };
    let fiat = Fiat::new(row.fiat, held.offer.currency).map_err(Error::broken)?;
    let reserved = held.offer.reserve(fiat).unwrap_or(held.offer.total);
    offers::set_reserved(tx, row.offer, reserved).await?;
    Ok(board::bump(tx).await?)
}

/// Only a maker who did not sign in time pauses his own offer; a taker's delay is not the maker's fault.
async fn pause_offer(tx: &Transaction<'_>, row: &TradeRow, before: &Trade, now: Timestamp) -> Done<()> {
    let maker_signed = match before.maker {
        Side::Buyer => before.buyer_agreed,
        Side::Seller => before.seller_agreed,
    };
    if !maker_signed {
        offers::set_state(tx, row.offer, OfferState::Paused, Some(PauseReason::MissedSigning), now).await?;
        board::bump(tx).await?;
    }
    Ok(())
}

/// From now on exactly the counted outputs are spent by every payout of this trade.
async fn fix_funding_set(desk: &Desk, tx: &Transaction<'_>, row: &TradeRow, stage: Stage, now: Timestamp) -> Done<()> {
    let judged = funding::judged(desk, tx, row, stage).await?;
    deposits::fix_funding(tx, row.id, &judged.counted).await?;
    build_all(tx, row, now).await
}

/// What was built over other outputs, or by a contract since superseded, is not asked for any more.
async fn void_all(tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    for kind in [PayoutKind::Release, PayoutKind::Refund, PayoutKind::Ruling] {
        payouts::void(tx, row.id, kind.as_str(), now).await?;
    }
    lapse_proposals(tx, row, now).await
}

/// Release and refund, and the payout of a ruling in force, over the funding set as it is now.
async fn build_all(tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    void_all(tx, row, now).await?;
    let book = EscrowBook::read(tx, row).await?;
    let coins = book.funding();
    book.build(tx, row, Kind::Refund, &coins, None, now).await?;
    // There may be less than was agreed: then there is nothing to release.
    if book.built(Kind::Release, &coins).is_ok() {
        book.build(tx, row, Kind::Release, &coins, None, now).await?;
    }
    build_ruling(tx, row, &book, &coins, now).await
}

/// The payout of a ruling in force, where its parts fit to what is there.
async fn build_ruling(
    tx: &Transaction<'_>,
    row: &TradeRow,
    book: &EscrowBook,
    coins: &[Coin],
    now: Timestamp,
) -> Done<()> {
    if row.state.stage == Stage::Ruled
        && let Some(ruling) = rulings::in_force(tx, row).await?
    {
        let kind = Kind::Ruling { buyer: ruling.buyer, seller: ruling.seller };
        if book.built(kind, coins).is_ok() {
            book.build(tx, row, kind, coins, Some(ruling.id.0), now).await?;
        }
    }
    Ok(())
}

/// A part of the funding set is gone: the rest is the funding set now.
async fn keep_the_rest(tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    let tip = funding::tip_height(tx).await?;
    let outputs = deposits::of_trade(tx, row.id).await?;
    let undone = funding::undone(tx, row, tip).await?;
    let rest = funding::standing(&outputs, &undone, row, tip);
    let rest: Vec<_> = rest.into_iter().map(|one| one.outpoint).collect();
    deposits::keep_of_funding(tx, row.id, &rest).await?;
    build_all(tx, row, now).await
}

/// What the trade had gone on without is a part of the funding set again.
async fn take_back(tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    let outputs = deposits::of_trade(tx, row.id).await?;
    let back = funding::back_again(tx, row, &outputs).await?;
    let all = outputs.iter().filter(|one| one.funding).chain(back);
    let all: Vec<_> = all.map(|one| one.outpoint).collect();
    deposits::fix_funding(tx, row.id, &all).await?;
    build_all(tx, row, now).await
}

/// What another transaction took before a deposit counted is the funding set of a trade that ended so.
async fn fix_taken(tx: &Transaction<'_>, row: &TradeRow) -> Done<()> {
    let tip = funding::tip_height(tx).await?;
    let outputs = deposits::of_trade(tx, row.id).await?;
    let taken = outputs.iter().filter(|one| one.gone_at.is_none() && funding::is_taken(one, row, tip));
    let taken: Vec<_> = taken.map(|one| one.outpoint).collect();
    Ok(deposits::fix_funding(tx, row.id, &taken).await?)
}

/// A refund over everything confirmed at the address, for a trade that was never funded.
async fn build_refund(_: &Desk, tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    // Other outputs, another sum: what was built or proposed over the old ones means nothing now.
    void_all(tx, row, now).await?;
    let book = EscrowBook::read(tx, row).await?;
    let there = funding::to_refund(&book.deposits, funding::tip_height(tx).await?);
    if there.is_empty() {
        return Ok(());
    }
    let outpoints: Vec<_> = there.iter().map(|deposit| deposit.outpoint).collect();
    let coins: Vec<_> = there.into_iter().map(coin).collect();
    deposits::fix_funding(tx, row.id, &outpoints).await?;
    book.build(tx, row, Kind::Refund, &coins, None, now).await?;
    build_ruling(tx, row, &book, &coins, now).await
}

async fn broadcast(tx: &Transaction<'_>, row: &TradeRow, kind: PayoutKind, now: Timestamp) -> Done<()> {
    Ok(outbox::add(tx, BROADCAST, Some(row.id), &json!({ "kind": kind.as_str() }), now).await?)
}

/// A dispute that a person opens has its row already, with the reason.
async fn open_by_itself(tx: &Transaction<'_>, row: &TradeRow, made: &Made<'_>, now: Timestamp) -> Done<()> {
    if disputes::latest(tx, row.id).await?.is_some_and(|dispute| dispute.closed_at.is_none()) {
        return Ok(());
    }
    let reason = match made.event {
        Some(Event::PayoutVoided) => Reason::PayoutVoided,
        Some(Event::DepositReturned) => Reason::DepositReturned,
        _ => Reason::ReleaseOverdue,
    };
    let dispute = DisputeRow {
        id: DisputeId(uuid::Uuid::now_v7()),
        opener: made.actor.as_str().into(),
        reason: reason.as_str().into(),
        wanted: String::new(),
        opened_at: now,
        closed_at: None,
    };
    Ok(disputes::open(tx, row.id, &dispute).await?)
}
