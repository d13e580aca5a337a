//! Buttons that only a practice desk has: pay with play money, mine a block.

use actix_web::web;

use super::error::Answer;
use super::page::see_other;
use super::posted::Posted;
use super::site::Site;
use super::trades::reference;
use super::visitor::SignedIn;
use crate::desk::practice;

pub async fn deposit(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let trade = reference(posted.fields.text("trade"))?;
    practice::deposit(&site.desk, trade, who.account.id, posted.fields.text("amount")).await?;
    Ok(see_other(format!("/trades/{trade}")))
}

pub async fn mine(site: web::Data<Site>, _who: SignedIn, posted: Posted) -> Answer {
    practice::mine(&site.desk, posted.fields.text("blocks")).await?;
    Ok(match reference(posted.fields.text("trade")) {
        Ok(trade) => see_other(format!("/trades/{trade}")),
        Err(_) => see_other("/trades"),
    })
}
