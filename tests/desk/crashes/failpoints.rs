//! The server process killed before and after every write to its database, from the release to the last confirmation:
//! whatever falls between two writes, the payout is made exactly once and nothing that was acknowledged is lost.
//!
//! `TRINE_FAILPOINTS=all` goes through all of them; without it some are drawn, and printed.

#![allow(clippy::print_stdout)] // The figures are for whoever asked for a long run.

use super::killed::{everything_once, paid_over};
use super::wire::{Death, Wire};

/// How many of them are tried in an ordinary run.
const DRAWN: usize = 5;
/// About as many writes as there are in such a release.
const WRITES: u64 = 60;

/// Dies once at the write of this number; whether there was one.
async fn dies_once(number: u64, death: Death) -> bool {
    let (mut served, trade, wire) = paid_over(Wire::to).await;
    wire.kill_at(served.pid(), number, death);
    served.until_completed(trade).await;
    let reached = wire.stop();
    everything_once(&mut served, trade, "released").await;
    reached
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_survives_a_death_before_and_after_any_write() {
    if std::env::var("TRINE_FAILPOINTS").is_ok_and(|word| word == "all") {
        let mut tried = 0;
        for death in [Death::Before, Death::After] {
            let mut number = 1;
            while dies_once(number, death).await {
                (number, tried) = (number + 1, tried + 1);
            }
        }
        println!("figure failpoints_survived {tried} deaths");
        return;
    }
    for _ in 0..DRAWN {
        let [number, death, ..] = *uuid::Uuid::new_v4().as_bytes();
        let number = u64::from(number) % WRITES + 1;
        let death = if death % 2 == 0 { Death::Before } else { Death::After };
        println!("dies {death:?} write {number}");
        dies_once(number, death).await;
    }
}
