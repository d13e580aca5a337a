//! Files that are compared letter by letter: a change of rule is a one-line diff for a person to read.

mod figures;
mod lifecycle;
mod promises;
mod protocol;
mod reachability;

use std::path::{Path, PathBuf};

/// The folder of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares with `tests/golden/{name}`; with `UPDATE_GOLDEN=1` writes it instead.
pub fn assert_golden(name: &str, now: &str) {
    let path: PathBuf = root().join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, now).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (was, is)) in golden.lines().zip(now.lines()).enumerate() {
        assert_eq!(was, is, "{name}, line {}; if this is meant: UPDATE_GOLDEN=1", line + 1);
    }
    assert_eq!(golden.lines().count(), now.lines().count(), "{name}: lines; if this is meant: UPDATE_GOLDEN=1");
}
