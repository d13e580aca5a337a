//! Miner fees: sizes, the three steps, and the limits that make sure a payout can always be built.

use std::ops::RangeInclusive;

use bitcoin::{Amount, FeeRate, Script, ScriptBuf, Transaction};

use crate::domain::Refusal;

/// No output below this: nodes would not relay it.
pub const DUST: Amount = Amount::from_sat(546);

/// No payout pays more to miners than 0.01 bitcoin.
pub const FEE_MAX: Amount = Amount::from_sat(1_000_000);

/// Nodes relay nothing below 1 sat/vB.
pub const FEERATE_SAT_PER_VB_MIN: u64 = 1;

/// A higher rate is a mistake of whoever reports it; the highest ever was about a half of it.
pub const FEERATE_SAT_PER_VB_MAX: u64 = 5_000;

/// Version, lock time, both counts (each one byte) and the witness marker.
const OVERHEAD_WU: u64 = 4 * (4 + 4 + 1 + 1) + 2;

/// A 2-of-3 P2WSH input: outpoint, empty script, sequence; in the witness the count, the empty element, two
/// signatures of 72 bytes and the script of 105 bytes, each with its length.
const INPUT_WU: u64 = 4 * (36 + 1 + 4) + 1 + 1 + 2 * (1 + 72) + (1 + 105);

/// A payout of one input and three outputs of the longest kind (P2WSH, P2TR).
pub const ORDINARY_PAYOUT_VB: u64 = (OVERHEAD_WU + INPUT_WU + 3 * 4 * 43).div_ceil(4);

/// Multiple of the estimated fee rate. All three are signed in advance where they differ, so that a payout that
/// lingers can be replaced without asking anyone again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeeStep {
    One,
    Two,
    Five,
}

impl FeeStep {
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::Five];

    /// What own-wallet users sign.
    pub const OWN_WALLET: Self = Self::Two;

    pub fn multiple(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Five => 5,
        }
    }

    pub fn from_multiple(multiple: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.multiple() == multiple)
    }
}

/// Size in weight units with 72-byte signatures; at most 252 inputs and outputs.
pub(super) fn weight<'a>(inputs: usize, outputs: impl IntoIterator<Item = &'a ScriptBuf>) -> u64 {
    let inputs = INPUT_WU * u64::try_from(inputs).unwrap_or(u64::MAX / 1024);
    weight_around(inputs, outputs.into_iter().map(ScriptBuf::as_script))
}

/// The same around inputs of another kind.
pub(super) fn weight_around<'a>(inputs_wu: u64, outputs: impl IntoIterator<Item = &'a Script>) -> u64 {
    let script_bytes = |script: &Script| u64::try_from(script.len()).unwrap_or(u64::MAX / 16);
    let outputs: u64 = outputs.into_iter().map(|script| 4 * (8 + 1 + script_bytes(script))).sum();
    OVERHEAD_WU + inputs_wu + outputs
}

/// Size of a payout as it will be when signed.
pub(super) fn weight_of(unsigned: &Transaction) -> u64 {
    weight(unsigned.input.len(), unsigned.output.iter().map(|output| &output.script_pubkey))
}

/// The fee of a step: the least of step × estimate × size, the contract's limit, 10 % of the outputs and 0.01
/// bitcoin; never under 1 sat/vB. `total` is what the inputs hold. It is rounded up once, at the end: so the fee of one
/// size gives that of every other in proportion, and what is built again from the fee alone comes out the same.
pub(super) fn of_step(step: FeeStep, estimate: FeeRate, vbytes: u64, total: Amount, cap: Amount) -> Amount {
    let limits = limits(vbytes, total, cap);
    let wanted = estimate.checked_mul(step.multiple().into()).and_then(|rate| rate.fee_vb(vbytes));
    wanted.unwrap_or(FEE_MAX).min(*limits.end()).max(*limits.start())
}

/// What a payout of this size may pay to miners.
pub(super) fn limits(vbytes: u64, total: Amount, cap: Amount) -> RangeInclusive<Amount> {
    let least = Amount::from_sat(vbytes.saturating_mul(FEERATE_SAT_PER_VB_MIN));
    // 10 % of the outputs are a part in eleven of the inputs.
    let most = cap.min(total / 11).min(FEE_MAX);
    least..=most.max(least)
}

/// The largest `fee_cap_sat` that a contract may have: 10 % of the deposit, at most 0.01 bitcoin.
pub fn cap_of(deposit: Amount) -> Amount {
    (deposit / 10).min(FEE_MAX)
}

/// Refuses a take, in words, when a payout at twice the estimate would cost more than 10 % of its outputs.
pub fn take_is_affordable(deposit: Amount, estimate: FeeRate) -> Result<(), Refusal> {
    let fee = estimate.fee_vb(2 * ORDINARY_PAYOUT_VB).unwrap_or(Amount::MAX_MONEY);
    if fee <= deposit / 11 {
        return Ok(());
    }
    Err(Refusal::conflict(format!(
        "Miner fees are too high for so small a trade: a payout may cost {} sat now, more than 10 % of it. Take at \
         least {} sat, or come back when fees are lower.",
        fee.to_sat(),
        fee.to_sat().saturating_mul(11),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::{Address, CompressedPublicKey, Network};

    fn rate(sat_per_vb: u64) -> FeeRate {
        FeeRate::from_sat_per_vb(sat_per_vb).unwrap()
    }

    #[test]
    fn sizes_are_those_of_the_protocol() {
        let key: CompressedPublicKey =
            "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().unwrap();
        let script = Address::p2wpkh(&key, Network::Regtest).script_pubkey();
        let vbytes = [1, 2, 3].map(|outputs| weight(1, vec![&script; outputs]).div_ceil(4));
        assert_eq!((INPUT_WU, vbytes), (418, [146, 177, 208]));
    }

    #[test]
    fn a_step_is_the_least_of_its_limits_and_never_under_the_relay_fee() {
        let sat = Amount::from_sat;
        let million = sat(1_000_000);
        assert_eq!(of_step(FeeStep::One, rate(10), 146, million, million), sat(1_460));
        assert_eq!(of_step(FeeStep::Five, rate(10), 146, million, million), sat(7_300));
        assert_eq!(of_step(FeeStep::Five, rate(10), 146, million, sat(5_000)), sat(5_000), "the contract's limit");
        assert_eq!(of_step(FeeStep::Five, rate(10), 146, sat(22_000), million), sat(2_000), "a part in eleven");
        assert_eq!(of_step(FeeStep::Five, rate(5_000), 1_000, Amount::MAX_MONEY, Amount::MAX_MONEY), FEE_MAX);
        assert_eq!(of_step(FeeStep::One, FeeRate::ZERO, 146, million, sat(10)), sat(146));
        assert_eq!(of_step(FeeStep::One, FeeRate::MAX, 146, million, million), sat(90_909), "no overflow");
        assert_eq!(of_step(FeeStep::Five, FeeRate::MAX, 146, million, million), sat(90_909), "no overflow");
        let low = FeeRate::from_sat_per_kwu(285);
        let steps = FeeStep::ALL.map(|step| of_step(step, low, 177, million, million));
        assert_eq!(steps, [202, 404, 1_009].map(sat), "rounded once, not once a step");
    }

    #[test]
    fn a_take_that_fees_would_eat_is_refused_with_the_amount_that_works() {
        let refused = take_is_affordable(Amount::from_sat(50_000), rate(10)).unwrap_err();
        assert!(refused.words.contains("53680 sat"), "{refused}");
        assert!(take_is_affordable(Amount::from_sat(53_680), rate(10)).is_ok());
        assert!(take_is_affordable(Amount::from_sat(53_680), FeeRate::MAX).is_err());
    }

    #[test]
    fn a_multiple_names_its_step() {
        for step in FeeStep::ALL {
            assert_eq!(FeeStep::from_multiple(step.multiple()), Some(step));
        }
        assert_eq!(FeeStep::from_multiple(3), None);
    }
}
