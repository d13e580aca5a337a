//! How the desk looks to this browser: light or dark, BTC or sat.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::error::Answer;
use super::page::{Page, local_path, see_other};
use super::posted::{Posted, Query};
use super::site::Site;
use super::visitor::{SignedIn, THEME_COOKIE, Visitor};
use crate::desk::accounts;
use crate::domain::Refusal;

#[derive(Debug, Default, Serialize)]
pub struct AppearancePage {
    /// `light`, `dark` or `system`.
    pub theme: String,
    /// Empty for a visitor: units belong to accounts.
    pub unit: String,
    pub next: String,
}

impl Page for AppearancePage {
    const TEMPLATE: &'static str = "accounts/appearance.html";
}

pub async fn page(site: web::Data<Site>, visitor: Visitor, query: Query) -> Answer {
    let page = AppearancePage {
        theme: Some(visitor.theme()).filter(|theme| !theme.is_empty()).unwrap_or("system").to_owned(),
        unit: visitor.account.as_ref().map(|account| account.unit.clone()).unwrap_or_default(),
        next: local_path(query.0.text("next"), "").to_owned(),
    };
    page.answer(&site, &visitor)
}

pub async fn set_theme(site: web::Data<Site>, posted: Posted) -> Answer {
    let theme = posted.fields.text("theme");
    if !matches!(theme, "light" | "dark" | "system") {
        return Err(Refusal::field("theme", "Choose light, dark, or as the system says.").into());
    }
    let mut cookie = Cookie::build(THEME_COOKIE, theme.to_owned())
        .path("/")
        .http_only(true)
        .secure(site.https())
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish();
    if theme == "system" {
        cookie.make_removal();
    }
    let next = local_path(posted.fields.text("next"), "/appearance").to_owned();
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, next)).cookie(cookie).finish())
}

pub async fn set_unit(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    accounts::set_unit(&site.desk, who.account.id, posted.fields.text("unit")).await?;
    Ok(see_other(local_path(posted.fields.text("next"), "/account")))
}
