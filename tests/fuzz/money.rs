//! Numbers as people type them.

use rust_decimal::Decimal;
use trine::domain::money::{btc_grouped, parse_btc};
use trine::domain::price::{Pricing, parse_price};
use trine::domain::{Currency, Fiat};

use crate::text;

const SEEDS: [&str; 8] =
    ["0.01000000", "1 234.56", "1.234,56", "58420.10", "-0", "１２３", "99999999999999999999", "0.00000001"];

#[test]
fn amounts() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let typed = text(bytes, &SEEDS);
        if let Ok(amount) = parse_btc(&typed) {
            assert!(amount.to_sat() > 0);
            assert_eq!(parse_btc(&btc_grouped(amount)), Ok(amount), "{typed:?}");
        }
        for code in ["EUR", "JPY", "KWD"] {
            let currency = Currency::parse(code).unwrap();
            if let Ok(fiat) = Fiat::parse(&typed, currency) {
                assert!(fiat.amount() > Decimal::ZERO);
                assert_eq!(Fiat::parse(&fiat.in_field(), currency).unwrap(), fiat, "{typed:?}");
            }
            if let Ok(price) = parse_price(&typed, currency) {
                assert!(price > Decimal::ZERO);
            }
        }
        let _ = Pricing::parse_market(&typed);
    });
}
