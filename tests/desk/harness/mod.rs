//! What the tests stand on.
//!
//! ```ignore
//! let site = Site::start().await;
//! let anna = site.browser().register("anna").await;
//! let page = anna.get("/account").await;
//! assert_eq!(page.status, 200);
//! let page = anna.post("/account/password", &[("password", PASSWORD), ("new_password", "123")]).await;
//! assert_eq!(page.status, 422);
//! assert!(page.error("new_password").contains("too easy"));
//! ```

// A shorthand that nobody uses at the moment is kept for the next test.
#![allow(dead_code, unused_imports)]

pub mod cast;
pub mod chrome;
pub mod client;
pub mod dice;
pub mod ear;
pub mod forms;
pub mod ledger;
pub mod people;
pub mod post;
pub mod postgres;
pub mod proxy;
pub mod site;
pub mod weather;

pub use client::{Browser, PASSWORD, Seen};
pub use dice::Dice;
pub use ear::{Ear, Event};
pub use people::{Person, key_of};
pub use site::{Site, Start};
pub use weather::Weather;

/// `script/test --fast`: the browser and the real Bitcoin Core are left out, and the script has said so.
pub fn is_fast() -> bool {
    std::env::var_os("TRINE_TEST_FAST").is_some()
}

#[test]
fn what_this_run_needs_is_there() {
    let everything =
        ["TRINE_TEST_PG", "SMTP_PYTHON", "BITCOIND_EXE", "ELECTRS_EXE", "CHROMEDRIVER_URL", "CHROME", "CARGO_DEB_EXE"];
    let needed = if is_fast() { &everything[..2] } else { &everything[..] };
    for name in needed {
        assert!(std::env::var_os(name).is_some(), "{name} is not set: run the tests with script/test");
    }
}
