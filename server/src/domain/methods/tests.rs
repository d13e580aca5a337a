use std::collections::HashSet;

use super::*;

/// For each kind: what is accepted and what it becomes, and what is refused.
type Example = (FieldKind, &'static [(&'static str, &'static str)], &'static [&'static str]);

const EXAMPLES: &[Example] = &[
    (
        FieldKind::Iban,
        &[
            ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
            ("gb29nwbk60161331926819", "GB29NWBK60161331926819"),
            ("FR14 2004 1010 0505 0001 3M02 606", "FR1420041010050500013M02606"),
            ("NO93 8601 1117 947", "NO9386011117947"),
            ("MT84 MALT 0110 0001 2345 MTLC AST0 01S", "MT84MALT011000012345MTLCAST001S"),
            ("CH93 0076 2011 6238 5295 7", "CH9300762011623852957"),
        ],
        &[
            "DE89370400440532013001",
            "DE8937040044053201300",
            "US12345678",
            "1234",
            "DÉ89370400440532013000",
            "ZZ68539007547034",
        ],
    ),
    (
        FieldKind::Bic,
        &[("deutdeff", "DEUTDEFF"), ("DEUTDEFF500", "DEUTDEFF500"), ("NCBVXKPR", "NCBVXKPR")],
        &["DEUTDEF", "DEUTZZFF", "D3UTDEFF"],
    ),
    (
        FieldKind::Phone,
        &[("+49 (151) 234-56789", "+4915123456789"), ("0049 151 23456789", "+4915123456789")],
        &["0151 23456789", "+0151234567", "+49151234567890123", "+49 1x1", "+"],
    ),
    (
        FieldKind::Email,
        &[("Anna.K+desk@Example.ORG", "Anna.K+desk@example.org")],
        &[
            "anna",
            "anna@",
            "@example.org",
            "anna@example",
            "a..b@example.org",
            "anna@-x.org",
            "anna@1.2.3.4",
            "a b@example.org",
        ],
    ),
    (
        FieldKind::EmailOrPhone,
        &[("a@example.org", "a@example.org"), ("+61 412 345 678", "+61412345678")],
        &["0412 345 678", "a@b"],
    ),
    (FieldKind::SortCode, &[("200000", "20-00-00"), ("20 00 00", "20-00-00")], &["20000", "2000000", "20-00-0a"]),
    (FieldKind::UkAccount, &[("5577 9911", "55779911")], &["5577991", "557799111"]),
    (
        FieldKind::UsRouting,
        &[("021000021", "021000021"), ("121 000 248", "121000248"), ("690000009", "690000009")],
        // The last one has the right check digit, and there is no district 33.
        &["021000022", "021000012", "12100024", "991000021", "330000000"],
    ),
    (FieldKind::UsAccount, &[("1234-5678", "12345678")], &["123", "123456789012345678", "12a45"]),
    (FieldKind::Clabe, &[("032180000118359719", "032180000118359719")], &["032180000118359718", "03218000011835971"]),
    (FieldKind::Bsb, &[("062000", "062-000")], &["06200", "0620000"]),
    (FieldKind::AuAccount, &[("1234 5678", "12345678")], &["1234", "12345678901"]),
    (FieldKind::Ifsc, &[("hdfc0001234", "HDFC0001234")], &["HDFC1001234", "HDF00001234", "HDFC000123"]),
    (FieldKind::Upi, &[("Anna.K@okAxis", "anna.k@okaxis")], &["anna", "anna@ok.axis", "a@okaxis", "anna@@ok"]),
    (
        FieldKind::Pix,
        &[
            ("529.982.247-25", "52998224725"),
            ("11.222.333/0001-81", "11222333000181"),
            ("+55 11 91234-5678", "+5511912345678"),
            ("Anna@Example.org", "anna@example.org"),
            ("123E4567-e89b-42d3-a456-426614174000", "123e4567-e89b-42d3-a456-426614174000"),
        ],
        &[
            "529.982.247-24",
            "111.111.111-11",
            "11.222.333/0001-80",
            "+49 151 23456789",
            "123e4567-e89b-42d3-a456-42661417400z",
            "123",
        ],
    ),
    (
        FieldKind::Cbu,
        &[("2850590940090418135201", "2850590940090418135201")],
        &["2850590940090418135202", "2850590840090418135201", "285059094009041813520"],
    ),
    (FieldKind::AccountNumber, &[("01-0902-0068389-00", "010902006838900")], &["12", "ABCDEFG", "1234ü"]),
    (
        FieldKind::Name,
        &[("  Anna  Kovács ", "Anna Kovács"), ("王小明", "王小明"), ("Ngozi O'Brien-Adé", "Ngozi O'Brien-Adé")],
        &["Anna", "Anna 123", "<b>Anna K</b>", "A\u{202e}na K"],
    ),
    (FieldKind::Handle, &[("@anna-k", "@anna-k"), ("$anna", "$anna")], &["@", "anna k", "anna<script>"]),
    (FieldKind::Address, &[("Ringstr. 1, 10115 Berlin", "Ringstr. 1, 10115 Berlin")], &["a\u{0}b"]),
    (FieldKind::City, &[("São Paulo", "São Paulo")], &["1", "?"]),
    (FieldKind::Text, &[("Any bank", "Any bank")], &["a\u{2066}b"]),
];

#[test]
fn every_kind_of_field_accepts_the_right_and_refuses_the_wrong() {
    for (kind, accepted, refused) in EXAMPLES {
        for (typed, meant) in *accepted {
            assert_eq!(checks::check(*kind, typed).as_deref(), Ok(*meant), "{kind:?} {typed}");
        }
        for typed in *refused {
            let words = checks::check(*kind, typed).expect_err(typed).to_string();
            assert!(words.ends_with('.'), "{kind:?} {typed}: {words}");
        }
    }
}

#[test]
fn every_kind_of_field_in_the_data_file_has_examples() {
    let shown: HashSet<FieldKind> = EXAMPLES.iter().map(|(kind, ..)| *kind).collect();
    let used: HashSet<FieldKind> =
        Method::all().iter().flat_map(|method| &method.fields).map(|field| field.kind).collect();
    assert_eq!(used.difference(&shown).count(), 0);
    assert!(used.len() >= 20, "{}", used.len());
}

#[test]
fn one_wrong_digit_in_an_iban_never_passes() {
    let iban = "DE89370400440532013000";
    for place in 2..iban.len() {
        for digit in '0'..='9' {
            let changed: String = iban.chars().enumerate().map(|(at, c)| if at == place { digit } else { c }).collect();
            assert_eq!(checks::check(FieldKind::Iban, &changed).is_ok(), changed == iban, "{changed}");
        }
    }
}

#[test]
fn the_data_file_can_be_read_and_has_real_choice() {
    serde_json::from_str::<Vec<Method>>(include_str!("../methods.json")).unwrap();
    assert!(Method::all().len() >= 45);
    let kinds: HashSet<MethodKind> = Method::all().iter().map(|method| method.kind).collect();
    assert_eq!(kinds.len(), 6);
}

#[test]
fn every_way_to_pay_is_complete() {
    let mut ids = HashSet::new();
    for method in Method::all() {
        let id = &method.id;
        assert!(ids.insert(id.clone()), "{id} twice");
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{id}");
        assert!(!method.label.is_empty() && !method.usual_time.is_empty(), "{id}");
        assert!(
            method.payer_fields().any(|field| field.kind == FieldKind::Name && field.required),
            "{id}: payer's name"
        );
        assert!(
            method.payee_fields().any(|field| field.kind == FieldKind::Name && field.required),
            "{id}: payee's name"
        );
        assert!(method.payee_fields().filter(|field| field.required).count() >= 2, "{id}: more than a name");
        let field_ids: HashSet<&str> = method.fields.iter().map(|field| field.id.as_str()).collect();
        assert_eq!(field_ids.len(), method.fields.len(), "{id}: field ids");
        assert!(method.evidence.buyer.len() >= 2 && method.evidence.seller.len() >= 2, "{id}: evidence");
        assert_eq!(method.reversible, method.risk == Some(Risk::Reversible), "{id}: the word");
    }
}

#[test]
fn every_way_to_pay_names_real_countries_and_has_sane_windows() {
    const DAYS_30_IN_MINUTES: u32 = 30 * 24 * 60;
    for method in Method::all() {
        let id = &method.id;
        match &method.countries {
            Scope::These(list) => {
                assert!(!list.is_empty(), "{id}");
                list.iter().for_each(|c| assert!(rust_iso3166::from_alpha2(c).is_some(), "{id}: {c}"));
            }
            Scope::All(word) => assert_eq!(word, "all", "{id}"),
        }
        match &method.currencies {
            Scope::These(list) => assert!(!list.is_empty(), "{id}"),
            Scope::All(word) => assert_eq!(word, "all", "{id}"),
        }
        let (usual, longest) = (method.payment_window_minutes, method.payment_window_minutes_max);
        assert!((15..=longest).contains(&usual) && longest <= DAYS_30_IN_MINUTES, "{id}: payment window");
        assert!(method.release_window_minutes > method.hold_minutes, "{id}: the hold is part of the release window");
    }
}

#[test]
fn a_form_is_checked_as_a_whole_and_every_wrong_field_is_named() {
    let sepa = MethodId::parse("sepa").unwrap().method();
    let filled = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let good =
        sepa.check_payee(&filled(&[("name", "Anna Kovács"), ("iban", "de89 3704 0044 0532 0130 00"), ("bic", " ")]));
    let values: Vec<(&str, String)> =
        good.unwrap().into_iter().map(|(field, value)| (field.id.as_str(), value)).collect();
    assert_eq!(values, [("name", "Anna Kovács".to_owned()), ("iban", "DE89370400440532013000".to_owned())]);

    let refusal = sepa.check_payee(&filled(&[("name", "Anna"), ("bic", "nonsense")])).unwrap_err();
    let fields: Vec<&str> = refusal.fields.iter().map(|field| field.field.as_ref()).collect();
    assert_eq!(fields, ["name", "iban", "bic"]);

    let brazil =
        sepa.check_payee(&filled(&[("name", "Anna K"), ("iban", "BR1500000000000010932840814P2")])).unwrap_err();
    assert_eq!(brazil.all_words(), "This way to pay does not reach accounts of BR.");
    assert!(sepa.check_payer(&filled(&[("name", "Anna Kovács")])).is_ok());
    assert!(sepa.check_payer(&filled(&[])).is_err());
}

#[test]
fn ids_are_found_by_name_and_by_currency() {
    assert_eq!(MethodId::parse("barter"), Err(NoSuchMethod));
    let id = MethodId::parse("pix").unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), r#""pix""#);
    assert_eq!(serde_json::from_str::<MethodId>(r#""pix""#).unwrap(), id);
    assert!(MethodId::for_currency(Currency::parse("BRL").unwrap()).any(|other| other == id));
    assert!(!MethodId::for_currency(Currency::EUR).any(|other| other == id));
    let cash = MethodId::parse("cash_in_person").unwrap();
    assert!(Currency::all().into_iter().all(|currency| MethodId::for_currency(currency).any(|id| id == cash)));
}

#[test]
fn a_way_to_pay_has_its_name_and_its_risk() {
    let sepa = MethodId::parse("sepa").unwrap();
    assert_eq!(format!("{sepa:?}"), "sepa");
    for method in Method::all() {
        assert_eq!(method.risk_word(), method.risk.map(Risk::as_str), "{}", method.id);
    }
    assert!(Method::all().iter().any(|method| method.risk_word() == Some("reversible")));
}

#[test]
fn checks_accept_up_to_their_limits_and_nothing_odd() {
    use super::checks::{compact, email};
    assert!(compact(&"A1".repeat(20), "").is_ok() && compact(&"A".repeat(41), "").is_err());
    assert!(compact(" - ", "").is_err() && compact("Ä1", "").is_err());
    for odd in ["a@-example.org", "a@example-.org", ".a@example.org", "a.@example.org", "a@example.1", "a@localhost"] {
        assert!(email(odd).is_err(), "{odd}");
    }
    assert!(email("a@exa_mple.org").is_err() && email("a@exämple.org").is_err(), "letters that no domain has");
    assert!(email("a-b.c@my-example.org").is_ok());
    // 254 characters altogether, as every mail server takes.
    let long = |count: usize| {
        format!("a@{}.org", ["b".repeat(60), "c".repeat(60), "d".repeat(60), "e".repeat(count)].join("."))
    };
    assert_eq!((long(65 - 2).len(), email(&long(63)).is_ok()), (252, true));
    let longest = format!("aa{}", long(63));
    assert_eq!((longest.len(), email(&longest).is_ok()), (254, true));
    assert!(email(&format!("a{longest}")).is_err());
}

#[test]
fn an_iban_begins_with_two_letters_and_two_digits() {
    use super::checks::CheckRefusal;
    use super::iban::iban;
    for odd in ["D", "DE8", "1289370400440532013000", "DEX9370400440532013000", "D189370400440532013000", "DE"] {
        assert!(matches!(iban(odd), Err(CheckRefusal::Shape(words)) if words.contains("two letters")), "{odd}");
    }
}

#[test]
fn names_and_cities_of_every_script_are_accepted() {
    use super::checks::check;
    let name = FieldKind::Name;
    for given in ["रवि कुमार", "สมชาย ใจดี", "Zoë Müller"] {
        assert!(check(name, given).is_ok(), "{given}");
    }
    assert!(check(name, "Anna ٣").is_err() && check(name, "Anna").is_err());
    assert!(check(name, "कृष्ण कुमार").is_ok(), "its virama is a mark and no letter");
    assert!(check(name, "रवि कुमार५").is_err(), "a digit among the marks of its script");
    assert!(check(FieldKind::City, "Au").is_ok() && check(FieldKind::City, "A").is_err());
}
