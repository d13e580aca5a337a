//! The drill: a desk with trades in every stage is backed up while it runs, goes on, is destroyed and restored; every trade
//! goes on to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use trine::desk::{Desk, Secrets, admin, calendar};
use trine::domain::PublicRef;
use trine::store::Store;
use trine::store::restores::FROM_A_BACKUP;

use super::served::Served;
use crate::harness::PASSWORD;
use crate::harness::cast::{Story, story};
use crate::harness::site::{DATA_KEY, SESSION_KEY};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

impl Served {
    /// Runs the program beside the desk; what it said, if it succeeded, or else why not.
    fn runs(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.command().args(arguments).output().unwrap();
        if output.status.success() { Ok(said(&output)) } else { Err(said(&output)) }
    }

    fn backups(&self) -> PathBuf {
        self.folder().join("backups")
    }

    /// Makes a backup; where it is.
    fn backed_up(&self) -> PathBuf {
        let folder = self.backups();
        let words = self.runs(&["backup", folder.to_str().unwrap(), "--keep", "2"]).unwrap();
        PathBuf::from(words.lines().next().unwrap())
    }

    /// The server of all databases, and the name of this desk's.
    async fn server(&self) -> (tokio_postgres::Client, String) {
        let url = std::env::var("TRINE_TEST_PG").unwrap();
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let name = self.database_url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
        (client, name)
    }

    /// Everything the desk knew is gone; an empty database of its name is there.
    async fn destroyed(&self) {
        let (server, name) = self.server().await;
        server.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        server.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.unwrap();
    }
}

/// Trades in every stage with something at stake, the names of the stages first.
async fn in_every_stage(story: &Story) -> Vec<(&'static str, PublicRef)> {
    let (alice, bob) = (&story.alice, &story.bob);
    let release = ["own_account", "amount", "payer"];
    let mut all = Vec::new();
    for stage in
        ["completed", "proposed", "awaiting_deposit", "funded", "payment_sent", "disputed", "refund_due", "paying_out"]
    {
        let trade = story.take_by(alice, "100").await;
        all.push((stage, trade));
        if stage == "proposed" {
            continue;
        }
        story.signs(bob, trade, "contract-signature", &[]).await;
        story.signs(alice, trade, "contract-signature", &[]).await;
        if stage == "awaiting_deposit" {
            continue;
        }
        let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, bob.id).await.unwrap();
        story.deposit(trade, row.deposit).await;
        match stage {
            "funded" => continue,
            "refund_due" => story.signs(alice, trade, "cancellation", &["not_paid"]).await,
            _ => story.signs(alice, trade, "payment", &["sent"]).await,
        }
        match stage {
            "disputed" => story.opens_dispute(bob, trade, "not_received", "refund").await,
            "completed" | "paying_out" => story.signs(bob, trade, "release", &release).await,
            _ => {}
        }
        if stage == "completed" {
            story.mine(6).await;
        }
    }
    for (stage, trade) in &all {
        assert_eq!(story.stage(*trade).await, *stage);
    }
    all
}

/// What happens between the backup and the end of the world: a trade that nobody will know of, a deposit, a release.
async fn goes_on_meanwhile(served: &Served, stages: &[(&'static str, PublicRef)]) -> PublicRef {
    let story = &served.story;
    let of = |stage: &str| stages.iter().find(|(name, _)| *name == stage).unwrap().1;
    let lost = story.take_by(&story.alice, "100").await;
    for who in [&story.bob, &story.alice] {
        assert_eq!(served.sign(who, lost, &format!("/trades/{lost}/contract-signature"), &[]).await, Some(303));
    }
    let waits = of("awaiting_deposit").to_string();
    assert_eq!(served.post(&story.bob, "/practice/deposit", &[("trade", &waits)]).await, Some(303));
    let paid = of("payment_sent");
    let ticks = ["own_account", "amount", "payer"];
    assert_eq!(served.sign(&story.bob, paid, &format!("/trades/{paid}/release"), &ticks).await, Some(303));
    let sent = "SELECT coalesce(bool_or(taken_at IS NOT NULL), false) FROM handovers h JOIN trades t ON t.id = h.trade WHERE t.reference = ";
    served.until("the release leaves", &format!("{sent}'{paid}'")).await;
    served.mine("3").await;
    lost
}

#[tokio::test]
async fn a_destroyed_desk_is_restored_and_every_trade_goes_on_to_its_end() {
    let (mut served, stages) = Served::prepared(async |story: &Story| in_every_stage(story).await).await;
    served.start(None).await;
    let backup = served.backed_up();
    let verified = served.runs(&["restore", "--verify", backup.to_str().unwrap()]).unwrap();
    assert!(verified.contains("books add up") && verified.contains("8 trades"), "{verified}");
    let lost = goes_on_meanwhile(&served, &stages).await;
    let full = served.runs(&["restore", backup.to_str().unwrap()]).unwrap_err();
    assert!(full.contains("is not empty") && full.contains("overwrites nothing"), "{full}");

    served.kill();
    served.destroyed().await;
    let words = served.runs(&["restore", backup.to_str().unwrap()]).unwrap();
    for told in
        ["The desk is restored", "Lost is what people did after", "found again", "a hundred above", "signs in anew"]
    {
        assert!(words.contains(told), "{told}: {words}");
    }
    let (server, _) = served.server().await;
    let (_, tried) = verified.split_once("restored into ").unwrap();
    let (tried, _) = tried.split_once(',').unwrap();
    let left = server.query_one("SELECT count(*) FROM pg_database WHERE datname = $1", &[&tried]).await.unwrap();
    assert!(tried.starts_with("trine_verify_") && left.get::<_, i64>(0) == 0, "{tried} is left");

    served.start(None).await;
    for person in [&mut served.story.alice, &mut served.story.bob, &mut served.story.carol] {
        assert_eq!(person.browser.get("/account").await.status, 401, "everybody signs in anew");
        person.browser = person.browser.clone().sign_in(person.name, PASSWORD).await;
    }
    assert_eq!(served.story.alice.browser.get(&format!("/trades/{lost}")).await.status, 404);
    let sql = served.story.site.sql().await;
    let highest: i32 = sql.one("SELECT max(n) FROM key_uses").await;
    let again = served.story.take_by(&served.story.alice, "100").await;
    let given = format!("SELECT max(n) FROM key_uses u JOIN trades t ON t.id = u.trade WHERE t.reference = '{again}'");
    assert_eq!(sql.one::<i32>(&given).await, highest + 100);
    for (_, trade) in stages.iter().chain([&("again", again)]) {
        served.until_completed(*trade).await;
    }
    served.story.check_logs().await;
    let mut outcomes = Vec::new();
    for (stage, trade) in &stages {
        let outcome: String = sql.one(&format!("SELECT outcome FROM trades WHERE reference = '{trade}'")).await;
        outcomes.push((*stage, outcome));
    }
    for (stage, outcome) in outcomes {
        let expected = if stage == "refund_due" { "refunded" } else { "released" };
        assert_eq!(outcome, expected, "{stage}");
    }
}

#[tokio::test]
async fn backups_are_whole_or_not_there_and_the_newest_are_kept() {
    let (served, _) = Served::prepared(async |story: &Story| story.agreed().await).await;
    let folder = served.backups();
    fs::create_dir(&folder).unwrap();
    fs::create_dir(folder.join(".partial-trine-127.0.0.1-20200101T000000000Z")).unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let made = [served.backed_up(), served.backed_up(), served.backed_up()];
    let mut left: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, [folder.join("notes.txt"), made[1].clone(), made[2].clone()], "two, and what is not a backup");
    let manifest = fs::read_to_string(made[2].join("manifest.json")).unwrap();
    assert!(manifest.contains("are not in this backup"), "what is left out is said");
    let secret = data_encoding::HEXLOWER.encode(&crate::harness::site::DATA_KEY);
    for file in ["manifest.json", "desk.dump"] {
        let path = made[2].join(file);
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{file} holds a secret");
    }
    damaged(&served, &made[2]);
    let other = served.command().args(["backup", folder.to_str().unwrap()]).env("TRINE_DATA_KEY_VERSION", "2").output();
    assert!(said(&other.unwrap()).contains("bring back the key and the version of then"));
    let wrong = served
        .command()
        .args(["restore", "--verify", made[1].to_str().unwrap()])
        .env("TRINE_DATA_KEY", "ab12".repeat(16))
        .output();
    assert!(said(&wrong.unwrap()).contains("does not open with this data key"));
    let nothing = served.runs(&["restore", folder.to_str().unwrap()]).unwrap_err();
    assert!(nothing.contains("is no backup of trine backup"), "{nothing}");
}

/// A backup with one byte changed is refused before anything is touched.
fn damaged(served: &Served, backup: &Path) {
    let dump = backup.join("desk.dump");
    let mut bytes = fs::read(&dump).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&dump, bytes).unwrap();
    let refused = served.runs(&["restore", "--verify", backup.to_str().unwrap()]).unwrap_err();
    assert!(refused.contains("this backup is damaged"), "{refused}");
}

#[tokio::test]
async fn a_copy_is_noticed_whatever_its_numbers_and_secret_addresses_end_with_it() {
    let story = story().await;
    let (desk, sql) = (&story.site.desk, story.site.sql().await);
    calendar::make(desk, story.alice.id).await.unwrap();
    let feed = story.feed(&story.alice).await;
    let home: String = sql.one("SELECT home FROM desk_state").await;
    let (cluster, numbers) = home.split_once(':').unwrap();
    assert_eq!(sql.one::<String>("SELECT system_identifier::text FROM pg_control_system()").await, cluster);
    // It may take as long as it takes.
    let long = "CREATE FUNCTION long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('statement_timeout') <> '0' THEN RAISE 'it is cut off'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER long BEFORE INSERT ON restores FOR EACH ROW EXECUTE FUNCTION long()";
    sql.batch_execute(long).await.unwrap();
    let settles = async || {
        for _ in 0..2 {
            admin::settle(desk).await.unwrap();
        }
        (sql.count("restores").await, story.site.browser().get(&feed).await.status)
    };
    // As it was written before the cluster had a number; the same numbers in another cluster; another database.
    for (home, then) in [(numbers, (0, 200)), (&*format!("7{cluster}:{numbers}"), (1, 404)), ("1:2:3", (2, 404))] {
        sql.execute("UPDATE desk_state SET home = $1", &[&home]).await.unwrap();
        assert_eq!(settles().await, then, "{home}");
    }
    assert_eq!(sql.one::<String>("SELECT home FROM desk_state").await, home);
    assert_eq!(sql.count("calendar_feeds").await, 0);
    // What is restored into a database that was made alike has the same numbers.
    sql.batch_execute(FROM_A_BACKUP).await.unwrap();
    assert_eq!(settles().await, (3, 404));
}

#[tokio::test]
async fn a_desk_with_another_data_key_does_not_start() {
    let story = story().await;
    let settled = async |key: [u8; 32], version: u8| {
        let (first, store) = (&story.site.desk, Store::open(&story.site.database_url()).unwrap());
        let secrets = Secrets::new(SESSION_KEY, key, version);
        let desk = Desk::new(store, story.site.chain.clone(), first.rules.clone(), secrets);
        admin::settle(&desk).await.map_err(|error| error.to_string())
    };
    assert_eq!(settled(DATA_KEY, 1).await, Ok(()));
    for (key, version) in [([9; 32], 1), (DATA_KEY, 2)] {
        let why = settled(key, version).await.unwrap_err();
        assert!(why.contains("secrets.data_key") && why.contains("Bring back"), "{why}");
    }
    // A desk of an older program has nothing written of its key: what it keeps has to open.
    let sql = story.site.sql().await;
    sql.batch_execute("UPDATE desk_state SET data_key_mark = NULL").await.unwrap();
    settled([9; 32], 1).await.unwrap_err();
    assert!(sql.one::<bool>("SELECT data_key_mark IS NULL FROM desk_state").await);
    assert_eq!(settled(DATA_KEY, 1).await, Ok(()));
    settled([9; 32], 1).await.unwrap_err();
}
