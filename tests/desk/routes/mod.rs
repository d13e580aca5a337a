//! Each page and form over HTTP.

mod accounts;
mod arbitrators;
mod headers;
mod keys;
mod offers;
mod room;
