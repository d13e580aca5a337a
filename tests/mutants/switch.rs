//! Which mutant is turned on, and which points a run has come by.

use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

struct Switch {
    on: u32,
    seen: Option<std::path::PathBuf>,
}

static SWITCH: LazyLock<Switch> = LazyLock::new(|| Switch {
    on: std::env::var("TRINE_MUTANT").map_or(0, |number| number.parse().unwrap()),
    seen: std::env::var_os("TRINE_MUTANT_SEEN").map(Into::into),
});

static SEEN: [AtomicBool; 65536] = [const { AtomicBool::new(false) }; 65536];

/// The number of the mutant that is on; 0 is none.
pub fn pick(point: u32) -> u32 {
    let switch = &*SWITCH;
    if let Some(file) = &switch.seen
        && !SEEN[point as usize].swap(true, Ordering::Relaxed)
    {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        file.write_all(format!("{point}\n").as_bytes()).unwrap();
    }
    switch.on
}

pub fn on(number: u32) -> bool {
    pick(number) == number
}

pub fn flipped(number: u32, value: bool) -> bool {
    value ^ on(number)
}
