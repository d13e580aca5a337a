use jiff::SignedDuration;
use proptest::prelude::*;

use super::super::tests::{after, deposit, minutes, refused, sign, taken};
use super::super::{Act, Outcome, PayoutKind, Trade};
use super::*;
use crate::domain::hours::{Week, WeekInput};

const OUT: fn(i64, i64) -> (Act, Actor, i64) =
    |from, until| (Act::SitOut { why: Outage::Desk, from: minutes(from), until: minutes(until) }, Actor::Clock, until);

/// Every day from nine to five, in UTC; minute 0 is midnight.
fn nine_to_five() -> Week {
    let days = std::array::from_fn(|_| ("09:00".to_owned(), "17:00".to_owned()));
    Week::read(&WeekInput { stated: true, zone: "UTC".into(), days }).unwrap().unwrap()
}

fn everybody() -> Hours {
    Hours { buyer: Some(nine_to_five()), seller: Some(nine_to_five()), arbitrator: Some(nine_to_five()) }
}

/// In escrow at ten in the morning: the buyer has an hour to pay.
fn funded(hours: Hours) -> Trade {
    let acts = [
        (Act::SignContract, Actor::Seller, 1),
        (Act::SignContract, Actor::Buyer, 2),
        (Act::JudgeDeposit { deposit: deposit(1_000_000) }, Actor::Chain, 600),
    ];
    after(&taken().in_hours(hours), &acts)
}

#[test]
fn windows_of_people_count_in_the_hours_of_whoever_must_act() {
    let night = taken().in_hours(Hours { seller: Some(nine_to_five()), ..Hours::default() });
    assert_eq!(night.sign_by, minutes(180), "three times an hour, for the maker sleeps");
    assert_eq!(taken().in_hours(Hours { buyer: Some(nine_to_five()), ..Hours::default() }).sign_by, minutes(60));

    let trade = funded(everybody());
    assert_eq!(trade.pay_by, Some(minutes(660)));
    // Marked at 16:00: one of the seller's two hours is left today, but six hours are the most there is.
    let paid = after(&trade, &[(sign(PayoutKind::Release), Actor::Buyer, 650), (Act::MarkPaid, Actor::Buyer, 960)]);
    assert_eq!(paid.release_by, Some(minutes(960 + 360)));
    let disputed = after(&paid, &[(Act::OpenDispute, Actor::Buyer, 970)]);
    let dispute = disputed.dispute.clone().unwrap();
    // 24 hours of the seller's are three of his days; three times as long is what he gets at most.
    assert_eq!(dispute.answer_by, minutes(970 + 3 * 1440));
    assert_eq!(dispute.rule_by, plus(dispute.answer_by, SignedDuration::from_mins(3 * 4320)));
    assert_eq!(disputed.latest[&What::Answer], dispute.answer_by);
}

#[test]
fn an_outage_moves_every_window_that_ran_and_none_that_was_over() {
    let trade = funded(Hours::default());
    let (was, now) = (trade.clone(), after(&trade, &[OUT(610, 640)]));
    assert_eq!(now.pay_by, was.pay_by.map(|due| plus(due, SignedDuration::from_mins(30))));
    assert_eq!(now.sign_by, was.sign_by, "the time to sign was over");
    let over = after(&trade, &[OUT(661, 800)]);
    assert_eq!(over.pay_by, was.pay_by);
    let early = Act::CloseUnpaid;
    assert!(refused(&now, &early, Actor::Seller, 689).contains("still has time"));
    assert_eq!(after(&now, &[(early, Actor::Seller, 690)]).stage, Stage::RefundDue);
}

#[test]
fn an_outage_is_counted_once() {
    let once = after(&funded(Hours::default()), &[OUT(610, 640)]);
    let again = |from, until| OUT(from, until).0;
    assert!(once.apply(&again(610, 640), Actor::Clock, minutes(641)).is_err());
    assert!(once.apply(&again(639, 645), Actor::Clock, minutes(645)).is_err());
    assert!(once.apply(&again(641, 645), Actor::Buyer, minutes(645)).is_err(), "people say nothing of outages");
    assert_eq!(after(&once, &[OUT(640, 645)]).pay_by, Some(minutes(695)));
    // Whatever happens counts up to there.
    let marked = after(&once, &[(sign(PayoutKind::Release), Actor::Buyer, 650)]);
    assert!(marked.apply(&again(645, 700), Actor::Clock, minutes(700)).is_err());
}

#[test]
fn the_arbitrators_time_begins_when_the_answers_ends() {
    let paid = [(sign(PayoutKind::Release), Actor::Buyer, 620), (Act::MarkPaid, Actor::Buyer, 630)];
    let disputed = after(&funded(Hours::default()), &paid);
    let disputed = after(&disputed, &[(Act::OpenDispute, Actor::Buyer, 640)]);
    let dispute = |trade: &Trade| trade.dispute.clone().map(|one| (one.answer_by, one.rule_by)).unwrap();
    let (answer, rule) = (minutes(640 + 1440), minutes(640 + 1440 + 4320));
    assert_eq!(dispute(&disputed), (answer, rule));
    let hour = SignedDuration::from_mins(60);
    assert_eq!(dispute(&after(&disputed, &[OUT(700, 760)])), (plus(answer, hour), plus(rule, hour)));
    assert_eq!(dispute(&after(&disputed, &[OUT(3000, 3060)])), (answer, plus(rule, hour)), "the answer was over");

    let rule = Act::Rule { favours: Side::Buyer, outcome: Outcome::Split, objection_minutes: 1440 };
    let ruled = after(&disputed, &[(Act::Speak, Actor::Seller, 650), (rule, Actor::Arbitrator, 700)]);
    let later = after(&ruled, &[OUT(800, 860)]);
    assert_eq!(later.ruling.as_ref().unwrap().objection_by, minutes(700 + 1440 + 60));
    assert_eq!(later.cosign_by, Some(minutes(700 + 1440 + 60 + 1440)));
    assert!(refused(&later, &sign(PayoutKind::Ruling), Actor::Arbitrator, 2199).contains("objection window"));
}

#[test]
fn a_trade_without_a_running_window_sits_nothing_out() {
    let done = after(&funded(Hours::default()), &[(sign(PayoutKind::Release), Actor::Buyer, 620)]);
    let done = after(&done, &[(Act::MarkPaid, Actor::Buyer, 630), (sign(PayoutKind::Release), Actor::Seller, 640)]);
    assert!(!done.may_sit_out());
    assert!(done.apply(&OUT(650, 700).0, Actor::Clock, minutes(700)).is_err());
}

#[test]
fn trades_from_before_there_were_hours_can_be_read() {
    let trade = funded(Hours::default());
    let mut old = serde_json::to_value(&trade).unwrap();
    assert!(old.get("hours").is_none() && old.get("latest").is_none(), "what nobody has stated is not written");
    old.as_object_mut().unwrap().remove("as_of");
    let old: Trade = serde_json::from_value(old).unwrap();
    assert_eq!((old.as_of, &old.hours, old.pay_by), (Timestamp::UNIX_EPOCH, &trade.hours, trade.pay_by));
    let stated = funded(everybody());
    assert_eq!(serde_json::from_value::<Trade>(serde_json::to_value(&stated).unwrap()).unwrap(), stated);
}

#[test]
fn an_outage_moves_what_ran_when_it_began_and_nothing_else() {
    let out = |from, until| vec![OUT(from, until)];
    let latest = |trade: &Trade, what: What| trade.latest.get(&what).copied();
    // The latest end of a window of somebody with hours moves with the outage while it is ahead.
    let trade = funded(everybody());
    let before = latest(&trade, What::Payment).unwrap();
    let after_one = after(&trade, &out(610, 640));
    assert_eq!(latest(&after_one, What::Payment), Some(plus(before, SignedDuration::from_mins(30))));
    let deposit = latest(&trade, What::Deposit).unwrap();
    assert!(deposit <= minutes(610), "it was over before");
    assert_eq!(latest(&after_one, What::Deposit), Some(deposit));

    // Without hours: an answer that is over gives the arbitrator no new time, only what the outage took.
    let disputed = |acts: &[(Act, Actor, i64)]| {
        let paid = after(
            &funded(Hours::default()),
            &[(sign(PayoutKind::Release), Actor::Buyer, 620), (Act::MarkPaid, Actor::Buyer, 620)],
        );
        after(&after(&paid, &[(Act::OpenDispute, Actor::Buyer, 630)]), acts)
    };
    let open = disputed(&[]).dispute.unwrap();
    let still = disputed(&out(700, 760)).dispute.unwrap();
    let hour = SignedDuration::from_mins(60);
    assert_eq!((still.answer_by, still.rule_by), (plus(open.answer_by, hour), plus(open.rule_by, hour)));
    let answered = open.answer_by.as_second() / 60;
    let late = disputed(&out(answered, answered + 60)).dispute.unwrap();
    assert_eq!((late.answer_by, late.rule_by), (open.answer_by, plus(open.rule_by, hour)));

    // The co-signature's window begins when the objection's ends.
    let rule = Act::Rule { favours: Side::Buyer, outcome: Outcome::Split, objection_minutes: 1440 };
    let acts = [(Act::Speak, Actor::Seller, 640), (rule, Actor::Arbitrator, 650)];
    let ruled = disputed(&acts);
    let (objection_by, cosign_by) = (ruled.ruling.clone().unwrap().objection_by, ruled.cosign_by.unwrap());
    let still = after(&ruled, &out(700, 760));
    assert_eq!(still.ruling.unwrap().objection_by, plus(objection_by, hour));
    assert_eq!(still.cosign_by, Some(plus(cosign_by, hour)));
    let objected = objection_by.as_second() / 60;
    for begin in [objected, objected + 10] {
        let late = after(&ruled, &out(begin, begin + 60));
        assert_eq!((late.ruling.unwrap().objection_by, late.cosign_by), (objection_by, Some(plus(cosign_by, hour))));
    }
}

#[test]
fn nothing_is_sat_out_that_is_frozen_or_over() {
    let trade = funded(Hours::default());
    assert!(trade.may_sit_out());
    let frozen = Trade { frozen: true, ..trade.clone() };
    let over = after(
        &trade,
        &[
            (sign(PayoutKind::Release), Actor::Buyer, 620),
            (Act::MarkPaid, Actor::Buyer, 620),
            (sign(PayoutKind::Release), Actor::Seller, 630),
        ],
    );
    assert!(!frozen.may_sit_out() && !over.may_sit_out());
}

proptest! {
    #[test]
    fn outages_in_pieces_are_as_long_as_in_one(cuts in prop::collection::btree_set(611_i64..2_000, 0..8)) {
        let trade = funded(Hours::default());
        let whole = after(&trade, &[OUT(610, 2_000)]);
        let mut pieces = trade;
        let mut from = 610;
        for cut in cuts.into_iter().chain([2_000]) {
            pieces = after(&pieces, &[OUT(from, cut)]);
            from = cut;
        }
        prop_assert_eq!((pieces.pay_by, pieces.as_of), (whole.pay_by, whole.as_of));
    }

    #[test]
    fn with_hours_no_window_is_shortened_by_an_outage(from in 600_i64..700, length in 1_i64..3_000) {
        let trade = funded(everybody());
        let later = after(&trade, &[OUT(from, from + length)]);
        prop_assert!(later.pay_by >= trade.pay_by);
        let lost = SignedDuration::from_mins(length);
        let most = trade.latest[&What::Payment];
        prop_assert!(later.pay_by.unwrap() <= plus(most, lost), "three times its length and the outage");
    }
}
