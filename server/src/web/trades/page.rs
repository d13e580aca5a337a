//! The page of one trade: five steps, one card with the one thing to do now, the three keys, the facts, the room.

use serde::Serialize;

use super::card::{Card, card, may_pay};
use super::share::{escrow_words, own_part};
use super::weather;
use crate::desk::room::RoomView;
use crate::desk::sight::OutOfSight;
use crate::desk::trade_facts::TradeFacts;
use crate::domain::money::btc_words;
use crate::domain::trade::{Outcome, Trade};
use crate::domain::{Fiat, Party, Stage};
use crate::web::page::Page;
use crate::web::site::Site;
use crate::web::times::Moment;

/// A step of the way from agreement to release.
#[derive(Debug, Serialize)]
pub struct Step {
    pub words: &'static str,
    /// `done`, `now` or empty.
    pub state: &'static str,
}

/// One of the three keys, hollow until its holder has signed something that lives.
#[derive(Debug, Serialize)]
pub struct KeyDot {
    pub role: &'static str,
    pub name: String,
    pub words: &'static str,
    pub signed: bool,
}

/// An output at the escrow's address.
#[derive(Debug, Serialize)]
pub struct DepositLine {
    pub label: &'static str,
    pub amount: String,
    pub txid: String,
    pub words: String,
    /// Where the refund of a stray is signed.
    pub stray: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct LogEntry {
    pub at: Moment,
    pub actor: String,
    pub what: String,
    pub hash: String,
}

/// The chain is out of sight: since when, and why in a few words.
#[derive(Debug, Serialize)]
pub struct Unseen {
    pub since: Moment,
    pub why: &'static str,
}

impl From<&OutOfSight> for Unseen {
    fn from(sight: &OutOfSight) -> Self {
        Self { since: sight.since.into(), why: sight.in_words() }
    }
}

#[derive(Debug, Serialize)]
pub struct TradePage {
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub role: &'static str,
    /// As the lifecycle calls it; for programs that read the page.
    pub stage: &'static str,
    pub title: String,
    pub subtitle: String,
    pub steps: Vec<Step>,
    /// Nothing more happens here.
    pub over: bool,
    pub banner: String,
    pub unseen: Option<Unseen>,
    pub card: Card,
    pub keys: Vec<KeyDot>,
    pub address: String,
    pub escrow: String,
    pub deposits: Vec<DepositLine>,
    /// What this viewer gets from the escrow, and where; empty if nothing.
    pub receives_label: &'static str,
    pub receives: String,
    pub pays_to: String,
    pub price: String,
    pub method: String,
    pub terms: Vec<String>,
    pub confirmations: u32,
    /// Who works when, of those whose hours the contract names.
    pub hours: Vec<(String, String)>,
    pub arbitrator: String,
    pub contract_hash: String,
    pub agreed: bool,
    /// There are several: all of them can be seen.
    pub contracts: i64,
    pub payer: Option<Vec<(String, String)>>,
    pub alive: Vec<String>,
    pub log: Vec<LogEntry>,
    pub room: Option<RoomView>,
}

impl Page for TradePage {
    const TEMPLATE: &'static str = "trades/trade.html";
}

impl TradePage {
    pub fn new(site: &Site, facts: TradeFacts) -> Self {
        let (row, state, party) = (&facts.row, &facts.row.state, facts.party);
        let (fiat, btc) = (facts.fiat.to_string(), btc_words(row.amount));
        let contract = &facts.book.contract;
        let (receives_label, receives, pays_to) = own_part(&facts);
        Self {
            reference: row.reference.to_string(),
            grouped: row.reference.grouped(),
            version: state.version,
            role: party.as_str(),
            stage: state.stage.as_str(),
            title: if party == Party::Seller { format!("{btc} → {fiat}") } else { format!("{fiat} → {btc}") },
            subtitle: subtitle(&facts),
            steps: steps(state, party, may_pay(&facts)),
            banner: weather::banner(&facts).unwrap_or_else(|| banner(state, facts.may_reinstate)),
            over: state.stage == Stage::Completed,
            unseen: facts.out_of_sight.as_ref().map(Unseen::from),
            card: card(site, &facts),
            keys: keys(&facts),
            address: row.address.clone(),
            escrow: escrow_words(&facts),
            deposits: deposits(&facts),
            receives_label,
            receives,
            pays_to,
            price: price_words(contract.price.as_str(), &facts),
            method: facts.method.method().label.clone(),
            terms: contract.terms.clone().unwrap_or_default(),
            confirmations: state.confirmations,
            hours: hours(&facts),
            arbitrator: row.arbitrator_name.clone(),
            contract_hash: data_encoding::HEXLOWER.encode(&row.contract_hash),
            contracts: facts.contracts,
            agreed: state.buyer_agreed && state.seller_agreed,
            log: log(&facts),
            payer: facts.payer,
            alive: facts.alive,
            room: facts.room,
        }
    }
}

fn hours(facts: &TradeFacts) -> Vec<(String, String)> {
    let stated = |party: Party| Some((party, facts.row.state.hours.of(party)?.in_words()));
    let name = |party| if party == facts.party { "You".into() } else { facts.row.name_of(party).to_owned() };
    Party::ALL.into_iter().filter_map(stated).map(|(party, words)| (name(party), words)).collect()
}

fn subtitle(facts: &TradeFacts) -> String {
    let row = &facts.row;
    let who = match facts.party {
        Party::Buyer => format!("buying from {}", row.seller_name),
        Party::Seller => format!("selling to {}", row.buyer_name),
        Party::Arbitrator => format!("{} buys from {}", row.buyer_name, row.seller_name),
    };
    format!("Trade {} · {who}", row.reference.grouped())
}

/// The agreed price, grouped for people.
pub fn price_words(price: &str, facts: &TradeFacts) -> String {
    let amount = price.parse().ok().and_then(|price| Fiat::new(price, facts.fiat.currency()).ok());
    amount.map_or_else(|| format!("{price} {}", facts.fiat.currency()), |amount| amount.to_string())
}

/// The stage in a few words, for lists.
pub fn stage_words(trade: &Trade) -> &'static str {
    match (trade.stage, trade.outcome) {
        (Stage::Proposed, _) => "to be signed",
        (Stage::AwaitingDeposit, _) => "waits for the deposit",
        (Stage::Funded, _) => "coins in escrow",
        (Stage::PaymentSent, _) => "payment sent",
        (Stage::RefundDue, _) => "going back to the seller",
        (Stage::Disputed, _) => "in dispute",
        (Stage::Ruled, _) => "ruled",
        (Stage::PayingOut, _) => "payout under way",
        (Stage::Completed, Some(Outcome::Released)) => "released",
        (Stage::Completed, Some(Outcome::Refunded)) => "refunded",
        (Stage::Completed, Some(Outcome::Split)) => "split",
        (Stage::Completed, Some(Outcome::Lost)) => "deposit lost",
        (Stage::Completed, _) => "ended otherwise",
        (Stage::Cancelled, _) => "cancelled",
    }
}

/// Whose dot is filled: who has signed the contract, later who has signed a payout.
pub fn dots(trade: &Trade) -> [bool; 3] {
    if matches!(trade.stage, Stage::Proposed) {
        return [trade.buyer_agreed, trade.seller_agreed, false];
    }
    Party::ALL.map(|party| trade.signed.iter().any(|(_, by)| *by == party))
}

fn keys(facts: &TradeFacts) -> Vec<KeyDot> {
    let trade = &facts.row.state;
    Party::ALL
        .into_iter()
        .zip(dots(trade))
        .map(|(party, signed)| KeyDot {
            role: party.as_str(),
            name: if party == facts.party { "You".to_owned() } else { facts.row.name_of(party).to_owned() },
            words: key_words(trade.stage, party, signed),
            signed,
        })
        .collect()
}

fn key_words(stage: Stage, party: Party, signed: bool) -> &'static str {
    match (party, signed, stage) {
        (Party::Arbitrator, true, _) => "arbitrator, signed a payout",
        (Party::Arbitrator, false, Stage::Disputed) => "arbitrator, decides",
        (Party::Arbitrator, false, Stage::Ruled) => "arbitrator, signs after the time to object",
        (Party::Arbitrator, false, Stage::RefundDue) => "arbitrator, if one of the two is gone",
        (Party::Arbitrator, false, Stage::PayingOut | Stage::Completed) => "arbitrator, was not needed",
        (Party::Arbitrator, false, Stage::Cancelled) => "arbitrator",
        (Party::Arbitrator, false, _) => "arbitrator, only in a dispute",
        (_, true, Stage::Proposed) => "signed the contract",
        (_, true, _) => "signed a payout",
        (_, false, Stage::Proposed | Stage::RefundDue | Stage::Disputed | Stage::Ruled) => "not signed yet",
        (_, false, Stage::PayingOut | Stage::Completed) => "did not sign a payout",
        (_, false, Stage::Cancelled) => "nothing to sign",
        (Party::Buyer, false, _) => "signs when the money is sent",
        (Party::Seller, false, _) => "signs on receipt",
    }
}

fn steps(trade: &Trade, party: Party, may_pay: bool) -> Vec<Step> {
    let now = match trade.stage {
        Stage::Proposed => 0,
        Stage::AwaitingDeposit => 1,
        Stage::Funded => 2,
        Stage::PaymentSent | Stage::Disputed | Stage::Ruled => 3,
        Stage::PayingOut => 4,
        Stage::Completed => 5,
        Stage::RefundDue | Stage::Cancelled => return Vec::new(),
    };
    if trade.outcome.is_some_and(|outcome| outcome != Outcome::Released) {
        return Vec::new();
    }
    let act = match (trade.stage, party) {
        (Stage::Proposed, _) => "Sign the contract",
        (Stage::AwaitingDeposit, Party::Seller) => "Lock the coins",
        (Stage::Funded, Party::Buyer) if may_pay => "Send the money",
        (Stage::PaymentSent, Party::Seller) => "Confirm the money",
        (Stage::PayingOut, _) => "Coins on their way",
        _ => "",
    };
    ["Agreed", "Coins in escrow", "Money sent", "Money received", "Coins released"]
        .into_iter()
        .enumerate()
        .map(|(place, words)| Step {
            words: if place == now && !act.is_empty() { act } else { words },
            state: match place.cmp(&now) {
                std::cmp::Ordering::Less => "done",
                std::cmp::Ordering::Equal => "now",
                std::cmp::Ordering::Greater => "",
            },
        })
        .collect()
}

fn banner(trade: &Trade, may_reinstate: bool) -> String {
    match trade.stage {
        Stage::Disputed | Stage::Ruled => {
            "This trade is with the arbitrator. Both can still settle between themselves.".into()
        }
        Stage::RefundDue if may_reinstate => {
            "The deposit came too late. Nobody pays in this trade, unless both take it up again.".into()
        }
        Stage::RefundDue => "The deposit is going back to the seller. Nobody pays in this trade any more.".into(),
        Stage::Cancelled => "This trade is cancelled. Do not pay, and send nothing to its address.".into(),
        _ => String::new(),
    }
}

fn deposits(facts: &TradeFacts) -> Vec<DepositLine> {
    let outputs = facts.book.deposits.iter().filter(|deposit| deposit.gone_at.is_none());
    outputs
        .map(|deposit| {
            let stray = facts.book.is_stray(&facts.row.state, deposit);
            let payout = facts.book.stray_payout(deposit.outpoint);
            DepositLine {
                label: if stray { "Extra payment" } else { "Deposit" },
                amount: btc_words(deposit.value),
                txid: deposit.outpoint.txid.to_string(),
                words: weather::output_words(facts, deposit),
                stray: payout
                    .filter(|_| stray && deposit.spent_by.is_none())
                    .map(|payout| format!("/trades/{}/strays/{}", facts.row.reference, payout.txid)),
            }
        })
        .collect()
}

fn log(facts: &TradeFacts) -> Vec<LogEntry> {
    facts
        .log
        .iter()
        .map(|line| LogEntry {
            at: line.at.into(),
            actor: line.actor.clone(),
            what: line.event.clone().unwrap_or_else(|| act_name(&line.act)).replace('_', " "),
            hash: data_encoding::HEXLOWER.encode(&line.hash),
        })
        .collect()
}

fn act_name(act: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(act).unwrap_or_default();
    let kind = value.get("kind").and_then(|kind| kind.as_str()).map(|kind| format!(" {kind}")).unwrap_or_default();
    format!("{}{kind}", value.get("act").and_then(|act| act.as_str()).unwrap_or_default())
}
