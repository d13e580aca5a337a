//! Walls: rules that hold for everything of a kind, so that nothing new can be forgotten.

mod inputs;
mod map;
mod migrations;
mod parties;
mod rooms;
mod sizes;
mod statements;
