//! Who pays what: the desk's fee, the arbitrator's fee, and the whole of a trade in "you send" and "you receive".

use bitcoin::Amount;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::money::{AmountRefusal, DUST_SATS, Fiat, check_trade_amount};
use super::people::Side;
use super::price::sats_for;

/// The desk's fee, both shares together, at most 5 %: a contract with more is refused.
pub const DESK_FEE_BP_MAX: u32 = 500;

/// The arbitrator's fee, at most 2 % (protocol §7): the winner pays it, the loser has nothing in the escrow.
pub const ARBITRATOR_FEE_BP_MAX: u32 = 200;

/// A take is refused when the miner fee of a payout would pass 10 % of its outputs: a part in eleven of its input.
const DEPOSIT_PER_MINER_FEE_MIN: u64 = 11;

/// Basis points in one whole.
const BP_PER_WHOLE: u64 = 10_000;

/// The fees of a desk, in basis points of the traded amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeePolicy {
    pub desk_fee_buyer_bp: u32,
    pub desk_fee_seller_bp: u32,
    pub arbitrator_fee_bp: u32,
}

/// Why a desk cannot ask such fees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeeRefusal {
    #[error("The desk's fee is at most 500 basis points (5 %), both shares together.")]
    DeskFeeTooHigh,
    #[error("The arbitrator's fee is at most 200 basis points (2 %).")]
    ArbitratorFeeTooHigh,
}

/// Why a trade cannot be had at these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteRefusal {
    #[error("There is no price for this at the moment.")]
    NoPrice,
    #[error(transparent)]
    Amount(#[from] AmountRefusal),
    #[error("Miner fees are so high now that a payout could cost more than 10 % of this trade. Trade more, or later.")]
    MinerFeeTooHigh,
}

impl FeePolicy {
    pub fn check(self) -> Result<Self, FeeRefusal> {
        if self.desk_fee_buyer_bp.saturating_add(self.desk_fee_seller_bp) > DESK_FEE_BP_MAX {
            return Err(FeeRefusal::DeskFeeTooHigh);
        }
        if self.arbitrator_fee_bp > ARBITRATOR_FEE_BP_MAX {
            return Err(FeeRefusal::ArbitratorFeeTooHigh);
        }
        Ok(self)
    }

    /// The shares of the desk's fee (buyer, seller). Together under the dust limit they are zero: there is no such output.
    pub fn desk_fee_shares(self, amount: Amount) -> (Amount, Amount) {
        let shares = (part(amount, self.desk_fee_buyer_bp), part(amount, self.desk_fee_seller_bp));
        let both = shares.0.to_sat().saturating_add(shares.1.to_sat());
        if both < DUST_SATS { (Amount::ZERO, Amount::ZERO) } else { shares }
    }

    /// The arbitrator's fee in any ruling; zero where it would be dust.
    pub fn arbitrator_fee(self, amount: Amount) -> Amount {
        let fee = part(amount, self.arbitrator_fee_bp);
        if fee.to_sat() < DUST_SATS { Amount::ZERO } else { fee }
    }
}

/// A share of an amount, rounded down.
fn part(amount: Amount, basis_points: u32) -> Amount {
    let share = u128::from(amount.to_sat()) * u128::from(basis_points) / u128::from(BP_PER_WHOLE);
    Amount::from_sat(u64::try_from(share).unwrap_or(u64::MAX))
}

/// All sums of a trade before it is taken. What both sides see comes from here and goes into the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// What the buyer sends and the seller receives.
    pub fiat: Fiat,
    /// Units of the currency for one bitcoin.
    pub price: Decimal,
    /// What is traded, before fees.
    pub amount: Amount,
    /// What the seller sends: the amount and his share of the desk's fee.
    pub deposit: Amount,
    pub desk_fee_buyer: Amount,
    pub desk_fee_seller: Amount,
    pub arbitrator_fee: Amount,
    /// The miner fee of a payout with one input, as handed in (at fee step ×2).
    pub miner_fee: Amount,
}

impl Quote {
    /// Whether desk or arbitrator get anything, however the trade ends.
    pub fn has_fees(&self) -> bool {
        [self.desk_fee_buyer, self.desk_fee_seller, self.arbitrator_fee].iter().any(|fee| *fee > Amount::ZERO)
    }

    /// The sums for a fiat amount at a price. `miner_fee` is the estimate for a payout with one input at step ×2.
    pub fn for_take(fiat: Fiat, price: Decimal, policy: FeePolicy, miner_fee: Amount) -> Result<Self, QuoteRefusal> {
        let amount = check_trade_amount(sats_for(fiat, price).ok_or(QuoteRefusal::NoPrice)?)?;
        let (desk_fee_buyer, desk_fee_seller) = policy.desk_fee_shares(amount);
        let deposit = amount.checked_add(desk_fee_seller).ok_or(AmountRefusal::TooLarge)?;
        if miner_fee > deposit / DEPOSIT_PER_MINER_FEE_MIN {
            return Err(QuoteRefusal::MinerFeeTooHigh);
        }
        Ok(Self {
            fiat,
            price,
            amount,
            deposit,
            desk_fee_buyer,
            desk_fee_seller,
            arbitrator_fee: policy.arbitrator_fee(amount),
            miner_fee,
        })
    }

    /// Both shares: the desk's one output.
    pub fn desk_fee(&self) -> Amount {
        less(self.deposit, self.release_before_miner_fee())
    }

    /// The buyer's output of a release as the contract names it, before the miner fee.
    pub fn release_before_miner_fee(&self) -> Amount {
        less(self.amount, self.desk_fee_buyer)
    }

    /// What reaches the buyer: the amount less his share and the miner fee.
    pub fn buyer_receives(&self) -> Amount {
        less(self.release_before_miner_fee(), self.miner_fee)
    }

    /// What comes back to the seller in a refund: the deposit less the miner fee; the desk takes nothing.
    pub fn refund(&self) -> Amount {
        less(self.deposit, self.miner_fee)
    }

    /// The most this side gets, in bitcoin, after a dispute is ruled wholly in its favour.
    pub fn at_most_after_dispute(&self, side: Side) -> Amount {
        match side {
            Side::Buyer => less(self.buyer_receives(), self.arbitrator_fee),
            Side::Seller => less(self.refund(), self.arbitrator_fee),
        }
    }
}

fn less(amount: Amount, part: Amount) -> Amount {
    amount.checked_sub(part).unwrap_or(Amount::ZERO)
}

#[cfg(test)]
mod tests {
    use super::super::money::Currency;
    use super::*;

    const POLICY: FeePolicy = FeePolicy { desk_fee_buyer_bp: 30, desk_fee_seller_bp: 20, arbitrator_fee_bp: 100 };

    fn quote(fiat: &str, policy: FeePolicy, miner_fee: u64) -> Result<Quote, QuoteRefusal> {
        let fiat = Fiat::new(fiat.parse().unwrap(), Currency::EUR).unwrap();
        Quote::for_take(fiat, "50000".parse().unwrap(), policy, Amount::from_sat(miner_fee))
    }

    #[test]
    fn every_satoshi_of_a_quote_is_accounted_for() {
        let quote = quote("500", POLICY, 700).unwrap();
        let sat = Amount::from_sat;
        assert_eq!(quote.amount, sat(1_000_000));
        assert_eq!(quote.deposit, sat(1_002_000));
        assert_eq!(quote.desk_fee(), sat(5_000));
        assert_eq!(quote.buyer_receives(), sat(996_300));
        assert_eq!(quote.refund(), sat(1_001_300));
        assert_eq!(quote.at_most_after_dispute(Side::Buyer), sat(986_300));
        assert_eq!(quote.at_most_after_dispute(Side::Seller), sat(991_300));
        assert_eq!(quote.deposit, quote.buyer_receives() + quote.desk_fee() + quote.miner_fee);
    }

    #[test]
    fn a_fee_that_would_be_dust_is_zero() {
        let quote = quote("50", POLICY, 0).unwrap();
        assert_eq!(quote.amount, Amount::from_sat(100_000));
        assert_eq!(quote.desk_fee(), Amount::ZERO, "500 satoshis together");
        assert_eq!(quote.deposit, quote.amount);
        assert_eq!(quote.arbitrator_fee, Amount::from_sat(1_000));
    }

    #[test]
    fn takes_are_refused_out_of_limits_and_when_miners_take_too_much() {
        assert_eq!(quote("9.99", POLICY, 0), Err(QuoteRefusal::Amount(AmountRefusal::TooSmall)));
        assert_eq!(quote("500000.01", POLICY, 0), Err(QuoteRefusal::Amount(AmountRefusal::TooLarge)));
        assert!(quote("500", POLICY, 91_090).is_ok(), "of a deposit of 1 002 000");
        assert_eq!(quote("500", POLICY, 91_091), Err(QuoteRefusal::MinerFeeTooHigh));
    }

    #[test]
    fn fees_have_an_upper_limit() {
        assert_eq!(POLICY.check(), Ok(POLICY));
        assert_eq!(FeePolicy { desk_fee_buyer_bp: 501, ..POLICY }.check(), Err(FeeRefusal::DeskFeeTooHigh));
        assert_eq!(
            FeePolicy { desk_fee_buyer_bp: 300, desk_fee_seller_bp: 201, ..POLICY }.check(),
            Err(FeeRefusal::DeskFeeTooHigh)
        );
        assert_eq!(FeePolicy { arbitrator_fee_bp: 201, ..POLICY }.check(), Err(FeeRefusal::ArbitratorFeeTooHigh));
    }

    proptest::proptest! {
        #[test]
        fn inputs_equal_outputs_and_fee(cents in 1_100_u64..49_000_000, buyer in 0_u32..=500, seller in 0_u32..=500, miner in 0_u64..2_000) {
            let policy = FeePolicy { desk_fee_buyer_bp: buyer, desk_fee_seller_bp: seller, arbitrator_fee_bp: 200 };
            let fiat = Fiat::new(Decimal::new(i64::try_from(cents).unwrap(), 2), Currency::EUR).unwrap();
            let Ok(quote) = Quote::for_take(fiat, Decimal::from(50_000), policy, Amount::from_sat(miner)) else {
                return Ok(());
            };
            assert_eq!(quote.deposit, quote.buyer_receives() + quote.desk_fee() + quote.miner_fee);
            assert!(quote.desk_fee() == Amount::ZERO || quote.desk_fee() >= Amount::from_sat(DUST_SATS));
        }
    }

    #[test]
    fn limits_are_the_last_that_is_accepted_and_dust_begins_below_546() {
        assert!(FeePolicy { desk_fee_buyer_bp: 300, desk_fee_seller_bp: 200, arbitrator_fee_bp: 200 }.check().is_ok());
        let sat = Amount::from_sat;
        let policy = FeePolicy { desk_fee_buyer_bp: 100, desk_fee_seller_bp: 0, arbitrator_fee_bp: 100 };
        assert_eq!(policy.desk_fee_shares(sat(54_600)), (sat(546), Amount::ZERO));
        assert_eq!(policy.desk_fee_shares(sat(54_599)), (Amount::ZERO, Amount::ZERO));
        assert_eq!(policy.arbitrator_fee(sat(54_600)), sat(546));
        assert_eq!(policy.arbitrator_fee(sat(54_599)), Amount::ZERO);
    }
}
