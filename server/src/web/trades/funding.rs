//! Where the deposit goes: the escrow's address, checked by the signer before it is shown, and how much is asked for now.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::{reference, weather};
use crate::desk::signing::{Paper, SigningView};
use crate::desk::trade_facts::{self, TradeFacts};
use crate::domain::money::{btc_plain, btc_words};
use crate::domain::{Party, Refusal, Stage};
use crate::web::error::Answer;
use crate::web::headers::SignerPage;
use crate::web::page::Page;
use crate::web::site::{Site, signer_hash};
use crate::web::times::Moment;
use crate::web::visitor::SignedIn;

/// The address to pay the deposit to.
#[derive(Debug, Serialize)]
pub struct FundingPage {
    pub view: SigningView,
    pub bundle_hash: String,
    pub address: String,
    /// What is asked for now.
    pub amount: String,
    pub bip21: String,
    pub descriptor: String,
    pub contract_hash: String,
    pub confirmations: u32,
    pub seller: bool,
    /// Something is asked for: the deposit, or what is missing of it.
    pub asks: bool,
    pub top_up: Option<TopUp>,
    /// The deposit is gone from the chain: a new one takes its place.
    pub again: bool,
    /// The window is over: what is sent now comes too late.
    pub too_late: bool,
    /// Both may still change the contract.
    pub may_change: bool,
}

/// A deposit that is short.
#[derive(Debug, Serialize)]
pub struct TopUp {
    pub expected: String,
    pub short_by: String,
    /// What a further payment costs to be spent; zero is not said.
    pub cost: Option<String>,
    pub until: Option<Moment>,
}

impl Page for FundingPage {
    const TEMPLATE: &'static str = "trades/funding.html";
}

impl FundingPage {
    fn new(view: SigningView, facts: &TradeFacts) -> Result<Self, Refusal> {
        let (row, trade) = (&facts.row, &facts.row.state);
        if !(trade.buyer_agreed && trade.seller_agreed) {
            return Err(Refusal::conflict("Nobody is asked for a deposit before both have signed the contract."));
        }
        let missing = facts.missing.filter(|_| trade.stage == Stage::AwaitingDeposit);
        let asked = missing.map_or(row.deposit, |missing| missing.top_up);
        let too_late = trade.confirm_by.is_some() || trade.deposit_by.is_some_and(|by| facts.now >= by);
        let seller = facts.party == Party::Seller;
        let again = seller && weather::needs_new_deposit(facts);
        Ok(Self {
            bundle_hash: signer_hash(),
            amount: btc_words(asked),
            bip21: format!("bitcoin:{}?amount={}", row.address, btc_plain(asked)),
            address: row.address.clone(),
            descriptor: facts.book.contract.descriptor.clone(),
            contract_hash: data_encoding::HEXLOWER.encode(&row.contract_hash),
            confirmations: trade.confirmations,
            seller,
            asks: (seller && missing.is_some() && !too_late) || again,
            again,
            top_up: missing.filter(|missing| missing.expected.to_sat() > 0).map(|missing| TopUp {
                expected: btc_words(missing.expected),
                short_by: btc_words(missing.short_by),
                cost: (missing.cost.to_sat() > 0).then(|| btc_words(missing.cost)),
                until: trade.deposit_by.map(Into::into),
            }),
            too_late: missing.is_some() && too_late,
            may_change: trade.may_amend(facts.now).is_ok(),
            view,
        })
    }
}

pub async fn funding(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let (_, _, view) = trade_facts::signing_page(&site.desk, reference, who.account.id, &Paper::Check).await?;
    let facts = trade_facts::beside_the_room(&site.desk, reference, who.account.id).await?;
    let mut answer: HttpResponse = FundingPage::new(view, &facts)?.answer(&site, &who.visitor)?;
    answer.extensions_mut().insert(SignerPage);
    Ok(answer)
}
