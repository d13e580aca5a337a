//! Documents, keys, addresses, names, payment details.

use std::collections::BTreeMap;

use bitcoin::Network;
use trine::domain::methods::Method;
use trine::domain::{AccountName, MethodId, PublicRef, text as prose};
use trine::escrow::{AccountKey, ArbiterRecord, Contract, KeyRefusal, Ruling, address, canonical, ruling};

use crate::{text, vector};

const NETWORKS: [Network; 3] = [Network::Bitcoin, Network::Testnet, Network::Regtest];

#[test]
fn documents() {
    let seeds = ["/contract/text", "/ruling/text", "/arbitrator/record/text"].map(vector);
    bolero::check!().for_each(|bytes: &[u8]| {
        let typed = text(bytes, &seeds);
        if let Ok(contract) = Contract::parse(&typed) {
            assert_eq!(contract.to_text().unwrap(), typed);
            contract.agreed().unwrap();
        }
        if let Ok(ruling) = Ruling::parse(&typed) {
            assert_eq!(ruling.to_text().unwrap(), typed);
        }
        if let Ok(record) = ArbiterRecord::parse(&typed) {
            assert_eq!(record.to_text().unwrap(), typed);
        }
        if let Ok(value) = canonical::read::<serde_json::Value>(&typed) {
            assert_eq!(canonical::write(&value).unwrap(), typed);
        }
    });
}

#[test]
fn keys() {
    let whole = format!("{}{}", vector("/people/0/origin"), vector("/people/0/xpub"));
    let (words, private) = (
        vector("/people/0/words"),
        "tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK",
    );
    let told = |secret: &str| AccountKey::parse(secret, NETWORKS[0]).unwrap_err().to_string();
    let (of_words, of_private) = (told(words), told(private));
    bolero::check!().for_each(|bytes: &[u8]| {
        let typed = text(bytes, &[&whole, words, private]);
        for network in NETWORKS {
            match AccountKey::parse(&typed, network) {
                Ok(key) => {
                    let again = AccountKey::parse(&key.to_string(), network).unwrap();
                    assert_eq!(again.to_string(), key.to_string(), "{typed:?}");
                }
                // What may be private is not told again: everybody is told the same.
                Err(why @ KeyRefusal::Private) => assert_eq!(why.to_string(), of_private),
                Err(why @ KeyRefusal::Words) => assert_eq!(why.to_string(), of_words),
                Err(_) => {}
            }
        }
    });
}

#[test]
fn addresses() {
    let seeds = [vector("/trade/address"), "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "bc1pfeessrawgf"];
    bolero::check!().for_each(|bytes: &[u8]| {
        let typed = text(bytes, &seeds);
        for network in NETWORKS {
            if let Ok(address) = address::payable(&typed, network) {
                assert_eq!(address::payable(&address.to_string(), network).unwrap(), address, "{typed:?}");
            }
        }
    });
}

#[test]
fn names_and_texts() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let typed = text(bytes, &["anna-k", "7KQ2M4XN", "IT60 X054 2811 1010 0000 0123 456", "a\u{202e}b"]);
        if let Ok(name) = AccountName::parse(&typed) {
            assert_eq!(AccountName::parse(name.as_str()).unwrap().skeleton(), name.skeleton());
        }
        if let Ok(reference) = typed.parse::<PublicRef>() {
            assert_eq!(reference.to_string().parse(), Ok(reference));
        }
        for chars_max in [1, 40, 2000] {
            for cleaned in
                [prose::clean_line(&typed, chars_max), prose::clean_text(&typed, chars_max)].into_iter().flatten()
            {
                assert!(cleaned.chars().count() <= chars_max);
            }
        }
        if let Ok(lines) = canonical::lines(&typed) {
            assert!(lines.iter().all(|line| !line.contains(['\n', '\r', '\t'])));
        }
        let _ = ruling::evidence_hashes(&typed);
    });
}

#[test]
fn payment_details() {
    let methods: Vec<&'static Method> = MethodId::all().map(MethodId::method).collect();
    let seeds = ["DE89370400440532013000", "COBADEFFXXX", "+393331234567", "20-00-00", "someone@example.org"];
    bolero::check!().for_each(|bytes: &[u8]| {
        let Some((which, rest)) = bytes.split_first() else { return };
        let method = methods[usize::from(*which) % methods.len()];
        let typed = text(rest, &seeds);
        let given: BTreeMap<String, String> =
            method.fields.iter().map(|field| (field.id.clone(), typed.clone())).collect();
        if let Ok(filled) = method.check_payee(&given) {
            // What was put in its normal form stays as it is.
            let again: BTreeMap<String, String> =
                filled.iter().map(|(field, value)| (field.id.clone(), value.clone())).collect();
            assert_eq!(method.check_payee(&again).unwrap().len(), filled.len(), "{typed:?}");
        }
        let _ = method.check_payer(&given);
    });
}
