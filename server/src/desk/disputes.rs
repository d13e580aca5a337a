//! Disputes: opened with a reason and a statement, answered, asked about; evidence as the way to pay demands it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::error::{Done, Error};
use super::throttle::{self, MESSAGES_ACCOUNT};
use super::trade_facts::{self, TradeFacts};
use super::trades::{self, Held, Who};
use super::{Desk, room};
use crate::domain::disputing::{Reason, Wanted, owed_by};
use crate::domain::methods::Method;
use crate::domain::refusal::Problems;
use crate::domain::text::{STATEMENT_CHARS_MAX, clean_optional_text, clean_text};
use crate::domain::trade::Act;
use crate::domain::{DisputeId, MethodId, Party, PublicRef, Refusal, RefusalKind, Side, Stage, UserId};
use crate::store::disputes::{self as store, DisputeRow, StatementRow};
use crate::store::{GenericClient, conflicts};

pub use crate::store::disputes::RulingRow;
use crate::store::trades::TradeRow;

/// Things said in one dispute; a page of them can still be read.
const STATEMENTS_MAX: usize = 200;
/// Characters of one answer to a question for evidence.
const EVIDENCE_CHARS_MAX: usize = 2_000;

/// What is typed to open a dispute. `evidence`: answers by the place of their question, from 0.
#[derive(Debug)]
pub struct Opening<'a> {
    pub reason: &'a str,
    pub wanted: &'a str,
    pub statement: &'a str,
    pub evidence: &'a BTreeMap<String, String>,
}

/// A question for evidence with what was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub asked: String,
    pub given: String,
}

/// One thing said.
#[derive(Debug, Clone)]
pub struct Said {
    pub party: Party,
    pub kind: String,
    pub body: String,
    pub evidence: Vec<Given>,
    pub at: Timestamp,
}

/// A dispute with everything around it, as a party may know it.
#[derive(Debug)]
pub struct DisputeFacts {
    pub facts: TradeFacts,
    pub said: Vec<Said>,
    /// Rulings, the newest first; drafts are for the arbitrator only.
    pub rulings: Vec<RulingRow>,
    /// Why the arbitrator should not decide, if he has said so.
    pub conflict: Option<String>,
}

pub async fn of(desk: &Desk, reference: PublicRef, account: UserId) -> Done<DisputeFacts> {
    let facts = trade_facts::of(desk, reference, account).await?;
    if facts.room.is_none() {
        // Not needed yet: for the arbitrator there is nothing here.
        return Err(Refusal::not_found().into());
    }
    let client = desk.store.connection().await?;
    let said = said(&client, &facts.row).await?;
    let mut rulings = store::rulings(&client, facts.row.id).await?;
    rulings.retain(|ruling| facts.party == Party::Arbitrator || ruling.signed_at.is_some());
    let conflict = conflicts::of_trade(&client, facts.row.id).await?.map(|one| one.why);
    Ok(DisputeFacts { facts, said, rulings, conflict })
}

async fn said(client: &impl GenericClient, row: &TradeRow) -> Done<Vec<Said>> {
    let rows = store::said(client, row.id).await?;
    rows.into_iter()
        .map(|row| {
            let evidence = serde_json::from_value(row.fields)?;
            Ok(Said { party: row.party, kind: row.kind, body: row.body, evidence, at: row.at })
        })
        .collect()
}

/// The questions for evidence this side has given nothing for.
pub fn still_owed<'a>(method: &'a Method, side: Side, said: &[Said]) -> Vec<&'a str> {
    let given = |asked: &str| {
        said.iter().filter(|one| one.party == side.into()).flat_map(|one| &one.evidence).any(|one| one.asked == asked)
    };
    owed_by(method, side).iter().map(String::as_str).filter(|asked| !given(asked)).collect()
}

/// Opens a dispute with a statement. Everything wrong with the form is said at once.
pub async fn open(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    seen: &str,
    typed: &Opening<'_>,
) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let side = party.side().ok_or_else(Refusal::not_found)?;
    row.state.apply(&Act::OpenDispute, party.into(), now)?;

    let mut problems = Problems::default();
    let reason = Reason::from_word(typed.reason).filter(|reason| Reason::of_side(side).contains(reason));
    let reason = problems.check("reason", reason.ok_or("Choose what happened."));
    let wanted = problems.check("wanted", Wanted::from_word(typed.wanted).ok_or("Choose how it should end."));
    let statement = problems.check("statement", clean_text(typed.statement, STATEMENT_CHARS_MAX));
    let evidence = given(&row, side, typed.evidence, &mut problems)?;
    let (Some(reason), Some(wanted), Some(body)) = (reason, wanted, statement) else {
        return Err(problems.refusal().into());
    };
    problems.ok()?;

    let dispute = DisputeRow {
        id: DisputeId(Uuid::now_v7()),
        opener: side.as_str().into(),
        reason: reason.as_str().into(),
        wanted: wanted.as_str().into(),
        opened_at: now,
        closed_at: None,
    };
    store::open(&tx, row.id, &dispute).await?;
    let said = StatementRow { party, kind: "statement".into(), body, fields: json!(evidence), at: now };
    store::speak(&tx, dispute.id, &said).await?;
    let row = trades::change(desk, &tx, row, Act::OpenDispute, Who::party(party, account), now).await?;
    desk.keep(tx).await?;
    Ok(row)
}

/// The answers to the questions for evidence; empty ones stay owed.
fn given(row: &TradeRow, side: Side, typed: &BTreeMap<String, String>, problems: &mut Problems) -> Done<Vec<Given>> {
    let mut given = Vec::new();
    for (place, asked) in owed_by(method_of(row)?, side).iter().enumerate() {
        let text = typed.get(&place.to_string()).map_or("", String::as_str);
        let cleaned = clean_optional_text(text, EVIDENCE_CHARS_MAX);
        if let Some(text) = problems.check(format!("evidence-{place}"), cleaned)
            && !text.is_empty()
        {
            given.push(Given { asked: asked.clone(), given: text });
        }
    }
    Ok(given)
}

/// The way to pay of a trade.
pub fn method_of(row: &TradeRow) -> Done<&'static Method> {
    let id = MethodId::parse(&row.method).map_err(|_| Error::broken(format!("method {}", row.method)))?;
    Ok(id.method())
}

/// Says something in an open dispute: an answer, more evidence, or a question of the arbitrator.
pub async fn speak(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    seen: &str,
    text: &str,
    evidence: &BTreeMap<String, String>,
) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    if !matches!(row.state.stage, Stage::Disputed | Stage::Ruled) {
        return Err(Refusal::conflict("There is no open dispute in this trade. Write in the room.").into());
    }
    let dispute = open_dispute(&tx, &row).await?;
    let before = store::said(&tx, row.id).await?;
    if before.len() >= STATEMENTS_MAX {
        return Err(Refusal::field("statement", "Enough has been said in this dispute. Use the room.").into());
    }

    let mut problems = Problems::default();
    let body = problems.check("statement", clean_optional_text(text, STATEMENT_CHARS_MAX));
    let evidence = match party.side() {
        Some(side) => given(&row, side, evidence, &mut problems)?,
        None => Vec::new(),
    };
    let Some(body) = body.filter(|_| problems.is_empty()) else { return Err(problems.refusal().into()) };
    if body.is_empty() && evidence.is_empty() {
        return Err(Refusal::field("statement", "Write something.").into());
    }
    throttle::by_name(desk, &tx, MESSAGES_ACCOUNT, &account.to_string(), now).await?;

    let spoke = before.iter().any(|one| one.party == party);
    let kind = match party {
        Party::Arbitrator => "question",
        _ if !spoke => "answer",
        _ if evidence.is_empty() => "statement",
        _ => "evidence",
    };
    let said = StatementRow { party, kind: kind.into(), body, fields: json!(evidence), at: now };
    store::speak(&tx, dispute.id, &said).await?;
    let row = if party == Party::Arbitrator {
        let words =
            format!("{}, the arbitrator, asks both sides something on the dispute's page.", row.arbitrator_name);
        room::system(&tx, row.id, &words, now).await?;
        row
    } else {
        trades::change(desk, &tx, row, Act::Speak, Who::party(party, account), now).await?
    };
    desk.keep(tx).await?;
    Ok(row)
}

/// The dispute's row that is open.
pub(super) async fn open_dispute(client: &impl GenericClient, row: &TradeRow) -> Done<DisputeRow> {
    let latest = store::latest(client, row.id).await?.filter(|dispute| dispute.closed_at.is_none());
    latest.ok_or_else(|| Error::broken(format!("trade {} is disputed without a dispute", row.reference)))
}

/// Why a dispute cannot be opened now, if so; a stage in which there is never one says nothing.
pub fn closed(facts: &TradeFacts) -> Option<Refusal> {
    let refusal = facts.row.state.apply(&Act::OpenDispute, facts.party.into(), facts.now).err()?;
    Some(Refusal::new(RefusalKind::Conflict, refusal.all_words()))
}
