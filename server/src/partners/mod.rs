//! Practice partners: people of a practice desk, played by a program. They own their keys and come in by the same doors
//! as everyone: it reads pages, fills in forms and signs what it has checked, and knows nothing else of the desk.
//!
//! They run in a process of their own. The server never gets more of them than it gets of anybody: a password, an
//! extended public key, and words encrypted under a passphrase it does not know.

pub mod door;
pub mod habits;
mod judge;
pub mod keyfile;
pub mod keys;
pub mod life;
mod memory;
pub mod papers;
pub mod people;
mod scene;
pub mod seed;
mod stall;
mod trader;
pub mod wares;
