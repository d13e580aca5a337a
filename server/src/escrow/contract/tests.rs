use serde_json::{Value, json};

use super::*;
use crate::escrow::testing;

/// The contract's text with one field changed, in canonical form.
fn with(path: &str, value: Value) -> String {
    let mut document: Value = serde_json::from_str(&testing::contract().to_text().unwrap()).unwrap();
    *document.pointer_mut(path).unwrap() = value;
    canonical::write(&document).unwrap()
}

fn refused(path: &str, value: Value) -> String {
    Contract::parse(&with(path, value)).unwrap_err().to_string()
}

#[test]
fn a_contract_reads_back_what_it_writes() {
    let contract = testing::contract();
    let text = contract.to_text().unwrap();
    assert_eq!(Contract::parse(&text), Ok(contract.clone()));
    assert_eq!(contract.hash().unwrap(), sha256::Hash::hash(text.as_bytes()));
    let message = format!("127.0.0.1 trade 7KQ2M4XN contract {}", contract.hash().unwrap());
    assert_eq!(contract.message().unwrap(), message);
    assert!(text.starts_with(r#"{"N":3,"P":7,"address":"bcrt1q"#), "capitals sort first");
    assert!(text.contains(r#""created":"2026-11-21T22:00:00Z""#));
    assert!(text.contains(r#""bonds":null,"#) && text.contains(r#""hours":null,"#), "unused fields are there");
}

#[test]
fn working_hours_are_part_of_what_is_signed() {
    let week = json!({"days": [{"day": "mon", "from": "09:00", "to": "17:00"}], "zone": "Europe/Berlin"});
    let hours = json!({"arbitrator": null, "buyer": null, "seller": week});
    let contract = Contract { hours: Some(serde_json::from_value(hours).unwrap()), ..testing::contract() };
    let text = contract.to_text().unwrap();
    assert_eq!(Contract::parse(&text), Ok(contract.clone()));
    assert!(text.contains(
        r#""hours":{"arbitrator":null,"buyer":null,"seller":{"days":[{"day":"mon","from":"09:00","to":"17:00"}],"zone":"Europe/Berlin"}}"#
    ));
    assert_ne!(contract.hash().unwrap(), testing::contract().hash().unwrap());
}

#[test]
fn every_field_is_there_and_no_other() {
    let document: Value = serde_json::from_str(&testing::contract().to_text().unwrap()).unwrap();
    for field in document.as_object().unwrap().keys() {
        let mut without = document.clone();
        without.as_object_mut().unwrap().remove(field);
        assert!(Contract::parse(&canonical::write(&without).unwrap()).is_err(), "without {field}");
    }
    let mut more = document;
    more["extra"] = json!(1);
    assert!(Contract::parse(&canonical::write(&more).unwrap()).is_err());
    assert!(refused("/bonds", json!({})).contains("can be read"));
}

#[test]
fn a_text_that_is_not_canonical_is_refused() {
    let text = testing::contract().to_text().unwrap();
    for changed in [
        format!(" {text}"),
        text.replacen(':', ": ", 1),
        text.replacen("\"N\":3,", "\"N\":3,\"N\":3,", 1),
        text.replacen("\"hold\":0", "\"hold\":0.0", 1),
        text.replacen("ü", "\\u00fc", 1),
        text.replacen("2026-11-21T22:00:00Z", "2026-11-21T22:00:00.0Z", 1),
        text.replacen("2026-11-21T22:00:00Z", "2026-11-21T23:00:00+01:00", 1),
        text.replacen("7KQ2M4XN", "7kq2-m4xn", 1),
        text.replacen("\"buyer\":\"bob\"", "\"buyer\":\" bob\"", 1),
    ] {
        assert_ne!(changed, text);
        assert!(Contract::parse(&changed).is_err(), "{changed}");
    }
}

#[test]
fn a_contract_whose_parts_do_not_fit_is_refused() {
    let lock = testing::lock_at(4);
    let address = |n| json!(testing::address(n).to_string());
    for (path, value, words) in [
        ("/v", json!(2), "version"),
        ("/network", json!("bitcoin"), "another network"),
        ("/desk", json!("a desk"), "host name"),
        ("/buyer", json!("annak"), "the same"),
        ("/sign_by", json!("2026-11-21T22:00:00Z"), "signed before"),
        ("/amount_sat", json!(1_000_001), "deposit"),
        ("/deposit_sat", json!(1_002_001), "deposit"),
        ("/price", json!("58420,00"), "decimal"),
        ("/fiat", json!("0.00"), "decimal"),
        ("/currency", json!("eur"), "three letters"),
        ("/hold", json!(721), "window"),
        ("/windows/payment", json!(0), "window"),
        ("/hours", json!({"arbitrator": null, "buyer": null, "seller": null}), "nobody has stated"),
        ("/hours", json!({"arbitrator": null, "buyer": {"days": [], "zone": "UTC"}, "seller": null}), "can be read"),
        ("/hours", json!({"arbitrator": null, "buyer": null}), "canonical"),
        ("/windows/ruling", json!(90_000), "window"),
        ("/confirmations", json!(0), "confirmations"),
        ("/feerate", json!(0), "fee rate"),
        ("/fee_cap_sat", json!(100_201), "miner fees"),
        ("/desk_fee_sat", json!({"buyer": 2_100, "seller": 2_000}), "payouts"),
        ("/desk_fee_sat", json!({"buyer": 60_000, "seller": 2_000}), "5 %"),
        ("/arbitrator_fee_sat", json!(20_001), "2 %"),
        ("/arbitrator_fee_sat", json!(545), "546"),
        ("/arbitrator_fee_sat", json!(10_000), "arbitrator's fee needs an address"),
        ("/N", json!(4), "address"),
        ("/N", json!(901), "900"),
        ("/P", json!(8), "path must be"),
        ("/P", json!(4096), "4095"),
        ("/address", json!(lock.address().to_string()), "address"),
        ("/descriptor", json!(testing::lock().descriptor().replace('\'', "h")), "descriptor"),
        ("/keys/0/role", json!("seller"), "order"),
        ("/payouts/release/0/sat", json!(998_001), "payouts"),
        ("/payouts/release/0/bears_fee", json!(false), "payouts"),
        ("/payouts/refund/0/to", json!("buyer"), "payouts"),
        ("/payouts/refund/0/address", address(0), "same address"),
        ("/payouts/release/1/address", address(1), "same address"),
        ("/payouts/release/0/address", json!(testing::lock().address().to_string()), "address of an escrow"),
        ("/payouts/release/0/address", json!("bcrt1pfeesnyr2tx"), "of this kind"),
        ("/payouts/release/0/address", json!(testing::address(0).to_string().to_uppercase()), "usual form"),
        ("/payouts/arbitrator", address(3), "needs a fee"),
        ("/terms/0", json!("\u{202e}x"), ""),
    ] {
        let mut document: Value = serde_json::from_str(&testing::contract().to_text().unwrap()).unwrap();
        *document.pointer_mut(path).unwrap() = value.clone();
        let text = canonical::write(&document);
        let said = text.map_err(Refusal::from).and_then(|text| Contract::parse(&text)).unwrap_err().to_string();
        assert!(said.contains(words), "{path} = {value}: {said}");
    }
}

#[test]
fn a_desk_without_fees_has_no_output_and_an_arbitrator_with_a_fee_has_one() {
    let free = testing::contract_of(Amount::from_sat(20_000), Amount::ZERO, Amount::ZERO);
    assert_eq!((free.check(), free.payouts.release.len()), (Ok(()), 1));
    assert_eq!(free.agreed().unwrap().desk, None);
    let paid = testing::contract_of(Amount::from_sat(1_000_000), Amount::ZERO, Amount::from_sat(20_000));
    assert_eq!(paid.check(), Ok(()));
    assert!(paid.agreed().unwrap().arbitrator.is_some());
    let dust = testing::contract_of(Amount::from_sat(20_000), Amount::from_sat(272), Amount::ZERO);
    assert!(dust.check().unwrap_err().to_string().contains("546"));
}

#[test]
fn a_contract_longer_than_16_kib_is_refused() {
    let mut contract = testing::contract();
    contract.terms = Some(vec!["a".repeat(16 * 1024)]);
    assert!(contract.to_text().unwrap_err().to_string().contains("too long"));
}

#[test]
fn the_lock_is_rebuilt_from_the_text_alone() {
    assert_eq!(testing::contract().lock(), Ok(testing::lock()));
}

#[test]
fn a_contract_written_for_a_lock_has_the_same_text_and_fits_no_other() {
    let contract = testing::contract();
    assert_eq!(contract.to_text_for(&testing::lock()).unwrap(), contract.to_text().unwrap());
    assert!(contract.to_text_for(&testing::lock_at(4)).is_err());
    assert_eq!(contract.agreed().unwrap().deposit(), Amount::from_sat(1_002_000));
}

#[test]
fn sums_are_accepted_up_to_their_limits() {
    let fits = |change: fn(&mut Contract)| {
        let mut contract = testing::contract_of(Amount::from_sat(1_000_000), Amount::from_sat(2_000), Amount::ZERO);
        change(&mut contract);
        contract.check().is_ok()
    };
    let fees = |amount, desk_fee, arbitrator_fee| {
        let [amount, desk_fee, arbitrator_fee] = [amount, desk_fee, arbitrator_fee].map(Amount::from_sat);
        testing::contract_of(amount, desk_fee, arbitrator_fee).check().is_ok()
    };
    assert!(fees(1_000_000, 25_000, 20_000), "5 % for the desk, 2 % for the arbitrator");
    assert!(!fees(1_000_000, 25_001, 0) && !fees(1_000_000, 0, 20_001));
    assert!(fees(1_000_000, 273, 546) && !fees(1_000_000, 272, 0) && !fees(1_000_000, 0, 545));
    assert!(fits(|one| one.feerate = 5_000) && !fits(|one| one.feerate = 5_001) && !fits(|one| one.feerate = 0));
    assert!(fits(|one| one.hold = one.windows.release) && !fits(|one| one.hold = one.windows.release + 1));
    assert!(fits(|one| one.windows.payout = 1) && !fits(|one| one.windows.payout = 0));
    assert!(fits(|one| one.windows.objection = 0));
    assert!(fits(|one| one.price = "0.50".into()) && !fits(|one| one.price = "00.50".into()));
    assert!(fits(|one| one.price = "9".into()) && !fits(|one| one.price = "0.00".into()));
}
