//! After a trade: what one says of the other, and what the operator is told. Beside it, whom one does not trade with.

use actix_web::web;
use serde::Serialize;

use super::error::{Answer, again};
use super::page::{Page, see_other};
use super::posted::{Errors, Fields, Posted};
use super::shown::Choice;
use super::site::Site;
use super::times::Moment;
use super::trades::reference;
use super::visitor::{SignedIn, Trader};
use crate::desk::conduct::{self as desk, FeedbackRow, Why};
use crate::desk::error::Done;
use crate::domain::{Party, PublicRef};

#[derive(Debug, Serialize)]
pub struct ConductPage {
    pub reference: String,
    pub grouped: String,
    pub other: String,
    pub feedback: Vec<FeedbackShown>,
    pub may_feed_back: bool,
    pub is_over: bool,
    pub reasons: Vec<Choice>,
    /// The operator has just been told.
    pub reported: bool,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for ConductPage {
    const TEMPLATE: &'static str = "trades/conduct.html";
}

/// What was said of somebody.
#[derive(Debug, Serialize)]
pub struct FeedbackShown {
    pub author: String,
    pub good: bool,
    pub words: String,
    pub at: Moment,
}

impl From<FeedbackRow> for FeedbackShown {
    fn from(row: FeedbackRow) -> Self {
        Self { author: row.author, good: row.good, words: row.words, at: row.at.into() }
    }
}

async fn read(site: &Site, who: &SignedIn, reference: PublicRef) -> Done<ConductPage> {
    let found = desk::aftermath(&site.desk, reference, who.account.id).await?;
    let other = if found.party == Party::Buyer { found.row.seller_name } else { found.row.buyer_name };
    Ok(ConductPage {
        reference: reference.to_string(),
        grouped: reference.grouped(),
        other,
        feedback: found.feedback.into_iter().map(FeedbackShown::from).collect(),
        may_feed_back: found.may_feed_back,
        is_over: desk::is_over(&found.row.state),
        reasons: Why::ALL.map(|why| Choice::new(why.as_str(), why.in_words())).into(),
        reported: false,
        typed: Fields::default(),
        errors: Errors::default(),
    })
}

pub async fn page(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    read(&site, &who, reference(&path)?).await?.answer(&site, &who.visitor)
}

/// Fields: `good` (`yes`, `no`), `words`.
pub async fn feed_back(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, fields) = (reference(&path)?, &posted.fields);
    let (good, words) = (fields.text("good"), fields.text("words"));
    match desk::give_feedback(&site.desk, reference, who.account.id, good, words).await {
        Ok(()) => Ok(see_other(format!("/trades/{reference}/conduct"))),
        Err(error) => {
            let page = read(&site, &who, reference).await?;
            again(error, &site, &who.visitor, |errors| ConductPage { errors, typed: posted.fields, ..page })
        }
    }
}

/// Fields: `reason`, `report`.
pub async fn report(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let (reference, fields) = (reference(&path)?, &posted.fields);
    let (reason, words) = (fields.text("reason"), fields.raw("report"));
    let done = desk::report(&site.desk, reference, who.account.id, reason, words).await;
    let page = read(&site, &who, reference).await?;
    match done {
        Ok(()) => ConductPage { reported: true, ..page }.answer(&site, &who.visitor),
        Err(error) => again(error, &site, &who.visitor, |errors| ConductPage { errors, typed: posted.fields, ..page }),
    }
}

pub async fn block(site: web::Data<Site>, who: Trader, name: web::Path<String>, _posted: Posted) -> Answer {
    desk::block(&site.desk, who.account.id, &name).await?;
    Ok(see_other(format!("/people/{name}")))
}

pub async fn unblock(site: web::Data<Site>, who: Trader, name: web::Path<String>, _posted: Posted) -> Answer {
    desk::unblock(&site.desk, who.account.id, &name).await?;
    Ok(see_other(format!("/people/{name}")))
}
