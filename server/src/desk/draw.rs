//! Which arbitrator a pair of traders gets: drawn once per pair, by a rule that anyone can check afterwards.
//!
//! The day's seed is a secret until the day is over; its hash is in the public log the day before. The draw is
//! SHA-256 over seed, both accounts (as the log names them) and the names on duty: nobody chooses, and the desk
//! cannot say later that it came out differently.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::error::{Done, Error};
use super::secrets::{random, sha256};
use super::{Desk, arbitrators, public_log};
use crate::domain::{KeyId, Refusal, RefusalKind, UserId};
use crate::escrow::arbiter::ARBITER_LEVELS;
use crate::escrow::{AccountKey, ArbiterLevel};
use crate::store::arbitrators::{self as store, ArbitratorRow, OnDutyRow};
use crate::store::{GenericClient, draws};

/// How often a pair tries for a level that others take at the same moment.
const LEVEL_TRIES: usize = 8;

/// The arbitrator of a new trade.
#[derive(Debug, Clone)]
pub struct DrawnArbitrator {
    pub account: UserId,
    pub name: String,
    pub key_id: KeyId,
    pub key: AccountKey,
    pub record_text: String,
    pub record_hash: [u8; 32],
}

/// The pair's arbitrator, drawn now if there is none: call it in the transaction that makes the trade.
pub async fn arbitrator_for(
    desk: &Desk,
    tx: &impl GenericClient,
    buyer: UserId,
    seller: UserId,
    now: Timestamp,
) -> Done<DrawnArbitrator> {
    let pair = if buyer < seller { [buyer, seller] } else { [seller, buyer] };
    let (mut on_duty, before) = draws::hold_pair(tx, pair, arbitrators::drilled_since(desk, now)).await?;
    on_duty.retain(|one| !before.excluded.contains(&one.account) && !pair.contains(&one.account));
    if on_duty.is_empty() {
        let words = "No arbitrator is on duty for the two of you at present, and without one there is no escrow. Nothing \
                     was changed; try again later.";
        return Err(Refusal::new(RefusalKind::Unavailable, words).into());
    }
    if let Some(same) = before.arbitrator.and_then(|before| on_duty.iter().find(|one| one.account == before)) {
        return drawn(desk, same);
    }
    let seeds = seeds(desk, tx, now).await?;
    let hidden = pair.map(|account| public_log::hidden(desk, account));
    let names: Vec<&str> = on_duty.iter().map(|one| one.name.as_str()).collect();
    let place = choice(&seeds.seed, &hidden, &names);
    let chosen = on_duty.get(place).ok_or_else(|| Error::broken("a draw beyond the list"))?;
    draws::set_pair(tx, pair, chosen.account, now).await?;
    let [low, high] = &hidden;
    let entry =
        json!({ "day": seeds.day.to_string(), "accounts": [low, high], "on_duty": names, "drawn": chosen.name });
    public_log::append(tx, now, "draw", &entry).await?;
    drawn(desk, chosen)
}

fn drawn(desk: &Desk, one: &OnDutyRow) -> Done<DrawnArbitrator> {
    Ok(DrawnArbitrator {
        account: one.account,
        name: one.name.clone(),
        key_id: one.key,
        key: AccountKey::parse(&one.key_text, desk.rules.network).map_err(Error::broken)?,
        record_text: one.record_text.clone(),
        record_hash: one.record_hash,
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

struct Seeds {
    day: Date,
    seed: [u8; 32],
}

/// Today's seed. Makes those of today and tomorrow and publishes their hashes; publishes the seeds of days gone by.
async fn seeds(desk: &Desk, tx: &impl GenericClient, now: Timestamp) -> Done<Seeds> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let tomorrow = today.tomorrow().map_err(|e| Error::broken(format!("no tomorrow: {e}")))?;
    if let Some(sealed) = draws::seed_in_order(tx, today, tomorrow).await? {
        return Ok(Seeds { day: today, seed: open(desk, today, &sealed)? });
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
    Ok(Seeds { day: today, seed: open(desk, today, &sealed)? })
}

/// Publishes what is due, also on days without a draw. A job that is safe to run often.
pub async fn keep_seeds(desk: &Desk) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let tx = client.transaction().await?;
    seeds(desk, &tx, now).await?;
    Ok(tx.commit().await?)
}

fn open(desk: &Desk, day: Date, sealed: &[u8]) -> Done<[u8; 32]> {
    desk.secrets.open(&place(day), sealed)?.try_into().map_err(|_| Error::broken("a seed has 32 bytes"))
}

fn place(day: Date) -> String {
    format!("draw seed {day}")
}

/// The level P of a pair of trader keys with an arbitrator's key: the same again for a repeated pair, else a new one.
/// Call it in the transaction that makes the trade.
pub async fn level_for(
    tx: &impl GenericClient,
    arbitrator_key: KeyId,
    buyer: &AccountKey,
    seller: &AccountKey,
) -> Done<ArbiterLevel> {
    let (one, other) = (buyer.xpub().public_key.serialize(), seller.xpub().public_key.serialize());
    let pair = if one < other { [&one, &other] } else { [&other, &one] };
    // The last level is kept for drills.
    let end = i32::try_from(ARBITER_LEVELS - 1).map_err(|_| Error::broken("too many levels"))?;
    for _ in 0..LEVEL_TRIES {
        if let Some(level) = store::take_level(tx, arbitrator_key, pair, end).await? {
            return ArbiterLevel::of_pair(level).ok_or_else(|| Error::broken(format!("level {level}")));
        }
    }
    let words = "The arbitrator's key has served all the pairs it can. The operator must ask for a new one; nothing was changed.";
    Err(Refusal::new(RefusalKind::Unavailable, words).into())
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
