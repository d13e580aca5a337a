//! The desk's own rounds: what fails in one trade holds up no other, and no job that fails is the first again for ever.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use trine::desk::{Rules, admin, notices, watcher, worker};
use trine::domain::PublicRef;
use trine::domain::deadlines::What;

use crate::harness::cast::{Story, story_with};
use crate::harness::{Start, Weather};

/// Two trades that nobody has signed yet, the older first.
async fn two_trades() -> (Story, PublicRef, PublicRef) {
    let rules = Rules { new_account_trades_max: 20, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let (one, other) = (story.take_by(&story.alice, "100").await, story.take_by(&story.alice, "100").await);
    (story, one, other)
}

impl Story {
    /// From now on no row of a trade can be changed in this table.
    async fn breaks(&self, trade: PublicRef, table: &str, column: &str) {
        let sql = self.site.sql().await;
        let id: uuid::Uuid = sql.one(&format!("SELECT id FROM trades WHERE reference = '{trade}'")).await;
        let broken = format!(
            "CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'it is broken'; END $$;
             CREATE TRIGGER breaks BEFORE UPDATE ON {table} FOR EACH ROW WHEN (NEW.{column} = '{id}')
                EXECUTE FUNCTION breaks()"
        );
        sql.batch_execute(&broken).await.unwrap();
    }
}

#[tokio::test]
async fn a_window_that_cannot_be_ended_keeps_no_other_open() {
    let (story, broken, other) = two_trades().await;
    story.breaks(broken, "trades", "id").await;
    story.site.advance(SignedDuration::from_hours(2));
    let told = worker::fire_windows(&story.site.desk).await.unwrap_err().to_string();
    assert!(told.contains("it is broken"), "{told}");
    assert_eq!((story.stage(broken).await, story.stage(other).await), ("proposed".into(), "cancelled".into()));
}

#[tokio::test]
async fn a_reminder_that_cannot_be_told_keeps_no_other_back() {
    let (story, broken, other) = two_trades().await;
    story.breaks(broken, "deadlines", "trade").await;
    let [_, ninety] = story.reminder_times(other, What::Signing).await;
    let now = story.site.desk.now(&story.site.desk.store.connection().await.unwrap()).await.unwrap();
    story.site.advance(ninety.duration_since(now) + SignedDuration::from_secs(2));
    let told = notices::remind(&story.site.desk).await.unwrap_err().to_string();
    assert!(told.contains("it is broken"), "{told}");
    assert_eq!(story.reminded(&story.bob, other).await, [90]);
    assert_eq!(story.reminded(&story.bob, broken).await, [0; 0]);
}

#[tokio::test]
async fn a_trade_that_cannot_be_called_off_keeps_no_other_from_it() {
    let (story, broken, other) = two_trades().await;
    story.breaks(broken, "trades", "id").await;
    // It calls off at once.
    let told = admin::dismiss(&story.site.desk, "carol").await.unwrap_err().to_string();
    assert!(told.contains("it is broken"), "{told}");
    assert_eq!((story.stage(broken).await, story.stage(other).await), ("proposed".into(), "cancelled".into()));
}

#[tokio::test]
async fn a_job_that_loses_its_connection_while_the_chain_is_asked_is_noted_and_tried_again() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let trade = story.paid().await;
    let seen = story.sign(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    assert_eq!(seen.status, 303, "{}", seen.words());
    weather.cuts_who_waits(story.site.database_url());
    worker::empty_outbox(&story.site.desk).await.unwrap_err();
    let sql = story.site.sql().await;
    let noted = "SELECT attempts = 1 AND last_error <> '' AND due_at > now() FROM outbox WHERE kind = 'broadcast'";
    assert!(sql.one::<bool>(noted).await, "or it would be the first again for ever");
    story.site.advance(SignedDuration::from_secs(5));
    story.work().await;
    assert!(sql.one::<bool>("SELECT bool_and(taken_at IS NOT NULL) FROM handovers").await);
    story.mine(6).await;
    assert_eq!(story.stage(trade).await, "completed");
}

/// A node may take longer than any other wait of a transaction. The trade of a machine that vanished is free again.
#[tokio::test]
async fn a_job_may_wait_long_for_the_chain_and_not_for_ever() {
    let story = story_with(Start::default()).await;
    let trade = story.paid().await;
    let sql = story.site.sql().await;
    let watched = "CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('idle_in_transaction_session_timeout') <> '15min' THEN RAISE 'it is cut off'; END IF;
            RETURN NEW; END $$;
        CREATE TRIGGER waits BEFORE UPDATE OF done_at ON outbox FOR EACH ROW EXECUTE FUNCTION waits()";
    sql.batch_execute(watched).await.unwrap();
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    story.mine(6).await;
    assert_eq!(story.stage(trade).await, "completed");
}

/// A server that never answers holds up the desk's own look at the trade, and nobody's act in it.
#[tokio::test]
async fn a_chain_that_keeps_the_desk_waiting_holds_no_trade() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let trade = story.paid().await;
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    story.work().await;
    assert_eq!(story.stage(trade).await, "paying_out");
    weather.keeps_waiting();
    story.site.chain.mine_empty(1, jiff::Timestamp::now()).unwrap();
    let work = worker::work_once(&story.site.desk);
    tokio::pin!(work);
    tokio::select! {
        _ = &mut work => panic!("the chain was not asked"),
        () = weather.is_asked() => {}
    }
    let sql = story.site.sql().await;
    sql.batch_execute("SELECT 1 FROM trades FOR UPDATE NOWAIT").await.expect("nobody holds the trade");
}

const JUDGES: &str = "SELECT count(*) FROM outbox WHERE kind = 'judge' AND done_at IS NULL";

/// However many wait: what is put off and due again before the pass is over is left to the next one.
#[tokio::test]
async fn a_pass_comes_to_its_end_though_every_job_is_put_off() {
    let story = story_with(Start::default()).await;
    let trade = story.agreed().await;
    let sql = story.site.sql().await;
    let id: uuid::Uuid = sql.one(&format!("SELECT id FROM trades WHERE reference = '{trade}'")).await;
    let many = format!(
        "INSERT INTO chain_trouble VALUES (true, 'stale', 'no block', now());
         INSERT INTO outbox (kind, trade, payload, created_at, due_at)
         SELECT 'judge', '{id}', '{{}}', now(), now() FROM generate_series(1, 50);
         CREATE FUNCTION is_due_again() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN NEW.due_at := NEW.created_at; RETURN NEW; END $$;
         CREATE TRIGGER is_due_again BEFORE UPDATE OF due_at ON outbox FOR EACH ROW EXECUTE FUNCTION is_due_again()"
    );
    sql.batch_execute(&many).await.unwrap();
    let pass = worker::empty_outbox(&story.site.desk);
    tokio::time::timeout(Duration::from_secs(30), pass).await.expect("it ends").unwrap();
    let once = "SELECT bool_and(attempts = 1) FROM outbox WHERE kind = 'judge' AND done_at IS NULL";
    assert_eq!((sql.one::<i64>(JUDGES).await, sql.one::<bool>(once).await), (50, true));
}

/// A desk that cannot judge for a day has one job for each trade then, not one for each block.
#[tokio::test]
async fn of_what_is_to_be_judged_one_job_waits_and_another_only_while_that_is_done() {
    let story = story_with(Start::default()).await;
    let trade = story.paid().await;
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    let (desk, mut sql) = (&story.site.desk, story.site.sql().await);
    let block = async || {
        story.site.chain.mine_empty(1, jiff::Timestamp::now()).unwrap();
        watcher::watch_once(desk).await.unwrap();
    };
    block().await;
    // It failed, and would be tried again in an hour; a new block is a reason to.
    sql.batch_execute("UPDATE outbox SET due_at = now() + interval '1 hour' WHERE done_at IS NULL").await.unwrap();
    block().await;
    let due = format!("{JUDGES} AND due_at <= now()");
    assert_eq!((sql.one::<i64>(JUDGES).await, sql.one::<i64>(&due).await), (1, 1));
    // Another server judges it, and has read what there was to read.
    let held = sql.transaction().await.unwrap();
    held.query("SELECT FROM outbox WHERE done_at IS NULL FOR UPDATE", &[]).await.unwrap();
    block().await;
    held.commit().await.unwrap();
    assert_eq!(sql.one::<i64>(JUDGES).await, 2);
    story.work().await;
    assert_eq!(sql.one::<i64>(JUDGES).await, 0);
}

/// A round that waits for the node is no outage of the desk.
#[tokio::test]
async fn a_node_that_does_not_answer_does_not_keep_the_desk_from_saying_that_it_runs() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let trade = story.paid().await;
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    weather.keeps_waiting();
    story.site.chain.mine_empty(1, jiff::Timestamp::now()).unwrap();
    let sql = story.site.sql().await;
    let says_so = async {
        weather.is_asked().await;
        sql.batch_execute("UPDATE desk_beat SET at = at - interval '1 minute'").await.unwrap();
        let said = "SELECT at > clock_timestamp() - interval '30 seconds' FROM desk_beat";
        for _ in 0..1_500 {
            if sql.one::<bool>(said).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it is never said");
    };
    tokio::select! {
        () = worker::run(story.site.desk.clone()) => panic!("it works for ever"),
        () = says_so => {}
    }
}

/// A deposit is written down beside whatever somebody does in the trade just then.
#[tokio::test]
async fn an_act_that_is_under_way_holds_up_no_reading_of_the_chain() {
    let story = story_with(Start::default()).await;
    let trade = story.agreed().await;
    let desk = &story.site.desk;
    let mut client = desk.store.connection().await.unwrap();
    let held = client.transaction().await.unwrap();
    let row = trine::store::trades::lock(&held, trade).await.unwrap().unwrap();
    story.site.chain.pay(&row.script, row.deposit).unwrap();
    watcher::watch_once(desk).await.unwrap();
    assert_eq!(story.site.sql().await.count("deposits").await, 1);
    held.commit().await.unwrap();
}

/// Whatever else fails in that hour.
#[tokio::test]
async fn what_was_done_a_week_ago_is_forgotten_but_not_what_was_handed_to_the_chain() {
    let (story, broken, other) = two_trades().await;
    story.breaks(broken, "trades", "id").await;
    let sql = story.site.sql().await;
    let id: uuid::Uuid = sql.one(&format!("SELECT id FROM trades WHERE reference = '{other}'")).await;
    let jobs = format!(
        "DELETE FROM outbox;
         INSERT INTO outbox (kind, trade, payload, created_at, due_at, done_at)
         SELECT kind, '{id}', '{{}}', now(), now(), now() - ago * interval '1 day'
           FROM unnest('{{judge,deposit,sit_out,broadcast}}'::text[]) AS kind,
                unnest('{{6,8,NULL}}'::integer[]) AS ago"
    );
    sql.batch_execute(&jobs).await.unwrap();
    // Its arbitrator is gone, and it cannot be called off.
    sql.batch_execute("UPDATE arbitrators SET dismissed_at = now()").await.unwrap();
    let told = admin::tidy(&story.site.desk).await.unwrap_err().to_string();
    assert!(told.contains("it is broken"), "{told}");
    let old = "SELECT string_agg(kind, ' ') FROM outbox WHERE done_at < now() - interval '7 days'";
    assert_eq!((sql.one::<String>(old).await.as_str(), sql.count("outbox").await), ("broadcast", 9));
}
