//! Whole trades, as promises.

mod deposits;
mod disputes;
mod pages;
mod sight;
mod trades;
