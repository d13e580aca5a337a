//! What the desk can do, measured on one machine in one run: `script/bench` starts a PostgreSQL and runs this.
//!
//! Only ratios mean something elsewhere. Each figure is printed as `figure <name> <number> <unit>`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod board;
mod crowd;
#[path = "../desk/harness/mod.rs"]
mod harness;
mod room;
mod takes;
mod tools;
mod watcher;

use trine::desk::Rules;

use harness::Start;
use harness::cast::story_with;

fn main() {
    if std::env::var_os("TRINE_TEST_PG").is_none() {
        eprintln!("script/bench starts the PostgreSQL that this needs, and runs it");
        std::process::exit(2);
    }
    // As many threads as processors: the desk's and ours together, beside PostgreSQL, as on a small server.
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(measure());
}

async fn measure() {
    if wanted("watcher") {
        print(watcher::measure());
        print(watcher::measure_start().await);
    }
    if wanted("room") {
        print(room::measure().await);
    }
    if !["takes", "rush", "board"].into_iter().any(wanted) {
        return;
    }
    // A taker of the crowd takes more than once; the rule for newcomers is not what is measured.
    let rules = Rules { new_account_trades_max: u32::MAX, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let crowd = crowd::gather(&story).await;
    if wanted("takes") {
        print(takes::measure(&story, &crowd).await);
    }
    if wanted("rush") {
        print(takes::rush(&story, &crowd).await);
    }
    if wanted("board") {
        print(board::measure(&story).await);
    }
}

/// Everything is measured, or what the command line names.
fn wanted(part: &str) -> bool {
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    named.is_empty() || named.iter().any(|name| name == part)
}

/// A measured number: its name, the number, its unit.
pub type Figure = (&'static str, f64, &'static str);

fn print(figures: Vec<Figure>) {
    for (name, number, unit) in figures {
        println!("figure {name} {number:.3} {unit}");
    }
}
