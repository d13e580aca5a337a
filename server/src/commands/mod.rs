//! What the program does from the command line beside serving: one file per subject, each command one function.

pub mod backup;
pub mod contract;
pub mod desk;
pub mod manifest;
pub mod partners;
pub mod programs;
pub mod restore;
