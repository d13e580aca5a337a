//! One's deadlines for calendars: the file of one trade, and a secret address for all of them.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::error::Answer;
use super::headers::Inert;
use super::page::{Page, see_other};
use super::posted::Posted;
use super::site::Site;
use super::times::Moment;
use super::trades::{file, reference};
use super::visitor::SignedIn;
use crate::desk::calendar;

/// RFC 5545.
const MEDIA_TYPE: &str = "text/calendar; charset=utf-8";

#[derive(Debug, Default, Serialize)]
pub struct CalendarPage {
    /// The new address, shown once.
    pub address: Option<String>,
    /// Since when there is one.
    pub since: Option<Moment>,
}

impl Page for CalendarPage {
    const TEMPLATE: &'static str = "accounts/calendar.html";
}

pub async fn page(site: web::Data<Site>, who: SignedIn) -> Answer {
    let since = calendar::made_at(&site.desk, who.account.id).await?.map(Moment::from);
    CalendarPage { address: None, since }.answer(&site, &who.visitor)
}

pub async fn make(site: web::Data<Site>, who: SignedIn, _posted: Posted) -> Answer {
    let token = calendar::make(&site.desk, who.account.id).await?;
    let since = calendar::made_at(&site.desk, who.account.id).await?.map(Moment::from);
    let address = Some(format!("{}/calendar/{token}", site.outside.home()));
    CalendarPage { address, since }.answer(&site, &who.visitor)
}

pub async fn end(site: web::Data<Site>, who: SignedIn, _posted: Posted) -> Answer {
    calendar::end(&site.desk, who.account.id).await?;
    Ok(see_other("/account/calendar"))
}

/// What a calendar reads; the token in the address says whose.
pub async fn at_address(site: web::Data<Site>, token: web::Path<String>) -> Answer {
    let text = calendar::at_address(&site.desk, &token, site.outside.home()).await?;
    let mut answer =
        HttpResponse::Ok().content_type(MEDIA_TYPE).insert_header(("cache-control", "private, no-store")).body(text);
    answer.extensions_mut().insert(Inert);
    Ok(answer)
}

/// The deadlines of one trade, to be put into a calendar once.
pub async fn of_trade(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let text = calendar::of_trade(&site.desk, reference, who.account.id, site.outside.home()).await?;
    Ok(file(&format!("deadlines-{reference}.ics"), MEDIA_TYPE, text.into_bytes()))
}
