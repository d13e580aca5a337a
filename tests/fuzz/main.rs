//! What people send, read by whatever reads it: nothing panics, and what is accepted reads back the same.
//!
//! `cargo test` gives each target some random input; `script/fuzz` goes on for as long as it is told, led by coverage.
//! Half of all inputs are changes of something valid, so that they come past the first check.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

mod children;
mod money;
mod papers;
mod shown;
mod signatures;

use std::sync::LazyLock;

use serde_json::Value;

/// A trade with everything in it, as the tests of the signer read it too.
static TRADE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../vectors/trade.json")).expect("the vectors are JSON"));

/// A text of the vectors.
fn vector(pointer: &str) -> &'static str {
    TRADE.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in the vectors"))
}

/// The input itself, or one of the seeds as the input says to change it.
fn input(bytes: &[u8], seeds: &[&[u8]]) -> Vec<u8> {
    match bytes {
        [choice, script @ ..] if choice % 2 == 1 && !seeds.is_empty() => {
            changed(seeds[usize::from(choice / 2) % seeds.len()], script)
        }
        [_, rest @ ..] => rest.to_vec(),
        [] => Vec::new(),
    }
}

/// The same as text.
fn text(bytes: &[u8], seeds: &[&str]) -> String {
    let seeds: Vec<&[u8]> = seeds.iter().map(|seed| seed.as_bytes()).collect();
    String::from_utf8_lossy(&input(bytes, &seeds)).into_owned()
}

/// Four bytes of the script are one change: what, where, and with which byte.
fn changed(seed: &[u8], script: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for change in script.chunks_exact(4).take(16) {
        let [what, high, low, byte] = [change[0], change[1], change[2], change[3]];
        let place = usize::from(u16::from_be_bytes([high, low])) % bytes.len().max(1);
        match what % 5 {
            _ if bytes.is_empty() => bytes.push(byte),
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            2 => drop(bytes.remove(place)),
            3 => bytes.truncate(place),
            _ => {
                let end = (place + usize::from(byte)).min(bytes.len());
                let part = bytes[place..end].to_vec();
                bytes.splice(place..place, part);
            }
        }
    }
    bytes
}
