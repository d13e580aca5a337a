//! The cards of trades that go another way than straight to the release, and of those that are over.

use super::{Card, at, can_be_released, weather};
use crate::desk::handover;
use crate::desk::trade_facts::TradeFacts;
use crate::domain::trade::{Act, LINGERS_AFTER_BLOCKS, Outcome, PayoutKind};
use crate::domain::{Actor, Party};

pub(super) fn refund_due(facts: &TradeFacts) -> Card {
    let trade = &facts.row.state;
    if let Some(side) = facts.party.side().filter(|_| facts.may_reinstate) {
        let (asked, other) = (trade.reinstating.contains(&side), trade.reinstating.contains(&side.other()));
        let place = at(facts, "reinstatement");
        if other {
            return Card::new(
                format!("{} wants to take the trade up again", super::other(facts)),
                "The whole deposit is in escrow after all. If you want it too, the trade goes on at the agreed price; \
                 else the coins go back to the seller.",
            )
            .act("Look at it and decide", place, "big")
            .act("Sign the refund", at(facts, "refund"), "");
        }
        if asked {
            return Card::new(
                format!("Waiting for {}", super::other(facts)),
                "You want to take the trade up again. It goes on when both say so; nobody pays before.",
            )
            .press("I do not want it any more", format!("{place}/withdrawal"), "")
            .act("Sign the refund instead", at(facts, "refund"), "");
        }
        return Card::new(
            "The deposit is here, too late",
            "It goes back to the seller with two signatures. Or both take the trade up again, at the agreed price; that \
             is possible until one of you signs the refund.",
        )
        .act("Take the trade up again", place, "big")
        .act("Sign the refund", at(facts, "refund"), "quiet");
    }
    let signed = |party| trade.has_signed(PayoutKind::Refund, party);
    let pay = "Never pay in this trade any more.";
    if facts.book.live(PayoutKind::Refund.as_str()).next().is_none() {
        let words =
            "What came is in no block at present, so there is nothing to sign. Once it is confirmed, it goes back.";
        return Card::new(
            "Wait: nothing can be sent back yet",
            if facts.party == Party::Buyer { format!("{words} {pay}") } else { words.into() },
        );
    }
    match facts.party {
        Party::Seller if !signed(Party::Seller) => Card::new("Sign the refund", "The coins go back to your refund address with your signature and one more.")
            .act("Sign the refund", at(facts, "refund"), "big"),
        Party::Buyer if !signed(Party::Buyer) => Card::new(format!("Let the coins go back to {}", facts.row.seller_name), if trade.ever_funded {
            format!("The seller closed the trade. With your signature the coins go back at once; without it the arbitrator decides. {pay}")
        } else {
            format!("The deposit was too little or too late. With your signature it goes back at once. {pay}")
        })
            .act("Sign the refund", at(facts, "refund"), "big")
            .act("I have paid: open a dispute", at(facts, "dispute"), ""),
        Party::Arbitrator if !signed(Party::Arbitrator) => {
            let sign = Act::SignPayout { kind: PayoutKind::Refund };
            if trade.apply(&sign, Actor::Arbitrator, facts.now).is_ok() {
                Card::new("The refund needs your signature", "The time to object is over. Your signature and that of one trader send the coins back to the seller.")
                    .act("Sign the refund", at(facts, "refund"), "big")
            } else {
                Card::new("A refund waits for the traders", "You may sign it when the time to object is over and a trader has signed. Until then there is nothing for you to do.")
            }
        }
        Party::Arbitrator => Card::new("Waiting for a trader's signature", "Your signature for the refund is in. The coins go back with that of one trader."),
        Party::Buyer => Card::new("The coins are going back", format!("Your signature is in. {pay}")),
        _ => Card::new("Waiting for the second signature", "Your signature for the refund is in. The buyer signs next; if the buyer is gone, the arbitrator can, when the time to object is over.")
            .act("Open a dispute", at(facts, "dispute"), ""),
    }
}

pub(super) fn disputed(facts: &TradeFacts) -> Card {
    let trade = &facts.row.state;
    if facts.party == Party::Arbitrator {
        return Card::new("This dispute is yours", "Read both sides, ask, and rule.").act(
            "To the workplace",
            format!("/arbitration/{}", facts.row.reference),
            "big",
        );
    }
    let spoke = trade
        .dispute
        .as_ref()
        .is_some_and(|d| if facts.party == Party::Buyer { d.buyer_spoke } else { d.seller_spoke });
    let card = if spoke {
        Card::new(
            format!("{} decides", facts.row.arbitrator_name),
            "Your statement is in. You can add evidence, or settle between yourselves.",
        )
        .act("See the dispute", at(facts, "dispute"), "big")
    } else {
        Card::new("Tell your side", "The arbitrator rules on what is there. Evidence that is not given within its window counts against who owed it.")
            .act("Write your statement", at(facts, "dispute"), "big")
    };
    let card = card.act("Propose a settlement", at(facts, "settlement"), "quiet");
    let buyer_signed = trade.has_signed(PayoutKind::Release, Party::Buyer);
    let card = if facts.party == Party::Buyer && !buyer_signed && !trade.buyer_gave_up() && can_be_released(facts) {
        card.act("Sign the release, so that the seller can", at(facts, "payment-release"), "")
    } else {
        card
    };
    match facts.party {
        Party::Seller if buyer_signed => card.act("Release the coins after all", at(facts, "release"), ""),
        _ => card.act("Give in: sign the refund", at(facts, "refund"), ""),
    }
}

pub(super) fn ruled(facts: &TradeFacts) -> Card {
    if !weather::ruling_fits(facts) {
        return ruled_over_more(facts);
    }
    if facts.party == Party::Arbitrator {
        return Card::new("You have ruled", "When the time to object is over, sign the payout.").act(
            "To the workplace",
            format!("/arbitration/{}", facts.row.reference),
            "big",
        );
    }
    let outcome = match facts.row.state.ruling.as_ref().map(|ruling| ruling.outcome) {
        Some(Outcome::Released) => ": the coins go to the buyer",
        Some(Outcome::Refunded) => ": the coins go back to the seller",
        Some(Outcome::Split) => ": the coins are split",
        _ => "",
    };
    Card::new(
        format!("{} has ruled{outcome}", facts.row.arbitrator_name),
        if facts.row.state.has_signed(PayoutKind::Ruling, facts.party) {
            "You have co-signed the payout. The coins move when the arbitrator has signed too."
        } else {
            "Read the ruling. The coins move with the arbitrator's signature and one of yours."
        },
    )
    .act("Read the ruling", at(facts, "ruling"), "big")
    .act("Propose a settlement", at(facts, "settlement"), "")
}

/// What was ruled on is not there any more, or not all of it.
fn ruled_over_more(facts: &TradeFacts) -> Card {
    let title = "The ruling does not fit what is left in escrow";
    if facts.party == Party::Arbitrator {
        return Card::new(title, "It cannot be paid out. Withdraw it and rule again, over what is there.").act(
            "To the workplace",
            format!("/arbitration/{}", facts.row.reference),
            "big",
        );
    }
    let words = format!(
        "It cannot be paid out, and nothing of it is to be signed. {} withdraws it and rules again; you can also settle \
         between yourselves.",
        facts.row.arbitrator_name
    );
    Card::new(title, words).act("Read the ruling", at(facts, "ruling"), "quiet").act(
        "Propose a settlement",
        at(facts, "settlement"),
        "",
    )
}

pub(super) fn settling(facts: &TradeFacts) -> Card {
    if facts.party == Party::Arbitrator && facts.row.state.dispute.is_none() {
        return Card::new(
            "The traders have settled",
            "It waits for the second signature. There is nothing for you to do.",
        );
    }
    let mine = facts.row.state.settlement.as_ref().is_some_and(|s| Party::from(s.proposer) == facts.party);
    if mine {
        return Card::new(
            "Your settlement was accepted",
            "It binds you and is the only one from now on. Complete it with your signature.",
        )
        .act("Complete the settlement", at(facts, "settlement/completion"), "big");
    }
    Card::new("The settlement waits for its second signature", "The accepted settlement is the only way on. If its proposer does not sign within the time to co-sign, the arbitrator can, in a dispute.")
        .act("See the settlement", at(facts, "settlement"), "big")
}

pub(super) fn paying_out(facts: &TradeFacts) -> Card {
    if facts.row.state.paying_out.is_none() {
        // Two keys made it without the desk, and the block that held it has left the chain.
        let card = Card::new(
            "The payout left the chain",
            "It was made outside this desk, so whoever made it can send it again. If it is forgotten, the arbitrator is called over the coins.",
        );
        return match facts.row.payout_txid {
            Some(txid) => card.fact("Transaction", txid.to_string(), txid.to_string()),
            None => card,
        };
    }
    let kind = match facts.row.state.paying_out {
        Some(PayoutKind::Release) => "The coins are released",
        Some(PayoutKind::Refund) => "The coins are going back",
        _ => "The payout is on its way",
    };
    let waited = facts.handover.as_ref().map_or(0, |told| facts.tip.saturating_sub(told.height));
    let refusal = facts.handover.as_ref().and_then(|told| told.refusal.as_deref());
    let confirmations = facts.row.state.confirmations;
    let card = match refusal {
        Some(why) => Card::new(
            "The payout is signed, but not taken yet",
            format!("The node does not take it as it is. {} The desk tries again and again.", handover::in_words(why)),
        )
        .fact("The node says", why, ""),
        None if waited >= LINGERS_AFTER_BLOCKS => Card::new(
            "The payout lingers",
            format!(
                "It has waited for {waited} blocks. It can be sent with the next higher fee, or a child can pay for it."
            ),
        ),
        None => Card::new(
            kind,
            format!(
                "The payout is signed and handed to the network. It counts as paid when it has {confirmations} confirmations."
            ),
        ),
    };
    let style = if refusal.is_some() || waited >= LINGERS_AFTER_BLOCKS { "big" } else { "" };
    let card = card.act("See the payout and its fee", at(facts, "payout"), style);
    match facts.row.payout_txid {
        Some(txid) => card.fact("Transaction", txid.to_string(), txid.to_string()),
        None => card,
    }
}

pub(super) fn completed(facts: &TradeFacts) -> Card {
    let words = match super::super::page::stage_words(&facts.row.state) {
        "released" => "The buyer has the coins, confirmed on the chain.",
        "refunded" => "The seller has the coins back, confirmed on the chain.",
        "split" => "Each has the agreed or ruled part, confirmed on the chain.",
        _ => "The coins went to outputs that are not of this contract.",
    };
    let card = Card::new("Completed", weather::ending(facts).unwrap_or(words));
    match facts.row.payout_txid.filter(|_| !weather::is_lost(facts)) {
        Some(txid) => card.fact("Transaction", txid.to_string(), txid.to_string()),
        None => card,
    }
}
