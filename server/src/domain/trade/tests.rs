use bitcoin::Amount;
use jiff::{SignedDuration, Timestamp};

use super::*;

mod amending;
mod parted;
mod told;
mod turns;
mod waits;

pub(super) const NOON: Timestamp = Timestamp::UNIX_EPOCH;

pub(super) fn minutes(count: i64) -> Timestamp {
    NOON + SignedDuration::from_mins(count)
}

pub(super) fn deposit(sats: u64) -> Deposit {
    let sats = Amount::from_sat(sats);
    Deposit { seen: sats, confirmed: sats, counted: sats, in_time: true, whole: true, renewed: false }
}

/// A trade that was just taken: a million satoshis due, windows of round numbers.
pub(crate) fn taken() -> Trade {
    let windows = Windows {
        deposit_minutes: 180,
        confirmation_minutes: 1440,
        payment_minutes: 60,
        release_minutes: 120,
        objection_minutes: 1440,
        answer_minutes: 1440,
        ruling_minutes: 4320,
        cosign_minutes: 1440,
    };
    Trade::taken(Side::Seller, windows, Amount::from_sat(1_000_000), 1, NOON, minutes(60))
}

/// Applies acts in order; each must be accepted.
pub(super) fn after(trade: &Trade, acts: &[(Act, Actor, i64)]) -> Trade {
    acts.iter().fold(trade.clone(), |trade, (act, actor, at)| match trade.apply(act, *actor, minutes(*at)) {
        Ok(change) => change.trade,
        Err(refusal) => panic!("{act:?} by {actor}: {refusal}"),
    })
}

fn funded() -> Trade {
    after(
        &taken(),
        &[
            (Act::SignContract, Actor::Seller, 1),
            (Act::SignContract, Actor::Buyer, 2),
            (Act::JudgeDeposit { deposit: deposit(1_000_000) }, Actor::Chain, 10),
        ],
    )
}

fn paid() -> Trade {
    after(&funded(), &[(sign(PayoutKind::Release), Actor::Buyer, 20), (Act::MarkPaid, Actor::Buyer, 20)])
}

pub(super) fn sign(kind: PayoutKind) -> Act {
    Act::SignPayout { kind }
}

pub(super) fn refused(trade: &Trade, act: &Act, actor: Actor, at: i64) -> String {
    trade.apply(act, actor, minutes(at)).expect_err(&format!("{act:?} by {actor} was accepted")).to_string()
}

#[test]
fn a_trade_runs_from_take_to_release() {
    let trade = paid();
    assert_eq!(trade.stage, Stage::PaymentSent);
    let change = trade.apply(&sign(PayoutKind::Release), Actor::Seller, minutes(30)).unwrap();
    assert_eq!(change.event, Some(Event::PayoutCompleted));
    assert!(change.effects.contains(&Effect::Broadcast(PayoutKind::Release)));
    let end = after(&change.trade, &[(Act::ConfirmPayout { outcome: Outcome::Released }, Actor::Chain, 40)]);
    assert_eq!((end.stage, end.outcome), (Stage::Completed, Some(Outcome::Released)));
}

#[test]
fn the_second_signature_after_sign_by_is_refused() {
    let trade = after(&taken(), &[(Act::SignContract, Actor::Seller, 1)]);
    assert!(refused(&trade, &Act::SignContract, Actor::Buyer, 60).contains("time to sign is over"));
    let act = trade.overdue(minutes(60), None).unwrap();
    let change = trade.apply(&act, Actor::Clock, minutes(60)).unwrap();
    assert_eq!(change.trade.stage, Stage::Cancelled);
    assert!(change.effects.contains(&Effect::ReturnReservation) && change.effects.contains(&Effect::PauseOffer));
}

#[test]
fn the_seller_never_signs_a_release_before_the_buyer() {
    let trade = after(&funded(), &[(Act::SeePayment, Actor::Seller, 15)]);
    assert!(refused(&trade, &sign(PayoutKind::Release), Actor::Seller, 16).contains("never signed ahead"));
}

#[test]
fn after_a_buyers_refund_signature_there_is_no_way_to_payment_sent() {
    let trade = after(&funded(), &[(sign(PayoutKind::Refund), Actor::Buyer, 15)]);
    assert_eq!(trade.stage, Stage::RefundDue);
    assert!(refused(&trade, &Act::MarkPaid, Actor::Buyer, 16).contains("Do not pay"));
    let end = after(&trade, &[(sign(PayoutKind::Refund), Actor::Seller, 20)]);
    assert_eq!((end.stage, end.paying_out), (Stage::PayingOut, Some(PayoutKind::Refund)));
}

#[test]
fn a_mark_is_undone_once_and_not_after_the_seller_answered() {
    let trade = after(&paid(), &[(Act::UndoMark, Actor::Buyer, 25)]);
    assert_eq!(trade.stage, Stage::Funded);
    let again = after(&trade, &[(Act::MarkPaid, Actor::Buyer, 30)]);
    assert!(refused(&again, &Act::UndoMark, Actor::Buyer, 31).contains("once"));
    let answered = after(&paid(), &[(Act::AnswerMark, Actor::Seller, 21)]);
    assert!(refused(&answered, &Act::UndoMark, Actor::Buyer, 22).contains("answered"));
}

#[test]
fn an_unpaid_trade_is_closed_only_after_the_payment_window() {
    let trade = funded();
    assert!(refused(&trade, &Act::CloseUnpaid, Actor::Seller, 69).contains("still has time"));
    assert_eq!(after(&trade, &[(Act::CloseUnpaid, Actor::Seller, 70)]).stage, Stage::RefundDue);
    assert!(refused(&trade, &Act::OpenDispute, Actor::Buyer, 69).contains("payment window"));
    assert_eq!(after(&trade, &[(Act::OpenDispute, Actor::Buyer, 70)]).stage, Stage::Disputed);
}

#[test]
fn an_overdue_release_goes_to_the_arbitrator() {
    let trade = paid();
    assert_eq!(trade.overdue(minutes(139), None), None);
    let act = trade.overdue(minutes(140), None).unwrap();
    let trade = after(&trade, &[(act, Actor::Clock, 140)]);
    assert_eq!(trade.stage, Stage::Disputed);
    assert_eq!(trade.dispute.as_ref().unwrap().opener, None);
}

#[test]
fn a_deposit_window_ends_only_when_the_chain_was_seen_after_it() {
    let trade = after(&taken(), &[(Act::SignContract, Actor::Seller, 0), (Act::SignContract, Actor::Buyer, 0)]);
    assert_eq!(trade.overdue(minutes(181), Some(minutes(179))), None);
    assert_eq!(trade.overdue(minutes(181), None), None);
    let act = trade.overdue(minutes(181), Some(minutes(180))).unwrap();
    assert_eq!(after(&trade, &[(act, Actor::Clock, 181)]).stage, Stage::Cancelled);
}

#[test]
fn a_short_deposit_goes_back_and_a_late_one_too() {
    let waiting = after(&taken(), &[(Act::SignContract, Actor::Seller, 0), (Act::SignContract, Actor::Buyer, 0)]);
    let short = after(&waiting, &[(Act::JudgeDeposit { deposit: deposit(400_000) }, Actor::Chain, 10)]);
    assert_eq!(short.stage, Stage::AwaitingDeposit);
    assert!(refused(&short, &Act::Cancel, Actor::Buyer, 20).contains("deposit has been seen"));
    let act = short.overdue(minutes(180), Some(minutes(180))).unwrap();
    let change = short.apply(&act, Actor::Clock, minutes(180)).unwrap();
    assert_eq!(change.event, Some(Event::DepositShort));
    assert!(change.effects.contains(&Effect::BuildRefund));

    let cancelled = after(&waiting, &[(Act::Cancel, Actor::Buyer, 5)]);
    let late = cancelled.apply(&Act::JudgeDeposit { deposit: deposit(1_000_000) }, Actor::Chain, minutes(300)).unwrap();
    assert_eq!((late.event, late.trade.stage), (Some(Event::DepositConfirmed), Stage::RefundDue));
}

#[test]
fn a_deposit_seen_in_time_gets_one_confirmation_window() {
    let waiting = after(&taken(), &[(Act::SignContract, Actor::Seller, 0), (Act::SignContract, Actor::Buyer, 0)]);
    let seen = Deposit { seen: Amount::from_sat(1_000_000), ..Deposit::default() };
    let waiting = after(&waiting, &[(Act::JudgeDeposit { deposit: seen }, Actor::Chain, 170)]);
    let act = waiting.overdue(minutes(180), Some(minutes(180))).unwrap();
    let waiting = after(&waiting, &[(act, Actor::Clock, 180)]);
    assert_eq!((waiting.stage, waiting.confirm_by), (Stage::AwaitingDeposit, Some(minutes(180 + 1440))));
    assert_eq!(waiting.overdue(minutes(1000), Some(minutes(1000))), None);
    let confirmed = Act::JudgeDeposit { deposit: deposit(1_000_000) };
    assert_eq!(after(&waiting, &[(confirmed, Actor::Chain, 500)]).stage, Stage::Funded);
    let act = waiting.overdue(minutes(1620), Some(minutes(1620))).unwrap();
    assert_eq!(after(&waiting, &[(act, Actor::Clock, 1620)]).stage, Stage::Cancelled);
}

fn disputed() -> Trade {
    after(&paid(), &[(Act::OpenDispute, Actor::Seller, 30), (Act::Speak, Actor::Buyer, 40)])
}

fn ruled() -> Trade {
    let rule = Act::Rule { favours: Side::Buyer, outcome: Outcome::Split, objection_minutes: 1440 };
    after(&disputed(), &[(rule, Actor::Arbitrator, 100)])
}

#[test]
fn no_ruling_before_both_spoke_or_the_answer_window_ended() {
    let open = after(&paid(), &[(Act::OpenDispute, Actor::Seller, 30)]);
    let rule = Act::Rule { favours: Side::Buyer, outcome: Outcome::Released, objection_minutes: 0 };
    assert!(refused(&open, &rule, Actor::Arbitrator, 100).contains("time to answer"));
    assert_eq!(after(&open, &[(rule, Actor::Arbitrator, 30 + 1440)]).stage, Stage::Ruled);
}

#[test]
fn the_arbitrator_signs_only_after_the_objection_window_and_then_the_ruling_stands() {
    let trade = ruled();
    assert!(refused(&trade, &sign(PayoutKind::Ruling), Actor::Arbitrator, 200).contains("objection window"));
    assert_eq!(after(&trade, &[(Act::WithdrawRuling, Actor::Arbitrator, 200)]).stage, Stage::Disputed);
    let signed = after(&trade, &[(sign(PayoutKind::Ruling), Actor::Arbitrator, 100 + 1440)]);
    assert!(refused(&signed, &Act::WithdrawRuling, Actor::Arbitrator, 1600).contains("cannot be withdrawn"));
    for trader in [Actor::Buyer, Actor::Seller] {
        assert_eq!(after(&signed, &[(sign(PayoutKind::Ruling), trader, 1700)]).stage, Stage::PayingOut);
    }
}

#[test]
fn an_arbitrator_alone_completes_nothing_and_never_signs_a_release() {
    assert!(refused(&paid(), &sign(PayoutKind::Release), Actor::Arbitrator, 30).contains("only what he has ruled"));
    assert!(refused(&paid(), &sign(PayoutKind::Refund), Actor::Arbitrator, 30).contains("Nothing was changed"));
    let trade = after(&ruled(), &[(sign(PayoutKind::Ruling), Actor::Arbitrator, 2000)]);
    assert!(refused(&trade, &sign(PayoutKind::Ruling), Actor::Arbitrator, 2001).contains("in already"));
}

#[test]
fn an_accepted_settlement_is_the_only_one_and_its_proposer_completes_it() {
    let accept = Act::AcceptSettlement { outcome: Outcome::Split };
    let trade = after(&disputed(), &[(accept.clone(), Actor::Seller, 50)]);
    assert!(refused(&trade, &accept, Actor::Buyer, 51).contains("only one"));
    let rule = Act::Rule { favours: Side::Buyer, outcome: Outcome::Released, objection_minutes: 0 };
    assert!(refused(&trade, &rule, Actor::Arbitrator, 60).contains("settlement"));
    assert!(refused(&trade, &sign(PayoutKind::Settlement), Actor::Arbitrator, 60).contains("still has time"));
    assert_eq!(after(&trade, &[(sign(PayoutKind::Settlement), Actor::Buyer, 60)]).stage, Stage::PayingOut);
    assert_eq!(after(&trade, &[(sign(PayoutKind::Settlement), Actor::Arbitrator, 50 + 1440)]).stage, Stage::PayingOut);
}

#[test]
fn a_frozen_trade_stands_still() {
    let gone = Act::JudgeDeposit { deposit: Deposit::default() };
    let trade = after(&paid(), &[(gone, Actor::Chain, 50)]);
    assert!(trade.frozen);
    assert_eq!(trade.overdue(minutes(10_000), None), None);
    assert!(refused(&trade, &sign(PayoutKind::Release), Actor::Seller, 60).contains("reorganised"));
    let back = after(&trade, &[(Act::JudgeDeposit { deposit: deposit(1_000_000) }, Actor::Chain, 70)]);
    assert!(!back.frozen);
}

#[test]
fn the_objection_window_ends_when_both_agree() {
    let trade = ruled();
    let one = after(&trade, &[(Act::AcceptRuling, Actor::Seller, 200)]);
    assert!(refused(&one, &sign(PayoutKind::Ruling), Actor::Arbitrator, 201).contains("objection window"));
    assert!(refused(&one, &Act::Object, Actor::Seller, 201).contains("accepted this ruling"));
    assert!(refused(&one, &Act::AcceptRuling, Actor::Seller, 201).contains("already"));
    let both = after(&one, &[(sign(PayoutKind::Ruling), Actor::Buyer, 202)]);
    assert_eq!(both.ruling.as_ref().unwrap().objection_by, minutes(202));
    assert_eq!(after(&both, &[(sign(PayoutKind::Ruling), Actor::Arbitrator, 203)]).stage, Stage::PayingOut);

    let rule = Act::Rule { favours: Side::Buyer, outcome: Outcome::Released, objection_minutes: 1440 };
    let all_to_buyer = after(&disputed(), &[(rule, Actor::Arbitrator, 100), (Act::AcceptRuling, Actor::Seller, 101)]);
    assert_eq!(all_to_buyer.ruling.as_ref().unwrap().objection_by, minutes(101), "the winner need not say so");
}

#[test]
fn nothing_is_begun_beside_an_accepted_settlement() {
    let accept = Act::AcceptSettlement { outcome: Outcome::Split };
    let trade = after(&funded(), &[(accept.clone(), Actor::Seller, 20), (sign(PayoutKind::Release), Actor::Buyer, 21)]);
    assert!(refused(&trade, &Act::MarkPaid, Actor::Buyer, 22).contains("only payout"));
    assert!(refused(&trade, &Act::CloseUnpaid, Actor::Seller, 100).contains("buyer's signature"));
    assert_eq!(trade.turn(), [Party::Buyer]);
    assert!(trade.deadlines().iter().any(|one| one.what == What::Cosignature && one.who == "buyer"));

    let back = after(&funded(), &[(sign(PayoutKind::Refund), Actor::Buyer, 15), (accept, Actor::Buyer, 16)]);
    assert!(refused(&back, &sign(PayoutKind::Refund), Actor::Arbitrator, 3000).contains("settlement"));
}

#[test]
fn an_accepted_settlement_is_completed_even_after_a_ruling() {
    let accept = Act::AcceptSettlement { outcome: Outcome::Split };
    let trade = after(&ruled(), &[(accept, Actor::Buyer, 200)]);
    assert!(refused(&trade, &sign(PayoutKind::Ruling), Actor::Seller, 201).contains("settlement"));
    assert!(refused(&trade, &sign(PayoutKind::Settlement), Actor::Arbitrator, 9000).contains("proposer"));
    let open = after(&trade, &[(Act::WithdrawRuling, Actor::Arbitrator, 9000)]);
    assert_eq!(after(&open, &[(sign(PayoutKind::Settlement), Actor::Arbitrator, 9001)]).stage, Stage::PayingOut);
    assert_eq!(after(&trade, &[(sign(PayoutKind::Settlement), Actor::Seller, 300)]).stage, Stage::PayingOut);
}

fn raise(fee: u64, waited_blocks: u32) -> Act {
    Act::RaiseFee { fee: Amount::from_sat(fee), waited_blocks }
}

fn say(kind: PayoutKind, fee: u64) -> Act {
    Act::SayFee { kind, fee: Amount::from_sat(fee) }
}

fn is_sent(trade: &Trade, act: &Act, actor: Actor) -> bool {
    let change = trade.apply(act, actor, minutes(50)).unwrap();
    change.effects.iter().any(|effect| matches!(effect, Effect::Broadcast(_)))
}

#[test]
fn the_buyer_decides_about_the_fee_of_a_release_and_everybody_after_36_blocks() {
    let trade = after(&paid(), &[(say(PayoutKind::Release, 500), Actor::Buyer, 21)]);
    assert!(refused(&trade, &say(PayoutKind::Release, 500), Actor::Seller, 22).contains("do not bear"));
    assert_eq!(trade.fee_said(PayoutKind::Release), Some(Amount::from_sat(500)));
    assert!(
        refused(&trade, &raise(900, 36), Actor::Buyer, 23).contains("Nothing was changed"),
        "nothing is on its way"
    );
    let forget = Act::ForgetFeeWord { kind: PayoutKind::Release, side: Side::Buyer };
    assert!(
        trade.apply(&forget, Actor::Buyer, minutes(24)).is_err()
            && paid().apply(&forget, Actor::Desk, minutes(24)).is_err()
    );
    assert_eq!(after(&trade, &[(forget, Actor::Desk, 24)]).fee_said(PayoutKind::Release), None);
    let sent = after(&trade, &[(sign(PayoutKind::Release), Actor::Seller, 30)]);
    assert!(is_sent(&sent, &raise(900, 0), Actor::Buyer));
    assert!(refused(&sent, &raise(900, 35), Actor::Seller, 50).contains("it is 35 now"));
    assert!(is_sent(&sent, &raise(900, 36), Actor::Seller));
    assert!(refused(&sent, &raise(900, 36), Actor::Arbitrator, 50).contains("have not signed this payout"));
    assert!(refused(&sent, &say(PayoutKind::Release, 900), Actor::Buyer, 50).contains("on its way already"));
    let done = after(&sent, &[(Act::ConfirmPayout { outcome: Outcome::Released }, Actor::Chain, 60)]);
    assert!(refused(&done, &raise(900, 40), Actor::Buyer, 61).contains("completed"));
    assert!(refused(&done, &Act::SignHigherFee, Actor::Buyer, 61).contains("completed"));
}

#[test]
fn a_split_is_raised_with_the_word_of_both() {
    let split = Act::AcceptSettlement { outcome: Outcome::Split };
    let trade = after(&paid(), &[(split, Actor::Buyer, 25), (sign(PayoutKind::Settlement), Actor::Seller, 30)]);
    assert_eq!((trade.stage, trade.fee_bearers(PayoutKind::Settlement).len()), (Stage::PayingOut, 2));
    assert!(!is_sent(&trade, &raise(900, 0), Actor::Buyer), "the seller bears it too");
    let one = after(&trade, &[(raise(900, 0), Actor::Buyer, 40)]);
    assert_eq!(one.fee_said(PayoutKind::Settlement), None);
    assert!(!is_sent(&one, &raise(1_000, 0), Actor::Seller), "the lower word counts");
    assert!(is_sent(&one, &raise(900, 0), Actor::Seller));
    assert!(is_sent(&trade, &raise(900, 36), Actor::Seller), "or the wait");
}
