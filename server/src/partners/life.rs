//! `trine partners`: everyone of the cast at their own door, all at once, until told to stop. What goes wrong for one is
//! told and tried again, and stops no other. Whatever way the last run ended, this one goes on from what the desk shows.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use bitcoin::Network;
use jiff::Zoned;
use tokio::time::sleep;

use super::{
    door::{Door, SignedOut},
    judge::Judge,
    keys::Wallet,
    memory::Memory,
    people::{self, Keep, Part, Person},
    seed::{READY, Seeding},
    stall,
    trader::Trader,
};
use crate::domain::PublicRef;

/// A partner answers within a second or two.
const PAUSE: Duration = Duration::from_millis(1_000);
/// After trouble it waits longer and longer, up to this.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Offers are looked after this often.
const STALL: Duration = Duration::from_secs(60);

/// Where the partners go, and where their secrets are.
#[derive(Debug)]
pub struct Folder<'a> {
    pub path: &'a Path,
    pub keep: Keep,
}

/// Everyone lives until this future is dropped.
pub async fn run(desk: &str, folder: &Folder<'_>, network: Network) -> anyhow::Result<()> {
    let file = folder.path.join("people.json");
    let people = people::cast(&file, network, folder.keep)?;
    let memory = Memory::open(folder.path.join("signed.json"), folder.keep)?;
    let origin = desk.trim_end_matches('/').to_owned();
    let seeding = Seeding { origin, network, people: RefCell::new(people), file, keep: folder.keep };
    let everyone = seeding.everyone();
    let playing = everyone.iter().filter(|person| person.part != Part::Operator);
    futures_util::future::join_all(playing.map(|person| live(person, &seeding, &memory))).await;
    Ok(())
}

/// One of them, for ever.
async fn live(person: &Person, seeding: &Seeding, memory: &Memory) {
    let mut pause = PAUSE;
    let waiting = RefCell::default();
    let mut self_ = Living { person, seeding, memory, waiting: &waiting, door: None, stall: None };
    loop {
        match self_.round().await {
            Ok(()) => pause = PAUSE,
            Err(error) => {
                tracing::warn!(partner = %person.name, "{error:#}");
                if error.downcast_ref::<SignedOut>().is_some() || error.chain().any(|why| why.is::<reqwest::Error>()) {
                    self_.door = None;
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        sleep(pause).await;
    }
}

struct Living<'a> {
    person: &'a Person,
    seeding: &'a Seeding,
    memory: &'a Memory,
    waiting: &'a RefCell<BTreeMap<PublicRef, Instant>>,
    door: Option<(Door, Wallet)>,
    /// When the offers were last looked after.
    stall: Option<Instant>,
}

impl Living<'_> {
    async fn round(&mut self) -> anyhow::Result<()> {
        if self.door.is_none() {
            let door = self.seeding.enter(self.person).await?;
            let month = Zoned::now().strftime("%Y-%m").to_string();
            self.seeding.settle(&self.person.name, &door, &month).await?;
            self.door = Some((door, self.person.wallet(self.seeding.network)?));
        }
        let (door, wallet) = self.door.as_ref().context("the door was just opened")?;
        let (name, memory) = (self.person.name.as_str(), self.memory);
        if self.person.part == Part::Arbitrator {
            self.seeding.note(name, READY)?;
            return Judge { name, wallet, door, memory, waiting: self.waiting }.round().await;
        }
        // A stall that is in trouble keeps nobody from the trades that run.
        let mut offers = Ok(());
        if self.stall.is_none_or(|at| at.elapsed() > STALL) {
            offers = stall::look_after(self.person, door, self.seeding.network).await;
            if offers.is_ok() {
                self.stall = Some(Instant::now());
                self.seeding.note(name, READY)?;
            }
        }
        Trader { name, wallet, door, memory }.round().await.and(offers)
    }
}
