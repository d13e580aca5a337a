//! Which arbitrator a pair of traders gets: drawn once per pair, by a rule that anyone can check afterwards.
//!
//! The day's seed is a secret until the day is over; its hash is in the public log the day before. The draw is
//! SHA-256 over seed, both accounts (as the log names them) and the names on duty: nobody chooses, and the desk
//! cannot say later that it came out differently.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::PoisonError;

use bitcoin::Amount;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::error::{Done, Error};
use super::secrets::{random, sha256};
use super::{Desk, arbitrators, public_log};
use crate::domain::hours::Week;
use crate::domain::{KeyId, Refusal, RefusalKind, UserId};
use crate::escrow::AccountKey;
use crate::store::arbitrators::{self as store, ArbitratorRow, OnDutyRow};
use crate::store::draws::{Pair, Relations};
use crate::store::{GenericClient, draws, sats};

/// The arbitrator of a new trade.
#[derive(Debug, Clone)]
pub struct DrawnArbitrator {
    pub account: UserId,
    pub name: String,
    pub key_id: KeyId,
    pub key: AccountKey,
    pub record_text: String,
    pub record_hash: [u8; 32],
    /// His working hours; none: day and night.
    pub hours: Option<Week>,
    /// The lowest level above all that his key was given.
    pub next_level: i32,
    /// How far he is below his exposure limit.
    room_sat: i64,
    /// What the public log says of the draw; nothing when he is the pair's already.
    entry: Option<Value>,
}

/// Draws of the takes of one transaction, one after the other: each knows those before it.
#[derive(Debug)]
pub struct Draws {
    on_duty: Vec<DrawnArbitrator>,
    relations: Relations,
    seed: Seed,
    /// In the order in which they were drawn.
    drawn: Vec<(Pair, UserId, Value)>,
}

impl Draws {
    /// Reads what the draws of these pairs are made from. It stays true while their accounts are held; the
    /// room of the arbitrators does not: batches that run side by side may each use up what is left.
    pub async fn read(desk: &Desk, tx: &impl GenericClient, pairs: &[Pair], now: Timestamp) -> Done<Self> {
        let (relations, on_duty, seed) = tokio::try_join!(
            biased;
            async { Ok(draws::relations(tx, pairs).await?) },
            arbitrators::on_duty(desk, tx, now),
            seed(desk, tx, now),
        )?;
        let on_duty = on_duty.into_iter().map(|one| drawable(desk, one)).collect::<Done<_>>()?;
        Ok(Self { on_duty, relations, seed, drawn: Vec::new() })
    }

    /// One of the two does not trade with the other.
    pub fn blocked(&self, pair: [UserId; 2]) -> bool {
        self.relations.blocks.contains(&ordered(pair))
    }

    /// The pair's arbitrator, drawn now if there is none. Nothing is fixed by it, see [`Self::fix`].
    pub fn arbitrator_for(&self, desk: &Desk, pair: [UserId; 2]) -> Done<DrawnArbitrator> {
        let pair = ordered(pair);
        let excluded = |who: UserId| pair.iter().any(|one| self.relations.exclusions.contains(&(*one, who)));
        let may = |one: &&DrawnArbitrator| !pair.contains(&one.account) && !excluded(one.account);
        let theirs = self.relations.arbitrators.get(&pair);
        if let Some(theirs) =
            theirs.and_then(|before| self.on_duty.iter().filter(may).find(|one| one.account == *before))
        {
            return if theirs.room_sat > 0 { Ok(theirs.clone()) } else { Err(full(&theirs.name).into()) };
        }
        let on_duty: Vec<&DrawnArbitrator> = self.on_duty.iter().filter(may).filter(|one| one.room_sat > 0).collect();
        if on_duty.is_empty() {
            let words = "No arbitrator is on duty for the two of you at present, and without one there is no escrow. \
                         Nothing was changed; try again later.";
            return Err(Refusal::new(RefusalKind::Unavailable, words).into());
        }
        let hidden = pair.map(|account| public_log::hidden(desk, account));
        let names: Vec<&str> = on_duty.iter().map(|one| one.name.as_str()).collect();
        let place = choice(&self.seed.bytes, &hidden, &names);
        let chosen = on_duty.get(place).ok_or_else(|| Error::broken("a draw beyond the list"))?;
        let entry = json!({
            "day": self.seed.day.to_string(), "accounts": hidden, "on_duty": names, "drawn": chosen.name,
        });
        Ok(DrawnArbitrator { entry: Some(entry), ..(*chosen).clone() })
    }

    /// The pair has this arbitrator from now on, and he answers for this deposit.
    pub fn fix(&mut self, pair: [UserId; 2], arbitrator: &DrawnArbitrator, deposit: Amount) {
        let pair = ordered(pair);
        if let Some(entry) = &arbitrator.entry {
            self.relations.arbitrators.insert(pair, arbitrator.account);
            self.drawn.push((pair, arbitrator.account, entry.clone()));
        }
        if let Some(one) = self.on_duty.iter_mut().find(|one| one.account == arbitrator.account) {
            one.room_sat = one.room_sat.saturating_sub(sats(deposit));
        }
    }

    /// Whom the pairs have now, to be written down.
    pub fn drawn(&self) -> Vec<(Pair, UserId)> {
        // Should a pair have been drawn for twice, the last one counts.
        let last: BTreeMap<Pair, UserId> = self.drawn.iter().map(|(pair, who, _)| (*pair, *who)).collect();
        last.into_iter().collect()
    }

    /// What the public log says of it.
    pub fn entries(&self) -> Vec<Value> {
        self.drawn.iter().map(|(_, _, entry)| entry.clone()).collect()
    }
}

/// He stays the pair's: who could have another drawn by taking until he is full could choose.
fn full(name: &str) -> Refusal {
    let words = format!(
        "{name}, who is the arbitrator of you two, answers for as much as he may at present, and a pair keeps its \
         arbitrator. Nothing was changed; try again when some of his trades are over, or exclude him in your settings."
    );
    Refusal::new(RefusalKind::Unavailable, words)
}

pub fn ordered([one, other]: [UserId; 2]) -> Pair {
    if one < other { [one, other] } else { [other, one] }
}

fn drawable(desk: &Desk, one: OnDutyRow) -> Done<DrawnArbitrator> {
    let key = AccountKey::parse(&one.key_text, desk.rules.network).map_err(Error::broken)?;
    Ok(DrawnArbitrator {
        account: one.account,
        name: one.name,
        key_id: one.key,
        key,
        record_text: one.record_text,
        record_hash: one.record_hash,
        hours: one.hours,
        next_level: one.next_level,
        room_sat: one.room_sat,
        entry: None,
    })
}

/// The place in the list: the first eight bytes of SHA-256(seed ‖ "low high name,name,…"), modulo its length.
pub fn choice(seed: &[u8; 32], [low, high]: &[String; 2], names: &[&str]) -> usize {
    let text = format!("{low} {high} {}", names.join(","));
    let [a, b, c, d, e, f, g, h, ..] = sha256([seed.as_slice(), text.as_bytes()].concat());
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let length = u64::try_from(names.len()).unwrap_or(1).max(1);
    usize::try_from(number % length).unwrap_or(0)
}

/// The seed of a day: a secret until the day is over.
#[derive(Clone, Copy)]
pub struct Seed {
    day: Date,
    bytes: [u8; 32],
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").field("day", &self.day).finish_non_exhaustive()
    }
}

/// Today's seed, which is looked up once a day.
async fn seed(desk: &Desk, tx: &impl GenericClient, now: Timestamp) -> Done<Seed> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let known = *desk.seed.lock().unwrap_or_else(PoisonError::into_inner);
    match known {
        Some(seed) if seed.day == today => Ok(seed),
        _ => seed_of(desk, tx, today, now).await,
    }
}

/// Makes the seeds of today and tomorrow and publishes their hashes; publishes the seeds of days gone by.
async fn seed_of(desk: &Desk, tx: &impl GenericClient, today: Date, now: Timestamp) -> Done<Seed> {
    let tomorrow = today.tomorrow().map_err(|e| Error::broken(format!("no tomorrow: {e}")))?;
    if let Some(sealed) = draws::seed_in_order(tx, today, tomorrow).await? {
        let seed = Seed { day: today, bytes: open(desk, today, &sealed)? };
        // What was found there is committed. What is made below is not yet.
        *desk.seed.lock().unwrap_or_else(PoisonError::into_inner) = Some(seed);
        return Ok(seed);
    }
    for (day, sealed) in draws::seeds_to_reveal(tx, today, now).await? {
        let seed = hex(&open(desk, day, &sealed)?);
        public_log::append(tx, now, "seed", &json!({ "day": day.to_string(), "seed": seed })).await?;
    }
    for day in [today, tomorrow] {
        if draws::seed(tx, day).await?.is_some() {
            continue;
        }
        let seed: [u8; 32] = random();
        if draws::keep_seed(tx, day, &desk.secrets.seal(&place(day), &seed)?).await? {
            let entry = json!({ "day": day.to_string(), "sha256": hex(&sha256(seed)) });
            public_log::append(tx, now, "seed_hash", &entry).await?;
        }
    }
    let sealed = draws::seed(tx, today).await?.ok_or_else(|| Error::broken("the day has no seed"))?;
    Ok(Seed { day: today, bytes: open(desk, today, &sealed)? })
}

/// Publishes what is due, also on days without a draw. A job that is safe to run often.
pub async fn keep_seeds(desk: &Desk) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let tx = client.transaction().await?;
    seed_of(desk, &tx, now.to_zoned(TimeZone::UTC).date(), now).await?;
    Ok(tx.commit().await?)
}

fn open(desk: &Desk, day: Date, sealed: &[u8]) -> Done<[u8; 32]> {
    desk.secrets.open(&place(day), sealed)?.try_into().map_err(|_| Error::broken("a seed has 32 bytes"))
}

fn place(day: Date) -> String {
    format!("draw seed {day}")
}

/// An arbitrator as a trader may exclude him.
#[derive(Debug, Clone)]
pub struct Choice {
    pub name: String,
    pub is_on_duty: bool,
    pub is_excluded: bool,
}

/// Everybody in office, and whom this trader excluded.
pub async fn choices(desk: &Desk, account: UserId) -> Done<Vec<Choice>> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let on_duty = arbitrators::on_duty(desk, &client, now).await?;
    let excluded = draws::excluded(&client, &[account]).await?;
    let in_office = store::in_office(&client).await?;
    let choice = |one: ArbitratorRow| Choice {
        is_on_duty: on_duty.iter().any(|duty| duty.account == one.account),
        is_excluded: excluded.contains(&one.account),
        name: one.name,
    };
    Ok(in_office.into_iter().map(choice).collect())
}

/// Puts a trader's exclusions down: at most half of those on duty. Running trades keep their arbitrator.
/// Field: `excluded`.
pub async fn set_exclusions(desk: &Desk, account: UserId, names: &[&str]) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let tx = client.transaction().await?;
    let on_duty = arbitrators::on_duty(desk, &tx, now).await?;
    let in_office = store::in_office(&tx).await?;
    let chosen: Vec<UserId> =
        in_office.iter().filter(|one| names.contains(&one.name.as_str())).map(|one| one.account).collect();
    let of_those_on_duty = on_duty.iter().filter(|one| chosen.contains(&one.account)).count();
    if of_those_on_duty * 2 > on_duty.len() || chosen.len() * 2 > in_office.len() {
        let words = "At most half of the arbitrators can be excluded, or a trade might find none.";
        return Err(Refusal::field("excluded", words).into());
    }
    draws::set_exclusions(&tx, account, &chosen).await?;
    Ok(tx.commit().await?)
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_everything_and_on_nothing_else() {
        let pair = ["00aa".to_owned(), "11bb".to_owned()];
        let names = ["ines", "otto", "sable"];
        let drawn: Vec<usize> = (0..60).map(|n| choice(&[n; 32], &pair, &names)).collect();
        for place in 0..3 {
            assert!(drawn.iter().filter(|one| **one == place).count() > 8, "{drawn:?}");
        }
        assert_eq!(choice(&[5; 32], &pair, &names), choice(&[5; 32], &pair, &names));
        assert_eq!(choice(&[5; 32], &pair, &["ines"]), 0);
    }
}
