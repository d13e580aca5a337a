//! Random lives of a trade: at every step one of all the acts that are accepted then, by anybody.

mod acts;
mod witness;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use trine::domain::trade::{Act, Change, Trade, Windows};
use trine::domain::{Actor, Side, Stage};

use self::acts::DUE;
use self::witness::Witness;
use crate::harness::Dice;

fn taken() -> Trade {
    let noon = Timestamp::UNIX_EPOCH;
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
    Trade::taken(Side::Seller, windows, DUE, 1, noon, noon + SignedDuration::from_mins(60))
}

/// An act, who did it, and what came of it.
type Accepted = (Act, Actor, Change);

/// What is accepted now.
fn accepted(trade: &Trade, at: Timestamp, dice: &mut Dice) -> Vec<Accepted> {
    let mut all = Vec::new();
    for act in acts::everything(at, dice) {
        for actor in Actor::ALL {
            if let Ok(change) = trade.apply(&act, actor, at) {
                all.push((act.clone(), actor, change));
            }
        }
    }
    all
}

/// Most lives should go on: what ends one is chosen only when nothing else can be done.
fn keep_what_goes_on(all: &mut Vec<Accepted>) {
    let goes_on = |one: &Accepted| !matches!(one.2.trade.stage, Stage::Cancelled | Stage::Completed);
    if all.iter().any(goes_on) {
        all.retain(goes_on);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn no_life_of_a_trade_pays_twice_or_asks_for_money_after_a_refund_signature(
        choices in prop::collection::vec((any::<prop::sample::Index>(), 0_i64..120, any::<u64>()), 5..60),
        jumps in prop::collection::vec(prop_oneof![4 => Just(0_i64), 1 => Just(5_000)], 60),
    ) {
        let (mut trade, mut at, mut witness) = (taken(), Timestamp::UNIX_EPOCH, Witness::default());
        for (step, ((choice, minutes, luck), jump)) in choices.into_iter().zip(jumps).enumerate() {
            // The first windows are short; later ones may well pass.
            at += SignedDuration::from_mins(if step < 4 { 5 } else { minutes + jump });
            let mut all = accepted(&trade, at, &mut Dice(luck));
            if minutes % 5 != 0 {
                keep_what_goes_on(&mut all);
            }
            if all.is_empty() {
                continue;
            }
            let (act, actor, change) = choice.get(&all).clone();
            witness.sees(&trade, &act, actor, &change);
            trade = change.trade;
        }
    }
}

/// Steps of a long run in an ordinary run of the tests; `TRINE_MODEL_STEPS` asks for more.
const STEPS: u64 = 10_000;

/// One life after the other, each until it is over or long enough. `TRINE_MODEL_SEED` repeats a run.
#[test]
#[allow(clippy::print_stdout)]
fn a_long_run_of_random_lives_breaks_nothing() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let wanted = number("TRINE_MODEL_STEPS").unwrap_or(STEPS);
    let seed = number("TRINE_MODEL_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    println!("TRINE_MODEL_SEED={seed}");
    let (mut dice, mut done) = (Dice(seed), 0);
    while done < wanted {
        let (mut trade, mut at, mut witness) = (taken(), Timestamp::UNIX_EPOCH, Witness::default());
        for step in 0..80 {
            let jump = if step > 3 && dice.below(6) == 0 { 5_000 } else { 0 };
            at += SignedDuration::from_mins(
                i64::try_from(dice.below(120)).unwrap() / (if step < 4 { 20 } else { 1 }) + jump,
            );
            let mut all = accepted(&trade, at, &mut dice);
            if dice.below(5) != 0 {
                keep_what_goes_on(&mut all);
            }
            if all.is_empty() {
                continue;
            }
            let (act, actor, change) = all.swap_remove(dice.below(all.len()));
            witness.sees(&trade, &act, actor, &change);
            trade = change.trade;
            done += 1;
        }
    }
    println!("figure model_steps {done} steps");
}

#[test]
fn random_lives_reach_every_stage() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    let lives = prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 40);
    for _ in 0..300 {
        let choices = lives.new_tree(&mut runner).unwrap().current();
        let (mut trade, mut at) = (taken(), Timestamp::UNIX_EPOCH);
        for (step, (choice, luck)) in choices.into_iter().enumerate() {
            at += SignedDuration::from_mins(match step {
                0..4 => 5,
                step if step % 7 == 6 => 1_500,
                _ => 15,
            });
            let mut all = accepted(&trade, at, &mut Dice(luck));
            keep_what_goes_on(&mut all);
            if !all.is_empty() {
                trade = choice.get(&all).2.trade.clone();
                seen.insert(trade.stage.as_str());
            }
        }
    }
    for stage in Stage::ALL {
        assert!(
            seen.contains(stage.as_str()) || stage == Stage::Cancelled || stage == Stage::Completed,
            "no life came to {stage}: {seen:?}"
        );
    }
}
