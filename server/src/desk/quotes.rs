//! What a trade would cost now: the offer as a taker sees it, its price, and every fee before anything is promised.

use std::ops::Deref;

use bitcoin::{Amount, FeeRate};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::offers::{OfferRow, read_address, read_key};
use super::take::TakeForm;
use super::{Desk, Done, Rules, hours};
use crate::chain::{ChainError, FEE_RATE_UNKNOWN};
use crate::domain::fees::QuoteRefusal;
use crate::domain::hours::Week;
use crate::domain::price::fiat_for;
use crate::domain::refusal::Problems;
use crate::domain::{
    Currency, FeePolicy, Fiat, KeyId, MethodId, PaymentAccountId, PublicRef, Quote, Rate, Refusal, UserId,
};
use crate::escrow;
use crate::escrow::fees::{FeeStep, ORDINARY_PAYOUT_VB};
use crate::store::offers::{self, Halts};
use crate::store::payment_accounts::PaymentAccountRow;
use crate::store::reputation::{self, Person};
use crate::store::{GenericClient, payment_accounts, rates};

/// Blocks within which a payout should be mined; the estimate is for them.
const PAYOUT_TARGET_BLOCKS: u16 = 6;

/// The fees of this desk. Without a place to send them to, none is taken.
pub fn fee_policy(rules: &Rules) -> FeePolicy {
    match rules.fee_xpub {
        None => FeePolicy::default(),
        Some(_) => FeePolicy {
            desk_fee_buyer_bp: rules.desk_fee_buyer_bp,
            desk_fee_seller_bp: rules.desk_fee_seller_bp,
            arbitrator_fee_bp: rules.arbitrator_fee_bp,
        },
    }
}

/// How old a rate may be.
pub fn rate_max_age(rules: &Rules) -> SignedDuration {
    SignedDuration::from_mins(rules.rate_max_age_minutes.into())
}

/// The reference rate of a currency with whether prices may float on it now.
#[derive(Debug, Clone, Copy)]
pub struct Market {
    pub rate: Option<Rate>,
    pub now: Timestamp,
    pub fresh: bool,
}

impl Market {
    pub async fn of(desk: &Desk, client: &impl GenericClient, currency: Currency) -> Done<Self> {
        let (rate, now) = (rates::of(client, currency).await?, desk.now(client).await?);
        Ok(Self::new(&desk.rules, rate, now))
    }

    pub fn new(rules: &Rules, rate: Option<Rate>, now: Timestamp) -> Self {
        let fresh = rate.is_some_and(|rate| rate.is_fresh(now, rate_max_age(rules)));
        Self { rate, now, fresh }
    }

    /// The rate, if prices may float on it.
    pub fn fresh_rate(&self) -> Option<&Rate> {
        self.rate.as_ref().filter(|_| self.fresh)
    }
}

/// The market of a currency, for a form that shows it.
pub async fn market(desk: &Desk, currency: Currency) -> Done<Market> {
    Market::of(desk, &desk.store.connection().await?, currency).await
}

/// The feerate at which a payout should be mined in time.
pub async fn payout_fee_rate(desk: &Desk) -> Result<FeeRate, ChainError> {
    desk.chain.fee_rate(PAYOUT_TARGET_BLOCKS).await
}

/// What a payout with one input costs miners at the step own wallets sign.
pub fn miner_fee(rate: FeeRate) -> Amount {
    let vbytes = ORDINARY_PAYOUT_VB.saturating_mul(FeeStep::OWN_WALLET.multiple().into());
    rate.fee_vb(vbytes).unwrap_or(Amount::MAX_MONEY)
}

/// Who would arbitrate.
#[derive(Debug, Clone)]
pub enum Arbitration {
    /// This pair's arbitrator, already drawn.
    Drawn(String),
    /// One of so many will be drawn at the take.
    OneOf(i64),
}

/// An offer with its price and fees as they are now.
#[derive(Debug, Clone)]
pub struct Priced {
    pub row: OfferRow,
    pub market: Market,
    /// For one bitcoin, now; none while the rate is missing or old.
    pub price: Option<Decimal>,
    pub policy: FeePolicy,
    /// At which a payout should be mined in time.
    pub fee_rate: FeeRate,
    pub miner_fee: Amount,
}

/// An offer as somebody sees it who might take it.
#[derive(Debug, Clone)]
pub struct OfferView {
    priced: Priced,
    pub maker: Person,
    pub arbitration: Arbitration,
    pub halts: Halts,
    /// The maker's; none: day and night.
    pub hours: Option<Week>,
}

impl Deref for OfferView {
    type Target = Priced;
    fn deref(&self) -> &Priced {
        &self.priced
    }
}

impl Priced {
    pub fn new(rules: &Rules, row: OfferRow, market: Market, fee_rate: FeeRate) -> Self {
        let price = row.offer.effective_price(market.fresh_rate());
        Self { row, market, price, policy: fee_policy(rules), fee_rate, miner_fee: miner_fee(fee_rate) }
    }

    /// All sums for a fiat amount at the present price.
    pub fn quote(&self, fiat: Fiat) -> Result<Quote, QuoteRefusal> {
        let price = self.price.ok_or(QuoteRefusal::NoPrice)?;
        Quote::for_take(fiat, price, self.policy, self.miner_fee)
    }

    /// An amount to show sums for: the middle of the limits, rounded to something a person would type.
    pub fn example(&self) -> Fiat {
        let offer = &self.row.offer;
        let (low, high) = (offer.min.amount(), offer.shown_upper().amount());
        let middle = (low + high) / Decimal::TWO;
        let round = middle.round_sf(1).unwrap_or(middle).min(high).max(low);
        Fiat::new(round, offer.currency).unwrap_or(offer.min)
    }

    /// What an amount of bitcoin is worth at the present price.
    pub fn worth(&self, amount: Amount) -> Option<Fiat> {
        fiat_for(amount, self.price?, self.row.offer.currency)
    }
}

/// The offer with everything a taker should know. Anyone may look.
pub async fn view(desk: &Desk, reference: PublicRef, viewer: Option<UserId>) -> Done<OfferView> {
    let priced = priced(desk, reference).await?;
    let (row, market) = (&priced.row, &priced.market);
    let client = desk.store.connection().await?;
    let people = reputation::of_ids(&client, &[row.offer.maker.0]).await?;
    let maker = people.into_iter().next().ok_or_else(Refusal::not_found)?;
    let drawn = match viewer {
        Some(viewer) => reputation::of_pair(&client, row.offer.maker, viewer).await?,
        None => None,
    };
    let arbitration = match drawn {
        Some(name) => Arbitration::Drawn(name),
        None => {
            let age = SignedDuration::from_hours(i64::from(desk.rules.drill_max_age_days) * 24);
            let since = market.now.checked_sub(age).unwrap_or(market.now);
            Arbitration::OneOf(reputation::on_duty(&client, since, row.offer.maker, viewer).await?)
        }
    };
    let halts = offers::halts(&client, viewer).await?;
    let hours = hours::one(&client, priced.row.offer.maker).await?;
    Ok(OfferView { priced, maker, arbitration, halts, hours })
}

/// Only what a take is reckoned from.
async fn priced(desk: &Desk, reference: PublicRef) -> Done<Priced> {
    let client = desk.store.connection().await?;
    let row = offers::find(&client, reference).await?.ok_or_else(Refusal::not_found)?;
    let market = Market::of(desk, &client, row.offer.currency).await?;
    drop(client);
    // A node that does not answer stops no reading; a take asks again.
    let fee_rate = payout_fee_rate(desk).await.unwrap_or(FEE_RATE_UNKNOWN);
    Ok(Priced::new(&desk.rules, row, market, fee_rate))
}

/// A take that could be made as things stand; nothing is reserved.
#[derive(Debug, Clone)]
pub struct TakeReview {
    pub quote: Quote,
    pub method: MethodId,
    pub payment_account: PaymentAccountId,
    pub key: KeyId,
    pub address: String,
}

/// Checks what a taker typed and gives all sums, for the summary before he confirms. Changes nothing.
pub async fn review(desk: &Desk, taker: UserId, view: &Priced, form: &TakeForm) -> Done<TakeReview> {
    let client = desk.store.connection().await?;
    let saved = payment_accounts::of_account(&client, taker).await?;
    let keys = offers::usable_keys(&client, taker).await?;
    let review = check(desk, taker, view, form, &saved, keys.iter().map(|key| key.id))?;
    let address = read_address(desk, &client, &review.address).await?;
    address.map_err(|why| Refusal::field("address", why.to_string()))?;
    Ok(review)
}

/// The same with the taker's saved payment accounts and usable keys at hand.
pub fn check(
    desk: &Desk,
    taker: UserId,
    view: &Priced,
    form: &TakeForm,
    saved: &[PaymentAccountRow],
    keys: impl Iterator<Item = KeyId>,
) -> Result<TakeReview, Refusal> {
    let offer = &view.row.offer;
    let mut problems = Problems::default();
    let quote = problems.check("amount", read_amount(view, &form.amount));
    let account = Uuid::parse_str(&form.payment_account)
        .ok()
        .and_then(|id| saved.iter().find(|row| row.id.0 == id && row.owner == taker))
        .filter(|row| offer.account_for(row.method).is_some())
        .ok_or("Choose one of your payment accounts that fits this offer.");
    let account = problems.check("payment_account", account);
    let key = problems.check("key", read_key(&form.key, keys));
    if key.is_some_and(|key| key == view.row.key) {
        problems.add("key", "The maker of this offer uses this key. Choose another.");
    }
    let address = problems.check("address", escrow::address::payable(&form.address, desk.rules.network));
    let address = address.map(|address| address.to_string());
    if address.as_ref().is_some_and(|address| *address == view.row.address) {
        problems.add("address", "This is the address of the other side. Enter one of your own wallet.");
    }
    problems.ok()?;
    let complete = || {
        let account = account?;
        Some(TakeReview {
            quote: quote?,
            method: account.method,
            payment_account: account.id,
            key: key?,
            address: address?,
        })
    };
    let review = complete().ok_or_else(|| Refusal::invalid("Something is missing in this form."))?;
    offer.check_take(taker, review.quote.fiat, review.method, offer.version)?;
    Ok(review)
}

/// An amount as typed, within the offer's limits, with all its sums.
pub fn read_amount(view: &Priced, text: &str) -> Result<Quote, Refusal> {
    let offer = &view.row.offer;
    let fiat = Fiat::parse(text, offer.currency)?;
    if fiat < offer.min || fiat > offer.shown_upper() {
        return Err(Refusal::invalid(format!("From {} to {}.", offer.min, offer.shown_upper())));
    }
    view.quote(fiat).map_err(|why| Refusal::invalid(why.to_string()))
}
