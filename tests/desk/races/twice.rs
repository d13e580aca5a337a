//! A double click, a reload, a retry: the same form twice at once does its work once.

use trine::domain::PublicRef;

use crate::harness::Seen;
use crate::harness::cast::{Person, Story, story};

/// Everything that a form of a trade may ask for; each takes what it knows.
const TYPED: [(&str, &str); 19] = [
    ("bears", "yes"),
    ("kind", "lengthen"),
    ("minutes", "60"),
    ("sent", "yes"),
    ("own_account", "yes"),
    ("amount", "yes"),
    ("payer", "yes"),
    ("not_paid", "yes"),
    ("final", "yes"),
    ("reason", "silent"),
    ("wanted", "split"),
    ("statement", "Not all of it came."),
    ("evidence-0", "The statement of my account, in the room."),
    ("unit", "percent"),
    ("buyer", "50"),
    ("outcome", "split"),
    ("facts", "Half of it came."),
    ("reasons", "Each gets what the payment covers."),
    ("do", "propose"),
];

/// A place of the trade's own page, or a whole path.
fn path(trade: PublicRef, place: &str) -> String {
    if place.starts_with('/') { place.to_owned() } else { format!("/trades/{trade}/{place}") }
}

/// What the person would send now: with signatures where the page asks for them.
pub async fn form(story: &Story, person: &Person, trade: PublicRef, place: &str) -> Vec<(&'static str, String)> {
    let path = path(trade, place);
    let page = person.browser.get(&path).await;
    let mut fields = vec![("version", story.version(trade, person).await)];
    if page.status == 200 && page.body.contains("id=\"envelope\"") {
        // A page may still be open to somebody who has signed; then there is nothing to sign.
        fields.extend(person.signed(&page).ok().map(|signed| ("signatures", signed)));
    }
    fields.extend(TYPED.map(|(name, value)| (name, value.to_owned())));
    fields
}

pub async fn send(person: &Person, trade: PublicRef, place: &str, form: &[(&'static str, String)]) -> Seen {
    let fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    person.browser.post(&path(trade, place), &fields).await
}

/// Sends it three times at once: one is taken, the trade moves by `lines` lines of its log, and the log is whole.
async fn twice(story: &Story, person: &Person, trade: PublicRef, place: &str, lines: u64) {
    let before: u64 = story.version(trade, person).await.parse().unwrap();
    let form = form(story, person, trade, place).await;
    let send = || send(person, trade, place, &form);
    let (one, two, three) = tokio::join!(send(), send(), send());
    let mut statuses = [one.status, two.status, three.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409, 409], "{place}: {} | {} | {}", one.words(), two.words(), three.words());
    let after: u64 = story.version(trade, person).await.parse().unwrap();
    assert_eq!(after, before + lines, "{place}: how far the trade moved");
    let again = send().await;
    assert_eq!(again.status, 409, "{place}, once more: {}", again.words());
    story.check_log(trade).await;
    story.work().await;
    story.work().await;
}

async fn broadcasts(story: &Story) -> i64 {
    story.site.sql().await.one("SELECT count(*) FROM outbox WHERE kind = 'broadcast'").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_sent_thrice_is_one_release() {
    let story = story().await;
    let trade = story.take().await;
    twice(&story, &story.bob, trade, "contract-signature", 1).await;
    twice(&story, &story.alice, trade, "contract-signature", 1).await;
    let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    story.deposit(trade, row.deposit).await;
    twice(&story, &story.alice, trade, "payment", 2).await;
    twice(&story, &story.alice, trade, "payment/undo", 1).await;
    twice(&story, &story.bob, trade, "payment-seen", 1).await;
    twice(&story, &story.bob, trade, "release", 1).await;
    assert!(broadcasts(&story).await <= 1);
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    let got = story.got(&story.alice).await.to_sat();
    assert!((990_000..1_000_000).contains(&got), "alice got {got} sat");
    story.check_log(trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_contract_sent_thrice_is_one_change() {
    let story = story().await;
    let trade = story.agreed().await;
    twice(&story, &story.bob, trade, "amendment", 1).await;
    twice(&story, &story.bob, trade, "amendment/signature", 1).await;
    twice(&story, &story.alice, trade, "amendment/signature", 1).await;
    let contracts: i64 =
        story.site.sql().await.one("SELECT count(*) FROM contracts WHERE in_force_at IS NOT NULL").await;
    assert_eq!(contracts, 2);
    story.later(241).await;
    let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    story.deposit(trade, row.deposit).await;
    twice(&story, &story.bob, trade, "reinstatement", 1).await;
    twice(&story, &story.alice, trade, "reinstatement", 1).await;
    assert_eq!(story.stage(trade).await, "funded");
    let reserved: f64 = story.site.sql().await.one("SELECT reserved::float8 FROM offers").await;
    assert!((reserved - 500.0).abs() < f64::EPSILON, "{reserved} is reserved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_sent_thrice_is_one_cancellation() {
    let story = story().await;
    let trade = story.funded().await;
    twice(&story, &story.alice, trade, "cancellation", 1).await;
    twice(&story, &story.bob, trade, "refund", 1).await;
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    assert!(story.got(&story.bob).await.to_sat() > 990_000);
    story.check_log(trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_unfunded_gives_the_amount_back_once() {
    for (person, place, agreed) in
        [("alice", "withdrawal", false), ("bob", "decline", false), ("alice", "cancel", true)]
    {
        let story = story().await;
        let trade = if agreed { story.agreed().await } else { story.take().await };
        let person = if person == "alice" { &story.alice } else { &story.bob };
        twice(&story, person, trade, place, 1).await;
        let reserved: f64 = story.site.sql().await.one("SELECT reserved::float8 FROM offers").await;
        assert!(reserved.abs() < f64::EPSILON, "{place}: {reserved} is still reserved");
    }
}

/// Several processes of the desk at once: the outbox, the clock and the watcher are safe to run twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_desks_own_jobs_may_run_at_the_same_time() {
    let story = story().await;
    let trade = story.agreed().await;
    story.site.advance(jiff::SignedDuration::from_mins(181));
    tokio::join!(story.work(), story.work(), story.work(), story.work());
    assert_eq!(story.stage(trade).await, "cancelled");
    let reserved: f64 = story.site.sql().await.one("SELECT reserved::float8 FROM offers").await;
    assert!(reserved.abs() < f64::EPSILON);
    story.check_log(trade).await;
}
