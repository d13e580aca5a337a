//! Trades: the list, the page of one, and what can be done there without signing.

mod card;
mod children;
mod funding;
mod page;
mod payout;
mod share;
mod sheets;
mod strays;
mod weather;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, ContentDisposition, DispositionParam, DispositionType};
use actix_web::{HttpResponse, web};
use serde::Serialize;

pub use children::*;
pub use funding::{FundingPage, funding};
pub use page::{TradePage, dots, price_words, stage_words};
pub use payout::*;
pub use sheets::*;
pub use strays::*;
pub use weather::{SPENT_ELSEWHERE, foreign_spend, ruling_fits};

use super::error::Answer;
use super::live;
use super::page::{Page, see_other};
use super::posted::Posted;
use super::site::Site;
use super::times::Moment;
use super::visitor::SignedIn;
use crate::desk::trades::{self as desk, TradeRow};
use crate::desk::{contracts, trade_facts};
use crate::domain::money::btc_words;
use crate::domain::trade::Act;
use crate::domain::{Party, PublicRef, Refusal};

/// The reference in a URL; anything else is nowhere.
pub(super) fn reference(path: &str) -> Result<PublicRef, Refusal> {
    path.parse().map_err(|_| Refusal::not_found())
}

/// One trade in the list.
#[derive(Debug, Serialize)]
pub struct TradeLine {
    pub reference: String,
    pub grouped: String,
    pub role: &'static str,
    pub other: String,
    pub fiat: String,
    pub btc: String,
    pub stage: &'static str,
    pub due: Option<Moment>,
    pub since: Moment,
    /// What others have said in its room and was not read.
    pub unread: i64,
    /// Who has signed something that lives: buyer, seller, arbitrator.
    pub signed: [bool; 3],
}

/// My trades, by who must act.
#[derive(Debug, Default, Serialize)]
pub struct TradesPage {
    pub mine: Vec<TradeLine>,
    pub theirs: Vec<TradeLine>,
    pub over: Vec<TradeLine>,
}

impl Page for TradesPage {
    const TEMPLATE: &'static str = "trades/trades.html";
}

pub async fn list(site: web::Data<Site>, who: SignedIn) -> Answer {
    let mut page = TradesPage::default();
    let due = trade_facts::my_deadlines(&site.desk, who.account.id).await?;
    let unread = trade_facts::unread(&site.desk, who.account.id).await?;
    for row in trade_facts::mine(&site.desk, who.account.id).await? {
        let Some(party) = row.party_of(who.account.id) else { continue };
        let turn = row.state.turn();
        let next = due.get(&row.reference);
        let unread = unread.get(&row.id).copied().unwrap_or(0);
        let line = TradeLine { unread, ..line(&row, party, next.map(|one| one.due_at.into())) };
        if turn.contains(&party) {
            page.mine.push(line);
        } else if turn.is_empty() && matches!(row.state.stage.as_str(), "completed" | "cancelled") {
            page.over.push(line);
        } else {
            page.theirs.push(line);
        }
    }
    page.answer(&site, &who.visitor)
}

fn line(row: &TradeRow, party: Party, due: Option<Moment>) -> TradeLine {
    let other = match party {
        Party::Buyer => row.seller_name.clone(),
        Party::Seller => row.buyer_name.clone(),
        Party::Arbitrator => format!("{} and {}", row.buyer_name, row.seller_name),
    };
    TradeLine {
        reference: row.reference.to_string(),
        grouped: row.reference.grouped(),
        role: party.as_str(),
        other,
        fiat: row.fiat_words(),
        btc: btc_words(row.amount),
        stage: page::stage_words(&row.state),
        due,
        since: row.created_at.into(),
        signed: page::dots(&row.state),
        unread: 0,
    }
}

pub async fn show(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let facts = trade_facts::of(&site.desk, reference(&path)?, who.account.id).await?;
    let last = facts.room.as_ref().map(|room| room.last);
    let page = TradePage::new(&site, facts).html(&site, &who.visitor)?;
    Ok(who.visitor.shown(&site, StatusCode::OK, live::positioned(&page, last)))
}

/// The contract as a file: its SHA-256 is the hash in the signed message.
pub async fn contract_file(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let text = trade_facts::contract_file(&site.desk, reference, who.account.id).await?;
    Ok(file(&format!("trine-{reference}-contract.json"), "application/json", text.into_bytes()))
}

pub async fn contract_signatures(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let text = contracts::signatures_file(&site.desk, reference, who.account.id).await?;
    Ok(file(&format!("trine-{reference}-signatures.json"), "application/json", text.into_bytes()))
}

pub(super) fn file(name: &str, media_type: &'static str, bytes: Vec<u8>) -> HttpResponse {
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(name.to_owned())],
    };
    HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((CONTENT_DISPOSITION, disposition))
        .insert_header(("cache-control", "private, no-store"))
        .body(bytes)
}

macro_rules! plain_acts {
    ($($(#[$doc:meta])* $name:ident => $act:expr;)*) => {$(
        $(#[$doc])*
        pub async fn $name(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
            act(&site, &who, &path, &posted, $act).await
        }
    )*};
}

plain_acts! {
    /// Before both have signed either may leave: pages offer this word to the maker,
    decline => Act::Decline;
    /// and this one to the taker.
    withdraw => Act::Withdraw;
    /// Before anything is in escrow.
    cancel => Act::Cancel;
    undo_payment => Act::UndoMark;
    see_payment => Act::SeePayment;
    answer_payment => Act::AnswerMark;
}

async fn act(site: &Site, who: &SignedIn, path: &str, posted: &Posted, act: Act) -> Answer {
    let reference = reference(path)?;
    desk::act(&site.desk, reference, who.account.id, posted.fields.text("version"), act).await?;
    Ok(see_other(format!("/trades/{reference}")))
}
