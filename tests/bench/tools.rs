//! The programs that measure beside us: wrk and pgbench.

use std::path::PathBuf;
use std::process::Command;

/// Requests a second that a page answers to this many connections.
pub async fn wrk(url: &str, connections: u32, seconds: u32) -> f64 {
    let arguments = ["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), url].map(str::to_owned);
    let text = run("wrk".into(), arguments.to_vec()).await;
    assert!(!text.contains("Non-2xx"), "{url}: {text}");
    number_after(&text, "Requests/sec:")
}

/// Transactions a second of TPC-B: `-M prepared -c 16 -j 2`.
pub async fn pgbench(seconds: u32) -> f64 {
    let mut arguments: Vec<String> = ["-M", "prepared", "-c", "16", "-j", "2", "-n", "-T"].map(str::to_owned).into();
    arguments.extend([seconds.to_string(), tpcb()]);
    number_after(&run(program("pgbench"), arguments).await, "tps = ")
}

/// Makes its tables at scale 50, as the comparison asks.
pub async fn prepare_pgbench() {
    let arguments = ["-i", "-q", "-s", "50", &tpcb()].map(str::to_owned);
    run(program("pgbench"), arguments.to_vec()).await;
}

/// The database of its own that pgbench works on.
fn tpcb() -> String {
    std::env::var("TRINE_BENCH_TPCB").expect("script/bench names the database of pgbench")
}

fn program(name: &str) -> PathBuf {
    PathBuf::from(std::env::var("PG_BIN").expect("script/bench names PG_BIN")).join(name)
}

async fn run(program: PathBuf, arguments: Vec<String>) -> String {
    let done = tokio::process::Command::from(Command::new(&program)).args(&arguments).output().await.unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{program:?} {arguments:?}: {text} {}", String::from_utf8_lossy(&done.stderr));
    text
}

fn number_after(text: &str, word: &str) -> f64 {
    let rest = text.split_once(word).unwrap_or_else(|| panic!("no {word} in {text}")).1;
    rest.split_whitespace().next().unwrap().parse().unwrap()
}
