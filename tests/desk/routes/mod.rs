//! Each page and form over HTTP.

mod accounts;
mod room;
