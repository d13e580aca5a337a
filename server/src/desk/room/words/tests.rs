use std::collections::BTreeSet;

use super::*;
use crate::domain::trade::Deposit;
use crate::domain::trade::tests::taken;

fn trade(stage: Stage) -> Trade {
    Trade { stage, ..taken() }
}

fn facts(after: &Trade, actor: Actor) -> EventFacts<'_> {
    EventFacts { after, actor, buyer: "anna-k", seller: "miro", arbitrator: "sable", fiat: "500.00 EUR" }
}

#[test]
fn every_event_has_words_of_its_own() {
    let after = trade(Stage::Funded);
    let all: BTreeSet<String> = Event::ALL.iter().map(|event| of_event(*event, &facts(&after, Actor::Buyer))).collect();
    assert_eq!(all.len(), Event::ALL.len());
    for words in all {
        assert!(words.ends_with('.') && words.len() <= 140, "one or two short sentences: {words}");
        assert!(!words.contains("  ") && !words.contains(" ."), "{words}");
    }
}

#[test]
fn a_sentence_names_who_and_how_much() {
    let said = |event, actor| of_event(event, &facts(&trade(Stage::PaymentSent), actor));
    assert_eq!(said(Event::PaymentMarkedSent, Actor::Buyer), "anna-k marked 500.00 EUR as sent.");
    assert_eq!(said(Event::Declined, Actor::Seller), "miro declined the trade.");
    assert_eq!(
        said(Event::DisputeOpened, Actor::Seller),
        "miro opened a dispute. sable, the arbitrator, can now read this room."
    );
}

#[test]
fn a_deposit_after_the_end_is_told_apart() {
    let said = |stage| of_event(Event::DepositConfirmed, &facts(&trade(stage), Actor::Chain));
    assert_eq!(said(Stage::Funded), "Coins arrived in escrow. anna-k sends 500.00 EUR next.");
    assert!(said(Stage::RefundDue).contains("go back to miro"));
}

#[test]
fn payouts_say_where_the_coins_go() {
    let said = |event, kind, outcome| {
        let mut after = trade(Stage::PayingOut);
        (after.paying_out, after.outcome) = (kind, outcome);
        of_event(event, &facts(&after, Actor::Seller))
    };
    assert!(said(Event::PayoutCompleted, Some(PayoutKind::Release), None).ends_with("on their way to anna-k."));
    assert!(said(Event::PayoutCompleted, Some(PayoutKind::Refund), None).ends_with("on their way back to miro."));
    assert_eq!(
        said(Event::PayoutConfirmed, None, Some(Outcome::Released)),
        "The payout is confirmed. anna-k has the coins."
    );
}

#[test]
fn small_acts_are_told_and_the_chains_counting_is_not() {
    let after = trade(Stage::RefundDue);
    let said = |act: &Act, actor| of_act(act, &facts(&after, actor));
    assert_eq!(said(&Act::SignContract, Actor::Seller).as_deref(), Some("miro signed the contract."));
    assert_eq!(
        said(&Act::SignPayout { kind: PayoutKind::Refund }, Actor::Arbitrator).as_deref(),
        Some("sable signed the refund.")
    );
    assert_eq!(said(&Act::JudgeDeposit { deposit: Deposit::default() }, Actor::Chain), None);
}
