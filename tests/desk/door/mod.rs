//! The door for signatures, through the form that people use: what is refused changes no row of any table, and says
//! why; what wallets make in earnest is taken.

mod amended;
mod contract;
mod disputes;
pub mod forge;
mod refused;
mod taken;
