//! Takes that come together are made together: each has the answer it would have had alone, and one that goes wrong
//! takes nobody with it.

use std::sync::Arc;

use bitcoin::Network;
use futures_util::FutureExt;
use futures_util::future::{join_all, poll_immediate};
use tokio::task::JoinHandle;
use trine::desk::take::{self, TakeForm};
use trine::desk::{Desk, Done, Secrets};
use trine::desk::{draw, offers};
use trine::domain::{PublicRef, UserId};
use trine::partners::keys::Wallet;
use trine::store::Store;

use super::takes::{Taker, taker, taker_with};
use crate::harness::cast::{Story, offer_form, story};
use crate::harness::site::{DATA_KEY, SESSION_KEY};

/// Who takes what, with which form.
type Ask = (UserId, PublicRef, TakeForm);

/// How many wait until they can hold an offer.
pub(super) const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM offers%'";

/// Makes these in one batch: both lanes of the desk are kept busy until all of them have come. The answers in their
/// order: the trade, or the words of the refusal.
async fn together(story: &Story, asks: &[Ask]) -> Vec<Result<PublicRef, String>> {
    let desk = &story.site.desk;
    let mut holder = story.site.sql().await;
    let held = holder.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE offers IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut lanes: Vec<JoinHandle<Done<PublicRef>>> = Vec::new();
    for lane in 1..=2 {
        let (desk, nobody) = (desk.clone(), story.alice.id);
        let nothing = "AAAAAAAA".parse().unwrap();
        lanes.push(tokio::spawn(async move { take::take(&desk, nobody, nothing, &TakeForm::default()).await }));
        while story.site.sql().await.one::<i64>(WAITING).await < lane {
            tokio::task::yield_now().await;
        }
    }
    let mut all = join_all(asks.iter().map(|(taker, offer, form)| take::take(desk, *taker, *offer, form))).boxed();
    assert!(poll_immediate(&mut all).await.is_none(), "they wait for a lane");
    held.rollback().await.unwrap();
    let answers = all.await;
    for lane in lanes {
        assert!(lane.await.unwrap().is_err(), "there is no such offer");
    }
    answers.into_iter().map(|answer| answer.map_err(|error| error.to_string())).collect()
}

async fn takers(story: &Story, count: usize) -> Vec<Taker> {
    let mut all = Vec::new();
    for number in 0..count {
        all.push(taker(story, number).await);
    }
    all
}

/// Another offer like bob's.
async fn another_offer(story: &Story) -> PublicRef {
    offers::post(&story.site.desk, story.bob.id, &offer_form(&story.bob, "sell")).await.unwrap()
}

/// In how many transactions the trades were made.
async fn batches(story: &Story) -> i64 {
    story.site.sql().await.one("SELECT count(DISTINCT made_in) FROM trades").await
}

async fn reserved(story: &Story, offer: PublicRef) -> f64 {
    story.site.sql().await.one(&format!("SELECT reserved::float8 FROM offers WHERE reference = '{offer}'")).await
}

async fn check_logs(story: &Story, answers: &[Result<PublicRef, String>]) {
    for trade in answers.iter().flatten() {
        story.check_log(*trade).await;
    }
}

#[tokio::test]
async fn a_refused_take_leaves_the_others_of_its_batch_alone() {
    let story = story().await;
    let takers = takers(&story, 4).await;
    let mut asks: Vec<Ask> = takers.iter().map(|one| (one.id, story.offer, one.form("200"))).collect();
    asks[1].2.price_seen = "49000".into();
    asks[2].2.payment_account = "not mine".into();
    let answers = together(&story, &asks).await;
    assert!(answers[0].is_ok() && answers[3].is_ok(), "{answers:?}");
    assert!(answers[1].as_ref().unwrap_err().contains("The price has moved"), "{answers:?}");
    assert!(answers[2].as_ref().unwrap_err().contains("Choose one of your payment accounts"), "{answers:?}");
    assert_eq!((batches(&story).await, reserved(&story, story.offer).await), (1, 400.0));
    check_logs(&story, &answers).await;
}

#[tokio::test]
async fn of_two_takes_of_a_whole_offer_in_one_batch_the_first_wins() {
    let story = story().await;
    let takers = takers(&story, 3).await;
    let asks: Vec<Ask> = takers.iter().map(|one| (one.id, story.offer, one.form("1000"))).collect();
    let answers = together(&story, &asks).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    for late in &answers[1..] {
        assert!(late.is_err(), "{answers:?}");
    }
    assert_eq!(reserved(&story, story.offer).await, 1000.0);
    check_logs(&story, &answers).await;
}

#[tokio::test]
async fn a_newcomer_who_stands_twice_in_a_batch_has_one_trade() {
    let story = story().await;
    let other = another_offer(&story).await;
    let one = taker(&story, 0).await;
    let asks = [story.offer, other].map(|offer| (one.id, offer, one.form("200")));
    let answers = together(&story, &asks).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert!(answers[1].as_ref().unwrap_err().contains("one trade at a time"), "{answers:?}");
    assert_eq!((reserved(&story, story.offer).await, reserved(&story, other).await), (200.0, 0.0));
}

/// The maker's key is given one index after the other, each pair of keys a level of its own.
#[tokio::test]
async fn several_offers_of_one_maker_in_a_batch_share_his_key() {
    let story = story().await;
    let takers = takers(&story, 5).await;
    let offers = [story.offer, another_offer(&story).await];
    let asks: Vec<Ask> =
        takers.iter().zip(offers.iter().cycle()).map(|(one, offer)| (one.id, *offer, one.form("200"))).collect();
    let answers = together(&story, &asks).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(batches(&story).await, 1);
    let sql = story.site.sql().await;
    let numbers: Vec<i32> = sql
        .one("SELECT array_agg(n ORDER BY n) FROM key_uses u JOIN signing_keys k USING (public_key) JOIN accounts a ON a.id = k.account WHERE a.name = 'bob-s'")
        .await;
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    let levels: Vec<i32> = sql.one("SELECT array_agg(p ORDER BY p) FROM arbitrator_levels").await;
    assert_eq!(levels, [0, 1, 2, 3, 4]);
    assert_eq!((reserved(&story, offers[0]).await, reserved(&story, offers[1]).await), (600.0, 400.0));
    check_logs(&story, &answers).await;
}

/// An arbitrator who has room for one more deposit gets one more, however many come at once.
#[tokio::test]
async fn a_batch_stops_at_the_arbitrators_exposure_limit() {
    let story = story().await;
    story.site.sql().await.batch_execute("UPDATE arbitrators SET exposure_limit_sat = 1").await.unwrap();
    let takers = takers(&story, 2).await;
    let asks: Vec<Ask> = takers.iter().map(|one| (one.id, story.offer, one.form("200"))).collect();
    let answers = together(&story, &asks).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert!(answers[1].as_ref().unwrap_err().contains("No arbitrator is on duty"), "{answers:?}");
    assert_eq!(reserved(&story, story.offer).await, 200.0, "the refused one holds nothing");
}

#[tokio::test]
async fn a_batch_that_cannot_be_written_is_made_one_by_one_and_only_the_guilty_one_fails() {
    let story = story().await;
    let takers = takers(&story, 3).await;
    let guilty = takers[1].id;
    let refuse = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'twice' USING ERRCODE = 'unique_violation'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON trades FOR EACH ROW WHEN (NEW.buyer = '{guilty}') EXECUTE FUNCTION refuse()"
    );
    story.site.sql().await.batch_execute(&refuse).await.unwrap();
    let asks: Vec<Ask> = takers.iter().map(|one| (one.id, story.offer, one.form("300"))).collect();
    let answers = together(&story, &asks).await;
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok(), "{answers:?}");
    assert_eq!((batches(&story).await, reserved(&story, story.offer).await), (2, 600.0));
    check_logs(&story, &answers).await;
}

/// Two accounts claim one key, and each is about to give its lowest index to a trade of its own: the second is refused by
/// the database and made once more. Its commit was on its way already, and nothing of the first try stays.
#[tokio::test]
async fn two_claims_of_one_key_never_have_the_same_index() {
    let story = story().await;
    let wallet = Wallet::new(Network::Regtest).unwrap();
    let (seller, claims) =
        (taker(&story, 0).await, [taker_with(&story, 1, &wallet).await, taker_with(&story, 2, &wallet).await]);
    let other = offers::post(&story.site.desk, seller.id, &seller.offer_form()).await.unwrap();
    // Who draws first on a day makes its seed, and others wait for that.
    draw::keep_seeds(&story.site.desk).await.unwrap();
    let mut holder = story.site.sql().await;
    let held = holder.transaction().await.unwrap();
    // Both are decided before one of them is written.
    held.batch_execute("LOCK TABLE trades IN EXCLUSIVE MODE").await.unwrap();
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                      AND query LIKE 'WITH part_0%'";
    let mut tasks = Vec::new();
    for (claim, offer) in claims.iter().zip([story.offer, other]) {
        let (desk, id, form) = (story.site.desk.clone(), claim.id, claim.form("300"));
        tasks.push(tokio::spawn(async move { take::take(&desk, id, offer, &form).await }));
        while story.site.sql().await.one::<i64>(waiting).await < tasks.len() as i64 {
            tokio::task::yield_now().await;
        }
    }
    held.rollback().await.unwrap();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap().map_err(|error| error.to_string()));
    }
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let sql = story.site.sql().await;
    let given = "SELECT array_agg(n ORDER BY n) FROM key_uses u JOIN signing_keys k USING (public_key)
                  WHERE k.account = (SELECT id FROM accounts WHERE name LIKE 'taker-001%')";
    assert_eq!(sql.one::<Vec<i32>>(given).await, [0, 1]);
    assert_eq!((sql.count("trades").await, sql.count("key_uses").await, batches(&story).await), (2, 4, 2));
    check_logs(&story, &answers).await;
}

/// Two servers on one database take from the same offers at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_never_sell_more_than_there_is() {
    let story = story().await;
    let offers = [story.offer, another_offer(&story).await, another_offer(&story).await];
    let first = story.site.desk.clone();
    let store = Store::open(&story.site.database_url()).unwrap();
    let second =
        Desk::new(store, story.site.chain.clone(), first.rules.clone(), Secrets::new(SESSION_KEY, DATA_KEY, 1));
    let desks = [first, Arc::new(second)];
    let mut tasks = Vec::new();
    for (number, one) in takers(&story, 24).await.into_iter().enumerate() {
        // Each server has them in another order, so that locks taken as they come would meet crosswise.
        let place = if number % 2 == 0 { number / 2 % 3 } else { 2 - number / 2 % 3 };
        let (desk, offer) = (desks[number % 2].clone(), offers[place]);
        tasks.push(tokio::spawn(async move { take::take(&desk, one.id, offer, &one.form("300")).await }));
    }
    let mut made = Vec::new();
    for task in tasks {
        made.push(task.await.unwrap().map_err(|error| error.to_string()));
    }
    assert_eq!(made.iter().filter(|answer| answer.is_ok()).count(), 9, "three times three fit: {made:?}");
    for offer in offers {
        assert_eq!(reserved(&story, offer).await, 900.0);
    }
    check_logs(&story, &made).await;
}

/// What a run comes to: each answer, and what stands in the database in the order of the asks.
async fn outcome(story: &Story, answers: &[Result<PublicRef, String>]) -> Vec<String> {
    let sql = story.site.sql().await;
    let mut all = Vec::new();
    for answer in answers {
        all.push(match answer {
            Err(words) => words.clone(),
            Ok(trade) => {
                let row = format!(
                    "SELECT concat_ws(' ', t.stage, t.fiat, t.deposit_sat, c.name, t.contract_text::jsonb ->> 'N')
                       FROM trades t JOIN accounts c ON c.id = t.arbitrator WHERE t.reference = '{trade}'"
                );
                sql.one(&row).await
            }
        });
    }
    let sums = "SELECT string_agg(reserved::text, ' ' ORDER BY created_at) FROM offers";
    all.push(sql.one(sums).await);
    all.push(sql.one("SELECT sum(sat)::text FROM arbitrator_exposure").await);
    all
}

/// The same takes, drawn by a number: some too large, some twice by the same person, some with an old price.
fn drawn(takers: &[Taker], offers: [PublicRef; 2], seed: u64) -> Vec<Ask> {
    let mut state = seed;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % below).unwrap()
    };
    (0..8)
        .map(|_| {
            let one = &takers[next(takers.len() as u64)];
            let mut form = one.form(["150", "300", "450", "5000"][next(4)]);
            if next(6) == 0 {
                form.offer_version = "7".into();
            }
            (one.id, offers[next(2)], form)
        })
        .collect()
}

#[tokio::test]
async fn a_batch_comes_to_the_same_as_its_takes_one_after_the_other() {
    for seed in [3, 1977, uuid::Uuid::new_v4().as_u128() as u64] {
        let mut outcomes = Vec::new();
        for at_once in [true, false] {
            let story = story().await;
            let offers = [story.offer, another_offer(&story).await];
            let takers = takers(&story, 6).await;
            let asks = drawn(&takers, offers, seed);
            let mut answers = Vec::new();
            if at_once {
                answers = together(&story, &asks).await;
            } else {
                for (taker, offer, form) in &asks {
                    let answer = take::take(&story.site.desk, *taker, *offer, form).await;
                    answers.push(answer.map_err(|error| error.to_string()));
                }
            }
            outcomes.push(outcome(&story, &answers).await);
        }
        assert_eq!(outcomes[0], outcomes[1], "seed {seed}");
    }
}
