//! Arbitrators: appointed, drilled, drawn.

use bitcoin::{Amount, Network};
use jiff::SignedDuration;
use trine::desk::levels::Levels;
use trine::desk::{admin, arbitrators, draw};
use trine::domain::{KeyId, UserId};
use trine::escrow::arbiter::verify_path;
use trine::escrow::{AccountKey, ArbiterLevel, ArbiterRecord};
use trine::store::arbitrators::Level;
use trine::store::{self, GenericClient};

use crate::harness::cast::story_with;
use crate::harness::{Person, Site, Start};

async fn id(site: &Site, name: &str) -> UserId {
    UserId(site.sql().await.one(&format!("SELECT id FROM accounts WHERE name = '{name}'")).await)
}

/// Draws for a pair, as a take does, and commits.
async fn drawn(site: &Site, buyer: UserId, seller: UserId) -> Result<draw::DrawnArbitrator, trine::desk::Error> {
    let mut client = site.desk.store.connection().await.unwrap();
    let tx = client.transaction().await.unwrap();
    let now = site.desk.now(&tx).await.unwrap();
    let pair = [buyer, seller];
    let mut draws = draw::Draws::read(&site.desk, &tx, &[draw::ordered(pair)], now).await.unwrap();
    let outcome = draws.arbitrator_for(&site.desk, pair);
    if let Ok(arbitrator) = &outcome {
        draws.fix(pair, arbitrator, Amount::ZERO);
    }
    for ([low, high], arbitrator) in draws.drawn() {
        let insert = "INSERT INTO pair_arbitrators VALUES ($1, $2, $3, now())
                      ON CONFLICT (account_low, account_high) DO UPDATE SET arbitrator = excluded.arbitrator";
        tx.execute(insert, &[&low.0, &high.0, &arbitrator.0]).await.unwrap();
    }
    store::public_log::append(&tx, now, "draw", &draws.entries()).await.unwrap();
    tx.commit().await.unwrap();
    outcome
}

#[tokio::test]
async fn an_arbitrator_is_on_duty_after_a_drill_and_for_ninety_days() {
    let site = Site::start().await;
    let sable = site.appointed("sable").await;
    let (anna, miro) = (site.trader("anna-k").await, site.trader("miro").await);
    let (a, m) = (id(&site, "anna-k").await, id(&site, "miro").await);
    let refused = drawn(&site, a, m).await.unwrap_err();
    assert!(refused.to_string().contains("No arbitrator is on duty"));
    assert_eq!(anna.get("/keys/drill").await.status, 404);
    let page = sable.get("/keys/drill").await;
    assert!(page.words().contains("not on duty yet"));
    assert!(page.header("content-security-policy").contains("wasm-unsafe-eval"));
    let envelope = page.between("id=\"envelope\">", "</script>").unwrap();
    let envelope: serde_json::Value = serde_json::from_str(envelope).unwrap();
    let psbt = envelope["psbts"][0]["base64"].as_str().unwrap().to_owned();
    assert!(envelope["message"].as_str().unwrap().starts_with("127.0.0.1 drill sable "));

    for (upload, words) in [("", "Paste"), ("garbage", "PSBT"), (psbt.as_str(), "signature")] {
        let page = sable.post("/keys/drill", &[("signatures", upload)]).await;
        assert_eq!(page.status, 422, "{upload}");
        assert!(page.problem().contains(words), "{upload}: {}", page.problem());
    }
    let stranger = Person { browser: miro.browser.clone(), wallet: anna.wallet };
    assert_eq!(stranger.post("/keys/drill", &[("signatures", &sable.sign(&psbt))]).await.status, 404);
    let file = sable.get("/keys/drill/psbt").await;
    let mut binary = bitcoin::Psbt::deserialize(&file.bytes).unwrap();
    sable.wallet.sign(&mut binary).unwrap();
    let done = sable.upload("/keys/drill", &[("signatures", "")], ("file", "drill.psbt", binary.serialize())).await;
    assert_eq!(done.status, 303, "{}", done.words());
    assert!(sable.get("/keys/drill").await.words().contains("You are on duty"));
    assert_eq!(drawn(&site, a, m).await.unwrap().name, "sable");
    site.advance(SignedDuration::from_hours(24 * 91));
    assert!(drawn(&site, a, m).await.is_err());
    sable.drill().await;
    assert!(drawn(&site, a, m).await.is_ok());
}

#[tokio::test]
async fn a_public_record_commits_to_every_level_of_the_key() {
    let site = Site::start().await;
    let sable = site.arbitrator("sable").await;
    site.trader("anna-k").await;
    site.trader("miro").await;
    let one = drawn(&site, id(&site, "anna-k").await, id(&site, "miro").await).await.unwrap();
    let record = ArbiterRecord::parse(&one.record_text).unwrap();
    assert_eq!((record.name.as_str(), record.network), ("sable", Network::Regtest));
    let client = site.desk.store.connection().await.unwrap();
    let level = ArbiterLevel::new(7).unwrap();
    let proof = arbitrators::record_proof(&site.desk, &client, &one.record_hash, level).await.unwrap();
    assert_eq!(proof.text, one.record_text);
    let path: Vec<_> = proof.path.iter().map(|hash| hash.parse().unwrap()).collect();
    let secp = bitcoin::secp256k1::Secp256k1::verification_only();
    let key = AccountKey::parse(&sable.key(), Network::Regtest).unwrap();
    let step = [bitcoin::bip32::ChildNumber::Normal { index: 7 }];
    let xpub = key.xpub().derive_pub(&secp, &step).unwrap();
    assert!(verify_path(&record.root, level, &xpub, &path));
    let log = site.browser().get("/log").await;
    assert!(log.words().contains("sable rules with the record"));
    assert!(!log.body.contains(&key.xpub().to_string()), "the account xpub is not published");
}

#[tokio::test]
async fn a_pair_keeps_its_arbitrator_until_he_leaves_or_is_excluded() {
    let site = Site::start().await;
    for name in ["ines", "otto", "sable", "vera"] {
        site.arbitrator(name).await;
    }
    let anna = site.trader("anna-k").await;
    site.trader("miro").await;
    let (a, m) = (id(&site, "anna-k").await, id(&site, "miro").await);
    let first = drawn(&site, a, m).await.unwrap().name;
    for day in 0..5 {
        site.advance(SignedDuration::from_hours(24));
        assert_eq!(drawn(&site, m, a).await.unwrap().name, first, "day {day}");
    }
    anna.submit("/account/exclusions", &[("excluded", &first)]).await;
    let second = drawn(&site, a, m).await.unwrap().name;
    assert_ne!(second, first);
    let three: Vec<_> = ["ines", "otto", "sable"].iter().map(|name| ("excluded", *name)).collect();
    let page = anna.post("/account/exclusions", &three).await;
    assert_eq!(page.status, 422);
    assert!(page.words().contains("At most half"));
    admin::dismiss(&site.desk, &second).await.unwrap();
    let third = drawn(&site, a, m).await.unwrap().name;
    assert!(third != first && third != second);
}

#[tokio::test]
async fn a_draw_can_be_checked_from_the_public_log_alone() {
    let site = Site::start().await;
    for name in ["ines", "otto", "sable"] {
        site.arbitrator(name).await;
    }
    site.trader("anna-k").await;
    site.trader("miro").await;
    admin::tidy(&site.desk).await.unwrap();
    site.advance(SignedDuration::from_hours(24));
    let one = drawn(&site, id(&site, "anna-k").await, id(&site, "miro").await).await.unwrap();
    site.advance(SignedDuration::from_hours(24));
    admin::tidy(&site.desk).await.unwrap();

    let sql = site.sql().await;
    let rows = sql.query("SELECT kind, entry FROM public_log ORDER BY number", &[]).await.unwrap();
    let rows: Vec<(String, serde_json::Value)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let (place, (_, entry)) = rows.iter().enumerate().find(|(_, (kind, _))| kind == "draw").unwrap();
    let of_that_day = |kind: &str| {
        rows.iter().position(|(k, e)| k == kind && e["day"] == entry["day"]).unwrap_or_else(|| panic!("no {kind}"))
    };
    assert!(of_that_day("seed_hash") < place && place < of_that_day("seed"));
    let seed =
        data_encoding::HEXLOWER.decode(rows[of_that_day("seed")].1["seed"].as_str().unwrap().as_bytes()).unwrap();
    let seed: [u8; 32] = seed.try_into().unwrap();
    let hash = data_encoding::HEXLOWER.encode(&trine::desk::secrets::sha256(seed));
    assert_eq!(rows[of_that_day("seed_hash")].1["sha256"], hash);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let names: Vec<String> = entry["on_duty"].as_array().unwrap().iter().map(text).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let accounts = [text(&entry["accounts"][0]), text(&entry["accounts"][1])];
    assert_eq!(names[draw::choice(&seed, &accounts, &names)], one.name);
    let log = site.browser().get("/log").await;
    assert!(log.words().contains(&format!("{} was drawn", one.name)));
    assert!(!log.body.contains("anna-k") && !log.body.contains("miro"), "traders are not named");
    let kept: Vec<u8> = sql.one("SELECT sealed FROM draw_seeds ORDER BY day DESC LIMIT 1").await;
    assert!(kept.len() > 32 + 12, "tomorrow's seed is not readable in the database");
}

#[tokio::test]
async fn nobody_is_drawn_above_his_exposure_limit() {
    let story = story_with(Start::default()).await;
    let (site, sql) = (&story.site, story.site.sql().await);
    let two = [story.alice.id, story.bob.id];
    let limit = "UPDATE arbitrators SET exposure_limit_sat = ";
    site.trader("kolo").await;
    let trade = story.take().await;
    let due: i64 = sql.one(&format!("SELECT deposit_sat FROM trades WHERE reference = '{trade}'")).await;
    sql.batch_execute(&format!("{limit} {due}")).await.unwrap();
    let refused = drawn(site, story.alice.id, id(site, "kolo").await).await.unwrap_err();
    assert!(refused.to_string().contains("No arbitrator is on duty"));
    sql.batch_execute(&format!("{limit} {due} + 1")).await.unwrap();
    drawn(site, two[0], two[1]).await.unwrap();
    sql.batch_execute(&format!("{limit} {due}")).await.unwrap();
    assert_eq!(story.press(&story.bob, trade, "decline").await.status, 303);
    drawn(site, two[0], two[1]).await.unwrap();
}

/// Else two could choose theirs: they take until he is full, and have another drawn.
#[tokio::test]
async fn a_pair_keeps_its_arbitrator_when_he_is_full_until_one_of_them_excludes_him() {
    let story = story_with(Start::default()).await;
    let (site, sql) = (&story.site, story.site.sql().await);
    story.take().await;
    site.arbitrator("sable").await;
    site.arbitrator("otto").await;
    let full = format!("UPDATE arbitrators SET exposure_limit_sat = 1 WHERE account = '{}'", story.carol.id);
    sql.batch_execute(&full).await.unwrap();
    let refused = drawn(site, story.alice.id, story.bob.id).await.unwrap_err();
    assert!(
        refused.to_string().contains(&format!("{}, who is the arbitrator of you two", story.carol.name)),
        "{refused}"
    );
    draw::set_exclusions(&site.desk, story.alice.id, &[story.carol.name]).await.unwrap();
    let other = drawn(site, story.alice.id, story.bob.id).await.unwrap();
    assert_ne!(other.account, story.carol.id);
}

/// Gives levels to pairs of traders, one after the other, as a batch of takes does, and writes them down.
async fn levels(site: &Site, tx: &impl GenericClient, pairs: &[[&str; 2]]) -> Vec<u32> {
    let now = site.desk.now(tx).await.unwrap();
    let arbitrator = draw::Draws::read(&site.desk, tx, &[], now).await.unwrap();
    let arbitrator = arbitrator.arbitrator_for(&site.desk, [id(site, pairs[0][0]).await, id(site, pairs[0][1]).await]);
    let arbitrator = arbitrator.unwrap();
    let (mut ids, mut keys) = (Vec::new(), Vec::new());
    for pair in pairs {
        for name in pair {
            let query = "SELECT k.id, k.text FROM signing_keys k JOIN accounts a ON a.id = k.account WHERE a.name = $1";
            let row = tx.query_one(query, &[name]).await.unwrap();
            ids.push(KeyId(row.get(0)));
            keys.push(AccountKey::parse(row.get(1), Network::Regtest).unwrap());
        }
    }
    let mut levels = Levels::read(tx, ids.as_chunks::<2>().0).await.unwrap();
    let given = keys.as_chunks::<2>().0.iter().map(|[one, other]| levels.give(&site.desk, &arbitrator, [one, other]));
    let given = given.map(|level| level.unwrap().get()).collect();
    for Level { arbitrator_key, pair: [low, high], p } in levels.new_ones() {
        let insert = "INSERT INTO arbitrator_levels VALUES ($1, $2, $3, $4)";
        tx.execute(insert, &[&arbitrator_key.0, &low.as_slice(), &high.as_slice(), &p]).await.unwrap();
    }
    given
}

#[tokio::test]
async fn levels_are_serial_per_unordered_pair_of_keys() {
    let site = Site::start().await;
    site.arbitrator("sable").await;
    for name in ["anna-k", "miro", "kolo"] {
        site.trader(name).await;
    }
    let client = site.desk.store.connection().await.unwrap();
    let mut given = Vec::new();
    for pair in [["anna-k", "miro"], ["miro", "kolo"], ["miro", "anna-k"], ["anna-k", "kolo"], ["kolo", "miro"]] {
        given.extend(levels(&site, &client, &[pair]).await);
    }
    assert_eq!(given, [0, 1, 0, 2, 1]);
    let again = [["kolo", "anna-k"], ["miro", "anna-k"], ["anna-k", "kolo"], ["anna-k", "miro"]];
    assert_eq!(levels(&site, &client, &again).await, [2, 0, 2, 0], "several at once, in their order");
}

#[tokio::test]
async fn pairs_that_come_at_once_get_different_levels_and_do_not_wait() {
    let site = Site::start().await;
    site.arbitrator("sable").await;
    let names = ["anna-k", "miro", "kolo", "lena", "otto", "vera"];
    for name in names {
        site.trader(name).await;
    }
    draw::keep_seeds(&site.desk).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(site.desk.store.connection().await.unwrap());
    }
    let (mut open, mut given) = (Vec::new(), Vec::new());
    for (client, pair) in clients.iter_mut().zip(names.as_chunks::<2>().0) {
        let tx = client.transaction().await.unwrap();
        given.extend(levels(&site, &tx, &[*pair]).await);
        open.push(tx);
    }
    assert_eq!(given, [0, 1, 2]);
}

#[tokio::test]
async fn an_arbitrator_cannot_trade_and_a_trader_with_business_is_not_appointed() {
    let site = Site::start().await;
    let sable = site.arbitrator("sable").await;
    assert!(!sable.get("/account").await.body.contains("/payment-accounts"));
    let page = sable.get("/offers/new").await;
    assert_eq!(page.status, 403);
    assert!(page.words().contains("An arbitrator cannot trade"));
    let refused = admin::appoint(&site.desk, "nobody-here", "x", Amount::ONE_BTC).await.unwrap_err();
    assert!(refused.to_string().contains("no account"));
    assert!(admin::first_operator(&site.desk, "sable", true).await.is_err());
    assert!(admin::appoint(&site.desk, "sable", "", Amount::ONE_BTC).await.is_err());
}
