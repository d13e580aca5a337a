//! Whole trades, as promises.

mod disputes;
mod pages;
mod sight;
mod trades;
