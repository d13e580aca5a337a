//! The arbitrator's desk: what waits, one dispute with everything beside it, the ruling and its payout.

mod archive;
mod conflict;
mod workplace;

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Serialize;

pub use archive::archive;
pub use conflict::{declare, form as conflict_form};
pub use workplace::WorkplacePage;

use super::disputes::RulingShown;
use super::error::{Answer, status_of};
use super::page::{Page, see_other};
use super::papers;
use super::posted::{Errors, Fields, Posted};
use super::shown::{ago, bitcoin};
use super::site::Site;
use super::times::Moment;
use super::trades::{Sheet, reference, sent, stage_words, upload};
use super::visitor::{Arbitrator, SignedIn};
use crate::desk::arbitration::{self as desk, Waiting};
use crate::desk::disputes::{self, DisputeFacts};
use crate::desk::error::Error;
use crate::desk::rulings::{self, Typed};
use crate::desk::trade_facts::DeadlineRow;
use crate::desk::trades::TradeRow;
use crate::desk::{payouts, trade_facts};
use crate::domain::disputing::Reason;
use crate::domain::trade::PayoutKind;
use crate::domain::{Party, PublicRef, Refusal, RefusalKind, RulingId, Stage};

/// One trade of the queue.
#[derive(Debug, Serialize)]
pub struct WaitingShown {
    pub reference: String,
    pub grouped: String,
    pub href: String,
    pub buyer: String,
    pub seller: String,
    pub amount: String,
    pub fiat: String,
    pub stage: &'static str,
    pub reason: &'static str,
    pub since: Moment,
    pub age: String,
    /// Whose turn it is, in words.
    pub turn: String,
    pub windows: Vec<WindowShown>,
    /// Who is silent though his time to answer is over.
    pub silent: Vec<String>,
    /// Who has not answered the last question.
    pub unanswered: Vec<String>,
    /// Somebody objects to the ruling.
    pub objected: bool,
    pub signed: [bool; 3],
}

/// A window that runs.
#[derive(Debug, Serialize)]
pub struct WindowShown {
    pub what: &'static str,
    pub until: Moment,
    pub over: bool,
    pub then: String,
}

#[derive(Debug, Serialize)]
pub struct QueuePage {
    pub mine: Vec<WaitingShown>,
    pub theirs: Vec<WaitingShown>,
    pub closed: Vec<WaitingShown>,
    pub quiet: usize,
}

impl Page for QueuePage {
    const TEMPLATE: &'static str = "arbitration/queue.html";
}

pub async fn queue(site: web::Data<Site>, who: Arbitrator) -> Answer {
    let queue = desk::queue(&site.desk, who.account.id).await?;
    let unit = who.account.unit.as_str();
    let shown = |waiting: &Waiting| shown(waiting, &queue.deadlines, queue.now, unit);
    let over =
        |row: TradeRow| shown(&Waiting { row, reason: String::new(), opener: String::new(), unanswered: Vec::new() });
    QueuePage {
        mine: queue.mine.iter().map(shown).collect(),
        theirs: queue.theirs.iter().map(shown).collect(),
        closed: queue.closed.iter().cloned().map(over).collect(),
        quiet: queue.quiet,
    }
    .answer(&site, &who.visitor)
}

fn shown(waiting: &Waiting, deadlines: &[DeadlineRow], now: jiff::Timestamp, unit: &str) -> WaitingShown {
    let (row, trade) = (&waiting.row, &waiting.row.state);
    let turn: Vec<&str> = trade
        .turn()
        .into_iter()
        .map(|party| if party == Party::Arbitrator { "you" } else { row.name_of(party) })
        .collect();
    // A refund has no dispute to be worked at: its page is the trade's.
    let place = if trade.dispute.is_some() { "arbitration" } else { "trades" };
    WaitingShown {
        reference: row.reference.to_string(),
        grouped: row.reference.grouped(),
        href: format!("/{place}/{}", row.reference),
        buyer: row.buyer_name.clone(),
        seller: row.seller_name.clone(),
        amount: bitcoin(row.amount, unit),
        fiat: row.fiat_words(),
        stage: stage_words(trade),
        reason: Reason::from_word(&waiting.reason).map_or("", Reason::in_words),
        since: trade.stage_since.into(),
        age: ago(trade.stage_since, now),
        turn: turn.join(", "),
        windows: windows(deadlines.iter().filter(|one| one.trade == row.reference), now),
        silent: desk::silent(row, now).into_iter().map(|side| row.name_of(side.into()).to_owned()).collect(),
        unanswered: waiting.unanswered.iter().map(|side| row.name_of((*side).into()).to_owned()).collect(),
        objected: trade.stage == Stage::Ruled && trade.ruling.as_ref().is_some_and(|ruling| ruling.objected),
        signed: super::trades::dots(trade),
    }
}

fn windows<'a>(running: impl Iterator<Item = &'a DeadlineRow>, now: jiff::Timestamp) -> Vec<WindowShown> {
    let name = |word: &str| match word {
        "answer" => "Answer",
        "ruling" => "Ruling",
        "objection" => "Objection",
        "cosignature" => "Co-signature",
        _ => "Window",
    };
    running
        .map(|one| WindowShown {
            what: name(one.what.as_str()),
            until: one.due_at.into(),
            over: now >= one.due_at,
            then: one.at_zero.clone(),
        })
        .collect()
}

async fn found(site: &Site, who: &Arbitrator, reference: PublicRef) -> Result<DisputeFacts, Error> {
    let found = disputes::of(&site.desk, reference, who.account.id).await?;
    if found.facts.party != Party::Arbitrator {
        return Err(Refusal::not_found().into());
    }
    Ok(found)
}

pub async fn workplace(site: web::Data<Site>, who: Arbitrator, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let found = found(&site, &who, reference).await?;
    if found.facts.dispute.is_none() {
        // Only a refund is asked for: that is signed on the trade's own page.
        return Ok(see_other(format!("/trades/{reference}")));
    }
    let typed = Fields::default().with("unit", "percent");
    WorkplacePage::new(found, &who.account.unit, typed, Errors::default())?.answer(&site, &who.visitor)
}

/// The workplace with what was typed and what is wrong with it.
pub fn again(
    site: &Site,
    who: &SignedIn,
    found: DisputeFacts,
    typed: Fields,
    errors: Errors,
    status: StatusCode,
) -> Answer {
    WorkplacePage::new(found, &who.account.unit, typed, errors)?.answer_with(status, site, &who.visitor)
}

fn as_signed_in(who: &Arbitrator) -> SignedIn {
    SignedIn { account: who.account.clone(), visitor: who.visitor.clone() }
}

pub async fn draft(site: web::Data<Site>, who: Arbitrator, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, fields) = (reference(&path)?, &posted.fields);
    let ticked: Vec<&str> = fields.all("hash").collect();
    let typed = Typed {
        outcome: fields.text("outcome").to_owned(),
        unit: fields.text("unit").to_owned(),
        buyer: fields.text("buyer").to_owned(),
        seller: fields.text("seller").to_owned(),
        facts: fields.raw("facts").to_owned(),
        reasons: fields.raw("reasons").to_owned(),
        evidence: format!("{} {}", ticked.join(" "), fields.raw("evidence")),
    };
    match rulings::draft(&site.desk, reference, who.account.id, fields.text("version"), &typed).await {
        Ok(id) => Ok(see_other(format!("/arbitration/{reference}/rulings/{id}"))),
        Err(error) => workplace_again(&site, &who, reference, posted.fields, error).await,
    }
}

async fn workplace_again(site: &Site, who: &Arbitrator, reference: PublicRef, typed: Fields, error: Error) -> Answer {
    let refusal = match error {
        Error::Refused(refusal) if refusal.kind != RefusalKind::NotFound => refusal,
        other => return Err(other.into()),
    };
    let found = found(site, who, reference).await?;
    again(site, &as_signed_in(who), found, typed, Errors::from(&refusal), status_of(refusal.kind))
}

pub async fn withdraw(site: web::Data<Site>, who: Arbitrator, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = reference(&path)?;
    match rulings::withdraw(&site.desk, reference, who.account.id, posted.fields.text("version")).await {
        Ok(_) => Ok(see_other(format!("/arbitration/{reference}"))),
        Err(error) => {
            let typed = Fields::default().with("unit", "percent");
            workplace_again(&site, &who, reference, typed, error).await
        }
    }
}

/// A draft: exactly what would be signed, and what it would pay.
#[derive(Debug, Serialize)]
pub struct DraftPage {
    pub grouped: String,
    pub ruling: RulingShown,
}

impl Page for DraftPage {
    const TEMPLATE: &'static str = "arbitration/draft.html";
}

fn draft_id(text: &str) -> Result<RulingId, Refusal> {
    text.parse().map(RulingId).map_err(|_| Refusal::not_found())
}

pub async fn drafted(site: web::Data<Site>, who: Arbitrator, path: web::Path<(String, String)>) -> Answer {
    let (reference, id) = (reference(&path.0)?, draft_id(&path.1)?);
    let drafted = rulings::drafted(&site.desk, reference, who.account.id, id).await?;
    let ruling = RulingShown::new(&drafted, &who.account.unit);
    DraftPage { grouped: reference.grouped(), ruling }.answer(&site, &who.visitor)
}

fn ruling_sheet(reference: PublicRef, id: RulingId) -> Sheet {
    let place = format!("/arbitration/{reference}/rulings/{id}");
    Sheet {
        title: "Sign the ruling".into(),
        words: "You sign the ruling's text as a message. No coins move by it; both traders see it at once.".into(),
        warning: "You can withdraw the ruling until you sign its payout.".into(),
        button: "Make this the ruling".into(),
        action: format!("{place}/signature"),
        files: format!("{place}/signature/files"),
        back: place,
        ticks: Vec::new(),
    }
}

pub async fn signature_form(site: web::Data<Site>, who: Arbitrator, path: web::Path<(String, String)>) -> Answer {
    let (reference, id) = (reference(&path.0)?, draft_id(&path.1)?);
    let paper = rulings::paper(&site.desk, reference, who.account.id, id).await?;
    papers::show(&site, &as_signed_in(&who), reference, &paper, ruling_sheet(reference, id)).await
}

pub async fn sign(site: web::Data<Site>, who: Arbitrator, path: web::Path<(String, String)>, posted: Posted) -> Answer {
    let (reference, id, me) = (reference(&path.0)?, draft_id(&path.1)?, who.account.id);
    let paper = rulings::paper(&site.desk, reference, me, id).await?;
    let done = rulings::sign(&site.desk, reference, me, posted.fields.text("version"), id, &upload(&posted)).await;
    let page = (paper, ruling_sheet(reference, id), format!("/arbitration/{reference}"));
    papers::took(&site, &as_signed_in(&who), reference, &posted, page, done).await
}

pub async fn signature_psbt(
    site: web::Data<Site>,
    who: Arbitrator,
    path: web::Path<(String, String, usize)>,
) -> Answer {
    let (reference, id) = (reference(&path.0)?, draft_id(&path.1)?);
    let paper = rulings::paper(&site.desk, reference, who.account.id, id).await?;
    papers::file(&site, &as_signed_in(&who), reference, &paper, path.2).await
}

fn payout_sheet(reference: PublicRef) -> Sheet {
    Sheet {
        title: "Sign the ruling's payout".into(),
        words: "Your signature and that of one trader carry out the ruling.".into(),
        warning: "From now on the ruling cannot be withdrawn: your signature stays valid for ever.".into(),
        button: "Sign the payout".into(),
        action: format!("/arbitration/{reference}/payout"),
        back: format!("/arbitration/{reference}"),
        ticks: Vec::new(),
        files: format!("/arbitration/{reference}/payout/files"),
    }
}

/// Nobody but the arbitrator of this very trade; to everybody else there is nothing here.
async fn own(site: &Site, who: &Arbitrator, path: &str) -> Result<PublicRef, Error> {
    let reference = reference(path)?;
    match trade_facts::party(&site.desk, reference, who.account.id).await? {
        (row, Party::Arbitrator) if row.state.dispute.is_some() => Ok(reference),
        _ => Err(Refusal::not_found().into()),
    }
}

pub async fn payout_form(site: web::Data<Site>, who: Arbitrator, path: web::Path<String>) -> Answer {
    let reference = own(&site, &who, &path).await?;
    let paper = rulings::payout_paper(&site.desk, reference, who.account.id).await?;
    papers::show(&site, &as_signed_in(&who), reference, &paper, payout_sheet(reference)).await
}

pub async fn sign_payout(site: web::Data<Site>, who: Arbitrator, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = own(&site, &who, &path).await?;
    let paper = rulings::payout_paper(&site.desk, reference, who.account.id).await?;
    let seen = posted.fields.text("version");
    let done = payouts::sign(&site.desk, reference, who.account.id, seen, PayoutKind::Ruling, sent(&posted)).await;
    let page = (paper, payout_sheet(reference), format!("/arbitration/{reference}"));
    papers::took(&site, &as_signed_in(&who), reference, &posted, page, done).await
}

pub async fn payout_psbt(site: web::Data<Site>, who: Arbitrator, path: web::Path<(String, usize)>) -> Answer {
    let reference = own(&site, &who, &path.0).await?;
    let paper = rulings::payout_paper(&site.desk, reference, who.account.id).await?;
    papers::file(&site, &as_signed_in(&who), reference, &paper, path.1).await
}
