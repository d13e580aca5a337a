//! No stage traps money: any two of the three key holders can finish, one alone never can (protocol §1.5).

use trine::domain::{Actor, Event, Stage, next_stage};

const PAIRS: [[Actor; 2]; 3] =
    [[Actor::Buyer, Actor::Seller], [Actor::Buyer, Actor::Arbitrator], [Actor::Seller, Actor::Arbitrator]];

/// Where coins can lie at the address.
const WITH_MONEY: [Stage; 7] = [
    Stage::AwaitingDeposit,
    Stage::Cancelled,
    Stage::Funded,
    Stage::PaymentSent,
    Stage::RefundDue,
    Stage::Disputed,
    Stage::Ruled,
];

/// A payout that the two would sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Release,
    Refund,
}

/// What two can pay out of a stage: both signatures are theirs, so each needs a row; in `refund_due` only a refund.
fn can_pay_out(stage: Stage, pair: [Actor; 2], end: End) -> bool {
    let signs = |actor| next_stage(stage, Event::PayoutCompleted, actor) == Some(Stage::PayingOut);
    pair.into_iter().all(signs) && (end == End::Refund || stage != Stage::RefundDue)
}

/// All stages that these actors can bring a trade to without a payout, and without anyone stealing or losing coins.
fn reach(from: Stage, actors: &[Actor]) -> Vec<Stage> {
    let mut reached = vec![from];
    let mut next = 0;
    while let Some(stage) = reached.get(next).copied() {
        next += 1;
        for event in Event::ALL {
            let loses = matches!(
                event,
                Event::SpentOtherwise | Event::DepositLost | Event::DepositReturned | Event::PayoutVoided
            );
            if event == Event::PayoutCompleted || loses {
                continue;
            }
            for actor in actors {
                if let Some(to) = next_stage(stage, event, *actor)
                    && !reached.contains(&to)
                {
                    reached.push(to);
                }
            }
        }
    }
    reached
}

fn with_clock_and_chain(people: &[Actor]) -> Vec<Actor> {
    people.iter().copied().chain([Actor::Clock, Actor::Chain]).collect()
}

fn pair_reaches(from: Stage, pair: [Actor; 2], end: End) -> bool {
    reach(from, &with_clock_and_chain(&pair)).into_iter().any(|stage| can_pay_out(stage, pair, end))
}

#[test]
fn every_pair_can_send_the_deposit_back_from_every_stage_with_money() {
    for stage in WITH_MONEY {
        for pair in PAIRS {
            assert!(pair_reaches(stage, pair, End::Refund), "{stage}, {pair:?}");
        }
    }
}

#[test]
fn every_pair_can_release_once_the_buyer_may_have_paid() {
    for stage in [Stage::Funded, Stage::PaymentSent, Stage::Disputed, Stage::Ruled] {
        for pair in PAIRS {
            assert!(pair_reaches(stage, pair, End::Release), "{stage}, {pair:?}");
        }
    }
}

#[test]
fn a_broadcast_payout_completes_by_the_chain_alone() {
    assert!(reach(Stage::PayingOut, &[Actor::Chain]).contains(&Stage::Completed));
}

#[test]
fn nothing_is_paid_out_but_by_a_completed_payout() {
    for stage in WITH_MONEY.into_iter().chain([Stage::Proposed]) {
        let reached = reach(stage, &Actor::ALL);
        assert!(!reached.contains(&Stage::PayingOut) && !reached.contains(&Stage::Completed), "{stage}");
    }
}

#[test]
fn after_a_payout_there_is_no_second_one() {
    for stage in reach(Stage::PayingOut, &Actor::ALL) {
        for actor in Actor::ALL {
            assert_eq!(next_stage(stage, Event::PayoutCompleted, actor), None, "{stage}, {actor}");
        }
    }
}

#[test]
fn the_arbitrator_never_pays_out_of_a_trade_that_nobody_disputed_or_ended() {
    for stage in [Stage::Proposed, Stage::AwaitingDeposit, Stage::Funded, Stage::PaymentSent] {
        for event in Event::ALL {
            assert_eq!(next_stage(stage, event, Actor::Arbitrator), None, "{stage}, {event}");
        }
    }
}

#[test]
fn money_in_a_stage_is_never_forgotten_by_the_clock() {
    for stage in [Stage::Funded, Stage::PaymentSent, Stage::RefundDue, Stage::Disputed, Stage::Ruled] {
        let reached = reach(stage, &[Actor::Clock, Actor::Desk]);
        assert!(!reached.contains(&Stage::Cancelled), "{stage}: nothing irreversible happens at zero");
    }
}
