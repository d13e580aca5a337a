//! Miner fees as people see them before they sign: what each costs them, and how long it is expected to take.

use bitcoin::Amount;
use serde::Serialize;

use super::error::Done;
use super::escrow_book::EscrowBook;
use super::estimates;
use crate::domain::money::{btc_words, sats_grouped};
use crate::domain::trade::PayoutKind;
use crate::domain::{Party, Side, Stage};
use crate::escrow::Payout;
use crate::escrow::contract::Payee;
use crate::store::payouts::PayoutRow;
use crate::store::trades::TradeRow;

/// One of the miner fees a payout is signed with.
#[derive(Debug, Clone, Serialize)]
pub struct FeeView {
    pub sat: u64,
    /// `1 770 sat, 10 sat/vB`.
    pub cost: String,
    /// How long it is expected to take.
    pub expected: String,
    /// What this viewer gets with it; empty for who gets nothing.
    pub mine: String,
}

impl FeeView {
    pub(super) fn of(book: &EscrowBook, payout: &Payout, viewer: Party) -> Self {
        let mine = match viewer {
            Party::Buyer => payout.amount_to(Payee::Buyer),
            Party::Seller => payout.amount_to(Payee::Seller),
            Party::Arbitrator => Amount::ZERO,
        };
        let rate = payout.fee().to_sat().div_ceil(payout.vbytes().max(1));
        Self {
            sat: payout.fee().to_sat(),
            cost: format!("{} sat, {rate} sat/vB", sats_grouped(payout.fee())),
            expected: estimates::in_words(book.pace.blocks_at(payout.cost().rate())),
            mine: if mine == Amount::ZERO { String::new() } else { btc_words(mine) },
        }
    }
}

/// The fees of payouts that are to be signed, and whether this viewer bears them and so may choose among several.
pub(super) fn to_choose(
    row: &TradeRow,
    book: &EscrowBook,
    rows: &[&PayoutRow],
    viewer: Party,
) -> Done<(Vec<FeeView>, bool)> {
    let fees: Vec<FeeView> =
        rows.iter().map(|one| Ok(FeeView::of(book, &book.payout(one)?, viewer))).collect::<Done<_>>()?;
    let kind = rows.first().and_then(|one| PayoutKind::from_word(&one.kind));
    let bears = |side: Side| kind.is_some_and(|kind| row.state.fee_bearers(kind).contains(&side));
    let chooses = row.state.stage != Stage::PayingOut && fees.len() > 1 && viewer.side().is_some_and(bears);
    Ok((fees, chooses))
}
