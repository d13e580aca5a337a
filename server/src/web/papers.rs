//! Signing pages outside the trade's own: shown, shown again after a refusal, and their files.

use actix_web::http::StatusCode;

use super::error::{Answer, status_of};
use super::page::see_other;
use super::posted::{Errors, Posted};
use super::site::Site;
use super::trades::{Sheet, SigningPage, psbt_file};
use super::visitor::SignedIn;
use crate::desk::error::{Done, Error};
use crate::desk::signing::Paper;
use crate::desk::trade_facts;
use crate::domain::{PublicRef, RefusalKind};

/// The page for a paper.
pub async fn show(site: &Site, who: &SignedIn, reference: PublicRef, paper: &Paper, sheet: Sheet) -> Answer {
    let (_, _, view) = trade_facts::signing_page(&site.desk, reference, who.account.id, paper).await?;
    SigningPage::new(sheet, view).sign(StatusCode::OK, site, &who.visitor)
}

/// After a signature was sent: on to `next`, or the page again with what is wrong and what was typed.
pub async fn took<T>(
    site: &Site,
    who: &SignedIn,
    reference: PublicRef,
    posted: &Posted,
    (paper, sheet, next): (Paper, Sheet, String),
    done: Done<T>,
) -> Answer {
    let refusal = match done {
        Ok(_) => return Ok(see_other(next)),
        Err(Error::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => refusal,
        Err(error) => return Err(error.into()),
    };
    let Ok((_, _, view)) = trade_facts::signing_page(&site.desk, reference, who.account.id, &paper).await else {
        return Err(refusal.into());
    };
    let mut page = SigningPage::new(sheet, view);
    page.typed = posted.fields.clone();
    page.errors = Errors::from(&refusal);
    page.sign(status_of(refusal.kind), site, &who.visitor)
}

/// One of a paper's PSBTs, for a wallet.
pub async fn file(site: &Site, who: &SignedIn, reference: PublicRef, paper: &Paper, number: usize) -> Answer {
    let (_, _, view) = trade_facts::signing_page(&site.desk, reference, who.account.id, paper).await?;
    psbt_file(&view, number)
}
