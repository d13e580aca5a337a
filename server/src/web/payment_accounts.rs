//! A person's own ways to be paid and to pay.

use std::collections::BTreeMap;

use actix_web::web;
use serde::Serialize;

use super::board::country_name;
use super::error::{Answer, again};
use super::page::{Page, local_path, see_other};
use super::posted::{Errors, Fields, Posted, Query};
use super::shown::{Choice, MethodTag, Way, account_number, minutes};
use super::site::Site;
use super::visitor::Trader;
use crate::desk::payment_accounts::{self, AccountForm, Opened};
use crate::domain::methods::{Field, FieldKind, Method, MethodKind, Scope, Who};
use crate::domain::{Currency, MethodId};

/// Where one's own accounts stand, and where the way back leads when none is named.
const HOME: &str = "/payment-accounts";

#[derive(Debug, Default, Serialize)]
pub struct AccountsPage {
    pub accounts: Vec<AccountShown>,
    pub problem: String,
}

/// A saved account, opened for its owner.
#[derive(Debug, Serialize)]
pub struct AccountShown {
    pub id: String,
    pub label: String,
    pub method: MethodTag,
    /// What was filled in, label and value.
    pub filled: Vec<(String, String)>,
    pub offers: Vec<Way>,
}

impl Page for AccountsPage {
    const TEMPLATE: &'static str = "payment_accounts/accounts.html";
}

pub async fn list(site: web::Data<Site>, who: Trader) -> Answer {
    accounts_page(&site, &who).await?.answer(&site, &who.visitor)
}

async fn accounts_page(site: &Site, who: &Trader) -> crate::desk::Done<AccountsPage> {
    let saved = payment_accounts::list(&site.desk, who.account.id).await?;
    Ok(AccountsPage { accounts: saved.into_iter().map(AccountShown::from).collect(), problem: String::new() })
}

impl From<Opened> for AccountShown {
    fn from(saved: Opened) -> Self {
        let method = saved.method.method();
        let value = |field: &Field| saved.payee.get(&field.id).or_else(|| saved.payer.get(&field.id)).cloned();
        Self {
            id: saved.id.to_string(),
            label: saved.label.clone(),
            method: method.into(),
            filled: method.fields.iter().filter_map(|f| Some((f.label.clone(), account_number(&value(f)?)))).collect(),
            offers: saved.offers.iter().map(|offer| Way::new(format!("/offers/{offer}"), offer)).collect(),
        }
    }
}

/// Choose a way to pay: the data file by kind, narrowed by country and currency.
#[derive(Debug, Serialize)]
pub struct ChoosePage {
    pub country: String,
    pub currency: String,
    pub countries: Vec<Choice>,
    pub currencies: Vec<Choice>,
    pub next: String,
    pub kinds: Vec<KindShown>,
    /// The list was narrowed, so it is short enough to be open.
    pub narrowed: bool,
}

#[derive(Debug, Serialize)]
pub struct KindShown {
    pub title: &'static str,
    pub methods: Vec<MethodShown>,
}

#[derive(Debug, Serialize)]
pub struct MethodShown {
    pub id: &'static str,
    pub tag: MethodTag,
    pub usual_time: &'static str,
    pub carries: String,
}

impl Page for ChoosePage {
    const TEMPLATE: &'static str = "payment_accounts/choose.html";
}

/// The fields of one way to pay.
#[derive(Debug, Serialize)]
pub struct FormPage {
    pub method: &'static str,
    pub tag: MethodTag,
    pub usual_time: &'static str,
    pub pay_within: String,
    pub carries: String,
    pub reversible: bool,
    pub fields: Vec<FieldShown>,
    pub label: String,
    pub next: String,
    pub errors: Errors,
}

#[derive(Debug, Serialize)]
pub struct FieldShown {
    pub id: &'static str,
    pub label: &'static str,
    pub hint: String,
    pub required: bool,
    pub mode: &'static str,
    pub value: String,
}

impl Page for FormPage {
    const TEMPLATE: &'static str = "payment_accounts/form.html";
}

pub async fn new(site: web::Data<Site>, who: Trader, Query(query): Query) -> Answer {
    match MethodId::parse(query.text("method")) {
        Ok(method) => FormPage::new(method, &query, Errors::default()).answer(&site, &who.visitor),
        Err(_) => ChoosePage::new(&query).answer(&site, &who.visitor),
    }
}

pub async fn add(site: web::Data<Site>, who: Trader, posted: Posted) -> Answer {
    let fields = &posted.fields;
    let Ok(method) = MethodId::parse(fields.text("method")) else { return Ok(see_other("/payment-accounts/new")) };
    let form = AccountForm {
        method: method.as_str().to_owned(),
        label: fields.text("label").to_owned(),
        fields: method.method().fields.iter().map(|f| (f.id.clone(), fields.text(&f.id).to_owned())).collect(),
    };
    match payment_accounts::add(&site.desk, who.account.id, &form).await {
        Ok(_) => Ok(see_other(local_path(fields.text("next"), HOME))),
        Err(error) => again(error, &site, &who.visitor, |errors| FormPage::new(method, fields, errors)),
    }
}

pub async fn remove(site: web::Data<Site>, who: Trader, id: web::Path<String>, _posted: Posted) -> Answer {
    match payment_accounts::remove(&site.desk, who.account.id, &id).await {
        Ok(()) => Ok(see_other(HOME)),
        Err(crate::desk::Error::Refused(refusal)) if refusal.kind == crate::domain::RefusalKind::Conflict => {
            let page = AccountsPage { problem: refusal.all_words(), ..accounts_page(&site, &who).await? };
            page.answer_with(actix_web::http::StatusCode::CONFLICT, &site, &who.visitor)
        }
        Err(error) => Err(error.into()),
    }
}

impl FormPage {
    fn new(id: MethodId, typed: &Fields, errors: Errors) -> Self {
        let method = id.method();
        Self {
            method: id.as_str(),
            tag: method.into(),
            usual_time: &method.usual_time,
            pay_within: minutes(method.payment_window_minutes),
            carries: carries(method),
            reversible: method.reversible,
            fields: method.fields.iter().map(|field| FieldShown::new(field, typed)).collect(),
            label: typed.text("label").to_owned(),
            next: local_path(typed.text("next"), "").to_owned(),
            errors,
        }
    }
}

impl FieldShown {
    fn new(field: &'static Field, typed: &Fields) -> Self {
        let whose = match field.who {
            Who::Payee => "",
            Who::Payer => "Used when you pay.",
            Who::Both => "Used when you are paid and when you pay.",
        };
        let hint: Vec<&str> =
            [field.hint.trim_end_matches('.'), whose].into_iter().filter(|part| !part.is_empty()).collect();
        Self {
            id: &field.id,
            label: &field.label,
            hint: hint.join(". "),
            required: field.required,
            mode: match field.kind {
                FieldKind::Phone => "tel",
                FieldKind::Email => "email",
                FieldKind::SortCode | FieldKind::UkAccount | FieldKind::UsRouting | FieldKind::Bsb => "numeric",
                _ => "",
            },
            value: typed.text(&field.id).to_owned(),
        }
    }
}

impl ChoosePage {
    fn new(query: &Fields) -> Self {
        let country = query.text("country").to_ascii_uppercase();
        let currency = Currency::parse(query.text("currency")).ok();
        let fits = |method: &Method| {
            (country.is_empty() || method.countries.includes(&country))
                && currency.is_none_or(|currency| method.currencies.includes(&currency))
        };
        let mut kinds: BTreeMap<MethodKind, Vec<MethodShown>> = BTreeMap::new();
        for id in MethodId::all().filter(|id| fits(id.method())) {
            let method = id.method();
            kinds.entry(method.kind).or_default().push(MethodShown {
                id: id.as_str(),
                tag: method.into(),
                usual_time: &method.usual_time,
                carries: carries(method),
            });
        }
        Self {
            narrowed: !country.is_empty() || currency.is_some(),
            country: country.clone(),
            currency: currency.map_or("", Currency::code).to_owned(),
            countries: named_countries(),
            currencies: named_currencies(),
            next: local_path(query.text("next"), "").to_owned(),
            kinds: kinds.into_iter().map(|(kind, methods)| KindShown { title: title(kind), methods }).collect(),
        }
    }
}

fn title(kind: MethodKind) -> &'static str {
    match kind {
        MethodKind::Bank => "Bank transfer",
        MethodKind::Instant => "Instant payment",
        MethodKind::Wallet => "Online wallet",
        MethodKind::MobileMoney => "Mobile money",
        MethodKind::Cash => "Cash",
        MethodKind::Voucher => "Voucher",
    }
}

/// "EUR", "EUR, USD and 12 more", "any currency".
fn carries(method: &Method) -> String {
    match &method.currencies {
        Scope::All(_) => "any currency".to_owned(),
        Scope::These(list) => {
            let named: Vec<&str> = list.iter().take(3).map(|currency| currency.code()).collect();
            let more = list.len().saturating_sub(named.len());
            if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
        }
    }
}

fn named_countries() -> Vec<Choice> {
    let mut codes: Vec<&String> = Method::all()
        .iter()
        .filter_map(|m| if let Scope::These(l) = &m.countries { Some(l) } else { None })
        .flatten()
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let mut all: Vec<Choice> = codes.into_iter().map(|code| Choice::new(code, country_name(code))).collect();
    all.sort_by(|a, b| a.label.cmp(&b.label));
    all
}

/// Currencies that some way to pay names.
pub fn named_currencies() -> Vec<Choice> {
    let mut all: Vec<&Currency> = Method::all()
        .iter()
        .filter_map(|m| if let Scope::These(l) = &m.currencies { Some(l) } else { None })
        .flatten()
        .collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|c| Choice::new(c.code(), format!("{c} · {}", c.name()))).collect()
}
