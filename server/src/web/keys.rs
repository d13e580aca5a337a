//! Signing keys: the list of one's own, the page that makes one in the browser, the form for a wallet's.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::error::{Answer, status_of};
use super::page::{Page, in_script, see_other};
use super::posted::{Errors, Fields, Posted};
use super::site::Site;
use super::times::Moment;
use super::visitor::{Account, SignedIn};
use crate::desk;
use crate::desk::error::Done;
use crate::desk::keys::{self, KeyState, OwnKey, Owner};
use crate::domain::{KeyId, Refusal, Role};

#[derive(Debug, Default, Serialize)]
pub struct KeysPage {
    pub keys: Vec<KeyLine>,
    pub has_current: bool,
    pub has_browser_key: bool,
    pub is_arbitrator: bool,
}

impl Page for KeysPage {
    const TEMPLATE: &'static str = "keys/list.html";
}

/// One key of the list.
#[derive(Debug, Serialize)]
pub struct KeyLine {
    pub id: String,
    pub is_browser: bool,
    pub fingerprint: String,
    pub account_number: u32,
    pub text: String,
    /// `current`, `usable`, `retired` or `displaced`.
    pub state: &'static str,
    pub is_proved: bool,
    pub since: Moment,
}

pub async fn list(site: web::Data<Site>, who: SignedIn) -> Answer {
    let own = keys::of_account(&site.desk, who.account.id).await?;
    let page = KeysPage {
        has_current: own.iter().any(|key| key.state == KeyState::Current),
        has_browser_key: own.iter().any(|key| key.row.key_file.is_some()),
        is_arbitrator: who.account.role == Role::Arbitrator,
        keys: own.into_iter().map(line).collect(),
    };
    page.answer(&site, &who.visitor)
}

fn line(key: OwnKey) -> KeyLine {
    KeyLine {
        id: key.row.id.to_string(),
        is_browser: key.row.key_file.is_some(),
        fingerprint: key.fingerprint,
        account_number: key.account_number,
        text: key.row.text,
        state: key.state.as_str(),
        is_proved: key.row.proved_at.is_some(),
        since: key.row.created_at.into(),
    }
}

/// The page on which the browser makes a key, or brings one back.
#[derive(Debug, Serialize)]
pub struct BrowserKeyPage {
    pub is_restore: bool,
    /// For the script: JSON, safe to stand in a script element.
    pub page_json: String,
    pub errors: Errors,
}

impl Page for BrowserKeyPage {
    const TEMPLATE: &'static str = "keys/browser.html";
}

async fn browser_page(site: &Site, account: &Account, is_restore: bool, errors: Errors) -> Done<BrowserKeyPage> {
    let network = site.desk.rules.network;
    let own = keys::of_account(&site.desk, account.id).await?;
    let registered: Vec<_> = own.iter().map(|key| json!({ "origin": key.origin, "xpub": key.xpub })).collect();
    let page = json!({
        "account": account.name,
        "network": network.to_string(),
        "account_number": 0,
        "registered": registered,
        "mode": if is_restore { "restore" } else { "make" },
    });
    Ok(BrowserKeyPage { is_restore, page_json: in_script(&page), errors })
}

pub async fn browser(site: web::Data<Site>, who: SignedIn) -> Answer {
    let page = browser_page(&site, &who.account, false, Errors::default()).await?;
    page.answer_as_signer(StatusCode::OK, &site, &who.visitor)
}

pub async fn restore_form(site: web::Data<Site>, who: SignedIn) -> Answer {
    let page = browser_page(&site, &who.account, true, Errors::default()).await?;
    page.answer_as_signer(StatusCode::OK, &site, &who.visitor)
}

pub async fn register_browser(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let (key, file) = (posted.fields.text("xpub"), posted.fields.text("file"));
    let done = keys::register(&site.desk, owner(&who.account), key, Some(file)).await;
    after_browser(&site, &who, false, done).await
}

pub async fn restore(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let (key, file) = (posted.fields.text("xpub"), posted.fields.text("file"));
    let done = keys::restore(&site.desk, owner(&who.account), key, file).await;
    after_browser(&site, &who, true, done).await
}

async fn after_browser(site: &Site, who: &SignedIn, is_restore: bool, done: Done<KeyId>) -> Answer {
    match done {
        Ok(_) => Ok(see_other("/keys")),
        Err(desk::Error::Refused(refusal)) => {
            let page = browser_page(site, &who.account, is_restore, Errors::from(&refusal)).await?;
            page.answer_as_signer(status_of(refusal.kind), site, &who.visitor)
        }
        Err(failed) => Err(failed.into()),
    }
}

/// The form for a key of one's own wallet.
#[derive(Debug, Serialize)]
pub struct WalletKeyPage {
    /// `1` on test networks, `0` on the main one.
    pub coin: u8,
    pub xpub_starts: &'static str,
    pub is_arbitrator: bool,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for WalletKeyPage {
    const TEMPLATE: &'static str = "keys/wallet.html";
}

fn wallet_page(site: &Site, account: &Account, typed: Fields, errors: Errors) -> Done<WalletKeyPage> {
    let is_main = site.desk.rules.network == bitcoin::Network::Bitcoin;
    Ok(WalletKeyPage {
        coin: if is_main { 0 } else { 1 },
        xpub_starts: if is_main { "xpub" } else { "tpub" },
        is_arbitrator: account.role == Role::Arbitrator,
        typed,
        errors,
    })
}

pub async fn wallet(site: web::Data<Site>, who: SignedIn) -> Answer {
    let page = wallet_page(&site, &who.account, Fields::default(), Errors::default())?;
    page.answer_as_signer(StatusCode::OK, &site, &who.visitor)
}

pub async fn register_wallet(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let key = posted.fields.text("key");
    match keys::register(&site.desk, owner(&who.account), key, None).await {
        Ok(_) => Ok(see_other("/keys")),
        Err(desk::Error::Refused(refusal)) => {
            let typed = Fields::default().with("key", keys::shown_again(&site.desk, key));
            let page = wallet_page(&site, &who.account, typed, Errors::from(&refusal))?;
            page.answer_as_signer(status_of(refusal.kind), &site, &who.visitor)
        }
        Err(failed) => Err(failed.into()),
    }
}

/// The encrypted file of one's own key, to keep.
pub async fn file(site: web::Data<Site>, who: SignedIn, id: web::Path<String>) -> Answer {
    let (name, file) = keys::file(&site.desk, who.account.id, key_id(&id)?).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .body(file))
}

pub async fn retire(site: web::Data<Site>, who: SignedIn, id: web::Path<String>, _posted: Posted) -> Answer {
    keys::set_retired(&site.desk, who.account.id, key_id(&id)?, true).await?;
    Ok(see_other("/keys"))
}

pub async fn take_back(site: web::Data<Site>, who: SignedIn, id: web::Path<String>, _posted: Posted) -> Answer {
    keys::set_retired(&site.desk, who.account.id, key_id(&id)?, false).await?;
    Ok(see_other("/keys"))
}

fn key_id(text: &str) -> Result<KeyId, Refusal> {
    Uuid::parse_str(text).map(KeyId).map_err(|_| Refusal::not_found())
}

fn owner(account: &Account) -> Owner<'_> {
    Owner { account: account.id, name: &account.name, role: account.role }
}
