//! Splits that the traders agree on between themselves: proposed in satoshis, accepted by the other's signature,
//! completed by the proposer's.
//!
//! An acceptance binds both: it is the only payout from then on. If the proposer does not sign within his window, in a
//! dispute the arbitrator signs in his place.

use bitcoin::Amount;
use jiff::Timestamp;
use uuid::Uuid;

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::payouts::{Sent, Signer, forget_old_words, say_fee, take_signatures};
use super::splits::{self, Step};
use super::throttle::{self, MESSAGES_ACCOUNT};
use super::trades::{self, Held, Who};
use super::{Desk, notices, room};
use crate::domain::money::btc_words;
use crate::domain::parts::Parts;
use crate::domain::text::clean_optional_text;
use crate::domain::trade::{Act, PayoutKind, fee_bearers_of};
use crate::domain::{Party, PublicRef, Refusal, SettlementId, Side, UserId};
use crate::store::payouts::{self as payout_store, PayoutRow};
use crate::store::settlements::{self as store, SettlementRow};
use crate::store::trades::TradeRow;
use crate::store::{GenericClient, Transaction};

/// A note explains a proposal; everything else is said in the room.
pub const NOTE_CHARS_MAX: usize = 500;

/// A proposal as it is typed.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a> {
    /// `btc`, `sat` or `percent`.
    pub unit: &'a str,
    pub buyer: &'a str,
    /// May be empty: the rest.
    pub seller: &'a str,
    pub note: &'a str,
}

/// A proposal that stands, and what it would pay.
#[derive(Debug)]
pub struct Proposal {
    pub id: SettlementId,
    pub proposer: Side,
    pub parts: Parts,
    pub note: String,
    pub at: Timestamp,
    pub accepted: bool,
    pub steps: Vec<Step>,
}

/// Everything the page of settlements shows.
#[derive(Debug)]
pub struct Settlements {
    pub row: TradeRow,
    pub party: Party,
    pub now: Timestamp,
    pub pot: Amount,
    pub proposals: Vec<Proposal>,
    /// Why none can be made just now.
    pub closed: Option<Refusal>,
    /// Each signature alive for this deposit.
    pub alive: Vec<String>,
}

pub async fn of(desk: &Desk, reference: PublicRef, account: UserId) -> Done<Settlements> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    if party == Party::Arbitrator && row.state.dispute.is_none() {
        return Err(Refusal::not_found().into());
    }
    let book = EscrowBook::read(&client, &row).await?;
    let proposals = proposals(&client, &row, &book).await?;
    Ok(Settlements {
        now: desk.now(&client).await?,
        pot: splits::pot(&book),
        closed: row.state.may_settle().err(),
        alive: super::alive::of(&row, &book, party),
        proposals,
        party,
        row,
    })
}

async fn proposals(client: &impl GenericClient, row: &TradeRow, book: &EscrowBook) -> Done<Vec<Proposal>> {
    let live = store::live(client, row.id).await?;
    let proposal = |one: SettlementRow| {
        Ok(Proposal {
            id: one.id,
            proposer: one.proposer,
            parts: Parts { buyer: one.buyer, seller: one.seller },
            note: one.note,
            at: one.proposed_at,
            accepted: one.accepted,
            steps: splits::kept(book, one.id.0)?,
        })
    };
    live.into_iter().map(proposal).collect()
}

/// What a proposal would be, without making it.
pub async fn understood(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    typed: &Typed<'_>,
) -> Done<(Parts, Vec<Step>)> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    party.side().ok_or_else(Refusal::not_found)?;
    row.state.may_settle()?;
    let book = EscrowBook::read(&client, &row).await?;
    let (parts, _) = read(&book, typed)?;
    Ok((parts, splits::steps(&book, PayoutKind::Settlement, parts)?))
}

fn read(book: &EscrowBook, typed: &Typed<'_>) -> Result<(Parts, String), Refusal> {
    let parts = Parts::read(typed.unit, typed.buyer, typed.seller, splits::pot(book));
    let note = clean_optional_text(typed.note, NOTE_CHARS_MAX).map_err(|why| Refusal::field("note", why.to_string()));
    match (parts, note) {
        (Ok(parts), Ok(note)) => Ok((parts, note)),
        (Err(refusal), Ok(_)) | (Ok(_), Err(refusal)) => Err(refusal),
        (Err(mut refusal), Err(other)) => {
            refusal.fields.extend(other.fields);
            Err(refusal)
        }
    }
}

/// Proposes a split. A side has one live proposal: a new one takes the old one back.
pub async fn propose(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    seen: &str,
    typed: &Typed<'_>,
) -> Done<SettlementId> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let side = party.side().ok_or_else(Refusal::not_found)?;
    row.state.may_settle()?;
    let book = EscrowBook::read(&tx, &row).await?;
    let (parts, note) = read(&book, typed)?;
    splits::steps(&book, PayoutKind::Settlement, parts)?;
    throttle::by_name(desk, &tx, MESSAGES_ACCOUNT, &account.to_string(), now).await?;
    take_back(&tx, &row, side, now).await?;
    let id = SettlementId(Uuid::now_v7());
    let new = SettlementRow {
        id,
        proposer: side,
        buyer: parts.buyer,
        seller: parts.seller,
        note,
        proposed_at: now,
        accepted: false,
    };
    store::propose(&tx, row.id, &new).await?;
    let kind = splits::kind_of(PayoutKind::Settlement, parts);
    book.build(&tx, &row, kind, &book.funding(), Some(id.0), now).await?;
    let words = format!(
        "{} proposes a settlement: {} to {}, {} to {}, before fees.",
        row.name_of(party),
        btc_words(parts.buyer),
        row.buyer_name,
        btc_words(parts.seller),
        row.seller_name
    );
    room::system(&tx, row.id, &words, now).await?;
    notices::ask(&tx, &row, side.other().into(), format!("settlement {id}"), now).await?;
    desk.keep(tx).await?;
    Ok(id)
}

async fn take_back(tx: &Transaction<'_>, row: &TradeRow, side: Side, now: Timestamp) -> Done<bool> {
    let there_was = store::withdraw_of(tx, row.id, side, now).await?;
    payout_store::void_dead_settlements(tx, row.id, now).await?;
    Ok(there_was)
}

/// Takes the own proposal back, unless it is accepted.
pub async fn withdraw(desk: &Desk, reference: PublicRef, account: UserId, seen: &str) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let side = party.side().ok_or_else(Refusal::not_found)?;
    if row.state.settlement.as_ref().is_some_and(|accepted| accepted.proposer == side) {
        return Err(
            Refusal::conflict("Your proposal is accepted: it binds you. Complete it with your signature.").into()
        );
    }
    if !take_back(&tx, &row, side, now).await? {
        return Err(Refusal::conflict("You have no proposal to take back.").into());
    }
    room::system(&tx, row.id, &format!("{} took the proposed settlement back.", row.name_of(party)), now).await?;
    desk.keep(tx).await
}

/// The other side's proposal, if it still stands for this account to accept.
pub async fn to_accept(desk: &Desk, reference: PublicRef, account: UserId) -> Done<SettlementRow> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let side = party.side().ok_or_else(Refusal::not_found)?;
    row.state.may_settle()?;
    proposed_to(&client, &row, side).await
}

async fn proposed_to(client: &impl GenericClient, row: &TradeRow, side: Side) -> Done<SettlementRow> {
    let live = store::live(client, row.id).await?;
    let theirs = live.into_iter().find(|one| one.proposer == side.other() && !one.accepted);
    Ok(theirs.ok_or_else(|| Refusal::conflict("The other side proposes nothing at present."))?)
}

/// The settlement that waits for its second signature.
pub async fn to_complete(desk: &Desk, reference: PublicRef, account: UserId) -> Done<SettlementRow> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let now = desk.now(&client).await?;
    row.state.apply(&Act::SignPayout { kind: PayoutKind::Settlement }, party.into(), now)?;
    let accepted = store::live(&client, row.id).await?.into_iter().find(|one| one.accepted);
    accepted.ok_or_else(|| Error::broken(format!("the accepted settlement of {reference} has no row")))
}

/// Accepts the other's proposal with a signature: from now on it is the only payout.
pub async fn accept(desk: &Desk, reference: PublicRef, account: UserId, seen: &str, sent: Sent<'_>) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let side = party.side().ok_or_else(Refusal::not_found)?;
    row.state.may_settle()?;
    let proposal = proposed_to(&tx, &row, side).await?;
    let book = EscrowBook::read(&tx, &row).await?;
    let rows: Vec<&PayoutRow> =
        book.live(PayoutKind::Settlement.as_str()).filter(|payout| payout.about == Some(proposal.id.0)).collect();
    let outcome = Parts { buyer: proposal.buyer, seller: proposal.seller }.outcome();
    let signer = Signer::of((party, account), &fee_bearers_of(Some(outcome)), sent.fee);
    let news = take_signatures(&tx, &book, &rows, &signer, &sent.upload, now).await?;
    store::accept(&tx, proposal.id, now).await?;
    store::lapse(&tx, row.id, now).await?;
    payout_store::void_dead_settlements(&tx, row.id, now).await?;
    let mut row =
        trades::change(desk, &tx, row, Act::AcceptSettlement { outcome }, Who::party(party, account), now).await?;
    row = forget_old_words(desk, &tx, row, PayoutKind::Settlement, now).await?;
    row = say_fee(desk, &tx, row, PayoutKind::Settlement, (party, account), sent.fee, now).await?;
    if news.contains(&side.other().into()) {
        // The proposer's signature came along: both are in.
        let act = Act::SignPayout { kind: PayoutKind::Settlement };
        row = trades::change(desk, &tx, row, act, Who { actor: side.other().into(), account: Some(account) }, now)
            .await?;
    }
    desk.keep(tx).await?;
    Ok(row)
}
