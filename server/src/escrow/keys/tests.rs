use bitcoin::base58;
use bitcoin::secp256k1::Secp256k1;

use super::*;
use crate::escrow::arbiter::ArbiterLevel;
use crate::escrow::testing;

const REGTEST: Network = Network::Regtest;

/// BIP-48's shape on mainnet: the key of the first test wallet, re-versioned and with coin 0.
fn mainnet(key: &AccountKey) -> String {
    let xpub = reversioned(key.xpub(), [0x04, 0x88, 0xb2, 0x1e]);
    format!("[{}/48'/0'/0'/2']{xpub}", key.fingerprint())
}

fn reversioned(xpub: &Xpub, version: [u8; 4]) -> String {
    let mut bytes = xpub.encode();
    bytes[..4].copy_from_slice(&version);
    base58::encode_check(&bytes)
}

fn refused(text: &str) -> KeyRefusal {
    AccountKey::parse(text, REGTEST).unwrap_err()
}

#[test]
fn a_key_reads_in_every_notation_that_wallets_write() {
    let key = testing::buyer();
    let text = key.to_string();
    let vpub = reversioned(key.xpub(), [0x02, 0x57, 0x54, 0x83]);
    assert!(vpub.starts_with("Vpub"));
    let spellings = [
        text.clone(),
        format!("  {text}\n"),
        text.replace('\'', "h"),
        text.replace('\'', "H"),
        format!("{text}/<0;1>/*"),
        format!("{text}/0/*"),
        format!("{text}/**"),
        format!("{}{vpub}", key.origin()),
        text.replace(&key.fingerprint().to_string(), &key.fingerprint().to_string().to_uppercase()),
    ];
    for spelling in spellings {
        let read = AccountKey::parse(&spelling, REGTEST).unwrap();
        assert_eq!((read.to_string(), read.identity()), (text.clone(), key.identity()), "{spelling}");
    }
    let main = AccountKey::parse(&mainnet(&key), Network::Bitcoin).unwrap();
    assert!(main.to_string().contains("/48'/0'/0'/2']xpub"));
    assert_eq!(main.identity(), key.identity());
}

#[test]
fn a_key_is_the_same_from_its_text_and_from_what_was_kept_unpacked() {
    let (key, seller) = (testing::buyer(), testing::seller());
    let vpub = reversioned(key.xpub(), [0x02, 0x57, 0x54, 0x83]);
    let read = AccountKey::parse(&format!("{}{vpub}", key.origin()), REGTEST).unwrap();
    let whole = EscrowKey::of_trader(&key);
    assert_eq!(EscrowKey::of_trader(&read), whole, "however its xpub was written");
    let kept = read.unpacked().unwrap();
    let again = AccountKey::from_unpacked(&key.to_string(), &kept, REGTEST).unwrap();
    assert_eq!((EscrowKey::of_trader(&again), again.xpub()), (whole.clone(), key.xpub()));
    assert_eq!((again.to_string(), again.account(), again.unpacked()), (key.to_string(), key.account(), Some(kept)));
    let main = AccountKey::parse(&mainnet(&key), Network::Bitcoin).unwrap();
    let again = AccountKey::from_unpacked(&main.to_string(), &main.unpacked().unwrap(), Network::Bitcoin).unwrap();
    assert_eq!((again.to_string(), again.xpub()), (main.to_string(), main.xpub()));
    for n in [0, 1, 899] {
        let index = EscrowIndex::new(n).unwrap();
        let derived = key.xpub().derive_pub(&*CURVE, &index.suffix()).unwrap();
        assert_eq!(whole.public_key_at(index), Some(PublicKey::new(derived.public_key)));
        let other = AccountKey::from_unpacked(&key.to_string(), &seller.unpacked().unwrap(), REGTEST).unwrap();
        assert_ne!(EscrowKey::of_trader(&other).public_key_at(index), whole.public_key_at(index), "it is what is used");
    }
    for place in [12, 12 + 97] {
        let mut none = kept;
        none[place..place + 65].fill(7);
        assert!(AccountKey::from_unpacked(&key.to_string(), &none, REGTEST).is_none(), "no point of the curve");
    }
    for text in ["", "]", &key.xpub().to_string(), &key.origin()] {
        assert!(AccountKey::from_unpacked(text, &kept, REGTEST).is_none(), "{text}");
    }
}

#[test]
fn everything_private_is_refused_wherever_it_stands_and_never_repeated() {
    let xprv = "tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK";
    for prefix in ["xprv", "tprv", "yprv", "zprv", "Yprv", "Zprv", "uprv", "vprv", "Uprv", "Vprv"] {
        assert_eq!(refused(&format!("{prefix}{}", &xprv[4..])), KeyRefusal::Private, "{prefix}");
    }
    assert_eq!(refused(&format!("[d34db33f/48'/1'/0'/2']{xprv}")), KeyRefusal::Private);
    assert_eq!(refused(&format!("wsh(sortedmulti(2,{xprv}/*,tpub…))")), KeyRefusal::Private);
    assert_eq!(refused("KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn"), KeyRefusal::Private, "WIF");
    assert_eq!(refused(testing::WORDS[0]), KeyRefusal::Words);
    assert_eq!(refused(&format!("1. {}", testing::WORDS[1].replace(' ', ", "))), KeyRefusal::Words);
    assert_eq!(refused(&testing::WORDS[2].to_uppercase()), KeyRefusal::Words);
    let spanish = "yodo yodo ámbar ábaco yodo yodo yodo yodo yodo yodo yodo eñe";
    assert_eq!(refused(spanish), KeyRefusal::Words);
    assert_eq!(refused("的 的 的 的 的 的 的 的 的 的 的 在"), KeyRefusal::Words);
    let bip_38 = "6PRVWUbkzzsbcVac2qwfssoUJAN1Xhrg6bNk8J7Nzm5H7kxEbn2Nh2ZoGg";
    assert_eq!(refused(bip_38), KeyRefusal::Private);
    for why in [KeyRefusal::Private, KeyRefusal::Words] {
        assert!(!why.to_string().contains("8ZgxMBicQ"));
    }
}

#[test]
fn keys_of_other_accounts_and_networks_are_refused_in_their_own_words() {
    let key = testing::buyer();
    let (origin, tpub) = (key.origin(), key.xpub().to_string());
    let slip = |version| format!("{origin}{}", reversioned(key.xpub(), version));
    assert_eq!(refused(&slip([0x04, 0x5f, 0x1c, 0xf6])), KeyRefusal::SingleSignature("vpub"));
    assert_eq!(refused(&slip([0x04, 0xb2, 0x47, 0x46])), KeyRefusal::SingleSignature("zpub"));
    assert_eq!(refused(&slip([0x04, 0x9d, 0x7c, 0xb2])), KeyRefusal::SingleSignature("ypub"));
    assert_eq!(refused(&slip([0x02, 0x42, 0x89, 0xef])), KeyRefusal::Nested("Upub"));
    let mainnet = mainnet(&key);
    assert_eq!(refused(&mainnet), KeyRefusal::WrongNetwork { wanted: REGTEST, found: "mainnet" });
    let coin_0 = format!("{}{tpub}", origin.replace("/1'", "/0'"));
    assert_eq!(refused(&coin_0), KeyRefusal::WrongCoin { coin: 1, found: 0 });
    assert_eq!(refused(&tpub), KeyRefusal::MissingOrigin);
    assert_eq!(refused(&format!("wsh(sortedmulti(2,{key}/<0;1>/*))")), KeyRefusal::Descriptor);
}

#[test]
fn an_origin_that_does_not_fit_is_refused_in_its_own_words() {
    let key = testing::buyer();
    let tpub = key.xpub().to_string();
    let with = |origin: &str| refused(&format!("[{origin}]{tpub}"));
    assert_eq!(with("d34db33/48'/1'/0'/2'"), KeyRefusal::Fingerprint);
    assert_eq!(with("d34db33g/48'/1'/0'/2'"), KeyRefusal::Fingerprint);
    assert_eq!(with("00000000/48'/1'/0'/2'"), KeyRefusal::UnknownFingerprint);
    assert_eq!(with("d34db33f"), KeyRefusal::Path { coin: 1 });
    assert_eq!(with("d34db33f/48'/1'/2147483648'/2'"), KeyRefusal::Path { coin: 1 }, "account above 2^31-1");
    for wrong in [
        "d34db33f/84'/1'/0'",
        "d34db33f/48'/1'/0'/1'",
        "d34db33f/48/1'/0'/2'",
        "d34db33f/48'/1'/0/2'",
        "d34db33f/48'/1'/0'/2'/7",
    ] {
        assert!(matches!(with(wrong), KeyRefusal::WrongPath { coin: 1, .. }), "{wrong}");
    }
    let deeper = key.xpub().ckd_pub(&Secp256k1::new(), ChildNumber::Normal { index: 0 }).unwrap();
    assert_eq!(refused(&format!("{}{deeper}", key.origin())), KeyRefusal::Depth { depth: 5 });
    let other_script = Xpub { child_number: ChildNumber::Hardened { index: 1 }, ..*key.xpub() };
    assert!(matches!(refused(&format!("{}{other_script}", key.origin())), KeyRefusal::Child { .. }));
}

#[test]
fn garbage_is_refused_as_garbage() {
    let key = testing::buyer();
    let damaged = key.to_string().replacen("tpub", "tpuc", 1);
    let long = "9".repeat(600);
    for text in ["", "[]", "hello", "[d34db33f/48'/1'/0'/2']", "[d34db33f/48'/1'/0'/2']ｔpub", &damaged, &long, "\u{0}"]
    {
        assert!(matches!(refused(text), KeyRefusal::Garbage), "{text}: {}", refused(text));
    }
    assert_eq!(refused("[d34db33f"), KeyRefusal::MissingOrigin);
}

#[test]
fn equal_keys_are_equal_whatever_is_written_before_them() {
    let key = testing::buyer();
    let renamed = format!("[d34db33f/48'/1'/9'/2']{}", key.xpub());
    let renamed = AccountKey::parse(&renamed, REGTEST).unwrap();
    assert_eq!(key, renamed);
    assert_eq!(key.identity(), renamed.identity());
    assert_ne!(key, testing::seller());
}

#[test]
fn the_index_ends_at_900_and_an_arbiters_key_reads_back() {
    assert!(EscrowIndex::new(900).is_some());
    assert_eq!(EscrowIndex::new(901), None);
    let level = ArbiterLevel::new(7).unwrap();
    let key = EscrowKey::of_arbiter(&testing::arbiter(), level);
    assert!(key.origin().ends_with("/2'/7]"));
    let (origin, xpub) = (key.origin(), key.xpub().to_string());
    assert_eq!(EscrowKey::read_arbiter(&origin, &xpub, level, REGTEST), Ok(key));
    let other = ArbiterLevel::new(8).unwrap();
    assert!(EscrowKey::read_arbiter(&origin, &xpub, other, REGTEST).is_err());
    assert!(EscrowKey::read_arbiter(&origin.replace("/7]", "/8]"), &xpub, other, REGTEST).is_err());
    let account = testing::arbiter().xpub().to_string();
    assert!(EscrowKey::read_arbiter(&origin, &account, level, REGTEST).is_err());
}

#[test]
fn a_key_tells_its_account_and_what_it_is() {
    let (buyer, seller) = (testing::buyer(), testing::seller());
    let ninth = AccountKey::parse(&format!("[d34db33f/48'/1'/9'/2']{}", buyer.xpub()), REGTEST).unwrap();
    assert_eq!((buyer.account(), ninth.account()), (0, 9));
    assert_ne!(buyer.identity(), seller.identity());
    // Another chain code makes other children: it is another key.
    let mut other = *buyer.xpub();
    other.chain_code = seller.xpub().chain_code;
    assert_ne!(AccountKey::parse(&format!("{}{other}", buyer.origin()), REGTEST).unwrap(), buyer);
    // What is no private key is not called one, and blanks up to the limit are no harm.
    for text in [&"K".repeat(51), &"6P".repeat(20), &"7".repeat(58)] {
        assert_eq!(refused(text), KeyRefusal::Garbage, "{text}");
    }
}

#[test]
fn keys_of_other_kinds_are_named() {
    let named = |version: u32| {
        let mut bytes = testing::buyer().xpub().encode().to_vec();
        bytes[..4].copy_from_slice(&version.to_be_bytes());
        refused(&bitcoin::base58::encode_check(&bytes))
    };
    for (version, name) in [(0x049d_7cb2, "ypub"), (0x04b2_4746, "zpub"), (0x044a_5262, "upub"), (0x045f_1cf6, "vpub")]
    {
        assert_eq!(named(version), KeyRefusal::SingleSignature(name));
    }
    for (version, name) in [(0x0295_b43f, "Ypub"), (0x0242_89ef, "Upub")] {
        assert_eq!(named(version), KeyRefusal::Nested(name));
    }
    assert_eq!(named(0), KeyRefusal::Garbage);
}
