//! Who waits for whom where a signature, an end or a settlement comes first.

use super::*;
use crate::domain::notices::{self, Kind, Turn};

fn windows(trade: &Trade) -> Vec<(What, &'static str)> {
    trade.deadlines().into_iter().map(|one| (one.what, one.who)).collect()
}

fn reminded(trade: &Trade, what: What) -> Vec<Party> {
    trade.reminded(trade.deadlines().iter().find(|one| one.what == what).expect("it runs"))
}

fn told(before: &Trade, act: &Act, actor: Actor, at: i64) -> Vec<(Party, Vec<Kind>, Turn)> {
    let change = before.apply(act, actor, minutes(at)).unwrap();
    let all = notices::of_change(before, &change.trade, change.event, act, actor);
    all.into_iter().map(|one| (one.party, one.kinds, one.turn)).collect()
}

fn seen() -> Trade {
    after(&funded(), &[(Act::SeePayment, Actor::Seller, 20)])
}

fn accepted(trade: &Trade, acceptor: Actor, at: i64) -> Trade {
    after(trade, &[(Act::AcceptSettlement { outcome: Outcome::Split }, acceptor, at)])
}

/// What the clock does at this time, and to whom it tells what; not a minute before, and once.
fn called(trade: &Trade, at: i64) -> (Trade, Vec<(Party, Vec<Kind>, Turn)>) {
    assert_eq!(trade.overdue(minutes(at - 1), None), None);
    let act = trade.overdue(minutes(at), None).expect("the clock has something to do");
    refused(trade, &act, Actor::Seller, at);
    let then = after(trade, &[(act.clone(), Actor::Clock, at)]);
    assert_eq!((then.stage, then.overdue(minutes(at + 1), None)), (trade.stage, None), "once");
    (then, told(trade, &act, Actor::Clock, at))
}

#[test]
fn money_that_the_seller_sees_waits_for_the_buyers_signature_first() {
    assert_eq!((seen().turn(), windows(&seen())), (vec![Party::Buyer], vec![(What::Release, "buyer")]));
    assert_eq!(reminded(&seen(), What::Release), [Party::Buyer]);
    let news = told(&funded(), &Act::SeePayment, Actor::Seller, 20);
    assert_eq!(news, [(Party::Buyer, vec![Kind::Turn, Kind::Money], Turn::Yours)]);
    let signed = after(&seen(), &[(sign(PayoutKind::Release), Actor::Buyer, 30)]);
    assert_eq!((signed.turn(), windows(&signed)), (vec![Party::Seller], vec![(What::Release, "seller")]));
    let news = told(&seen(), &sign(PayoutKind::Release), Actor::Buyer, 30);
    assert_eq!(news, [(Party::Seller, vec![Kind::Turn], Turn::Yours)]);
    // A buyer who has signed the coins away signs no release; the seller can send them back.
    let back = after(&seen(), &[(sign(PayoutKind::Refund), Actor::Buyer, 30)]);
    assert_eq!(back.turn(), [Party::Seller]);
}

#[test]
fn after_another_deposit_the_buyer_signs_the_release_again_first() {
    let other = Deposit { whole: false, renewed: true, ..deposit(1_000_000) };
    let renewed = after(&paid(), &[(Act::JudgeDeposit { deposit: other }, Actor::Chain, 50)]);
    assert!(!renewed.has_signed(PayoutKind::Release, Party::Buyer) && !renewed.frozen);
    assert_eq!((renewed.turn(), windows(&renewed)), (vec![Party::Buyer], vec![(What::Release, "buyer")]));
}

#[test]
fn nobody_is_asked_to_pay_for_less_than_was_agreed_or_for_coins_that_were_given_away() {
    let lose = Act::LosePart { deposit: deposit(600_000), why: PartGone::Spent };
    let short = after(&funded(), &[(lose.clone(), Actor::Chain, 30)]);
    assert_eq!((short.turn(), windows(&short)), (vec![], vec![(What::Payment, "clock")]));
    let given_away = Trade { gave_up: true, ..funded() };
    assert_eq!((given_away.turn(), windows(&given_away)), (vec![], vec![(What::Payment, "clock")]));
    let paid = after(&paid(), &[(lose, Actor::Chain, 30)]);
    assert_eq!((paid.turn(), windows(&paid)), (vec![Party::Buyer, Party::Seller], vec![(What::Release, "both")]));
}

#[test]
fn the_arbitrator_is_called_to_a_refund_when_the_time_to_object_is_over() {
    let unpaid = after(&funded(), &[(Act::CloseUnpaid, Actor::Seller, 70)]);
    let waits = after(&unpaid, &[(sign(PayoutKind::Refund), Actor::Seller, 71)]);
    assert_eq!(waits.turn(), [Party::Buyer], "he may not sign yet");
    let (then, news) = called(&waits, 70 + 1440);
    assert_eq!(then.turn(), [Party::Buyer, Party::Arbitrator]);
    assert_eq!(news, [(Party::Arbitrator, vec![Kind::Turn], Turn::Yours)]);
    assert!(then.apply(&sign(PayoutKind::Refund), Actor::Arbitrator, minutes(70 + 1440)).is_ok());
    // A seller who signs after that time calls him at once.
    let (late, news) = called(&unpaid, 70 + 1440);
    assert_eq!((late.turn(), news), (vec![Party::Seller], vec![]));
    let news = told(&late, &sign(PayoutKind::Refund), Actor::Seller, 2_000);
    assert!(news.contains(&(Party::Arbitrator, vec![Kind::Turn], Turn::Yours)), "{news:?}");
    let frozen = Trade { frozen: true, ..waits };
    assert_eq!(frozen.overdue(minutes(2_000), None), None, "clocks stand still");
}

#[test]
fn the_arbitrator_is_called_to_his_ruling_when_he_may_carry_it_out() {
    assert_eq!(ruled().turn(), [Party::Buyer]);
    let (then, news) = called(&ruled(), 100 + 1440);
    assert_eq!(then.turn(), [Party::Arbitrator, Party::Buyer]);
    assert_eq!(news, [(Party::Arbitrator, vec![Kind::Turn], Turn::Yours)]);
    // An objection he may answer at once; that he may sign as well is told all the same.
    let objected = after(&ruled(), &[(Act::Object, Actor::Seller, 200)]);
    assert_eq!(objected.turn(), [Party::Arbitrator, Party::Buyer]);
    assert_eq!(called(&objected, 100 + 1440).1, [(Party::Arbitrator, vec![Kind::Turn], Turn::Yours)]);
    let agreed = [(Act::AcceptRuling, Actor::Seller, 200), (sign(PayoutKind::Ruling), Actor::Buyer, 201)];
    let agreed = after(&ruled(), &agreed);
    assert_eq!((agreed.turn(), agreed.overdue(minutes(9_000), None)), (vec![Party::Arbitrator], None));
}

#[test]
fn the_arbitrator_is_called_to_a_settlement_whose_proposer_is_silent() {
    let settled = accepted(&disputed(), Actor::Seller, 50);
    assert_eq!(settled.turn(), [Party::Buyer]);
    let (then, news) = called(&settled, 50 + 1440);
    assert_eq!(then.turn(), [Party::Buyer, Party::Arbitrator]);
    assert_eq!(news, [(Party::Arbitrator, vec![Kind::Turn], Turn::Yours)]);
    let ruled = accepted(&ruled(), Actor::Seller, 150);
    assert_eq!(called(&ruled, 150 + 1440).0.turn(), [Party::Buyer, Party::Arbitrator], "he can withdraw the ruling");
    let without = accepted(&funded(), Actor::Seller, 20);
    assert_eq!(without.overdue(minutes(9_000), None), None, "there is no dispute that he could end");
}

#[test]
fn a_dispute_that_nobody_opened_is_answered_by_both() {
    let open = after(&paid(), &[(paid().overdue(minutes(140), None).unwrap(), Actor::Clock, 140)]);
    assert_eq!(windows(&open), [(What::Answer, "both"), (What::Ruling, "arbitrator")]);
    assert_eq!(reminded(&open, What::Answer), [Party::Buyer, Party::Seller]);
    for party in [Party::Buyer, Party::Seller] {
        let until = minutes(140 + 1440);
        assert_eq!(notices::window_of(&open, party), Some((What::Answer, until)));
    }
    assert_eq!(notices::window_of(&open, Party::Arbitrator).map(|one| one.0), Some(What::Ruling));
    let buyer = after(&open, &[(Act::Speak, Actor::Buyer, 150)]);
    assert_eq!((windows(&buyer)[0], reminded(&buyer, What::Answer)), ((What::Answer, "seller"), vec![Party::Seller]));
    let seller = after(&open, &[(Act::Speak, Actor::Seller, 150)]);
    assert_eq!((windows(&seller)[0], reminded(&seller, What::Answer)), ((What::Answer, "buyer"), vec![Party::Buyer]));
}

#[test]
fn beside_an_accepted_settlement_runs_only_what_still_brings_something() {
    let unpaid = after(&funded(), &[(Act::CloseUnpaid, Actor::Seller, 70)]);
    let cosignature = (What::Cosignature, "buyer");
    let at_zero = |trade: &Trade| trade.deadlines().last().map(|one| one.at_zero);
    let paying = accepted(&funded(), Actor::Seller, 20);
    assert_eq!(windows(&paying), [cosignature, (What::Payment, "clock")]);
    assert_eq!(at_zero(&paying), Some("either may open a dispute"));
    assert_eq!(reminded(&paying, What::Payment), [], "nobody is to pay");
    let released = accepted(&paid(), Actor::Seller, 30);
    assert_eq!(windows(&released), [cosignature, (What::Release, "buyer")], "he completes the settlement");
    assert!(released.overdue(minutes(140), None).is_some(), "the arbitrator is called as before");
    for trade in [accepted(&unpaid, Actor::Seller, 80), accepted(&disputed(), Actor::Seller, 80)] {
        assert_eq!(windows(&trade), [cosignature]);
    }
    let ruled = accepted(&ruled(), Actor::Buyer, 200);
    assert_eq!(windows(&ruled), [(What::Cosignature, "seller")], "the ruling is not carried out beside it");
    assert_eq!(notices::window_of(&ruled, Party::Seller), Some((What::Cosignature, minutes(200 + 1440))));
}
