//! Whole trades, as promises.

mod disputes;
mod trades;
