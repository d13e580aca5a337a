//! Taking an offer: price, fees and arbitrator are fixed, the amount is reserved, and the contract is written.

mod paper;

use bitcoin::hashes::{Hash, sha256};
use jiff::{SignedDuration, Timestamp, Unit};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::error::{Done, Error};
use super::payment_accounts::{self, Opened};
use super::quotes::{self, TakeInput, TakeReview};
use super::secrets::random;
use super::{Desk, draw, keys, room, trades};
use crate::domain::trade::{Trade, Windows};
use crate::domain::{
    AccountName, Actor, MethodId, PublicRef, Quote, Refusal, RefusalKind, Side, Stage, TradeId, UserId,
};
use crate::escrow::deposit::Confirmations;
use crate::escrow::{AccountKey, Lock, PrivateDetails, fees};
use crate::store::offers::{self, OfferRow};
use crate::store::trade_log::Line;
use crate::store::trades::{self as store, NewTrade};
use crate::store::{Transaction, accounts, board};

/// The rules every contract names by hash.
pub const DISPUTE_RULES: &str = include_str!("../../../static/dispute-rules.txt");

/// Blocks a payout should wait at most; the contract's feerate is the estimate for them.
const PAYOUT_TARGET_BLOCKS: u16 = 6;

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
    let view = quotes::priced(desk, offer).await?;
    let input = TakeInput {
        amount: form.amount.clone(),
        payment_account: form.payment_account.clone(),
        key: form.key.clone(),
        address: form.address.clone(),
    };
    let review = quotes::review(desk, taker, &view, &input).await?;
    let feerate = desk.chain.fee_rate(PAYOUT_TARGET_BLOCKS).await.map_err(|_| no_node())?;
    fees::take_is_affordable(review.quote.deposit, feerate)?;
    let feerate = u32::try_from(feerate.to_sat_per_vb_ceil()).map_err(|_| no_node())?;

    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    let now = desk.now(&tx).await?;
    let held = offers::lock(&tx, offer).await?.ok_or_else(Refusal::not_found)?;
    still_as_seen(desk, &tx, taker, &held, &review, form).await?;
    store::hold_account(&tx, taker).await?;
    new_accounts_go_slowly(desk, &tx, taker).await?;
    let reference = make(desk, &tx, taker, &held, &review, feerate, now).await?;
    offers::set_reserved(&tx, held.offer.id, held.offer.reserve(review.quote.fiat)?).await?;
    board::bump(&tx).await?;
    tx.commit().await?;
    Ok(reference)
}

fn no_node() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "The desk cannot reach its bitcoin node, so it cannot fix miner fees. Nothing was changed; try again soon.",
    )
}

/// The offer as it is held now is the one that was confirmed, at that price.
async fn still_as_seen(
    desk: &Desk,
    tx: &Transaction<'_>,
    taker: UserId,
    held: &OfferRow,
    review: &TakeReview,
    form: &TakeForm,
) -> Done<()> {
    let halts = offers::halts(tx, Some(taker)).await?;
    if let Some(why) = halts.suspended_why.or(halts.paused_why) {
        return Err(Refusal::new(RefusalKind::Unavailable, format!("New trades are not possible: {why}")).into());
    }
    if held.maker_suspended {
        return Err(Refusal::conflict("This offer cannot be taken at present.").into());
    }
    let seen = form.offer_version.trim().parse().unwrap_or(-1);
    held.offer.check_take(taker, review.quote.fiat, review.method, seen)?;
    let market = quotes::Market::of(desk, tx, held.offer.currency).await?;
    let price = held.offer.effective_price(market.fresh_rate());
    let price = price
        .ok_or_else(|| Refusal::conflict("The reference rate is too old; offers that float on it cannot be taken."))?;
    if form.price_seen.trim().parse::<Decimal>() != Ok(price) || price != review.quote.price {
        return Err(Refusal::conflict(format!(
            "The price has moved to {price} {}. Look at the sums again.",
            held.offer.currency
        ))
        .into());
    }
    Ok(())
}

/// An account without a completed trade has one unsigned take and one funded trade at a time; three lapses in 30 days
/// stop new takes for 7 days.
async fn new_accounts_go_slowly(desk: &Desk, tx: &Transaction<'_>, taker: UserId) -> Done<()> {
    let record = store::record_of(tx, taker, desk.now(tx).await?).await?;
    let most = i64::from(desk.rules.new_account_trades_max);
    if record.completed == 0 && (record.proposed >= most || record.running >= most) {
        return Err(Refusal::new(
            RefusalKind::Conflict,
            "Until your first trade is completed you can have one trade at a time. Finish or cancel the one that runs.",
        )
        .into());
    }
    if record.lapses >= 3 {
        return Err(Refusal::new(
            RefusalKind::Conflict,
            "You let three trades lapse within 30 days (not signed, not deposited or not paid). New takes are possible 7 days after the last.",
        )
        .into());
    }
    Ok(())
}

async fn make(
    desk: &Desk,
    tx: &Transaction<'_>,
    taker: UserId,
    held: &OfferRow,
    review: &TakeReview,
    feerate: u32,
    now: Timestamp,
) -> Done<PublicRef> {
    let id = TradeId(Uuid::now_v7());
    let reference = PublicRef::from_bits(random());
    let (buyer, seller) = both_sides(desk, tx, taker, held, review).await?;
    let arbitrator = draw::arbitrator_for(desk, tx, buyer.account, seller.account, now).await?;
    let level = draw::level_for(tx, arbitrator.key_id, &buyer.key, &seller.key).await?;
    let index = keys::take_index(tx, &buyer.key, &seller.key, id).await?;
    let lock = Lock::of_accounts([&buyer.key, &seller.key, &arbitrator.key], level, index, desk.rules.network)
        .map_err(Refusal::from)?;

    let payee = details(review.method, &seller.accounts.payee)?;
    let payer = details(review.method, &buyer.accounts.payer)?;
    let seconds = now.round(Unit::Second).map_err(Error::broken)?;
    let trade = new_trade(desk, held, &review.quote, review.method, seconds);
    let places = paper::Places { lock: &lock, level, index, feerate, arbitrator: &arbitrator };
    let contract =
        paper::contract(desk, tx, held, review, &trade, reference, [&buyer, &seller], [&payee, &payer], places).await?;
    let text = contract.to_text()?;
    let hash = sha256::Hash::hash(text.as_bytes());
    store::insert(
        tx,
        &NewTrade {
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
            contract_hash: hash.to_byte_array(),
            script: &lock.script_pubkey(),
            address: &lock.address().to_string(),
            payee_sealed: &desk.secrets.seal(&payee_place(id), payee.to_text()?.as_bytes())?,
            payer_sealed: &desk.secrets.seal(&payer_place(id), payer.to_text()?.as_bytes())?,
        },
    )
    .await?;
    store::write_deadlines(tx, id, &trade).await?;
    let actor = Actor::from(held.offer.side.other());
    let line = Line {
        version: 0,
        at: now,
        actor,
        account: Some(taker),
        event: None,
        act: json!({ "act": "take", "trade": trade, "contract": hash.to_string() }).to_string(),
        stage_from: None,
        stage_to: Stage::Proposed,
    };
    trades::log(tx, id, &line).await?;
    room::taken(tx, id, &review.quote, now).await?;
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
async fn both_sides(
    desk: &Desk,
    tx: &Transaction<'_>,
    taker: UserId,
    held: &OfferRow,
    review: &TakeReview,
) -> Done<(Person, Person)> {
    let offer = &held.offer;
    let their = offer
        .account_for(review.method)
        .ok_or_else(|| Refusal::conflict("This offer does not take that way to pay."))?;
    let (_, maker_key) = keys::usable(desk, tx, offer.maker, held.key).await.map_err(|_| {
        Refusal::conflict("The maker's signing key is not in use any more, so this offer cannot be taken.")
    })?;
    let maker = Person {
        account: offer.maker,
        name: AccountName::parse(&held.maker_name).map_err(Error::broken)?,
        key_id: held.key,
        key: maker_key,
        address: held.address.clone(),
        accounts: payment_accounts::open(desk, tx, their.account, offer.maker).await?,
    };
    let (_, key) = keys::usable(desk, tx, taker, review.key).await?;
    let name = accounts::by_id(tx, taker).await?.ok_or_else(Refusal::not_found)?.name;
    let taker = Person {
        account: taker,
        name: AccountName::parse(&name).map_err(Error::broken)?,
        key_id: review.key,
        key,
        address: review.address.clone(),
        accounts: payment_accounts::open(desk, tx, review.payment_account, taker).await?,
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
