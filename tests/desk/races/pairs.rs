//! Every two acts of one stage at the same moment, each also against itself, and against the chain and the clock: each
//! is done once or refused in words, whatever the order, and the money adds up.
//!
//! `TRINE_RACE_ROUNDS` says how often each pair is tried; once without it. The figures of all stages add up.

use trine::domain::PublicRef;

use super::twice::{form, send};
use crate::harness::cast::{Person, Story, story};

/// Who does what: a place of the trade's page, or a whole path.
#[derive(Debug, Clone)]
enum Doing {
    Form(Name, String),
    /// A block with everything that waits.
    Block,
    /// The desk looks at the clock.
    Clock,
}

#[derive(Debug, Clone, Copy)]
enum Name {
    Alice,
    Bob,
    Carol,
}
use Name::{Alice, Bob, Carol};

impl Name {
    fn of(self, story: &Story) -> &Person {
        match self {
            Alice => &story.alice,
            Bob => &story.bob,
            Carol => &story.carol,
        }
    }
}

fn forms(all: &[(Name, &str)]) -> Vec<Doing> {
    all.iter().map(|(name, place)| Doing::Form(*name, (*place).to_owned())).collect()
}

/// How often everything is tried.
pub(super) fn rounds() -> usize {
    std::env::var("TRINE_RACE_ROUNDS").map_or(1, |rounds| rounds.parse().expect("TRINE_RACE_ROUNDS is a number"))
}

/// Tries every pair of a stage; `prepare` brings a story there and names the acts.
#[allow(clippy::print_stdout)]
async fn every_pair(prepare: impl AsyncFn(&Story) -> (PublicRef, Vec<Doing>)) {
    let count = prepare(&story().await).await.1.len();
    for round in 0..rounds() {
        for one in 0..count {
            for other in one..count {
                let story = story().await;
                let (trade, acts) = prepare(&story).await;
                pair(&story, trade, &acts[one], &acts[other], round).await;
            }
        }
    }
    println!("figure race_pairs {} pairs", rounds() * count * (count + 1) / 2);
}

async fn pair(story: &Story, trade: PublicRef, one: &Doing, other: &Doing, round: usize) {
    // Both have the page before them, and then press.
    let (first, second) = (ready(story, trade, one).await, ready(story, trade, other).await);
    let (a, b) = tokio::join!(does(story, trade, one, &first), does(story, trade, other, &second));
    let what = format!("{one:?} × {other:?}, round {round}");
    for answer in [a, b].into_iter().flatten() {
        assert!(matches!(answer.0, 303 | 403 | 404 | 409 | 422), "{what}: {} {}", answer.0, answer.1);
    }
    story.work().await;
    story.check_logs().await;
    let sql = story.site.sql().await;
    let waiting: i64 = sql.one("SELECT count(*) FROM outbox WHERE done_at IS NULL").await;
    assert_eq!(waiting, 0, "{what}: the outbox is not empty");
    let broadcasts: i64 = sql.one("SELECT count(*) FROM outbox WHERE kind = 'broadcast'").await;
    assert!(broadcasts <= 1, "{what}: {broadcasts} payouts were broadcast");
    // Enough blocks for whatever is on its way.
    story.mine(3).await;
    let got = (story.got(&story.alice).await + story.got(&story.bob).await).to_sat();
    let paid = if story.stage(trade).await == "completed" { 990_000..=1_000_000 } else { 0..=0 };
    assert!(paid.contains(&got), "{what}: {got} sat were paid out");
    // A cancelled trade has given its amount back, and does not take it again when a deposit comes late.
    let held: Option<bool> = sql
        .one(
            "SELECT CASE t.stage WHEN 'cancelled' THEN o.reserved = 0 WHEN 'refund_due' THEN o.reserved IN (0, t.fiat)
                                 ELSE o.reserved = t.fiat END
               FROM offers o JOIN trades t ON t.offer = o.id",
        )
        .await;
    assert_eq!(held, Some(true), "{what}: the offer does not hold what its trade took");
}

async fn ready(story: &Story, trade: PublicRef, act: &Doing) -> Vec<(&'static str, String)> {
    match act {
        Doing::Form(name, place) => form(story, name.of(story), trade, place).await,
        Doing::Block | Doing::Clock => Vec::new(),
    }
}

/// The status and the words, if it was a form.
async fn does(story: &Story, trade: PublicRef, act: &Doing, form: &[(&'static str, String)]) -> Option<(u16, String)> {
    match act {
        Doing::Form(name, place) => {
            let seen = send(name.of(story), trade, place, form).await;
            Some((seen.status, seen.words()))
        }
        Doing::Block => {
            story.mine(1).await;
            None
        }
        Doing::Clock => {
            story.work().await;
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_before_both_have_signed() {
    every_pair(async |story: &Story| {
        let trade = story.take().await;
        let mut acts = forms(&[
            (Alice, "contract-signature"),
            (Bob, "contract-signature"),
            (Alice, "withdrawal"),
            (Bob, "decline"),
        ]);
        acts.push(Doing::Form(Bob, format!("/offers/{}/withdrawal", story.offer)));
        (trade, acts)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_at_the_end_of_the_signing_window() {
    every_pair(async |story: &Story| {
        let trade = story.take().await;
        story.signs(&story.bob, trade, "contract-signature", &[]).await;
        story.site.advance(jiff::SignedDuration::from_mins(61));
        let mut acts = forms(&[(Alice, "contract-signature"), (Alice, "withdrawal"), (Bob, "decline")]);
        acts.push(Doing::Clock);
        (trade, acts)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_while_the_deposit_comes() {
    every_pair(async |story: &Story| {
        let trade = story.agreed().await;
        let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
        story.site.chain.pay(&row.script, row.deposit).unwrap();
        let mut acts = forms(&[(Alice, "cancel"), (Bob, "cancel")]);
        acts.push(Doing::Block);
        (trade, acts)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_at_the_end_of_the_deposit_window() {
    // The next block is the deposit's first one, or the one that makes it count.
    for is_in_a_block in [false, true] {
        every_pair(async |story: &Story| {
            let trade = super::transitions::at_the_end_of_the_deposit_window(story, is_in_a_block).await;
            let mut acts = forms(&[(Alice, "cancel"), (Bob, "cancel")]);
            acts.extend([Doing::Block, Doing::Clock]);
            (trade, acts)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_on_a_half_signed_change_of_the_contract() {
    every_pair(async |story: &Story| {
        let trade = story.agreed().await;
        story.deposit(trade, bitcoin::Amount::from_sat(400_000)).await;
        story.proposes_change(&story.bob, trade, "scale_down").await;
        // The rest is in a block already; the next one makes it deep enough.
        let (row, _) = trine::desk::trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
        story.site.chain.pay(&row.script, bitcoin::Amount::from_sat(700_000)).unwrap();
        story.work().await;
        story.mine(1).await;
        assert_eq!(story.stage(trade).await, "awaiting_deposit");
        let mut acts =
            forms(&[(Alice, "amendment/signature"), (Alice, "amendment/withdrawal"), (Bob, "amendment/withdrawal")]);
        acts.push(Doing::Block);
        (trade, acts)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_on_a_trade_that_one_wants_to_take_up_again() {
    every_pair(async |story: &Story| {
        let trade = story.agreed().await;
        story.later(181).await;
        story.deposit(trade, bitcoin::Amount::from_sat(1_000_000)).await;
        assert_eq!(story.press(&story.bob, trade, "reinstatement").await.status, 303);
        (trade, forms(&[(Alice, "reinstatement"), (Bob, "reinstatement/withdrawal"), (Bob, "refund")]))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_of_a_funded_trade() {
    every_pair(async |story: &Story| {
        let acts = [(Alice, "payment"), (Alice, "cancellation"), (Bob, "payment-seen"), (Bob, "settlement")];
        (story.funded().await, forms(&acts))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_after_the_payment_window() {
    every_pair(async |story: &Story| {
        let trade = story.funded().await;
        story.later(60 * 24 * 8).await;
        let acts = [(Alice, "payment"), (Alice, "cancellation"), (Bob, "unpaid"), (Alice, "dispute"), (Bob, "dispute")];
        (trade, forms(&acts))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_after_the_payment() {
    every_pair(async |story: &Story| {
        let acts = [
            (Bob, "release"),
            (Alice, "payment/undo"),
            (Alice, "dispute"),
            (Bob, "dispute"),
            (Alice, "refund"),
            (Alice, "settlement"),
        ];
        (story.paid().await, forms(&acts))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_at_the_end_of_the_release_window() {
    every_pair(async |story: &Story| {
        let trade = super::transitions::at_the_end_of_the_release_window(story).await;
        let mut acts = forms(&[(Bob, "release"), (Alice, "payment/undo"), (Alice, "dispute"), (Alice, "refund")]);
        acts.push(Doing::Clock);
        (trade, acts)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_of_a_refund_that_is_due() {
    every_pair(async |story: &Story| {
        let trade = story.funded().await;
        story.signs(&story.alice, trade, "cancellation", &["not_paid", "final"]).await;
        story.later(24 * 60 + 1).await;
        let mut acts = forms(&[(Alice, "dispute"), (Bob, "refund"), (Alice, "refund"), (Bob, "settlement")]);
        acts.push(Doing::Form(Carol, format!("/arbitration/{trade}/payout")));
        (trade, acts)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_of_a_dispute() {
    every_pair(async |story: &Story| {
        let (trade, ruling) = super::transitions::drafted(story).await;
        let mut acts = forms(&[
            (Bob, "release"),
            (Alice, "settlement/acceptance"),
            (Bob, "settlement/withdrawal"),
            (Alice, "dispute/statements"),
        ]);
        acts.push(Doing::Form(Carol, ruling));
        (trade, acts)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_acts_of_a_ruling() {
    every_pair(async |story: &Story| {
        let (trade, ruling) = super::transitions::drafted(story).await;
        let form = form(story, &story.carol, trade, &ruling).await;
        assert_eq!(send(&story.carol, trade, &ruling, &form).await.status, 303);
        story.later(24 * 60 + 1).await;
        let mut acts = forms(&[(Bob, "release"), (Alice, "ruling/cosignature"), (Bob, "ruling/cosignature")]);
        acts.push(Doing::Form(Carol, format!("/arbitration/{trade}/payout")));
        acts.push(Doing::Form(Carol, format!("/arbitration/{trade}/ruling/withdrawal")));
        (trade, acts)
    })
    .await;
}
