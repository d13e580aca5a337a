//! Judging deposits (protocol §6): which outputs at the escrow's address count, and for how much.

use bitcoin::{Amount, OutPoint};

/// More outputs than this make no funding set; a payout stays small enough for every signer.
pub const COUNTED_OUTPUTS_MAX: usize = 10;

/// A further input costs this much when the escrow is spent: 2-of-3 P2WSH, rounded up.
pub const FURTHER_INPUT_VB: u64 = 105;

/// Less than this at an address, all outputs together, is nothing: it is left there and said so.
pub const NOTHING_SATS: u64 = 2_000;

/// A coinbase output can be spent in the hundredth block after its own.
pub const COINBASE_CONFIRMATIONS: u32 = 100;

/// An unspent output at the escrow's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub outpoint: OutPoint,
    pub value: Amount,
    /// 0 while in the mempool, 1 in the block at the tip.
    pub confirmations: u32,
    pub coinbase: bool,
    /// A refund or settlement signature exists for it, so it never counts.
    pub barred: bool,
}

/// What is agreed about the deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// `deposit_sat` of the contract.
    pub deposit: Amount,
    /// `feerate` of the contract, satoshis per virtual byte.
    pub feerate: u32,
    /// `confirmations` of the contract.
    pub confirmations: u32,
}

/// What the outputs at an address amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The funding set if it is enough: largest first, at most ten.
    pub counted: Vec<OutPoint>,
    /// What they count for: the first in full, each further one less its cost.
    pub sum: Amount,
    /// What they hold.
    pub value: Amount,
    /// What is missing; zero when the deposit is there.
    pub short_by: Amount,
    /// Not deep enough yet, or an immature coinbase.
    pub waiting: Vec<OutPoint>,
    /// Deep enough, but not part of the funding set.
    pub strays: Vec<OutPoint>,
    /// Everything at the address, the waiting included.
    pub seen: Amount,
}

impl Judgement {
    /// The deposit is there, deep enough.
    pub fn is_funded(&self) -> bool {
        self.short_by == Amount::ZERO && !self.counted.is_empty()
    }

    /// Too little at the address to be called anything.
    pub fn is_nothing(&self) -> bool {
        self.seen < Amount::from_sat(NOTHING_SATS)
    }
}

/// Judges the unspent outputs at an escrow's address. Outputs seen after the deposit window are the caller's to
/// leave out.
pub fn judge(outputs: &[Seen], due: &Due) -> Judgement {
    let needed =
        |seen: &Seen| if seen.coinbase { due.confirmations.max(COINBASE_CONFIRMATIONS) } else { due.confirmations };
    let (mut deep, shallow): (Vec<&Seen>, Vec<&Seen>) =
        outputs.iter().partition(|seen| seen.confirmations >= needed(seen).max(1));
    deep.sort_by_key(|seen| (seen.barred, std::cmp::Reverse(seen.value), seen.outpoint));

    let cost = Amount::from_sat(FURTHER_INPUT_VB.saturating_mul(2).saturating_mul(due.feerate.into()));
    let mut judgement = Judgement {
        counted: Vec::new(),
        sum: Amount::ZERO,
        value: Amount::ZERO,
        short_by: Amount::ZERO,
        waiting: shallow.iter().map(|seen| seen.outpoint).collect(),
        strays: Vec::new(),
        seen: outputs.iter().fold(Amount::ZERO, |sum, seen| plus(sum, seen.value)),
    };
    for seen in deep {
        let first = judgement.counted.is_empty();
        let worth = if first { Some(seen.value) } else { seen.value.checked_sub(cost) };
        match worth.filter(|worth| *worth > Amount::ZERO) {
            Some(worth) if !seen.barred && judgement.counted.len() < COUNTED_OUTPUTS_MAX => {
                judgement.counted.push(seen.outpoint);
                judgement.sum = plus(judgement.sum, worth);
                judgement.value = plus(judgement.value, seen.value);
            }
            _ => judgement.strays.push(seen.outpoint),
        }
    }
    judgement.short_by = due.deposit.checked_sub(judgement.sum).unwrap_or(Amount::ZERO);
    judgement
}

/// What the outputs at an address will count for when all of them are deep enough, and what would still be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// What they count for.
    pub expected: Amount,
    pub short_by: Amount,
    /// What one further output has to hold, its own cost included; never dust.
    pub top_up: Amount,
    /// How much of `top_up` is only the cost of a further output.
    pub cost: Amount,
}

/// What is missing; none when the outputs will be enough.
pub fn missing(outputs: &[Seen], due: &Due) -> Option<Missing> {
    let deep: Vec<Seen> = outputs.iter().map(|seen| Seen { confirmations: u32::MAX, ..*seen }).collect();
    let judged = judge(&deep, due);
    let short_by = judged.short_by;
    if short_by == Amount::ZERO && !judged.counted.is_empty() {
        return None;
    }
    let cost = Amount::from_sat(FURTHER_INPUT_VB.saturating_mul(2).saturating_mul(due.feerate.into()));
    let smallest = deep.iter().filter(|seen| judged.counted.contains(&seen.outpoint)).map(|seen| seen.value).min();
    let further = match smallest {
        None => Amount::ZERO,
        // It takes the place of the smallest.
        Some(smallest) if judged.counted.len() >= COUNTED_OUTPUTS_MAX => smallest,
        Some(_) => cost,
    };
    // An output of the whole sum is the largest, and counts in full.
    let top_up = plus(short_by, further).min(due.deposit).max(super::fees::DUST);
    let cost = top_up.checked_sub(short_by).unwrap_or(Amount::ZERO);
    Some(Missing { expected: judged.sum, short_by, top_up, cost })
}

/// From which amount on how many confirmations are needed; below the first step, one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmations {
    pub two_from: Amount,
    pub three_from: Amount,
    pub six_from: Amount,
}

impl Default for Confirmations {
    /// 0.01, 0.1 and 1 bitcoin.
    fn default() -> Self {
        let [two_from, three_from, six_from] = [1_000_000, 10_000_000, 100_000_000].map(Amount::from_sat);
        Self { two_from, three_from, six_from }
    }
}

impl Confirmations {
    pub fn needed(&self, amount: Amount) -> u32 {
        match amount {
            a if a >= self.six_from => 6,
            a if a >= self.three_from => 3,
            a if a >= self.two_from => 2,
            _ => 1,
        }
    }
}

/// All bitcoin there is fits 64 bits many times over; a sum that does not is capped.
fn plus(one: Amount, other: Amount) -> Amount {
    one.checked_add(other).unwrap_or(Amount::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::testing::outpoint;

    const DUE: Due = Due { deposit: Amount::from_sat(100_000), feerate: 10, confirmations: 2 };

    fn seen(n: u8, sats: u64) -> Seen {
        Seen { outpoint: outpoint(n), value: Amount::from_sat(sats), confirmations: 2, coinbase: false, barred: false }
    }

    #[test]
    fn one_exact_output_funds_and_one_satoshi_less_is_named_short() {
        assert!(judge(&[seen(1, 100_000)], &DUE).is_funded());
        let short = judge(&[seen(1, 99_999)], &DUE);
        assert_eq!((short.is_funded(), short.short_by), (false, Amount::from_sat(1)));
        assert_eq!(judge(&[], &DUE).short_by, DUE.deposit);
        assert!(!judge(&[], &Due { deposit: Amount::ZERO, ..DUE }).is_funded());
    }

    #[test]
    fn who_fragments_pays_for_it() {
        // A further input costs 105 vB × 2 × 10 sat/vB = 2,100 sat.
        let two = judge(&[seen(1, 40_000), seen(2, 62_100)], &DUE);
        assert_eq!((two.sum, two.value), (Amount::from_sat(100_000), Amount::from_sat(102_100)));
        assert_eq!(two.counted, [outpoint(2), outpoint(1)], "the largest first");
        assert!(two.is_funded());
        assert_eq!(judge(&[seen(1, 40_000), seen(2, 62_099)], &DUE).short_by, Amount::from_sat(1));
        let dust = judge(&[seen(1, 100_000), seen(2, 2_100)], &DUE);
        assert_eq!(dust.strays, [outpoint(2)], "it is worth less than it costs");
    }

    #[test]
    fn the_eleventh_output_is_a_stray() {
        let many: Vec<Seen> = (1..=11).map(|n| seen(n, 20_000)).collect();
        let judged = judge(&many, &DUE);
        assert_eq!((judged.counted.len(), judged.strays.len()), (10, 1));
    }

    #[test]
    fn shallow_immature_and_barred_outputs_do_not_count() {
        let shallow = Seen { confirmations: 1, ..seen(1, 100_000) };
        assert_eq!(judge(&[shallow], &DUE).waiting, [outpoint(1)]);
        let coinbase = Seen { coinbase: true, confirmations: 99, ..seen(2, 100_000) };
        assert!(!judge(&[coinbase], &DUE).is_funded());
        assert!(judge(&[Seen { confirmations: 100, ..coinbase }], &DUE).is_funded());
        let barred = Seen { barred: true, ..seen(3, 900_000) };
        let judged = judge(&[barred, seen(4, 100_000)], &DUE);
        assert_eq!((judged.counted, judged.strays), (vec![outpoint(4)], vec![outpoint(3)]));
        let unconfirmed = Seen { confirmations: 0, ..seen(1, 100_000) };
        assert!(!judge(&[unconfirmed], &Due { confirmations: 0, ..DUE }).is_funded());
    }

    #[test]
    fn less_than_two_thousand_together_is_nothing() {
        assert!(judge(&[seen(1, 1_000), seen(2, 999)], &DUE).is_nothing());
        assert!(!judge(&[seen(1, 1_000), seen(2, 1_000)], &DUE).is_nothing());
    }

    #[test]
    fn larger_amounts_need_more_confirmations() {
        let steps = Confirmations::default();
        let needed = [999_999, 1_000_000, 10_000_000, 100_000_000].map(|s| steps.needed(Amount::from_sat(s)));
        assert_eq!(needed, [1, 2, 3, 6]);
    }

    #[test]
    fn a_top_up_bears_the_cost_of_another_output() {
        let none = missing(&[], &DUE).unwrap();
        assert_eq!((none.top_up, none.cost), (DUE.deposit, Amount::ZERO));
        let one = missing(&[Seen { confirmations: 0, ..seen(1, 40_000) }], &DUE).unwrap();
        let sat = Amount::from_sat;
        assert_eq!(
            (one.expected, one.short_by, one.top_up, one.cost),
            (sat(40_000), sat(60_000), sat(62_100), sat(2_100))
        );
        assert_eq!(missing(&[seen(1, 40_000), seen(2, 62_100)], &DUE), None);
        let crumbs: Vec<Seen> = (1..=10).map(|n| seen(n, 5_000)).collect();
        assert_eq!(missing(&crumbs, &DUE).unwrap().top_up, sat(68_900 + 5_000), "it takes the place of one of ten");
        let cheap = Due { feerate: 1, ..DUE };
        assert_eq!(missing(&[seen(1, 99_999)], &cheap).unwrap().top_up, sat(546), "no wallet sends less");
    }

    proptest::proptest! {
        #[test]
        fn exactly_the_missing_sum_funds_and_one_satoshi_less_does_not(
            values in proptest::collection::vec(1_u64..60_000, 0..14),
        ) {
            let outputs: Vec<Seen> = (1..).zip(&values).map(|(n, sats)| seen(n, *sats)).collect();
            let with = |sats: Amount| [outputs.clone(), vec![seen(99, sats.to_sat())]].concat();
            match missing(&outputs, &DUE) {
                None => assert!(judge(&outputs, &DUE).is_funded()),
                Some(missing) => {
                    assert!(judge(&with(missing.top_up), &DUE).is_funded(), "{missing:?}");
                    let less = missing.top_up - Amount::from_sat(1);
                    assert!(!judge(&with(less), &DUE).is_funded() || missing.top_up == crate::escrow::fees::DUST);
                }
            }
        }
    }
}
