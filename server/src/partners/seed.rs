//! Brings the partners to the desk: accounts, keys, ways to be paid, each through its own form. Every step is noted when
//! it is done and safe to try again when it was not.

use std::{cell::RefCell, path::PathBuf};

use anyhow::Context;
use bitcoin::{Network, Psbt};
use serde_json::Value;

use super::{
    door::Door,
    keyfile,
    papers::KEY_NUMBER,
    people::{self, Keep, Part, Person},
    wares::{WAYS, Way},
};

/// What a refusal says when the account was made, but not noted, the last time.
const TAKEN: &str = "is taken";
/// What a person has done who is ready to trade.
pub const READY: &str = "ready";

/// The cast at one desk, and where their secrets are kept.
#[derive(Debug)]
pub struct Seeding {
    pub origin: String,
    pub network: Network,
    pub people: RefCell<Vec<Person>>,
    pub file: PathBuf,
    pub keep: Keep,
}

impl Seeding {
    /// Everyone registers.
    pub async fn accounts(&self) -> anyhow::Result<()> {
        self.each("account", |_| true, async |person| self.enter(person).await.map(drop)).await
    }

    /// Runs a step for everyone it is for who has not done it yet.
    pub async fn each(
        &self,
        step: &str,
        is_for: impl Fn(&Person) -> bool,
        act: impl AsyncFn(&Person) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for person in self.everyone().into_iter().filter(|person| is_for(person)) {
            self.once(&person.name, step, async |person| act(person).await).await?;
        }
        Ok(())
    }

    pub fn everyone(&self) -> Vec<Person> {
        self.people.borrow().clone()
    }

    /// A browser of this person, who registers if that has not been done, and signs in.
    pub async fn enter(&self, person: &Person) -> anyhow::Result<Door> {
        let door = Door::new(&self.origin)?;
        if self.has_done(&person.name, "account") {
            sign_in(person, &door).await?;
        } else {
            register(person, &door).await?;
            self.note(&person.name, "account")?;
        }
        Ok(door)
    }

    /// Whatever this person lacks to trade or to rule. Offers are looked after later.
    pub async fn settle(&self, name: &str, door: &Door, month: &str) -> anyhow::Result<()> {
        let part = self.everyone().into_iter().find(|person| person.name == name).context("nobody of this name")?.part;
        self.once(name, "key", async |person| register_key(person, door, self.network).await).await?;
        if part == Part::Arbitrator {
            // Good for 90 days.
            let step = format!("drill {month}");
            return self.once(name, &step, async |person| drill(person, door, self.network).await).await;
        }
        for way in WAYS.iter().filter(|way| way.owner == name) {
            let step = format!("payment account {}", way.method);
            self.once(name, &step, async |_| save_way(way, door).await).await?;
        }
        Ok(())
    }

    /// Does a step that was not done before, and notes it.
    pub async fn once(
        &self,
        name: &str,
        step: &str,
        act: impl AsyncFnOnce(&Person) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.has_done(name, step) {
            return Ok(());
        }
        let person = self.everyone().into_iter().find(|person| person.name == name).context("nobody of this name")?;
        act(&person).await.with_context(|| format!("{name} could not do this: {step}"))?;
        self.note(name, step)
    }

    fn has_done(&self, name: &str, step: &str) -> bool {
        self.people.borrow().iter().any(|person| person.name == name && person.has_done(step))
    }

    pub fn note(&self, name: &str, step: &str) -> anyhow::Result<()> {
        let mut people = self.people.borrow_mut();
        match people.iter_mut().find(|person| person.name == name && !person.has_done(step)) {
            Some(person) => person.done.push(step.to_owned()),
            None => return Ok(()),
        }
        people::keep(&people, &self.file, self.keep)
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

/// As the browser would have made it.
async fn register_key(person: &Person, door: &Door, network: Network) -> anyhow::Result<()> {
    let wallet = person.wallet(network)?;
    let (name, passphrase) = (person.name.clone(), person.passphrase.clone());
    let file = tokio::task::spawn_blocking(move || keyfile::seal(&wallet, KEY_NUMBER, &name, &passphrase)).await??;
    let form = door.form("/keys/browser", "/keys/browser").await?;
    let form = form.with("xpub", format!("{}{}", file.origin, file.xpub)).with("file", serde_json::to_string(&file)?);
    door.send(&form).await.map(drop)
}

/// The arbitrator proves with a dry run that he can rule.
async fn drill(person: &Person, door: &Door, network: Network) -> anyhow::Result<()> {
    let envelope = door.text_between("/keys/drill", "id=\"envelope\">", "</script>").await?;
    let envelope: Value = serde_json::from_str(&envelope)?;
    let wanted = envelope.pointer("/psbts/0/base64").and_then(Value::as_str).context("the drill has no PSBT")?;
    let mut psbt: Psbt = wanted.parse()?;
    person.wallet(network)?.sign(&mut psbt)?;
    let form = door.form("/keys/drill", "/keys/drill").await?;
    door.send_with_file(&form.with("signatures", psbt.to_string()), None).await.map(drop)
}

async fn save_way(way: &Way, door: &Door) -> anyhow::Result<()> {
    let page = format!("/payment-accounts/new?method={}", way.method);
    let form = door.form(&page, "/payment-accounts").await?.with("label", way.label);
    let form = way.fields.iter().fold(form, |form, (field, value)| form.with(field, *value));
    door.send(&form).await.map(drop)
}
