//! Taking an offer: price, fees and arbitrator are fixed, the amount is reserved, and the contract is written.

mod paper;

use bitcoin::hashes::{Hash, sha256};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::error::{Done, Error};
use super::payment_accounts::{self, Opened};
use super::quotes::{self, Priced, TakeInput, TakeReview};
use super::secrets::random;
use super::{Desk, draw, hours, keys, notices, room, trades};
use crate::domain::trade::{Trade, Windows};
use crate::domain::{
    AccountName, Actor, MessageId, MethodId, PublicRef, Quote, Refusal, RefusalKind, Side, Stage, TradeId, UserId,
};
use crate::escrow::deposit::Confirmations;
use crate::escrow::{AccountKey, Lock, PrivateDetails, fees};
use crate::store::Transaction;
use crate::store::offers::{self, Halts, OfferRow};
use crate::store::takes::{self, NewTake, Scene, Taking};
use crate::store::trade_log::{self, Line};
use crate::store::trades::{AccountRecord, NewTrade};

/// The rules every contract names by hash.
pub const DISPUTE_RULES: &str = include_str!("../../../static/dispute-rules.txt");

/// What the taker confirmed, as the form sends it.
#[derive(Debug, Clone, Default)]
pub struct TakeForm {
    pub amount: String,
    pub payment_account: String,
    pub key: String,
    pub address: String,
    pub offer_version: String,
    /// The price of one bitcoin that stood in the summary.
    pub price_seen: String,
}

/// One side of the trade that is being made.
struct Person {
    account: UserId,
    name: AccountName,
    key_id: crate::domain::KeyId,
    key: AccountKey,
    address: String,
    accounts: Opened,
}

/// Takes an offer. The reference of the new trade.
///
/// # Errors
///
/// Refused when the offer, its price or what is left of it is not what the taker saw; then nothing is reserved.
pub async fn take(desk: &Desk, taker: UserId, offer: PublicRef, form: &TakeForm) -> Done<PublicRef> {
    let fee_rate = quotes::payout_fee_rate(desk).await.map_err(|_| no_node())?;
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    let held = offers::lock(&tx, offer).await?.ok_or_else(Refusal::not_found)?;
    let now = desk.now(&tx).await?;
    let makers: Vec<_> = held.offer.accounts.iter().map(|one| one.account).collect();
    let taking = Taking { taker, currency: held.offer.currency, maker_key: held.key, maker_accounts: &makers, now };
    let scene = takes::scene(&tx, &taking).await?.ok_or_else(Refusal::not_found)?;

    let market = quotes::Market::new(&desk.rules, scene.rate, now);
    let priced = Priced::new(&desk.rules, held, market, fee_rate);
    let review = quotes::check(desk, taker, &priced, &TakeInput::from(form), &scene.accounts, scene.usable(taker))?;
    fees::take_is_affordable(review.quote.deposit, fee_rate)?;
    still_as_seen(taker, &priced, &scene.halts, &review, form)?;
    new_accounts_go_slowly(desk, &scene.record)?;
    if scene.blocked {
        return Err(Refusal::conflict("One of you two does not trade with the other. Nothing was changed.").into());
    }
    let feerate = u32::try_from(fee_rate.to_sat_per_vb_ceil()).map_err(|_| no_node())?;
    let reference =
        make(desk, &tx, Made { taker, held: &priced.row, scene: &scene, review: &review, feerate, now }).await?;
    tx.commit().await?;
    Ok(reference)
}

impl From<&TakeForm> for TakeInput {
    fn from(form: &TakeForm) -> Self {
        Self {
            amount: form.amount.clone(),
            payment_account: form.payment_account.clone(),
            key: form.key.clone(),
            address: form.address.clone(),
        }
    }
}

fn no_node() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "The desk cannot reach its bitcoin node, so it cannot fix miner fees. Nothing was changed; try again soon.",
    )
}

/// The offer as it is held now is the one that was confirmed, at that price.
fn still_as_seen(
    taker: UserId,
    priced: &Priced,
    halts: &Halts,
    review: &TakeReview,
    form: &TakeForm,
) -> Result<(), Refusal> {
    if let Some(why) = halts.suspended_why.as_ref().or(halts.paused_why.as_ref()) {
        return Err(Refusal::new(RefusalKind::Unavailable, format!("New trades are not possible: {why}")));
    }
    if priced.row.maker_suspended {
        return Err(Refusal::conflict("This offer cannot be taken at present."));
    }
    let offer = &priced.row.offer;
    let seen = form.offer_version.trim().parse().unwrap_or(-1);
    offer.check_take(taker, review.quote.fiat, review.method, seen)?;
    let price = review.quote.price;
    if form.price_seen.trim().parse::<Decimal>() != Ok(price) {
        let words = format!("The price has moved to {price} {}. Look at the sums again.", offer.currency);
        return Err(Refusal::conflict(words));
    }
    Ok(())
}

/// An account without a completed trade has one unsigned take and one funded trade at a time; three lapses in 30 days
/// stop new takes for 7 days.
fn new_accounts_go_slowly(desk: &Desk, record: &AccountRecord) -> Result<(), Refusal> {
    let most = i64::from(desk.rules.new_account_trades_max);
    if record.completed == 0 && (record.proposed >= most || record.running >= most) {
        return Err(Refusal::conflict(
            "Until your first trade is completed you can have one trade at a time. Finish or cancel the one that runs.",
        ));
    }
    if record.lapses >= 3 {
        return Err(Refusal::conflict(
            "You let three trades lapse within 30 days (not signed, not deposited or not paid). New takes are possible 7 days after the last.",
        ));
    }
    Ok(())
}

/// Everything a new trade is made from.
struct Made<'a> {
    taker: UserId,
    held: &'a OfferRow,
    scene: &'a Scene,
    review: &'a TakeReview,
    feerate: u32,
    now: Timestamp,
}

async fn make(desk: &Desk, tx: &Transaction<'_>, from: Made<'_>) -> Done<PublicRef> {
    let Made { held, review, now, .. } = from;
    let id = TradeId(Uuid::now_v7());
    let reference = PublicRef::from_bits(random());
    let (buyer, seller) = both_sides(desk, &from)?;
    let arbitrator = draw::arbitrator_for(desk, tx, buyer.account, seller.account, now).await?;
    let level = draw::level_for(tx, arbitrator.key_id, &buyer.key, &seller.key).await?;
    let index = keys::take_index(tx, &buyer.key, &seller.key, id).await?;
    let lock = Lock::of_accounts([&buyer.key, &seller.key, &arbitrator.key], level, index, desk.rules.network)
        .map_err(Refusal::from)?;

    let payee = details(review.method, &seller.accounts.payee)?;
    let payer = details(review.method, &buyer.accounts.payer)?;
    // Never later than it is: an outage that begins within this second counts from its first moment.
    let seconds = Timestamp::from_second(now.as_second()).map_err(Error::broken)?;
    let hours = hours::of_three(tx, buyer.account, seller.account, arbitrator.account).await?;
    let trade = new_trade(desk, held, &review.quote, review.method, seconds).in_hours(hours);
    let places = paper::Places { lock: &lock, level, index, feerate: from.feerate, arbitrator: &arbitrator };
    let contract =
        paper::contract(desk, tx, held, review, &trade, reference, [&buyer, &seller], [&payee, &payer], places).await?;
    let text = contract.to_text_for(&lock)?;
    let contract_hash = sha256::Hash::hash(text.as_bytes());
    let line = Line {
        version: 0,
        at: now,
        actor: Actor::from(held.offer.side.other()),
        account: Some(from.taker),
        event: None,
        act: json!({ "act": "take", "trade": trade, "contract": contract_hash.to_string() }).to_string(),
        stage_from: None,
        stage_to: Stage::Proposed,
    };
    let new = NewTake {
        trade: NewTrade {
            id,
            reference,
            state: &trade,
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
            contract_text: &text,
            contract_hash: contract_hash.to_byte_array(),
            script: &lock.script_pubkey(),
            address: &contract.address,
            payee_sealed: &desk.secrets.seal(&payee_place(id), payee.to_text()?.as_bytes())?,
            payer_sealed: &desk.secrets.seal(&payer_place(id), payer.to_text()?.as_bytes())?,
        },
        hash: &trades::chained(&trade_log::BEGINNING, id, &line),
        line: &line,
        message: MessageId(Uuid::now_v7()),
        words: &room::words_of_take(&review.quote),
        notice: &notices::of_take(id, &trade, held.offer.maker),
        reserved: held.offer.reserve(review.quote.fiat)?,
    };
    takes::write(tx, &new).await?;
    Ok(reference)
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

/// Maker and taker as buyer and seller.
fn both_sides(desk: &Desk, from: &Made<'_>) -> Done<(Person, Person)> {
    let Made { held, review, scene, taker, .. } = *from;
    let offer = &held.offer;
    let their = offer
        .account_for(review.method)
        .ok_or_else(|| Refusal::conflict("This offer does not take that way to pay."))?;
    let maker_key = scene.key(offer.maker, held.key).ok_or_else(|| {
        Refusal::conflict("The maker's signing key is not in use any more, so this offer cannot be taken.")
    })?;
    let taker_key = scene.key(taker, review.key).ok_or_else(Refusal::not_found)?;
    let account = |owner, id| {
        let row = scene.accounts.iter().find(|row| row.id == id && row.owner == owner);
        payment_accounts::opened(desk, row.ok_or_else(Refusal::not_found)?.clone())
    };
    let maker = Person {
        account: offer.maker,
        name: AccountName::parse(&held.maker_name).map_err(Error::broken)?,
        key_id: held.key,
        key: keys::parsed(desk, maker_key)?,
        address: held.address.clone(),
        accounts: account(offer.maker, their.account)?,
    };
    let taker = Person {
        account: taker,
        name: AccountName::parse(&scene.taker_name).map_err(Error::broken)?,
        key_id: review.key,
        key: keys::parsed(desk, taker_key)?,
        address: review.address.clone(),
        accounts: account(taker, review.payment_account)?,
    };
    Ok(match offer.side {
        Side::Buyer => (maker, taker),
        Side::Seller => (taker, maker),
    })
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
