//! The arbitrator's rulings: drafted with the exact transactions beside them, signed as a message, open to objection,
//! then carried out with one trader.

use bitcoin::Amount;
use bitcoin::hashes::sha256;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::disputes::open_dispute;
use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::signing::{Paper, SignedRuling};
use super::splits::{self, Step};
use super::trades::{self, Held, Who};
use super::{Desk, alive, crash, public_log};
use crate::domain::parts::Parts;
use crate::domain::refusal::Problems;
use crate::domain::text::{STATEMENT_CHARS_MAX, clean_text};
use crate::domain::trade::{Act, PayoutKind};
use crate::domain::{Party, PublicRef, Refusal, RulingId, Side, Stage, UserId};
use crate::escrow::message;
use crate::escrow::ruling::evidence_hashes;
use crate::escrow::{Ruling, canonical};
use crate::store::disputes::{self as store, RulingRow, StatementRow};
use crate::store::trades::TradeRow;
use crate::store::{GenericClient, Transaction, payouts};

/// Drafts of one trade; a person who needs more has not decided.
const DRAFTS_MAX: i64 = 50;
/// Pieces of evidence one ruling names: the text has 16 KiB.
const EVIDENCE_MAX: usize = 60;

/// A ruling as it is typed.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// `release`, `refund` or `split`.
    pub outcome: String,
    /// For a split: `btc`, `sat` or `percent`, and what the buyer gets.
    pub unit: String,
    pub buyer: String,
    pub seller: String,
    pub facts: String,
    pub reasons: String,
    /// SHA-256 hashes, in any form.
    pub evidence: String,
}

/// A draft or a ruling, with what it pays.
#[derive(Debug)]
pub struct Drafted {
    pub row: TradeRow,
    pub now: Timestamp,
    pub ruling: RulingRow,
    pub parts: Parts,
    pub facts: Vec<String>,
    pub reasons: Vec<String>,
    pub evidence: Vec<String>,
    pub message: String,
    pub steps: Vec<Step>,
    /// How long the side that is not paid may object; zero: not at all.
    pub objection_minutes: u32,
    /// Why it cannot be signed just now.
    pub not_yet: Option<Refusal>,
}

/// How long it may be objected to stands in the contract that both signed.
fn act_of(row: &TradeRow, parts: Parts) -> Act {
    let objection_minutes = row.state.windows.objection_minutes;
    Act::Rule { favours: parts.favours(), outcome: parts.outcome(), objection_minutes }
}

/// The arbitrator's trade; for everybody else there is nothing here.
fn arbitrators(row: TradeRow, party: Party) -> Result<TradeRow, Refusal> {
    if party == Party::Arbitrator && row.state.dispute.is_some() { Ok(row) } else { Err(Refusal::not_found()) }
}

/// Writes the ruling down, exactly as it will be signed. Nothing is decided by it.
pub async fn draft(desk: &Desk, reference: PublicRef, account: UserId, seen: &str, typed: &Typed) -> Done<RulingId> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let row = arbitrators(row, party)?;
    may_draft(&row)?;
    if store::drafted(&tx, row.id).await? >= DRAFTS_MAX {
        return Err(
            Refusal::conflict(format!("There are {DRAFTS_MAX} drafts for this trade already. Sign one.")).into()
        );
    }
    let book = EscrowBook::read(&tx, &row).await?;
    let (ruling, parts) = read(&book, &row, typed, now)?;
    not_contradicted(&book, parts)?;
    splits::steps(&book, PayoutKind::Ruling, parts)?;
    let text = ruling.to_text()?;
    let dispute = open_dispute(&tx, &row).await?;
    let new = RulingRow {
        id: RulingId(Uuid::now_v7()),
        dispute: dispute.id,
        hash: AsRef::<[u8]>::as_ref(&ruling.hash()?).to_vec(),
        text,
        buyer: parts.buyer,
        seller: parts.seller,
        drafted_at: now,
        signed_psbt: None,
        signed_at: None,
        withdrawn_at: None,
    };
    store::draft(&tx, row.id, &new).await?;
    desk.keep(tx).await?;
    Ok(new.id)
}

fn may_draft(row: &TradeRow) -> Result<(), Refusal> {
    if row.state.stage == Stage::Ruled {
        return Err(Refusal::conflict("You have ruled. Withdraw that ruling before you draft another."));
    }
    if row.state.stage != Stage::Disputed {
        return Err(Refusal::conflict("This trade is not in a dispute; there is nothing to rule on."));
    }
    if row.state.settlement.is_some() {
        return Err(Refusal::conflict("The traders have agreed on a settlement; no ruling is made beside it."));
    }
    Ok(())
}

fn not_contradicted(book: &EscrowBook, parts: Parts) -> Done<()> {
    alive::contradicted(book, parts)?.map_or(Ok(()), |refusal| Err(refusal.into()))
}

fn read(book: &EscrowBook, row: &TradeRow, typed: &Typed, now: Timestamp) -> Result<(Ruling, Parts), Refusal> {
    let mut problems = Problems::default();
    let facts = problems.check("facts", document_lines(&typed.facts));
    let reasons = problems.check("reasons", document_lines(&typed.reasons));
    let evidence = problems.check("evidence", evidence_hashes(&typed.evidence).and_then(few));
    let pot = splits::pot(book);
    let parts = match typed.outcome.as_str() {
        "release" => Some(Parts::all_to(Side::Buyer, pot)),
        "refund" => Some(Parts::all_to(Side::Seller, pot)),
        "split" => match Parts::read(&typed.unit, &typed.buyer, &typed.seller, pot) {
            Ok(parts) => Some(parts),
            Err(refusal) => {
                refusal.fields.into_iter().for_each(|one| problems.add(one.field, one.words));
                None
            }
        },
        _ => {
            problems.add("outcome", "Choose who gets the coins.");
            None
        }
    };
    let (Some(facts), Some(reasons), Some(evidence), Some(parts)) = (facts, reasons, evidence, parts) else {
        return Err(problems.refusal());
    };
    let ruling = Ruling {
        v: 1,
        desk: book.contract.desk.clone(),
        trade: row.reference,
        contract: book.contract.hash()?,
        created: now,
        buyer_sat: parts.buyer,
        seller_sat: parts.seller,
        facts,
        reasons,
        evidence,
    };
    // Its own refusals name the fields; a text that is too long names none.
    ruling.to_text()?;
    Ok((ruling, parts))
}

fn document_lines(text: &str) -> Result<Vec<String>, String> {
    let text = clean_text(text, STATEMENT_CHARS_MAX).map_err(|why| why.to_string())?;
    canonical::lines(&text).map_err(|why| why.to_string())
}

fn few(mut evidence: Vec<sha256::Hash>) -> Result<Vec<sha256::Hash>, String> {
    let mut known = Vec::new();
    evidence.retain(|hash| {
        let new = !known.contains(hash);
        known.push(*hash);
        new
    });
    if evidence.len() > EVIDENCE_MAX {
        return Err(format!("At most {EVIDENCE_MAX} pieces of evidence can be named."));
    }
    Ok(evidence)
}

/// A draft, or the ruling, as its arbitrator sees it.
pub async fn drafted(desk: &Desk, reference: PublicRef, account: UserId, id: RulingId) -> Done<Drafted> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let row = arbitrators(row, party)?;
    let ruling = one(&client, &row, id).await?;
    view(desk, &client, row, ruling).await
}

/// The ruling that was made last, as each of the three sees it.
pub async fn made(desk: &Desk, reference: PublicRef, account: UserId) -> Done<(Drafted, Party)> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let signed = store::rulings(&client, row.id).await?.into_iter().find(|ruling| ruling.signed_at.is_some());
    let ruling = signed.ok_or_else(Refusal::not_found)?;
    Ok((view(desk, &client, row, ruling).await?, party))
}

async fn view(desk: &Desk, client: &impl GenericClient, row: TradeRow, ruling: RulingRow) -> Done<Drafted> {
    let now = desk.now(client).await?;
    let book = EscrowBook::read(client, &row).await?;
    let parts = Parts { buyer: ruling.buyer, seller: ruling.seller };
    let document = Ruling::parse(&ruling.text)?;
    let (steps, nothing_to_pay) = match ruling.signed_at {
        Some(_) => (splits::kept(&book, ruling.id.0)?, None),
        // A draft is read also while it would pay nothing.
        None => match splits::steps(&book, PayoutKind::Ruling, parts) {
            Ok(steps) => (steps, None),
            Err(Error::Refused(why)) => (Vec::new(), Some(why)),
            Err(other) => return Err(other),
        },
    };
    Ok(Drafted {
        steps,
        objection_minutes: row.state.windows.objection_minutes,
        not_yet: match row.state.apply(&act_of(&row, parts), Party::Arbitrator.into(), now) {
            Err(refusal) => Some(refusal),
            Ok(_) if nothing_to_pay.is_some() => nothing_to_pay,
            Ok(_) => alive::contradicted(&book, parts)?,
        },
        message: document.message()?,
        evidence: document.evidence.iter().map(ToString::to_string).collect(),
        facts: document.facts,
        reasons: document.reasons,
        parts,
        ruling,
        now,
        row,
    })
}

async fn one(client: &impl GenericClient, row: &TradeRow, id: RulingId) -> Done<RulingRow> {
    let all = store::rulings(client, row.id).await?;
    Ok(all.into_iter().find(|ruling| ruling.id == id).ok_or_else(Refusal::not_found)?)
}

/// What the arbitrator signs to make a draft the ruling.
pub async fn paper(desk: &Desk, reference: PublicRef, account: UserId, id: RulingId) -> Done<Paper> {
    let drafted = drafted(desk, reference, account, id).await?;
    match drafted.not_yet {
        Some(refusal) => Err(refusal.into()),
        None => Ok(Paper::RulingText { text: drafted.ruling.text, message: drafted.message }),
    }
}

/// The arbitrator's signature makes the draft the ruling. No payout is signed by it.
pub async fn sign(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    seen: &str,
    id: RulingId,
    upload: &[u8],
) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let row = arbitrators(row, party)?;
    let ruling = one(&tx, &row, id).await?;
    let parts = Parts { buyer: ruling.buyer, seller: ruling.seller };
    let act = act_of(&row, parts);
    row.state.apply(&act, party.into(), now)?;
    if ruling.signed_at.is_some() {
        return Err(Refusal::conflict("This ruling was made before and withdrawn. Draft a new one.").into());
    }

    let book = EscrowBook::read(&tx, &row).await?;
    let document = Ruling::parse(&ruling.text)?;
    let (lock, message) = (book.agreed.lock(), document.message()?);
    not_contradicted(&book, parts)?;
    let signed = message::verify(upload, lock, &message, party)?;
    let psbt = message::build(signed.form, lock, &message)?.with_signatures([&signed.signature]).serialize();
    store::sign(&tx, ruling.id, &psbt, now).await?;

    payouts::void(&tx, row.id, PayoutKind::Ruling.as_str(), now).await?;
    splits::steps(&book, PayoutKind::Ruling, parts)?;
    let kind = splits::kind_of(PayoutKind::Ruling, parts);
    book.build(&tx, &row, kind, &book.funding(), Some(ruling.id.0), now).await?;
    let row = trades::change(desk, &tx, row, act, Who::party(party, account), now).await?;
    crash::point(crash::RULING_BEFORE_COMMIT);
    desk.keep(tx).await?;
    crash::point(crash::RULING_AFTER_COMMIT);
    Ok(row)
}

/// Tells the public that there is a ruling: who ruled, between whom as salted hashes, and its hash.
pub(super) async fn publish(desk: &Desk, tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    let ruling = in_force(tx, row).await?.ok_or_else(|| Error::broken("a ruling to publish is not in force"))?;
    let outcome = Parts { buyer: ruling.buyer, seller: ruling.seller }.outcome();
    let entry = json!({ "outcome": outcome, "buyer_percent": percent(ruling.buyer, ruling.seller) });
    log(desk, tx, row, &ruling, "ruling", entry, now).await
}

async fn log(
    desk: &Desk,
    tx: &Transaction<'_>,
    row: &TradeRow,
    ruling: &RulingRow,
    kind: &str,
    mut entry: serde_json::Value,
    now: Timestamp,
) -> Done<()> {
    if let Some(entry) = entry.as_object_mut() {
        entry.insert("arbitrator".into(), json!(row.arbitrator_name));
        entry.insert("accounts".into(), json!([row.buyer, row.seller].map(|one| public_log::hidden(desk, one))));
        entry.insert("ruling".into(), json!(data_encoding::HEXLOWER.encode(&ruling.hash)));
    }
    public_log::append(tx, now, kind, &entry).await
}

/// The buyer's part of the whole, rounded down.
fn percent(buyer: Amount, seller: Amount) -> u64 {
    let whole = u128::from(buyer.to_sat()).saturating_add(u128::from(seller.to_sat())).max(1);
    u64::try_from(u128::from(buyer.to_sat()) * 100 / whole).unwrap_or_default()
}

/// The ruling that stands.
pub(super) async fn in_force(client: &impl GenericClient, row: &TradeRow) -> Done<Option<RulingRow>> {
    Ok(store::rulings(client, row.id).await?.into_iter().find(RulingRow::in_force))
}

/// What its arbitrator has signed.
pub(super) fn signed(ruling: RulingRow) -> Done<SignedRuling> {
    let psbt = ruling.signed_psbt.ok_or_else(|| Error::broken("a ruling in force is not signed"))?;
    Ok(SignedRuling { text: ruling.text, psbt })
}

/// A mistake was found, or an objection convinced: the ruling is taken back before any payout of it was signed by the
/// arbitrator.
pub async fn withdraw(desk: &Desk, reference: PublicRef, account: UserId, seen: &str) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let row = arbitrators(row, party)?;
    let row = trades::change(desk, &tx, row, Act::WithdrawRuling, Who::party(party, account), now).await?;
    desk.keep(tx).await?;
    Ok(row)
}

/// The ruling is in force no more, and its payout is not asked for; the public is told.
pub(super) async fn take_back(desk: &Desk, tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    let ruling = in_force(tx, row).await?;
    store::withdraw(tx, row.id, now).await?;
    payouts::void(tx, row.id, PayoutKind::Ruling.as_str(), now).await?;
    match ruling {
        Some(ruling) => log(desk, tx, row, &ruling, "ruling_withdrawn", json!({}), now).await,
        None => Ok(()),
    }
}

/// A trader objects, with a statement; the arbitrator withdraws the ruling or signs.
pub async fn object(desk: &Desk, reference: PublicRef, account: UserId, seen: &str, text: &str) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    party.side().ok_or_else(Refusal::not_found)?;
    row.state.apply(&Act::Object, party.into(), now)?;
    let body = clean_text(text, STATEMENT_CHARS_MAX).map_err(|why| Refusal::field("objection", why.to_string()))?;
    let dispute = open_dispute(&tx, &row).await?;
    let said = StatementRow { party, kind: "objection".into(), body, fields: json!([]), at: now };
    store::speak(&tx, dispute.id, &said).await?;
    let row = trades::change(desk, &tx, row, Act::Object, Who::party(party, account), now).await?;
    desk.keep(tx).await?;
    Ok(row)
}

/// The signing page's content for the payout of the ruling in force. A party that may not sign now is told so.
pub async fn payout_paper(desk: &Desk, reference: PublicRef, account: UserId) -> Done<Paper> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let now = desk.now(&client).await?;
    row.state.apply(&Act::SignPayout { kind: PayoutKind::Ruling }, party.into(), now)?;
    let ruling = in_force(&client, &row).await?.ok_or_else(|| {
        // Withdrawn between the two looks.
        Refusal::conflict(
            "The arbitrator has withdrawn the ruling just now. Nothing was changed; look at the trade again.",
        )
    })?;
    let kind = PayoutKind::Ruling.as_str().to_owned();
    Ok(Paper::Payout { kind, about: Some(ruling.id.0), ruling: Some(signed(ruling)?) })
}

/// The last signed ruling as a file: its SHA-256 is the hash in the signed message.
pub async fn file(desk: &Desk, reference: PublicRef, account: UserId) -> Done<String> {
    let client = desk.store.connection().await?;
    let (row, _) = trades::of_party(&client, reference, account).await?;
    let signed = store::rulings(&client, row.id).await?.into_iter().find(|ruling| ruling.signed_at.is_some());
    Ok(signed.ok_or_else(Refusal::not_found)?.text)
}
