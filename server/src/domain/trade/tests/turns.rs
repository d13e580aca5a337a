//! Whose turn it is, which windows run, and what follows from every act.

use super::*;

pub(super) fn waiting() -> Trade {
    after(&taken(), &[(Act::SignContract, Actor::Seller, 0), (Act::SignContract, Actor::Buyer, 0)])
}

fn unpaid() -> Trade {
    after(&funded(), &[(Act::CloseUnpaid, Actor::Seller, 70)])
}

/// Of what was seen, so much is confirmed, and so much counts.
fn at_the_address(seen: u64, confirmed: u64, counted: u64) -> Act {
    let [seen, confirmed, counted] = [seen, confirmed, counted].map(Amount::from_sat);
    Act::JudgeDeposit { deposit: Deposit { seen, confirmed, counted, in_time: false, whole: true, renewed: false } }
}

fn windows(trade: &Trade) -> Vec<(What, &'static str)> {
    trade.deadlines().into_iter().map(|one| (one.what, one.who)).collect()
}

#[test]
fn who_has_not_signed_the_contract_is_asked() {
    assert_eq!(taken().turn(), [Party::Buyer, Party::Seller]);
    assert_eq!(after(&taken(), &[(Act::SignContract, Actor::Seller, 1)]).turn(), [Party::Buyer]);
    assert_eq!(after(&taken(), &[(Act::SignContract, Actor::Buyer, 1)]).turn(), [Party::Seller]);
}

#[test]
fn the_seller_is_asked_for_a_deposit_while_something_is_missing() {
    let turn = |seen, confirmed, counted| {
        after(&waiting(), &[(at_the_address(seen, confirmed, counted), Actor::Chain, 10)]).turn()
    };
    assert_eq!(waiting().turn(), [Party::Seller]);
    assert_eq!(turn(999_999, 0, 0), [Party::Seller]);
    assert_eq!(turn(1_000_000, 0, 0), [], "only the chain can");
    assert_eq!(turn(1_000_000, 1_000_000, 0), [], "not deep enough yet");
    assert_eq!(turn(1_000_000, 500_000, 400_000), [], "a part is not judged yet");
    assert_eq!(turn(1_000_000, 1_000_000, 500_000), [Party::Seller], "a part of it does not count");
    assert_eq!(turn(1_000_000, 1_000_000, 1_000_000), []);
    assert_eq!(turn(1_500_000, 1_500_000, 1_500_000), []);
}

#[test]
fn in_escrow_it_is_the_buyers_then_the_sellers_turn() {
    assert_eq!(funded().turn(), [Party::Buyer]);
    assert_eq!(paid().turn(), [Party::Seller]);
    let frozen = after(&paid(), &[(Act::JudgeDeposit { deposit: Deposit::default() }, Actor::Chain, 50)]);
    assert!(frozen.turn().is_empty() && frozen.deadlines().is_empty(), "clocks stand still");
}

#[test]
fn a_refund_asks_the_seller_and_then_one_of_the_others() {
    let refund = || sign(PayoutKind::Refund);
    assert_eq!(unpaid().turn(), [Party::Seller]);
    assert_eq!(after(&unpaid(), &[(refund(), Actor::Seller, 71)]).turn(), [Party::Buyer]);
    assert_eq!(
        after(&unpaid(), &[(refund(), Actor::Seller, 70 + 1440)]).turn(),
        [Party::Buyer, Party::Arbitrator],
        "when nobody can object any more"
    );
    assert_eq!(windows(&unpaid()), [(What::Objection, "buyer")]);
    // 24 hours for the buyer to object; then the arbitrator may sign, not a minute before.
    assert!(refused(&unpaid(), &refund(), Actor::Arbitrator, 70 + 1439).contains("may still object"));
    let signed = after(&unpaid(), &[(refund(), Actor::Arbitrator, 70 + 1440)]);
    assert!(signed.has_signed(PayoutKind::Refund, Party::Arbitrator));
    assert!(
        after(&unpaid(), &[(refund(), Actor::Arbitrator, 3_000)]).has_signed(PayoutKind::Refund, Party::Arbitrator)
    );
}

#[test]
fn who_wants_to_take_it_up_again_waits_for_the_other() {
    let again = after(&unpaid(), &[(Act::AgreeToReinstate, Actor::Seller, 80)]);
    assert_eq!(again.turn(), [Party::Buyer]);
}

#[test]
fn a_dispute_asks_the_arbitrator_and_who_has_not_spoken() {
    use Party::{Arbitrator, Buyer, Seller};
    let by_clock = after(&paid(), &[(paid().overdue(minutes(140), None).unwrap(), Actor::Clock, 140)]);
    assert_eq!(by_clock.turn(), [Arbitrator, Buyer, Seller]);
    let by_seller = after(&paid(), &[(Act::OpenDispute, Actor::Seller, 30)]);
    assert_eq!(by_seller.turn(), [Arbitrator, Buyer]);
    assert_eq!(windows(&by_seller), [(What::Answer, "buyer"), (What::Ruling, "arbitrator")]);
    let by_buyer = after(&paid(), &[(Act::OpenDispute, Actor::Buyer, 30)]);
    assert_eq!(windows(&by_buyer), [(What::Answer, "seller"), (What::Ruling, "arbitrator")]);
    assert_eq!((disputed().turn(), windows(&disputed())), (vec![Arbitrator], vec![(What::Ruling, "arbitrator")]));
    assert_eq!(ruled().turn(), [Buyer]);
    assert_eq!(windows(&ruled()), [(What::Objection, "seller"), (What::Cosignature, "buyer")]);
    let signed = after(&ruled(), &[(sign(PayoutKind::Ruling), Actor::Arbitrator, 2_000)]);
    assert_eq!(signed.turn(), [Buyer]);
    assert_eq!(after(&ruled(), &[(sign(PayoutKind::Ruling), Actor::Buyer, 200)]).turn(), [], "it waits for objections");
    assert_eq!(after(&ruled(), &[(sign(PayoutKind::Ruling), Actor::Buyer, 2_000)]).turn(), [Arbitrator]);
}

#[test]
fn an_accepted_settlement_waits_for_its_proposer() {
    let accept = Act::AcceptSettlement { outcome: Outcome::Split };
    let settled = after(&disputed(), &[(accept.clone(), Actor::Seller, 50)]);
    assert_eq!(settled.turn(), [Party::Buyer]);
    assert_eq!(windows(&settled), [(What::Cosignature, "buyer")], "nothing is ruled beside it");
    let back = after(&unpaid(), &[(accept, Actor::Seller, 80)]);
    assert_eq!(windows(&back), [(What::Cosignature, "buyer")], "no refund is signed beside it");
    let sent = after(&settled, &[(sign(PayoutKind::Settlement), Actor::Buyer, 60)]);
    assert_eq!((sent.turn(), windows(&sent)), (vec![], vec![]));
    let done = after(&sent, &[(Act::ConfirmPayout { outcome: Outcome::Split }, Actor::Chain, 70)]);
    assert_eq!((done.turn(), windows(&done)), (vec![], vec![]));
}

#[test]
fn what_was_seen_is_judged_again_when_the_rules_for_it_change() {
    let effects = |trade: &Trade, act: Act, actor| trade.apply(&act, actor, minutes(5)).unwrap().effects;
    let half = |trade: &Trade| after(trade, &[(Act::SignContract, Actor::Seller, 1)]);
    assert!(
        effects(&half(&taken()), Act::SignContract, Actor::Buyer).is_empty() || {
            let all = effects(&half(&taken()), Act::SignContract, Actor::Buyer);
            !all.contains(&Effect::JudgeAgain) && !all.contains(&Effect::ReturnReservation)
        }
    );
    let early = after(&half(&taken()), &[(at_the_address(1_999, 0, 0), Actor::Chain, 2)]);
    assert!(effects(&early, Act::SignContract, Actor::Buyer).contains(&Effect::JudgeAgain));

    let some = after(&waiting(), &[(at_the_address(1_999, 0, 0), Actor::Chain, 2)]);
    let cancelled = effects(&some, Act::Cancel, Actor::Buyer);
    assert!(cancelled.contains(&Effect::JudgeAgain) && cancelled.contains(&Effect::ReturnReservation));
    assert!(!effects(&waiting(), Act::Cancel, Actor::Buyer).contains(&Effect::JudgeAgain), "there is nothing to judge");
    assert!(!effects(&some, at_the_address(1_998, 0, 0), Actor::Chain).contains(&Effect::JudgeAgain));
    let cancelled = after(&some, &[(Act::Cancel, Actor::Buyer, 3)]);
    assert!(!effects(&cancelled, at_the_address(1_000, 0, 0), Actor::Chain).contains(&Effect::JudgeAgain));
}

#[test]
fn a_deposit_that_did_not_come_deep_enough_lets_the_trade_be_cancelled_after_its_window() {
    let with = |confirmed| after(&waiting(), &[(at_the_address(3_000, confirmed, 0), Actor::Chain, 10)]);
    assert!(refused(&with(1_999), &Act::Cancel, Actor::Buyer, 179).contains("cannot be cancelled"));
    assert_eq!(after(&with(1_999), &[(Act::Cancel, Actor::Buyer, 180)]).stage, Stage::Cancelled);
    assert_eq!(after(&with(0), &[(Act::Cancel, Actor::Buyer, 180)]).stage, Stage::Cancelled);
    assert!(refused(&with(2_000), &Act::Cancel, Actor::Buyer, 180).contains("cannot be cancelled"));
}

#[test]
fn a_payout_without_its_coins_goes_to_the_arbitrator_over_those_that_stand() {
    let sent = after(&paid(), &[(sign(PayoutKind::Release), Actor::Seller, 30)]);
    let stands = |sats, renewed| Act::VoidPayout { deposit: Deposit { renewed, ..deposit(sats) } };
    let rest = sent.apply(&stands(600_000, false), Actor::Chain, minutes(50)).unwrap();
    assert_eq!((rest.event, rest.trade.stage), (Some(Event::PayoutVoided), Stage::Disputed));
    assert!(rest.effects.contains(&Effect::KeepTheRest) && rest.effects.contains(&Effect::OpenDispute));
    assert!(rest.trade.signed.is_empty() && rest.trade.paying_out.is_none() && rest.trade.cosign_by.is_none());
    assert_eq!(rest.trade.deposit.confirmed, Amount::from_sat(600_000));
    assert_eq!(rest.trade.dispute.as_ref().unwrap().opener, None);
    let new = sent.apply(&stands(1_000_000, true), Actor::Chain, minutes(50)).unwrap();
    assert!(new.effects.contains(&Effect::FixFundingSet) && !new.trade.buyer_gave_up());
    refused(&sent, &stands(1_000_000, true), Actor::Seller, 50);
    refused(&paid(), &stands(1_000_000, true), Actor::Chain, 50);

    let spent = after(&paid(), &[(Act::SeeForeignSpend { outcome: Outcome::Refunded }, Actor::Chain, 40)]);
    let waits = after(&spent, &[(Act::LosePayoutFromChain, Actor::Chain, 45)]);
    let kept = waits.apply(&stands(1_000_000, false), Actor::Chain, minutes(50)).unwrap();
    assert_eq!(kept.trade.signed, paid().signed, "made elsewhere and forgotten: the coins are the same");
    assert!(!kept.effects.contains(&Effect::KeepTheRest));
    let spent = after(&sent, &[(Act::SeeForeignSpend { outcome: Outcome::Refunded }, Actor::Chain, 40)]);
    let waits = after(&spent, &[(Act::LosePayoutFromChain, Actor::Chain, 45)]);
    let kept = waits.apply(&stands(1_000_000, false), Actor::Chain, minutes(50)).unwrap();
    assert!(kept.trade.signed.is_empty(), "two had signed the release: it is signed again before it is sent");

    let refund = [(sign(PayoutKind::Refund), Actor::Seller, 190), (sign(PayoutKind::Refund), Actor::Buyer, 191)];
    let back = after(&short_refund(), &refund);
    let new = back.apply(&stands(1_000_000, true), Actor::Chain, minutes(200)).unwrap();
    assert!(new.effects.contains(&Effect::BuildRefund), "it was never funded: there is nothing to release");
    assert!(new.trade.buyer_gave_up(), "he has signed the coins away, and is not asked to pay for others");
}

#[test]
fn what_was_lost_and_returns_goes_to_the_arbitrator_and_nothing_else_does() {
    let regain = Act::RegainDeposit { deposit: deposit(600_000) };
    let sent = after(&paid(), &[(sign(PayoutKind::Release), Actor::Seller, 30)]);
    let lost = after(&sent, &[(Act::LoseDepositForGood, Actor::Chain, 40)]);
    let back = lost.apply(&regain, Actor::Chain, minutes(50)).unwrap();
    let told = (back.event, back.trade.stage, back.trade.outcome);
    assert_eq!(told, (Some(Event::DepositReturned), Stage::Disputed, None));
    assert!(back.effects.contains(&Effect::KeepTheRest) && back.effects.contains(&Effect::OpenDispute));
    assert!(back.trade.signed.is_empty() && back.trade.paying_out.is_none());
    assert_eq!(back.trade.deposit.confirmed, Amount::from_sat(600_000));
    refused(&lost, &regain, Actor::Seller, 50);
    refused(&paid(), &regain, Actor::Chain, 50);
    let done = after(&sent, &[(Act::ConfirmPayout { outcome: Outcome::Released }, Actor::Chain, 40)]);
    refused(&done, &regain, Actor::Chain, 50);
}

#[test]
fn who_bears_the_miner_fee_follows_from_who_gets_the_coins() {
    let bearers = |outcome| {
        let accept = Act::AcceptSettlement { outcome };
        after(&paid(), &[(accept, Actor::Buyer, 25)]).fee_bearers(PayoutKind::Settlement)
    };
    assert_eq!(bearers(Outcome::Released), [Side::Buyer]);
    assert_eq!(bearers(Outcome::Refunded), [Side::Seller]);
    assert_eq!(bearers(Outcome::Split), [Side::Buyer, Side::Seller]);
}

#[test]
fn a_standstill_is_counted_up_to_its_end() {
    let sat_out = Act::SitOut { why: super::super::Outage::Desk, from: minutes(20), until: minutes(30) };
    let trade = funded().apply(&sat_out, Actor::Clock, minutes(35)).unwrap().trade;
    assert_eq!(trade.as_of, minutes(30));
}

pub(super) fn judged(trade: &Trade, [seen, confirmed, counted]: [u64; 3], whole: bool) -> Change {
    let [seen, confirmed, counted] = [seen, confirmed, counted].map(Amount::from_sat);
    let deposit = Deposit { seen, confirmed, counted, in_time: true, whole, renewed: false };
    trade.apply(&Act::JudgeDeposit { deposit }, Actor::Chain, minutes(60)).unwrap()
}

pub(super) fn short_refund() -> Trade {
    let short = after(&waiting(), &[(Act::JudgeDeposit { deposit: deposit(400_000) }, Actor::Chain, 10)]);
    after(&short, &[(short.overdue(minutes(180), Some(minutes(180))).unwrap(), Actor::Clock, 180)])
}

#[test]
fn after_a_cancellation_only_what_is_confirmed_and_counts_goes_back() {
    let cancelled = after(&waiting(), &[(Act::Cancel, Actor::Buyer, 5)]);
    let stage = |sats| judged(&cancelled, sats, true).trade.stage;
    assert_eq!(stage([1_999, 1_999, 1_999]), Stage::Cancelled);
    assert_eq!(stage([3_000, 3_000, 0]), Stage::Cancelled);
    assert_eq!(stage([2_000, 2_000, 2_000]), Stage::RefundDue);
}

#[test]
fn before_the_mark_a_deposit_that_is_reorganised_away_is_as_if_it_never_came() {
    let stage = |confirmed, whole| judged(&funded(), [1_000_000, confirmed, 0], whole).trade.stage;
    assert_eq!(stage(999_999, false), Stage::AwaitingDeposit);
    assert_eq!(
        stage(1_000_000, false),
        Stage::AwaitingDeposit,
        "a part is gone, and the rest does not count as enough"
    );
    assert_eq!(stage(0, true), Stage::Funded, "the funding set stands");
    let renewed = Deposit { renewed: true, whole: false, ..deposit(1_000_000) };
    let stays = funded().apply(&Act::JudgeDeposit { deposit: renewed }, Actor::Chain, minutes(60)).unwrap();
    assert_eq!(stays.trade.stage, Stage::Funded, "what stands is enough by itself");
    assert!(stays.effects.contains(&Effect::FixFundingSet) && !stays.trade.frozen);
}

#[test]
fn a_refund_is_built_over_what_stands_there_until_somebody_signs() {
    let short = short_refund();
    let gone = judged(&short, [1_999, 0, 0], true).trade;
    assert_ne!(gone.stage, Stage::RefundDue, "there is nothing to send back");
    let less = judged(&short, [2_000, 2_000, 2_000], true);
    assert!(less.trade.stage == Stage::RefundDue && less.effects.contains(&Effect::BuildRefund));
    let other = Deposit { renewed: true, ..short.deposit };
    let other = short.apply(&Act::JudgeDeposit { deposit: other }, Actor::Chain, minutes(60)).unwrap();
    assert!(other.effects.contains(&Effect::BuildRefund), "other outputs of the same sum");
    let same = judged(&short, [400_000, 400_000, 400_000], false);
    assert!(same.effects.is_empty() && !same.trade.frozen, "nothing is fixed, so nothing freezes");
    let signed = after(&short, &[(sign(PayoutKind::Refund), Actor::Seller, 190)]);
    let lost = judged(&signed, [0, 0, 0], false);
    assert!(lost.trade.stage == Stage::RefundDue && lost.trade.frozen && lost.effects.is_empty());
    assert!(judged(&unpaid(), [900_000, 900_000, 900_000], false).trade.frozen);
}

#[test]
fn the_funding_set_is_fixed_once_coins_were_in_escrow_or_somebody_signed() {
    assert!(!taken().funding_is_fixed() && !waiting().funding_is_fixed() && !short_refund().funding_is_fixed());
    assert!(funded().funding_is_fixed() && unpaid().funding_is_fixed());
    let signed = after(&short_refund(), &[(sign(PayoutKind::Refund), Actor::Seller, 190)]);
    assert!(signed.funding_is_fixed());
    let spent = Act::SeeForeignSpend { outcome: Outcome::Refunded };
    let done = after(&short_refund(), &[(spent, Actor::Chain, 190)]);
    assert!(done.funding_is_fixed() && !done.holds_money());
    assert!(!taken().holds_money() && !waiting().holds_money() && funded().holds_money());
}

#[test]
fn what_ended_otherwise_is_no_payout_of_ours() {
    let sent = after(&paid(), &[(sign(PayoutKind::Release), Actor::Seller, 30)]);
    let ours = after(&sent, &[(Act::ConfirmPayout { outcome: Outcome::Released }, Actor::Chain, 40)]);
    assert_eq!(ours.paying_out, Some(PayoutKind::Release));
    let other = after(&sent, &[(Act::SeeForeignSpend { outcome: Outcome::Refunded }, Actor::Chain, 40)]);
    assert_eq!((other.paying_out, other.outcome), (None, Some(Outcome::Refunded)));
}

#[test]
fn nobody_pays_for_an_escrow_that_is_short() {
    assert!(!funded().is_short() && !taken().is_short());
    let short =
        after(&funded(), &[(Act::LosePart { deposit: deposit(999_999), why: PartGone::Spent }, Actor::Chain, 30)]);
    assert!(short.is_short());
    assert!(refused(&short, &Act::MarkPaid, Actor::Buyer, 31).contains("less is in escrow"));
    let signed = after(&funded(), &[(sign(PayoutKind::Release), Actor::Buyer, 20)]);
    assert!(!judged(&paid(), [0, 0, 0], false).trade.is_short(), "it may come back");
    assert!(refused(&funded(), &Act::MarkPaid, Actor::Buyer, 31).contains("signature for the release is missing"));
    assert!(refused(&waiting(), &Act::MarkPaid, Actor::Buyer, 31).contains("waits for the seller's deposit"));
    assert!(refused(&signed, &Act::MarkPaid, Actor::Seller, 31).contains("Nothing was changed"));
}

#[test]
fn only_the_seller_answers_a_mark_and_only_once() {
    assert!(after(&paid(), &[(Act::AnswerMark, Actor::Seller, 21)]).seller_answered);
    for (trade, actor) in [
        (funded(), Actor::Seller),
        (paid(), Actor::Buyer),
        (after(&paid(), &[(Act::AnswerMark, Actor::Seller, 21)]), Actor::Seller),
    ] {
        refused(&trade, &Act::AnswerMark, actor, 22);
    }
}

#[test]
fn who_gave_the_coins_away_or_has_no_part_in_it_signs_nothing_more() {
    let back = after(&funded(), &[(sign(PayoutKind::Refund), Actor::Buyer, 15)]);
    assert!(refused(&back, &sign(PayoutKind::Release), Actor::Buyer, 16).contains("signature stays valid"));
    assert!(refused(&funded(), &sign(PayoutKind::Refund), Actor::Seller, 16).contains("still has time to pay"));
    // A signature of the seller is an answer; one of the buyer or the arbitrator is none.
    assert!(after(&paid(), &[(sign(PayoutKind::Refund), Actor::Seller, 31)]).seller_answered);
    assert!(!after(&paid(), &[(sign(PayoutKind::Refund), Actor::Buyer, 31)]).seller_answered);
    let sent = after(&paid(), &[(sign(PayoutKind::Release), Actor::Seller, 30)]);
    assert!(refused(&sent, &Act::SignHigherFee, Actor::Arbitrator, 31).contains("not signed this payout"));
    for trader in [Actor::Buyer, Actor::Seller] {
        assert!(sent.apply(&Act::SignHigherFee, trader, minutes(31)).is_ok());
    }
    let refunded = after(
        &unpaid(),
        &[(sign(PayoutKind::Refund), Actor::Arbitrator, 2_000), (sign(PayoutKind::Refund), Actor::Seller, 2_001)],
    );
    assert!(refunded.apply(&Act::SignHigherFee, Actor::Arbitrator, minutes(2_002)).is_ok(), "he has signed this one");
}

#[test]
fn a_new_ruling_forgets_signatures_of_the_old_one_and_no_others() {
    let old = after(
        &ruled(),
        &[(sign(PayoutKind::Ruling), Actor::Buyer, 200), (Act::WithdrawRuling, Actor::Arbitrator, 300)],
    );
    let rule = Act::Rule { favours: Side::Seller, outcome: Outcome::Split, objection_minutes: 60 };
    let new = after(&old, &[(rule, Actor::Arbitrator, 400)]);
    assert!(!new.has_signed(PayoutKind::Ruling, Party::Buyer) && new.has_signed(PayoutKind::Release, Party::Buyer));
    // Only the traders object, and only to a ruling that stands.
    assert!(after(&new, &[(Act::Object, Actor::Seller, 401)]).ruling.unwrap().objected);
    refused(&new, &Act::Object, Actor::Arbitrator, 401);
    refused(&old, &Act::Object, Actor::Seller, 401);
}

#[test]
fn windows_end_with_their_minute_and_not_before() {
    assert_eq!(taken().overdue(minutes(59), None), None);
    assert!(taken().overdue(minutes(60), None).is_some());
    // Nothing counts yet of what is confirmed: one confirmation window more.
    let with = |confirmed, counted| {
        let trade = after(&waiting(), &[(at_the_address(400_000, confirmed, counted), Actor::Chain, 10)]);
        let act = trade.overdue(minutes(180), Some(minutes(180))).unwrap();
        after(&trade, &[(act, Actor::Clock, 180)]).stage
    };
    assert_eq!(with(400_000, 400_000), Stage::RefundDue);
    assert_eq!(with(400_000, 0), Stage::AwaitingDeposit);
    assert_eq!(with(300_000, 300_000), Stage::AwaitingDeposit);
    let released = Trade { signed: vec![(PayoutKind::Release, Party::Seller)], ..paid() };
    assert_eq!(released.overdue(minutes(140), None), None, "he has released; nobody else is called");
    let answered = after(&funded(), &[(Act::SeePayment, Actor::Seller, 20)]);
    assert!(answered.overdue(minutes(140), None).is_some(), "he saw the money and released nothing");
}
