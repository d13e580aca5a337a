//! A payout on its way: its fee, what the node says of it, a higher fee, and signatures for further ones.

use actix_web::web;
use serde::Serialize;

use super::reference;
use super::sheets::{Sheet, sent};
use crate::desk::fees::FeeView;
use crate::desk::signing::Line;
use crate::desk::trades::TradeRow;
use crate::desk::under_way::{self, Step, UnderWay};
use crate::desk::{handover, trade_facts};
use crate::domain::money::sats_grouped;
use crate::domain::trade::{LINGERS_AFTER_BLOCKS, Outcome, PayoutKind};
use crate::domain::{Party, PublicRef, Refusal, Side, Stage};
use crate::web::error::Answer;
use crate::web::page::{Page, see_other};
use crate::web::papers;
use crate::web::posted::Posted;
use crate::web::site::Site;
use crate::web::times::Moment;
use crate::web::visitor::SignedIn;

/// What the node said of something that was handed over.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// In words; empty when it was taken.
    pub refusal: String,
    /// The node's own reason.
    pub reason: String,
    pub attempts: i32,
    pub next: Option<Moment>,
    pub since: Moment,
}

/// One transaction of the payout.
#[derive(Debug, Serialize)]
pub struct StepLine {
    pub fee: FeeView,
    pub txid: String,
    pub lines: Vec<Line>,
    /// Who has signed it.
    pub signed: String,
    pub state: &'static str,
    pub current: bool,
    pub told: Option<Told>,
    /// This viewer can have it sent now.
    pub can: bool,
    /// Why not.
    pub why: String,
}

/// A child that somebody brought.
#[derive(Debug, Serialize)]
pub struct ChildLine {
    pub by: String,
    pub fee: String,
    pub txid: String,
    pub told: Option<Told>,
}

#[derive(Debug, Serialize)]
pub struct PayoutPage {
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub title: &'static str,
    pub words: String,
    /// Who bears the fee, and who may raise it.
    pub bearers: String,
    pub said: Vec<String>,
    pub running: bool,
    pub steps: Vec<StepLine>,
    pub children: Vec<ChildLine>,
    pub owns_output: bool,
    pub to_sign: bool,
    pub further: bool,
}

impl Page for PayoutPage {
    const TEMPLATE: &'static str = "trades/payout.html";
}

impl PayoutPage {
    fn new(under_way: UnderWay) -> Self {
        let UnderWay { row, party, kind, steps, waited, bearers, words, children, owns_output, to_sign, further } =
            under_way;
        let said = words
            .iter()
            .map(|word| format!("{} agrees to {} sat.", name(&row, party, word.side.into()), sats_grouped(word.fee)))
            .collect();
        Self {
            reference: row.reference.to_string(),
            grouped: row.reference.grouped(),
            version: row.state.version,
            title: match kind {
                PayoutKind::Release => "The release on its way",
                PayoutKind::Refund => "The refund on its way",
                PayoutKind::Settlement => "The settlement on its way",
                PayoutKind::Ruling => "The ruling's payout on its way",
            },
            words: where_it_stands(&row, &steps, waited),
            bearers: who_decides(&row, party, &bearers),
            said,
            running: row.state.stage == Stage::PayingOut,
            steps: steps.into_iter().map(|step| StepLine::new(&row, party, step)).collect(),
            children: children
                .into_iter()
                .map(|(child, told)| ChildLine {
                    by: name(&row, party, child.party),
                    fee: sats_grouped(child.fee),
                    txid: child.txid.to_string(),
                    told: told.map(Told::from),
                })
                .collect(),
            owns_output,
            to_sign,
            further,
        }
    }
}

fn name(row: &TradeRow, viewer: Party, party: Party) -> String {
    if party == viewer { "You".into() } else { row.name_of(party).to_owned() }
}

fn where_it_stands(row: &TradeRow, steps: &[Step], waited: u32) -> String {
    if row.state.outcome == Some(Outcome::Lost) {
        return "What it was to spend is lost with the deposit. Nothing was paid out.".into();
    }
    if row.state.stage == Stage::Completed {
        return "It is confirmed. Nothing more can be done, and nothing needs to be.".into();
    }
    let current = steps.iter().find(|step| step.current);
    let refused = current.and_then(|step| step.handover.as_ref()).is_some_and(|told| told.refusal.is_some());
    if refused {
        return "It is signed, but the node does not take it as it is. Below stands why, and what helps.".into();
    }
    let confirmations = row.state.confirmations;
    let paid = format!("It counts as paid with {confirmations} confirmations.");
    match (current.map(|step| step.seen), waited) {
        (Some(true), waited) if waited >= LINGERS_AFTER_BLOCKS => {
            format!(
                "It has waited for {waited} blocks. Either of you can have it sent with the next higher fee now. {paid}"
            )
        }
        (Some(true), 0) => format!("It waits for the next block. {paid}"),
        (Some(true), waited) => format!("It was handed to the network {waited} blocks ago. {paid}"),
        _ if steps.iter().any(|step| step.seen) => {
            format!("Another transaction of this payout was seen on the network and may confirm instead. {paid}")
        }
        _ => format!("It is signed and is being handed to the network. {paid}"),
    }
}

fn who_decides(row: &TradeRow, viewer: Party, bearers: &[Side]) -> String {
    let wait = format!("After {LINGERS_AFTER_BLOCKS} blocks of waiting the next higher fee needs nobody's word.");
    match bearers {
        [one] if Party::from(*one) == viewer => format!("You bear the miner fee, so you decide about it. {wait}"),
        [one] => format!("{} bears the miner fee and decides about it. {wait}", row.name_of(Party::from(*one))),
        _ => format!("Both bear the miner fee in proportion: a higher one needs the word of both. {wait}"),
    }
}

impl StepLine {
    fn new(row: &TradeRow, viewer: Party, step: Step) -> Self {
        let name = |party: &Party| if *party == viewer { "you" } else { row.name_of(*party) };
        let signed: Vec<&str> = step.signed_by.iter().map(name).collect();
        let refused = step.handover.as_ref().is_some_and(|told| told.refusal.is_some());
        let running = row.state.stage == Stage::PayingOut;
        let lost = row.state.outcome == Some(Outcome::Lost);
        Self {
            state: match (running, step.current, step.seen) {
                _ if lost => "",
                (false, _, true) => "confirmed",
                (true, _, true) => "on the network",
                (true, true, false) if refused => "not taken",
                (true, true, false) => "being sent",
                _ => "",
            },
            signed: if signed.is_empty() { "nobody yet".into() } else { signed.join(" and ") },
            txid: step.txid.to_string(),
            current: step.current,
            told: step.handover.map(Told::from),
            can: running && !step.current && step.refused.is_none(),
            why: if !running || step.current {
                String::new()
            } else {
                step.refused.map(|why| why.words).unwrap_or_default()
            },
            lines: step.lines,
            fee: step.fee,
        }
    }
}

impl From<trade_facts::HandoverRow> for Told {
    fn from(row: trade_facts::HandoverRow) -> Self {
        let reason = row.refusal.unwrap_or_default();
        Self {
            refusal: if reason.is_empty() { String::new() } else { handover::in_words(&reason).into() },
            reason,
            attempts: row.attempts,
            next: row.next_at.map(Moment::from),
            since: row.first_at.into(),
        }
    }
}

pub async fn payout(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let under_way = under_way::of(&site.desk, reference(&path)?, who.account.id).await?;
    PayoutPage::new(under_way).answer(&site, &who.visitor)
}

fn back(reference: PublicRef) -> String {
    format!("/trades/{reference}/payout")
}

pub async fn raise_fee(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = reference(&path)?;
    let seen = posted.fields.text("version");
    let fee = sent(&posted).fee.ok_or_else(|| Refusal::field("fee", "Choose one of the miner fees on this page."));
    // A stranger learns nothing from what was typed.
    trade_facts::party(&site.desk, reference, who.account.id).await?;
    under_way::raise(&site.desk, reference, who.account.id, seen, fee?).await?;
    Ok(see_other(back(reference)))
}

pub async fn make_further(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = reference(&path)?;
    under_way::make_further(&site.desk, reference, who.account.id, posted.fields.text("version")).await?;
    Ok(see_other(back(reference)))
}

fn further_sheet(reference: PublicRef) -> Sheet {
    Sheet {
        title: "Sign with higher miner fees".into(),
        words: "The same payout to the same addresses, with more for the miners. Nothing is sent by your signature: who bears the fee still decides, or the wait does.".into(),
        warning: String::new(),
        button: "Send my signatures".into(),
        action: format!("/trades/{reference}/payout/signature"),
        back: back(reference),
        ticks: Vec::new(),
        files: format!("/trades/{reference}/payout/signature/files"),
    }
}

pub async fn further_form(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let paper = under_way::paper(&site.desk, reference, who.account.id).await?;
    papers::show(&site, &who, reference, &paper, further_sheet(reference)).await
}

pub async fn sign_further(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, me) = (reference(&path)?, who.account.id);
    let paper = under_way::paper(&site.desk, reference, me).await?;
    let done = under_way::sign(&site.desk, reference, me, posted.fields.text("version"), sent(&posted)).await;
    let page = (paper, further_sheet(reference), back(reference));
    papers::took(&site, &who, reference, &posted, page, done).await
}

pub async fn further_psbt(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, usize)>) -> Answer {
    let reference = reference(&path.0)?;
    let paper = under_way::paper(&site.desk, reference, who.account.id).await?;
    papers::file(&site, &who, reference, &paper, path.1).await
}
