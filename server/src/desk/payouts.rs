//! Signatures for payouts come in through one door; what they complete goes out.

use std::borrow::Cow;

use bitcoin::Amount;
use jiff::Timestamp;
use serde_json::json;

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::trades::{self, Held, Who};
use super::{Desk, crash, effects};
use crate::domain::money::sats_grouped;
use crate::domain::trade::{Act, PayoutKind};
use crate::domain::{Party, PublicRef, Refusal, Side, Stage, UserId};
use crate::escrow::{self, FeeStep, PartySignature, Payout};
use crate::store::payouts::{self as store, PayoutRow};
use crate::store::trades::TradeRow;
use crate::store::{Transaction, outbox};

/// What is sent from a signing page.
#[derive(Debug, Clone)]
pub struct Sent<'a> {
    /// Signatures, in whatever form the wallet has them.
    pub upload: Cow<'a, [u8]>,
    /// The miner fee that who bears it agrees to, if that was said.
    pub fee: Option<Amount>,
}

/// Whose upload it is, and what it has to be good for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signer {
    pub party: Party,
    pub account: UserId,
    /// He alone bears the miner fee, so any of the fees is his choice. Anybody else signs all up to the usual one, or
    /// would choose for who bears it.
    pub chooses: bool,
    /// The fee that he says with it.
    pub fee: Option<Amount>,
}

impl Signer {
    /// For a payout whose miner fee these sides bear.
    pub fn of((party, account): (Party, UserId), bearers: &[Side], fee: Option<Amount>) -> Self {
        let chooses = bearers.iter().all(|side| Party::from(*side) == party);
        Self { party, account, chooses, fee }
    }
}

/// Keeps the verified signatures of an upload for the live payouts of a kind. Valid signatures of others are kept for
/// the key that made them, whoever brings them. The parties whose signatures are new.
pub(super) async fn take_signatures(
    tx: &Transaction<'_>,
    book: &EscrowBook,
    rows: &[&PayoutRow],
    signer: &Signer,
    upload: &[u8],
    now: Timestamp,
) -> Done<Vec<Party>> {
    if rows.is_empty() {
        return Err(Refusal::conflict("There is nothing to sign for this just now. Look at the trade again.").into());
    }
    let payouts: Vec<Payout> = rows.iter().map(|row| book.payout(row)).collect::<Done<_>>()?;
    let spends: Vec<_> = payouts.iter().map(Payout::spend).collect();
    let signatures = escrow::accept(upload, &spends, signer.party)?;
    let is_new = |row: &PayoutRow| signatures.iter().any(|one| one.party() == signer.party && one.txid() == row.txid);
    signer.signs_enough(rows, |row| is_new(row) || book.has_signed(row, signer.party))?;
    let mut news = Vec::new();
    for signature in &signatures {
        let row = rows.iter().find(|row| row.txid == signature.txid());
        let row = row.ok_or_else(|| Error::broken("a verified signature of no payout"))?;
        if !book.has_signed(row, signature.party()) {
            keep(tx, row, signature, signer.account, now).await?;
            if !news.contains(&signature.party()) {
                news.push(signature.party());
            }
        }
    }
    Ok(news)
}

impl Signer {
    /// Whether the signatures leave who bears the miner fee the choice, and reach down to the fee that is said.
    fn signs_enough(&self, rows: &[&PayoutRow], has_signed: impl Fn(&PayoutRow) -> bool) -> Result<(), Refusal> {
        let (signed, left): (Vec<&PayoutRow>, Vec<&PayoutRow>) = rows.iter().partition(|row| has_signed(row));
        let missing: Vec<String> = left.into_iter().filter(|row| is_usual(row)).map(|row| in_sats(row.fee)).collect();
        if !self.chooses && !missing.is_empty() {
            return Err(Refusal::invalid(format!(
                "You do not bear the miner fee alone, so it is not yours alone to choose: sign the files of all fees up \
                 to the usual one, and send them together. Your signature is missing for a miner fee of {}.",
                missing.join(" and ")
            )));
        }
        let least = signed.iter().map(|row| row.fee).min();
        match (self.fee, least) {
            (Some(fee), Some(least)) if fee < least => Err(Refusal::invalid(format!(
                "You say that the miner fee is to be {} at most, and have signed none below {}. Sign the file of that \
                 fee too, or choose a fee that you have signed.",
                in_sats(fee),
                in_sats(least)
            ))),
            _ => Ok(()),
        }
    }
}

/// It stands for a step up to the one that own wallets sign.
pub(super) fn is_usual(row: &PayoutRow) -> bool {
    row.steps.iter().any(|step| *step <= FeeStep::OWN_WALLET.multiple())
}

fn in_sats(fee: Amount) -> String {
    format!("{} sat", sats_grouped(fee))
}

async fn keep(
    tx: &Transaction<'_>,
    row: &PayoutRow,
    signature: &PartySignature,
    by: UserId,
    now: Timestamp,
) -> Done<()> {
    Ok(store::sign(tx, row.id, signature.party(), &signature.to_bytes(), by, now).await?)
}

/// Signs a payout of the trade, and completes it if it is the second signature.
async fn sign_held(
    desk: &Desk,
    tx: &Transaction<'_>,
    mut row: TradeRow,
    kind: PayoutKind,
    sender: (Party, UserId),
    sent: Sent<'_>,
    now: Timestamp,
) -> Done<TradeRow> {
    let act = Act::SignPayout { kind };
    // Refused before anything in the upload is looked at: the words about the stage matter more.
    row.state.apply(&act, sender.0.into(), now)?;
    let book = EscrowBook::read(tx, &row).await?;
    let rows: Vec<&PayoutRow> = book.live(kind.as_str()).collect();
    let signer = Signer::of(sender, &row.state.fee_bearers(kind), sent.fee);
    let news = take_signatures(tx, &book, &rows, &signer, &sent.upload, now).await?;
    row = forget_old_words(desk, tx, row, kind, now).await?;
    row = say_fee(desk, tx, row, kind, sender, sent.fee, now).await?;
    for other in news.into_iter().filter(|party| *party != sender.0) {
        // Someone else's signature came along. It counts if that person may sign now; it is kept either way.
        if row.state.apply(&act, other.into(), now).is_ok() && !completes(&row, kind) {
            row = trades::change(desk, tx, row, act.clone(), Who { actor: other.into(), account: Some(sender.1) }, now)
                .await?;
        }
    }
    trades::change(desk, tx, row, act, Who::party(sender.0, sender.1), now).await
}

/// A word about a miner fee is about the payouts it was said of; over other coins, or for another ruling, there is none yet.
pub(super) async fn forget_old_words(
    desk: &Desk,
    tx: &Transaction<'_>,
    mut row: TradeRow,
    kind: PayoutKind,
    now: Timestamp,
) -> Done<TradeRow> {
    let words = row.state.fee_words.iter().filter(|word| word.kind == kind);
    let sides: Vec<Side> = words.map(|word| word.side).collect();
    if sides.is_empty() {
        return Ok(row);
    }
    let said = store::fee_said(tx, row.id, kind.as_str()).await?;
    for side in sides.into_iter().filter(|side| !said.contains(side)) {
        row = trades::change(desk, tx, row, Act::ForgetFeeWord { kind, side }, Who::DESK, now).await?;
    }
    Ok(row)
}

/// Who bears the miner fee may say with the signature how much of it is to be paid.
pub(super) async fn say_fee(
    desk: &Desk,
    tx: &Transaction<'_>,
    row: TradeRow,
    kind: PayoutKind,
    sender: (Party, UserId),
    fee: Option<Amount>,
    now: Timestamp,
) -> Done<TradeRow> {
    match fee {
        Some(fee) => {
            trades::change(desk, tx, row, Act::SayFee { kind, fee }, Who::party(sender.0, sender.1), now).await
        }
        None => Ok(row),
    }
}

fn completes(row: &TradeRow, kind: PayoutKind) -> bool {
    row.state.signed.iter().any(|(signed, _)| *signed == kind)
}

/// A party's signature for a release, refund, settlement or ruling.
pub async fn sign(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    seen: &str,
    kind: PayoutKind,
    sent: Sent<'_>,
) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let row = sign_held(desk, &tx, row, kind, (party, account), sent, now).await?;
    let complete = row.state.stage == Stage::PayingOut;
    if complete {
        crash::point(crash::PAYOUT_BEFORE_COMMIT);
    }
    desk.keep(tx).await?;
    if complete {
        crash::point(crash::PAYOUT_AFTER_COMMIT);
    }
    Ok(row)
}

/// "I have sent the money": the mark comes with the buyer's release signature, unless that is in already.
pub async fn mark_paid(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    seen: &str,
    sent: Sent<'_>,
) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, mut row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    if party != Party::Buyer {
        return Err(Refusal::not_found().into());
    }
    if row.state.stage == Stage::Funded && !row.state.has_signed(PayoutKind::Release, Party::Buyer) {
        row = sign_held(desk, &tx, row, PayoutKind::Release, (party, account), sent, now).await?;
    }
    let row = trades::change(desk, &tx, row, Act::MarkPaid, Who::party(party, account), now).await?;
    desk.keep(tx).await?;
    Ok(row)
}

/// The seller closes a trade that was not paid in time, with his signature for the refund.
pub async fn close_unpaid(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    seen: &str,
    sent: Sent<'_>,
) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let row = trades::change(desk, &tx, row, Act::CloseUnpaid, Who::party(party, account), now).await?;
    let row = sign_held(desk, &tx, row, PayoutKind::Refund, (party, account), sent, now).await?;
    desk.keep(tx).await?;
    Ok(row)
}

/// A signature for the refund of a stray: any two keys, in any stage; the trade itself does not change.
pub async fn sign_stray(desk: &Desk, reference: PublicRef, account: UserId, txid: &str, upload: &[u8]) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold_as_it_is(desk, &mut client, reference, account).await?;
    let book = EscrowBook::read(&tx, &row).await?;
    let rows = book.refunds_of_stray(&row.state, txid)?;
    if rows.is_empty() {
        return Err(Refusal::not_found().into());
    }
    // Each fee of it is asked for by itself: whoever signs one has chosen it.
    let signer = Signer { party, account, chooses: true, fee: None };
    take_signatures(&tx, &book, &rows, &signer, upload, now).await?;
    let book = EscrowBook::read(&tx, &row).await?;
    if book.complete_stray(txid)?.is_some() {
        outbox::add(&tx, effects::BROADCAST, Some(row.id), &json!({ "kind": "stray", "txid": txid }), now).await?;
    }
    desk.keep(tx).await?;
    Ok(())
}
