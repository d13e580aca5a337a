//! The sums of a contract that is changed because too little was deposited.
//!
//! Two ways. **Scaled down**: less bitcoin for less money, at the agreed price; nobody loses. **Waived**: less bitcoin
//! for the same money; the buyer bears what is missing. In both the fees shrink in proportion and are rounded down.

use bitcoin::Amount;
use rust_decimal::Decimal;

use super::money::{DUST_SATS, Fiat, btc_words, check_trade_amount};
use super::price::sats_for;
use super::refusal::Refusal;

/// The buyer may waive at most one part in twenty (5 %): more is another price, and that is what scaling down is for.
pub const WAIVED_PARTS_MIN: u64 = 20;

/// The sums of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    /// What is traded, before fees.
    pub amount: Amount,
    /// What the buyer pays.
    pub fiat: Fiat,
    pub desk_fee_buyer: Amount,
    pub desk_fee_seller: Amount,
    pub arbitrator_fee: Amount,
}

impl Sums {
    /// What the seller deposits.
    pub fn deposit(&self) -> Amount {
        self.amount.checked_add(self.desk_fee_seller).unwrap_or(Amount::MAX_MONEY)
    }

    /// The same contract for another amount and sum of money.
    fn of(&self, amount: Amount, fiat: Fiat) -> Self {
        let part = |fee: Amount| part(fee, amount, self.amount);
        let [buyer, seller, arbitrator] = [self.desk_fee_buyer, self.desk_fee_seller, self.arbitrator_fee].map(part);
        let dust = buyer.to_sat().saturating_add(seller.to_sat()) < DUST_SATS;
        let [desk_fee_buyer, desk_fee_seller] = if dust { [Amount::ZERO; 2] } else { [buyer, seller] };
        let arbitrator_fee = if arbitrator.to_sat() < DUST_SATS { Amount::ZERO } else { arbitrator };
        Self { amount, fiat, desk_fee_buyer, desk_fee_seller, arbitrator_fee }
    }

    /// The largest amount whose deposit this much covers.
    fn largest(&self, counted: Amount) -> Amount {
        let covers = |sats: u64| self.of(Amount::from_sat(sats), self.fiat).deposit() <= counted;
        Amount::from_sat(last_that(self.amount.to_sat(), covers))
    }

    /// As much of the trade as this much in escrow covers, for as much money as that is at the agreed price.
    pub fn scaled_down(&self, price: Decimal, counted: Amount) -> Result<Self, Refusal> {
        self.is_missing(counted)?;
        let largest = self.largest(counted);
        let bought = |units: u64| fiat_of(units, self.fiat).and_then(|fiat| Some((fiat, sats_for(fiat, price)?)));
        let affordable = |units: u64| bought(units).is_some_and(|(_, amount)| amount <= largest);
        let (fiat, amount) = bought(last_that(units(self.fiat), affordable)).ok_or_else(no_price)?;
        check_trade_amount(amount)
            .map_err(|why| Refusal::conflict(format!("Too little is in escrow to scale the trade down to. {why}")))?;
        Ok(self.of(amount, fiat))
    }

    /// What this much in escrow covers, for the same money.
    pub fn waived(&self, counted: Amount) -> Result<Self, Refusal> {
        self.is_missing(counted)?;
        let amount = self.largest(counted);
        let missing = self.amount.checked_sub(amount).unwrap_or(Amount::ZERO);
        if missing > self.amount / WAIVED_PARTS_MIN {
            return Err(Refusal::conflict(format!(
                "{} are missing, more than 5 % of the trade. That would be another price; scale the trade down \
                 instead.",
                btc_words(missing)
            )));
        }
        Ok(self.of(amount, self.fiat))
    }

    fn is_missing(&self, counted: Amount) -> Result<(), Refusal> {
        if counted == Amount::ZERO {
            return Err(Refusal::conflict("Nothing is in escrow yet, so there is nothing to change the sums to."));
        }
        if counted >= self.deposit() {
            return Err(Refusal::conflict("Nothing is missing: what was agreed is in escrow."));
        }
        Ok(())
    }
}

fn no_price() -> Refusal {
    Refusal::conflict("At the agreed price so little in escrow buys nothing.")
}

/// The largest number up to `most` for which it holds; it holds for zero, and for all below one for which it holds.
fn last_that(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = high - (high - low) / 2;
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// A sum of money in the smallest units of its currency.
fn units(fiat: Fiat) -> u64 {
    let mut amount = fiat.amount();
    amount.rescale(fiat.currency().digits());
    u64::try_from(amount.mantissa()).unwrap_or_default()
}

fn fiat_of(units: u64, like: Fiat) -> Option<Fiat> {
    let amount = Decimal::try_from_i128_with_scale(units.into(), like.currency().digits()).ok()?;
    Fiat::new(amount, like.currency()).ok()
}

/// ⌊fee × amount / whole⌋.
fn part(fee: Amount, amount: Amount, whole: Amount) -> Amount {
    let product = u128::from(fee.to_sat()) * u128::from(amount.to_sat()) / u128::from(whole.to_sat().max(1));
    Amount::from_sat(u64::try_from(product).unwrap_or(u64::MAX)).min(fee)
}

#[cfg(test)]
mod tests {
    use super::super::money::Currency;
    use super::*;

    fn sat(sats: u64) -> Amount {
        Amount::from_sat(sats)
    }

    fn euros(text: &str) -> Fiat {
        Fiat::new(text.parse().unwrap(), Currency::EUR).unwrap()
    }

    /// 500 euros for a million satoshis, with fees.
    fn agreed() -> Sums {
        Sums {
            amount: sat(1_000_000),
            fiat: euros("500"),
            desk_fee_buyer: sat(3_000),
            desk_fee_seller: sat(2_000),
            arbitrator_fee: sat(10_000),
        }
    }

    #[test]
    fn a_trade_is_scaled_down_to_what_is_there_at_the_agreed_price() {
        let scaled = agreed().scaled_down(Decimal::from(50_000), sat(400_800)).unwrap();
        assert_eq!((scaled.amount, scaled.fiat), (sat(400_000), euros("200")));
        assert_eq!((scaled.desk_fee_buyer, scaled.desk_fee_seller), (sat(1_200), sat(800)));
        assert_eq!((scaled.arbitrator_fee, scaled.deposit()), (sat(4_000), sat(400_800)));
        // A cent is 20 satoshis here: what buys no whole cent stays the seller's.
        let scaled = agreed().scaled_down(Decimal::from(50_000), sat(400_819)).unwrap();
        assert_eq!((scaled.amount, scaled.fiat), (sat(400_000), euros("200")));
    }

    #[test]
    fn a_waived_shortage_is_the_buyers_and_at_most_a_twentieth() {
        let waived = agreed().waived(sat(952_000)).unwrap();
        assert_eq!((waived.amount, waived.fiat), (sat(950_100), euros("500")));
        assert!(waived.deposit() <= sat(952_000));
        assert!(agreed().waived(sat(951_800)).unwrap_err().to_string().contains("more than 5 %"));
    }

    #[test]
    fn fees_that_would_be_dust_are_zero_and_too_small_a_trade_is_refused() {
        let scaled = agreed().scaled_down(Decimal::from(50_000), sat(100_000)).unwrap();
        assert_eq!((scaled.desk_fee_buyer, scaled.desk_fee_seller), (Amount::ZERO, Amount::ZERO));
        assert_eq!((scaled.amount, scaled.fiat), (sat(100_000), euros("50")));
        for (there, words) in
            [(0, "Nothing is in escrow"), (1_002_000, "Nothing is missing"), (5_000, "smallest trade")]
        {
            let refused = agreed().scaled_down(Decimal::from(50_000), sat(there)).unwrap_err();
            assert!(refused.to_string().contains(words), "{refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn scaled_sums_fit_what_is_there_and_one_unit_more_does_not(
            there in 50_000_u64..1_002_000, price in 100_u32..10_000_000, buyer in 0_u64..25_000, seller in 0_u64..25_000,
        ) {
            let price = Decimal::from(price);
            let fiat = super::super::price::fiat_for(sat(1_000_000), price, Currency::EUR).unwrap();
            let agreed = Sums { fiat, desk_fee_buyer: sat(buyer), desk_fee_seller: sat(seller), ..agreed() };
            let (Ok(scaled), deposit) = (agreed.scaled_down(price, sat(there)), sat(there)) else { return Ok(()) };
            assert!(scaled.deposit() <= deposit && scaled.fiat <= agreed.fiat && scaled.amount <= agreed.amount);
            assert_eq!(sats_for(scaled.fiat, price), Some(scaled.amount));
            if let Some(more) = fiat_of(units(scaled.fiat) + 1, fiat).filter(|more| *more <= agreed.fiat) {
                let amount = sats_for(more, price).unwrap();
                assert!(agreed.of(amount, more).deposit() > deposit, "one cent more was possible");
            }
            // Nobody pays a higher rate than was agreed.
            let rate = |fee: Amount, of: Amount| u128::from(fee.to_sat()) * 1_000_000 / u128::from(of.to_sat());
            assert!(rate(scaled.desk_fee_buyer, scaled.amount) <= rate(agreed.desk_fee_buyer, agreed.amount) + 1);
        }
    }

    #[test]
    fn a_twentieth_may_be_waived_and_dust_begins_below_546() {
        let plain = Sums { desk_fee_buyer: sat(0), desk_fee_seller: sat(0), arbitrator_fee: sat(0), ..agreed() };
        assert_eq!(plain.waived(sat(950_000)).unwrap().amount, sat(950_000));
        assert!(plain.waived(sat(949_999)).is_err());
        // Half of the trade: fees of 546 and 545 satoshis.
        let half = |fee| {
            let sums = Sums { desk_fee_buyer: sat(fee), desk_fee_seller: sat(0), arbitrator_fee: sat(fee), ..agreed() };
            let sums = sums.of(sat(500_000), euros("250"));
            (sums.desk_fee_buyer.to_sat(), sums.arbitrator_fee.to_sat())
        };
        assert_eq!((half(1_092), half(1_091)), ((546, 546), (0, 0)));
    }
}
