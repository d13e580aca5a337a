//! The server process killed before and after every write to its database: on the way of a whole trade from the take on,
//! of a release, of a dispute that is ruled on, and of a deposit that goes back. Whatever falls between two writes, the
//! payout is made exactly once and nothing that was acknowledged is lost.
//!
//! `TRINE_FAILPOINTS=all` goes through all of them, `count` only says how many there are; without it some are drawn, and
//! printed.

#![allow(clippy::print_stdout)] // The figures are for whoever asked for a long run.

use trine::desk::trade_facts;
use trine::domain::PublicRef;

use super::killed::{everything_once, says};
use super::ruled::next_to_a_ruling;
use super::served::Served;
use super::wire::{Death, Wire};
use crate::harness::cast::Story;

/// How many of them are tried of each way in an ordinary run.
const DRAWN: usize = 3;

/// From where to where.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// From the take to the end, over everything that both do.
    Trade,
    /// From the payment to the end.
    Release,
    /// From the payment over a dispute and a ruling to the end.
    Ruling,
    /// From a deposit that came after the trade was cancelled to its way back.
    Refund,
}

impl Way {
    /// There are at least so many writes on it, however fast the machine is: the desk's own beats are writes too.
    fn writes_min(self) -> u64 {
        match self {
            Self::Trade => 170,
            Self::Ruling => 120,
            Self::Release | Self::Refund => 50,
        }
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::Trade | Self::Release => "released",
            Self::Ruling => "split",
            Self::Refund => "refunded",
        }
    }

    /// How things stand at its beginning; the trade, if there is one yet.
    async fn begun(self) -> (Served, Option<PublicRef>) {
        Served::prepared(async |story: &Story| match self {
            Self::Trade => None,
            Self::Release | Self::Ruling => Some(story.paid().await),
            Self::Refund => Some(deposited_too_late(story).await),
        })
        .await
    }
}

/// Alice has cancelled, and bob has paid all the same: nobody has signed yet that it goes back.
async fn deposited_too_late(story: &Story) -> PublicRef {
    let trade = story.agreed().await;
    let pressed = story.press(&story.alice, trade, "cancel").await;
    assert_eq!(pressed.status, 303, "{}", pressed.words());
    assert_eq!(story.stage(trade).await, "cancelled");
    let (row, _) = trade_facts::party(&story.site.desk, trade, story.bob.id).await.unwrap();
    story.deposit(trade, row.deposit).await;
    assert_eq!(story.stage(trade).await, "refund_due");
    trade
}

/// Dies once at the write of this number. How many more it would have taken to reach it: none if it was.
async fn dies_once(way: Way, number: u64, death: Death) -> u64 {
    let (mut served, begun) = way.begun().await;
    let wire = Wire::to(&served.database_url);
    wire.url().clone_into(&mut served.database_url);
    served.start(None).await;
    if let Some(trade) = begun {
        says(&served, trade).await;
    }
    wire.kill_at(served.pid(), number, death);
    let trade = match begun {
        Some(trade) => trade,
        None => served.until_taken().await,
    };
    match way {
        Way::Ruling => served.until_completed_by(trade, next_to_a_ruling).await,
        Way::Trade | Way::Release | Way::Refund => served.until_completed(trade).await,
    }
    let missing = wire.stop();
    everything_once(&mut served, trade, way.outcome()).await;
    missing
}

/// At every write of the way, if that is asked for; else at some.
async fn survives_deaths(way: Way) {
    let asked = std::env::var("TRINE_FAILPOINTS").unwrap_or_default();
    if asked == "count" {
        let many = 1_000_000;
        println!("{way:?} has {} writes", many - dies_once(way, many, Death::Before).await);
        return;
    }
    if asked == "all" {
        let mut tried = 0;
        for death in [Death::Before, Death::After] {
            let mut number = 1;
            while dies_once(way, number, death).await == 0 {
                (number, tried) = (number + 1, tried + 1);
            }
        }
        println!("figure failpoints_survived {tried} deaths ({way:?})");
        return;
    }
    for _ in 0..DRAWN {
        let [high, low, death, ..] = *uuid::Uuid::new_v4().as_bytes();
        let number = u64::from(u16::from_be_bytes([high, low])) % way.writes_min() + 1;
        let death = if death % 2 == 0 { Death::Before } else { Death::After };
        println!("dies {death:?} write {number} ({way:?})");
        let missing = dies_once(way, number, death).await;
        assert_eq!(missing, 0, "write {number} was not reached: it died of nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trade_survives_a_death_before_and_after_any_write_from_the_take_on() {
    survives_deaths(Way::Trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_survives_a_death_before_and_after_any_write() {
    survives_deaths(Way::Release).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ruling_survives_a_death_before_and_after_any_write_from_the_dispute_on() {
    survives_deaths(Way::Ruling).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_survives_a_death_before_and_after_any_write() {
    survives_deaths(Way::Refund).await;
}
