//! The escrow: keys, the script they make, the contract, and every transaction that may spend it.
//!
//! Pure: bytes in, transactions out. Nothing here holds a private key, reads a clock or draws a random number.
//! The order to read it in: [`keys`], [`arbiter`], [`lock`], [`contract`], [`message`], [`deposit`], [`payout`],
//! [`door`], [`pace`], [`child`].

pub mod address;
pub mod arbiter;
pub mod canonical;
pub mod child;
pub mod contract;
pub mod deposit;
pub mod details;
pub mod division;
pub mod door;
pub mod fees;
pub mod keys;
pub mod lock;
pub mod message;
pub mod pace;
pub mod payout;
pub mod ruling;
pub mod signature;
pub mod spend;
mod upload;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod vectors;

pub use arbiter::{ArbiterLevel, ArbiterRecord};
pub use child::SignedChild;
pub use contract::Contract;
pub use deposit::Judgement;
pub use details::PrivateDetails;
pub use door::accept;
pub use fees::FeeStep;
pub use keys::{AccountKey, EscrowIndex, EscrowKey, KeyRefusal};
pub use lock::Lock;
pub use pace::Pace;
pub use payout::{Payout, PayoutKind};
pub use ruling::Ruling;
pub use signature::{PartySignature, SignedPayout};
pub use spend::{Coin, Spend};
