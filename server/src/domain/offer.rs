//! Offers: what a maker promises to trade, and on what terms.
//!
//! Limits and total are fiat, because that is what both sides count; bitcoin follows from the price at the take.

mod draft;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use draft::{OfferDraft, OfferInput};

use super::ids::{OfferId, PaymentAccountId, PublicRef, UserId};
use super::methods::MethodId;
use super::money::{Currency, Fiat};
use super::people::{Side, words};
use super::price::{Pricing, Rate};
use super::refusal::Refusal;

/// Ways to pay in one offer; a board row has no room for more.
pub const OFFER_ACCOUNTS_MAX: usize = 3;

/// The shortest payment window: a person has to find a telephone and a password.
pub const PAYMENT_WINDOW_MINUTES_MIN: u32 = 15;

/// Confirmations a maker may ask of a deposit; six is an hour. The amount may need more than he asks (protocol §6).
pub const CONFIRMATIONS_MAX: u32 = 6;

/// Whether an offer can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferState {
    Open,
    /// Off the board until its maker opens it again.
    Paused,
    /// Over, for ever.
    Withdrawn,
}

words!(OfferState { Open = "open", Paused = "paused", Withdrawn = "withdrawn" });

/// Why an offer is paused; it says so on its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    ByMaker,
    /// The maker let a signing window pass.
    MissedSigning,
}

words!(PauseReason { ByMaker = "by_maker", MissedSigning = "missed_signing" });

/// A way to pay in an offer, and the maker's saved account for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferAccount {
    pub account: PaymentAccountId,
    pub method: MethodId,
}

/// An offer as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub id: OfferId,
    pub reference: PublicRef,
    pub maker: UserId,
    /// The maker's side: a `Seller` gives bitcoin.
    pub side: Side,
    pub currency: Currency,
    /// One to three, in the maker's order.
    pub accounts: Vec<OfferAccount>,
    pub pricing: Pricing,
    pub total: Fiat,
    /// What running and finished trades of this offer hold of the total.
    pub reserved: Fiat,
    pub min: Fiat,
    pub max: Fiat,
    pub payment_window_minutes: u32,
    pub confirmations: u32,
    /// Markdown source, at most 2000 characters; may be empty.
    pub terms: String,
    pub state: OfferState,
    pub pause_reason: Option<PauseReason>,
    /// Grows with every change of the terms; a contract names the one it was made from.
    pub version: i64,
    pub created_at: Timestamp,
}

impl Offer {
    /// The side of whoever takes it.
    pub fn taker_side(&self) -> Side {
        self.side.other()
    }

    /// What is left of the total.
    pub fn left(&self) -> Fiat {
        self.total.saturating_sub(self.reserved)
    }

    /// The upper limit that is shown: min(limit, total − reserved).
    pub fn shown_upper(&self) -> Fiat {
        if self.left() < self.max { self.left() } else { self.max }
    }

    /// Open, and enough left for the lower limit.
    pub fn is_on_board(&self) -> bool {
        self.state == OfferState::Open && self.shown_upper() >= self.min
    }

    /// The price of one bitcoin now; none while it floats on a rate that is missing.
    pub fn effective_price(&self, rate: Option<&Rate>) -> Option<Decimal> {
        self.pricing.effective_price(self.currency, rate)
    }

    /// The maker's account for a way to pay, if the offer has it.
    pub fn account_for(&self, method: MethodId) -> Option<OfferAccount> {
        self.accounts.iter().copied().find(|account| account.method == method)
    }

    /// Whether this person may take so much of it, paying in this way, having seen this version.
    pub fn check_take(&self, taker: UserId, fiat: Fiat, method: MethodId, seen_version: i64) -> Result<(), Refusal> {
        if taker == self.maker {
            return Err(Refusal::conflict("This is your own offer."));
        }
        match self.state {
            OfferState::Open => {}
            OfferState::Paused => return Err(Refusal::conflict("This offer is paused. Look at the board for others.")),
            OfferState::Withdrawn => return Err(Refusal::conflict("This offer has been withdrawn.")),
        }
        if seen_version != self.version {
            return Err(Refusal::conflict("The maker has changed this offer since you saw it. Look again."));
        }
        if self.account_for(method).is_none() {
            return Err(Refusal::field("method", "This offer does not take that way to pay."));
        }
        if !self.is_on_board() {
            return Err(Refusal::conflict("All of this offer has been taken."));
        }
        let within = fiat >= self.min && fiat <= self.shown_upper();
        if !within {
            return Err(Refusal::field("amount", format!("From {} to {}.", self.min, self.shown_upper())));
        }
        Ok(())
    }

    /// The reserved sum after a take of so much; refused when the total would be passed.
    pub fn reserve(&self, fiat: Fiat) -> Result<Fiat, Refusal> {
        self.reserved
            .checked_add(fiat)
            .ok()
            .filter(|reserved| *reserved <= self.total)
            .ok_or_else(|| Refusal::conflict("All of this offer has been taken."))
    }

    /// The reserved sum after a trade was cancelled unfunded.
    pub fn give_back(&self, fiat: Fiat) -> Fiat {
        self.reserved.saturating_sub(fiat)
    }

    /// Whether its maker may change the terms to these.
    pub fn check_edit(&self, draft: &OfferDraft) -> Result<(), Refusal> {
        if self.state == OfferState::Withdrawn {
            return Err(Refusal::conflict("A withdrawn offer cannot be changed. Post a new one."));
        }
        if draft.side != self.side || draft.currency != self.currency {
            return Err(Refusal::invalid("Side and currency of an offer stay. Withdraw it and post a new one."));
        }
        if draft.total < self.reserved {
            let words = format!("{} of it are taken already; the total cannot be less.", self.reserved);
            return Err(Refusal::field("total", words));
        }
        Ok(())
    }

    /// What follows from pausing, opening again and withdrawing. Asking for what is already so changes nothing.
    pub fn turn(&self, to: OfferState) -> Result<OfferState, Refusal> {
        match (self.state, to) {
            (OfferState::Withdrawn, OfferState::Open | OfferState::Paused) => {
                Err(Refusal::conflict("A withdrawn offer stays withdrawn. Post a new one."))
            }
            (_, to) => Ok(to),
        }
    }
}

#[cfg(test)]
mod tests;
