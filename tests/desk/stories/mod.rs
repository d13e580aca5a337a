//! Whole trades, as promises.

mod arbitrators;
mod books;
mod children;
mod clock;
mod conduct;
mod deposits;
mod deposits_on_core;
mod disputes;
mod fees;
mod leaps;
mod live;
mod one_connection;
mod pages;
mod payouts;
mod real_fees;
mod rounds;
mod sight;
mod told;
mod trades;
