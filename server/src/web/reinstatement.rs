//! Taking a trade up again whose deposit came too late: what it means, and the button.

use actix_web::web;
use serde::Serialize;

use super::error::{Answer, status_of};
use super::page::{Page, see_other};
use super::posted::{Errors, Posted};
use super::shown::{bitcoin, minutes as span};
use super::site::Site;
use super::trades::reference;
use super::visitor::SignedIn;
use crate::desk::error::{Done, Error};
use crate::desk::reinstatement::{self as desk, Reinstatement};
use crate::desk::trades::TradeRow;
use crate::domain::{PublicRef, Refusal, RefusalKind};

#[derive(Debug, Serialize)]
pub struct ReinstatementPage {
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub role: &'static str,
    pub other: String,
    pub seller: String,
    pub fiat: String,
    pub amount: String,
    pub deposit: String,
    /// What is more than that, and goes back.
    pub surplus: Option<String>,
    pub payment_window: String,
    pub asked: bool,
    pub other_asked: bool,
    pub closed: String,
    pub errors: Errors,
}

impl Page for ReinstatementPage {
    const TEMPLATE: &'static str = "reinstatements/reinstatement.html";
}

impl ReinstatementPage {
    fn new(found: &Reinstatement, unit: &str) -> Self {
        let (row, state) = (&found.row, &found.row.state);
        let surplus = state.deposit.counted.checked_sub(row.deposit).filter(|surplus| surplus.to_sat() > 0);
        Self {
            reference: row.reference.to_string(),
            grouped: row.reference.grouped(),
            version: state.version,
            role: found.side.as_str(),
            other: row.name_of(found.side.other().into()).to_owned(),
            seller: row.seller_name.clone(),
            fiat: row.fiat_words(),
            amount: bitcoin(row.amount, unit),
            deposit: bitcoin(row.deposit, unit),
            surplus: surplus.map(|surplus| bitcoin(surplus, unit)),
            payment_window: span(state.windows.payment_minutes),
            asked: state.reinstating.contains(&found.side),
            other_asked: state.reinstating.contains(&found.side.other()),
            closed: found.closed.as_ref().map(Refusal::all_words).unwrap_or_default(),
            errors: Errors::default(),
        }
    }
}

pub async fn page(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let found = desk::of(&site.desk, reference(&path)?, who.account.id).await?;
    ReinstatementPage::new(&found, &who.account.unit).answer(&site, &who.visitor)
}

pub async fn agree(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = reference(&path)?;
    let done = desk::agree(&site.desk, reference, who.account.id, posted.fields.text("version")).await;
    answered(&site, &who, reference, done).await
}

pub async fn take_back(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = reference(&path)?;
    let done = desk::take_back(&site.desk, reference, who.account.id, posted.fields.text("version")).await;
    answered(&site, &who, reference, done).await
}

async fn answered(site: &Site, who: &SignedIn, reference: PublicRef, done: Done<TradeRow>) -> Answer {
    match done {
        Ok(_) => Ok(see_other(format!("/trades/{reference}"))),
        Err(Error::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            let Ok(found) = desk::of(&site.desk, reference, who.account.id).await else { return Err(refusal.into()) };
            let mut page = ReinstatementPage::new(&found, &who.account.unit);
            page.errors = Errors::from(&refusal);
            page.answer_with(status_of(refusal.kind), site, &who.visitor)
        }
        Err(error) => Err(error.into()),
    }
}
