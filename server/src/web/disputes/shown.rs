//! A dispute and its rulings, ready to be shown to any of the three.

use serde::Serialize;

use crate::desk::disputes::{self, DisputeFacts, Said};
use crate::desk::error::Error;
use crate::desk::rulings::Drafted;
use crate::domain::disputing::{Reason, Wanted};
use crate::domain::{Actor, Party, Side, Stage};
use crate::web::divided::{self, PartsShown, StepShown};
use crate::web::shown::{account_rows, minutes};
use crate::web::times::Moment;

/// One thing said.
#[derive(Debug, Serialize)]
pub struct SaidShown {
    pub by: String,
    pub kind: &'static str,
    pub body: String,
    /// Question and answer.
    pub evidence: Vec<(String, String)>,
    pub at: Moment,
}

/// One side of the dispute.
#[derive(Debug, Serialize)]
pub struct SideShown {
    pub role: &'static str,
    pub name: String,
    pub me: bool,
    pub said: Vec<SaidShown>,
    /// What was asked of this side and not given.
    pub owed: Vec<String>,
    /// The time to answer is over and nothing was said.
    pub silent: bool,
    /// Label and value: how the seller is paid, where the buyer pays from; if this viewer may see it.
    pub details: Vec<(String, String)>,
}

/// A question for evidence, for the form.
#[derive(Debug, Serialize)]
pub struct AskedShown {
    pub name: String,
    pub asked: String,
    pub hint: &'static str,
}

#[derive(Debug, Serialize)]
pub struct DisputeShown {
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub role: &'static str,
    pub opener: String,
    pub reason: &'static str,
    pub wanted: &'static str,
    pub opened: Moment,
    /// It can be spoken in.
    pub open: bool,
    pub answer_by: Option<Moment>,
    pub answer_over: bool,
    /// Nobody is waited for any more.
    pub both_spoke: bool,
    pub rule_by: Option<Moment>,
    pub arbitrator: String,
    /// Why the arbitrator should not decide; empty if nothing was declared.
    pub conflict: String,
    /// The buyer, then the seller.
    pub sides: Vec<SideShown>,
    pub questions: Vec<SaidShown>,
    /// What this viewer is asked for.
    pub asked: Vec<AskedShown>,
    pub ruled: bool,
    pub settling: bool,
    pub alive: Vec<String>,
}

impl DisputeShown {
    pub fn new(found: &DisputeFacts, _unit: &str) -> Result<Self, Error> {
        let (facts, row, trade) = (&found.facts, &found.facts.row, &found.facts.row.state);
        let latest = facts.dispute.as_ref();
        let word = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let opener = word(latest.map(|dispute| dispute.opener.as_str()));
        let window = trade.dispute.as_ref();
        let open = matches!(trade.stage, Stage::Disputed | Stage::Ruled);
        let method = disputes::method_of(row)?;
        let mut sides = Vec::new();
        for (side, details) in [(Side::Buyer, &facts.payer), (Side::Seller, &facts.payee)] {
            let spoke = found.said.iter().any(|one| one.party == side.into());
            let owed = disputes::still_owed(method, side, &found.said).into_iter().map(str::to_owned).collect();
            sides.push(SideShown {
                role: side.as_str(),
                name: row.name_of(side.into()).to_owned(),
                me: facts.party == side.into(),
                said: found.said.iter().filter(|one| one.party == side.into()).map(|one| said(one, found)).collect(),
                owed,
                silent: !spoke && window.is_some_and(|dispute| facts.now >= dispute.answer_by),
                details: account_rows(details.as_deref().unwrap_or_default()),
            });
        }
        Ok(Self {
            reference: row.reference.to_string(),
            grouped: row.reference.grouped(),
            version: trade.version,
            role: facts.party.as_str(),
            opener: match Party::from_word(&opener) {
                Some(party) => row.name_of(party).to_owned(),
                None if Actor::from_word(&opener) == Some(Actor::Chain) => "The chain".to_owned(),
                None => "The clock".to_owned(),
            },
            reason: latest.and_then(|one| Reason::from_word(&one.reason)).map_or("", Reason::in_words),
            wanted: latest.and_then(|one| Wanted::from_word(&one.wanted)).map_or("", Wanted::in_words),
            opened: latest.map_or(facts.now, |one| one.opened_at).into(),
            open,
            answer_by: window.map(|dispute| dispute.answer_by.into()),
            both_spoke: window.is_some_and(|dispute| dispute.buyer_spoke && dispute.seller_spoke),
            answer_over: window.is_none_or(|dispute| facts.now >= dispute.answer_by),
            rule_by: window.map(|dispute| dispute.rule_by.into()),
            arbitrator: row.arbitrator_name.clone(),
            conflict: found.conflict.clone().unwrap_or_default(),
            sides,
            questions: found
                .said
                .iter()
                .filter(|one| one.party == Party::Arbitrator)
                .map(|one| said(one, found))
                .collect(),
            asked: asked(found)?,
            ruled: found.rulings.iter().any(|ruling| ruling.signed_at.is_some()),
            settling: trade.settlement.is_some(),
            alive: facts.alive.clone(),
        })
    }
}

fn said(one: &Said, found: &DisputeFacts) -> SaidShown {
    SaidShown {
        by: found.facts.row.name_of(one.party).to_owned(),
        kind: match one.kind.as_str() {
            "statement" => "Statement",
            "answer" => "Answer",
            "evidence" => "Evidence",
            "question" => "Question",
            "objection" => "Objection to the ruling",
            _ => "Said",
        },
        body: one.body.clone(),
        evidence: one.evidence.iter().map(|one| (one.asked.clone(), one.given.clone())).collect(),
        at: one.at.into(),
    }
}

fn asked(found: &DisputeFacts) -> Result<Vec<AskedShown>, Error> {
    let Some(side) = found.facts.party.side() else { return Ok(Vec::new()) };
    let method = disputes::method_of(&found.facts.row)?;
    let owed = disputes::still_owed(method, side, &found.said);
    let all = crate::domain::disputing::owed_by(method, side).iter().enumerate();
    Ok(all
        .map(|(place, asked)| AskedShown {
            name: format!("evidence-{place}"),
            asked: asked.clone(),
            hint: if owed.contains(&asked.as_str()) { "" } else { "Given already; you can add to it." },
        })
        .collect())
}

/// A ruling, or the draft of one.
#[derive(Debug, Serialize)]
pub struct RulingShown {
    pub reference: String,
    pub id: String,
    pub buyer: String,
    pub seller: String,
    pub arbitrator: String,
    pub outcome: &'static str,
    pub parts: PartsShown,
    pub steps: Vec<StepShown>,
    pub facts: Vec<String>,
    pub reasons: Vec<String>,
    pub evidence: Vec<String>,
    pub hash: String,
    pub message: String,
    pub text: String,
    pub drafted: Moment,
    pub signed: Option<Moment>,
    pub withdrawn: Option<Moment>,
    pub in_force: bool,
    /// Until when it may be objected to; not for a draft.
    pub objection_by: Option<Moment>,
    pub objection_over: bool,
    pub objection_window: String,
    /// Who has said that he objects, or has nothing to object to.
    pub objected: bool,
    pub accepted: Vec<String>,
    pub cosigned: Vec<String>,
    pub arbitrator_signed: bool,
    /// Why a draft cannot be signed just now.
    pub not_yet: String,
}

impl RulingShown {
    pub fn new(made: &Drafted, unit: &str) -> Self {
        let (row, ruling) = (&made.row, &made.ruling);
        let in_force = ruling.in_force();
        let state = row.state.ruling.as_ref().filter(|_| in_force);
        let signed = |party| in_force && row.state.has_signed(crate::domain::trade::PayoutKind::Ruling, party);
        let traders = [Side::Buyer, Side::Seller];
        let name = |side: &Side| row.name_of((*side).into()).to_owned();
        Self {
            reference: row.reference.to_string(),
            id: ruling.id.to_string(),
            buyer: row.buyer_name.clone(),
            seller: row.seller_name.clone(),
            arbitrator: row.arbitrator_name.clone(),
            outcome: match (ruling.buyer.to_sat(), ruling.seller.to_sat()) {
                (_, 0) => "The coins go to the buyer",
                (0, _) => "The coins go back to the seller",
                _ => "The coins are split",
            },
            parts: PartsShown::new(made.parts, unit),
            steps: divided::steps(&made.steps, unit),
            facts: made.facts.clone(),
            reasons: made.reasons.clone(),
            evidence: made.evidence.clone(),
            hash: data_encoding::HEXLOWER.encode(&ruling.hash),
            message: made.message.clone(),
            text: ruling.text.clone(),
            drafted: ruling.drafted_at.into(),
            signed: ruling.signed_at.map(Moment::from),
            withdrawn: ruling.withdrawn_at.map(Moment::from),
            in_force,
            objection_by: state.map(|ruling| ruling.objection_by.into()),
            objection_over: state.is_some_and(|ruling| made.now >= ruling.objection_by),
            objection_window: minutes(made.objection_minutes),
            objected: state.is_some_and(|ruling| ruling.objected),
            accepted: state.map(|ruling| ruling.accepted.iter().map(name).collect()).unwrap_or_default(),
            cosigned: traders.iter().filter(|side| signed((**side).into())).map(name).collect(),
            arbitrator_signed: signed(Party::Arbitrator),
            not_yet: made
                .not_yet
                .as_ref()
                .filter(|_| ruling.signed_at.is_none())
                .map(|r| r.all_words())
                .unwrap_or_default(),
        }
    }
}
