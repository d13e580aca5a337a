//! The cards before the coins are in escrow: nothing there yet, too little, on its way, a changed contract.

use super::{Card, at, other, weather};
use crate::desk::trade_facts::TradeFacts;
use crate::domain::Party;
use crate::domain::money::btc_words;
use crate::domain::trade::{Act, Amendment, AmendmentKind};

pub(super) fn awaited(facts: &TradeFacts) -> Card {
    if facts.party == Party::Arbitrator {
        return Card::new(
            "Waiting for the deposit",
            "You are this trade's arbitrator. There is nothing for you to do.",
        );
    }
    if let Some(proposed) = &facts.row.state.amendment {
        return changed(facts, proposed);
    }
    match &facts.missing {
        Some(missing) if missing.expected.to_sat() == 0 => nothing_there(facts),
        Some(_) => short(facts),
        None => {
            let card = Card::new(
                "The deposit is on its way",
                format!(
                    "Seen on the network, not deep enough yet: it needs {} confirmations. The buyer does not pay before.",
                    facts.row.state.confirmations
                ),
            );
            leave(card, facts)
        }
    }
}

/// Nothing is confirmed though its time is over: nobody has to wait for it.
fn leave(card: Card, facts: &TradeFacts) -> Card {
    if facts.row.state.apply(&Act::Cancel, facts.party.into(), facts.now).is_err() {
        return card;
    }
    card.note("Its time is over, so either of you may cancel.", "Coins that confirm later go back to the seller.")
        .press("Cancel the trade", at(facts, "cancel"), "")
}

fn nothing_there(facts: &TradeFacts) -> Card {
    let due = btc_words(facts.row.deposit);
    let card = if facts.party == Party::Seller {
        Card::new(format!("Lock {due}"), "Open the funding page: it rebuilds the escrow's address from the contract both have signed, and only then shows it.")
            .act("Check and show the address", at(facts, "funding"), "big")
    } else {
        Card::new(
            format!("Waiting for {} to lock the coins", facts.row.seller_name),
            "Do not pay yet. This page says so when the coins are in escrow and confirmed.",
        )
    };
    let card = if may_change(facts) { card.act("More time for the deposit", at(facts, "amendment"), "") } else { card };
    card.press("Cancel the trade", at(facts, "cancel"), "")
}

fn may_change(facts: &TradeFacts) -> bool {
    facts.row.state.may_amend(facts.now).is_ok()
}

/// Less than was agreed: the missing part, another contract, or back it goes.
fn short(facts: &TradeFacts) -> Card {
    let trade = &facts.row.state;
    let Some(missing) = &facts.missing else { return Card::default() };
    let title = format!("Short by {}", btc_words(missing.short_by));
    let counts =
        format!("{} of the {} that are due have arrived.", btc_words(missing.expected), btc_words(facts.row.deposit));
    let over = trade.confirm_by.is_some() || trade.deposit_by.is_some_and(|by| facts.now >= by);
    let changes = |card: Card, label: &str, style| {
        if may_change(facts) { card.act(label, at(facts, "amendment"), style) } else { card }
    };
    let (or, together) = if may_change(facts) {
        (", or change the contract together; else", ", or you change the contract together")
    } else {
        ("; else", "; else the coins go back")
    };
    match facts.party {
        _ if over => {
            let then = if may_change(facts) {
                "Change the contract together in time, or the coins go back."
            } else {
                "The coins go back to the seller."
            };
            let card = Card::new(title, format!("{counts} More would come too late. {then}"));
            leave(changes(card, "Change the contract", "big"), facts)
        }
        Party::Seller => {
            let card = Card::new(
                title,
                format!(
                    "{counts} Send {} more before the window ends{or} the coins go back to you.",
                    btc_words(missing.top_up)
                ),
            );
            changes(card.act("Send the missing part", at(facts, "funding"), "big"), "Change the contract instead", "")
        }
        _ => {
            let card = Card::new(title, format!("{counts} {} can send the rest{together}.", facts.row.seller_name))
                .note("Do not pay yet.", "This page says so when the coins are in escrow and confirmed.");
            changes(card, "Change the contract", "quiet")
        }
    }
}

/// A contract that would supersede the one in force.
fn changed(facts: &TradeFacts, proposed: &Amendment) -> Card {
    let mine = facts.party.side();
    let signed = mine.is_some_and(|side| proposed.signed.contains(&side));
    let proposer = mine == Some(proposed.proposer);
    let what = match proposed.kind {
        AmendmentKind::ScaleDown => "The trade would be scaled down to what is in escrow, at the agreed price.",
        AmendmentKind::Waive => "What is missing would be waived: the same money for fewer coins.",
        AmendmentKind::Lengthen => "There would be more time for the deposit.",
    };
    let page = at(facts, "amendment");
    let stays = "The contract in force stays until both have signed.";
    if signed {
        let card =
            Card::new(format!("Waiting for {} to sign the changed contract", other(facts)), format!("{what} {stays}"));
        let label = if proposer { "Take the proposal back" } else { "Decline it after all" };
        return card.act("See what changes", page.clone(), "").press(label, format!("{page}/withdrawal"), "");
    }
    let title =
        if proposer { "Sign your changed contract".into() } else { format!("{} proposes a change", other(facts)) };
    let label = if proposer { "Take the proposal back" } else { "Decline" };
    Card::new(title, format!("{what} {stays}")).act("See what changes and sign", page.clone(), "big").press(
        label,
        format!("{page}/withdrawal"),
        "",
    )
}

pub(super) fn cancelled(facts: &TradeFacts) -> Card {
    Card::new("Cancelled", weather::cancelled_words(facts))
}
