//! How a split is typed: what the buyer gets, in bitcoin, in satoshis or in per cent; the seller gets the rest.

use bitcoin::Amount;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::money::{DUST_SATS, NumberRefusal, btc_words, parse_decimal, sats_grouped};
use super::people::{Side, words};
use super::refusal::{Problems, Refusal};
use super::trade::Outcome;

/// The unit the parts are typed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartsUnit {
    Btc,
    Sat,
    Percent,
}

words!(PartsUnit { Btc = "btc", Sat = "sat", Percent = "percent" });

/// What each gets of a deposit, before fees. Together they are all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub buyer: Amount,
    pub seller: Amount,
}

impl Parts {
    /// From what was typed. The buyer's part says it all; the seller's may be left empty, and must fit if it is there.
    /// The refusal stands beside `buyer`, `seller` or `unit`.
    pub fn read(unit: &str, buyer: &str, seller: &str, pot: Amount) -> Result<Self, Refusal> {
        let Some(unit) = PartsUnit::from_word(unit) else {
            return Err(Refusal::field("unit", "Choose bitcoin, satoshis or per cent."));
        };
        let mut problems = Problems::default();
        let typed = problems.check("buyer", part(unit, buyer, pot));
        let rest = match seller.trim() {
            "" => None,
            text => problems.check("seller", part(unit, text, pot)),
        };
        let Some(buyer) = typed.filter(|_| problems.is_empty()) else { return Err(problems.refusal()) };
        let Some(seller) = pot.checked_sub(buyer) else {
            return Err(Refusal::field("buyer", format!("There are only {} to divide.", shown(pot))));
        };
        if let Some(rest) = rest.filter(|rest| *rest != seller) {
            return Err(Refusal::field(
                "seller",
                format!(
                    "The two parts must come to {}. With {} for the buyer that leaves {} for the seller, not {}.",
                    shown(pot),
                    shown(buyer),
                    shown(seller),
                    shown(rest)
                ),
            ));
        }
        Self { buyer, seller }.without_dust()
    }

    /// All to one of the two.
    pub fn all_to(side: Side, pot: Amount) -> Self {
        match side {
            Side::Buyer => Self { buyer: pot, seller: Amount::ZERO },
            Side::Seller => Self { buyer: Amount::ZERO, seller: pot },
        }
    }

    /// How a trade with this payout ends.
    pub fn outcome(self) -> Outcome {
        match (self.buyer.to_sat(), self.seller.to_sat()) {
            (_, 0) => Outcome::Released,
            (0, _) => Outcome::Refunded,
            _ => Outcome::Split,
        }
    }

    /// Who gets more; of equal parts the buyer, who began it by paying.
    pub fn favours(self) -> Side {
        if self.buyer >= self.seller { Side::Buyer } else { Side::Seller }
    }

    fn without_dust(self) -> Result<Self, Refusal> {
        let dust = |part: Amount| (1..DUST_SATS).contains(&part.to_sat());
        if dust(self.buyer) || dust(self.seller) {
            let small = if dust(self.buyer) { "buyer" } else { "seller" };
            return Err(Refusal::field(
                "buyer",
                format!("The {small}'s part is below {DUST_SATS} sat, which no node relays. Give nothing, or more."),
            ));
        }
        Ok(self)
    }
}

fn part(unit: PartsUnit, text: &str, pot: Amount) -> Result<Amount, NumberRefusal> {
    let number = match unit {
        PartsUnit::Btc => parse_decimal(text, 8)?.checked_mul(Decimal::from(100_000_000)),
        PartsUnit::Sat => Some(parse_decimal(text, 0)?),
        PartsUnit::Percent => {
            let text = text.trim();
            let share = parse_decimal(text.strip_suffix('%').unwrap_or(text), 2)?;
            if share > Decimal::ONE_HUNDRED {
                return Err(NumberRefusal::TooLarge);
            }
            share.checked_mul(Decimal::from(pot.to_sat())).map(|all| (all / Decimal::ONE_HUNDRED).floor())
        }
    };
    let sats = number.and_then(|number| number.to_u64()).ok_or(NumberRefusal::TooLarge)?;
    if sats > Amount::MAX_MONEY.to_sat() { Err(NumberRefusal::TooLarge) } else { Ok(Amount::from_sat(sats)) }
}

fn shown(amount: Amount) -> String {
    format!("{} ({} sat)", btc_words(amount), sats_grouped(amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POT: Amount = Amount::from_sat(1_000_000);

    fn read(unit: &str, buyer: &str, seller: &str) -> Result<(u64, u64), Vec<(String, String)>> {
        Parts::read(unit, buyer, seller, POT)
            .map(|parts| (parts.buyer.to_sat(), parts.seller.to_sat()))
            .map_err(|refusal| refusal.fields.into_iter().map(|f| (f.field.into_owned(), f.words)).collect())
    }

    #[test]
    fn a_part_is_typed_in_three_units_and_the_rest_follows() {
        assert_eq!(read("sat", "600 000", ""), Ok((600_000, 400_000)));
        assert_eq!(read("btc", "0,006", "0.004"), Ok((600_000, 400_000)));
        assert_eq!(read("percent", "60", ""), Ok((600_000, 400_000)));
        assert_eq!(read("percent", "33,33 %", ""), Ok((333_300, 666_700)));
        assert_eq!(read("sat", "0", "1000000"), Ok((0, 1_000_000)));
        assert_eq!(read("percent", "100", ""), Ok((1_000_000, 0)));
    }

    #[test]
    fn per_cent_round_down_for_the_buyer_and_lose_nothing() {
        let parts = Parts::read("percent", "33.33", "", Amount::from_sat(1_000_001)).unwrap();
        assert_eq!((parts.buyer.to_sat(), parts.seller.to_sat()), (333_300, 666_701));
    }

    #[test]
    fn what_does_not_fit_is_refused_beside_its_field() {
        let field = |unit, buyer, seller| {
            let problems = read(unit, buyer, seller).unwrap_err();
            (problems[0].0.clone(), problems[0].1.clone())
        };
        assert_eq!(field("gold", "1", "").0, "unit");
        for (unit, buyer) in [
            ("sat", ""),
            ("sat", "-1"),
            ("sat", "1.5"),
            ("btc", "0.123456789"),
            ("sat", "NaN"),
            ("percent", "101"),
            ("sat", "٣٠٠"),
        ] {
            assert_eq!(field(unit, buyer, "").0, "buyer", "{unit} {buyer}");
        }
        assert!(field("sat", "1000001", "").1.contains("only 0.01\u{202f}000\u{202f}000\u{a0}BTC"));
        let (name, words) = field("sat", "600000", "500000");
        assert!(name == "seller" && words.contains("leaves 0.00\u{202f}400\u{202f}000\u{a0}BTC"), "{words}");
        assert!(field("sat", "100", "").1.contains("buyer's part is below 546"));
        assert!(field("sat", "999900", "").1.contains("seller's part is below 546"));
        assert!(field("btc", "1,234", "").1.contains("can be read as"));
    }

    #[test]
    fn the_larger_part_is_favoured_and_the_outcome_follows() {
        let of = |buyer| Parts { buyer: Amount::from_sat(buyer), seller: POT - Amount::from_sat(buyer) };
        assert_eq!((of(1_000_000).outcome(), of(1_000_000).favours()), (Outcome::Released, Side::Buyer));
        assert_eq!((of(0).outcome(), of(0).favours()), (Outcome::Refunded, Side::Seller));
        assert_eq!((of(500_000).outcome(), of(500_000).favours()), (Outcome::Split, Side::Buyer));
        assert_eq!(of(400_000).favours(), Side::Seller);
    }

    #[test]
    fn no_part_is_more_than_there_are_bitcoin() {
        let all = Amount::MAX_MONEY;
        assert_eq!(part(PartsUnit::Btc, "21000000", all), Ok(all));
        assert_eq!(part(PartsUnit::Sat, "2100000000000001", all), Err(NumberRefusal::TooLarge));
        assert_eq!(part(PartsUnit::Percent, "100", all), Ok(all));
    }
}
