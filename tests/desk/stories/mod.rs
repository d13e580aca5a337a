//! Whole trades, as promises.

mod clock;
mod deposits;
mod deposits_on_core;
mod disputes;
mod pages;
mod sight;
mod trades;
