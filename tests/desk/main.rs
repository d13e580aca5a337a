#![allow(clippy::unwrap_used)]
#[test]
fn starts() {}
