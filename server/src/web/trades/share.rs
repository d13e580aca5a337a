//! What a trader gets from the escrow, and where: only while it can still reach him.

use bitcoin::Amount;

use super::weather;
use crate::desk::trade_facts::TradeFacts;
use crate::domain::money::btc_words;
use crate::domain::trade::{Outcome, PayoutKind};
use crate::domain::{Party, Stage};

/// Label, amount and address of this viewer's part; empty if there is none.
pub fn own_part(facts: &TradeFacts) -> (&'static str, String, String) {
    let payouts = &facts.book.contract.payouts;
    let entry = match facts.party {
        Party::Buyer => payouts.release.first(),
        Party::Seller => payouts.refund.first(),
        Party::Arbitrator => None,
    };
    let part = entry.and_then(|entry| match facts.row.state.stage {
        Stage::Cancelled => None,
        Stage::PayingOut | Stage::Completed => paid(facts),
        _ => expected(facts, entry.sat),
    });
    match (part, entry) {
        (Some((label, amount)), Some(entry)) => (label, amount, entry.address.clone()),
        _ => Default::default(),
    }
}

/// By the payout that was made.
fn paid(facts: &TradeFacts) -> Option<(&'static str, String)> {
    if weather::is_lost(facts) {
        return None;
    }
    let label = match (facts.party, facts.row.state.stage) {
        (Party::Buyer, Stage::Completed) => "You received",
        (Party::Buyer, _) => "You receive",
        (_, Stage::Completed) => "You got back",
        _ => "You get back",
    };
    let part = facts.row.payout_txid.and_then(|txid| facts.book.part_of(facts.party, txid))?;
    Some((label, btc_words(part)))
}

/// By the division that is agreed or ruled, else by the contract.
fn expected(facts: &TradeFacts, sat: Amount) -> Option<(&'static str, String)> {
    let trade = &facts.row.state;
    if trade.settlement.is_some() {
        return divided(facts, PayoutKind::Settlement, "The settlement gives you");
    }
    if trade.stage == Stage::Ruled {
        return divided(facts, PayoutKind::Ruling, "The ruling gives you");
    }
    let before_fees = |amount: Amount| format!("{} before the miner fee", btc_words(amount));
    if facts.party == Party::Buyer {
        return can_reach_the_buyer(facts).then(|| ("You receive", before_fees(sat)));
    }
    // There may be less than the contract says.
    let held = match facts.missing.filter(|_| trade.stage == Stage::AwaitingDeposit) {
        Some(missing) => missing.expected,
        None => facts.book.funding_total(),
    };
    let amount = if held > Amount::ZERO { sat.min(held) } else { sat };
    Some(("A refund gives you", before_fees(amount)))
}

/// The parts are those that were agreed or ruled; fees are taken from them.
fn divided(facts: &TradeFacts, kind: PayoutKind, label: &'static str) -> Option<(&'static str, String)> {
    let accepted = |about| facts.settlements.iter().any(|one| one.accepted && Some(one.id.0) == about);
    let row = facts.book.live(kind.as_str()).find(|row| kind != PayoutKind::Settlement || accepted(row.about))?;
    let part = if facts.party == Party::Buyer { row.buyer } else { row.seller };
    (part > Amount::ZERO).then(|| (label, format!("{} before fees", btc_words(part))))
}

/// The release needs the buyer's signature, and coins enough. Once the coins are going back it is made only if that
/// signature is in already.
fn can_reach_the_buyer(facts: &TradeFacts) -> bool {
    let trade = &facts.row.state;
    let signed = trade.has_signed(PayoutKind::Release, Party::Buyer);
    match trade.stage {
        Stage::Proposed | Stage::AwaitingDeposit => true,
        Stage::RefundDue => signed,
        _ => signed || (!trade.buyer_gave_up() && super::card::can_be_released(facts)),
    }
}

fn is_coming_back(facts: &TradeFacts) -> bool {
    facts.book.deposits.iter().any(|output| output.funding && output.is_there())
}

/// What is in escrow, in words.
pub fn escrow_words(facts: &TradeFacts) -> String {
    let deposit = facts.row.state.deposit;
    if facts.row.state.stage == Stage::Completed {
        let words = match (facts.row.state.outcome, facts.row.payout_txid) {
            (Some(Outcome::Lost), _) if is_coming_back(facts) => "the deposit, which was lost, is on its way back",
            (Some(Outcome::Lost), _) => "empty: the deposit is lost",
            (_, Some(_)) => "empty: paid out",
            _ => "empty",
        };
        return words.into();
    }
    if deposit.seen.to_sat() == 0 && facts.row.state.stage == Stage::Cancelled {
        return "empty".into();
    }
    if deposit.seen.to_sat() == 0 {
        return format!("{} are due", btc_words(facts.row.deposit));
    }
    btc_words(deposit.seen)
}
