//! What a bitcoin costs: fixed, or a percentage off the desk's reference rate; and sums at a price, exact to the unit.

use bitcoin::Amount;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::money::{Currency, Fiat, NumberRefusal, PRICE_UNITS_MAX, typed};

/// The lowest percentage off the reference rate: below it, it is a slip or a trap.
pub const PERCENT_MIN: Decimal = Decimal::from_parts(50, 0, 0, true, 0);

/// The highest percentage off the reference rate.
pub const PERCENT_MAX: Decimal = Decimal::ONE_HUNDRED;

/// Satoshis in one bitcoin.
const SATS_PER_BTC: i128 = 100_000_000;

/// How an offer is priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pricing {
    /// So many units of the offer's currency for one bitcoin.
    Fixed(Decimal),
    /// This percentage above (or, negative, below) the reference rate; two decimals.
    Market { percent: Decimal },
}

/// Why a price cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceRefusal {
    #[error(transparent)]
    Number(#[from] NumberRefusal),
    #[error("This price is too high to be meant.")]
    TooHigh,
    #[error("The percentage goes from −50 to +100.")]
    PercentOutOfRange,
}

impl Pricing {
    /// Reads a fixed price as people type it.
    pub fn parse_fixed(text: &str, currency: Currency) -> Result<Self, PriceRefusal> {
        Ok(Self::Fixed(parse_price(text, currency)?))
    }

    /// Reads a percentage as people type it.
    pub fn parse_market(text: &str) -> Result<Self, PriceRefusal> {
        let percent = typed::parse_percent(text)?;
        if percent < PERCENT_MIN || percent > PERCENT_MAX {
            return Err(PriceRefusal::PercentOutOfRange);
        }
        Ok(Self::Market { percent })
    }

    /// The price of one bitcoin now, in the currency's decimals; none while a rate is needed and there is none.
    pub fn effective_price(self, currency: Currency, rate: Option<&Rate>) -> Option<Decimal> {
        let exact = match self {
            Self::Fixed(price) => price,
            Self::Market { percent } => {
                let rate = rate.filter(|rate| rate.currency == currency)?;
                let factor = Decimal::ONE_HUNDRED.checked_add(percent)?.checked_div(Decimal::ONE_HUNDRED)?;
                rate.price.checked_mul(factor)?
            }
        };
        let mut price = exact.round_dp_with_strategy(currency.digits(), RoundingStrategy::MidpointAwayFromZero);
        // Written with all of the currency's decimals, in forms and contracts alike.
        price.rescale(currency.digits());
        (price > Decimal::ZERO).then_some(price)
    }
}

/// A price of one bitcoin as people type it.
pub fn parse_price(text: &str, currency: Currency) -> Result<Decimal, PriceRefusal> {
    let price = typed::parse_positive(text, currency.digits())?;
    if price > Decimal::from(PRICE_UNITS_MAX) { Err(PriceRefusal::TooHigh) } else { Ok(price) }
}

/// What one bitcoin costs by the operator's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    pub currency: Currency,
    pub price: Decimal,
    pub set_at: Timestamp,
}

impl Rate {
    /// An old rate prices nothing: offers that float on it leave the board until it is set anew.
    pub fn is_fresh(&self, now: Timestamp, max_age: SignedDuration) -> bool {
        now.duration_since(self.set_at) <= max_age
    }
}

/// The bitcoin that a sum buys at a price, rounded down to the satoshi; none for a price of zero or an absurd sum.
pub fn sats_for(fiat: Fiat, price: Decimal) -> Option<Amount> {
    let price = positive(price)?;
    // Integers throughout, so that rounding down is exactly that.
    let numerator = fiat.amount().mantissa().checked_mul(SATS_PER_BTC)?.checked_mul(ten_to(price.scale())?)?;
    let denominator = price.mantissa().checked_mul(ten_to(fiat.amount().scale())?)?;
    u64::try_from(numerator.checked_div(denominator)?).ok().map(Amount::from_sat)
}

/// What an amount of bitcoin costs at a price, rounded to the currency's decimals, half away from zero.
pub fn fiat_for(amount: Amount, price: Decimal, currency: Currency) -> Option<Fiat> {
    let exact =
        positive(price)?.checked_mul(Decimal::from(amount.to_sat()))?.checked_div(Decimal::from(100_000_000))?;
    let rounded = exact.round_dp_with_strategy(currency.digits(), RoundingStrategy::MidpointAwayFromZero);
    Fiat::new(rounded, currency).ok()
}

/// How far a price is from the reference rate, in percent with two decimals; negative is cheaper.
pub fn vs_market_percent(price: Decimal, rate: &Rate) -> Option<Decimal> {
    let share = price.checked_div(positive(rate.price)?)?;
    let percent = share.checked_sub(Decimal::ONE)?.checked_mul(Decimal::ONE_HUNDRED)?;
    Some(percent.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero))
}

fn positive(price: Decimal) -> Option<Decimal> {
    (price > Decimal::ZERO).then_some(price)
}

fn ten_to(power: u32) -> Option<i128> {
    10_i128.checked_pow(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn rate(currency: Currency, price: &str) -> Rate {
        Rate { currency, price: decimal(price), set_at: Timestamp::UNIX_EPOCH }
    }

    fn eur(text: &str) -> Fiat {
        Fiat::new(decimal(text), Currency::EUR).unwrap()
    }

    #[test]
    fn a_floating_price_follows_the_rate_in_the_currencys_decimals() {
        let market = Pricing::parse_market("+1.5").unwrap();
        let price = |currency, text| market.effective_price(currency, Some(&rate(currency, text)));
        assert_eq!(price(Currency::EUR, "58420.10"), Some(decimal("59296.40")));
        assert_eq!(price(Currency::JPY, "9000001"), Some(decimal("9135001")));
        assert_eq!(market.effective_price(Currency::EUR, None), None);
        assert_eq!(market.effective_price(Currency::EUR, Some(&rate(Currency::USD, "60000"))), None);
        assert_eq!(Pricing::Fixed(decimal("58000")).effective_price(Currency::EUR, None), Some(decimal("58000")));
    }

    #[test]
    fn percentages_end_at_minus_fifty_and_plus_a_hundred() {
        assert!(Pricing::parse_market("-50").is_ok());
        assert!(Pricing::parse_market("100").is_ok());
        assert_eq!(Pricing::parse_market("-50.01"), Err(PriceRefusal::PercentOutOfRange));
        assert_eq!(Pricing::parse_market("100.01"), Err(PriceRefusal::PercentOutOfRange));
        assert_eq!(Pricing::parse_fixed("0", Currency::EUR), Err(PriceRefusal::Number(NumberRefusal::Zero)));
        assert_eq!(Pricing::parse_fixed("1000000000001", Currency::EUR), Err(PriceRefusal::TooHigh));
    }

    #[test]
    fn satoshis_round_down_and_never_up() {
        assert_eq!(sats_for(eur("500"), decimal("58420.10")), Some(Amount::from_sat(855_869)));
        assert_eq!(sats_for(eur("1"), decimal("3")), Some(Amount::from_sat(33_333_333)));
        assert_eq!(sats_for(eur("1"), decimal("100000000.01")), Some(Amount::ZERO));
        assert_eq!(sats_for(eur("1"), Decimal::ZERO), None);
        assert_eq!(sats_for(eur("1"), decimal("-1")), None);
    }

    #[test]
    fn what_bitcoin_costs_is_rounded_to_the_cent() {
        let cost = |sat, price: &str, currency| fiat_for(Amount::from_sat(sat), decimal(price), currency);
        assert_eq!(cost(856_214, "58420.10", Currency::EUR), Some(eur("500.20")));
        assert_eq!(cost(100_000_000, "9000000", Currency::JPY).unwrap().plain(), "9000000");
        assert_eq!(cost(1, "1000", Currency::KWD).unwrap().plain(), "0.000");
    }

    #[test]
    fn distance_from_the_market_has_a_sign() {
        let market = rate(Currency::EUR, "58000");
        assert_eq!(vs_market_percent(decimal("58580"), &market), Some(decimal("1.00")));
        assert_eq!(vs_market_percent(decimal("57420"), &market), Some(decimal("-1.00")));
    }

    #[test]
    fn a_rate_grows_old() {
        let set = rate(Currency::EUR, "1");
        let hour = SignedDuration::from_hours(1);
        assert!(set.is_fresh(Timestamp::from_second(3600).unwrap(), hour));
        assert!(!set.is_fresh(Timestamp::from_second(3601).unwrap(), hour));
    }

    proptest::proptest! {
        #[test]
        fn buying_and_pricing_back_never_gives_more(cents in 1_u64..1_000_000_000, price in 1_u64..10_000_000_000) {
            let fiat = Fiat::new(Decimal::new(i64::try_from(cents).unwrap(), 2), Currency::EUR).unwrap();
            let price = Decimal::new(i64::try_from(price).unwrap(), 2);
            if let Some(amount) = sats_for(fiat, price) {
                let exact = price * Decimal::from(amount.to_sat()) / Decimal::from(100_000_000);
                assert!(exact <= fiat.amount());
            }
        }
    }

    #[test]
    fn what_rounds_to_nothing_is_no_price_and_the_highest_is_one() {
        assert_eq!(Pricing::Fixed(decimal("0.001")).effective_price(Currency::EUR, None), None);
        assert_eq!(fiat_for(Amount::ONE_BTC, Decimal::ZERO, Currency::EUR), None);
        assert!(parse_price(&PRICE_UNITS_MAX.to_string(), Currency::EUR).is_ok());
        assert_eq!(parse_price(&format!("{}.01", PRICE_UNITS_MAX), Currency::EUR), Err(PriceRefusal::TooHigh));
    }
}
