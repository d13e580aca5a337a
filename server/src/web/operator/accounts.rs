//! Accounts, as the operator may know them.

use actix_web::web;
use serde::Serialize;

use super::ActShown;
use crate::desk::acts::Hand;
use crate::desk::admin;
use crate::desk::error::Done;
use crate::desk::operator::{self as desk, AccountLine};
use crate::domain::Role;
use crate::web::error::{Answer, again};
use crate::web::page::{Page, see_other};
use crate::web::posted::{Errors, Fields, Posted, Query};
use crate::web::shown::bitcoin;
use crate::web::site::Site;
use crate::web::times::Moment;
use crate::web::trades::stage_words;
use crate::web::visitor::Operator;

#[derive(Debug, Serialize)]
pub struct AccountsPage {
    pub begins: String,
    pub only_suspended: bool,
    pub list: Vec<AccountShown>,
}

impl Page for AccountsPage {
    const TEMPLATE: &'static str = "operator/accounts.html";
}

#[derive(Debug, Serialize)]
pub struct AccountShown {
    pub name: String,
    pub role: &'static str,
    pub since: Moment,
    pub suspended: Option<Moment>,
    pub suspended_why: String,
    pub open_trades: i64,
    pub open_offers: i64,
}

impl From<AccountLine> for AccountShown {
    fn from(line: AccountLine) -> Self {
        Self {
            role: line.role.as_str(),
            since: line.created_at.into(),
            suspended: line.suspended_at.map(Moment::from),
            suspended_why: line.suspended_why.unwrap_or_default(),
            open_trades: line.open_trades,
            open_offers: line.open_offers,
            name: line.name,
        }
    }
}

pub async fn accounts(site: web::Data<Site>, who: Operator, query: Query) -> Answer {
    let (begins, only_suspended) = (query.0.text("name").to_lowercase(), query.0.has("suspended"));
    let list = desk::accounts(&site.desk, &begins, only_suspended).await?;
    let list = list.into_iter().map(AccountShown::from).collect();
    AccountsPage { begins, only_suspended, list }.answer(&site, &who.visitor)
}

/// One account, and what can be done about it.
#[derive(Debug, Serialize)]
pub struct AccountPage {
    pub account: AccountShown,
    /// Its public page is there for traders.
    pub is_trader: bool,
    pub is_self: bool,
    pub completed: i64,
    pub lapses: i64,
    pub trades: Vec<TradeLine>,
    pub acts: Vec<ActShown>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for AccountPage {
    const TEMPLATE: &'static str = "operator/account.html";
}

#[derive(Debug, Serialize)]
pub struct TradeLine {
    pub reference: String,
    pub grouped: String,
    pub parties: String,
    pub amount: String,
    pub fiat: String,
    pub stage: &'static str,
    pub since: Moment,
}

async fn read(site: &Site, who: &Operator, name: &str) -> Done<AccountPage> {
    let facts = desk::account(&site.desk, name).await?;
    let trades = facts.trades.iter().map(|row| TradeLine {
        reference: row.reference.to_string(),
        grouped: row.reference.grouped(),
        parties: format!("{} buys from {}", row.buyer_name, row.seller_name),
        amount: bitcoin(row.amount, &who.account.unit),
        fiat: row.fiat_words(),
        stage: stage_words(&row.state),
        since: row.state.stage_since.into(),
    });
    Ok(AccountPage {
        trades: trades.collect(),
        is_trader: facts.line.role == Role::Trader,
        is_self: facts.line.id == who.account.id,
        completed: facts.record.completed,
        lapses: facts.record.lapses,
        acts: facts.acts.into_iter().map(ActShown::from).collect(),
        account: facts.line.into(),
        typed: Fields::default(),
        errors: Errors::default(),
    })
}

pub async fn account(site: web::Data<Site>, who: Operator, name: web::Path<String>) -> Answer {
    read(&site, &who, &name).await?.answer(&site, &who.visitor)
}

async fn done_or_told(site: &Site, who: &Operator, name: &str, posted: Posted, done: Done<()>) -> Answer {
    match done {
        Ok(()) => Ok(see_other(format!("/operator/accounts/{name}"))),
        Err(error) => {
            let page = read(site, who, name).await?;
            again(error, site, &who.visitor, |errors| AccountPage { errors, typed: posted.fields, ..page })
        }
    }
}

/// Field: `why`.
pub async fn suspend(site: web::Data<Site>, who: Operator, name: web::Path<String>, posted: Posted) -> Answer {
    let done = admin::suspend(Hand::of(&site.desk, who.account.id), &name, posted.fields.text("why")).await;
    done_or_told(&site, &who, &name, posted, done).await
}

pub async fn restore(site: web::Data<Site>, who: Operator, name: web::Path<String>, posted: Posted) -> Answer {
    let done = admin::restore(Hand::of(&site.desk, who.account.id), &name).await;
    done_or_told(&site, &who, &name, posted, done).await
}
