//! Disputes as the traders see them: open one, say one's side, read the ruling, accept it, object, co-sign.

mod shown;

use actix_web::web;
use serde::Serialize;

pub use shown::{DisputeShown, RulingShown, SideShown};

use super::error::{Answer, status_of};
use super::page::{Page, see_other};
use super::papers;
use super::posted::{Errors, Fields, Posted};
use super::shown::Choice;
use super::site::Site;
use super::trades::{Sheet, file, reference, ruling_fits, sent};
use super::visitor::SignedIn;
use crate::desk::disputes::{self as desk, DisputeFacts, Opening};
use crate::desk::error::Error;
use crate::desk::room::RoomView;
use crate::desk::trades::TradeRow;
use crate::desk::{payouts, rulings, trade_facts, trades};
use crate::domain::disputing::{Reason, Wanted, owed_by};
use crate::domain::trade::{Act, PayoutKind};
use crate::domain::{Party, PublicRef, Refusal, RefusalKind, Side, Stage};

/// The form to open a dispute.
#[derive(Debug, Serialize)]
pub struct OpeningPage {
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub other: String,
    pub arbitrator: String,
    pub answer_hours: u32,
    pub ruling_hours: u32,
    /// Why none can be opened now, if so.
    pub closed: String,
    pub reasons: Vec<Choice>,
    pub wanted: Vec<Choice>,
    /// What the way to pay asks this side for.
    pub evidence: Vec<String>,
    pub room: Option<RoomView>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for OpeningPage {
    const TEMPLATE: &'static str = "disputes/opening.html";
}

/// An open dispute, or one that is over.
#[derive(Debug, Serialize)]
pub struct DisputePage {
    pub dispute: DisputeShown,
    pub room: Option<RoomView>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for DisputePage {
    const TEMPLATE: &'static str = "disputes/dispute.html";
}

pub async fn page(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let found = desk::of(&site.desk, reference, who.account.id).await?;
    match found.facts.party.side() {
        None => Ok(see_other(format!("/arbitration/{reference}"))),
        Some(_) if found.facts.dispute.is_some() => {
            dispute_page(found, &who, Fields::default(), Errors::default())?.answer(&site, &who.visitor)
        }
        Some(side) => opening_page(found, side, Fields::default(), Errors::default())?.answer(&site, &who.visitor),
    }
}

fn opening_page(found: DisputeFacts, side: Side, typed: Fields, errors: Errors) -> Result<OpeningPage, Error> {
    let closed = desk::closed(&found.facts).map(|refusal| refusal.all_words()).unwrap_or_default();
    let row = &found.facts.row;
    Ok(OpeningPage {
        reference: row.reference.to_string(),
        grouped: row.reference.grouped(),
        version: row.state.version,
        other: row.name_of(side.other().into()).to_owned(),
        arbitrator: row.arbitrator_name.clone(),
        answer_hours: row.state.windows.answer_minutes / 60,
        ruling_hours: row.state.windows.ruling_minutes / 60,
        closed,
        reasons: chosen(Reason::of_side(side).iter().map(|one| Choice::new(one.as_str(), one.in_words()))),
        wanted: chosen(Wanted::ALL.iter().map(|one| Choice::new(one.as_str(), one.in_words()))),
        evidence: owed_by(desk::method_of(row)?, side).to_vec(),
        room: found.facts.room,
        typed,
        errors,
    })
}

/// Nothing is chosen before somebody chooses.
fn chosen(choices: impl Iterator<Item = Choice>) -> Vec<Choice> {
    std::iter::once(Choice::new("", "Choose …")).chain(choices).collect()
}

fn dispute_page(found: DisputeFacts, who: &SignedIn, typed: Fields, errors: Errors) -> Result<DisputePage, Error> {
    let dispute = DisputeShown::new(&found, &who.account.unit)?;
    Ok(DisputePage { dispute, room: found.facts.room, typed, errors })
}

pub async fn open(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, fields) = (reference(&path)?, &posted.fields);
    let evidence = fields.with_prefix("evidence-");
    let opening = Opening {
        reason: fields.text("reason"),
        wanted: fields.text("wanted"),
        statement: fields.raw("statement"),
        evidence: &evidence,
    };
    match desk::open(&site.desk, reference, who.account.id, fields.text("version"), &opening).await {
        Ok(_) => Ok(see_other(format!("/trades/{reference}/dispute"))),
        Err(error) => refused(&site, &who, reference, posted.fields, error).await,
    }
}

/// An answer, more evidence, or a question of the arbitrator.
pub async fn speak(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, fields) = (reference(&path)?, &posted.fields);
    let evidence = fields.with_prefix("evidence-");
    let seen = fields.text("version");
    match desk::speak(&site.desk, reference, who.account.id, seen, fields.raw("statement"), &evidence).await {
        Ok(_) => Ok(see_other(format!("/trades/{reference}/dispute"))),
        Err(error) => refused(&site, &who, reference, posted.fields, error).await,
    }
}

/// The page the form stood on, with what was typed and what is wrong with it.
async fn refused(site: &Site, who: &SignedIn, reference: PublicRef, typed: Fields, error: Error) -> Answer {
    let refusal = match error {
        Error::Refused(refusal) if refusal.kind != RefusalKind::NotFound => refusal,
        other => return Err(other.into()),
    };
    let (status, errors) = (status_of(refusal.kind), Errors::from(&refusal));
    let Ok(found) = desk::of(&site.desk, reference, who.account.id).await else { return Err(refusal.into()) };
    match found.facts.party.side() {
        None => super::arbitration::again(site, who, found, typed, errors, status),
        Some(_) if found.facts.dispute.is_some() => {
            dispute_page(found, who, typed, errors)?.answer_with(status, site, &who.visitor)
        }
        Some(side) => opening_page(found, side, typed, errors)?.answer_with(status, site, &who.visitor),
    }
}

/// The ruling, and what a trader can do about it.
#[derive(Debug, Serialize)]
pub struct RulingPage {
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub ruling: RulingShown,
    pub can_accept: bool,
    pub can_object: bool,
    pub can_sign: bool,
    /// It is in force and cannot be paid out of what is left in escrow.
    pub too_much: bool,
    /// The ruling pays this viewer, or pays him more.
    pub favoured: bool,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for RulingPage {
    const TEMPLATE: &'static str = "disputes/ruling.html";
}

async fn ruling_page(
    site: &Site,
    who: &SignedIn,
    reference: PublicRef,
    typed: Fields,
    errors: Errors,
) -> Result<RulingPage, Error> {
    let (made, party) = rulings::made(&site.desk, reference, who.account.id).await?;
    let (state, actor) = (&made.row.state, party.into());
    let may = |act: &Act| made.ruling.in_force() && state.apply(act, actor, made.now).is_ok();
    let facts = trade_facts::beside_the_room(&site.desk, reference, who.account.id).await?;
    let too_much = facts.row.state.stage == Stage::Ruled && !ruling_fits(&facts);
    Ok(RulingPage {
        reference: reference.to_string(),
        grouped: reference.grouped(),
        version: state.version,
        can_accept: may(&Act::AcceptRuling)
            && state.ruling.as_ref().is_some_and(|ruling| made.now < ruling.objection_by)
            && party.side().is_some_and(|side| !state.agrees_with_ruling(side))
            && !too_much,
        can_object: may(&Act::Object),
        can_sign: may(&Act::SignPayout { kind: PayoutKind::Ruling }) && !too_much,
        too_much,
        favoured: party == made.parts.favours().into(),
        ruling: RulingShown::new(&made, &who.account.unit),
        typed,
        errors,
    })
}

pub async fn ruling(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    if trade_facts::party(&site.desk, reference, who.account.id).await?.1 == Party::Arbitrator {
        return Ok(see_other(format!("/arbitration/{reference}")));
    }
    let page = ruling_page(&site, &who, reference, Fields::default(), Errors::default()).await?;
    page.answer(&site, &who.visitor)
}

/// Exactly the signed bytes.
pub async fn ruling_file(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let text = rulings::file(&site.desk, reference, who.account.id).await?;
    Ok(file(&format!("trine-{reference}-ruling.json"), "application/json", text.into_bytes()))
}

pub async fn accept_ruling(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, seen) = (reference(&path)?, posted.fields.text("version"));
    match trades::act(&site.desk, reference, who.account.id, seen, Act::AcceptRuling).await {
        Ok(_) => Ok(see_other(format!("/trades/{reference}/ruling"))),
        Err(error) => ruling_again(&site, &who, reference, &posted, error).await,
    }
}

pub async fn object(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, seen) = (reference(&path)?, posted.fields.text("version"));
    let text = posted.fields.raw("objection");
    match rulings::object(&site.desk, reference, who.account.id, seen, text).await {
        Ok(_) => Ok(see_other(format!("/trades/{reference}/ruling"))),
        Err(error) => ruling_again(&site, &who, reference, &posted, error).await,
    }
}

async fn ruling_again(site: &Site, who: &SignedIn, reference: PublicRef, posted: &Posted, error: Error) -> Answer {
    let refusal = match error {
        Error::Refused(refusal) if refusal.kind != RefusalKind::NotFound => refusal,
        other => return Err(other.into()),
    };
    let page = ruling_page(site, who, reference, posted.fields.clone(), Errors::from(&refusal)).await;
    match page {
        Ok(page) => page.answer_with(status_of(refusal.kind), site, &who.visitor),
        // No ruling was ever made: there is no page to say it on.
        Err(_) => Err(refusal.into()),
    }
}

fn cosignature_sheet(row: &TradeRow, party: Party) -> Result<Sheet, Refusal> {
    party.side().ok_or_else(Refusal::not_found)?;
    let reference = row.reference;
    Ok(Sheet {
        title: "Co-sign the ruling's payout".into(),
        words: format!(
            "The coins move with two signatures: yours and that of {}, who signs when the time to object is over.",
            row.arbitrator_name
        ),
        warning: "Your signature stays valid for ever. Give it only if you take what the ruling gives you.".into(),
        button: "Send my signature".into(),
        action: format!("/trades/{reference}/ruling/cosignature"),
        back: format!("/trades/{reference}/ruling"),
        ticks: Vec::new(),
        files: format!("/trades/{reference}/ruling/cosignature/files"),
    })
}

pub async fn cosignature_form(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let (row, party) = trade_facts::party(&site.desk, reference, who.account.id).await?;
    let sheet = cosignature_sheet(&row, party)?;
    let paper = rulings::payout_paper(&site.desk, reference, who.account.id).await?;
    papers::show(&site, &who, reference, &paper, sheet).await
}

pub async fn cosign(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, me) = (reference(&path)?, who.account.id);
    let (row, party) = trade_facts::party(&site.desk, reference, me).await?;
    let sheet = cosignature_sheet(&row, party)?;
    let paper = rulings::payout_paper(&site.desk, reference, me).await?;
    let seen = posted.fields.text("version");
    let done = payouts::sign(&site.desk, reference, me, seen, PayoutKind::Ruling, sent(&posted)).await;
    papers::took(&site, &who, reference, &posted, (paper, sheet, format!("/trades/{reference}")), done).await
}

pub async fn cosignature_psbt(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, usize)>) -> Answer {
    let reference = reference(&path.0)?;
    let paper = rulings::payout_paper(&site.desk, reference, who.account.id).await?;
    papers::file(&site, &who, reference, &paper, path.1).await
}
