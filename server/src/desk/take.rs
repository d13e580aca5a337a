//! Taking an offer: price, fees and arbitrator are fixed, the amount is reserved, and the contract is written.
//!
//! Takes come in batches: who comes while a batch is under way is in the next one. A batch is read at once, decided one
//! take after the other, and written at once, in one transaction; a take that comes alone is a batch of one.

mod batch;
mod decision;
mod paper;
mod queue;
mod trade;

use std::sync::Arc;

use rust_decimal::Decimal;
use serde::Serialize;

use self::batch::Ask;
pub use self::queue::Queue;
pub use self::trade::{payee_place, payer_place};
use super::Desk;
use super::error::Done;
use super::quotes::{Priced, TakeReview};
use crate::domain::{PublicRef, Refusal, RefusalKind, UserId};
use crate::store::offers::Halts;
use crate::store::takes::AccountRecord;

/// The rules every contract names by hash.
pub const DISPUTE_RULES: &str = include_str!("../../../static/dispute-rules.txt");

/// A take as typed, and what the taker saw. The names are those of the form's fields.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TakeForm {
    pub amount: String,
    pub payment_account: String,
    pub key: String,
    pub address: String,
    pub offer_version: String,
    /// The price of one bitcoin that stood in the summary.
    pub price_seen: String,
}

/// Takes an offer. The reference of the new trade.
///
/// # Errors
///
/// Refused when the offer, its price or what is left of it is not what the taker saw; then nothing is reserved.
pub async fn take(desk: &Arc<Desk>, taker: UserId, offer: PublicRef, form: &TakeForm) -> Done<PublicRef> {
    queue::answer(desk, Ask { taker, offer, form: form.clone() }).await
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
    (halts, maker): (&Halts, &Halts),
    review: &TakeReview,
    form: &TakeForm,
) -> Result<(), Refusal> {
    if let Some(why) = halts.suspended_why.as_ref().or(halts.paused_why.as_ref()) {
        return Err(Refusal::new(RefusalKind::Unavailable, format!("New trades are not possible: {why}")));
    }
    if maker.suspended_why.is_some() {
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
            "You let three trades lapse within 30 days: your page counts what was not signed, deposited, paid or released \
             in time, cancelled after the deposit, or lost in a dispute. New takes are possible 7 days after the last.",
        ));
    }
    Ok(())
}
