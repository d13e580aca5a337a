//! Walls: rules that hold for everything of a kind, so that nothing new can be forgotten.

mod rooms;
mod sizes;
