//! Play partners: people of the practice desk who own their keys and come in by the same doors as everyone.
//!
//! They run in a process of their own. The server never gets more of them than it gets of anybody: a password, an
//! extended public key, and words encrypted under a passphrase it does not know.

pub mod door;
pub mod keyfile;
pub mod keys;
pub mod people;
pub mod seed;
pub mod wares;
