//! What a crash may not cost: the server process killed at named points, the database stopped under writes.

mod cluster;
mod database;
mod folder;
mod killed;
mod served;
mod spends;
