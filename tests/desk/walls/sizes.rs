//! Small files, small templates, and nothing new at the top.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::golden::root;

const RUST_LINES_MAX: usize = 400;
const TEMPLATE_LINES_MAX: usize = 120;

/// The house's top level. Dotted names are settings of tools.
const TOP_LEVEL: [&str; 19] = [
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".config",
    ".deny.toml",
    ".gitignore",
    ".gitattributes",
    ".readme",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "migrations",
    "script",
    "server",
    "static",
    "templates",
    "tests",
];

/// What has to be there.
const TOP_LEVEL_REQUIRED: [&str; 11] = [
    ".ci",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "migrations",
    "script",
    "server",
    "static",
    "templates",
    "tests",
];

/// All files that belong to the project: tracked, or new and not ignored.
fn project_files() -> Vec<PathBuf> {
    let git = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    match git {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).unwrap();
            names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect()
        }
        // Not a checkout (an archive): walk, and leave out what a build leaves behind.
        _ => walked(root()),
    }
}

fn walked(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            if !["target", ".git", "node_modules"].iter().any(|left_out| path.ends_with(left_out)) {
                files.extend(walked(&path));
            }
        } else {
            files.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    files
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(root().join(file)).unwrap_or_default().lines().count()
}

#[test]
fn files_and_templates_stay_small() {
    let too_long: Vec<String> = project_files()
        .into_iter()
        .filter_map(|file| {
            let max = match file.extension()?.to_str()? {
                "rs" => RUST_LINES_MAX,
                "html" if file.starts_with("templates") => TEMPLATE_LINES_MAX,
                _ => return None,
            };
            (lines(&file) > max).then(|| format!("{}: {} lines, at most {max}", file.display(), lines(&file)))
        })
        .collect();
    assert!(too_long.is_empty(), "{too_long:#?}");
}

#[test]
fn the_top_level_is_as_prescribed() {
    let found: BTreeSet<String> = project_files()
        .iter()
        .filter_map(|file| file.iter().next())
        .map(|first| first.to_string_lossy().into_owned())
        .collect();
    let strangers: Vec<&String> = found.iter().filter(|name| !TOP_LEVEL.contains(&name.as_str())).collect();
    assert!(strangers.is_empty(), "not in the house's plan: {strangers:?}");
    let missing: Vec<&&str> = TOP_LEVEL_REQUIRED.iter().filter(|name| !found.contains(**name)).collect();
    assert!(missing.is_empty(), "the house's plan has also: {missing:?}");
}
