//! Each page and form over HTTP.

mod accounts;
mod arbitrators;
mod headers;
mod health;
mod keys;
mod offers;
pub mod operator;
mod room;
