//! Many at once: each transition happens once, and everybody else is told so in words.

mod batches;
mod fees;
mod pairs;
mod takes;
mod transitions;
mod twice;
