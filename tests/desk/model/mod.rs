//! Random lives of a trade: at every step one of all the acts that are accepted then, by anybody.

use bitcoin::Amount;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use trine::domain::deadlines::What;
use trine::domain::trade::{
    Act, Amendment, AmendmentKind, Change, Deposit, Effect, Outcome, PayoutKind, Trade, Windows,
};
use trine::domain::{Actor, Event, Party, Side, Stage};

const DUE: Amount = Amount::from_sat(1_000_000);
const HALF: Amount = Amount::from_sat(500_000);

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

/// What is at the address when something else is gone from it.
fn stands(sum: Amount, renewed: bool) -> Deposit {
    Deposit { seen: sum, confirmed: sum, counted: sum, in_time: true, whole: !renewed, renewed }
}

/// Everything anybody could try.
fn acts(at: Timestamp) -> Vec<Act> {
    let mut acts = vec![
        Act::SignContract,
        Act::Decline,
        Act::Withdraw,
        Act::LoseArbitrator,
        Act::LoseDeposit,
        Act::LosePart { deposit: stands(HALF, false) },
        Act::VoidPayout { deposit: stands(HALF, false) },
        Act::VoidPayout { deposit: stands(DUE, true) },
        Act::Cancel,
        Act::MarkPaid,
        Act::UndoMark,
        Act::SeePayment,
        Act::AnswerMark,
        Act::CloseUnpaid,
        Act::OpenDispute,
        Act::Speak,
        Act::WithdrawRuling,
        Act::Object,
        Act::AcceptRuling,
        Act::LosePayoutFromMempool,
        Act::LosePayoutFromChain,
        Act::LoseDepositForGood,
        Act::SignHigherFee,
    ];
    for (fee, waited_blocks) in [(600, 0), (800, 35), (800, 36)] {
        acts.push(Act::RaiseFee { fee: Amount::from_sat(fee), waited_blocks });
    }
    for outcome in [Outcome::Released, Outcome::Refunded, Outcome::Split] {
        acts.push(Act::Rule { favours: Side::Buyer, outcome, objection_minutes: 60 });
        acts.push(Act::AcceptSettlement { outcome });
        acts.push(Act::ConfirmPayout { outcome });
    }
    acts.push(Act::SeeForeignSpend { outcome: Outcome::Other });
    for kind in [PayoutKind::Release, PayoutKind::Refund, PayoutKind::Settlement, PayoutKind::Ruling] {
        acts.push(Act::SignPayout { kind });
        acts.push(Act::SayFee { kind, fee: Amount::from_sat(700) });
        acts.push(Act::ForgetFeeWord { kind, side: Side::Buyer });
    }
    for what in [What::Signing, What::Deposit, What::Confirmation, What::Release, What::Objection, What::Cosignature] {
        acts.push(Act::WindowPassed { what, tip_at: Some(at) });
    }
    acts.extend([Act::SignAmendment, Act::WithdrawAmendment, Act::AgreeToReinstate, Act::TakeBackReinstatement]);
    for (kind, due, minutes) in [
        (AmendmentKind::ScaleDown, 500_000, 180),
        (AmendmentKind::Waive, 980_000, 180),
        (AmendmentKind::Lengthen, 1_000_000, 240),
    ] {
        let sign_by = at + SignedDuration::from_mins(30);
        let (deposit_due, contract) = (Amount::from_sat(due), "00".to_owned());
        acts.extend([Side::Buyer, Side::Seller].map(|proposer| Act::ProposeAmendment {
            amendment: Amendment {
                kind,
                proposer,
                contract: contract.clone(),
                deposit_due,
                deposit_minutes: minutes,
                sign_by,
                since: Timestamp::UNIX_EPOCH,
                minutes: 0,
                signed: Vec::new(),
            },
        }));
    }
    for (seen, counted) in [(0, 0), (1_000, 0), (500_000, 500_000), (1_000_000, 0), (1_000_000, 1_000_000)] {
        let [seen, counted] = [seen, counted].map(Amount::from_sat);
        acts.push(Act::JudgeDeposit {
            deposit: Deposit {
                seen,
                confirmed: counted,
                counted,
                in_time: true,
                whole: counted >= DUE,
                renewed: false,
            },
        });
    }
    acts
}

/// What is accepted now, with what comes of it.
fn accepted(trade: &Trade, at: Timestamp) -> Vec<(Act, Actor, Change)> {
    let mut all = Vec::new();
    for act in acts(at) {
        for actor in Actor::ALL {
            if let Ok(change) = trade.apply(&act, actor, at) {
                all.push((act.clone(), actor, change));
            }
        }
    }
    all
}

/// What a life must never show.
#[derive(Default)]
struct Witness {
    completions: usize,
    paid: Option<PayoutKind>,
    refunded: bool,
}

impl Witness {
    fn sees(&mut self, before: &Trade, act: &Act, actor: Actor, change: &Change) {
        let (after, what) = (&change.trade, format!("{act:?} by {actor} in {}", before.stage));
        assert_eq!(after.version, before.version + 1, "{what}");
        assert_eq!(change.event.is_none(), act_keeps_the_stage(before, change), "{what}: an event without a step");
        if change.event == Some(Event::PayoutVoided) {
            // It never arrives; the next one is over other coins.
            (self.completions, self.paid) = (0, None);
            let same_coins = before.paying_out.is_none();
            assert!(after.signed.is_empty() || same_coins, "{what}: signed over coins that are gone");
            assert!(after.paying_out.is_none(), "{what}: nothing is on its way");
        }
        self.completions += usize::from(change.event == Some(Event::PayoutCompleted));
        assert!(self.completions <= 1, "{what}: completed twice");
        for effect in &change.effects {
            if let Effect::Broadcast(kind) = effect {
                assert!(self.paid.is_none_or(|paid| paid == *kind), "{what}: {kind} after {:?}", self.paid);
                self.paid = Some(*kind);
            }
        }
        if let Act::RaiseFee { fee, waited_blocks } = act {
            let sent = change.effects.iter().any(|effect| matches!(effect, Effect::Broadcast(_)));
            let agreed = after.paying_out.and_then(|kind| after.fee_said(kind)).is_some_and(|said| said >= *fee);
            assert_eq!(
                sent,
                agreed || *waited_blocks >= 36,
                "{what}: a higher fee needs its bearers' word or the wait"
            );
        }
        let complete = |kind: PayoutKind| after.signed.iter().filter(|(signed, _)| *signed == kind).count() > 1;
        assert!(self.paid.is_none_or(complete), "{what}: paid out without two signatures");
        let marked = change.event == Some(Event::PaymentMarkedSent);
        let paid = marked || change.event == Some(Event::PaymentSeen);
        assert!(!(self.refunded && paid), "{what}: on to payment_sent after the buyer's refund signature");
        assert!(!(before.buyer_gave_up() && marked), "{what}: paid after the buyer signed the coins away");
        self.refunded |= after.has_signed(PayoutKind::Refund, Party::Buyer);
        let again = change.event == Some(Event::Reinstated);
        assert!(!again || before.signed.is_empty(), "{what}: taken up again over a signature");
        assert!(!again || before.deposit.counted >= before.deposit_due, "{what}: taken up again over too little");
        let open = after.stage == Stage::AwaitingDeposit && !after.ever_funded;
        assert!(after.amendment.is_none() || open, "{what}: a change of the contract in {}", after.stage);
        let asked = after.stage == Stage::RefundDue && after.signed.is_empty();
        assert!(after.reinstating.is_empty() || asked, "{what}: asked for in {}", after.stage);
        let changed = before.deposit_due != after.deposit_due || before.windows != after.windows;
        assert_eq!(changed, change.event == Some(Event::ContractAmended), "{what}: the contract changes only so");
        assert_eq!(after.outcome.is_some(), after.stage == Stage::Completed, "{what}: outcome and stage");
        let kept: Trade = serde_json::from_str(&serde_json::to_string(after).unwrap()).unwrap();
        assert_eq!(kept, *after, "{what}: the row gives back what was put in");
        let logged: Act = serde_json::from_str(&serde_json::to_string(act).unwrap()).unwrap();
        assert_eq!(logged, *act, "{what}: so does the log");
    }
}

/// A change without an event leaves the stage where it is.
fn act_keeps_the_stage(before: &Trade, change: &Change) -> bool {
    change.event.is_none() && before.stage == change.trade.stage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn no_life_of_a_trade_pays_twice_or_asks_for_money_after_a_refund_signature(
        choices in prop::collection::vec((any::<prop::sample::Index>(), 0_i64..120), 5..60),
        jumps in prop::collection::vec(prop_oneof![4 => Just(0_i64), 1 => Just(5_000)], 60),
    ) {
        let (mut trade, mut at, mut witness) = (taken(), Timestamp::UNIX_EPOCH, Witness::default());
        for (step, ((choice, minutes), jump)) in choices.into_iter().zip(jumps).enumerate() {
            // The first windows are short; later ones may well pass.
            at += SignedDuration::from_mins(if step < 4 { 5 } else { minutes + jump });
            let mut all = accepted(&trade, at);
            // Most lives should go on: what ends one is chosen only when nothing else can be done.
            let goes_on = |one: &(Act, Actor, Change)| !matches!(one.2.trade.stage, Stage::Cancelled | Stage::Completed);
            if all.iter().any(goes_on) && minutes % 5 != 0 {
                all.retain(goes_on);
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

/// SplitMix64: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }
}

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
            let mut all = accepted(&trade, at);
            let goes_on =
                |one: &(Act, Actor, Change)| !matches!(one.2.trade.stage, Stage::Cancelled | Stage::Completed);
            if all.iter().any(goes_on) && dice.below(5) != 0 {
                all.retain(goes_on);
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
    for _ in 0..300 {
        let choices = prop::collection::vec(any::<prop::sample::Index>(), 40).new_tree(&mut runner).unwrap().current();
        let (mut trade, mut at) = (taken(), Timestamp::UNIX_EPOCH);
        for (step, choice) in choices.into_iter().enumerate() {
            at += SignedDuration::from_mins(match step {
                0..4 => 5,
                step if step % 7 == 6 => 1_500,
                _ => 15,
            });
            let mut all = accepted(&trade, at);
            let goes_on =
                |one: &(Act, Actor, Change)| !matches!(one.2.trade.stage, Stage::Cancelled | Stage::Completed);
            if all.iter().any(goes_on) {
                all.retain(goes_on);
            }
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
