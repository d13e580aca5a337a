//! What the tests stand on.

pub mod postgres;

/// `script/test --fast`: the browser and the real Bitcoin Core are left out, and the script has said so.
pub fn is_fast() -> bool {
    std::env::var_os("TRINE_TEST_FAST").is_some()
}

#[test]
fn what_this_run_needs_is_there() {
    let everything = ["TRINE_TEST_PG", "BITCOIND_EXE", "CHROMEDRIVER_URL", "CHROME"];
    let needed = if is_fast() { &everything[..1] } else { &everything[..] };
    for name in needed {
        assert!(std::env::var_os(name).is_some(), "{name} is not set: run the tests with script/test");
    }
}
