//! Everything the desk has written down, to compare before and after; and a trade's log, played again.

use std::collections::BTreeMap;

use bitcoin::hashes::{Hash, sha256};
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use trine::domain::trade::{Act, Trade};
use trine::domain::{Actor, PublicRef};

use super::cast::Story;
use super::site::{Site, Sql};

/// All rows of all tables, as text.
#[derive(Debug, PartialEq, Eq)]
pub struct Ledger(BTreeMap<String, Vec<String>>);

impl Ledger {
    /// Fails with the tables that differ.
    pub fn assert_same(&self, before: &Self, what: &str) {
        for (table, rows) in &self.0 {
            let old = before.0.get(table);
            let news: Vec<&String> = rows.iter().filter(|row| !old.is_some_and(|old| old.contains(row))).collect();
            assert!(old == Some(rows), "{what}: {table} has changed: {news:#?}");
        }
    }
}

impl Site {
    /// What is in the database now, but for what every visit moves: when a session was seen, and the throttles.
    pub async fn ledger(&self) -> Ledger {
        let sql = self.sql().await;
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'throttles'";
        let mut all = BTreeMap::new();
        for table in sql.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            let moves = if table == "sessions" { " - 'seen_at'" } else { "" };
            let rows = sql.query(&format!("SELECT (to_jsonb(t){moves})::text FROM {table} t ORDER BY 1"), &[]).await;
            all.insert(table, rows.unwrap().iter().map(|row| row.get(0)).collect());
        }
        assert!(all.len() > 10, "the tables are found");
        Ledger(all)
    }
}

const EXPOSURE_OFF: &str = "
    SELECT count(*) FROM (
        SELECT arbitrator FROM (SELECT arbitrator, sat FROM arbitrator_exposure
                                UNION ALL
                                SELECT arbitrator, -deposit_sat FROM trades
                                 WHERE stage NOT IN ('completed', 'cancelled')) both_sides
         GROUP BY arbitrator HAVING sum(sat) <> 0) off";

/// The log of a trade gives its row, and each line hangs on the one before; what arbitrators answer for adds up.
pub async fn check_log(sql: &Sql, trade: PublicRef) {
    let off: i64 = sql.query_one(EXPOSURE_OFF, &[]).await.unwrap().get(0);
    assert_eq!(off, 0, "the exposure that is kept is not the sum of the open trades");
    let found = "SELECT id::text, state, stage, version FROM trades WHERE reference = $1";
    // Of one moment, whatever others do meanwhile.
    sql.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.unwrap();
    let row = sql.query_one(found, &[&trade.to_string()]).await.unwrap();
    let id: String = row.get(0);
    let lines = "
        SELECT version, at, actor, coalesce(account::text, ''), coalesce(event, ''), coalesce(stage_from, ''), stage_to,
               act, previous, hash
        FROM trade_events WHERE trade::text = $1 ORDER BY version";
    let lines = sql.query(lines, &[&id]).await.unwrap();
    let (mut state, mut last): (Option<Trade>, Vec<u8>) = (None, vec![0; 32]);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line.get::<_, i64>(0), i64::try_from(number).unwrap(), "a line of {trade} is missing");
        assert_eq!(line.get::<_, Vec<u8>>(8), last, "line {number} of {trade} does not hang on the one before");
        last =
            sha256::Hash::hash(&[last.as_slice(), hashed_text(&id, line).as_bytes()].concat()).to_byte_array().into();
        assert_eq!(line.get::<_, Vec<u8>>(9), last, "line {number} of {trade} was changed");
        state = Some(match &state {
            None => first(line),
            Some(state) => next(state, line),
        });
    }
    let state = state.expect("a trade begins with a line");
    let kept: Trade = serde_json::from_value(row.get::<_, Value>(1)).unwrap();
    assert_eq!(state, kept, "the log of {trade} gives another state than its row");
    let due = "SELECT what, who, due_at FROM deadlines WHERE trade::text = $1 ORDER BY what";
    let rows = sql.query(due, &[&id]).await.unwrap();
    sql.batch_execute("COMMIT").await.unwrap();
    let rows: Vec<(String, String, Timestamp)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let mut running: Vec<_> =
        state.deadlines().iter().map(|one| (one.what.to_string(), one.who.to_owned(), one.due_at)).collect();
    running.sort_unstable();
    assert_eq!(rows, running, "the table of deadlines of {trade} is not that of its state");
    assert_eq!(row.get::<_, String>(2), state.stage.as_str());
    assert_eq!(row.get::<_, i64>(3), i64::try_from(state.version).unwrap());
}

fn hashed_text(trade: &str, line: &Row) -> String {
    let text = |column: usize| line.get::<_, String>(column);
    let (version, at) = (line.get::<_, i64>(0), line.get::<_, Timestamp>(1).as_microsecond());
    let fields = [text(2), text(3), text(4), text(5), text(6), text(7)].join("\n");
    format!("{trade}\n{version}\n{at}\n{fields}")
}

fn first(line: &Row) -> Trade {
    let take: Value = serde_json::from_str(&line.get::<_, String>(7)).unwrap();
    serde_json::from_value(take["trade"].clone()).unwrap()
}

fn next(state: &Trade, line: &Row) -> Trade {
    let act: Act = serde_json::from_str(&line.get::<_, String>(7)).unwrap();
    let actor = Actor::from_word(&line.get::<_, String>(2)).unwrap();
    let change = state.apply(&act, actor, line.get(1)).unwrap_or_else(|why| panic!("{act:?} by {actor}: {why}"));
    assert_eq!(line.get::<_, String>(4), change.event.map(|event| event.as_str()).unwrap_or_default());
    assert_eq!(line.get::<_, String>(5), state.stage.as_str());
    assert_eq!(line.get::<_, String>(6), change.trade.stage.as_str());
    change.trade
}

impl Story {
    /// The log of a trade gives its row.
    pub async fn check_log(&self, trade: PublicRef) {
        check_log(&self.site.sql().await, trade).await;
    }

    /// The same of every trade there is.
    pub async fn check_logs(&self) {
        let sql = self.site.sql().await;
        for row in sql.query("SELECT reference FROM trades", &[]).await.unwrap() {
            check_log(&sql, row.get::<_, String>(0).parse().unwrap()).await;
        }
    }
}
