//! The cards while the fiat money is on its way: to be sent, marked, seen; and those that say not to pay.

use super::weather::{self, SPENT_ELSEWHERE};
use super::{Card, at, can_be_released};
use crate::desk::trade_facts::TradeFacts;
use crate::domain::money::btc_words;
use crate::domain::trade::{Act, PayoutKind};
use crate::domain::{Actor, Event, Party};
use crate::web::shown::account_number;

pub(super) fn funded(facts: &TradeFacts) -> Card {
    if let Some(card) = nobody_pays(facts) {
        return card;
    }
    let over = is_over(facts);
    let rail = &facts.method.method().label;
    match facts.party {
        Party::Buyer => to_pay(facts, rail, over),
        Party::Seller if over => Card::new(
            "The buyer has not paid in time",
            "If nothing has arrived, close the trade and sign the refund. If money has arrived, say so.",
        )
        .act("Close as unpaid", at(facts, "unpaid"), "big")
        .press("I see money that was not marked", at(facts, "payment-seen"), "quiet")
        .act("Open a dispute", at(facts, "dispute"), ""),
        Party::Seller => Card::new(
            format!("Waiting for {} to pay", facts.row.buyer_name),
            format!(
                "{} by {rail}. The coins are locked; you release them when the money is in your account.",
                facts.fiat
            ),
        )
        .press("I see money that was not marked", at(facts, "payment-seen"), "quiet"),
        Party::Arbitrator => {
            Card::new("The coins are in escrow", "The buyer pays next. There is nothing for you to do.")
        }
    }
}

fn is_over(facts: &TradeFacts) -> bool {
    facts.row.state.pay_by.is_some_and(|by| facts.now >= by)
}

fn to_pay(facts: &TradeFacts, rail: &str, over: bool) -> Card {
    let name =
        facts.payee.as_ref().and_then(|fields| fields.first()).map(|(_, value)| value.clone()).unwrap_or_default();
    let mut card = if over {
        Card::new(
            "The time to pay is over",
            format!(
                "{} may close the trade at any moment. If you have paid {} to {name}, press the button now; if you have \
                 not, ask in the room before you send anything.",
                facts.row.seller_name, facts.fiat
            ),
        )
    } else {
        Card::new(
            format!("Send {} to {name}", facts.fiat),
            format!("The coins are locked. Pay by {rail} from your own account, then press the button."),
        )
    };
    for (label, value) in facts.payee.iter().flatten() {
        card = card.fact(label.clone(), account_number(value), value.clone());
    }
    if facts.payee.is_some() {
        card = card.checked_at("Have them compared with the contract before you send money", at(facts, "payment"));
    }
    card = card
        .fact("Amount", facts.fiat.to_string(), facts.fiat.plain())
        .fact("Reference", facts.row.reference.to_string(), facts.row.reference.to_string())
        .note("Write nothing else in the reference.", "A word about bitcoin can make the bank hold the payment.")
        .act(format!("I have sent {}", facts.fiat), at(facts, "payment"), "big")
        .act("Cancel the purchase", at(facts, "cancellation"), "");
    if over { card.act("Open a dispute", at(facts, "dispute"), "") } else { card }
}

/// Why nobody pays when there is enough in escrow, and it is nobody's fault.
const NO_RELEASE: &str = "No release of these coins could be made, so a payment would bring the buyer nothing.";

pub(super) fn must_not_pay(facts: &TradeFacts) -> bool {
    let trade = &facts.row.state;
    weather::foreign_spend(facts).is_some() || trade.buyer_gave_up() || trade.is_short() || !can_be_released(facts)
}

/// The trade waits for the payment, and there is nothing that could be released for it.
fn nobody_pays(facts: &TradeFacts) -> Option<Card> {
    if !must_not_pay(facts) {
        return None;
    }
    let trade = &facts.row.state;
    let why = if weather::foreign_spend(facts).is_some() {
        SPENT_ELSEWHERE.to_owned()
    } else if trade.buyer_gave_up() {
        format!("{} What is in escrow can be divided as both agree.", signed_away(facts))
    } else if trade.is_short() {
        format!("{} It can go back, or be divided as both agree.", what_is_left(facts))
    } else {
        format!("{NO_RELEASE} They can go back, or be divided as both agree.")
    };
    let title = if facts.party == Party::Buyer { "Do not pay" } else { "The buyer must not pay" };
    let paid = match facts.party {
        Party::Buyer => " If you have paid already, say so in the room.",
        Party::Seller => " If money has arrived, say so.",
        Party::Arbitrator => " There is nothing for you to do.",
    };
    let mut card = Card::new(title, format!("{why}{paid}"));
    let over = is_over(facts);
    if facts.party != Party::Arbitrator && weather::foreign_spend(facts).is_none() {
        card = card.act("Propose a settlement", at(facts, "settlement"), "big");
        if facts.party == Party::Buyer && !trade.buyer_gave_up() {
            card = card.act("Cancel the purchase", at(facts, "cancellation"), "quiet");
        }
        if facts.party == Party::Seller && over {
            card = card.act("Close as unpaid", at(facts, "unpaid"), "quiet");
        }
    }
    if facts.party == Party::Seller {
        card = card.press("I see money that was not marked", at(facts, "payment-seen"), "quiet");
    }
    let disputes = over && facts.party != Party::Arbitrator;
    Some(if disputes { card.act("Open a dispute", at(facts, "dispute"), "") } else { card })
}

fn signed_away(facts: &TradeFacts) -> String {
    let who = if facts.party == Party::Buyer { "You have" } else { &format!("{} has", facts.row.buyer_name) };
    format!("{who} signed coins of this trade away, and that signature stays valid for ever.")
}

fn what_is_left(facts: &TradeFacts) -> String {
    let (left, due) = (facts.row.state.deposit.confirmed, facts.row.deposit);
    format!("{} are left in escrow of the {} that were agreed.", btc_words(left), btc_words(due))
}

pub(super) fn payment_sent(facts: &TradeFacts) -> Card {
    let trade = &facts.row.state;
    let signed = trade.has_signed(PayoutKind::Release, Party::Buyer);
    match facts.party {
        Party::Arbitrator => {
            Card::new("The payment is marked as sent", "The seller answers next. There is nothing for you to do.")
        }
        _ if weather::foreign_spend(facts).is_some() => {
            dispute(facts, answer(facts, Card::new("Another transaction spends the coins", SPENT_ELSEWHERE)))
        }
        _ if !signed && (trade.buyer_gave_up() || !can_be_released(facts)) => nothing_to_release(facts),
        Party::Seller if !signed && seller_saw(facts) => settle_or_dispute(
            facts,
            Card::new(
                "You have seen the money",
                format!("The release still needs {}'s signature, which comes first.", facts.row.buyer_name),
            )
            .act("Send the coins back instead", at(facts, "refund"), ""),
        ),
        Party::Seller => settle_or_dispute(facts, has_it_arrived(facts, signed)),
        Party::Buyer if signed => {
            let card = Card::new(
                format!("Waiting for {} to release", facts.row.seller_name),
                "Your payment is marked and your signature is in. You will have the coins when the seller has signed too.",
            );
            settle_or_dispute(facts, undo(facts, card))
        }
        Party::Buyer => {
            let card = if seller_saw(facts) {
                Card::new("The seller sees your money", "Sign the release, so that the coins can come to you.")
            } else {
                Card::new(
                    "Sign the release again",
                    "Other coins are in escrow than those you have signed for. Your payment stays marked; the seller can \
                     release these when your signature for them is in.",
                )
            };
            let card = card.act("Sign the release", at(facts, "payment-release"), "big");
            settle_or_dispute(facts, undo(facts, card))
        }
    }
}

/// The last word about the payment was the seller's own, not the buyer's mark.
fn seller_saw(facts: &TradeFacts) -> bool {
    let events = facts.log.iter().rev().filter_map(|line| Event::from_word(line.event.as_deref()?));
    let mut marks = events.filter(|event| matches!(event, Event::PaymentSeen | Event::PaymentMarkedSent));
    marks.next() == Some(Event::PaymentSeen)
}

/// The seller looks into his account. He releases when the buyer's signature is in.
fn has_it_arrived(facts: &TradeFacts, signed: bool) -> Card {
    let buyer = &facts.row.buyer_name;
    let card = Card::new(
        format!("Has {} arrived?", facts.fiat),
        if signed {
            format!("{buyer} marked the payment as sent. Log in to your own account and look.")
        } else {
            format!(
                "{buyer} marked the payment as sent. Log in to your own account and look. Other coins are in escrow than \
                 those {buyer} signed for: you can release them when {buyer} has signed again."
            )
        },
    );
    let card = payment_facts(facts, card, signed);
    let card = if signed {
        card.note(
            "Never release on a receipt.",
            "Only your own account tells whether the money is there, and the sender's name must match.",
        )
        .act("It is there: release the coins", at(facts, "release"), "big")
    } else {
        card.note("Not checked by this page.", "These details are the desk's word until you release.")
    };
    answer(facts, card)
}

/// Who pays, where to look, and under what reference.
fn payment_facts(facts: &TradeFacts, mut card: Card, signed: bool) -> Card {
    for (label, value) in facts.payer.iter().flatten() {
        card = card.fact(format!("Payer: {label}"), account_number(value), "");
    }
    if facts.payer.is_some() && signed {
        card = card.checked_at("Have the payer compared with the contract before you release", at(facts, "release"));
    }
    // The first field is the name; the rest says which account to look into.
    for (label, value) in facts.payee.iter().flatten().skip(1) {
        card = card.fact(format!("Your {label}"), account_number(value), "");
    }
    card.fact("Reference", facts.row.reference.to_string(), "")
}

/// A payment is marked or seen, and no release can be made of what is in escrow.
fn nothing_to_release(facts: &TradeFacts) -> Card {
    let trade = &facts.row.state;
    let why = match (trade.buyer_gave_up(), trade.is_short()) {
        (true, _) => signed_away(facts),
        (false, true) => what_is_left(facts),
        (false, false) => NO_RELEASE.to_owned(),
    };
    let then = match facts.party {
        Party::Buyer => "Divide what is there as both agree",
        _ if seller_saw(facts) => "You have seen the money: divide the coins as both agree",
        _ => "The buyer marked the payment as sent: look into your own account, then divide the coins as both agree",
    };
    let mut card = Card::new(
        "The coins cannot be released as agreed",
        format!("{why} {then}; if you cannot agree, the arbitrator decides."),
    );
    if facts.party == Party::Seller {
        card = payment_facts(facts, card, false)
            .note("Not checked by this page.", "These details are the desk's word.")
            .act("Propose a settlement", at(facts, "settlement"), "big");
        card = answer(facts, card).act("Send the coins back", at(facts, "refund"), "");
    } else {
        card = undo(facts, card.act("Propose a settlement", at(facts, "settlement"), "big"));
    }
    dispute(facts, card)
}

/// The seller says that he looks; then the mark stands.
fn answer(facts: &TradeFacts, card: Card) -> Card {
    if facts.row.state.apply(&Act::AnswerMark, facts.party.into(), facts.now).is_err() {
        return card;
    }
    card.press("I am looking into it", at(facts, "payment/answer"), "quiet")
}

/// Once, until the seller has answered.
fn undo(facts: &TradeFacts, card: Card) -> Card {
    if facts.party != Party::Buyer || facts.row.state.apply(&Act::UndoMark, Actor::Buyer, facts.now).is_err() {
        return card;
    }
    card.press("I marked it by mistake", at(facts, "payment/undo"), "")
}

fn settle_or_dispute(facts: &TradeFacts, card: Card) -> Card {
    dispute(facts, card.act("Propose a settlement", at(facts, "settlement"), ""))
}

fn dispute(facts: &TradeFacts, card: Card) -> Card {
    card.act("Open a dispute", at(facts, "dispute"), "")
}
