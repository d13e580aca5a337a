//! Taking offers: how many a second beside PostgreSQL's own measure, and how long a hundred people wait who take at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use trine::desk::take::{self, TakeForm};
use trine::desk::worker;
use trine::domain::{PublicRef, Role, UserId};

use super::Figure;
use super::crowd::{Crowd, TAKES, WARM_UP};
use super::harness::Browser;
use super::harness::cast::{Person, Story, person};
use super::tools;

/// As many as pgbench has clients.
const AT_ONCE: usize = 16;
const PGBENCH_SECONDS: u32 = 10;
const RUSH: usize = 100;
const ROUNDS: usize = 3;

/// Takes a second between people who are all different, against TPC-B transactions a second on the same cluster with
/// the same number of clients: before and after, so that a machine that tires does so for both.
pub async fn measure(story: &Story, crowd: &Crowd) -> Vec<Figure> {
    let pairs = crowd.pairs(WARM_UP + TAKES);
    let work: Work = Arc::new(pairs.into_iter().map(|(taker, offer)| ((taker.id, taker.take()), offer)).collect());
    // The desk's own work goes on beside it, as it would.
    let background = tokio::spawn(worker::run(story.site.desk.clone()));
    tools::prepare_pgbench().await;
    let before = tools::pgbench(PGBENCH_SECONDS).await;
    let next = Arc::new(AtomicUsize::new(0));
    take_until(story, &work, &next, WARM_UP).await;
    let start = Instant::now();
    take_until(story, &work, &next, WARM_UP + TAKES).await;
    let takes = TAKES as f64 / start.elapsed().as_secs_f64();
    let after = tools::pgbench(PGBENCH_SECONDS).await;
    background.abort();
    let tpcb = f64::midpoint(before, after);
    vec![
        ("takes_per_second", takes, "per_second"),
        ("tpcb_per_second", tpcb, "per_second"),
        ("take_vs_tpcb", takes / tpcb, "ratio"),
    ]
}

type Work = Arc<Vec<((UserId, TakeForm), PublicRef)>>;

/// Takes one offer after the other, sixteen at a time, until so many are taken.
async fn take_until(story: &Story, work: &Work, next: &Arc<AtomicUsize>, end: usize) {
    let taker = |_| {
        let (work, next, desk) = (work.clone(), next.clone(), story.site.desk.clone());
        tokio::spawn(async move {
            let one = || next.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < end).then_some(n + 1)).ok();
            while let Some(((taker, form), offer)) = one().and_then(|place| work.get(place)) {
                take::take(&desk, *taker, *offer, form).await.unwrap();
            }
        })
    };
    for taker in (0..AT_ONCE).map(taker).collect::<Vec<_>>() {
        taker.await.unwrap();
    }
}

/// A hundred people press the button at the same moment, over HTTP, each for another offer.
pub async fn rush(story: &Story, crowd: &Crowd) -> Vec<Figure> {
    let mut people = Vec::new();
    for number in 0..RUSH {
        let name: &'static str =
            Box::leak(format!("rush-{}{}", letter(number / 10), letter(number % 10)).into_boxed_str());
        people.push(Arc::new(person(&story.site, name, Role::Trader).await));
    }
    let mut waits = Vec::new();
    for round in 0..ROUNDS {
        let barrier = Arc::new(Barrier::new(RUSH));
        let takers = people
            .iter()
            .zip(crowd.offers.iter().skip(round * RUSH))
            .map(|(person, offer)| tokio::spawn(press(person.clone(), *offer, barrier.clone())));
        for taker in takers.collect::<Vec<_>>() {
            waits.push(taker.await.unwrap());
        }
    }
    waits.sort();
    let p99 = waits[waits.len() * 99 / 100];
    vec![("takers100_p99_ms", p99.as_secs_f64() * 1000.0, "ms")]
}

async fn press(who: Arc<Person>, offer: PublicRef, barrier: Arc<Barrier>) -> Duration {
    let form = form_of(&who);
    let browser: &Browser = &who.browser;
    browser.token().await;
    barrier.wait().await;
    let start = Instant::now();
    let fields = [
        ("step", "take"),
        ("amount", &form.amount),
        ("payment_account", &form.payment_account),
        ("key", &form.key),
        ("address", &form.address),
        ("offer_version", &form.offer_version),
        ("price_seen", &form.price_seen),
    ];
    let seen = browser.post(&format!("/offers/{offer}/take"), &fields).await;
    let wait = start.elapsed();
    assert_eq!(seen.status, 303, "{}", seen.words());
    wait
}

fn form_of(who: &Person) -> TakeForm {
    TakeForm {
        amount: "500".into(),
        payment_account: who.account.clone(),
        key: who.key.to_string(),
        address: who.address.to_string(),
        offer_version: "1".into(),
        price_seen: "50000".into(),
    }
}

/// Names of people have no digits, and no two of these look alike.
fn letter(number: usize) -> char {
    char::from(b"abdefghkpt"[number])
}
