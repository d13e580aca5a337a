//! What anybody could try at a step of a life. Sums are drawn: many at the limits, and any others.

use bitcoin::Amount;
use jiff::{SignedDuration, Timestamp};
use trine::domain::Side;
use trine::domain::deadlines::What;
use trine::domain::trade::{Act, Amendment, AmendmentKind, Deposit, NOTHING_BELOW_SAT, Outcome, PartGone, PayoutKind};

use crate::harness::Dice;

/// What is agreed about the deposit at first.
pub const DUE: Amount = Amount::from_sat(1_000_000);

/// Sums at the limits and beside them.
const LIMITS: [u64; 8] = [0, NOTHING_BELOW_SAT - 1, NOTHING_BELOW_SAT, 500_000, 980_000, 999_999, 1_000_000, 1_000_001];

impl Dice {
    /// A limit, or anything up to twice the deposit.
    fn sum(&mut self) -> Amount {
        let any = u64::try_from(self.below(2_000_000)).unwrap();
        Amount::from_sat(LIMITS.get(self.below(2 * LIMITS.len())).copied().unwrap_or(any))
    }

    /// The same, if it is enough to be called something.
    fn something(&mut self) -> Amount {
        self.sum().max(Amount::from_sat(NOTHING_BELOW_SAT))
    }
}

/// Everything anybody could try.
pub fn everything(at: Timestamp, dice: &mut Dice) -> Vec<Act> {
    let mut acts = said();
    acts.extend(of_the_chain(dice));
    for what in [What::Signing, What::Deposit, What::Confirmation, What::Release, What::Objection, What::Cosignature] {
        acts.push(Act::WindowPassed { what, tip_at: Some(at) });
    }
    acts.extend(of_payouts());
    acts.extend(amendments(at, dice));
    acts
}

/// What needs no more words.
fn said() -> Vec<Act> {
    vec![
        Act::SignContract,
        Act::Decline,
        Act::Withdraw,
        Act::LoseArbitrator,
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
        Act::SignHigherFee,
        Act::SignAmendment,
        Act::WithdrawAmendment,
        Act::AgreeToReinstate,
        Act::TakeBackReinstatement,
    ]
}

/// What is at the address when something else is gone from it.
fn stands(sum: Amount, renewed: bool) -> Deposit {
    Deposit { seen: sum, confirmed: sum, counted: sum, in_time: true, whole: !renewed, renewed }
}

/// What may be read at the address: nothing or what waits for a block; the whole deposit; the same too late; any sums;
/// and that other outputs would make a deposit, beside whatever is left of those that were signed for.
fn deposits(dice: &mut Dice) -> [Deposit; 5] {
    let mut sums = [dice.sum(), dice.sum(), dice.sum()];
    sums.sort_unstable();
    let [counted, confirmed, seen] = sums;
    let some = Deposit { seen, confirmed, counted, in_time: true, whole: false, renewed: false };
    let waits = Deposit { seen: DUE, in_time: true, ..Deposit::default() };
    [
        dice.one_of(&[Deposit::default(), waits]),
        stands(DUE, false),
        Deposit { in_time: false, ..stands(DUE, false) },
        Deposit { in_time: dice.one_of(&[true, false]), ..dice.one_of(&[some, stands(confirmed, false)]) },
        Deposit { renewed: true, ..dice.one_of(&[Deposit::default(), some, stands(DUE.max(seen), true)]) },
    ]
}

/// What becomes of the deposit and of a payout.
fn of_the_chain(dice: &mut Dice) -> Vec<Act> {
    let mut acts = vec![
        Act::LoseDeposit,
        Act::LosePart { deposit: stands(dice.something(), false), why: PartGone::Undone },
        Act::RegainPart { deposit: stands(dice.something(), false) },
        Act::VoidPayout { deposit: stands(dice.something(), false) },
        Act::VoidPayout { deposit: stands(DUE, true) },
        Act::LosePayoutFromMempool,
        Act::LosePayoutFromChain,
        Act::LoseDepositForGood,
        Act::RegainDeposit { deposit: stands(dice.something(), false) },
        Act::SeeForeignSpend { outcome: Outcome::Other },
    ];
    acts.extend(deposits(dice).map(|deposit| Act::JudgeDeposit { deposit }));
    acts
}

fn of_payouts() -> Vec<Act> {
    let mut acts = Vec::new();
    for (fee, waited_blocks) in [(600, 0), (800, 35), (800, 36)] {
        acts.push(Act::RaiseFee { fee: Amount::from_sat(fee), waited_blocks });
    }
    for outcome in [Outcome::Released, Outcome::Refunded, Outcome::Split] {
        acts.push(Act::Rule { favours: Side::Buyer, outcome, objection_minutes: 60 });
        acts.push(Act::AcceptSettlement { outcome });
        acts.push(Act::ConfirmPayout { outcome });
    }
    for kind in [PayoutKind::Release, PayoutKind::Refund, PayoutKind::Settlement, PayoutKind::Ruling] {
        acts.push(Act::SignPayout { kind });
        acts.push(Act::SayFee { kind, fee: Amount::from_sat(700) });
        acts.push(Act::ForgetFeeWord { kind, side: Side::Buyer });
    }
    acts
}

/// Changes of the contract, each as either trader would propose it.
fn amendments(at: Timestamp, dice: &mut Dice) -> Vec<Act> {
    let mut acts = Vec::new();
    for (kind, deposit_due, deposit_minutes) in [
        (AmendmentKind::ScaleDown, dice.something(), 180),
        (AmendmentKind::Waive, dice.something(), 180),
        (AmendmentKind::Lengthen, DUE, 240),
    ] {
        acts.extend([Side::Buyer, Side::Seller].map(|proposer| Act::ProposeAmendment {
            amendment: Amendment {
                kind,
                proposer,
                contract: "00".to_owned(),
                deposit_due,
                deposit_minutes,
                sign_by: at + SignedDuration::from_mins(30),
                since: Timestamp::UNIX_EPOCH,
                minutes: 0,
                signed: Vec::new(),
            },
        }));
    }
    acts
}
