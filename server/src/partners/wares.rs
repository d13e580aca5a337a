//! What the cast brings along: ways to be paid and offers, one currency each. The account numbers are the examples that
//! banks print in their handbooks.

/// Said at the end of the terms of each offer.
pub const PRACTICE_TERMS: &str = "\n\nThis is a practice partner: a program that answers by itself.";

/// A saved way to be paid, by its method's id and fields.
#[derive(Debug)]
pub struct Way {
    pub owner: &'static str,
    pub method: &'static str,
    pub label: &'static str,
    pub fields: &'static [(&'static str, &'static str)],
}

/// An offer; its maker takes all the ways he has.
#[derive(Debug)]
pub struct Ware {
    pub owner: &'static str,
    /// As the form says it: `sell` or `buy`.
    pub side: &'static str,
    pub currency: &'static str,
    /// `fixed` with a price, or `market` with percent.
    pub price: (&'static str, &'static str),
    pub total: &'static str,
    pub min: &'static str,
    pub max: &'static str,
    pub terms: &'static str,
}

pub const WAYS: [Way; 7] = [
    Way {
        owner: "anna-k",
        method: "sepa_instant",
        label: "Household account",
        fields: &[("name", "Anna Kowalska"), ("iban", "NL91ABNA0417164300")],
    },
    Way {
        owner: "miro",
        method: "sepa_instant",
        label: "Main account",
        fields: &[("name", "Miroslav Novak"), ("iban", "DE89370400440532013000")],
    },
    Way {
        owner: "miro",
        method: "revolut",
        label: "Phone",
        fields: &[("name", "Miroslav Novak"), ("handle", "@mironovak")],
    },
    Way {
        owner: "lena-m",
        method: "twint",
        label: "Phone",
        fields: &[("name", "Lena Meier"), ("phone", "+41791234567")],
    },
    Way {
        owner: "tomas",
        method: "faster_payments",
        label: "Current account",
        fields: &[("name", "Tomas Reyes"), ("sort_code", "20-00-00"), ("account", "55779911")],
    },
    Way {
        owner: "tomas",
        method: "wise",
        label: "Wise",
        fields: &[("name", "Tomas Reyes"), ("handle", "@tomasreyes")],
    },
    Way {
        owner: "dara",
        method: "wise",
        label: "Wise",
        fields: &[("name", "Dara Whitfield"), ("handle", "@darawhitfield")],
    },
];

pub const WARES: [Ware; 10] = [
    Ware {
        owner: "miro",
        side: "sell",
        currency: "EUR",
        price: ("market", "1.5"),
        total: "20000",
        min: "50",
        max: "1500",
        terms: "I answer at once. Money from your own account only.",
    },
    Ware {
        owner: "anna-k",
        side: "sell",
        currency: "EUR",
        price: ("market", "0.8"),
        total: "30000",
        min: "1000",
        max: "6000",
        terms: "For larger amounts.",
    },
    Ware {
        owner: "miro",
        side: "buy",
        currency: "EUR",
        price: ("market", "-1"),
        total: "20000",
        min: "100",
        max: "1000",
        terms: "",
    },
    Ware {
        owner: "lena-m",
        side: "sell",
        currency: "CHF",
        price: ("fixed", "55800"),
        total: "8000",
        min: "40",
        max: "500",
        terms: "TWINT only, within five minutes.",
    },
    Ware {
        owner: "lena-m",
        side: "buy",
        currency: "CHF",
        price: ("market", "-0.5"),
        total: "8000",
        min: "100",
        max: "2000",
        terms: "",
    },
    Ware {
        owner: "tomas",
        side: "sell",
        currency: "GBP",
        price: ("market", "2"),
        total: "8000",
        min: "50",
        max: "900",
        terms: "Faster Payments or Wise. No reference to coins in the payment, please.",
    },
    Ware {
        owner: "anna-k",
        side: "buy",
        currency: "EUR",
        price: ("market", "-0.3"),
        total: "8000",
        min: "50",
        max: "400",
        terms: "",
    },
    Ware {
        owner: "tomas",
        side: "buy",
        currency: "GBP",
        price: ("market", "-1.2"),
        total: "8000",
        min: "50",
        max: "900",
        terms: "",
    },
    Ware {
        owner: "dara",
        side: "sell",
        currency: "USD",
        price: ("market", "1.2"),
        total: "9000",
        min: "50",
        max: "1000",
        terms: "Wise only.",
    },
    Ware {
        owner: "dara",
        side: "buy",
        currency: "USD",
        price: ("market", "-0.8"),
        total: "9000",
        min: "50",
        max: "1000",
        terms: "Wise only.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MethodId;

    #[test]
    fn every_way_names_a_method_of_the_desk_and_fields_it_takes() {
        for way in &WAYS {
            let method = MethodId::parse(way.method).unwrap().method();
            for (field, _) in way.fields {
                assert!(method.fields.iter().any(|known| known.id == *field), "{}: {field}", way.method);
            }
        }
    }

    #[test]
    fn every_maker_can_be_paid_in_his_currency() {
        for ware in &WARES {
            let currency = crate::domain::Currency::parse(ware.currency).unwrap();
            let mut ways = WAYS.iter().filter(|way| way.owner == ware.owner).peekable();
            assert!(ways.peek().is_some(), "{}", ware.owner);
            for way in ways {
                assert!(MethodId::parse(way.method).unwrap().method().currencies.includes(&currency), "{}", way.method);
            }
        }
    }

    /// An offer is known again by these three.
    #[test]
    fn nobody_has_two_offers_alike_and_three_currencies_are_traded_both_ways() {
        use std::collections::BTreeSet;
        let alike: BTreeSet<_> = WARES.iter().map(|ware| (ware.owner, ware.side, ware.currency)).collect();
        assert_eq!(alike.len(), WARES.len());
        let of = |side| WARES.iter().filter(move |ware| ware.side == side).map(|ware| ware.currency);
        let (sold, bought): (BTreeSet<_>, BTreeSet<_>) = (of("sell").collect(), of("buy").collect());
        assert!(sold.intersection(&bought).count() >= 3);
    }
}
