//! Trine: a self-hosted peer-to-peer bitcoin OTC desk with non-custodial escrow.
//!
//! Web asks the desk; the desk asks domain and escrow what is allowed, and store and chain to make it so.

pub mod app;
pub mod chain;
pub mod commands;
pub mod courier;
pub mod desk;
pub mod domain;
pub mod escrow;
pub mod partners;
pub mod practice;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod web;
