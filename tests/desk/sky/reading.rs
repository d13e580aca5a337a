//! Reading the chain: after a long sleep, beside another server, and with books that are wrong.

use bitcoin::{Amount, ScriptBuf};
use trine::desk::{audit, reader, watcher};

use super::{Sky, under_every_sky};
use crate::harness::cast::story;

under_every_sky! {
    a_thousand_blocks_are_caught_up_after_a_restart,
    the_books_are_held_against_the_chain_and_mended,
    a_payout_that_waits_is_no_difference_to_the_books,
}

async fn a_thousand_blocks_are_caught_up_after_a_restart(sky: &mut Sky) {
    let trade = sky.small().await;
    let due = sky.row(trade).await.deposit.to_sat();
    let script = sky.script(trade).await;
    reader::step_down(&sky.story.site.desk).await;
    sky.world.mine(500).await;
    let coin = sky.world.coin().await;
    sky.world.broadcast(&crate::chains::coins::pay(&coin, &[(script, due)], super::FEE)).await;
    sky.world.mine(500).await;
    sky.works().await;
    assert_eq!(sky.stage(trade).await, "funded");
    let sql = sky.story.site.sql().await;
    let read: i32 = sql.one("SELECT height FROM chain_cursor").await;
    assert_eq!(read as u32, sky.world.height().await);
}

async fn the_books_are_held_against_the_chain_and_mended(sky: &mut Sky) {
    let (trade, _) = sky.funded().await;
    let desk = sky.story.site.desk.clone();
    let well = audit::audit(&desk).await.unwrap();
    assert_eq!((well.outputs, well.addresses, well.differences.len()), (1, 1, 0), "{well:?}");
    let sql = sky.story.site.sql().await;

    // An output the books never heard of.
    sql.batch_execute("DELETE FROM deposit_inputs; DELETE FROM deposits").await.unwrap();
    let missing = audit::audit(&desk).await.unwrap();
    assert!(missing.differences[0].contains("is not in the books"), "{missing:?}");
    assert_eq!(sql.count("deposits").await, 1);
    assert_eq!(audit::audit(&desk).await.unwrap().differences, Vec::<String>::new());

    // One that is in another block than they say, and one that is nowhere.
    sql.batch_execute("UPDATE deposits SET funding = true, block_height = block_height - 1").await.unwrap();
    let moved = audit::audit(&desk).await.unwrap();
    assert!(moved.differences[0].contains("not where the books say"), "{moved:?}");
    let another = "INSERT INTO deposit_transactions SELECT sha256(txid), raw FROM deposit_transactions";
    sql.batch_execute(another).await.unwrap();
    sql.batch_execute("UPDATE deposits SET txid = sha256(txid)").await.unwrap();
    let phantom = audit::audit(&desk).await.unwrap();
    assert_eq!(phantom.differences.len(), 2, "{phantom:?}");
    let gone: i64 = sql.one("SELECT count(*) FROM deposits WHERE gone_at IS NOT NULL").await;
    assert_eq!((sql.count("deposits").await, gone), (2, 1));
    assert_eq!(audit::audit(&desk).await.unwrap().differences, Vec::<String>::new());
    assert_eq!(sky.row(trade).await.deposit, Amount::from_sat(800_000));
}

async fn a_payout_that_waits_is_no_difference_to_the_books(sky: &mut Sky) {
    let (trade, _) = sky.paid().await;
    sky.releases(trade).await;
    sky.works().await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    let desk = sky.story.site.desk.clone();
    let well = audit::audit(&desk).await.unwrap();
    assert_eq!((well.outputs, well.differences), (1, vec![]));

    // A spend that is in a block, and that the books have as waiting.
    sky.world.mine(1).await;
    watcher::watch_once(&desk).await.unwrap();
    let sql = sky.story.site.sql().await;
    sql.batch_execute("UPDATE deposits SET spent_height = NULL").await.unwrap();
    assert_eq!(audit::audit(&desk).await.unwrap().differences.len(), 1);
    let confirmed: i64 = sql.one("SELECT count(*) FROM deposits WHERE spent_height IS NOT NULL").await;
    assert_eq!(confirmed, 1, "the block was read again");
}

#[tokio::test]
async fn a_server_whose_epoch_is_over_writes_nothing() {
    let story = story().await;
    let trade = story.agreed().await;
    let script = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap().0.script;
    story.site.chain.pay(&script, Amount::from_sat(1_000_000)).unwrap();
    let sql = story.site.sql().await;
    // Another server has taken over, and this one has not noticed.
    sql.batch_execute("UPDATE chain_cursor SET epoch = epoch + 1").await.unwrap();
    watcher::watch_once(&story.site.desk).await.unwrap();
    assert_eq!(sql.count("deposits").await, 0);
    // It asks for the lock again; nobody has it, once its own connection is gone.
    for _ in 0..200 {
        watcher::watch_once(&story.site.desk).await.unwrap();
        if sql.count("deposits").await == 1 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it never reads again");
}

#[tokio::test]
async fn only_one_of_two_servers_reads_and_the_other_takes_over() {
    let story = story().await;
    let trade = story.agreed().await;
    let site = &story.site;
    let other = trine::desk::Desk::new(
        trine::store::Store::open(&site.database_url()).unwrap(),
        site.chain.clone(),
        trine::desk::Rules::default(),
        trine::desk::Secrets::new(crate::harness::site::SESSION_KEY, crate::harness::site::DATA_KEY, 1),
    );
    let script = trine::desk::trade_facts::party(&site.desk, trade, story.bob.id).await.unwrap().0.script;
    site.chain.pay(&script, Amount::from_sat(1_000_000)).unwrap();
    let sql = site.sql().await;
    watcher::watch_once(&other).await.unwrap();
    assert_eq!(sql.count("deposits").await, 0, "another one reads");
    let ended = "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                  WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    assert_eq!(sql.one::<i64>(ended).await, 1, "one connection holds the lock");
    for _ in 0..200 {
        watcher::watch_once(&other).await.unwrap();
        if sql.count("deposits").await == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(sql.one::<i64>("SELECT epoch FROM chain_cursor").await, 2);
    site.chain.mine(2, jiff::Timestamp::now()).unwrap();
    watcher::watch_once(&site.desk).await.unwrap();
    let in_a_block = "SELECT max(block_height) FROM deposits";
    assert_eq!(sql.one::<Option<i32>>(in_a_block).await, None, "the first one has lost the lock");
    watcher::watch_once(&other).await.unwrap();
    assert!(sql.one::<Option<i32>>(in_a_block).await.is_some());
}

/// Copies the one trade there is, for another script.
const COPY: &str = "
    INSERT INTO trades SELECT (jsonb_populate_record(NULL::trades, to_jsonb(t) || jsonb_build_object(
        'id', gen_random_uuid(), 'reference', $1::text, 'script_pubkey', '\\x' || $2::text,
        'contract_hash', '\\x' || encode(sha256($1::text::bytea), 'hex'), 'made_in', pg_current_xact_id()::text))).*
      FROM trades t ORDER BY created_at LIMIT 1";

#[tokio::test]
async fn a_trade_committed_after_one_that_was_made_later_is_watched_too() {
    let story = story().await;
    story.agreed().await;
    let (mut slow, quick) = (story.site.sql().await, story.site.sql().await);
    let [first, second] = [b"first", b"other"].map(|text| {
        let program = trine::desk::secrets::sha256(text.as_slice());
        ScriptBuf::new_p2wsh(&<bitcoin::WScriptHash as bitcoin::hashes::Hash>::from_byte_array(program))
    });
    let transaction = slow.transaction().await.unwrap();
    transaction.execute(COPY, &[&"AAAAAAA1", &first.to_hex_string()]).await.unwrap();
    quick.execute(COPY, &[&"AAAAAAA2", &second.to_hex_string()]).await.unwrap();
    story.work().await;
    transaction.commit().await.unwrap();
    story.site.chain.pay(&first, Amount::from_sat(50_000)).unwrap();
    story.site.chain.pay(&second, Amount::from_sat(50_000)).unwrap();
    watcher::watch_once(&story.site.desk).await.unwrap();
    assert_eq!(quick.count("deposits").await, 2);
}

mod a_real_node {
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use trine::desk::reader;

    use super::super::Sky;
    use crate::chains::world::World;
    use crate::harness::site::{DATA_KEY, SESSION_KEY};

    const PATIENCE: Duration = Duration::from_secs(90);

    struct Server {
        process: Child,
        log: std::path::PathBuf,
    }

    impl Server {
        fn start(sky: &Sky, name: &str) -> Self {
            let node = sky.world.node();
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let path = std::env::temp_dir().join(format!("trine-servers-{}-{name}.log", std::process::id()));
            let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
            let process = Command::new(env!("CARGO_BIN_EXE_trine"))
                .args(["serve", "--until-stdin-closes"])
                .env("DATABASE_URL", sky.story.site.database_url())
                .env("TRINE_LISTEN", format!("127.0.0.1:{port}"))
                .env("TRINE_ORIGINS", format!("http://127.0.0.1:{port}"))
                .env("TRINE_CHAIN", "core")
                .env("TRINE_CORE_URL", node.url())
                .env("TRINE_CORE_COOKIE", node.cookie())
                .env("TRINE_NETWORK", "regtest")
                .env("TRINE_SESSION_KEY", hex(&SESSION_KEY))
                .env("TRINE_DATA_KEY", hex(&DATA_KEY))
                .env("TRINE_WORKERS", "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(&path).unwrap())
                .spawn()
                .unwrap();
            Self { process, log: path }
        }

        fn said(&self) -> String {
            std::fs::read_to_string(&self.log).unwrap_or_default()
        }

        fn reads(&self) -> bool {
            self.said().contains("this server reads the chain")
        }

        /// It has held the books against the node.
        fn has_looked(&self) -> bool {
            self.said().contains("the books were held against the chain")
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
            let _ = std::fs::remove_file(&self.log);
        }
    }

    async fn until(what: &str, servers: &[Server], mut done: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done().await {
            let logs: String = servers.iter().map(Server::said).collect();
            assert!(Instant::now() < end, "{what}: never\n{logs}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test]
    async fn when_the_reading_server_is_killed_the_other_reads_within_ten_seconds() {
        let mut sky = Sky::over(World::core().await).await;
        let trade = sky.small().await;
        let script = sky.script(trade).await;
        let due = sky.row(trade).await.deposit.to_sat();
        let coin = sky.world.coin().await;
        let sql = sky.story.site.sql().await;
        reader::step_down(&sky.story.site.desk).await;
        let before: i64 = sql.one("SELECT epoch FROM chain_cursor").await;
        let mut servers = vec![Server::start(&sky, "one"), Server::start(&sky, "other")];
        until("one reads, both are open", &servers, async || {
            servers.iter().any(Server::reads) && servers.iter().all(|one| one.said().contains("the desk is open"))
        })
        .await;
        let leader = servers.iter().position(Server::reads).unwrap();
        assert!(!servers[1 - leader].reads(), "the work is done once");
        until("it holds the books against the node", &servers, async || servers[leader].has_looked()).await;
        assert!(!servers[1 - leader].has_looked(), "the work is done once");
        assert_eq!(sql.one::<i64>("SELECT epoch FROM chain_cursor").await, before + 1);

        servers[leader].process.kill().unwrap();
        let killed = Instant::now();
        sky.world.broadcast(&crate::chains::coins::pay(&coin, &[(script, due)], super::super::FEE)).await;
        sky.world.mine(1).await;
        until("the other reads", &servers, async || {
            sql.one::<i64>("SELECT count(*) FROM deposits WHERE block_height IS NOT NULL").await == 1
        })
        .await;
        let took = killed.elapsed().as_secs_f64();
        println!("figure leader_takeover_s {took:.2} s");
        assert!(took < 10.0, "{took}");
        until("the trade is funded", &servers, async || sky.stage(trade).await == "funded").await;
        until("the other looks too", &servers, async || servers[1 - leader].has_looked()).await;
    }

    #[tokio::test]
    async fn a_server_that_starts_holds_the_books_against_the_node_and_mends_them() {
        let mut sky = Sky::over(World::core().await).await;
        let trade = sky.larger().await;
        let coin = sky.world.coin().await;
        sky.deposits_from(&coin, trade).await;
        sky.mines(1).await;
        assert_eq!(sky.stage(trade).await, "awaiting_deposit", "it has one confirmation of two");
        reader::step_down(&sky.story.site.desk).await;
        // Its block is read and is not read again: only who looks through the books finds what they lack.
        let sql = sky.story.site.sql().await;
        sql.batch_execute("DELETE FROM deposit_inputs; DELETE FROM deposits").await.unwrap();
        let servers = [Server::start(&sky, "looking")];
        until("it holds the books against the node", &servers, async || servers[0].has_looked()).await;
        let said = servers[0].said();
        assert!(said.contains("is not in the books") && said.contains("addresses=1 differences=1"), "{said}");
        assert_eq!(sql.count("deposits").await, 1, "the block was read again");
        sky.world.mine(1).await;
        until("the trade is funded", &servers, async || sky.stage(trade).await == "funded").await;
    }
}
