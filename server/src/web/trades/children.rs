//! A child that pays for its parent: made here, signed in the wallet that holds the output, brought back and sent.

use actix_web::web;
use serde::Serialize;

use super::sheets::upload;
use super::{file, reference};
use crate::desk::children::{self, Children};
use crate::desk::error::Error;
use crate::desk::estimates;
use crate::domain::money::{btc_words, sats_grouped};
use crate::domain::{PublicRef, RefusalKind};
use crate::web::error::{Answer, status_of};
use crate::web::page::{Page, see_other};
use crate::web::posted::{Errors, Fields, Posted, Query};
use crate::web::site::Site;
use crate::web::visitor::SignedIn;

/// One child that could be signed.
#[derive(Debug, Serialize)]
pub struct OfferLine {
    pub blocks: u16,
    pub expected: String,
    pub fee: String,
    /// Of both together.
    pub rate: String,
    pub arrives: String,
    /// It costs more than a tenth of what arrives: a payout by itself never does.
    pub dear: bool,
}

#[derive(Debug, Serialize)]
pub struct ChildPage {
    pub reference: String,
    pub grouped: String,
    pub version: u64,
    pub txid: String,
    /// What the payout pays by itself, and how long that is expected to take.
    pub rate: String,
    pub expected: String,
    pub address: String,
    pub value: String,
    pub to: String,
    pub own: bool,
    pub offers: Vec<OfferLine>,
    /// Why there is none for the other waits, each reason once.
    pub refused: Vec<String>,
    pub brought: Vec<String>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for ChildPage {
    const TEMPLATE: &'static str = "trades/child.html";
}

impl ChildPage {
    fn new(made: Children, typed: Fields, errors: Errors) -> Self {
        let rate = |cost: u64, vbytes: u64| format!("{} sat/vB", cost.div_ceil(vbytes.max(1)));
        let (mut offers, mut refused) = (Vec::new(), Vec::new());
        for offer in made.offers {
            match offer.made {
                Ok(child) => offers.push(OfferLine {
                    blocks: offer.blocks,
                    expected: estimates::in_words(Some(offer.blocks)),
                    fee: format!("{} sat", sats_grouped(child.cost().fee)),
                    rate: rate(child.package().fee.to_sat(), child.package().vbytes),
                    arrives: btc_words(child.value()),
                    dear: child.cost().fee.to_sat().saturating_mul(10) > child.value().to_sat(),
                }),
                Err(why) if refused.contains(&why.words) => {}
                Err(why) => refused.push(why.words),
            }
        }
        Self {
            offers,
            refused,
            reference: made.row.reference.to_string(),
            grouped: made.row.reference.grouped(),
            version: made.row.state.version,
            txid: made.txid.to_string(),
            rate: rate(made.cost.fee.to_sat(), made.cost.vbytes),
            expected: made.expected,
            own: made.to == made.address,
            address: made.address.to_string(),
            to: made.to.to_string(),
            value: btc_words(made.value),
            brought: made
                .brought
                .iter()
                .filter(|child| child.party == made.party)
                .map(|child| format!("{} sat: {}", sats_grouped(child.fee), child.txid))
                .collect(),
            typed,
            errors,
        }
    }
}

async fn shown(
    site: &Site,
    who: &SignedIn,
    reference: PublicRef,
    to: &str,
    typed: Fields,
    mut errors: Errors,
) -> Result<ChildPage, Error> {
    let made = match children::offered(&site.desk, reference, who.account.id, to).await {
        Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::Invalid => {
            errors = Errors::from(&refusal);
            children::offered(&site.desk, reference, who.account.id, "").await?
        }
        other => other?,
    };
    Ok(ChildPage::new(made, typed, errors))
}

pub async fn child(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, Query(query): Query) -> Answer {
    let to = query.text("to").to_owned();
    let page = shown(&site, &who, reference(&path)?, &to, query, Errors::default()).await?;
    page.answer(&site, &who.visitor)
}

/// The PSBT for one wait, in binary as wallets read it.
pub async fn child_psbt(
    site: web::Data<Site>,
    who: SignedIn,
    path: web::Path<(String, u16)>,
    Query(query): Query,
) -> Answer {
    let reference = reference(&path.0)?;
    let bytes = children::file(&site.desk, reference, who.account.id, path.1, query.text("to")).await?;
    Ok(file(&format!("trine-{reference}-child-{}.psbt", path.1), "application/octet-stream", bytes))
}

pub async fn bring_child(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = reference(&path)?;
    let seen = posted.fields.text("version");
    match children::bring(&site.desk, reference, who.account.id, seen, &upload(&posted)).await {
        Ok(_) => Ok(see_other(format!("/trades/{reference}/payout"))),
        Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::Invalid => {
            let errors = Errors::from(&refusal);
            let page = shown(&site, &who, reference, "", posted.fields.clone(), errors).await?;
            page.answer_with(status_of(refusal.kind), &site, &who.visitor)
        }
        Err(error) => Err(error.into()),
    }
}
