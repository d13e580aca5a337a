//! Brings the cast to the desk: accounts, keys, ways to be paid, offers, each through its own form. Every step is noted
//! when it is done and safe to try again when it was not.

use std::path::PathBuf;

use anyhow::Context;
use bitcoin::{Network, Psbt};
use serde_json::Value;

use super::{
    door::Door,
    keyfile,
    people::{self, Keep, Part, Person},
    wares::{WARES, WAYS, Ware, Way},
};

/// What a refusal says when the account was made, but not noted, the last time.
const TAKEN: &str = "is taken";

/// Each of the cast has one account key.
const KEY_NUMBER: u32 = 0;

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

    /// Everyone who signs registers a key, as the browser would have made it.
    pub async fn keys(&mut self) -> anyhow::Result<()> {
        self.each(
            "key",
            |person| person.part != Part::Operator,
            async |person, door, network| {
                sign_in(person, door).await?;
                register_key(person, door, network).await
            },
        )
        .await
    }

    /// The arbitrators prove with a dry run that they can rule. Good for 90 days, done again each month.
    pub async fn drills(&mut self, month: &str) -> anyhow::Result<()> {
        self.each(
            &format!("drill {month}"),
            |person| person.part == Part::Arbitrator,
            async |person, door, network| {
                sign_in(person, door).await?;
                drill(person, door, network).await
            },
        )
        .await
    }

    /// Everyone who trades says how to be paid, and posts offers.
    pub async fn wares(&mut self) -> anyhow::Result<()> {
        for way in &WAYS {
            let step = format!("payment account {}", way.method);
            self.each(
                &step,
                |person| person.name == way.owner,
                async |person, door, _| {
                    sign_in(person, door).await?;
                    save_way(way, door).await
                },
            )
            .await?;
        }
        for (number, ware) in WARES.iter().enumerate() {
            let step = format!("offer {number}");
            self.each(
                &step,
                |person| person.name == ware.owner,
                async |person, door, network| {
                    sign_in(person, door).await?;
                    post(ware, number, person, door, network).await
                },
            )
            .await?;
        }
        Ok(())
    }

    /// Runs a step for everyone it is for who has not done it yet.
    pub async fn each(
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

async fn register_key(person: &Person, door: &Door, network: Network) -> anyhow::Result<()> {
    let wallet = person.wallet(network)?;
    let (name, passphrase) = (person.name.clone(), person.passphrase.clone());
    let file = tokio::task::spawn_blocking(move || keyfile::seal(&wallet, KEY_NUMBER, &name, &passphrase)).await??;
    let form = door.form("/keys/browser", "/keys/browser").await?;
    let form = form.with("xpub", format!("{}{}", file.origin, file.xpub)).with("file", serde_json::to_string(&file)?);
    door.send(&form).await.map(drop)
}

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

async fn post(ware: &Ware, number: usize, person: &Person, door: &Door, network: Network) -> anyhow::Result<()> {
    let address = person.wallet(network)?.receiving_address(u32::try_from(number)?)?;
    let page = format!("/offers/new?side={}&currency={}", ware.side, ware.currency);
    let form = door.form(&page, "/offers").await?.ticked("accounts");
    let (pricing, price) = ware.price;
    let form = form
        .with("pricing", pricing)
        .with(if pricing == "fixed" { "price" } else { "percent" }, price)
        .with("total", ware.total)
        .with("min", ware.min)
        .with("max", ware.max)
        .with("terms", ware.terms)
        .with("address", address.to_string());
    door.send(&form).await.map(drop)
}
