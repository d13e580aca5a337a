//! One trade, as the operator may know it: its stage, its windows, the chain. No message, no payment detail.

use actix_web::web;
use serde::Serialize;

use super::JobShown;
use crate::desk::handover;
use crate::desk::operator::{self as desk, TradeOverview};
use crate::web::error::Answer;
use crate::web::page::Page;
use crate::web::shown::bitcoin;
use crate::web::site::Site;
use crate::web::times::Moment;
use crate::web::trades::{dots, reference, stage_words};
use crate::web::visitor::Operator;

#[derive(Debug, Serialize)]
pub struct TradePage {
    pub reference: String,
    pub grouped: String,
    pub buyer: String,
    pub seller: String,
    pub arbitrator: String,
    pub contact: String,
    pub stage: &'static str,
    pub since: Moment,
    pub taken: Moment,
    pub frozen: bool,
    pub amount: String,
    pub fiat: String,
    pub deposit: String,
    pub address: String,
    pub contract_hash: String,
    pub signed: [bool; 3],
    pub windows: Vec<Window>,
    pub coins: Vec<Coin>,
    pub alive: Vec<String>,
    pub sent: Vec<Sent>,
    pub jobs: Vec<JobShown>,
    pub log: Vec<Line>,
}

impl Page for TradePage {
    const TEMPLATE: &'static str = "operator/trade.html";
}

#[derive(Debug, Serialize)]
pub struct Window {
    pub what: String,
    pub who: String,
    pub due: Moment,
    pub is_over: bool,
    pub then: String,
}

#[derive(Debug, Serialize)]
pub struct Coin {
    pub amount: String,
    pub outpoint: String,
    pub words: String,
}

/// A transaction that was handed to the network.
#[derive(Debug, Serialize)]
pub struct Sent {
    pub txid: String,
    pub attempts: i32,
    pub words: String,
    pub next: Option<Moment>,
}

/// An event of the trade's log.
#[derive(Debug, Serialize)]
pub struct Line {
    pub at: Moment,
    pub event: String,
    pub by: String,
}

impl TradePage {
    fn new(facts: TradeOverview, unit: &str) -> Self {
        let (row, trade) = (&facts.row, &facts.row.state);
        let window = |one: &desk::DeadlineRow| Window {
            what: one.what.to_string(),
            who: one.who.clone(),
            due: one.due_at.into(),
            is_over: facts.now >= one.due_at,
            then: one.at_zero.clone(),
        };
        let line = |one: &desk::LoggedLine| {
            let event = one.event.clone().or_else(|| (one.version == 0).then(|| "taken".to_owned()))?;
            Some(Line { at: one.at.into(), event: event.replace('_', " "), by: one.actor.clone() })
        };
        let sent = |one: &desk::HandoverRow| Sent {
            txid: one.txid.to_string(),
            attempts: one.attempts,
            words: match &one.refusal {
                Some(reason) => format!("{} The node says: {reason}", handover::in_words(reason)),
                None => "taken by the node".into(),
            },
            next: one.next_at.map(Moment::from),
        };
        Self {
            grouped: row.reference.grouped(),
            stage: stage_words(trade),
            since: trade.stage_since.into(),
            taken: row.created_at.into(),
            frozen: trade.frozen,
            amount: bitcoin(row.amount, unit),
            fiat: row.fiat_words(),
            deposit: bitcoin(row.deposit, unit),
            address: row.address.clone(),
            contract_hash: data_encoding::HEXLOWER.encode(&row.contract_hash),
            signed: dots(trade),
            windows: facts.deadlines.iter().map(window).collect(),
            coins: coins(&facts, unit),
            alive: facts.alive.clone(),
            sent: facts.handovers.iter().map(sent).collect(),
            log: facts.log.iter().filter_map(line).collect(),
            jobs: facts.jobs.into_iter().map(JobShown::from).collect(),
            contact: facts.contact,
            reference: facts.row.reference.to_string(),
            buyer: facts.row.buyer_name,
            seller: facts.row.seller_name,
            arbitrator: facts.row.arbitrator_name,
        }
    }
}

fn coins(facts: &TradeOverview, unit: &str) -> Vec<Coin> {
    let words = |one: &desk::Output| match (one.gone_at, one.spent_by, one.funding) {
        (Some(_), _, _) => "gone from the chain".to_owned(),
        (None, Some(by), _) => format!("spent by {by}"),
        (None, None, true) => format!("the deposit, {} confirmations", one.confirmations(facts.tip)),
        (None, None, false) => format!("not in the funding set, {} confirmations", one.confirmations(facts.tip)),
    };
    let coin = |one: &desk::Output| Coin {
        amount: bitcoin(one.value, unit),
        outpoint: one.outpoint.to_string(),
        words: words(one),
    };
    facts.book.deposits.iter().map(coin).collect()
}

pub async fn trade(site: web::Data<Site>, who: Operator, path: web::Path<String>) -> Answer {
    let found = desk::trade(&site.desk, reference(&path)?).await?;
    TradePage::new(found, &who.account.unit).answer(&site, &who.visitor)
}
