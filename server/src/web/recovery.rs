//! `/recover/key`: a forgotten password, by a signature with one of the account's keys.

use actix_web::http::StatusCode;
use actix_web::web;
use serde::Serialize;
use serde_json::{Value, json};

use super::accounts::welcomed;
use super::error::{Answer, status_of};
use super::page::{Page, in_script};
use super::posted::{Errors, Fields, Posted};
use super::site::Site;
use super::visitor::Visitor;
use crate::desk;
use crate::desk::recovery::{self, Challenge};
use crate::domain::Refusal;

/// Which account, and which key.
#[derive(Debug, Serialize)]
pub struct RecoverByKeyPage {
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for RecoverByKeyPage {
    const TEMPLATE: &'static str = "accounts/recover-by-key.html";
}

/// The message to sign, and the new password.
#[derive(Debug, Serialize)]
pub struct RecoverySignaturePage {
    pub name: String,
    pub key: String,
    pub nonce: String,
    /// The encrypted key file that was shown, to unlock in the browser; given back as it came.
    pub key_file: String,
    pub message: String,
    pub psbt: String,
    /// For the script: JSON, safe to stand in a script element.
    pub envelope: String,
    pub errors: Errors,
}

impl Page for RecoverySignaturePage {
    const TEMPLATE: &'static str = "accounts/recovery-signature.html";
}

pub async fn form(site: web::Data<Site>, visitor: Visitor) -> Answer {
    first(&site, &visitor, StatusCode::OK, Fields::default(), Errors::default())
}

fn first(site: &Site, visitor: &Visitor, status: StatusCode, typed: Fields, errors: Errors) -> Answer {
    RecoverByKeyPage { typed, errors }.answer_as_signer(status, site, visitor)
}

/// Fields: `name`, `key`; or a key file as `file`.
pub async fn challenge(site: web::Data<Site>, visitor: Visitor, posted: Posted) -> Answer {
    let (name, key) = (posted.fields.text("name"), posted.fields.text("key"));
    let file = posted.file("file").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    match recovery::challenge(&site.desk, name, key, file.as_deref(), &visitor.origin(&site)).await {
        Ok(challenge) => {
            let file = file.unwrap_or_default();
            second(&site, &visitor, StatusCode::OK, (name, &file), challenge, Errors::default())
        }
        Err(desk::Error::Refused(refusal)) => {
            let shown = desk::keys::shown_again(&site.desk, key);
            let typed = Fields::default().with("name", name).with("key", shown);
            first(&site, &visitor, status_of(refusal.kind), typed, Errors::from(&refusal))
        }
        Err(failed) => Err(failed.into()),
    }
}

fn second(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    (name, key_file): (&str, &str),
    challenge: Challenge,
    errors: Errors,
) -> Answer {
    let page = RecoverySignaturePage {
        name: name.to_ascii_lowercase(),
        envelope: in_script(&envelope(site, name, key_file, &challenge)),
        key: challenge.key,
        nonce: challenge.nonce,
        key_file: key_file.to_owned(),
        message: challenge.message,
        psbt: challenge.psbt,
        errors,
    };
    page.answer_as_signer(status, site, visitor)
}

fn envelope(site: &Site, name: &str, key_file: &str, challenge: &Challenge) -> Value {
    let file: Option<Value> = serde_json::from_str(key_file).ok();
    json!({
        "v": 1,
        "act": "proof",
        "desk": site.desk.rules.desk_name,
        "network": site.desk.rules.network.to_string(),
        "trade": null,
        "role": null,
        "account": name.to_ascii_lowercase(),
        "key": { "origin": challenge.origin, "xpub": challenge.xpub, "file": file },
        "contract": null,
        "contract_hash": null,
        "contract_signatures": { "buyer": null, "seller": null },
        "record": null,
        "payee_details": null,
        "payer_details": null,
        "message": challenge.message,
        "ruling": null,
        "ruling_signature": null,
        "psbts": [{ "step": 1, "base64": challenge.psbt, "txid": challenge.txid }],
        "payout": null,
        "funding": [],
        "alive": [],
    })
}

/// Fields: `name`, `key`, `nonce` and `key_file` as the page had them; `signatures` or `file`; `new_password`.
pub async fn sign(site: web::Data<Site>, visitor: Visitor, posted: Posted) -> Answer {
    let fields = &posted.fields;
    let (name, key, nonce) = (fields.text("name"), fields.text("key"), fields.text("nonce"));
    let upload = posted.file("file").unwrap_or_else(|| fields.text("signatures").as_bytes());
    let from = visitor.origin(&site);
    let done = match upload {
        [] => Err(Refusal::field("signatures", "Paste the signed PSBT, or choose its file.").into()),
        upload => {
            let about = (name, key, nonce);
            recovery::by_signature(&site.desk, about, upload, fields.raw("new_password"), &from).await
        }
    };
    match done {
        Ok(welcome) => welcomed(&site, &visitor, welcome, "recovered", "").await,
        Err(desk::Error::Refused(refusal)) => {
            let challenge = recovery::challenge(&site.desk, name, key, None, &from).await?;
            let about = (name, fields.raw("key_file"));
            second(&site, &visitor, status_of(refusal.kind), about, challenge, Errors::from(&refusal))
        }
        Err(failed) => Err(failed.into()),
    }
}
