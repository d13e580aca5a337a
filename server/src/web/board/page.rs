//! The board as it is shown: rows ready to read, and words for what is not there.

use serde::Serialize;

use super::super::page::Page;
use super::super::shown::{self, Choice, Face, MethodTag, Way};
use super::super::visitor::{Account, Visitor};
use super::address;
use crate::desk::board::{Board, Filter, Line};
use crate::domain::methods::{Method, Scope};
use crate::domain::{Currency, MethodId, Side};

#[derive(Debug, Serialize)]
pub struct BoardPage {
    /// `buy` or `sell`: what the visitor wants.
    pub side: &'static str,
    /// `Buy` or `Sell`, on the buttons.
    pub verb: &'static str,
    /// Who posts these offers.
    pub maker: &'static str,
    pub subtitle: String,
    pub buy_href: String,
    pub sell_href: String,
    pub currency: &'static str,
    pub amount: String,
    pub amount_problem: Option<String>,
    pub method: &'static str,
    pub country: String,
    pub currencies: Vec<Choice>,
    pub methods: Vec<Choice>,
    pub countries: Vec<Choice>,
    /// Active filters, each a way to drop it.
    pub chips: Vec<Way>,
    pub caption: String,
    /// What is not shown, and why.
    pub hidden: Vec<String>,
    pub paused_why: Option<String>,
    pub lines: Vec<LineShown>,
    pub first_href: Option<String>,
    pub next_href: Option<String>,
    pub empty: Option<Empty>,
    pub post: Way,
}

/// Nothing to show: what is to blame, and what to do.
#[derive(Debug, Serialize)]
pub struct Empty {
    pub words: String,
    pub ways: Vec<Way>,
}

/// One row.
#[derive(Debug, Serialize)]
pub struct LineShown {
    pub reference: String,
    pub href: String,
    pub name: String,
    pub face: Face,
    pub is_new: bool,
    pub reputation: String,
    pub price: String,
    pub vs_market: Option<String>,
    pub limits: String,
    pub limits_btc: String,
    pub methods: Vec<MethodTag>,
    pub pay_within: String,
    /// The reader's own offer.
    pub own: bool,
}

impl Page for BoardPage {
    const TEMPLATE: &'static str = "board/board.html";
}

impl BoardPage {
    pub fn new(board: &Board, visitor: &Visitor) -> Self {
        let filter = &board.filter;
        let with = |change: &dyn Fn(&mut Filter)| changed(filter, change);
        let buys = filter.side == Side::Seller;
        let other_side = filter.side.other();
        let (reader, unit) = (visitor.account.as_ref(), visitor.unit());
        let posts = if buys { "buy" } else { "sell" };
        Self {
            side: address::verb(filter.side),
            verb: if buys { "Buy" } else { "Sell" },
            maker: if buys { "Seller" } else { "Buyer" },
            subtitle: subtitle(board),
            buy_href: if buys { with(&|_| {}) } else { with(&|f| f.side = other_side) },
            sell_href: if buys { with(&|f| f.side = other_side) } else { with(&|_| {}) },
            currency: board.currency.code(),
            amount: filter.amount.clone(),
            amount_problem: board.amount_problem.clone(),
            method: filter.method.unwrap_or_default(),
            country: filter.country.clone().unwrap_or_default(),
            currencies: currencies(board),
            methods: methods(board.currency),
            countries: countries(board),
            chips: chips(board),
            caption: caption(board),
            hidden: if board.lines.is_empty() { Vec::new() } else { hidden(board) },
            paused_why: board.paused_why.clone(),
            lines: board.lines.iter().map(|line| LineShown::new(line, board, reader, unit)).collect(),
            first_href: filter.after.map(|_| with(&|_| {})),
            next_href: board.next.map(|next| with(&|f| f.after = Some(next))),
            empty: board.lines.is_empty().then(|| empty(board)),
            post: Way::new(
                format!("/offers/new?side={posts}&currency={}", board.currency),
                format!("Post an offer to {posts}"),
            ),
        }
    }
}

impl LineShown {
    fn new(line: &Line, board: &Board, reader: Option<&Account>, unit: &str) -> Self {
        let mut words = vec![line.reputation.words()];
        words.extend(line.reputation.release_words());
        let amount = board.amount.map(|amount| format!("?amount={}", amount.in_field())).unwrap_or_default();
        Self {
            reference: line.reference.to_string(),
            href: format!("/offers/{}{amount}", line.reference),
            name: line.maker_name.clone(),
            face: Face::of(&line.maker_name),
            is_new: line.reputation.is_new(),
            reputation: words.join(" · "),
            price: shown::price(line.price, board.currency),
            vs_market: line.vs_market.map(|percent| shown::signed_percent(percent.round_dp(1))),
            limits: format!("{} – {}", shown::plain_sum(line.min), shown::plain_sum(line.upper)),
            limits_btc: shown::bitcoin_range(line.min_amount, line.upper_amount, unit),
            methods: line.methods.iter().map(|id| id.method().into()).collect(),
            pay_within: shown::minutes(line.payment_window_minutes),
            own: reader.is_some_and(|account| account.id == line.maker),
        }
    }
}

/// The address with something changed, from the first page on.
fn changed(filter: &Filter, change: &dyn Fn(&mut Filter)) -> String {
    let mut filter = Filter { after: None, ..filter.clone() };
    change(&mut filter);
    address::write(&filter)
}

fn caption(board: &Board) -> String {
    match board.counts.shown {
        0 => "No offers".to_owned(),
        1 => "1 offer".to_owned(),
        many => format!("{many} offers, best price first"),
    }
}

fn subtitle(board: &Board) -> String {
    let (preposition, from) = if board.filter.side == Side::Seller { ("with", "from") } else { ("for", "to") };
    let people = match board.counts.people {
        0 => String::new(),
        some => format!(", {from} {}", shown::counted(some, "person", "people")),
    };
    let market = match &board.market.rate {
        None => "no market price is set".to_owned(),
        Some(rate) => format!(
            "market {} {}, {}",
            shown::price(rate.price, board.currency),
            board.currency,
            shown::ago(rate.set_at, board.market.now)
        ),
    };
    format!("{preposition} {}{people} · {market}", board.currency)
}

/// Currencies that some way to pay names, and those with offers.
fn currencies(board: &Board) -> Vec<Choice> {
    let mut all: Vec<Currency> = board.currencies.iter().map(|(currency, _)| *currency).collect();
    all.push(board.currency);
    for method in Method::all() {
        if let Scope::These(list) = &method.currencies {
            all.extend(list);
        }
    }
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|currency| Choice::new(currency.code(), format!("{currency} · {}", currency.name()))).collect()
}

fn methods(currency: Currency) -> Vec<Choice> {
    let mut all: Vec<Choice> =
        MethodId::for_currency(currency).map(|id| Choice::new(id.as_str(), &id.method().label)).collect();
    all.sort_by_key(|choice| choice.label.to_lowercase());
    all
}

/// Countries that a way to pay in this currency names. Ways that work everywhere name none.
fn countries(board: &Board) -> Vec<Choice> {
    let mut codes: Vec<&str> = board.filter.country.iter().map(String::as_str).collect();
    for id in MethodId::for_currency(board.currency) {
        if let Scope::These(list) = &id.method().countries {
            codes.extend(list.iter().map(String::as_str));
        }
    }
    codes.sort_unstable();
    codes.dedup();
    let mut all: Vec<Choice> = codes.into_iter().map(|code| Choice::new(code, country_name(code))).collect();
    all.sort_by(|a, b| a.label.cmp(&b.label));
    all
}

/// The usual English name of a country.
pub fn country_name(code: &str) -> String {
    rust_iso3166::from_alpha2(code).map_or_else(|| code.to_owned(), |country| country.name.to_owned())
}

fn chips(board: &Board) -> Vec<Way> {
    let filter = &board.filter;
    let mut chips = Vec::new();
    if let Some(amount) = board.amount {
        chips.push(Way::new(
            changed(filter, &|f| f.amount.clear()),
            format!("{} {}", shown::plain_sum(amount), board.currency),
        ));
    }
    if let Some(method) = filter.method.and_then(|id| MethodId::parse(id).ok()) {
        chips.push(Way::new(changed(filter, &|f| f.method = None), &method.method().label));
    }
    if let Some(country) = &filter.country {
        chips.push(Way::new(changed(filter, &|f| f.country = None), country_name(country)));
    }
    chips
}

fn hidden(board: &Board) -> Vec<String> {
    let counts = &board.counts;
    let mut words = Vec::new();
    let offers = |count| shown::counted(count, "offer", "offers");
    if counts.unpriced > 0 {
        let why = match &board.market.rate {
            None => "no market price is set for them to float on".to_owned(),
            Some(rate) => format!(
                "they float on the market price, and that was set {}",
                shown::ago(rate.set_at, board.market.now)
            ),
        };
        words.push(format!("{} hidden: {why}", offers(counts.unpriced)));
    }
    let by_amount = counts.without_amount - counts.shown;
    if by_amount > 0 {
        words.push(format!("{} hidden: your amount is outside the limits", offers(by_amount)));
    }
    let by_others = counts.all - counts.unpriced - counts.shown - by_amount;
    if by_others > 0 {
        words.push(format!("{} hidden: paid in other ways", offers(by_others)));
    }
    words
}

fn empty(board: &Board) -> Empty {
    let (counts, filter) = (&board.counts, &board.filter);
    let verb = if filter.side == Side::Seller { "sells bitcoin for" } else { "buys bitcoin with" };
    let offers = |count| shown::counted(count, "offer", "offers");
    let mut ways = Vec::new();
    let mut widen = |count: i64, what: &str, change: &dyn Fn(&mut Filter)| {
        if count > 0 {
            ways.push(Way::new(changed(filter, change), format!("{} {what}", offers(count))));
        }
    };
    widen(counts.without_amount, "for other amounts", &|f| f.amount.clear());
    widen(counts.without_method, "paid in any way", &|f| f.method = None);
    widen(counts.without_country, "from anywhere", &|f| f.country = None);
    let words = if filter.after.is_some() {
        "There are no more offers.".to_owned()
    } else if counts.all == 0 {
        format!("Nobody {verb} {} at the moment.", board.currency)
    } else if counts.unpriced == counts.all {
        "All offers float on the market price, and there is no fresh one. They come back when it is set anew."
            .to_owned()
    } else {
        match (ways.as_slice(), board.amount) {
            ([], _) => "No offer fits all of these filters together.".to_owned(),
            ([_], Some(amount)) if counts.without_amount > 0 => {
                format!("No offer fits {amount}: it is outside their limits.")
            }
            ([_], _) => "No offer fits this filter.".to_owned(),
            _ => "No offer fits. Without one of the filters there would be some:".to_owned(),
        }
    };
    if ways.is_empty() && !board.filter_is_plain() {
        let plain = changed(filter, &|f| (f.amount, f.method, f.country) = (String::new(), None, None));
        ways.push(Way::new(plain, "Drop all filters"));
    }
    for (currency, count) in board.currencies.iter().filter(|(currency, _)| *currency != board.currency).take(4) {
        let href = changed(filter, &|f| {
            *f = Filter { currency: Some(*currency), amount: String::new(), method: None, country: None, ..f.clone() };
        });
        ways.push(Way::new(href, format!("{} in {currency}", offers(*count))));
    }
    Empty { words, ways }
}
