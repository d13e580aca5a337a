//! Buttons that only a practice desk has: pay with play money, mine a block, ask a partner for something.

use actix_web::web;

use super::error::Answer;
use super::page::see_other;
use super::posted::{Fields, Posted};
use super::site::Site;
use super::trades::reference;
use super::visitor::SignedIn;
use crate::desk::practice;
use crate::domain::{Refusal, UserId, Wish};

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

/// One of the sentences that practice partners understand, said in the room.
pub async fn wish(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let trade = reference(posted.fields.text("trade"))?;
    let wish = Wish::heard(posted.fields.text("text")).ok_or_else(Refusal::not_found)?;
    practice::wish(&site.desk, trade, who.account.id, wish).await?;
    Ok(see_other(format!("/trades/{trade}")))
}

/// "Use a practice address", where scripts are off: the link says the word, the form comes back with an address in it.
pub fn practice_address(site: &Site, account: UserId, query: &Fields, address: &mut String) {
    if query.text("address") == "practice" {
        *address = practice::play_address(&site.desk, account).unwrap_or_default();
    }
}
