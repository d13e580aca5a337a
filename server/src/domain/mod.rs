//! What a desk is about, in plain values: people, money, offers, the life of a trade.
//!
//! Nothing here waits, reads a clock, draws a random number or knows a database.

pub mod amending;
pub mod atom;
pub mod calendar;
pub mod deadlines;
pub mod disputing;
pub mod fees;
pub mod hours;
pub mod ids;
pub mod lifecycle;
pub mod methods;
pub mod money;
pub mod notices;
pub mod offer;
pub mod parts;
pub mod people;
pub mod price;
pub mod refusal;
pub mod reminders;
pub mod reputation;
pub mod text;
pub mod tour;
pub mod trade;
pub mod wish;

pub use fees::{FeePolicy, Quote};
pub use ids::*;
pub use lifecycle::{Actor, Event, Stage, next_stage};
pub use methods::MethodId;
pub use money::{Currency, Fiat};
pub use offer::{Offer, OfferDraft};
pub use people::{AccountName, Party, Role, Side};
pub use price::{Pricing, Rate};
pub use refusal::{Refusal, RefusalKind};
pub use wish::Wish;
