//! Contracts that are changed before the coins are in escrow, and trades that are taken up again.

use super::*;
use crate::domain::people::Side;

fn waiting() -> Trade {
    after(&taken(), &[(Act::SignContract, Actor::Seller, 0), (Act::SignContract, Actor::Buyer, 0)])
}

/// Four tenths have come, confirmed.
fn short() -> Trade {
    after(&waiting(), &[(Act::JudgeDeposit { deposit: deposit(400_000) }, Actor::Chain, 10)])
}

fn amendment(kind: AmendmentKind, due: u64, minutes: u32) -> Amendment {
    Amendment {
        kind,
        proposer: Side::Seller,
        contract: "00".into(),
        deposit_due: Amount::from_sat(due),
        deposit_minutes: minutes,
        sign_by: super::minutes(80),
        since: Timestamp::UNIX_EPOCH,
        minutes: 0,
        signed: Vec::new(),
    }
}

fn scaled() -> Act {
    Act::ProposeAmendment { amendment: amendment(AmendmentKind::ScaleDown, 400_000, 180) }
}

fn longer(minutes: u32) -> Act {
    Act::ProposeAmendment { amendment: amendment(AmendmentKind::Lengthen, 1_000_000, minutes) }
}

#[test]
fn a_changed_contract_is_in_force_when_both_have_signed_it() {
    let proposed = after(&short(), &[(scaled(), Actor::Seller, 20), (Act::SignAmendment, Actor::Seller, 21)]);
    assert_eq!((proposed.deposit_due, proposed.stage), (Amount::from_sat(1_000_000), Stage::AwaitingDeposit));
    assert_eq!(proposed.turn(), [Party::Buyer]);
    assert!(refused(&proposed, &Act::SignAmendment, Actor::Seller, 22).contains("already"));
    assert!(refused(&proposed, &Act::SignAmendment, Actor::Arbitrator, 22).contains("Nothing was changed"));
    let change = proposed.apply(&Act::SignAmendment, Actor::Buyer, minutes(22)).unwrap();
    assert_eq!(change.event, Some(Event::ContractAmended));
    assert!(change.effects.contains(&Effect::JudgeAgain));
    assert_eq!((change.trade.deposit_due, &change.trade.amendment), (Amount::from_sat(400_000), &None));
    let funded = after(&change.trade, &[(Act::JudgeDeposit { deposit: deposit(400_000) }, Actor::Chain, 23)]);
    assert_eq!(funded.stage, Stage::Funded);
}

#[test]
fn a_deposit_that_is_enough_ends_the_proposal_that_is_half_signed() {
    let proposed = after(&short(), &[(scaled(), Actor::Seller, 20), (Act::SignAmendment, Actor::Seller, 21)]);
    let act = Act::JudgeDeposit { deposit: deposit(1_000_000) };
    let change = proposed.apply(&act, Actor::Chain, minutes(22)).unwrap();
    assert_eq!((change.trade.stage, &change.trade.amendment), (Stage::Funded, &None));
    assert!(change.effects.contains(&Effect::LapseAmendment));
    assert!(refused(&change.trade, &Act::SignAmendment, Actor::Buyer, 23).contains("under the contract as it was"));
    assert!(refused(&change.trade, &scaled(), Actor::Seller, 23).contains("cannot be changed any more"));
}

#[test]
fn a_proposal_is_taken_back_declined_or_too_late() {
    let proposed = after(&short(), &[(scaled(), Actor::Seller, 20)]);
    assert!(refused(&proposed, &scaled(), Actor::Seller, 21).contains("stands already"));
    for trader in [Actor::Buyer, Actor::Seller] {
        let without = after(&proposed, &[(Act::WithdrawAmendment, trader, 21)]);
        assert!(refused(&without, &Act::SignAmendment, Actor::Buyer, 22).contains("taken back"));
        assert!(refused(&without, &Act::WithdrawAmendment, trader, 22).contains("No changed contract"));
    }
    assert!(refused(&proposed, &Act::SignAmendment, Actor::Buyer, 80).contains("time to sign this proposal is over"));
    let act = proposed.overdue(minutes(80), None).unwrap();
    let lapsed = after(&proposed, &[(act, Actor::Clock, 80)]);
    assert_eq!((lapsed.stage, &lapsed.amendment), (Stage::AwaitingDeposit, &None));
    assert!(refused(&short(), &scaled(), Actor::Buyer, 20).contains("Nothing was changed"), "for another");
}

#[test]
fn a_longer_window_goes_on_from_where_it_began() {
    let proposed = after(&waiting(), &[(longer(240), Actor::Seller, 20)]);
    let longer = after(&proposed, &[(Act::SignAmendment, Actor::Buyer, 21), (Act::SignAmendment, Actor::Seller, 22)]);
    assert_eq!(longer.deposit_by, Some(minutes(240)));
    assert_eq!(longer.overdue(minutes(181), Some(minutes(181))), None);
    let seen = Deposit { seen: Amount::from_sat(1_000_000), ..Deposit::default() };
    let seen = after(&waiting(), &[(Act::JudgeDeposit { deposit: seen }, Actor::Chain, 170)]);
    let act = seen.overdue(minutes(180), Some(minutes(180))).unwrap();
    let confirming = after(&seen, &[(act, Actor::Clock, 180)]);
    let late = Amendment { sign_by: minutes(260), ..amendment(AmendmentKind::Lengthen, 1_000_000, 240) };
    let act = Act::ProposeAmendment { amendment: late.clone() };
    assert!(refused(&confirming, &act, Actor::Seller, 200).contains("over before both can sign"));
    let act = Act::ProposeAmendment { amendment: Amendment { deposit_minutes: 360, ..late } };
    let both =
        [(act, Actor::Seller, 200), (Act::SignAmendment, Actor::Buyer, 201), (Act::SignAmendment, Actor::Seller, 202)];
    let again = after(&confirming, &both);
    assert_eq!((again.deposit_by, again.confirm_by), (Some(minutes(360)), None));
}

#[test]
fn nothing_is_proposed_that_does_not_fit() {
    for act in [longer(180), longer(100), longer(DEPOSIT_WINDOW_MINUTES_MAX + 1)] {
        refused(&short(), &act, Actor::Seller, 20);
    }
    for due in [1_000_000, 1_000_001] {
        let act = Act::ProposeAmendment { amendment: amendment(AmendmentKind::Waive, due, 180) };
        refused(&short(), &act, Actor::Seller, 20);
    }
    let signed = Amendment { signed: vec![Side::Buyer], ..amendment(AmendmentKind::Waive, 990_000, 180) };
    refused(&short(), &Act::ProposeAmendment { amendment: signed }, Actor::Seller, 20);
    assert!(refused(&taken(), &scaled(), Actor::Seller, 5).contains("not signed by both"));
    assert!(refused(&short(), &scaled(), Actor::Seller, 180).contains("time for the deposit is over"));
    let back = after(&funded(), &[(Act::JudgeDeposit { deposit: Deposit::default() }, Actor::Chain, 15)]);
    assert!(refused(&back, &scaled(), Actor::Seller, 20).contains("in escrow before"));
}

/// The whole sum came after the trade was cancelled.
fn late() -> Trade {
    let acts = [(Act::Cancel, Actor::Buyer, 5), (Act::JudgeDeposit { deposit: deposit(1_000_000) }, Actor::Chain, 300)];
    after(&waiting(), &acts)
}

#[test]
fn a_late_deposit_is_taken_up_again_when_both_say_so() {
    let one = after(&late(), &[(Act::AgreeToReinstate, Actor::Buyer, 310)]);
    assert_eq!((one.stage, one.turn()), (Stage::RefundDue, vec![Party::Seller]));
    assert!(refused(&one, &Act::AgreeToReinstate, Actor::Buyer, 311).contains("already"));
    assert!(refused(&one, &Act::AgreeToReinstate, Actor::Arbitrator, 311).contains("Nothing was changed"));
    let change = one.apply(&Act::AgreeToReinstate, Actor::Seller, minutes(320)).unwrap();
    assert_eq!(change.event, Some(Event::Reinstated));
    assert!(change.effects.contains(&Effect::FixFundingSet) && change.effects.contains(&Effect::ReserveAgain));
    let again = change.trade;
    assert_eq!((again.stage, again.pay_by, again.ever_funded), (Stage::Funded, Some(minutes(380)), true));
    assert!(again.reinstating.is_empty());
    let paid = after(&again, &[(sign(PayoutKind::Release), Actor::Buyer, 330), (Act::MarkPaid, Actor::Buyer, 330)]);
    assert_eq!(paid.stage, Stage::PaymentSent);
}

#[test]
fn nothing_is_taken_up_again_over_a_signature_or_over_too_little() {
    let refunding =
        after(&late(), &[(Act::AgreeToReinstate, Actor::Buyer, 310), (sign(PayoutKind::Refund), Actor::Seller, 311)]);
    assert!(refunding.reinstating.is_empty());
    for trader in [Actor::Buyer, Actor::Seller] {
        assert!(refused(&refunding, &Act::AgreeToReinstate, trader, 312).contains("stays valid for ever"));
    }
    let act = short().overdue(minutes(180), Some(minutes(180))).unwrap();
    let too_little = after(&short(), &[(act, Actor::Clock, 180)]);
    assert!(refused(&too_little, &Act::AgreeToReinstate, Actor::Seller, 190).contains("less in escrow"));
    // The rest comes after all.
    let act = Act::JudgeDeposit { deposit: deposit(1_000_000) };
    let enough = after(&too_little, &[(act, Actor::Chain, 200), (Act::AgreeToReinstate, Actor::Seller, 201)]);
    let back = after(&enough, &[(Act::TakeBackReinstatement, Actor::Seller, 202)]);
    assert!(refused(&back, &Act::TakeBackReinstatement, Actor::Seller, 203).contains("not asked"));
    let one = after(&back, &[(Act::AgreeToReinstate, Actor::Buyer, 204)]);
    assert_eq!(one.stage, Stage::RefundDue, "each has to say it");
}

#[test]
fn a_proposal_can_be_signed_later_than_now_and_until_the_deposit_window_ends() {
    let until = |end: i64| {
        let scaled = amendment(AmendmentKind::ScaleDown, 400_000, 180);
        Act::ProposeAmendment { amendment: Amendment { sign_by: super::minutes(end), ..scaled } }
    };
    for end in [19, 20, 181] {
        assert!(refused(&short(), &until(end), Actor::Seller, 20).contains("does not fit"), "by minute {end}");
    }
    for end in [21, 180] {
        let stands = after(&short(), &[(until(end), Actor::Seller, 20)]).amendment.unwrap();
        assert_eq!((stands.since, i64::from(stands.minutes)), (super::minutes(20), end - 20), "as it was proposed");
    }
}

#[test]
fn a_proposal_fits_up_to_its_limits() {
    let least = Act::ProposeAmendment { amendment: amendment(AmendmentKind::Waive, 1_000_000, 180) };
    assert!(refused(&short(), &least, Actor::Seller, 20).contains("does not fit"), "nothing is waived");
    let other_time = Act::ProposeAmendment { amendment: amendment(AmendmentKind::ScaleDown, 400_000, 181) };
    assert!(refused(&short(), &other_time, Actor::Seller, 20).contains("does not fit"), "one thing at a time");
    assert!(after(&short(), &[(longer(DEPOSIT_WINDOW_MINUTES_MAX), Actor::Seller, 20)]).amendment.is_some());
    let proposed = after(&short(), &[(scaled(), Actor::Seller, 20)]);
    for actor in [Actor::Arbitrator, Actor::Chain, Actor::Clock] {
        refused(&proposed, &Act::WithdrawAmendment, actor, 21);
    }
    refused(&taken(), &Act::WithdrawAmendment, Actor::Seller, 21);
}
