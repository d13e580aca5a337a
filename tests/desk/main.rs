//! The desk's promises, kept by tests. One binary, so that everything is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

mod browser;
mod chains;
mod crashes;
mod door;
mod golden;
mod harness;
mod model;
mod package;
mod partners;
mod practice;
mod races;
mod routes;
mod sky;
mod stories;
mod storms;
mod walls;
