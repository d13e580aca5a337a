//! The board: what can be taken now, read once per change for everybody.

use jiff::Timestamp;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::quotes::Market;
use super::{Desk, Done};
use crate::domain::methods::Method;
use crate::domain::price::{sats_for, vs_market_percent};
use crate::domain::reputation::Reputation;
use crate::domain::{Currency, Fiat, MethodId, Pricing, PublicRef, Rate, Side, UserId};
use crate::store::board::{self, BoardRow, Search};
use crate::store::{GenericClient, offers, reputation};

pub use crate::store::board::Counts;

/// Rows of one page.
pub const PAGE_ROWS: usize = 25;

/// What a visitor looks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The makers' side: who wants to buy looks at sellers.
    pub side: Side,
    /// None: the busiest.
    pub currency: Option<Currency>,
    /// As typed; read in the board's currency.
    pub amount: String,
    pub method: Option<&'static str>,
    /// ISO 3166 alpha-2.
    pub country: Option<String>,
    /// Where the page before ended.
    pub after: Option<(Decimal, Uuid)>,
}

/// One offer on the board.
#[derive(Debug, Clone)]
pub struct Line {
    pub reference: PublicRef,
    pub maker: UserId,
    pub maker_name: String,
    pub reputation: Reputation,
    pub price: Decimal,
    /// Percent above the reference rate, if there is one.
    pub vs_market: Option<Decimal>,
    pub floats: bool,
    pub min: Fiat,
    pub upper: Fiat,
    /// The limits at this price, in bitcoin.
    pub min_amount: bitcoin::Amount,
    pub upper_amount: bitcoin::Amount,
    pub methods: Vec<MethodId>,
    pub payment_window_minutes: u32,
}

/// One page of the board with what explains it.
#[derive(Debug, Clone)]
pub struct Board {
    pub filter: Filter,
    pub currency: Currency,
    /// Currencies with offers on this side, the busiest first.
    pub currencies: Vec<(Currency, i64)>,
    pub amount: Option<Fiat>,
    pub amount_problem: Option<String>,
    pub market: Market,
    pub counts: Counts,
    pub lines: Vec<Line>,
    /// Where the next page begins.
    pub next: Option<(Decimal, Uuid)>,
    pub paused_why: Option<String>,
}

impl Board {
    /// Whether nothing narrows it but side and currency.
    pub fn filter_is_plain(&self) -> bool {
        self.filter.amount.is_empty() && self.filter.method.is_none() && self.filter.country.is_none()
    }

    /// When floating offers will leave unless the rate is set anew.
    pub fn rate_ends_at(&self, max_age: jiff::SignedDuration) -> Option<Timestamp> {
        self.market.fresh_rate().and_then(|rate| rate.set_at.checked_add(max_age).ok())
    }
}

/// Moves with every change of the board.
pub async fn version(desk: &Desk) -> Done<i64> {
    Ok(board::version(&desk.store.connection().await?).await?)
}

/// Reads one page.
pub async fn read(desk: &Desk, filter: &Filter) -> Done<Board> {
    let client = desk.store.connection().await?;
    let currencies = board::currencies(&client, filter.side).await?;
    let busiest = currencies.first().map_or(Currency::EUR, |(currency, _)| *currency);
    let currency = filter.currency.unwrap_or(busiest);
    let market = Market::of(desk, &client, currency).await?;
    let (amount, amount_problem) = match filter.amount.as_str() {
        "" => (None, None),
        typed => match Fiat::parse(typed, currency) {
            Ok(fiat) => (Some(fiat), None),
            Err(refusal) => (None, Some(refusal.words)),
        },
    };
    let search = search(filter, currency, &market, amount);
    let counts = board::counts(&client, &search).await?;
    let mut rows = board::page(&client, &search).await?;
    let more = rows.len() > PAGE_ROWS;
    rows.truncate(PAGE_ROWS);
    let next = rows.last().filter(|_| more).map(|row| (row.exact_price, row.id));
    let lines = lines(&client, rows, currency, &market).await?;
    let paused_why = offers::halts(&client, None).await?.paused_why;
    let filter = filter.clone();
    Ok(Board { filter, currency, currencies, amount, amount_problem, market, counts, lines, next, paused_why })
}

fn search(filter: &Filter, currency: Currency, market: &Market, amount: Option<Fiat>) -> Search {
    let of_country = filter.country.as_ref().map(|country| {
        Method::all().iter().filter(|m| m.countries.includes(country)).map(|m| m.id.clone()).collect::<Vec<_>>()
    });
    let of_method = filter.method.map(|method| vec![method.to_owned()]);
    let of_both = match (&of_method, &of_country) {
        (Some(method), Some(country)) => Some(method.iter().filter(|id| country.contains(id)).cloned().collect()),
        (one, other) => one.clone().or_else(|| other.clone()),
    };
    Search {
        side: filter.side,
        currency,
        rate: market.fresh_rate().map(|rate| rate.price),
        amount: amount.map(Fiat::amount),
        of_method,
        of_country,
        of_both,
        after: filter.after,
        limit: i64::try_from(PAGE_ROWS).unwrap_or(0) + 1,
    }
}

async fn lines(
    client: &impl GenericClient,
    rows: Vec<BoardRow>,
    currency: Currency,
    market: &Market,
) -> Done<Vec<Line>> {
    let mut makers: Vec<Uuid> = rows.iter().map(|row| row.maker.0).collect();
    makers.sort_unstable();
    makers.dedup();
    let people = reputation::of_ids(client, &makers).await?;
    let known = |id: UserId| people.iter().find(|person| person.id == id).map(|person| person.reputation);
    let rate = market.fresh_rate();
    let all = rows.into_iter().filter_map(|row| line(&row, known(row.maker)?, currency, rate));
    Ok(all.collect())
}

/// A row that makes no sense (a price that rounds to nothing) is no offer.
fn line(row: &BoardRow, reputation: Reputation, currency: Currency, rate: Option<&Rate>) -> Option<Line> {
    let price = Pricing::Fixed(row.exact_price).effective_price(currency, None)?;
    let (min, upper) = (Fiat::new(row.min, currency).ok()?, Fiat::new(row.upper, currency).ok()?);
    Some(Line {
        reference: row.reference,
        maker: row.maker,
        maker_name: row.maker_name.clone(),
        reputation,
        price,
        vs_market: rate.and_then(|rate| vs_market_percent(price, rate)),
        floats: row.floats,
        min,
        upper,
        min_amount: sats_for(min, price)?,
        upper_amount: sats_for(upper, price)?,
        methods: row.methods.iter().filter_map(|id| MethodId::parse(id).ok()).collect(),
        payment_window_minutes: u32::try_from(row.payment_window_minutes).ok()?,
    })
}
