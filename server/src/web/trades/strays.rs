//! Signing pages of extra payments at an escrow's address: each goes back to the seller in a refund of its own.

use actix_web::http::StatusCode;
use actix_web::web;

use super::{Sheet, SigningPage, psbt_file, reference, upload};
use crate::desk::error::Error;
use crate::desk::signing::Paper;
use crate::desk::{payouts, trade_facts};
use crate::domain::{PublicRef, RefusalKind};
use crate::web::error::{Answer, status_of};
use crate::web::page::see_other;
use crate::web::posted::{Errors, Posted};
use crate::web::site::Site;
use crate::web::visitor::SignedIn;

/// The refund of one stray.
async fn stray(site: &Site, who: &SignedIn, reference: PublicRef, txid: &str) -> Result<SigningPage, Error> {
    let paper = Paper::Stray { txid: txid.to_owned() };
    let (_, _, view) = trade_facts::signing_page(&site.desk, reference, who.account.id, &paper).await?;
    let warning = if view.role == "buyer" {
        "With your signature these coins can go back to the seller, for good. If you have paid, sign only if they are not the deposit, or the trade is over."
    } else {
        ""
    };
    let sheet = Sheet {
        title: "Send back an extra payment".into(),
        words: "These coins came to the escrow's address beside the deposit. They are the seller's and go to the seller's refund address; the trade itself does not change.".into(),
        warning: warning.into(),
        button: "Send my signature".into(),
        action: format!("/trades/{reference}/strays/{txid}"),
        back: format!("/trades/{reference}"),
        ticks: Vec::new(),
        files: format!("/trades/{reference}/strays/{txid}/files"),
    };
    Ok(SigningPage::new(sheet, view))
}

pub async fn stray_form(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, String)>) -> Answer {
    stray(&site, &who, reference(&path.0)?, &path.1).await?.sign(StatusCode::OK, &site, &who.visitor)
}

pub async fn stray_psbt(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, String, usize)>) -> Answer {
    psbt_file(&stray(&site, &who, reference(&path.0)?, &path.1).await?.view, path.2)
}

pub async fn sign_stray(
    site: web::Data<Site>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    posted: Posted,
) -> Answer {
    let (trade, txid) = (reference(&path.0)?, &path.1);
    match payouts::sign_stray(&site.desk, trade, who.account.id, txid, &upload(&posted)).await {
        Ok(()) => Ok(see_other(format!("/trades/{trade}"))),
        Err(Error::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            let Ok(mut page) = stray(&site, &who, trade, txid).await else { return Err(refusal.into()) };
            page.typed = posted.fields.clone();
            page.errors = Errors::from(&refusal);
            page.sign(status_of(refusal.kind), &site, &who.visitor)
        }
        Err(error) => Err(error.into()),
    }
}
