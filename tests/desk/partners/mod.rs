//! Practice partners as a process of their own, and newcomers who trade with them over HTTP alone.

mod lessons;
mod newcomer;
pub mod process;
mod walls;
