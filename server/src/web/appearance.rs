//! How the desk looks to this browser: light or dark, BTC or sat, and where its times are told.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::error::{Answer, status_of};
use super::page::{Page, local_path, see_other};
use super::posted::{Errors, Posted, Query};
use super::site::Site;
use super::visitor::{THEME_COOKIE, THEMES, UNIT_COOKIE, Visitor, ZONE_COOKIE};
use crate::desk::accounts;
use crate::domain::Refusal;
use crate::domain::hours::zones;

#[derive(Debug, Default, Serialize)]
pub struct AppearancePage {
    /// `light`, `dark` or `system`.
    pub theme: String,
    /// `btc` or `sat`.
    pub unit: String,
    /// The name of the time zone, if one was chosen.
    pub zone: String,
    pub zones: Vec<String>,
    pub next: String,
    pub errors: Errors,
}

impl Page for AppearancePage {
    const TEMPLATE: &'static str = "accounts/appearance.html";
}

pub async fn page(site: web::Data<Site>, visitor: Visitor, query: Query) -> Answer {
    AppearancePage::new(&visitor, query.0.text("next")).answer(&site, &visitor)
}

impl AppearancePage {
    fn new(visitor: &Visitor, next: &str) -> Self {
        Self {
            theme: Some(visitor.theme()).filter(|theme| !theme.is_empty()).unwrap_or("system").to_owned(),
            unit: visitor.unit().to_owned(),
            zone: visitor.zone().and_then(TimeZone::iana_name).unwrap_or_default().to_owned(),
            zones: zones().collect(),
            next: local_path(next, "").to_owned(),
            errors: Errors::default(),
        }
    }
}

pub async fn set_theme(site: web::Data<Site>, posted: Posted) -> Answer {
    let theme = posted.fields.text("theme");
    if theme != "system" && !THEMES.contains(&theme) {
        return Err(Refusal::field("theme", "Choose light, dark, or as the system says.").into());
    }
    Ok(kept(&site, &posted, THEME_COOKIE, Some(theme).filter(|theme| *theme != "system")))
}

/// An account keeps its unit itself; anybody else's browser does.
pub async fn set_unit(site: web::Data<Site>, visitor: Visitor, posted: Posted) -> Answer {
    let unit = posted.fields.text("unit");
    if let Some(account) = &visitor.account {
        accounts::set_unit(&site.desk, account.id, unit).await?;
        return Ok(see_other(local_path(posted.fields.text("next"), "/account")));
    }
    accounts::check_unit(unit)?;
    Ok(kept(&site, &posted, UNIT_COOKIE, Some(unit)))
}

pub async fn set_zone(site: web::Data<Site>, visitor: Visitor, posted: Posted) -> Answer {
    let zone = posted.fields.text("zone").trim();
    if !zone.is_empty() && TimeZone::get(zone).is_err() {
        let refusal = Refusal::field("zone", format!("There is no time zone {zone:?}. Write it like Europe/Berlin."));
        let page = AppearancePage {
            zone: zone.to_owned(),
            errors: Errors::from(&refusal),
            ..AppearancePage::new(&visitor, posted.fields.text("next"))
        };
        return page.answer_with(status_of(refusal.kind), &site, &visitor);
    }
    Ok(kept(&site, &posted, ZONE_COOKIE, Some(zone).filter(|zone| !zone.is_empty())))
}

/// Keeps the choice in a cookie of this browser, or takes it away, and goes back.
fn kept(site: &Site, posted: &Posted, name: &'static str, choice: Option<&str>) -> HttpResponse {
    let mut cookie = Cookie::build(name, choice.unwrap_or_default().to_owned())
        .path("/")
        .http_only(true)
        .secure(site.https())
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish();
    if choice.is_none() {
        cookie.make_removal();
    }
    let next = local_path(posted.fields.text("next"), "/appearance").to_owned();
    HttpResponse::SeeOther().insert_header((LOCATION, next)).cookie(cookie).finish()
}
