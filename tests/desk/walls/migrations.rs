//! A migration that moves what there is keeps all of it.

use std::path::PathBuf;

use tokio_postgres::Client;

use crate::golden::root;
use crate::harness::postgres::fresh_database;

/// The migrations with these numbers, in order.
fn migrations(numbers: impl Fn(u32) -> bool) -> Vec<PathBuf> {
    let number = |path: &PathBuf| -> u32 { path.file_name().unwrap().to_str().unwrap()[1..3].parse().unwrap() };
    let files = std::fs::read_dir(root().join("migrations")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| numbers(number(path))).collect();
    files.sort();
    files
}

async fn migrate(sql: &Client, numbers: impl Fn(u32) -> bool) {
    for file in migrations(numbers) {
        let text = std::fs::read_to_string(&file).unwrap();
        sql.batch_execute(&text).await.unwrap_or_else(|why| panic!("{}: {why:?}", file.display()));
    }
}

const BEFORE: &str = "
    SET session_replication_role = replica;
    INSERT INTO deposits (txid, vout, trade, amount_sat, coinbase, raw, seen_at, spent_by, spent_height, spent_raw)
    SELECT sha256(t::text::bytea), n, gen_random_uuid(), 1000, false, ('deposit ' || t)::bytea, now(),
           sha256('spend'), 7, 'spend'::bytea
      FROM generate_series(1, 2) t, generate_series(0, 3) n;
    UPDATE deposits SET spent_raw = NULL WHERE vout = 3;
    INSERT INTO signing_keys (id, account, kind, text, fingerprint, account_number, public_key, chain_code, created_at,
                              proved_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 'wallet', who, '\\x01020304', 0, substr(sha256(key::bytea) || '00'::bytea, 1, 33),
           sha256(who::bytea), now(), proved::timestamptz
      FROM (VALUES ('first', 'one', '2026-01-01'), ('second', 'one', '2026-02-01'), ('claim', 'one', NULL),
                   ('other', 'two', '2026-03-01'), ('unproved', 'three', NULL), ('unproved too', 'three', NULL))
           AS keys (who, key, proved);
    SET session_replication_role = origin;";

#[tokio::test]
async fn deposits_keep_their_transactions_and_each_public_key_has_one_owner() {
    let database = fresh_database().await;
    let sql = database.client().await;
    sql.batch_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
    migrate(&sql, |number| number < 29).await;
    sql.batch_execute(BEFORE).await.unwrap();
    migrate(&sql, |number| number == 29).await;
    let kept = "
        SELECT count(*), count(DISTINCT d.txid), count(DISTINCT s.raw)
          FROM deposits d
          JOIN deposit_transactions t ON t.txid = d.txid AND convert_from(t.raw, 'UTF8') LIKE 'deposit %'
          JOIN deposit_transactions s ON s.txid = d.spent_by AND s.raw = 'spend'";
    let row = sql.query_one(kept, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (8, 2, 1));
    let keys = "SELECT text, proved_at IS NOT NULL, displaced_at IS NOT NULL FROM signing_keys ORDER BY text";
    let keys = sql.query(keys, &[]).await.unwrap();
    let keys: Vec<(&str, bool, bool)> = keys.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let stand = [
        ("claim", false, true),
        ("first", true, false),
        ("other", true, false),
        ("second", false, true),
        ("unproved", false, false),
        ("unproved too", false, false),
    ];
    assert_eq!(keys, stand);
}
