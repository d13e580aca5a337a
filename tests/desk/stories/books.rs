//! The books, checked as after a restore; and a desk that finds itself restored.

use trine::desk::{Rules, admin, books};
use trine::domain::Role;

use crate::harness::Start;
use crate::harness::cast::{person, story, story_with};

#[tokio::test]
async fn the_books_of_a_desk_add_up_and_every_tampering_is_found() {
    let story = story().await;
    let trade = story.disputed().await;
    let report = books::check(&story.site.desk).await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(report.trades == 1 && report.lines > 4 && report.payouts > 0 && report.opened >= 4, "{report:?}");
    assert_eq!(report.signatures, 3, "alice's release at every fee step");
    let other = &story.bob.address;
    for (tampering, words) in [
        (
            "UPDATE trades SET version = version + 1, state = jsonb_set(state, '{version}', '99')".to_owned(),
            "another state",
        ),
        (format!("UPDATE trades SET address = '{other}'"), "not that of its contract"),
        ("UPDATE trades SET contract_text = replace(contract_text, '500.00', '900.00')".to_owned(), "hash"),
        ("UPDATE arbitrator_exposure SET sat = sat + 1".to_owned(), "exposure"),
        ("UPDATE deadlines SET due_at = due_at + interval '1 h'".to_owned(), "deadlines"),
        ("UPDATE payouts SET psbt = (SELECT psbt FROM payouts ORDER BY psbt DESC LIMIT 1)".to_owned(), "its "),
        ("UPDATE payment_accounts SET sealed = overlay(sealed placing '\\x00' from 20)".to_owned(), "does not open"),
        ("UPDATE trades SET payee_sealed = payer_sealed".to_owned(), "does not open"),
        ("UPDATE pair_arbitrators SET arbitrator = gen_random_uuid()".to_owned(), "1 rows that name"),
        ("UPDATE deadlines SET trade = gen_random_uuid()".to_owned(), "rows that name"),
        (
            "UPDATE signing_keys SET unpacked = (SELECT unpacked FROM signing_keys ORDER BY unpacked LIMIT 1)"
                .to_owned(),
            "is unpacked as another",
        ),
        (
            "UPDATE signing_keys SET fingerprint = '\\x01020304' WHERE id = (SELECT min(id::text)::uuid FROM signing_keys)"
                .to_owned(),
            "is numbered as another",
        ),
        (
            "ALTER TABLE trade_events DISABLE TRIGGER USER; UPDATE trade_events SET actor = 'seller' WHERE version = 2"
                .to_owned(),
            "was changed",
        ),
        (
            "ALTER TABLE trade_events DISABLE TRIGGER USER; DELETE FROM trade_events WHERE version = 3".to_owned(),
            "is missing",
        ),
    ] {
        let mut sql = story.site.sql().await;
        keep(&sql).await;
        sql.batch_execute(&tampering).await.unwrap();
        let found = books::check(&story.site.desk).await.unwrap().problems.join("; ");
        assert!(found.contains(words), "{tampering}: {found:?}");
        put_back(&mut sql).await;
    }
    assert_eq!(books::check(&story.site.desk).await.unwrap().problems, Vec::<String>::new(), "{trade}");
}

const TAMPERED: [&str; 8] = [
    "trades",
    "arbitrator_exposure",
    "deadlines",
    "payouts",
    "payment_accounts",
    "trade_events",
    "pair_arbitrators",
    "signing_keys",
];

/// A copy of each table that is tampered with.
async fn keep(sql: &tokio_postgres::Client) {
    sql.batch_execute("CREATE SCHEMA kept").await.unwrap();
    for table in TAMPERED {
        sql.batch_execute(&format!("CREATE TABLE kept.{table} AS TABLE {table}")).await.unwrap();
    }
}

/// Everything as it was, whatever constraints and triggers say on the way.
async fn put_back(sql: &mut tokio_postgres::Client) {
    let tx = sql.transaction().await.unwrap();
    tx.batch_execute("SET LOCAL session_replication_role = replica").await.unwrap();
    let columns = "
        SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
         WHERE attrelid = $1::text::regclass AND attnum > 0 AND attgenerated = '' AND NOT attisdropped";
    for table in TAMPERED {
        let columns: String = tx.query_one(columns, &[&table]).await.unwrap().get(0);
        let back = format!("DELETE FROM {table}; INSERT INTO {table} ({columns}) SELECT {columns} FROM kept.{table}");
        tx.batch_execute(&back).await.unwrap();
    }
    tx.batch_execute("ALTER TABLE trade_events ENABLE TRIGGER USER; DROP SCHEMA kept CASCADE").await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_restored_copy_notices_it_gives_no_number_twice_and_ends_all_sessions() {
    let rules = Rules { new_account_trades_max: 20, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let sql = story.site.sql().await;
    story.take_by(&story.alice, "100").await;
    story.take_by(&story.alice, "100").await;
    let next =
        "SELECT max(n) FROM key_uses WHERE trade = (SELECT id FROM trades ORDER BY created_at DESC, id DESC LIMIT 1)";
    assert_eq!(sql.one::<i32>(next).await, 1);
    admin::settle(&story.site.desk).await.unwrap();
    story.take_by(&story.alice, "100").await;
    assert_eq!(sql.one::<i32>(next).await, 2, "an ordinary start raises nothing");

    let elsewhere = "UPDATE desk_state SET home = '1:1'";
    for floor in [102, 202] {
        sql.batch_execute(elsewhere).await.unwrap();
        admin::settle(&story.site.desk).await.unwrap();
        story.take_by(&story.alice, "100").await;
        assert_eq!(sql.one::<i32>(next).await, floor, "a hundred above the highest known");
    }
    assert_eq!(story.alice.browser.get("/account").await.status, 401, "sessions end");
    let log = story.site.browser().get("/log").await.words();
    assert!(log.contains("Desk restored"), "{log}");

    // A key that the backup did not know may have been used since.
    let dora = person(&story.site, "dora", Role::Trader).await;
    story.take_by(&dora, "100").await;
    assert_eq!(sql.one::<i32>(next).await, 203, "above what bob's key and unknown keys may have been given");
    assert_eq!(sql.one::<i32>("SELECT max(p) FROM arbitrator_levels").await, 200, "levels too");
    assert!(sql.one::<i64>("SELECT nextval('fee_addresses')").await > 200, "fee addresses too");
    assert_eq!(sql.one::<i64>("SELECT count(*) FROM restores").await, 2);
}
