//! How long a fee rate is expected to take, and which of several fee steps goes first.

use bitcoin::{Amount, FeeRate};

use super::fees::{FEERATE_SAT_PER_VB_MAX, FEERATE_SAT_PER_VB_MIN};

/// What is aimed for when nobody says otherwise: about an hour.
pub const TARGET_BLOCKS: u16 = 6;

/// The fee rates that were estimated for some numbers of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// By number of blocks; who waits longer never pays more.
    points: Vec<(u16, FeeRate)>,
}

impl Pace {
    /// From estimates in any order; `None` without any. A rate beyond all reason is brought to the nearest limit, and one
    /// that asks more for a longer wait than for a shorter one is not believed.
    pub fn new(points: impl IntoIterator<Item = (u16, FeeRate)>) -> Option<Self> {
        let [least, most] = [FEERATE_SAT_PER_VB_MIN, FEERATE_SAT_PER_VB_MAX].map(FeeRate::from_sat_per_vb);
        let (least, most) = (least.unwrap_or(FeeRate::BROADCAST_MIN), most.unwrap_or(FeeRate::MAX));
        let mut points: Vec<(u16, FeeRate)> = points.into_iter().collect();
        points.sort_by_key(|(blocks, rate)| (*blocks, std::cmp::Reverse(*rate)));
        points.dedup_by_key(|(blocks, _)| *blocks);
        let mut so_far = most;
        for (_, rate) in &mut points {
            so_far = so_far.min((*rate).clamp(least, most));
            *rate = so_far;
        }
        (!points.is_empty()).then_some(Self { points })
    }

    /// When only one rate is known: it is taken to be the one for [`TARGET_BLOCKS`].
    pub fn of_one(rate: FeeRate) -> Self {
        Self { points: vec![(TARGET_BLOCKS, rate)] }
    }

    /// What gets in within so many blocks.
    pub fn rate_within(&self, blocks: u16) -> FeeRate {
        let known = self.points.iter().rev().find(|(target, _)| *target <= blocks).or(self.points.first());
        known.map_or(FeeRate::BROADCAST_MIN, |(_, rate)| *rate)
    }

    /// How many blocks this rate is expected to take; `None` for longer than anything that was estimated.
    pub fn blocks_at(&self, rate: FeeRate) -> Option<u16> {
        self.points.iter().find(|(_, needed)| rate >= *needed).map(|(blocks, _)| *blocks)
    }

    /// The numbers of blocks that there is an estimate for, the shortest first.
    pub fn targets(&self) -> impl Iterator<Item = u16> + '_ {
        self.points.iter().map(|(blocks, _)| *blocks)
    }
}

/// A transaction by what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub fee: Amount,
    pub vbytes: u64,
}

impl Cost {
    /// Rounded down; a fee made from a rate gives at least that rate.
    pub fn rate(self) -> FeeRate {
        let weight = u128::from(self.vbytes.max(1)) * 4;
        let rate = u128::from(self.fee.to_sat()) * 1_000 / weight;
        FeeRate::from_sat_per_kwu(u64::try_from(rate).unwrap_or(u64::MAX))
    }

    /// Nodes let it replace transactions that paid `lost` together: it pays as much, and its own size once more.
    pub fn replaces(self, lost: Amount) -> bool {
        self.fee >= self.least_to_replace(lost)
    }

    /// What a transaction of this size must pay to replace ones that paid `lost`.
    pub fn least_to_replace(self, lost: Amount) -> Amount {
        lost + Amount::from_sat(self.vbytes.saturating_mul(FEERATE_SAT_PER_VB_MIN))
    }
}

/// Which of several complete payouts goes first: the cheapest one expected within [`TARGET_BLOCKS`]; if none is, the
/// dearest, which comes closest. Who bears the fee may say a fee instead: then the dearest one up to that.
pub fn first(complete: &[Cost], pace: &Pace, said: Option<Amount>) -> Option<usize> {
    let mut by_fee: Vec<(usize, &Cost)> = complete.iter().enumerate().collect();
    by_fee.sort_by_key(|(_, cost)| cost.fee);
    let soon = |cost: &Cost| pace.blocks_at(cost.rate()).is_some_and(|blocks| blocks <= TARGET_BLOCKS);
    let chosen = match said {
        Some(most) => by_fee.iter().rev().find(|(_, cost)| cost.fee <= most).or(by_fee.first()),
        None => by_fee.iter().find(|(_, cost)| soon(cost)).or(by_fee.last()),
    };
    chosen.map(|(place, _)| *place)
}

#[cfg(test)]
mod tests {
    use super::super::testing::rate;
    use super::*;
    use proptest::prelude::*;

    fn pace() -> Pace {
        Pace::new([(1, rate(50)), (6, rate(10)), (36, rate(3))]).unwrap()
    }

    fn costs(fees: &[u64]) -> Vec<Cost> {
        fees.iter().map(|fee| Cost { fee: Amount::from_sat(*fee), vbytes: 200 }).collect()
    }

    #[test]
    fn a_rate_takes_as_many_blocks_as_was_estimated() {
        let blocks = [60, 50, 49, 10, 9, 3, 2].map(|sat| pace().blocks_at(rate(sat)));
        assert_eq!(blocks, [Some(1), Some(1), Some(6), Some(6), Some(36), Some(36), None]);
        let rates = [1, 2, 6, 7, 36, 1_000].map(|blocks| pace().rate_within(blocks));
        assert_eq!(rates, [50, 50, 10, 10, 3, 3].map(rate));
        assert_eq!(pace().rate_within(0), rate(50), "sooner than the soonest");
        assert_eq!(Pace::new([]), None);
        assert_eq!(Pace::of_one(rate(7)).blocks_at(rate(7)), Some(TARGET_BLOCKS));
    }

    #[test]
    fn estimates_that_contradict_themselves_are_set_right() {
        let odd = Pace::new([(6, rate(20)), (2, rate(10)), (1, FeeRate::ZERO), (1, FeeRate::MAX)]).unwrap();
        assert_eq!(odd.rate_within(1), rate(FEERATE_SAT_PER_VB_MAX), "the dearer of two, within the ceiling");
        assert_eq!((odd.rate_within(2), odd.rate_within(6)), (rate(10), rate(10)), "longer is never dearer");
        assert_eq!(Pace::new([(3, FeeRate::ZERO)]).unwrap().rate_within(3), rate(1), "the floor");
    }

    #[test]
    fn the_cheapest_step_expected_within_an_hour_goes_first() {
        let steps = costs(&[800, 2_000, 4_000]);
        assert_eq!(first(&steps, &pace(), None), Some(1), "10 sat/vB gets in within 6 blocks");
        assert_eq!(first(&steps, &Pace::of_one(rate(1)), None), Some(0));
        assert_eq!(first(&steps, &Pace::of_one(rate(400)), None), Some(2), "none will do: the one that comes closest");
        assert_eq!(first(&[], &pace(), None), None);
    }

    #[test]
    fn who_bears_the_fee_decides_otherwise() {
        let steps = costs(&[4_000, 800, 2_000]);
        let said = |sat| first(&steps, &pace(), Some(Amount::from_sat(sat)));
        assert_eq!([800, 1_999, 2_000, 9_999, 1].map(said), [Some(1), Some(1), Some(2), Some(0), Some(1)]);
    }

    #[test]
    fn a_replacement_pays_what_was_lost_and_its_own_size() {
        let cost = |sat| Cost { fee: Amount::from_sat(sat), vbytes: 177 };
        let lost = Amount::from_sat(1_000);
        assert_eq!([1_000, 1_176, 1_177].map(|sat| cost(sat).replaces(lost)), [false, false, true]);
    }

    proptest! {
        #[test]
        fn a_higher_rate_never_takes_longer(
            points in prop::collection::vec((1_u16..1_008, 0_u64..10_000), 1..8),
            one in 1_u64..6_000,
            other in 1_u64..6_000,
        ) {
            let points = points.into_iter().map(|(blocks, sat)| (blocks, rate(sat)));
            let pace = Pace::new(points).unwrap();
            let (low, high) = (one.min(other), one.max(other));
            let blocks = |sat| pace.blocks_at(rate(sat)).unwrap_or(u16::MAX);
            prop_assert!(blocks(high) <= blocks(low));
            for target in pace.targets() {
                prop_assert!(pace.blocks_at(pace.rate_within(target)).unwrap() <= target);
            }
        }

        #[test]
        fn a_fee_made_from_a_rate_gives_that_rate(sat_per_kwu in 250_u64..2_000_000, vbytes in 100_u64..2_000) {
            let wanted = FeeRate::from_sat_per_kwu(sat_per_kwu);
            let cost = Cost { fee: wanted.fee_vb(vbytes).unwrap(), vbytes };
            prop_assert!(cost.rate() >= wanted);
        }

        #[test]
        fn what_goes_first_is_within_what_was_said_if_anything_is(
            fees in prop::collection::vec(200_u64..100_000, 1..6),
            said in prop::option::of(1_u64..100_000),
            sat in 1_u64..500,
        ) {
            let complete = costs(&fees);
            let chosen = complete[first(&complete, &Pace::of_one(rate(sat)), said.map(Amount::from_sat)).unwrap()];
            let least = *fees.iter().min().unwrap();
            if let Some(said) = said {
                prop_assert!(chosen.fee.to_sat() <= said.max(least));
            }
        }
    }
}
