//! Brings the cast to the desk: accounts, keys, ways to be paid, offers, each through its own form. Every step is noted
//! when it is done and safe to try again when it was not.

use std::path::PathBuf;

use anyhow::Context;
use bitcoin::Network;

use super::{
    door::Door,
    people::{self, Keep, Person},
};

/// What a refusal says when the account was made, but not noted, the last time.
const TAKEN: &str = "is taken";

/// The cast at one desk, and where their secrets are kept.
#[derive(Debug)]
pub struct Seeding {
    pub origin: String,
    pub network: Network,
    pub people: Vec<Person>,
    pub file: PathBuf,
    pub keep: Keep,
}

impl Seeding {
    /// Everyone registers.
    pub async fn accounts(&mut self) -> anyhow::Result<()> {
        self.each("account", |_| true, async |person, door, _| register(person, door).await).await
    }

    /// Runs a step for everyone it is for who has not done it yet.
    async fn each(
        &mut self,
        step: &str,
        is_for: impl Fn(&Person) -> bool,
        act: impl AsyncFn(&Person, &Door, Network) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for place in 0..self.people.len() {
            let Some(person) = self.people.get_mut(place).filter(|p| !p.has_done(step) && is_for(p)) else { continue };
            let door = Door::new(&self.origin)?;
            let outcome = act(person, &door, self.network).await;
            outcome.with_context(|| format!("{} could not do this: {step}", person.name))?;
            person.done.push(step.to_owned());
            people::keep(&self.people, &self.file, self.keep)?;
        }
        Ok(())
    }
}

async fn register(person: &Person, door: &Door) -> anyhow::Result<()> {
    let form = door.form("/register", "/register").await?;
    let form = form.with("name", &person.name).with("password", &person.password);
    match door.send(&form).await {
        Err(refused) if refused.to_string().contains(TAKEN) => sign_in(person, door).await,
        other => other.map(drop),
    }
}

async fn sign_in(person: &Person, door: &Door) -> anyhow::Result<()> {
    let form = door.form("/sign-in", "/sign-in").await?;
    door.send(&form.with("name", &person.name).with("password", &person.password)).await.map(drop)
}
