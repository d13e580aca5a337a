//! The odd ways of the chain, said on the page of a trade.

use bitcoin::Amount;

use super::card::Card;
use crate::desk::funding;
use crate::desk::trade_facts::{Output, TradeFacts};
use crate::domain::money::{btc_words, sats_grouped};
use crate::domain::trade::{NOTHING_BELOW_SAT, Outcome, PayoutKind, Trade};
use crate::domain::{Party, Stage};

/// A young coinbase is spent by nobody for so many blocks.
const COINBASE_BLOCKS: u32 = 100;

/// What is to be done while others spend the coins.
pub const SPENT_ELSEWHERE: &str = "Another transaction, not made here, spends the coins of this escrow. Nothing is signed \
                                   now; when it is confirmed the trade ends with what it does.";

/// What everybody must know first.
pub fn banner(facts: &TradeFacts) -> Option<String> {
    let trade = &facts.row.state;
    if trade.frozen {
        return Some(
            "The chain was reorganised and the deposit is not confirmed at present. Do not pay and do not release; clocks \
             stand still until it is confirmed again, or a new deposit is."
                .into(),
        );
    }
    if let Some(txid) = foreign_spend(facts) {
        return Some(format!(
            "A transaction that was not made here spends the coins of this escrow: {txid}. It carries two valid signatures \
             and is not deep enough yet. Do not pay, and sign nothing; when it is confirmed the trade ends with what it does."
        ));
    }
    if trade.stage == Stage::AwaitingDeposit && trade.fell_back_at.is_some() {
        return Some(
            "The coins were in escrow, and a reorganisation of the chain took them out again. Do not pay until this page \
             says once more that they are locked. The desk has handed the deposit to the network again."
                .into(),
        );
    }
    if trade.is_short() && matches!(trade.stage, Stage::Funded | Stage::PaymentSent | Stage::Disputed | Stage::Ruled) {
        return Some(format!(
            "A part of the coins is gone. {} are left of {}. Do not pay; what is left can go back or \
             be divided as both agree.",
            btc_words(trade.deposit.confirmed),
            btc_words(facts.row.deposit)
        ));
    }
    None
}

/// A spend of the escrow that the desk did not send, while it is not the end of the trade yet.
pub fn foreign_spend(facts: &TradeFacts) -> Option<bitcoin::Txid> {
    let stage = facts.row.state.stage;
    if matches!(stage, Stage::Proposed | Stage::Cancelled | Stage::Completed) {
        return None;
    }
    let is_own = |txid: &bitcoin::Txid| {
        let made_here = |kind: &str| stage == Stage::PayingOut || kind == "stray";
        facts.book.payouts.iter().any(|payout| payout.txid == *txid && made_here(&payout.kind))
    };
    // A trade that did not end with what is deep enough has gone on without it.
    let gone_on = |one: &Output| stage != Stage::PayingOut && funding::is_taken(one, &facts.row, facts.tip);
    let coins = funding::escrowed(&facts.row, &facts.book.deposits).into_iter();
    coins.filter(|one| !gone_on(one)).filter_map(|one| one.spent_by).find(|txid| !is_own(txid))
}

/// The payout of the ruling in force was built over what is in escrow; its parts may be more than that.
pub fn ruling_fits(facts: &TradeFacts) -> bool {
    facts.book.live(PayoutKind::Ruling.as_str()).next().is_some()
}

/// The deposit is lost: whatever was signed, nothing was paid out.
pub fn is_lost(facts: &TradeFacts) -> bool {
    facts.row.state.outcome == Some(Outcome::Lost)
}

/// The whole deposit goes back to the seller, if it comes back at all.
fn goes_back(trade: &Trade) -> bool {
    let ruled = trade.ruling.as_ref().is_some_and(|ruling| ruling.outcome == Outcome::Refunded);
    trade.stage == Stage::RefundDue || trade.buyer_gave_up() || ruled
}

/// Enough for a deposit is at the address, though it waits for its block.
fn is_there(facts: &TradeFacts) -> bool {
    facts.book.will_be_enough(&facts.row)
}

/// The seller may put a new deposit in the place of the one that is gone. Not if it was to go back to him, nor while
/// enough is at the address that waits for its block.
pub fn needs_new_deposit(facts: &TradeFacts) -> bool {
    let trade = &facts.row.state;
    trade.frozen && trade.ever_funded && !goes_back(trade) && !is_there(facts)
}

/// While a trade is frozen nobody has anything to do, whatever its stage is.
pub fn frozen_card(facts: &TradeFacts) -> Option<Card> {
    let trade = &facts.row.state;
    if !trade.frozen {
        return None;
    }
    let words = match facts.party {
        Party::Buyer if trade.stage == Stage::Funded => "Do not pay now.",
        Party::Seller if needs_new_deposit(facts) => {
            "Release nothing. The deposit is not seen on the network any more. If it does not come back by itself, send it \
             again to the same address: a new deposit of at least the sum due takes its place."
        }
        Party::Seller if is_there(facts) => {
            "Release nothing. Send nothing either: it is seen on the network and waits for a block."
        }
        Party::Seller => {
            "Sign nothing, and send nothing in its place: what was to come back to you is not seen on the network at present."
        }
        _ => "There is nothing for you to do.",
    };
    let card = Card::new(
        "Wait: the deposit is not confirmed",
        format!("The block that held it has left the chain. {words} Clocks stand still."),
    );
    Some(if facts.party == Party::Seller && needs_new_deposit(facts) {
        card.act("Show the address again", format!("/trades/{}/funding", facts.row.reference), "quiet")
    } else {
        card
    })
}

/// While the coins are spent by others nothing is asked for, in the stages whose own cards do not say so.
pub fn spent_card(facts: &TradeFacts) -> Option<Card> {
    let trade = &facts.row.state;
    if foreign_spend(facts).is_none() || matches!(trade.stage, Stage::Funded | Stage::PaymentSent | Stage::PayingOut) {
        return None;
    }
    let card = Card::new("Another transaction spends the coins", SPENT_ELSEWHERE);
    Some(match (&trade.dispute, facts.party) {
        (None, _) => card,
        (Some(_), Party::Arbitrator) => {
            card.act("To the workplace", format!("/arbitration/{}", facts.row.reference), "quiet")
        }
        (Some(_), _) => card.act("See the dispute", format!("/trades/{}/dispute", facts.row.reference), "quiet"),
    })
}

/// What is left, or on its way, at the address of a cancelled trade.
pub fn cancelled_words(facts: &TradeFacts) -> String {
    let seen = facts.row.state.deposit.seen;
    let watched = "The address stays watched: coins that arrive there go back to the seller.";
    if seen.to_sat() == 0 {
        return format!("Nothing is in escrow. {watched}");
    }
    if seen.to_sat() < NOTHING_BELOW_SAT {
        return format!(
            "{} sat are at the address. Less than {} sat are not worth a transaction, so they are left there. {watched}",
            sats_grouped(seen),
            sats_grouped(Amount::from_sat(NOTHING_BELOW_SAT))
        );
    }
    format!(
        "{} were sent to the address and are not deep enough in the chain yet. When they are, they go back to the \
         seller: the trade stays cancelled, and nobody pays for it.",
        btc_words(seen)
    )
}

/// How a trade ended that did not end as it was meant to.
pub fn ending(facts: &TradeFacts) -> Option<&'static str> {
    Some(match facts.row.state.outcome? {
        Outcome::Lost => {
            "What the deposit was made of was spent elsewhere, or nobody has known of it for a week: there is nothing in \
             escrow, and nothing to sign. If money was paid, it is owed back; what was written here stays as evidence. \
             Should the deposit ever be in the chain again, the arbitrator is called."
        }
        Outcome::Other => {
            "Another transaction with two valid signatures spent the coins, to addresses that are not of this contract. \
             The desk did not send it."
        }
        _ => return None,
    })
}

/// What an output at the address is, beside its depth.
pub fn output_words(facts: &TradeFacts, output: &Output) -> String {
    let trade = &facts.row.state;
    let depth = output.confirmations(facts.tip);
    let needed = if output.coinbase { trade.confirmations.max(COINBASE_BLOCKS) } else { trade.confirmations };
    let there = match (output.spent_by, depth) {
        (Some(by), _) if Some(by) == facts.row.payout_txid => "paid out".into(),
        (Some(by), _) => format!("spent by {by}"),
        (None, 0) => "seen, not confirmed; it may still be replaced".into(),
        (None, depth) if output.coinbase && depth < needed => {
            format!("newly mined coins: {depth} of the {needed} confirmations they need")
        }
        (None, depth) => format!("{} of {needed} confirmations", depth.min(needed)),
    };
    match facts.book.is_stray(trade, output) {
        true if output.spent_by.is_none() && output.value.to_sat() < NOTHING_BELOW_SAT => {
            format!("stray, {there}; too little to be sent back, it is left there")
        }
        true => format!("stray: it is the seller's, and no part of this trade; {there}"),
        false => there,
    }
}
