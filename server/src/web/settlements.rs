//! Settlements: propose a split, see what the other proposes, accept with a signature, complete.

use actix_web::web;
use serde::Serialize;

use super::divided::{self, PartsShown, StepShown};
use super::error::{Answer, status_of};
use super::page::{Page, see_other};
use super::papers;
use super::posted::{Errors, Fields, Posted};
use super::shown::{Choice, bitcoin};
use super::site::Site;
use super::times::Moment;
use super::trades::{Sheet, Tick, reference, sent, ticked};
use super::visitor::SignedIn;
use crate::desk::error::Error;
use crate::desk::settlements::{self as desk, Proposal, Settlements, Typed};
use crate::desk::signing::Paper;
use crate::desk::splits::Step;
use crate::desk::trades::TradeRow;
use crate::desk::{payouts, trade_facts};
use crate::domain::parts::Parts;
use crate::domain::trade::PayoutKind;
use crate::domain::{Party, PublicRef, RefusalKind, SettlementId, Stage};

/// A proposal that stands.
#[derive(Debug, Serialize)]
pub struct ProposalShown {
    pub by_me: bool,
    pub proposer: String,
    pub parts: PartsShown,
    pub steps: Vec<StepShown>,
    pub note: String,
    pub at: Moment,
}

/// What a typed split was understood as.
#[derive(Debug, Serialize)]
pub struct Understood {
    pub parts: PartsShown,
    pub steps: Vec<StepShown>,
}

#[derive(Debug, Serialize)]
pub struct SettlementPage {
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub role: &'static str,
    pub buyer: String,
    pub seller: String,
    pub arbitrator: String,
    pub pot: String,
    /// The accepted one: the only one from then on.
    pub accepted: Option<ProposalShown>,
    /// This viewer completes it now.
    pub can_complete: bool,
    pub complete_from: Option<Moment>,
    pub disputed: bool,
    pub mine: Option<ProposalShown>,
    pub theirs: Option<ProposalShown>,
    /// Why nothing can be proposed.
    pub closed: String,
    pub units: Vec<Choice>,
    pub understood: Option<Understood>,
    pub alive: Vec<String>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for SettlementPage {
    const TEMPLATE: &'static str = "settlements/settlement.html";
}

impl SettlementPage {
    fn new(found: Settlements, unit: &str) -> Self {
        let (row, party, trade) = (&found.row, found.party, &found.row.state);
        let mut page = Self {
            reference: row.reference.to_string(),
            grouped: row.reference.grouped(),
            version: trade.version,
            role: party.as_str(),
            buyer: row.buyer_name.clone(),
            seller: row.seller_name.clone(),
            arbitrator: row.arbitrator_name.clone(),
            pot: bitcoin(found.pot, unit),
            accepted: None,
            can_complete: false,
            complete_from: trade.settlement.as_ref().map(|accepted| accepted.arbitrator_from.into()),
            disputed: trade.stage == Stage::Disputed,
            mine: None,
            theirs: None,
            closed: found.closed.as_ref().map(|refusal| refusal.all_words()).unwrap_or_default(),
            units: divided::units(),
            understood: None,
            alive: found.alive,
            typed: Fields::default().with("unit", "percent"),
            errors: Errors::default(),
        };
        page.can_complete = trade.settlement.as_ref().is_some_and(|accepted| {
            let arbitrators_turn = party == Party::Arbitrator && page.disputed && found.now >= accepted.arbitrator_from;
            trade.paying_out.is_none() && (party == accepted.proposer.into() || arbitrators_turn)
        });
        for proposal in found.proposals {
            let by_me = party == proposal.proposer.into();
            let shown = shown(&proposal, row, by_me, unit);
            match (proposal.accepted, by_me) {
                (true, _) => page.accepted = Some(shown),
                (false, true) => page.mine = Some(shown),
                (false, false) => page.theirs = Some(shown),
            }
        }
        page
    }

    fn understood(mut self, parts: Parts, steps: &[Step], unit: &str) -> Self {
        let (parts, steps) = (PartsShown::new(parts, unit), divided::steps(steps, unit));
        self.understood = Some(Understood { parts, steps });
        self
    }
}

fn shown(proposal: &Proposal, row: &TradeRow, by_me: bool, unit: &str) -> ProposalShown {
    ProposalShown {
        by_me,
        proposer: row.name_of(proposal.proposer.into()).to_owned(),
        parts: PartsShown::new(proposal.parts, unit),
        steps: divided::steps(&proposal.steps, unit),
        note: proposal.note.clone(),
        at: proposal.at.into(),
    }
}

pub async fn page(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let found = desk::of(&site.desk, reference(&path)?, who.account.id).await?;
    SettlementPage::new(found, &who.account.unit).answer(&site, &who.visitor)
}

/// `do=look` only shows what was understood; everything else proposes.
pub async fn propose(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, fields, me) = (reference(&path)?, &posted.fields, who.account.id);
    let typed = Typed {
        unit: fields.text("unit"),
        buyer: fields.text("buyer"),
        seller: fields.text("seller"),
        note: fields.raw("note"),
    };
    let unit = who.account.unit.as_str();
    let refusal = if fields.text("do") == "look" {
        match desk::understood(&site.desk, reference, me, &typed).await {
            Ok((parts, steps)) => {
                let mut page = SettlementPage::new(desk::of(&site.desk, reference, me).await?, unit);
                page.typed = fields.clone();
                return page.understood(parts, &steps, unit).answer(&site, &who.visitor);
            }
            Err(error) => error,
        }
    } else {
        match desk::propose(&site.desk, reference, me, fields.text("version"), &typed).await {
            Ok(_) => return Ok(see_other(format!("/trades/{reference}/settlement"))),
            Err(error) => error,
        }
    };
    refused(&site, &who, reference, posted.fields, refusal).await
}

pub async fn withdraw(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = reference(&path)?;
    match desk::withdraw(&site.desk, reference, who.account.id, posted.fields.text("version")).await {
        Ok(()) => Ok(see_other(format!("/trades/{reference}/settlement"))),
        Err(error) => refused(&site, &who, reference, Fields::default().with("unit", "percent"), error).await,
    }
}

async fn refused(site: &Site, who: &SignedIn, reference: PublicRef, typed: Fields, error: Error) -> Answer {
    match error {
        Error::Refused(refusal) if refusal.kind != RefusalKind::NotFound => {
            let mut page =
                SettlementPage::new(desk::of(&site.desk, reference, who.account.id).await?, &who.account.unit);
            (page.typed, page.errors) = (typed, Errors::from(&refusal));
            page.answer_with(status_of(refusal.kind), site, &who.visitor)
        }
        other => Err(other.into()),
    }
}

fn paper(id: SettlementId) -> Paper {
    Paper::Payout { kind: PayoutKind::Settlement.as_str().to_owned(), about: Some(id.0), ruling: None }
}

fn acceptance_sheet(row: &TradeRow, party: Party) -> Sheet {
    let reference = row.reference;
    let other = if party == Party::Buyer { &row.seller_name } else { &row.buyer_name };
    let buyer = party == Party::Buyer;
    let warning = if buyer {
        "Your acceptance is final: your signature stays valid for ever. Never pay in this trade from now on."
    } else {
        "Your acceptance is final: your signature stays valid for ever, and no other payout is asked for any more."
    };
    let tick = |name, label: &str| Tick { name, label: label.into() };
    Sheet {
        title: "Accept the settlement".into(),
        words: format!(
            "Your signature accepts exactly this split. {other} completes it; if {other} does not, in a dispute {} can.",
            row.arbitrator_name
        ),
        warning: warning.into(),
        button: "Accept and sign".into(),
        action: format!("/trades/{reference}/settlement/acceptance"),
        back: format!("/trades/{reference}/settlement"),
        ticks: buyer.then(|| tick("final", "I will not pay in this trade from now on.")).into_iter().collect(),
        files: format!("/trades/{reference}/settlement/acceptance/files"),
    }
}

pub async fn acceptance_form(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let proposal = desk::to_accept(&site.desk, reference, who.account.id).await?;
    let (row, party) = trade_facts::party(&site.desk, reference, who.account.id).await?;
    papers::show(&site, &who, reference, &paper(proposal.id), acceptance_sheet(&row, party)).await
}

pub async fn accept(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, me) = (reference(&path)?, who.account.id);
    let (row, party) = trade_facts::party(&site.desk, reference, me).await?;
    let sheet = acceptance_sheet(&row, party);
    let proposal = desk::to_accept(&site.desk, reference, me).await?;
    let done = match ticked(&sheet, &posted) {
        Ok(()) => desk::accept(&site.desk, reference, me, posted.fields.text("version"), sent(&posted)).await,
        Err(refusal) => Err(refusal.into()),
    };
    let next = format!("/trades/{reference}/settlement");
    papers::took(&site, &who, reference, &posted, (paper(proposal.id), sheet, next), done).await
}

pub async fn acceptance_psbt(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, usize)>) -> Answer {
    let reference = reference(&path.0)?;
    let proposal = desk::to_accept(&site.desk, reference, who.account.id).await?;
    papers::file(&site, &who, reference, &paper(proposal.id), path.1).await
}

fn completion_sheet(row: &TradeRow, party: Party) -> Sheet {
    let reference = row.reference;
    let words = if party == Party::Arbitrator {
        "The proposer has not signed in time. You asked; now you sign in the proposer's place what both agreed on."
    } else {
        "The other side accepted what you proposed. With your signature it is complete and leaves at once."
    };
    Sheet {
        title: "Complete the settlement".into(),
        words: words.into(),
        warning: "This cannot be undone: the coins leave as agreed.".into(),
        button: "Sign and complete".into(),
        action: format!("/trades/{reference}/settlement/completion"),
        back: format!("/trades/{reference}/settlement"),
        ticks: Vec::new(),
        files: format!("/trades/{reference}/settlement/completion/files"),
    }
}

pub async fn completion_form(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let settlement = desk::to_complete(&site.desk, reference, who.account.id).await?;
    let (row, party) = trade_facts::party(&site.desk, reference, who.account.id).await?;
    papers::show(&site, &who, reference, &paper(settlement.id), completion_sheet(&row, party)).await
}

pub async fn complete(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, me) = (reference(&path)?, who.account.id);
    let (row, party) = trade_facts::party(&site.desk, reference, me).await?;
    let settlement = desk::to_complete(&site.desk, reference, me).await?;
    let seen = posted.fields.text("version");
    let done = payouts::sign(&site.desk, reference, me, seen, PayoutKind::Settlement, sent(&posted)).await;
    let next = format!("/trades/{reference}");
    let page = (paper(settlement.id), completion_sheet(&row, party), next);
    papers::took(&site, &who, reference, &posted, page, done).await
}

pub async fn completion_psbt(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, usize)>) -> Answer {
    let reference = reference(&path.0)?;
    let settlement = desk::to_complete(&site.desk, reference, who.account.id).await?;
    papers::file(&site, &who, reference, &paper(settlement.id), path.1).await
}
