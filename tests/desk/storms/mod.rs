//! Storms: the chain, three people and the clock do anything at random, on a whole desk with its database, its pages and
//! signatures. After every step the desk tells the truth about the coins; when it is calm again, every coin that is worth
//! a transaction has a way out that the pages lead to.
//!
//! An ordinary run has the same few storms each time. `TRINE_STORMS` asks for so many others, `TRINE_STORM_STEPS` says how
//! long each is, `TRINE_STORM_SEED` repeats one.

#![allow(clippy::print_stdout, clippy::print_stderr)] // Seeds and figures are for whoever looks at a run.

mod calm;
mod people;
mod truths;
mod weather;

use std::panic::AssertUnwindSafe;

use bitcoin::{Amount, Transaction};
use futures_util::FutureExt;
use trine::desk::Rules;
use trine::domain::PublicRef;

use crate::chains::coins::Coin;
use crate::chains::world::World;
use crate::harness::Dice;
use crate::harness::Start;
use crate::harness::cast::{Person, story_with};
use crate::sky::Sky;

/// The seeds of an ordinary run of the tests.
const SEEDS: [u64; 3] = [1, 2, 3];
const STEPS: u64 = 60;

/// A trade that everything happens to.
struct Storm {
    sky: Sky,
    trade: PublicRef,
    dice: Dice,
    /// Coins that were paid with, with the last fee: their owner may spend them again as long as that waits.
    coins: Vec<(Coin, u64)>,
    /// Everything that was ever handed to the network.
    sent: Vec<Transaction>,
    told: Told,
}

/// What happened, for whoever has to find out why; told when a storm breaks something.
struct Told {
    seed: u64,
    steps: Vec<String>,
}

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("TRINE_STORM_SEED={}", self.seed);
            self.steps.iter().for_each(|step| eprintln!("  {step}"));
        }
    }
}

impl Storm {
    async fn over(mut world: World, seed: u64) -> Self {
        let mut dice = Dice(seed);
        // A coin for every payment there may be.
        world.mine(60).await;
        world.coin().await;
        let free = if dice.below(2) == 0 { Amount::MAX_MONEY } else { Amount::ZERO };
        let rules = Rules { practice: false, objection_free_below: free, ..Rules::default() };
        let story = story_with(Start { chain: Some(world.chain.clone()), rules, ..Start::default() }).await;
        let sky = Sky { story, world };
        let trade = sky.story.take_by(&sky.story.alice, ["400", "500"][dice.below(2)]).await;
        let told = Told { seed, steps: Vec::new() };
        let mut storm = Self { sky, trade, dice, coins: Vec::new(), sent: Vec::new(), told };
        if storm.dice.below(8) != 0 {
            for who in [&storm.sky.story.bob, &storm.sky.story.alice] {
                storm.sky.story.signs(who, trade, "contract-signature", &[]).await;
            }
            if storm.dice.below(4) != 0 {
                storm.pays_what_is_due().await;
            }
        }
        storm
    }

    fn everybody(&self) -> [&Person; 3] {
        let story = &self.sky.story;
        [&story.alice, &story.bob, &story.carol]
    }

    fn tells(&mut self, what: String) {
        self.told.steps.push(what);
    }

    async fn step(&mut self) {
        match self.dice.below(10) {
            0..=3 => self.weather().await,
            4 => self.time_passes().await,
            _ => self.somebody_acts().await,
        }
        self.sky.works().await;
        self.is_true().await;
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

async fn blows_over(world: World, seed: u64, steps: u64) {
    let mut storm = Storm::over(world, seed).await;
    for _ in 0..steps {
        storm.step().await;
    }
    storm.calms_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_storm_every_coin_has_a_way_out() {
    let steps = number("TRINE_STORM_STEPS").unwrap_or(STEPS);
    if let Some(seed) = number("TRINE_STORM_SEED") {
        blows_over(World::practice_today(), seed, steps).await;
        return;
    }
    let seeds: Vec<u64> = match number("TRINE_STORMS") {
        Some(storms) => (0..storms).map(|_| uuid::Uuid::new_v4().as_u64_pair().0).collect(),
        None => SEEDS.to_vec(),
    };
    let mut broken = Vec::new();
    for seed in &seeds {
        eprintln!("TRINE_STORM_SEED={seed}");
        if AssertUnwindSafe(blows_over(World::practice_today(), *seed, steps)).catch_unwind().await.is_err() {
            broken.push(*seed);
        }
    }
    assert_eq!(broken, Vec::<u64>::new(), "these of {} storms broke something", seeds.len());
    println!("figure storm_steps {} steps", u64::try_from(seeds.len()).unwrap() * steps);
}

mod on_core {
    use super::{World, blows_over};

    /// What a real node does to a trade is as random as it can be without forgetting anything.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn after_a_storm_over_a_real_node_every_coin_has_a_way_out() {
        blows_over(World::core().await, 4, 40).await;
    }
}
