//! Coming in and going out: `/register`, `/sign-in`, `/sign-out`, `/recover`.

use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::error::{Answer, again};
use super::page::{Page, local_path};
use super::posted::{Errors, Fields, Posted, Query};
use super::site::Site;
use super::visitor::{SignedIn, Visitor, no_cookie};
use crate::desk::Registration;
use crate::desk::accounts::{self, Started, Welcome};
use crate::desk::error::Done;

#[derive(Debug, Default, Serialize)]
pub struct RegisterPage {
    pub by_invitation: bool,
    pub closed: bool,
    pub next: String,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for RegisterPage {
    const TEMPLATE: &'static str = "accounts/register.html";
}

#[derive(Debug, Default, Serialize)]
pub struct SignInPage {
    pub next: String,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for SignInPage {
    const TEMPLATE: &'static str = "accounts/sign-in.html";
}

/// A recovery code, shown once: after registering, after recovering, when renewed.
#[derive(Debug, Serialize)]
pub struct RecoveryCodePage {
    pub name: String,
    pub code: String,
    /// `registered`, `recovered` or `renewed`.
    pub after: &'static str,
    pub next: String,
}

impl Page for RecoveryCodePage {
    const TEMPLATE: &'static str = "accounts/recovery-code.html";
}

#[derive(Debug, Default, Serialize)]
pub struct RecoverPage {
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for RecoverPage {
    const TEMPLATE: &'static str = "accounts/recover.html";
}

fn register_page(site: &Site, fields: &Fields, errors: Errors) -> RegisterPage {
    RegisterPage {
        by_invitation: site.desk.rules.registration == Registration::Invitation,
        closed: site.desk.rules.registration == Registration::Closed,
        next: local_path(fields.text("next"), "").to_owned(),
        typed: fields.clone(),
        errors,
    }
}

pub async fn register_form(site: web::Data<Site>, visitor: Visitor, query: Query) -> Answer {
    register_page(&site, &query.0, Errors::default()).answer(&site, &visitor)
}

pub async fn register(site: web::Data<Site>, visitor: Visitor, posted: Posted) -> Answer {
    let fields = &posted.fields;
    let (name, password) = (fields.text("name"), fields.raw("password"));
    let from = visitor.origin(&site);
    match accounts::register(&site.desk, name, password, fields.text("invitation"), &from).await {
        Ok(welcome) => welcomed(&site, &visitor, welcome, "registered", fields.text("next")).await,
        Err(error) => again(error, &site, &visitor, |errors| register_page(&site, fields, errors)),
    }
}

pub async fn sign_in_form(site: web::Data<Site>, visitor: Visitor, query: Query) -> Answer {
    let next = local_path(query.0.text("next"), "").to_owned();
    SignInPage { next, ..SignInPage::default() }.answer(&site, &visitor)
}

pub async fn sign_in(site: web::Data<Site>, visitor: Visitor, posted: Posted) -> Answer {
    let fields = &posted.fields;
    let from = visitor.origin(&site);
    match accounts::sign_in(&site.desk, fields.text("name"), fields.raw("password"), &from).await {
        Ok(started) => {
            leave(&site, &visitor).await?;
            Ok(go_on(&site, &visitor, &started, local_path(fields.text("next"), "/")))
        }
        Err(error) => again(error, &site, &visitor, |errors| SignInPage {
            next: local_path(fields.text("next"), "").to_owned(),
            typed: fields.clone(),
            errors,
        }),
    }
}

pub async fn sign_out(site: web::Data<Site>, who: SignedIn, _posted: Posted) -> Answer {
    accounts::sign_out(&site.desk, who.account.id, who.account.session).await?;
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/")).cookie(no_cookie(&site)).finish())
}

pub async fn recover_form(site: web::Data<Site>, visitor: Visitor) -> Answer {
    RecoverPage::default().answer(&site, &visitor)
}

pub async fn recover(site: web::Data<Site>, visitor: Visitor, posted: Posted) -> Answer {
    let fields = &posted.fields;
    let (name, code, new) = (fields.text("name"), fields.text("code"), fields.raw("new_password"));
    match accounts::recover(&site.desk, name, code, new, &visitor.origin(&site)).await {
        Ok(welcome) => welcomed(&site, &visitor, welcome, "recovered", "").await,
        Err(error) => again(error, &site, &visitor, |errors| RecoverPage { typed: fields.clone(), errors }),
    }
}

/// The new session's first page: its recovery code, once.
pub(super) async fn welcomed(
    site: &Site,
    visitor: &Visitor,
    welcome: Welcome,
    after: &'static str,
    next: &str,
) -> Answer {
    leave(site, visitor).await?;
    let page = RecoveryCodePage {
        name: welcome.started.name.clone(),
        code: welcome.recovery_code,
        after,
        next: local_path(next, "/").to_owned(),
    };
    page.answer(site, &visitor.signed_in_as(&welcome.started))
}

/// Whoever was signed in here before is not any more.
async fn leave(site: &Site, visitor: &Visitor) -> Done<()> {
    match &visitor.account {
        Some(before) => accounts::sign_out(&site.desk, before.id, before.session).await,
        None => Ok(()),
    }
}

fn go_on(site: &Site, visitor: &Visitor, started: &Started, path: &str) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header((LOCATION, path)).insert_header((CACHE_CONTROL, "no-store"));
    if let Some(cookie) = visitor.signed_in_as(started).new_cookie(site) {
        answer.cookie(cookie);
    }
    answer.finish()
}
