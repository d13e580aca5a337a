//! The public log, in words and as it is kept.

use actix_web::web;
use serde::Serialize;
use serde_json::Value;

use super::error::Answer;
use super::page::Page;
use super::posted::Query;
use super::site::Site;
use super::times::Moment;
use super::visitor::Visitor;
use crate::desk::public_log::{self, LogRow};

#[derive(Debug, Default, Serialize)]
pub struct LogPage {
    pub entries: Vec<LogLine>,
    /// Where the next, older page begins.
    pub next: Option<i64>,
    pub is_newest: bool,
}

impl Page for LogPage {
    const TEMPLATE: &'static str = "log/log.html";
}

#[derive(Debug, Serialize)]
pub struct LogLine {
    pub number: i64,
    pub at: Moment,
    pub title: &'static str,
    pub words: String,
    /// The entry as it is kept.
    pub entry: String,
}

pub async fn page(site: web::Data<Site>, visitor: Visitor, query: Query) -> Answer {
    let before = query.0.text("before").parse().ok();
    let (rows, next) = public_log::page(&site.desk, before).await?;
    let entries = rows.into_iter().map(line).collect();
    LogPage { entries, next, is_newest: before.is_none() }.answer(&site, &visitor)
}

fn line(row: LogRow) -> LogLine {
    let (title, words) = told(&row.kind, &row.entry);
    LogLine { number: row.number, at: row.at.into(), title, words, entry: row.entry.to_string() }
}

/// An entry in words.
fn told(kind: &str, entry: &Value) -> (&'static str, String) {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    let list = |key: &str| -> String {
        let all = entry.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    match kind {
        "draw" => {
            let words = format!(
                "{} was drawn for the accounts {} with the seed of {}. On duty: {}.",
                text("drawn"),
                list("accounts"),
                text("day"),
                list("on_duty")
            );
            ("Arbitrator drawn", words)
        }
        "seed_hash" => {
            ("Seed announced", format!("The seed of {} will have the SHA-256 {}.", text("day"), text("sha256")))
        }
        "seed" => ("Seed revealed", format!("The seed of {} was {}.", text("day"), text("seed"))),
        "appointed" => {
            ("Arbitrator appointed", format!("{}. To be reached at: {}.", text("arbitrator"), text("contact")))
        }
        "dismissed" => (
            "Arbitrator dismissed",
            format!("{}. Trades with a deposit keep him: his key is in them.", text("arbitrator")),
        ),
        "record" => ("Public record", format!("{} rules with the record {}.", text("arbitrator"), text("hash"))),
        "drill" => ("Drill passed", format!("{} showed that the key can sign.", text("arbitrator"))),
        "ruling" => {
            let percent = entry.get("buyer_percent").and_then(Value::as_u64).unwrap_or_default();
            let words = format!(
                "A ruling of {}: {}, {percent} % to the buyer. Its hash is {}.",
                text("arbitrator"),
                text("outcome"),
                text("ruling")
            );
            ("Ruling", words)
        }
        "ruling_withdrawn" => {
            let words =
                format!("The ruling of {} with the hash {} is in force no more.", text("arbitrator"), text("ruling"));
            ("Ruling withdrawn", words)
        }
        "conflict" => (
            "Conflict declared",
            format!("{} declared a conflict of interest in a trade of {}.", text("arbitrator"), list("accounts")),
        ),
        "restored" => (
            "Desk restored",
            format!(
                "The desk was restored from a backup; what it knew after {} is lost. Numbering goes on a hundred above.",
                text("known_until")
            ),
        ),
        _ => ("Entry", String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_told_in_words() {
        let entry = serde_json::json!({ "drawn": "sable", "accounts": ["aa", "bb"], "day": "2026-11-21", "on_duty": ["otto", "sable"] });
        let (_, words) = told("draw", &entry);
        assert_eq!(words, "sable was drawn for the accounts aa, bb with the seed of 2026-11-21. On duty: otto, sable.");
        let ruling =
            serde_json::json!({ "arbitrator": "sable", "outcome": "split", "buyer_percent": 60, "ruling": "ab12" });
        assert_eq!(told("ruling", &ruling).1, "A ruling of sable: split, 60 % to the buyer. Its hash is ab12.");
        let taken_back = told("ruling_withdrawn", &ruling).1;
        assert_eq!(taken_back, "The ruling of sable with the hash ab12 is in force no more.");
        for kind in ["seed_hash", "seed", "appointed", "dismissed", "record", "drill", "restored", "conflict"] {
            assert!(!told(kind, &entry).1.is_empty(), "{kind}");
        }
    }
}
