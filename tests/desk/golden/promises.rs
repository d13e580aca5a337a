//! `tests/golden/promises.txt` is the map of what is done: each promise with what shows it, or `open`.
//!
//! A line is `promise | proof, proof …`; a proof is `test:module::name`, `bench:name`, `cmd:path arguments` or `open`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::root;

struct Promise {
    line: usize,
    words: String,
    proofs: Vec<String>,
}

fn promises() -> Vec<Promise> {
    let text = std::fs::read_to_string(root().join("tests/golden/promises.txt")).unwrap();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| {
            let (words, proofs) = line.split_once('|').unwrap_or_else(|| panic!("line {}: no |", at + 1));
            let proofs = proofs.split(',').map(|proof| proof.trim().to_owned()).collect();
            Promise { line: at + 1, words: words.trim().to_owned(), proofs }
        })
        .collect()
}

pub fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("node_modules") {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// Every `fn name(` of tests and server, as (words of the file's path, name).
fn functions() -> Vec<(Vec<String>, String)> {
    let mut files = Vec::new();
    rust_files(&root().join("tests"), &mut files);
    rust_files(&root().join("server/src"), &mut files);
    let mut found = Vec::new();
    for file in files {
        let words: Vec<String> = file
            .strip_prefix(root())
            .unwrap()
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ");
            if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once(['(', '<'])) {
                found.push((words.clone(), name.to_owned()));
            }
        }
    }
    found
}

/// A test is named by its function and, before it, by any of the folders or the file it stands in.
fn test_exists(path: &str, functions: &[(Vec<String>, String)]) -> bool {
    let mut parts: Vec<&str> = path.split("::").collect();
    let name = parts.pop().unwrap_or_default();
    functions.iter().any(|(words, function)| {
        function == name && parts.iter().filter(|part| **part != "tests").all(|part| words.iter().any(|w| w == part))
    })
}

fn bench_exists(name: &str) -> bool {
    let mut files = Vec::new();
    rust_files(&root().join("tests/bench"), &mut files);
    let quoted = format!("\"{name}\"");
    files.iter().any(|file| std::fs::read_to_string(file).unwrap_or_default().contains(&quoted))
}

#[test]
fn every_proof_that_is_named_exists() {
    let functions = functions();
    for Promise { line, words, proofs } in promises() {
        for proof in &proofs {
            let exists = match proof.split_once(':') {
                Some(("test", path)) => test_exists(path, &functions),
                Some(("bench", name)) => bench_exists(name),
                Some(("cmd", command)) => root().join(command.split(' ').next().unwrap_or_default()).is_file(),
                _ => proof == "open" && proofs.len() == 1,
            };
            assert!(exists, "promises.txt, line {line}: “{words}” names {proof}, which is not there");
        }
    }
}

#[test]
fn no_promise_is_written_twice() {
    let mut seen = HashSet::new();
    for Promise { line, words, .. } in promises() {
        assert!(seen.insert(words.clone()), "promises.txt, line {line}: {words}");
    }
    assert!(seen.len() > 50);
}
