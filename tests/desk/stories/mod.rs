//! Whole trades, as promises.

mod children;
mod clock;
mod deposits;
mod deposits_on_core;
mod disputes;
mod fees;
mod pages;
mod real_fees;
mod sight;
mod told;
mod trades;
