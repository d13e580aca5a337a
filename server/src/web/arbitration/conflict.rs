//! An arbitrator who should not decide says so.

use actix_web::web;
use serde::Serialize;

use crate::desk::conflicts;
use crate::desk::error::Done;
use crate::desk::trade_facts;
use crate::domain::{Party, PublicRef, Refusal};
use crate::web::error::{Answer, again};
use crate::web::page::{Page, see_other};
use crate::web::posted::{Errors, Fields, Posted};
use crate::web::site::Site;
use crate::web::times::Moment;
use crate::web::trades::reference;
use crate::web::visitor::Arbitrator;

#[derive(Debug, Serialize)]
pub struct ConflictPage {
    pub reference: String,
    pub grouped: String,
    pub buyer: String,
    pub seller: String,
    /// Nothing is at stake: the trade is cancelled by it.
    pub cancels: bool,
    pub declared: Option<Moment>,
    pub why: String,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for ConflictPage {
    const TEMPLATE: &'static str = "arbitration/conflict.html";
}

async fn read(site: &Site, who: &Arbitrator, reference: PublicRef) -> Done<ConflictPage> {
    let (row, party) = trade_facts::party(&site.desk, reference, who.account.id).await?;
    if party != Party::Arbitrator {
        return Err(Refusal::not_found().into());
    }
    let declared = conflicts::of(&site.desk, reference, who.account.id).await?;
    Ok(ConflictPage {
        reference: reference.to_string(),
        grouped: reference.grouped(),
        cancels: conflicts::cancels(&row),
        why: declared.as_ref().map(|one| one.why.clone()).unwrap_or_default(),
        declared: declared.map(|one| one.at.into()),
        buyer: row.buyer_name,
        seller: row.seller_name,
        typed: Fields::default(),
        errors: Errors::default(),
    })
}

pub async fn form(site: web::Data<Site>, who: Arbitrator, path: web::Path<String>) -> Answer {
    read(&site, &who, reference(&path)?).await?.answer(&site, &who.visitor)
}

/// Fields: `with` (`buyer`, `seller`, `both`), `why`.
pub async fn declare(site: web::Data<Site>, who: Arbitrator, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, fields) = (reference(&path)?, &posted.fields);
    let done = conflicts::declare(&site.desk, reference, who.account.id, fields.text("with"), fields.text("why")).await;
    match done {
        Ok(()) => Ok(see_other(format!("/arbitration/{reference}/conflict"))),
        Err(error) => {
            let page = read(&site, &who, reference).await?;
            again(error, &site, &who.visitor, |errors| ConflictPage { errors, typed: posted.fields, ..page })
        }
    }
}
