//! One dispute with everything the arbitrator needs on one page: contract, chain, both sides, room, ruling.

use bitcoin::Amount;
use serde::Serialize;

use super::{WindowShown, windows};
use crate::desk::arbitration;
use crate::desk::disputes::DisputeFacts;
use crate::desk::error::Error;
use crate::desk::room::RoomView;
use crate::desk::splits;
use crate::desk::trade_facts::TradeFacts;
use crate::domain::money::{btc_words, sats_grouped};
use crate::domain::trade::{Act, PayoutKind};
use crate::domain::{Actor, Party, Stage};
use crate::web::disputes::DisputeShown;
use crate::web::divided::{self, PartsShown};
use crate::web::page::Page;
use crate::web::posted::{Errors, Fields};
use crate::web::shown::{Choice, Way, bitcoin, minutes};
use crate::web::times::Moment;
use crate::web::trades::{SPENT_ELSEWHERE, foreign_spend, price_words, ruling_fits, stage_words};

/// A label and what it says.
#[derive(Debug, Serialize)]
pub struct FactShown {
    pub label: &'static str,
    pub value: String,
}

/// An output at the escrow's address.
#[derive(Debug, Serialize)]
pub struct CoinShown {
    pub amount: String,
    pub outpoint: String,
    pub words: String,
}

/// A picture of the room that a ruling can name.
#[derive(Debug, Serialize)]
pub struct PictureShown {
    pub sha256: String,
    pub href: String,
    pub author: String,
    pub at: String,
    pub at_words: String,
    /// It was ticked before the form came back.
    pub named: bool,
}

/// A ruling or a draft in the list.
#[derive(Debug, Serialize)]
pub struct RulingLine {
    pub href: String,
    pub drafted: Moment,
    pub parts: PartsShown,
    pub words: &'static str,
}

#[derive(Debug, Serialize)]
pub struct WorkplacePage {
    pub dispute: DisputeShown,
    pub stage: &'static str,
    pub amount: String,
    pub fiat: String,
    pub buyer: String,
    pub seller: String,
    /// The one thing to do now, or whom this waits for.
    pub now: String,
    pub acts: Vec<Way>,
    pub can_withdraw: bool,
    pub can_draft: bool,
    pub silent: Vec<String>,
    pub windows: Vec<WindowShown>,
    pub signed: [bool; 3],
    pub contract: Vec<FactShown>,
    pub contract_hash: String,
    pub coins: Vec<CoinShown>,
    pub tip: u32,
    pub payout_txid: String,
    pub rulings: Vec<RulingLine>,
    pub pot: String,
    pub arbitrator_fee: String,
    pub objection_window: String,
    pub units: Vec<Choice>,
    pub pictures: Vec<PictureShown>,
    pub room: Option<RoomView>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for WorkplacePage {
    const TEMPLATE: &'static str = "arbitration/workplace.html";
}

impl WorkplacePage {
    pub fn new(found: DisputeFacts, unit: &str, typed: Fields, errors: Errors) -> Result<Self, Error> {
        let dispute = DisputeShown::new(&found, unit)?;
        let (facts, row, trade) = (&found.facts, &found.facts.row, &found.facts.row.state);
        let (now, acts) = to_do(facts);
        let may = |act: &Act| trade.apply(act, Actor::Arbitrator, facts.now).is_ok();
        Ok(Self {
            stage: stage_words(trade),
            amount: bitcoin(row.amount, unit),
            fiat: row.fiat_words(),
            buyer: row.buyer_name.clone(),
            seller: row.seller_name.clone(),
            now,
            acts,
            can_withdraw: may(&Act::WithdrawRuling),
            can_draft: trade.stage == Stage::Disputed
                && trade.settlement.is_none()
                && splits::there_are_coins(&facts.book).is_ok(),
            silent: arbitration::silent(row, facts.now).into_iter().map(|s| row.name_of(s.into()).to_owned()).collect(),
            windows: windows(facts.deadlines.iter(), facts.now),
            signed: crate::web::trades::dots(trade),
            contract: contract(facts, unit),
            contract_hash: data_encoding::HEXLOWER.encode(&row.contract_hash),
            coins: coins(facts, unit),
            tip: facts.tip,
            payout_txid: row.payout_txid.map(|txid| txid.to_string()).unwrap_or_default(),
            rulings: rulings(&found, unit),
            pot: format!("{} ({} sat)", btc_words(splits::pot(&facts.book)), sats_grouped(splits::pot(&facts.book))),
            arbitrator_fee: fee_words(facts.book.contract.arbitrator_fee_sat, unit),
            objection_window: minutes(trade.windows.objection_minutes),
            units: divided::units(),
            pictures: pictures(facts, &typed),
            dispute,
            room: found.facts.room,
            typed,
            errors,
        })
    }
}

/// What the arbitrator does now, in words, and where.
fn to_do(facts: &TradeFacts) -> (String, Vec<Way>) {
    let (row, trade) = (&facts.row, &facts.row.state);
    let may = |kind| trade.apply(&Act::SignPayout { kind }, Actor::Arbitrator, facts.now).is_ok();
    let signed = trade.has_signed(PayoutKind::Ruling, Party::Arbitrator);
    let words = match trade.stage {
        _ if trade.frozen => "The deposit is not confirmed at present: everything waits, clocks stand still.".into(),
        Stage::Disputed | Stage::Ruled if foreign_spend(facts).is_some() => SPENT_ELSEWHERE.into(),
        Stage::Disputed | Stage::Ruled if trade.settlement.is_some() => {
            let proposer = trade.settlement.as_ref().map_or("", |s| row.name_of(s.proposer.into()));
            if may(PayoutKind::Settlement) {
                let words = format!("{proposer} has not completed the settlement in time. Ask once more, then sign in the proposer's place.");
                return (words, vec![Way::new(format!("/trades/{}/settlement/completion", row.reference), "Sign the settlement")]);
            }
            let ruled = if trade.stage == Stage::Ruled { " Withdraw the ruling if the proposer does not sign." } else { "" };
            format!("The traders have settled. It waits for {proposer}'s signature; no ruling is made beside it.{ruled}")
        }
        Stage::Disputed => match &trade.dispute {
            Some(dispute) if facts.now < dispute.answer_by && !(dispute.buyer_spoke && dispute.seller_spoke) => {
                "One side has not spoken yet and still has time. Read, ask, and draft; you can sign a ruling when both have spoken or the time is over.".into()
            }
            _ => "Rule, with the facts you found and your reasons.".into(),
        },
        Stage::Ruled if !ruling_fits(facts) => {
            "The ruling does not fit what is left in escrow: withdraw it and rule again.".into()
        }
        Stage::Ruled if signed => "You have signed the payout. It waits for one trader's signature.".into(),
        Stage::Ruled if may(PayoutKind::Ruling) => {
            let words = "The time to object is over. Sign the payout.";
            return (words.into(), vec![Way::new(format!("/arbitration/{}/payout", row.reference), "Sign the payout")]);
        }
        Stage::Ruled if trade.ruling.as_ref().is_some_and(|ruling| ruling.objected) => {
            "There is an objection. Read it, then withdraw the ruling, or sign the payout when the window is over.".into()
        }
        Stage::Ruled => "You have ruled. The side that is not paid may still object.".into(),
        Stage::PayingOut => "The payout is on its way. There is nothing to do.".into(),
        _ => "This trade is over. There is nothing to do.".into(),
    };
    (words, Vec::new())
}

fn fee_words(fee: Amount, unit: &str) -> String {
    if fee == Amount::ZERO { "none".into() } else { bitcoin(fee, unit) }
}

/// The contract in words.
fn contract(facts: &TradeFacts, unit: &str) -> Vec<FactShown> {
    let contract = &facts.book.contract;
    let fact = |label, value: String| FactShown { label, value };
    let mut list = vec![
        fact("Buyer sends", format!("{} by {}", facts.fiat, facts.method.method().label)),
        fact(
            "Buyer gets",
            format!(
                "{} at {} for one bitcoin",
                bitcoin(contract.amount_sat, unit),
                price_words(&contract.price, facts)
            ),
        ),
        fact("Reference", contract.reference.clone()),
        fact("Deposit due", bitcoin(contract.deposit_sat, unit)),
        fact(
            "Desk fee",
            match (contract.desk_fee_sat.buyer, contract.desk_fee_sat.seller) {
                (Amount::ZERO, Amount::ZERO) => "none".into(),
                (buyer, seller) => format!("{} buyer, {} seller", fee_words(buyer, unit), fee_words(seller, unit)),
            },
        ),
        fact("Your fee in a ruling", fee_words(contract.arbitrator_fee_sat, unit)),
        fact("Time to pay", minutes(contract.windows.payment)),
        fact("Time to release", minutes(contract.windows.release)),
        fact("Seller may wait", if contract.hold == 0 { "not at all".into() } else { minutes(contract.hold) }),
        fact("Taken", Moment::from(facts.row.created_at).text),
    ];
    if let Some(paid) = facts.row.state.paid_at {
        list.push(fact("Marked as paid", Moment::from(paid).text));
    }
    if let Some(terms) = &contract.terms {
        list.push(fact("Maker's terms", terms.join("\n")));
    }
    list
}

fn coins(facts: &TradeFacts, unit: &str) -> Vec<CoinShown> {
    let needed = facts.row.state.confirmations;
    let there = facts.book.deposits.iter().filter(|deposit| deposit.gone_at.is_none());
    there
        .map(|deposit| {
            let depth = deposit.confirmations(facts.tip);
            let role = match deposit.funding {
                true => "the deposit",
                false if facts.book.is_stray(&facts.row.state, deposit) => "an extra payment, the seller's",
                false => "no part of the deposit, which it may yet replace",
            };
            let words = match deposit.spent_by {
                Some(by) => format!("{role}, spent by {by}"),
                None => format!("{role}, {depth} confirmations of {needed} needed"),
            };
            CoinShown { amount: bitcoin(deposit.value, unit), outpoint: deposit.outpoint.to_string(), words }
        })
        .collect()
}

fn rulings(found: &DisputeFacts, unit: &str) -> Vec<RulingLine> {
    let reference = found.facts.row.reference;
    let line = |ruling: &crate::desk::disputes::RulingRow| RulingLine {
        href: format!("/arbitration/{reference}/rulings/{}", ruling.id),
        drafted: ruling.drafted_at.into(),
        parts: PartsShown::new(crate::domain::parts::Parts { buyer: ruling.buyer, seller: ruling.seller }, unit),
        words: match (ruling.signed_at, ruling.withdrawn_at) {
            (None, _) => "draft",
            (Some(_), None) => "in force",
            (Some(_), Some(_)) => "withdrawn",
        },
    };
    found.rulings.iter().map(line).collect()
}

fn pictures(facts: &TradeFacts, typed: &Fields) -> Vec<PictureShown> {
    let entries = facts.room.iter().flat_map(|room| &room.entries);
    entries
        .filter_map(|entry| {
            let picture = entry.picture.as_ref()?;
            Some(PictureShown {
                named: typed.all("hash").any(|hash| hash == picture.sha256),
                sha256: picture.sha256.clone(),
                href: picture.href.clone(),
                author: entry.author.clone(),
                at: entry.at.clone(),
                at_words: entry.at_words.clone(),
            })
        })
        .collect()
}
