//! What a take writes, made from what was decided. Nothing is read or written here.

use bitcoin::hashes::{Hash, sha256};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::decision::{Deal, Decided, Person};
use super::paper;
use crate::desk::error::{Done, Error};
use crate::desk::quotes::Priced;
use crate::desk::secrets::random;
use crate::desk::{Desk, arbitrators, notices, room, trades};
use crate::domain::hours::Hours;
use crate::domain::trade::{Trade, Windows};
use crate::domain::{Actor, MessageId, MethodId, Quote, Refusal, Stage, TradeId};
use crate::escrow::deposit::Confirmations;
use crate::escrow::{EscrowKey, Lock, PrivateDetails};
use crate::store::offers::OfferRow;
use crate::store::takes::{NewTake, NewTrade};
use crate::store::trade_log::{self, Line};

/// The escrow, the contract and the trade of a take, with the level of its keys and the index of a fee address.
pub(super) fn made(desk: &Desk, priced: &Priced, decided: &Decided, fee_address: Option<u32>) -> Done<NewTake> {
    let Decided { id, level, deal: Deal { buyer, seller, arbitrator, review, index, .. }, .. } = decided;
    let (held, now, reference) = (&priced.row, priced.market.now, decided.reference);
    let [buyers, sellers] = [buyer, seller].map(|person| EscrowKey::of_trader(&person.key));
    let arbiters = arbitrators::escrow_key(&arbitrator.key, *level);
    let lock = Lock::new([buyers, sellers, arbiters], *index, desk.rules.network).map_err(Refusal::from)?;
    let payee = details(review.method, &seller.accounts.payee)?;
    let payer = details(review.method, &buyer.accounts.payer)?;
    // Never later than it is: an outage that begins within this second counts from its first moment.
    let seconds = Timestamp::from_second(now.as_second()).map_err(Error::broken)?;
    let hours = |person: &Person| person.hours.clone();
    let hours = Hours { buyer: hours(buyer), seller: hours(seller), arbitrator: arbitrator.hours.clone() };
    let trade = new_trade(desk, held, &review.quote, review.method, seconds).in_hours(hours);
    let places = paper::Places { lock: &lock, fee_address };
    let contract = paper::contract(desk, held, decided, &trade, [&payee, &payer], &places)?;
    let text = contract.to_text_for(&lock)?;
    let contract_hash = sha256::Hash::hash(text.as_bytes());
    let line = Line {
        version: 0,
        at: now,
        actor: Actor::from(held.offer.side.other()),
        account: Some(decided.taker),
        event: None,
        act: json!({ "act": "take", "trade": trade, "contract": contract_hash.to_string() }).to_string(),
        stage_from: None,
        stage_to: Stage::Proposed,
    };
    Ok(NewTake {
        hash: trades::chained(&trade_log::BEGINNING, *id, &line),
        line,
        message: MessageId(Uuid::now_v7()),
        words: room::words_of_take(&review.quote),
        notice: notices::of_take(*id, &trade, held.offer.maker),
        trade: NewTrade {
            id: *id,
            reference,
            state: trade,
            offer: held.offer.id,
            buyer: buyer.account,
            seller: seller.account,
            arbitrator: arbitrator.account,
            buyer_key: buyer.key_id,
            seller_key: seller.key_id,
            arbitrator_key: arbitrator.key_id,
            amount: review.quote.amount,
            deposit: review.quote.deposit,
            fiat: review.quote.fiat.amount(),
            currency: held.offer.currency.code(),
            method: review.method.as_str(),
            contract_text: text,
            contract_hash: contract_hash.to_byte_array(),
            script: lock.script_pubkey(),
            address: contract.address,
            payee_sealed: desk.secrets.seal(&payee_place(*id), payee.to_text()?.as_bytes())?,
            payer_sealed: desk.secrets.seal(&payer_place(*id), payer.to_text()?.as_bytes())?,
        },
    })
}

/// Where the seller's payment details of a trade are sealed.
pub fn payee_place(id: TradeId) -> String {
    format!("trade {id} payee")
}

/// Where the buyer's payer fields of a trade are sealed.
pub fn payer_place(id: TradeId) -> String {
    format!("trade {id} payer")
}

fn details(method: MethodId, fields: &std::collections::BTreeMap<String, String>) -> Done<PrivateDetails> {
    Ok(PrivateDetails::new(method.as_str(), fields.clone(), random())?)
}

/// The state of a trade at its take.
fn new_trade(desk: &Desk, held: &OfferRow, quote: &Quote, method: MethodId, at: Timestamp) -> Trade {
    let (rules, method) = (&desk.rules, method.method());
    let objection = if quote.amount < rules.objection_free_below { 0 } else { rules.objection_window_minutes };
    let minutes = |count: u32| at.checked_add(SignedDuration::from_mins(count.into())).unwrap_or(at);
    let windows = Windows {
        deposit_minutes: rules.deposit_window_minutes,
        confirmation_minutes: rules.confirmation_window_minutes,
        payment_minutes: held.offer.payment_window_minutes,
        release_minutes: method.release_window_minutes,
        objection_minutes: objection,
        answer_minutes: rules.answer_window_minutes,
        ruling_minutes: rules.ruling_window_minutes,
        cosign_minutes: rules.cosign_window_minutes,
    };
    let confirmations = held.offer.confirmations.max(Confirmations::default().needed(quote.amount));
    Trade::taken(held.offer.side, windows, quote.deposit, confirmations, at, minutes(rules.signing_window_minutes))
}
