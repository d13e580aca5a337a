//! What a crash may not cost: the server process killed at named points, at any write and at random; the database
//! stopped under writes.

mod answers;
mod cluster;
mod database;
mod dying;
mod failpoints;
mod folder;
mod goes_on;
mod killed;
mod open_pages;
mod over;
mod restored;
mod ruled;
mod served;
mod soak;
mod spends;
mod wire;
mod writers;
