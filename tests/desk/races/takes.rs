//! A hundred accounts behind one barrier want the same offer's whole total; and one wants what its maker just takes off
//! the board.

use std::sync::Arc;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Address, Network};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use trine::desk::keys::{self, Owner};
use trine::desk::offers::{self, OfferForm};
use trine::desk::payment_accounts::{self, AccountForm};
use trine::desk::take::TakeForm;
use trine::domain::{PublicRef, Role, UserId};
use trine::partners::keys::Wallet;

use super::batches::WAITING;
use super::pairs::rounds;
use crate::harness::cast::{Story, offer_form, offer_input, story};
use crate::harness::{Browser, Seen};

const TAKERS: usize = 100;

pub struct Taker {
    pub id: UserId,
    browser: Browser,
    account: String,
    key: String,
    address: String,
}

/// An account with alice's password, a session, a key and a bank account; made without the forms, for speed.
pub async fn taker(story: &Story, number: usize) -> Taker {
    taker_with(story, number, &Wallet::new(Network::Regtest).unwrap()).await
}

/// The same with a key of this wallet.
pub async fn taker_with(story: &Story, number: usize, wallet: &Wallet) -> Taker {
    let (id, token) = (uuid::Uuid::now_v7(), format!("token-of-taker-{number}"));
    let name: &'static str = Box::leak(format!("taker-{number:03}-{}", &"abcdefghij"[..3]).into_boxed_str());
    let sql = story.site.sql().await;
    let account = "INSERT INTO accounts (id, name, skeleton, role, password_hash, created_at)
                   SELECT $1, $2, $2, 'trader', password_hash, now() FROM accounts WHERE name = 'alice'";
    sql.execute(account, &[&id, &name]).await.unwrap();
    let session = "INSERT INTO sessions (id, account, token_hash, created_at, seen_at, expires_at)
                   VALUES ($1, $1, $2, now(), now(), now() + interval '1 day')";
    let hash: Vec<u8> = sha256::Hash::hash(token.as_bytes()).to_byte_array().into();
    sql.execute(session, &[&id, &hash]).await.unwrap();
    let text = format!("{}{}", wallet.origin(0).unwrap(), wallet.xpub(0).unwrap());
    let owner = Owner { account: UserId(id), name, role: Role::Trader };
    let key = keys::register(&story.site.desk, owner, &text, None).await.unwrap();
    let fields =
        [("name".to_owned(), "Taker Example".to_owned()), ("iban".to_owned(), "DE89370400440532013000".to_owned())];
    let form = AccountForm { method: "sepa".into(), label: "bank".into(), fields: fields.into() };
    let account = payment_accounts::add(&story.site.desk, UserId(id), &form).await.unwrap();
    let public = bitcoin::CompressedPublicKey(wallet.xpub(0).unwrap().public_key);
    Taker {
        id: UserId(id),
        browser: Browser::with_session(&story.site.origin, &token),
        account: account.to_string(),
        key: key.to_string(),
        address: Address::p2wpkh(&public, Network::Regtest).to_string(),
    }
}

impl Taker {
    /// An offer to sell like bob's.
    pub fn offer_form(&self) -> OfferForm {
        OfferForm { input: offer_input("sell", &self.account), key: self.key.clone(), address: self.address.clone() }
    }

    /// A take as the page would send it.
    pub fn form(&self, amount: &str) -> TakeForm {
        TakeForm {
            amount: amount.into(),
            payment_account: self.account.clone(),
            key: self.key.clone(),
            address: self.address.clone(),
            offer_version: "1".into(),
            price_seen: "50000".into(),
        }
    }

    async fn take(&self, path: &str, amount: &str) -> Seen {
        let fields = [
            ("amount", amount),
            ("payment_account", &self.account),
            ("key", &self.key),
            ("address", &self.address),
            ("offer_version", "1"),
            ("price_seen", "50000"),
        ];
        self.browser.post(path, &fields).await
    }
}

/// Everybody takes at the same moment; what each is answered.
async fn all_take(story: &Story, count: usize, amount: &'static str) -> Vec<Seen> {
    let (barrier, path) = (Arc::new(Barrier::new(count)), format!("/offers/{}/take", story.offer));
    let mut tasks = Vec::new();
    for number in 0..count {
        let taker = taker(story, number).await;
        taker.browser.token().await;
        let (barrier, path) = (barrier.clone(), path.clone());
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            taker.take(&path, amount).await
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    for answer in &answers {
        assert!(matches!(answer.status, 303 | 409 | 422 | 503), "{} {}", answer.status, answer.words());
        assert!(answer.status == 303 || answer.words().len() > 60, "no words: {}", answer.words());
    }
    answers
}

async fn numbers(story: &Story) -> (f64, i64, i64) {
    let sql = story.site.sql().await;
    let reserved: f64 = sql.one("SELECT reserved::float8 FROM offers").await;
    (reserved, sql.count("trades").await, sql.count("key_uses").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_accounts_take_the_same_total_and_one_wins() {
    let story = story().await;
    let answers = all_take(&story, TAKERS, "1000").await;
    let winners: Vec<&Seen> = answers.iter().filter(|answer| answer.status == 303).collect();
    assert_eq!(winners.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    assert_eq!(numbers(&story).await, (1000.0, 1, 2), "reserved, trades, keys in use");
    let trade = winners[0].location.as_ref().unwrap().rsplit('/').next().unwrap().parse().unwrap();
    story.check_log(trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_is_shared_out_and_never_oversold() {
    let story = story().await;
    let answers = all_take(&story, 20, "300").await;
    let winners = answers.iter().filter(|answer| answer.status == 303).count();
    assert_eq!(winners, 3, "three times 300 fit into 1000");
    assert_eq!(numbers(&story).await, (900.0, 3, 6), "reserved, trades, keys in use");
}

/// The same account twice: it may have one unsigned take at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_that_takes_twice_at_once_has_one_trade() {
    let story = story().await;
    let path = format!("/offers/{}/take", story.offer);
    let taker = taker(&story, 0).await;
    taker.browser.token().await;
    let (one, other) = tokio::join!(taker.take(&path, "200"), taker.take(&path, "200"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409], "{} {}", one.words(), other.words());
    assert_eq!(numbers(&story).await, (200.0, 1, 2));
}

/// Both come to the offers in this order and wait there; then they go at once. Their answers, in the same order.
async fn at_once(story: &Story, both: [BoxFuture<'static, Seen>; 2]) -> [Seen; 2] {
    let watch = story.site.sql().await;
    let mut holder = story.site.sql().await;
    let held = holder.transaction().await.unwrap();
    // Who only reads an offer goes on; who wants to hold one waits.
    held.batch_execute("LOCK TABLE offers IN EXCLUSIVE MODE").await.unwrap();
    let mut tasks: Vec<JoinHandle<Seen>> = Vec::new();
    for one in both {
        tasks.push(tokio::spawn(one));
        while watch.one::<i64>(WAITING).await < i64::try_from(tasks.len()).unwrap() {
            assert!(!tasks.iter().any(JoinHandle::is_finished), "it does not come to the offer");
            tokio::task::yield_now().await;
        }
    }
    held.rollback().await.unwrap();
    let [one, other] = <[JoinHandle<Seen>; 2]>::try_from(tasks).unwrap();
    [one.await.unwrap(), other.await.unwrap()]
}

/// The take came first, and the offer that is off the board holds its amount; or it came too late, and nothing is made.
async fn is_one_or_the_other(story: &Story, offer: PublicRef, place: &str, [taken, turned]: &[Seen; 2]) {
    let what = format!("{place}: {} {}", taken.status, taken.words());
    assert_eq!(turned.status, 303, "{what}: {}", turned.words());
    let (state, refusal) = match place {
        "pause" => ("paused", "This offer is paused."),
        _ => ("withdrawn", "This offer has been withdrawn."),
    };
    let made = match taken.status {
        303 => Some(taken.location.as_ref().unwrap().trim_start_matches("/trades/").to_owned()),
        409 => {
            assert!(taken.words().contains(refusal), "{what}");
            None
        }
        _ => panic!("{what}"),
    };
    let kept = "SELECT o.state, o.reserved::float8, coalesce(sum(t.fiat), 0)::float8, string_agg(t.reference, ' ')
                  FROM offers o LEFT JOIN trades t ON t.offer = o.id AND t.stage <> 'cancelled'
                 WHERE o.reference = $1 GROUP BY o.id";
    let row = story.site.sql().await.query_one(kept, &[&offer.to_string()]).await.unwrap();
    let kept: (String, f64, f64, Option<String>) = (row.get(0), row.get(1), row.get(2), row.get(3));
    let held = if made.is_some() { 200.0 } else { 0.0 };
    // Its state, what is reserved, the sum of its open trades, and those trades.
    assert_eq!(kept, (state.to_owned(), held, held, made), "{what}");
}

/// What a stranger sees of the board now, which is what the database has.
async fn true_board(story: &Story) -> Seen {
    let board = story.site.browser().get("/?currency=EUR").await;
    let all = "SELECT reference, state = 'open' AND least(limit_max, total - reserved) >= limit_min FROM offers";
    for row in story.site.sql().await.query(all, &[]).await.unwrap() {
        let (offer, can_be_taken): (String, bool) = (row.get(0), row.get(1));
        assert_eq!(board.body.contains(&format!("data-offer=\"{offer}\"")), can_be_taken, "{offer} on the board");
    }
    board
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_against_its_offers_withdrawal() {
    for _ in 0..rounds() {
        let story = story().await;
        // From now on every statement is prepared, and a take waits at nothing but its offer.
        story.take().await;
        for (number, place) in ["withdrawal", "pause", "withdrawal", "pause"].into_iter().enumerate() {
            let offer = offers::post(&story.site.desk, story.bob.id, &offer_form(&story.bob, "sell")).await.unwrap();
            let (taker, bob) = (taker(&story, number).await, story.bob.browser.clone());
            taker.browser.token().await;
            bob.token().await;
            let take = async move { taker.take(&format!("/offers/{offer}/take"), "200").await }.boxed();
            let turn = async move { bob.post(&format!("/offers/{offer}/{place}"), &[]).await }.boxed();
            let answers = if number < 2 {
                at_once(&story, [take, turn]).await
            } else {
                let [turned, taken] = at_once(&story, [turn, take]).await;
                [taken, turned]
            };
            is_one_or_the_other(&story, offer, place, &answers).await;
            true_board(&story).await;
            if place == "pause" {
                let again = story.bob.browser.post(&format!("/offers/{offer}/resumption"), &[]).await;
                assert_eq!(again.status, 303, "{}", again.words());
                let board = true_board(&story).await;
                let line = board.between(&format!("data-offer=\"{offer}\""), "</tr>").unwrap();
                assert_eq!(line.contains("100 – 800"), answers[0].status == 303, "what is left of it: {line}");
            }
        }
        story.check_logs().await;
    }
}
