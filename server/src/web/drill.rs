//! The arbitrator's drill: he shows that he can sign with the wallet he will rule with.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::{HttpResponse, web};
use data_encoding::BASE64;
use serde::Serialize;
use serde_json::{Value, json};

use super::error::{Answer, status_of};
use super::page::{Page, in_script, see_other};
use super::posted::{Errors, Posted};
use super::site::Site;
use super::times::Moment;
use super::visitor::Arbitrator;
use crate::desk;
use crate::desk::arbitrators::{self, Drill};
use crate::desk::error::Done;
use crate::domain::{Refusal, RefusalKind};

#[derive(Debug, Serialize)]
pub struct DrillPage {
    pub is_on_duty: bool,
    pub drilled_until: Option<Moment>,
    pub max_age_days: u32,
    /// Without a registered key there is nothing to sign yet.
    pub message: String,
    pub psbt: String,
    pub is_browser_key: bool,
    /// For the script: JSON, safe to stand in a script element.
    pub envelope: String,
    pub errors: Errors,
}

impl Page for DrillPage {
    const TEMPLATE: &'static str = "keys/drill.html";
}

async fn read(site: &Site, who: &Arbitrator, errors: Errors) -> Done<DrillPage> {
    let office = arbitrators::office(&site.desk, who.account.id).await?;
    let drill = match office.key {
        Some(_) => Some(arbitrators::drill(&site.desk, who.account.id).await?),
        None => None,
    };
    Ok(DrillPage {
        is_on_duty: office.is_on_duty,
        drilled_until: office.drilled_until.map(Moment::from),
        max_age_days: site.desk.rules.drill_max_age_days,
        is_browser_key: drill.as_ref().is_some_and(|drill| drill.key.key_file.is_some()),
        envelope: drill.as_ref().map(|drill| in_script(&envelope(site, who, drill))).unwrap_or_default(),
        message: drill.as_ref().map(|drill| drill.message.clone()).unwrap_or_default(),
        psbt: drill.map(|drill| drill.psbt).unwrap_or_default(),
        errors,
    })
}

fn envelope(site: &Site, who: &Arbitrator, drill: &Drill) -> Value {
    let file: Option<Value> = drill.key.key_file.as_deref().and_then(|file| serde_json::from_str(file).ok());
    json!({
        "v": 1,
        "act": "drill",
        "desk": site.desk.rules.desk_name,
        "network": site.desk.rules.network.to_string(),
        "trade": null,
        "role": "arbitrator",
        "account": who.account.name,
        "key": { "origin": drill.origin, "xpub": drill.xpub, "file": file },
        "contract": null,
        "contract_hash": null,
        "contract_signatures": { "buyer": null, "seller": null },
        "record": null,
        "payee_details": null,
        "payer_details": null,
        "message": drill.message,
        "ruling": null,
        "ruling_signature": null,
        "psbts": [{ "step": 1, "base64": drill.psbt, "txid": drill.txid }],
        "payout": null,
        "funding": [],
        "alive": [],
    })
}

pub async fn page(site: web::Data<Site>, who: Arbitrator) -> Answer {
    let page = read(&site, &who, Errors::default()).await?;
    page.answer_as_signer(StatusCode::OK, &site, &who.visitor)
}

/// The unsigned drill as a file for a wallet.
pub async fn psbt(site: web::Data<Site>, who: Arbitrator) -> Answer {
    let drill = arbitrators::drill(&site.desk, who.account.id).await?;
    let bytes = BASE64.decode(drill.psbt.as_bytes()).map_err(desk::Error::broken)?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"trine-drill.psbt\""))
        .body(bytes))
}

pub async fn sign(site: web::Data<Site>, who: Arbitrator, posted: Posted) -> Answer {
    let upload = posted.file("file").unwrap_or_else(|| posted.fields.text("signatures").as_bytes());
    let done = match upload {
        [] => Err(Refusal::new(RefusalKind::Invalid, "Paste the signed PSBT, or choose its file.").into()),
        upload => arbitrators::sign_drill(&site.desk, who.account.id, upload).await,
    };
    match done {
        Ok(()) => Ok(see_other("/keys/drill")),
        Err(desk::Error::Refused(refusal)) => {
            let page = read(&site, &who, Errors::from(&refusal)).await?;
            page.answer_as_signer(status_of(refusal.kind), &site, &who.visitor)
        }
        Err(failed) => Err(failed.into()),
    }
}
