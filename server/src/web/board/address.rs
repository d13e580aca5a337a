//! The board's URL: read into a filter, and written again in one form only.

use rust_decimal::Decimal;
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use super::super::posted::Fields;
use crate::desk::board::Filter;
use crate::domain::{Currency, MethodId, Side};

/// Longer than any amount; what is longer is not kept in a cache.
const AMOUNT_CHARS_MAX: usize = 40;

/// Reads a query string; what makes no sense is left out, an amount is judged later, in its currency.
pub fn read(fields: &Fields) -> Filter {
    let country = fields.text("country").to_ascii_uppercase();
    Filter {
        side: if fields.text("side") == "sell" { Side::Buyer } else { Side::Seller },
        currency: Currency::parse(fields.text("currency")).ok(),
        amount: fields.text("amount").chars().take(AMOUNT_CHARS_MAX + 1).collect(),
        method: MethodId::parse(fields.text("method")).ok().map(MethodId::as_str),
        country: rust_iso3166::from_alpha2(&country).map(|_| country),
        after: fields
            .text("after")
            .split_once('~')
            .and_then(|(price, id)| Some((Decimal::from_str_exact(price).ok()?, Uuid::parse_str(id).ok()?))),
    }
}

/// The visitor's verb: who wants to buy looks at sellers.
pub fn verb(makers: Side) -> &'static str {
    match makers {
        Side::Seller => "buy",
        Side::Buyer => "sell",
    }
}

/// The URL of a filter, parts that say nothing left out.
pub fn write(filter: &Filter) -> String {
    let mut query = Serializer::new(String::new());
    if filter.side == Side::Buyer {
        query.append_pair("side", verb(filter.side));
    }
    if let Some(currency) = filter.currency {
        query.append_pair("currency", currency.code());
    }
    if !filter.amount.is_empty() {
        query.append_pair("amount", &filter.amount);
    }
    if let Some(method) = filter.method {
        query.append_pair("method", method);
    }
    if let Some(country) = &filter.country {
        query.append_pair("country", country);
    }
    if let Some((price, id)) = filter.after {
        query.append_pair("after", &format!("{}~{id}", price.normalize()));
    }
    let query = query.finish();
    if query.is_empty() { "/".into() } else { format!("/?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_and_write(query: &str) -> String {
        write(&read(&Fields::decode(query.as_bytes())))
    }

    #[test]
    fn a_filter_has_one_address_however_it_was_written() {
        assert_eq!(read_and_write("side=buy&currency=&amount=&method=&country="), "/");
        assert_eq!(
            read_and_write("country=de&amount=+500+&currency=eur&side=sell"),
            "/?side=sell&currency=EUR&amount=500&country=DE"
        );
        let after = "after=58420.10%7E00000000-0000-0000-0000-000000000001";
        assert_eq!(read_and_write(after), "/?after=58420.1%7E00000000-0000-0000-0000-000000000001");
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        assert_eq!(read_and_write("currency=XXX&method=gold&country=ZZ&after=x~y&side=<script>"), "/");
        assert!(read(&Fields::decode(format!("amount={}", "9".repeat(500)).as_bytes())).amount.len() < 50);
    }
}
