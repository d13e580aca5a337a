//! The rooms keep to themselves: what each may name, read from its `use` lines and paths, never from its comments.

mod reader;

use std::collections::BTreeSet;
use std::path::PathBuf;

use self::reader::{Named, named};
use crate::golden::root;

/// What a room may not name; `a::b` stands for everything below it.
struct Room {
    name: &'static str,
    /// Crates it may use, if they are counted; none: any but the forbidden ones.
    crates: Option<&'static [&'static str]>,
    /// Rooms of this package it may use besides itself; none: any but the forbidden ones.
    rooms: Option<&'static [&'static str]>,
    /// Crates and paths it never mentions.
    never: &'static [&'static str],
    /// Bytes in, values out: no waiting, no clock, no randomness, no files.
    pure: bool,
    /// No SQL text.
    no_sql: bool,
}

const ROOMS: &[Room] = &[
    Room {
        name: "domain",
        crates: Some(&[
            "std",
            "serde",
            // Reads the data file of ways to pay, which is part of the program.
            "serde_json",
            "rust_decimal",
            "bitcoin",
            "uuid",
            "jiff",
            "thiserror",
            "iso_currency",
            "rust_iso3166",
            "unicode_normalization",
        ]),
        rooms: Some(&[]),
        never: &[],
        pure: true,
        no_sql: true,
    },
    Room {
        name: "escrow",
        crates: Some(&[
            "std",
            "serde",
            "serde_json",
            "rust_decimal",
            "bitcoin",
            "miniscript",
            "psbt_v2",
            "sha2",
            "jiff",
            "thiserror",
            "uuid",
            "data_encoding",
            "unicode_normalization",
        ]),
        rooms: Some(&["domain"]),
        never: &[],
        pure: true,
        no_sql: true,
    },
    Room {
        name: "store",
        crates: None,
        rooms: Some(&["domain", "escrow"]),
        never: &["actix_web", "actix_multipart", "tera", "tera_contrib", "reqwest", "std::fs", "std::net"],
        pure: false,
        no_sql: false,
    },
    Room {
        name: "chain",
        crates: None,
        rooms: Some(&["domain", "escrow"]),
        never: &[
            "tokio_postgres",
            "deadpool_postgres",
            "refinery",
            "actix_web",
            "actix_multipart",
            "tera",
            "crate::domain::trade",
            "crate::domain::offer",
        ],
        pure: false,
        no_sql: true,
    },
    Room {
        name: "desk",
        crates: None,
        rooms: Some(&["domain", "escrow", "store", "chain", "courier"]),
        never: &["actix_web", "actix_multipart", "tera", "tera_contrib", "deadpool_postgres", "refinery", "reqwest"],
        pure: false,
        no_sql: true,
    },
    Room {
        name: "courier",
        crates: None,
        rooms: Some(&[]),
        never: &["tokio_postgres", "deadpool_postgres", "refinery", "actix_web", "actix_multipart", "tera", "bitcoin"],
        pure: false,
        no_sql: true,
    },
    Room {
        name: "web",
        crates: None,
        rooms: Some(&["desk", "domain"]),
        never: &[
            "tokio_postgres",
            "deadpool_postgres",
            "refinery",
            "miniscript",
            "psbt_v2",
            "bitcoinconsensus",
            "bitcoin::script",
            "bitcoin::ScriptBuf",
            "bitcoin::Transaction",
            "bitcoin::Psbt",
            ".store",
            ".chain",
        ],
        pure: false,
        no_sql: true,
    },
    Room {
        name: "partners",
        crates: None,
        rooms: Some(&["escrow", "domain"]),
        never: &["actix_web", "tera", "tokio_postgres", "deadpool_postgres"],
        pure: false,
        no_sql: true,
    },
];

/// Of `bitcoin`, the domain knows amounts and nothing else.
const DOMAIN_BITCOIN: [&str; 2] = ["bitcoin::Amount", "bitcoin::Denomination"];

/// What a pure room never calls or names.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "std::time",
    "std::io::stdin",
    "bitcoin::secp256k1::rand",
    "uuid::Timestamp",
];

/// Last words of calls that read a clock or draw a number.
const IMPURE_CALLS: [&str; 4] = ["now", "new_v4", "now_v7", "thread_rng"];

fn is_within(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The crates of the manifest, as they are written in code.
fn crates() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let names = manifest.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.replace('-', "_"));
    names.chain(["std".to_owned(), "core".to_owned(), "alloc".to_owned()]).collect()
}

fn looks_like_sql(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    matches!(words.as_slice(), ["SELECT" | "UPDATE" | "WITH", _] | ["INSERT", "INTO"] | ["DELETE", "FROM"])
}

impl Room {
    /// What is wrong with what a file of this room names.
    fn trespasses(&self, named: &Named, crates: &BTreeSet<String>) -> Vec<String> {
        let mut wrong: Vec<String> = named.paths.iter().filter(|path| self.forbids(path, crates)).cloned().collect();
        if self.pure && named.waits {
            wrong.push("async".to_owned());
        }
        if self.no_sql {
            wrong.extend(named.texts.iter().filter(|text| looks_like_sql(text)).map(|text| format!("SQL: {text}")));
        }
        wrong
    }

    fn forbids(&self, path: &str, crates: &BTreeSet<String>) -> bool {
        let mut parts = path.split("::");
        let (first, second, last) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), path.rsplit("::").next());
        if self.never.iter().any(|never| is_within(path, never)) {
            return true;
        }
        if first == "crate" {
            let is_room = ROOMS.iter().any(|room| room.name == second) || second == "practice";
            return is_room && second != self.name && self.rooms.is_some_and(|rooms| !rooms.contains(&second));
        }
        let counted_out = crates.contains(first) && self.crates.is_some_and(|allowed| !allowed.contains(&first));
        let more_than_amounts =
            self.name == "domain" && first == "bitcoin" && !DOMAIN_BITCOIN.iter().any(|known| is_within(path, known));
        let impure = self.pure
            && (IMPURE.iter().any(|impure| is_within(path, impure))
                || last.is_some_and(|last| IMPURE_CALLS.contains(&last)));
        counted_out || more_than_amounts || impure
    }
}

/// The files of a room, found as the compiler finds them: by their `mod` lines, those of tests left out.
fn files(room: &str) -> Vec<(PathBuf, Named)> {
    let source = root().join("server/src");
    let mut found: Vec<(PathBuf, Named)> = Vec::new();
    let mut open = vec![(vec![room.to_owned()], source.clone())];
    while let Some((module, folder)) = open.pop() {
        let name = &module[module.len() - 1];
        let inside = folder.join(name);
        let candidates = [folder.join(format!("{name}.rs")), inside.join("mod.rs")];
        let path = candidates.into_iter().find(|path| path.is_file()).unwrap_or_else(|| panic!("no file {module:?}"));
        let named = named(&std::fs::read_to_string(&path).unwrap(), module.clone());
        let deeper = |file: &String| module.iter().chain([file]).cloned().collect::<Vec<_>>();
        open.extend(named.files.iter().map(|file| (deeper(file), inside.clone())));
        found.push((path, named));
    }
    found
}

#[test]
fn every_room_keeps_to_itself() {
    let crates = crates();
    let mut wrong = Vec::new();
    for room in ROOMS {
        for (path, named) in files(room.name) {
            let place = path.strip_prefix(root()).unwrap().display().to_string();
            wrong.extend(room.trespasses(&named, &crates).into_iter().map(|what| format!("{place}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "a room names what it may not:\n{}", wrong.join("\n"));
}

#[test]
fn the_wall_sees_every_way_to_name_a_thing() {
    let crates = crates();
    let domain = &ROOMS[0];
    let seen =
        |source: &str| domain.trespasses(&named(source, vec!["domain".to_owned(), "money".to_owned()]), &crates).len();
    for source in [
        "use tokio::sync::Mutex;",
        "use {std::fmt, std::fs::File};",
        "fn f() { std::fs::read(\"x\"); }",
        "use crate::store;",
        "use super::super::store::trades;",
        "fn f(x: actix_web::HttpRequest) {}",
        "async fn f() {}",
        "fn f() { let t = Timestamp::now(); }",
        "fn f() { let id = Uuid::new_v4(); }",
        "fn f() { tracing::info!(\"hello\"); }",
        "fn f() { vec![std::env::args()]; }",
        "#[derive(tokio_postgres::Row)] struct X;",
        "use bitcoin::Transaction;",
        "const Q: &str = \"SELECT 1 FROM trades\";",
    ] {
        assert_eq!(seen(source), 1, "{source}");
    }
    for source in [
        "use bitcoin::Amount;",
        "// tokio::spawn and std::fs are only words here\nfn f() {}",
        "fn tokio() { let actix_web = 1; }",
        "const WORDS: &str = \"Select tokio::fs and WITH it\";",
        "#[cfg(test)] mod tests { use std::fs; }",
        "use super::super::refusal::Refusal;",
        "use crate::domain::text;",
    ] {
        assert_eq!(seen(source), 0, "{source}");
    }
}
