//! Whole trades, as promises.

mod disputes;
mod pages;
mod trades;
