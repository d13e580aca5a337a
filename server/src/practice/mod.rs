//! `trine practice`: a whole desk to play with, from one command. A supervisor starts a private PostgreSQL and the server,
//! gives it play accounts through the same doors as everyone, and stops all of it in order.

pub mod postgres;
mod user;
