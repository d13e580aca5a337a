use uuid::Uuid;

use super::*;

const MAKER: UserId = UserId(Uuid::from_u128(1));
const TAKER: UserId = UserId(Uuid::from_u128(2));

fn account(number: u128, method: &str) -> OfferAccount {
    OfferAccount { account: PaymentAccountId(Uuid::from_u128(number)), method: MethodId::parse(method).unwrap() }
}

fn own() -> Vec<OfferAccount> {
    vec![
        account(10, "sepa"),
        account(11, "sepa_instant"),
        account(12, "revolut"),
        account(13, "wise"),
        account(14, "pix"),
    ]
}

fn input() -> OfferInput {
    OfferInput {
        side: "sell".into(),
        currency: "EUR".into(),
        accounts: own().iter().take(2).map(|own| own.account.to_string()).collect(),
        pricing: "fixed".into(),
        price: "58 000".into(),
        total: "5 000".into(),
        min: "100".into(),
        max: "1 000,50".into(),
        ..OfferInput::default()
    }
}

fn draft() -> OfferDraft {
    OfferDraft::read(&input(), &own(), None).unwrap()
}

fn eur(text: &str) -> Fiat {
    Fiat::new(text.parse().unwrap(), Currency::EUR).unwrap()
}

fn offer() -> Offer {
    let draft = draft();
    Offer {
        id: OfferId(Uuid::from_u128(3)),
        reference: PublicRef::from_bits([1; 5]),
        maker: MAKER,
        side: draft.side,
        currency: draft.currency,
        accounts: draft.accounts,
        pricing: draft.pricing,
        total: draft.total,
        reserved: Fiat::zero(Currency::EUR),
        min: draft.min,
        max: draft.max,
        payment_window_minutes: draft.payment_window_minutes,
        confirmations: draft.confirmations,
        terms: draft.terms,
        state: OfferState::Open,
        pause_reason: None,
        version: 1,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn a_form_becomes_an_offer() {
    let draft = draft();
    assert_eq!(draft.side, Side::Seller);
    assert_eq!((draft.min, draft.max, draft.total), (eur("100"), eur("1000.50"), eur("5000")));
    assert_eq!(draft.payment_window_minutes, 1440, "what the slower of the two usually needs");
    assert_eq!(draft.confirmations, 1);
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let nothing = OfferDraft::read(&OfferInput::default(), &own(), None).unwrap_err();
    let fields: Vec<&str> = nothing.fields.iter().map(|field| field.field.as_ref()).collect();
    assert_eq!(fields, ["side", "currency", "accounts"]);
    let refused = |change: fn(&mut OfferInput)| {
        let mut input = input();
        change(&mut input);
        let refusal = OfferDraft::read(&input, &own(), None).unwrap_err();
        refusal.fields.iter().map(|field| field.field.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(refused(|i| i.price = "-1".into()), "price");
    assert_eq!(refused(|i| i.pricing = "market".into()), "percent");
    assert_eq!(refused(|i| i.pricing = "auction".into()), "pricing");
    assert_eq!(refused(|i| i.total = "NaN".into()), "total");
    assert_eq!(refused(|i| i.min = "0".into()), "min");
    assert_eq!(refused(|i| i.min = "5.00".into()), "min", "less than 20 000 satoshis");
    assert_eq!(refused(|i| i.max = "6 000".into()), "max", "more than the total");
    assert_eq!(refused(|i| i.min = "2 000".into()), "min", "more than the upper limit");
    assert_eq!(
        refused(|i| {
            i.total = "900 000".into();
            i.max = "900 000".into()
        }),
        "max",
        "more than 10 bitcoin"
    );
    assert_eq!(refused(|i| i.payment_window = "14".into()), "payment_window");
    assert_eq!(refused(|i| i.payment_window = "4321".into()), "payment_window");
    assert_eq!(refused(|i| i.confirmations = "7".into()), "confirmations");
    assert_eq!(refused(|i| i.terms = "x".repeat(2_001)), "terms");
    assert_eq!(refused(|i| i.accounts = vec![]), "accounts");
    assert_eq!(refused(|i| i.accounts = vec![Uuid::from_u128(99).to_string()]), "accounts", "not the maker's own");
    assert_eq!(refused(|i| i.accounts = vec![own()[4].account.to_string()]), "accounts", "not for this currency");
    assert_eq!(refused(|i| i.accounts = own()[..4].iter().map(|o| o.account.to_string()).collect()), "accounts");
    assert_eq!(refused(|i| i.accounts.push(i.accounts[0].clone())), "accounts", "the same way twice");
}

#[test]
fn the_shown_limit_shrinks_and_the_offer_leaves_the_board() {
    let mut offer = offer();
    assert_eq!(offer.shown_upper(), eur("1000.50"));
    offer.reserved = eur("4500");
    assert_eq!(offer.shown_upper(), eur("500"));
    assert!(offer.is_on_board());
    offer.reserved = eur("4900.01");
    assert!(!offer.is_on_board(), "99.99 are left, 100 is the least");
    offer.reserved = offer.give_back(eur("0.01"));
    assert!(offer.is_on_board());
}

#[test]
fn reservations_never_pass_the_total() {
    let mut offer = offer();
    offer.reserved = eur("4000");
    assert_eq!(offer.reserve(eur("1000")), Ok(eur("5000")));
    assert!(offer.reserve(eur("1000.01")).is_err());
}

#[test]
fn takes_are_refused_in_words() {
    let sepa = MethodId::parse("sepa").unwrap();
    let offer = offer();
    assert_eq!(offer.check_take(TAKER, eur("100"), sepa, 1), Ok(()));
    assert_eq!(offer.check_take(TAKER, eur("1000.50"), sepa, 1), Ok(()));
    assert!(offer.check_take(MAKER, eur("100"), sepa, 1).is_err());
    assert!(offer.check_take(TAKER, eur("99.99"), sepa, 1).is_err());
    assert!(offer.check_take(TAKER, eur("1000.51"), sepa, 1).is_err());
    assert!(offer.check_take(TAKER, eur("100"), sepa, 2).is_err(), "changed since");
    assert!(offer.check_take(TAKER, eur("100"), MethodId::parse("wise").unwrap(), 1).is_err());
    let francs = Fiat::new("200".parse().unwrap(), Currency::CHF).unwrap();
    assert!(offer.check_take(TAKER, francs, sepa, 1).is_err(), "another currency");
    for state in [OfferState::Paused, OfferState::Withdrawn] {
        assert!(Offer { state, ..offer.clone() }.check_take(TAKER, eur("100"), sepa, 1).is_err());
    }
}

#[test]
fn a_withdrawn_offer_stays_withdrawn_and_edits_keep_what_was_taken() {
    let mut offer = offer();
    assert_eq!(offer.turn(OfferState::Paused), Ok(OfferState::Paused));
    offer.reserved = eur("5000");
    assert!(offer.check_edit(&draft()).is_ok());
    assert!(offer.check_edit(&OfferDraft { side: Side::Buyer, ..draft() }).is_err());
    offer.reserved = eur("5000.01");
    assert!(offer.check_edit(&draft()).is_err());
    offer.state = OfferState::Withdrawn;
    assert!(offer.turn(OfferState::Open).is_err());
    assert!(offer.check_edit(&draft()).is_err());
}

#[test]
fn a_fixed_price_needs_no_rate_and_limits_may_meet() {
    assert_eq!(offer().effective_price(None), Some("58000.00".parse().unwrap()));
    let read = |change: fn(&mut OfferInput)| {
        let mut input = input();
        change(&mut input);
        OfferDraft::read(&input, &own(), None)
    };
    assert_eq!(read(|i| i.side = "buy".into()).unwrap().side, Side::Buyer);
    let one_sum = read(|i| (i.total, i.min, i.max) = ("500".into(), "500".into(), "500".into())).unwrap();
    assert_eq!((one_sum.min, one_sum.max, one_sum.total), (eur("500"), eur("500"), eur("500")));
    let slow = read(|i| (i.payment_window, i.confirmations) = ("1441".into(), "3".into())).unwrap();
    assert_eq!((slow.payment_window_minutes, slow.confirmations), (1441, 3));
    let none = read(|i| i.accounts = vec![]).unwrap_err();
    assert!(none.to_string().contains("at least one") || none.fields[0].words.contains("at least one"), "{none}");
}
