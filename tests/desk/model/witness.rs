//! What a life must never show.

use std::collections::BTreeSet;

use trine::domain::trade::{Act, Change, Effect, Outcome, PayoutKind, Trade};
use trine::domain::{Actor, Event, Party, Stage};

/// What never happens while a trade is frozen.
const WAITS_FOR_THE_COINS: [Event; 8] = [
    Event::PaymentMarkedSent,
    Event::PaymentSeen,
    Event::CancelledByBuyer,
    Event::ClosedUnpaid,
    Event::ReleaseWindowPassed,
    Event::Reinstated,
    Event::Ruled,
    Event::PayoutCompleted,
];

/// One step of a life.
struct Step<'a> {
    before: &'a Trade,
    act: &'a Act,
    change: &'a Change,
    after: &'a Trade,
    /// For the message, should anything be wrong.
    what: String,
}

/// What a life has shown so far.
#[derive(Default)]
pub struct Witness {
    completions: usize,
    paid: Option<PayoutKind>,
    refunded: bool,
}

impl Witness {
    pub fn sees(&mut self, before: &Trade, act: &Act, actor: Actor, change: &Change) {
        let what = format!("{act:?} by {actor} in {}", before.stage);
        let step = Step { before, act, change, after: &change.trade, what };
        step.is_one_step();
        self.sees_the_coins(&step);
        self.sees_the_payout(&step);
        self.sees_the_buyer(&step);
        step.counts_only_what_came_in_time();
        step.waits_while_frozen();
        step.keeps_what_is_agreed();
        step.is_written_and_read();
    }

    /// Where other coins take the place of those that were signed for, nothing is paid out, and nothing is signed.
    fn sees_the_coins(&mut self, step: &Step<'_>) {
        let Step { before, change, after, what, .. } = step;
        if change.event == Some(Event::PayoutVoided) {
            // It never arrives; the next one is over other coins.
            (self.completions, self.paid) = (0, None);
            let same_coins = before.paying_out.is_none();
            assert!(after.signed.is_empty() || same_coins, "{what}: signed over coins that are gone");
            assert!(after.paying_out.is_none(), "{what}: nothing is on its way");
        }
        if change.event == Some(Event::DepositReturned) {
            // Nothing was paid out, and nothing is signed over what is there now.
            (self.completions, self.paid) = (0, None);
            assert_eq!(before.outcome, Some(Outcome::Lost), "{what}: only what was lost returns");
            assert!(after.signed.is_empty() && after.paying_out.is_none(), "{what}: signed as if nothing had been");
        }
        let is_a_new_set =
            |effect: &Effect| matches!(effect, Effect::FixFundingSet | Effect::BuildRefund | Effect::KeepTheRest);
        let renewed = change.effects.iter().any(is_a_new_set);
        assert!(!renewed || after.signed.is_empty(), "{what}: a new funding set that is signed for already");
        let once: BTreeSet<_> = after.signed.iter().collect();
        assert_eq!(once.len(), after.signed.len(), "{what}: signed twice");
    }

    fn sees_the_payout(&mut self, step: &Step<'_>) {
        let Step { act, change, after, what, .. } = step;
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
    }

    /// Once he has signed the coins away, nothing leads to a payment any more, and nobody asks him for one.
    fn sees_the_buyer(&mut self, step: &Step<'_>) {
        let Step { before, change, after, what, .. } = step;
        let marked = change.event == Some(Event::PaymentMarkedSent);
        let paid = marked || change.event == Some(Event::PaymentSeen);
        let again = change.event == Some(Event::Reinstated);
        assert!(!(self.refunded && paid), "{what}: on to payment_sent after the buyer's refund signature");
        assert!(!(self.refunded && again), "{what}: taken up again after the buyer's refund signature");
        assert!(!(before.buyer_gave_up() && marked), "{what}: paid after the buyer signed the coins away");
        assert!(!again || before.signed.is_empty(), "{what}: taken up again over a signature");
        assert!(!again || before.deposit.counted >= before.deposit_due, "{what}: taken up again over too little");
        self.refunded |= after.has_signed(PayoutKind::Refund, Party::Buyer);
        assert!(!self.refunded || after.buyer_gave_up(), "{what}: it is forgotten that the buyer gave up");
        // Of a settlement it may be his turn to sign.
        let to_pay = after.stage == Stage::Funded && after.settlement.is_none();
        let to_pay = to_pay && after.turn().contains(&Party::Buyer);
        assert!(!(self.refunded && to_pay), "{what}: asked for money after the buyer's refund signature");
    }
}

impl Step<'_> {
    /// A change without an event leaves the stage where it is.
    fn is_one_step(&self) {
        let Self { before, change, after, what, .. } = self;
        assert_eq!(after.version, before.version + 1, "{what}");
        assert!(change.event.is_some() || before.stage == after.stage, "{what}: a step without an event");
        assert_eq!(after.outcome.is_some(), after.stage == Stage::Completed, "{what}: outcome and stage");
    }

    /// Late is late, whatever the sum.
    fn counts_only_what_came_in_time(&self) {
        let Self { before, act, change, what, .. } = self;
        let funded = before.stage == Stage::AwaitingDeposit && change.event == Some(Event::DepositConfirmed);
        let enough =
            matches!(act, Act::JudgeDeposit { deposit } if deposit.in_time && deposit.counted >= before.deposit_due);
        assert!(!funded || enough, "{what}: funded by too little, or too late");
    }

    /// While the coins are not in the chain nobody pays, signs or rules, and no window of people ends.
    fn waits_while_frozen(&self) {
        let Self { before, change, after, what, .. } = self;
        let acted = change.event.is_some_and(|event| WAITS_FOR_THE_COINS.contains(&event));
        let signed = after.signed.len() > before.signed.len();
        assert!(!(before.frozen && (acted || signed)), "{what}: done while the trade is frozen");
        assert_eq!(after.frozen, after.frozen_since.is_some(), "{what}: since when it is frozen");
        assert!(!after.frozen || after.holds_money(), "{what}: frozen in {}", after.stage);
    }

    fn keeps_what_is_agreed(&self) {
        let Self { before, change, after, what, .. } = self;
        let open = after.stage == Stage::AwaitingDeposit && !after.ever_funded;
        assert!(after.amendment.is_none() || open, "{what}: a change of the contract in {}", after.stage);
        let asked = after.stage == Stage::RefundDue && after.signed.is_empty();
        assert!(after.reinstating.is_empty() || asked, "{what}: asked for in {}", after.stage);
        let changed = before.deposit_due != after.deposit_due || before.windows != after.windows;
        assert_eq!(changed, change.event == Some(Event::ContractAmended), "{what}: the contract changes only so");
    }

    fn is_written_and_read(&self) {
        let Self { act, after, what, .. } = self;
        let kept: Trade = serde_json::from_str(&serde_json::to_string(after).unwrap()).unwrap();
        assert_eq!(kept, **after, "{what}: the row gives back what was put in");
        let logged: Act = serde_json::from_str(&serde_json::to_string(act).unwrap()).unwrap();
        assert_eq!(logged, **act, "{what}: so does the log");
    }
}
