//! What the cast brings along: ways to be paid and offers, one currency each. The account numbers are the examples that
//! banks print in their handbooks.

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

pub const WAYS: [Way; 6] = [
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
];

pub const WARES: [Ware; 7] = [
    Ware {
        owner: "miro",
        side: "sell",
        currency: "EUR",
        price: ("market", "1.5"),
        total: "5000",
        min: "50",
        max: "1500",
        terms: "I answer within minutes during the day. Money from your own account only.",
    },
    Ware {
        owner: "miro",
        side: "sell",
        currency: "EUR",
        price: ("market", "0.8"),
        total: "12000",
        min: "1000",
        max: "6000",
        terms: "For larger amounts. Please write first when it is late.",
    },
    Ware {
        owner: "miro",
        side: "buy",
        currency: "EUR",
        price: ("market", "-1"),
        total: "3000",
        min: "100",
        max: "1000",
        terms: "",
    },
    Ware {
        owner: "lena-m",
        side: "sell",
        currency: "CHF",
        price: ("fixed", "55800"),
        total: "2000",
        min: "40",
        max: "500",
        terms: "TWINT only, within five minutes.",
    },
    Ware {
        owner: "lena-m",
        side: "buy",
        currency: "CHF",
        price: ("market", "-0.5"),
        total: "4000",
        min: "100",
        max: "2000",
        terms: "",
    },
    Ware {
        owner: "tomas",
        side: "sell",
        currency: "GBP",
        price: ("market", "2"),
        total: "3500",
        min: "50",
        max: "900",
        terms: "Faster Payments or Wise. No reference to coins in the payment, please.",
    },
    Ware {
        owner: "anna-k",
        side: "buy",
        currency: "EUR",
        price: ("market", "-0.3"),
        total: "800",
        min: "50",
        max: "400",
        terms: "",
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
}
