//! Parts of what is in escrow that go, and come back.

use super::turns::{judged, short_refund, waiting};
use super::*;

#[test]
fn a_part_is_lost_only_by_the_chain_and_only_of_what_is_in_escrow() {
    let lose = Act::LosePart { deposit: deposit(600_000), why: PartGone::Spent };
    let change = paid().apply(&lose, Actor::Chain, minutes(50)).unwrap();
    assert!(change.effects.contains(&Effect::KeepTheRest) && change.trade.signed.is_empty());
    let by = |trade: &Trade, actor| trade.apply(&lose, actor, minutes(50)).is_err();
    assert!(by(&paid(), Actor::Buyer), "people lose nothing by saying so");
    let short = after(&waiting(), &[(Act::JudgeDeposit { deposit: deposit(400_000) }, Actor::Chain, 10)]);
    let short = after(&short, &[(short.overdue(minutes(180), Some(minutes(180))).unwrap(), Actor::Clock, 180)]);
    assert!(!short.funding_is_fixed() && by(&short, Actor::Chain), "nothing is fixed yet");
    let sent = after(&paid(), &[(sign(PayoutKind::Release), Actor::Seller, 30)]);
    assert!(by(&sent, Actor::Chain), "a payout is on its way");
    let done = after(&sent, &[(Act::ConfirmPayout { outcome: Outcome::Released }, Actor::Chain, 40)]);
    assert!(by(&done, Actor::Chain), "it is over");
}

#[test]
fn a_part_comes_back_only_by_the_chain_and_only_to_what_is_in_escrow() {
    let regain = Act::RegainPart { deposit: deposit(1_000_000) };
    let less =
        after(&paid(), &[(Act::LosePart { deposit: deposit(600_000), why: PartGone::Undone }, Actor::Chain, 50)]);
    let back = less.apply(&regain, Actor::Chain, minutes(60)).unwrap();
    assert!(back.effects.contains(&Effect::TakeBack) && back.trade.signed.is_empty() && !back.trade.is_short());
    assert_eq!((back.event, back.trade.stage), (None, Stage::PaymentSent));
    let by = |trade: &Trade, actor| trade.apply(&regain, actor, minutes(60)).is_err();
    assert!(by(&less, Actor::Seller), "people bring nothing back by saying so");
    assert!(by(&short_refund(), Actor::Chain), "nothing is fixed yet");
    let frozen = judged(&less, [600_000, 0, 0], false).trade;
    assert!(frozen.frozen && by(&frozen, Actor::Chain), "everything waits");
    let sent = after(&paid(), &[(sign(PayoutKind::Release), Actor::Seller, 30)]);
    assert!(by(&sent, Actor::Chain), "a payout is on its way");
    let done = after(&sent, &[(Act::ConfirmPayout { outcome: Outcome::Released }, Actor::Chain, 40)]);
    assert!(by(&done, Actor::Chain), "it is over");
}

#[test]
fn what_ends_a_trade_before_its_deposit_counted_is_what_was_in_escrow() {
    let spent = Act::SeeForeignSpend { outcome: Outcome::Refunded };
    assert!(waiting().apply(&spent, Actor::Chain, minutes(50)).unwrap().effects.contains(&Effect::FixTaken));
    assert!(!paid().apply(&spent, Actor::Chain, minutes(50)).unwrap().effects.contains(&Effect::FixTaken));
}
