//! The books, checked as after a restore; a payout that was changed in them; and a desk that finds itself restored.

use bitcoin::{Amount, Psbt, TxOut};
use trine::desk::{Rules, admin, books};
use trine::domain::Role;
use uuid::Uuid;

use crate::harness::Start;
use crate::harness::cast::{Person, person, story, story_with};

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

const UNDER_WAY: &str =
    "SELECT p.id, p.psbt, p.fee_sat FROM payouts p JOIN trades t ON t.id = p.trade AND t.payout_txid = p.txid";
const REFUND: &str = "SELECT psbt FROM payouts WHERE kind = 'refund' ORDER BY fee_sat LIMIT 1";
/// As if it had not been tried yet.
const DUE_NOW: &str = "
    UPDATE outbox SET due_at = created_at, attempts = 0, last_error = NULL WHERE kind = 'broadcast' AND done_at IS NULL";
const WHY: &str = "SELECT last_error FROM outbox WHERE kind = 'broadcast' AND done_at IS NULL";
const SIGNED: &str = "UPDATE signatures SET signature = $3 WHERE payout = $1 AND party = $2";

/// Somebody's signatures for a PSBT as they are kept: for each input its length, then DER and the sighash byte.
fn signatures(who: &Person, psbt: &[u8]) -> Vec<u8> {
    let mut psbt = Psbt::deserialize(psbt).unwrap();
    who.wallet.sign(&mut psbt).unwrap();
    let mut bytes = Vec::new();
    for input in &psbt.inputs {
        let one = input.partial_sigs.values().next().unwrap().serialize();
        bytes.push(u8::try_from(one.len()).unwrap());
        bytes.extend_from_slice(&one);
    }
    bytes
}

#[tokio::test]
async fn a_payout_changed_behind_the_desks_back_is_never_handed_to_the_network() {
    let story = story().await;
    let trade = story.paid().await;
    let sql = story.site.sql().await;
    // Complete, and not on its way yet: the desk has not done its own work since.
    let answer = story.sign(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    assert_eq!(answer.status, 303, "{}", answer.words());
    assert_eq!(story.stage(trade).await, "paying_out");
    let row = sql.query_one(UNDER_WAY, &[]).await.unwrap();
    let (payout, kept, fee): (Uuid, Vec<u8>, i64) = (row.get(0), row.get(1), row.get(2));
    let changed = |change: &dyn Fn(&mut TxOut)| {
        let mut psbt = Psbt::deserialize(&kept).unwrap();
        change(&mut psbt.unsigned_tx.output[0]);
        psbt.serialize()
    };
    let tries = async |psbt: &[u8], both_sign: bool| {
        sql.execute("UPDATE payouts SET psbt = $2 WHERE id = $1", &[&payout, &psbt]).await.unwrap();
        for (who, party) in [(&story.alice, "buyer"), (&story.bob, "seller")].into_iter().filter(|_| both_sign) {
            assert_eq!(sql.execute(SIGNED, &[&payout, &party, &signatures(who, psbt)]).await.unwrap(), 1, "{party}");
        }
        sql.batch_execute(DUE_NOW).await.unwrap();
        story.work().await;
    };
    let other = story.bob.address.script_pubkey();
    let (bit, much) = (Amount::from_sat(1), Amount::from_sat(200_000));
    let fee = Amount::from_sat(u64::try_from(fee).unwrap());
    for (what, psbt, both_sign, words) in [
        ("to another", changed(&|output| output.script_pubkey = other.clone()), false, "its outputs or inputs"),
        ("more than there is", changed(&|output| output.value += fee + bit), false, "its amounts"),
        ("one satoshi more", changed(&|output| output.value += bit), false, "for this transaction"),
        ("one satoshi less", changed(&|output| output.value -= bit), false, "for this transaction"),
        ("the refund in its place", sql.one(REFUND).await, true, "its outputs or inputs"),
        ("signed by both to another", changed(&|output| output.script_pubkey = other.clone()), true, "its outputs"),
        // Above what the contract allows miners, and below what nodes relay.
        ("with a fee too high", changed(&|output| output.value -= much), true, "outside the limits"),
        ("with a fee too low", changed(&|output| output.value += fee - bit), true, "outside the limits"),
    ] {
        tries(psbt.as_slice(), both_sign).await;
        let why: Option<String> = sql.one(WHY).await;
        assert!(why.as_deref().unwrap_or_default().contains(words), "{what}: {why:?}");
        assert_eq!(story.site.chain.waiting(), 0, "{what}: it is handed to the network");
    }
    tries(kept.as_slice(), true).await;
    assert_eq!(story.site.chain.waiting(), 1, "what was agreed is sent");
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
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
