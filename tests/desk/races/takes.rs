//! A hundred accounts behind one barrier want the same offer's whole total.

use std::sync::Arc;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Address, Network};
use tokio::sync::Barrier;
use trine::desk::keys::{self, Owner};
use trine::desk::offers::OfferForm;
use trine::desk::payment_accounts::{self, AccountForm};
use trine::desk::take::TakeForm;
use trine::domain::{Role, UserId};
use trine::partners::keys::Wallet;

use crate::harness::cast::{Story, offer_input, story};
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
