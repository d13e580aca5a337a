//! All that an arbitrator has ruled, with his reasons: like cases are to be ruled alike.

use actix_web::web;
use serde::Serialize;

use crate::desk::arbitration::{self as desk, Archived};
use crate::domain::disputing::Reason;
use crate::domain::parts::Parts;
use crate::web::divided::PartsShown;
use crate::web::error::Answer;
use crate::web::page::Page;
use crate::web::posted::Query;
use crate::web::site::Site;
use crate::web::times::Moment;
use crate::web::visitor::Arbitrator;

#[derive(Debug, Serialize)]
pub struct ArchivePage {
    pub rulings: Vec<Past>,
    /// Where the next, older page begins.
    pub next: String,
    pub is_newest: bool,
}

impl Page for ArchivePage {
    const TEMPLATE: &'static str = "arbitration/archive.html";
}

/// A ruling that was made.
#[derive(Debug, Serialize)]
pub struct Past {
    pub href: String,
    pub grouped: String,
    pub buyer: String,
    pub seller: String,
    pub reason: &'static str,
    pub signed: Option<Moment>,
    pub withdrawn: Option<Moment>,
    pub objected: bool,
    pub parts: PartsShown,
    pub facts: String,
    pub reasons: String,
    pub evidence: Vec<String>,
}

impl Past {
    fn new(one: Archived, unit: &str) -> Self {
        let Archived { row, facts, reasons, evidence } = one;
        Self {
            href: format!("/arbitration/{}/rulings/{}", row.trade, row.ruling.id),
            grouped: row.trade.grouped(),
            reason: Reason::from_word(&row.reason).map_or("", Reason::in_words),
            signed: row.ruling.signed_at.map(Moment::from),
            withdrawn: row.ruling.withdrawn_at.map(Moment::from),
            objected: row.objected,
            parts: PartsShown::new(Parts { buyer: row.ruling.buyer, seller: row.ruling.seller }, unit),
            facts: facts.join("\n"),
            reasons: reasons.join("\n"),
            evidence,
            buyer: row.buyer_name,
            seller: row.seller_name,
        }
    }
}

pub async fn archive(site: web::Data<Site>, who: Arbitrator, query: Query) -> Answer {
    let before = query.0.text("before").parse().ok();
    let (rulings, next) = desk::archive(&site.desk, who.account.id, before).await?;
    let rulings = rulings.into_iter().map(|one| Past::new(one, &who.account.unit)).collect();
    let next = next.map(|at| at.to_string()).unwrap_or_default();
    ArchivePage { rulings, next, is_newest: before.is_none() }.answer(&site, &who.visitor)
}
