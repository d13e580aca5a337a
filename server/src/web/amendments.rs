//! A changed contract: propose one, see what it changes, sign it, take it back; and all contracts of a trade.

use actix_web::web;
use serde::Serialize;

use super::error::{Answer, status_of};
use super::page::{Page, see_other};
use super::papers;
use super::posted::{Errors, Fields, Posted};
use super::shown::{Choice, bitcoin, minutes as span};
use super::site::Site;
use super::times::Moment;
use super::trades::{Sheet, Tick, file, reference, ticked, upload};
use super::visitor::SignedIn;
use crate::desk::amendments::{self as desk, Amending, LENGTHEN_MINUTES, Terms};
use crate::desk::error::Error;
use crate::desk::signing::Paper;
use crate::desk::trade_facts;
use crate::desk::trades::TradeRow;
use crate::domain::trade::AmendmentKind;
use crate::domain::{Party, PublicRef, Refusal, RefusalKind, Side};

/// One line of what changes.
#[derive(Debug, Serialize)]
pub struct ChangeShown {
    pub label: &'static str,
    pub before: String,
    pub after: String,
    pub same: bool,
}

/// The proposal that waits for signatures.
#[derive(Debug, Serialize)]
pub struct ProposedShown {
    pub kind: &'static str,
    pub by_me: bool,
    pub proposer: String,
    pub changes: Vec<ChangeShown>,
    pub hash: String,
    pub sign_by: Moment,
    /// Who has signed it, by name.
    pub signed: Vec<String>,
    pub signed_by_me: bool,
}

/// Something that could be proposed, or why not.
#[derive(Debug, Serialize)]
pub struct OptionShown {
    pub changes: Vec<ChangeShown>,
    pub why_not: String,
}

#[derive(Debug, Serialize)]
pub struct AmendmentPage {
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub role: &'static str,
    pub buyer: String,
    pub other: String,
    pub due: String,
    pub expected: String,
    pub short_by: String,
    pub until: Option<Moment>,
    pub proposed: Option<ProposedShown>,
    pub closed: String,
    pub scale_down: OptionShown,
    pub waive: OptionShown,
    pub lengths: Vec<Choice>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for AmendmentPage {
    const TEMPLATE: &'static str = "amendments/amendment.html";
}

impl AmendmentPage {
    fn new(found: &Amending, unit: &str) -> Self {
        let (row, me) = (&found.row, Party::from(found.side));
        let option = |could: &Result<Terms, Refusal>| match could {
            Ok(terms) => OptionShown { changes: changes(&found.terms, terms, unit), why_not: String::new() },
            Err(refusal) => OptionShown { changes: Vec::new(), why_not: refusal.all_words() },
        };
        Self {
            reference: row.reference.to_string(),
            grouped: row.reference.grouped(),
            version: row.state.version,
            role: found.side.as_str(),
            buyer: row.buyer_name.clone(),
            other: row.name_of(found.side.other().into()).to_owned(),
            due: bitcoin(row.deposit, unit),
            expected: found.missing.map(|missing| bitcoin(missing.expected, unit)).unwrap_or_default(),
            short_by: found.missing.map(|missing| bitcoin(missing.short_by, unit)).unwrap_or_default(),
            until: row.state.deposit_open_until().map(Into::into),
            proposed: found.proposed.as_ref().map(|one| ProposedShown {
                kind: one.amendment.kind.as_str(),
                by_me: me == one.amendment.proposer.into(),
                proposer: row.name_of(one.amendment.proposer.into()).to_owned(),
                changes: changes(&found.terms, &one.terms, unit),
                hash: one.amendment.contract.clone(),
                sign_by: one.amendment.sign_by.into(),
                signed: one.amendment.signed.iter().map(|side| row.name_of((*side).into()).to_owned()).collect(),
                signed_by_me: one.amendment.signed.contains(&found.side),
            }),
            closed: found.closed.as_ref().map(Refusal::all_words).unwrap_or_default(),
            scale_down: option(&found.scale_down),
            waive: option(&found.waive),
            lengths: LENGTHEN_MINUTES
                .iter()
                .map(|minutes| Choice { value: minutes.to_string(), label: format!("{} more", span(*minutes)) })
                .collect(),
            typed: Fields::default().with("minutes", "180"),
            errors: Errors::default(),
        }
    }
}

/// The terms side by side.
fn changes(before: &Terms, after: &Terms, unit: &str) -> Vec<ChangeShown> {
    let line = |label, of: fn(&Terms, &str) -> String| {
        let (before, after) = (of(before, unit), of(after, unit));
        ChangeShown { label, same: before == after, before, after }
    };
    vec![
        line("The buyer pays", |terms, _| terms.sums.fiat.to_string()),
        line("Bitcoin traded", |terms, unit| bitcoin(terms.sums.amount, unit)),
        line("Deposit due", |terms, unit| bitcoin(terms.sums.deposit(), unit)),
        line("Desk fee, buyer's share", |terms, unit| bitcoin(terms.sums.desk_fee_buyer, unit)),
        line("Desk fee, seller's share", |terms, unit| bitcoin(terms.sums.desk_fee_seller, unit)),
        line("Time for the deposit", |terms, _| span(terms.deposit_minutes)),
    ]
}

pub async fn page(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let found = desk::of(&site.desk, reference(&path)?, who.account.id).await?;
    AmendmentPage::new(&found, &who.account.unit).answer(&site, &who.visitor)
}

pub async fn propose(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, fields, me) = (reference(&path)?, &posted.fields, who.account.id);
    let (seen, kind, minutes) = (fields.text("version"), fields.text("kind"), fields.text("minutes"));
    match desk::propose(&site.desk, reference, me, seen, kind, minutes).await {
        Ok(()) => Ok(see_other(format!("/trades/{reference}/amendment/signature"))),
        Err(error) => refused(&site, &who, reference, posted.fields, error).await,
    }
}

pub async fn withdraw(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = reference(&path)?;
    match desk::withdraw(&site.desk, reference, who.account.id, posted.fields.text("version")).await {
        Ok(()) => Ok(see_other(format!("/trades/{reference}"))),
        Err(error) => refused(&site, &who, reference, Fields::default(), error).await,
    }
}

async fn refused(site: &Site, who: &SignedIn, reference: PublicRef, typed: Fields, error: Error) -> Answer {
    match error {
        Error::Refused(refusal) if refusal.kind != RefusalKind::NotFound => {
            let Ok(found) = desk::of(&site.desk, reference, who.account.id).await else { return Err(refusal.into()) };
            let mut page = AmendmentPage::new(&found, &who.account.unit);
            (page.typed, page.errors) = (typed, Errors::from(&refusal));
            page.answer_with(status_of(refusal.kind), site, &who.visitor)
        }
        other => Err(other.into()),
    }
}

/// The words around a signature of the changed contract. `row` is the trade as that contract has it.
fn sheet(row: &TradeRow, party: Party) -> Sheet {
    let reference = row.reference;
    let amendment = row.state.amendment.as_ref();
    let waived = amendment.is_some_and(|one| one.kind == AmendmentKind::Waive) && party == Party::Buyer;
    let btc = bitcoin(row.amount, "btc");
    let tick = Tick { name: "bears", label: format!("I still pay {}, and get {btc} for it.", row.fiat_words()) };
    Sheet {
        title: "Sign the changed contract".into(),
        words: format!(
            "Escrow, keys and addresses stay. It says {btc} for {}; everything that changes is on the page before. Your \
             signature moves no coins.",
            row.fiat_words()
        ),
        warning: "The contract in force stays until both have signed this one. Then only this one counts.".into(),
        button: "Send my signature".into(),
        action: format!("/trades/{reference}/amendment/signature"),
        back: format!("/trades/{reference}"),
        ticks: waived.then_some(tick).into_iter().collect(),
        files: format!("/trades/{reference}/amendment/signature/files"),
    }
}

/// Only the traders sign contracts.
async fn proposed(site: &Site, who: &SignedIn, reference: PublicRef) -> Result<Sheet, Error> {
    let (row, party) = trade_facts::proposed(&site.desk, reference, who.account.id).await?;
    party.side().ok_or_else(Refusal::not_found)?;
    Ok(sheet(&row, party))
}

pub async fn signature_form(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let sheet = proposed(&site, &who, reference).await?;
    papers::show(&site, &who, reference, &Paper::Amendment, sheet).await
}

pub async fn sign(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, me) = (reference(&path)?, who.account.id);
    let sheet = match proposed(&site, &who, reference).await {
        Ok(sheet) => sheet,
        // Nothing is proposed any more: what the trade says of that are the better words.
        Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::Conflict => {
            let seen = posted.fields.text("version");
            desk::sign(&site.desk, reference, me, seen, &upload(&posted)).await?;
            return Err(refusal.into());
        }
        Err(error) => return Err(error.into()),
    };
    let done = match ticked(&sheet, &posted) {
        Ok(()) => desk::sign(&site.desk, reference, me, posted.fields.text("version"), &upload(&posted)).await,
        Err(refusal) => Err(refusal.into()),
    };
    let next = format!("/trades/{reference}");
    papers::took(&site, &who, reference, &posted, (Paper::Amendment, sheet, next), done).await
}

pub async fn signature_psbt(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, usize)>) -> Answer {
    let reference = reference(&path.0)?;
    proposed(&site, &who, reference).await?;
    papers::file(&site, &who, reference, &Paper::Amendment, path.1).await
}

/// One contract of a trade.
#[derive(Debug, Serialize)]
pub struct ContractLine {
    pub number: i32,
    pub kind: String,
    pub proposer: Option<String>,
    pub made: Moment,
    /// What became of it.
    pub state: &'static str,
    pub since: Option<Moment>,
    pub hash: String,
    pub signed: bool,
}

/// All contracts of a trade, the one in force first.
#[derive(Debug, Serialize)]
pub struct ContractsPage {
    pub reference: String,
    pub grouped: String,
    pub lines: Vec<ContractLine>,
}

impl Page for ContractsPage {
    const TEMPLATE: &'static str = "amendments/contracts.html";
}

pub async fn history(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let (row, all) = desk::history(&site.desk, reference(&path)?, who.account.id).await?;
    let name = |side: Side| row.name_of(side.into()).to_owned();
    let lines = all.iter().rev().map(|one| {
        let in_force = one.hash == row.contract_hash;
        let (state, since) = match (one.in_force_at, one.withdrawn_at, one.lapsed_at) {
            (Some(at), _, _) if in_force => ("in force", Some(at)),
            (Some(at), _, _) => ("superseded; signed by both", Some(at)),
            (_, Some(at), _) => ("taken back or declined", Some(at)),
            (_, _, Some(at)) => ("lapsed", Some(at)),
            _ => ("waits for signatures", None),
        };
        ContractLine {
            number: one.number,
            kind: one.kind.clone(),
            proposer: one.proposer.map(name),
            made: one.made_at.into(),
            state,
            since: since.map(Into::into),
            hash: data_encoding::HEXLOWER.encode(&one.hash),
            signed: one.in_force_at.is_some(),
        }
    });
    let page = ContractsPage {
        reference: row.reference.to_string(),
        grouped: row.reference.grouped(),
        lines: lines.collect(),
    };
    page.answer(&site, &who.visitor)
}

pub async fn contract_file(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, i32)>) -> Answer {
    let reference = reference(&path.0)?;
    let text = desk::file(&site.desk, reference, who.account.id, path.1).await?;
    Ok(file(&format!("trine-{reference}-contract-{}.json", path.1), "application/json", text.into_bytes()))
}

pub async fn signatures_file(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, i32)>) -> Answer {
    let reference = reference(&path.0)?;
    let text = desk::signatures_file(&site.desk, reference, who.account.id, path.1).await?;
    Ok(file(&format!("trine-{reference}-signatures-{}.json", path.1), "application/json", text.into_bytes()))
}
