//! Who is told what, and when who is reminded.

use super::*;
use crate::domain::deadlines::Deadline;
use crate::domain::hours::{DAYS, Week, WeekInput};
use crate::domain::notices::{self, Kind, Turn};

fn window(trade: &Trade, what: What) -> Deadline {
    *trade.deadlines().iter().find(|one| one.what == what).expect("it runs")
}

fn times(trade: &Trade, what: What) -> [Timestamp; 2] {
    trade.reminder_times(&window(trade, what))
}

fn told(before: &Trade, act: &Act, actor: Actor, at: i64) -> Vec<(Party, Vec<Kind>, Turn, bool)> {
    let change = before.apply(act, actor, minutes(at)).unwrap();
    let all = notices::of_change(before, &change.trade, change.event, act, actor);
    all.into_iter().map(|one| (one.party, one.kinds, one.turn, one.own)).collect()
}

#[test]
fn half_and_nine_tenths_are_counted_in_the_one_clock() {
    assert_eq!(times(&taken(), What::Signing), [minutes(30), minutes(54)]);
    let funded = funded();
    assert_eq!(times(&funded, What::Payment), [minutes(10 + 30), minutes(10 + 54)]);
    // The desk was away from minute 20 to 50: half of the hour is over 30 minutes later.
    let sat_out = Act::SitOut { why: Outage::Desk, from: minutes(20), until: minutes(50) };
    let later = after(&funded, &[(sat_out, Actor::Clock, 50)]);
    assert_eq!(later.pay_by, Some(minutes(100)));
    assert_eq!(times(&later, What::Payment), [minutes(70), minutes(94)]);
    // An outage after half of it moves the second only as far as it was not over.
    let sat_out = Act::SitOut { why: Outage::Chain, from: minutes(45), until: minutes(60) };
    let later = after(&funded, &[(sat_out, Actor::Clock, 60)]);
    assert_eq!(times(&later, What::Payment)[1], minutes(64 + 15));
}

#[test]
fn a_window_in_working_hours_is_half_over_when_half_of_the_working_time_is() {
    // Noon of the tests is midnight of a Thursday. The buyer works from 00:00 to 00:40 UTC each day.
    let input =
        WeekInput { stated: true, zone: "UTC".into(), days: DAYS.map(|_| ("00:00".to_owned(), "00:40".to_owned())) };
    let hours = Hours { buyer: Week::read(&input).unwrap(), ..Hours::default() };
    let signed = [(Act::SignContract, Actor::Seller, 1), (Act::SignContract, Actor::Buyer, 2)];
    let agreed = after(
        &Trade { windows: Windows { payment_minutes: 1000, ..taken().windows }, ..taken() }.in_hours(hours),
        &signed,
    );
    let funded = after(&agreed, &[(Act::JudgeDeposit { deposit: deposit(1_000_000) }, Actor::Chain, 10)]);
    // 1,000 minutes would be 25 days: they end after 3,000, with 30 + 40 + 40 minutes worked.
    assert_eq!(funded.pay_by, Some(minutes(3010)));
    let [half, ninety] = times(&funded, What::Payment);
    let worked = |at: Timestamp| funded.hours.worked(Some(Party::Buyer), minutes(10), at).as_mins();
    assert_eq!((worked(half), worked(ninety)), (55, 99));
    assert_eq!((half, ninety), (minutes(1440 + 25), minutes(2880 + 29)));
}

#[test]
fn only_who_must_still_act_is_reminded() {
    let who = |trade: &Trade, what| trade.reminded(&window(trade, what));
    assert_eq!(who(&taken(), What::Signing), [Party::Buyer, Party::Seller]);
    let half_signed = after(&taken(), &[(Act::SignContract, Actor::Seller, 1)]);
    assert_eq!(who(&half_signed, What::Signing), [Party::Buyer]);
    let agreed = after(&half_signed, &[(Act::SignContract, Actor::Buyer, 2)]);
    assert_eq!(who(&agreed, What::Deposit), [Party::Seller]);
    let seen = Deposit { confirmed: Amount::ZERO, counted: Amount::ZERO, ..deposit(1_000_000) };
    let sent = after(&agreed, &[(Act::JudgeDeposit { deposit: seen }, Actor::Chain, 5)]);
    assert_eq!(who(&sent, What::Deposit), [], "it is on its way");
    assert_eq!(who(&funded(), What::Payment), [Party::Buyer]);
    assert_eq!(who(&paid(), What::Release), [Party::Seller]);
    let disputed = after(&paid(), &[(Act::OpenDispute, Actor::Buyer, 30)]);
    assert_eq!(who(&disputed, What::Answer), [Party::Seller]);
    assert_eq!(who(&disputed, What::Ruling), [Party::Arbitrator]);
}

#[test]
fn whose_turn_it_becomes_is_told_and_what_moved() {
    let half_signed = after(&taken(), &[(Act::SignContract, Actor::Seller, 1)]);
    // The seller's own deed is not news to him; that it is his turn again waits for him.
    let signed = told(&half_signed, &Act::SignContract, Actor::Buyer, 2);
    assert_eq!(signed, [(Party::Seller, vec![Kind::Turn], Turn::Yours, false)]);
    assert_eq!(told(&taken(), &Act::SignContract, Actor::Seller, 1), []);
    let last = after(&taken(), &[(Act::SignContract, Actor::Buyer, 1)]);
    assert_eq!(
        told(&last, &Act::SignContract, Actor::Seller, 2),
        [(Party::Seller, vec![Kind::Turn], Turn::Yours, true)]
    );
    let agreed = after(&half_signed, &[(Act::SignContract, Actor::Buyer, 2)]);
    assert_eq!(
        told(&agreed, &Act::JudgeDeposit { deposit: deposit(1_000_000) }, Actor::Chain, 10),
        [
            (Party::Buyer, vec![Kind::Turn, Kind::Money], Turn::Yours, false),
            (Party::Seller, vec![Kind::Money], Turn::Theirs, false)
        ]
    );
    assert_eq!(
        told(&paid(), &Act::OpenDispute, Actor::Buyer, 30),
        [
            (Party::Seller, vec![Kind::Turn, Kind::Dispute], Turn::Yours, false),
            (Party::Arbitrator, vec![Kind::Turn, Kind::Dispute], Turn::Yours, false)
        ]
    );
    // Nobody is told that the clock stood still: what was said of the end is changed instead.
    let sat_out = Act::SitOut { why: Outage::Desk, from: minutes(20), until: minutes(50) };
    assert_eq!(told(&funded(), &sat_out, Actor::Clock, 50), []);
    let cancelled = told(&agreed, &Act::Cancel, Actor::Buyer, 5);
    assert_eq!(cancelled, [(Party::Seller, vec![Kind::End], Turn::Nobody, false)]);
}

#[test]
fn a_window_that_goes_on_after_a_mark_was_taken_back_has_only_the_reminders_that_are_left() {
    let undone = after(&paid(), &[(Act::UndoMark, Actor::Buyer, 50)]);
    let window = window(&undone, What::Payment);
    let [half, ninety] = undone.reminder_times(&window);
    assert_eq!(window.due_at, minutes(70));
    assert!(half <= window.started_at && ninety == minutes(64), "{half} {ninety}");
}

#[test]
fn the_time_to_sign_is_counted_in_the_hours_of_the_maker_if_he_works_in_it() {
    let of_a_seller = |from: &str, to: &str| {
        let days = DAYS.map(|_| (from.to_owned(), to.to_owned()));
        let input = WeekInput { stated: true, zone: "UTC".into(), days };
        taken().in_hours(Hours { seller: Week::read(&input).unwrap(), ..Hours::default() })
    };
    // Twenty minutes of his are in the three hours that an hour is stretched to.
    let works = of_a_seller("00:10", "00:30");
    assert_eq!((works.sign_by, times(&works, What::Signing)), (minutes(180), [minutes(20), minutes(28)]));
    // None of his are: the last hour counts by the plain clock.
    let sleeps = of_a_seller("12:00", "13:00");
    assert_eq!((sleeps.sign_by, times(&sleeps, What::Signing)), (minutes(180), [minutes(150), minutes(174)]));
}

#[test]
fn whoever_has_a_right_or_can_pay_the_miners_more_is_reminded_though_it_is_not_his_turn() {
    let agreed = after(&taken(), &[(Act::SignContract, Actor::Seller, 0), (Act::SignContract, Actor::Buyer, 0)]);
    let sent = Deposit { confirmed: Amount::ZERO, counted: Amount::ZERO, ..deposit(1_000_000) };
    let sent = after(&agreed, &[(Act::JudgeDeposit { deposit: sent }, Actor::Chain, 170)]);
    let over = Act::WindowPassed { what: What::Deposit, tip_at: Some(minutes(180)) };
    let waits = after(&sent, &[(over, Actor::Clock, 180)]);
    assert_eq!((waits.turn(), waits.reminded(&window(&waits, What::Confirmation))), (vec![], vec![Party::Seller]));
    let unpaid = after(&funded(), &[(Act::CloseUnpaid, Actor::Seller, 70)]);
    let reminded = unpaid.reminded(&window(&unpaid, What::Objection));
    assert_eq!((unpaid.turn(), reminded), (vec![Party::Seller], vec![Party::Buyer]));
    // Until when it is: the buyer reads it, and the seller's turn has no end.
    assert_eq!(notices::window_of(&unpaid, Party::Buyer), Some((What::Objection, minutes(70 + 1440))));
    assert_eq!(notices::window_of(&unpaid, Party::Seller), None);
}

#[test]
fn coins_out_of_sight_and_coins_that_are_gone_in_part_are_news_of_money() {
    let (buyer, seller) = (Party::Buyer, Party::Seller);
    let gone = Act::JudgeDeposit { deposit: Deposit::default() };
    assert_eq!(
        told(&paid(), &gone, Actor::Chain, 50),
        [(buyer, vec![Kind::Money], Turn::Nobody, false), (seller, vec![Kind::Money], Turn::Nobody, false)]
    );
    let less = Act::LosePart { deposit: deposit(600_000), why: PartGone::Spent };
    assert_eq!(
        told(&paid(), &less, Actor::Chain, 50),
        [(buyer, vec![Kind::Turn, Kind::Money], Turn::Yours, false), (seller, vec![Kind::Money], Turn::Yours, false)]
    );
}
