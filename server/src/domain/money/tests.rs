use super::typed::parse_positive;
use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn numbers_are_read_as_people_type_them() {
    for (typed, meant) in [
        ("1250.50", "1250.5"),
        ("1250,50", "1250.5"),
        ("1 250.50", "1250.5"),
        ("1.250,50", "1250.5"),
        ("1,250.50", "1250.5"),
        ("1,250,000.5", "1250000.5"),
        ("1'250", "1250"),
        ("1’250.5", "1250.5"),
        ("1\u{202f}250,5", "1250.5"),
        (" 7 ", "7"),
        ("007", "7"),
        ("0", "0"),
        ("12.00", "12"),
        ("1.2000", "1.2"),
        ("12,5", "12.5"),
    ] {
        assert_eq!(parse_decimal(typed, 2), Ok(decimal(meant)), "{typed}");
    }
}

#[test]
fn a_text_with_two_readings_is_refused_with_both() {
    for typed in ["1.234", "1,234", "20.000", "1 234.567"] {
        for digits in [0, 2, 3, 8] {
            let refusal = parse_decimal(typed, digits).unwrap_err();
            assert!(matches!(refusal, NumberRefusal::TwoReadings { .. }), "{typed}");
        }
    }
    let words = parse_decimal("1,234", 3).unwrap_err().to_string();
    assert_eq!(words, "“1,234” can be read as 1234 or as 1.2340. Write it in one of these two ways.");
    assert_eq!(parse_decimal("1234", 3), Ok(decimal("1234")));
    assert_eq!(parse_decimal("1.2340", 3), Ok(decimal("1.234")));
    assert!(matches!(parse_decimal("1,234,567", 8), Err(NumberRefusal::TwoReadings { .. })));
    assert_eq!(parse_decimal("0.005", 8), Ok(decimal("0.005")), "nobody groups a zero");
    assert_eq!(parse_decimal("1234.567", 3), Ok(decimal("1234.567")), "a group has three digits");
}

#[test]
fn what_is_no_number_is_refused_in_words() {
    use NumberRefusal as R;
    for (typed, refusal) in [
        ("", R::Empty),
        ("   ", R::Empty),
        ("-5", R::Negative),
        ("−5", R::Negative),
        ("NaN", R::NotANumber),
        ("inf", R::NotANumber),
        ("1e5", R::NotANumber),
        ("+5", R::NotANumber),
        ("0x10", R::NotANumber),
        (".", R::NotANumber),
        (".5", R::NotANumber),
        ("5.", R::NotANumber),
        ("' 5", R::NotANumber),
        ("５００", R::OtherDigits),
        ("٣", R::OtherDigits),
        ("1.2345", R::TooManyDecimals(2)),
        ("1.50000", R::TooManyDecimals(2)),
        ("9999999999999999", R::TooLarge),
        ("11111111111111111111111111111111111111111111", R::TooLarge),
        ("<script>", R::NotANumber),
    ] {
        assert_eq!(parse_decimal(typed, 2), Err(refusal), "{typed}");
    }
    assert_eq!(parse_positive("0,00", 2), Err(R::Zero));
}

#[test]
fn bitcoin_has_eight_decimals_and_an_end() {
    assert_eq!(parse_btc("0,00856214"), Ok(Amount::from_sat(856_214)));
    assert_eq!(parse_btc("0.00 856 214"), Ok(Amount::from_sat(856_214)), "in groups");
    assert_eq!(parse_btc("0.00\u{202f}856\u{202f}214"), Ok(Amount::from_sat(856_214)), "as the desk itself writes it");
    assert_eq!(parse_btc("0.123456789"), Err(NumberRefusal::TooManyDecimals(8)));
    assert_eq!(parse_btc("0.100000000"), Err(NumberRefusal::TooManyDecimals(8)), "a ninth decimal is a slip");
    assert_eq!(parse_btc("0"), Err(NumberRefusal::Zero));
    assert_eq!(parse_btc("21000001"), Err(NumberRefusal::TooLarge));
    assert_eq!(parse_sats("856 214"), Ok(Amount::from_sat(856_214)));
    assert_eq!(parse_sats("1.5"), Err(NumberRefusal::TooManyDecimals(0)));
    assert_eq!(parse_sats("999999999999999"), Ok(Amount::from_sat(999_999_999_999_999)));
    assert_eq!(parse_sats("2100000000000001"), Err(NumberRefusal::TooLarge));
}

#[test]
fn percent_has_a_sign_and_two_decimals() {
    assert_eq!(parse_percent("+1,5 %"), Ok(decimal("1.5")));
    assert_eq!(parse_percent("-0.75"), Ok(decimal("-0.75")));
    assert_eq!(parse_percent("− 2%"), Ok(decimal("-2")));
    assert_eq!(parse_percent("--2"), Err(NumberRefusal::NotANumber));
    assert_eq!(parse_percent("-0"), Ok(Decimal::ZERO));
    assert_eq!(parse_percent("1.2345"), Err(NumberRefusal::TooManyDecimals(2)));
}

/// With plain blanks, as on a keyboard.
fn as_typed(text: &str) -> String {
    text.replace(['\u{202f}', '\u{a0}'], " ")
}

#[test]
fn amounts_are_written_in_groups() {
    assert_eq!(btc_words(Amount::from_sat(856_214)), "0.00\u{202f}856\u{202f}214\u{a0}BTC");
    assert_eq!(as_typed(&btc_words(Amount::from_sat(123_400_000_000))), "1 234.00 000 000 BTC");
    assert_eq!(btc_plain(Amount::from_sat(1)), "0.00000001");
    assert_eq!(as_typed(&sats_grouped(Amount::from_sat(1_856_214))), "1 856 214");
    let eur = Fiat::new(decimal("58712.2"), Currency::EUR).unwrap();
    assert_eq!((as_typed(&eur.grouped()).as_str(), eur.plain().as_str()), ("58 712.20", "58712.20"));
    assert_eq!(as_typed(&eur.to_string()), "58 712.20 EUR");
    assert_eq!(Fiat::new(decimal("1000"), Currency::JPY).unwrap().grouped(), "1\u{202f}000");
    assert_eq!(Fiat::new(decimal("1.5"), Currency::KWD).unwrap().plain(), "1.500");
    for amount in ["0.001", "1.5", "999.999", "1234.567", "58000"] {
        let dinar = Fiat::new(decimal(amount), Currency::KWD).unwrap();
        assert_eq!(Fiat::parse(&dinar.in_field(), Currency::KWD).unwrap(), dinar, "a form reads what a form shows");
    }
}

#[test]
fn currencies_are_real_money_with_their_own_decimals() {
    assert_eq!([Currency::JPY, Currency::EUR, Currency::KWD].map(Currency::digits), [0, 2, 3]);
    for not_money in ["XAU", "XXX", "XTS", "CHW", "HRK", "BTC", "EU", "", "€"] {
        assert_eq!(Currency::parse(not_money), Err(NotACurrency), "{not_money}");
    }
    assert_eq!(Currency::parse(" eur "), Ok(Currency::EUR));
    assert!(Currency::parse("XOF").is_ok());
    assert!(Currency::all().len() > 150);
}

#[test]
fn fiat_keeps_to_its_currency_and_its_limits() {
    let eur = |text: &str| Fiat::new(decimal(text), Currency::EUR);
    assert_eq!(eur("-1"), Err(FiatRefusal::Negative));
    assert_eq!(eur("1.005"), Err(FiatRefusal::TooManyDecimals(Currency::EUR)));
    assert_eq!(eur("10000000000000.01"), Err(FiatRefusal::TooLarge));
    let (one, two) = (eur("1").unwrap(), eur("2").unwrap());
    assert_eq!(one.checked_add(two), eur("3"));
    assert_eq!(one.checked_sub(two), Err(FiatRefusal::Negative));
    assert_eq!(one.saturating_sub(two), Fiat::zero(Currency::EUR));
    let franc = Fiat::new(decimal("1"), Currency::CHF).unwrap();
    assert_eq!(one.checked_add(franc), Err(FiatRefusal::OtherCurrency));
    assert_eq!(one.partial_cmp(&franc), None);
    assert!(one < two);
}

#[test]
fn fiat_reads_back_what_it_writes_and_refuses_what_it_would_not_make() {
    let fiat = Fiat::new(decimal("58712.2"), Currency::EUR).unwrap();
    let text = serde_json::to_string(&fiat).unwrap();
    assert_eq!(text, r#"{"amount":"58712.20","currency":"EUR"}"#);
    assert_eq!(serde_json::from_str::<Fiat>(&text).unwrap(), fiat);
    assert!(serde_json::from_str::<Fiat>(r#"{"amount":"-1","currency":"EUR"}"#).is_err());
}

#[test]
fn trade_amounts_have_limits() {
    assert_eq!(check_trade_amount(Amount::from_sat(19_999)), Err(AmountRefusal::TooSmall));
    assert!(check_trade_amount(Amount::from_sat(20_000)).is_ok());
    assert!(check_trade_amount(Amount::from_sat(1_000_000_000)).is_ok());
    assert_eq!(check_trade_amount(Amount::from_sat(1_000_000_001)), Err(AmountRefusal::TooLarge));
    assert_eq!(as_typed(&AmountRefusal::TooSmall.to_string()), "The smallest trade is 0.00 020 000 BTC.");
}

#[test]
fn currencies_and_decimals_are_named() {
    let name = |currency: Currency| (currency.name(), currency.symbol());
    assert_eq!(name(Currency::EUR), ("Euro".to_owned(), "€".to_owned()));
    assert_eq!([0, 1, 3].map(decimals_in_words), ["no decimals", "at most 1 decimal", "at most 3 decimals"]);
    assert!(Fiat::zero(Currency::EUR).is_zero());
    assert!(!Fiat::parse("1", Currency::EUR).unwrap().is_zero());
}

#[test]
fn the_largest_numbers_are_the_last_that_is_accepted() {
    use super::typed::{NumberRefusal, parse_btc};
    assert_eq!(parse_btc("21 000 000"), Ok(Amount::MAX_MONEY));
    assert_eq!(parse_btc("21000000.00000001"), Err(NumberRefusal::TooLarge));
}

#[test]
fn numbers_of_whole_groups_begin_with_a_digit_and_are_at_most_forty_letters_long() {
    assert!(sats_grouped(Amount::from_sat(123_456)).starts_with("123"));
    let zeros = |count| super::typed::parse_decimal(&"0".repeat(count), 0);
    assert_eq!(zeros(40), Ok(Decimal::ZERO));
    assert!(zeros(41).is_err() && zeros(42).is_err());
}
