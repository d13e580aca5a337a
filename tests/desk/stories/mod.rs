//! Whole trades, as promises.

mod trades;
