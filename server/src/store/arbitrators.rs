//! Arbitrators: their appointment, public record, drill and duty.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::bundle::Value;
use super::{GenericClient, StoreError, Stored, hours};
use crate::domain::hours::Week;
use crate::domain::{KeyId, UserId};

/// An arbitrator as he stands.
#[derive(Debug, Clone)]
pub struct ArbitratorRow {
    pub account: UserId,
    pub name: String,
    /// How to reach him without the desk.
    pub contact: String,
    pub exposure_limit_sat: i64,
    pub appointed_at: Timestamp,
    pub dismissed_at: Option<Timestamp>,
    pub key: Option<KeyId>,
    pub record_hash: Option<Vec<u8>>,
    pub drilled_at: Option<Timestamp>,
}

/// An arbitrator who may be drawn now.
#[derive(Debug, Clone)]
pub struct OnDutyRow {
    pub account: UserId,
    pub name: String,
    pub key: KeyId,
    pub key_text: String,
    pub record_text: String,
    pub record_hash: [u8; 32],
    /// What is missing to his exposure limit.
    pub room_sat: i64,
    /// His working hours; none: day and night.
    pub hours: Option<Week>,
    /// The lowest level above all that his key was given.
    pub next_level: i32,
}

const APPOINT: &str = "
    INSERT INTO arbitrators (account, contact, exposure_limit_sat, appointed_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account) DO UPDATE
       SET contact = excluded.contact, exposure_limit_sat = excluded.exposure_limit_sat,
           appointed_at = excluded.appointed_at, dismissed_at = NULL,
           key = NULL, record_text = NULL, record_hash = NULL, drilled_at = NULL, drill = NULL";

/// Appoints, or appoints anew: then with nothing left of what he showed before.
pub async fn appoint(
    client: &impl GenericClient,
    account: UserId,
    contact: &str,
    exposure_limit_sat: i64,
    now: Timestamp,
) -> Stored<()> {
    let statement = client.prepare_cached(APPOINT).await?;
    client.execute(&statement, &[&account.0, &contact, &exposure_limit_sat, &now]).await?;
    Ok(())
}

const DISMISS: &str = "UPDATE arbitrators SET dismissed_at = $2 WHERE account = $1 AND dismissed_at IS NULL";

/// False when he was not in office.
pub async fn dismiss(client: &impl GenericClient, account: UserId, now: Timestamp) -> Stored<bool> {
    Ok(client.execute(&client.prepare_cached(DISMISS).await?, &[&account.0, &now]).await? == 1)
}

const BY_ACCOUNT: &str = "
    SELECT a.account, c.name, a.contact, a.exposure_limit_sat, a.appointed_at, a.dismissed_at, a.key, a.record_hash,
           a.drilled_at
      FROM arbitrators a JOIN accounts c ON c.id = a.account WHERE a.account = $1";

pub async fn by_account(client: &impl GenericClient, account: UserId) -> Stored<Option<ArbitratorRow>> {
    let row = client.query_opt(&client.prepare_cached(BY_ACCOUNT).await?, &[&account.0]).await?;
    row.as_ref().map(read).transpose()
}

const IN_OFFICE: &str = "
    SELECT a.account, c.name, a.contact, a.exposure_limit_sat, a.appointed_at, a.dismissed_at, a.key, a.record_hash,
           a.drilled_at
      FROM arbitrators a JOIN accounts c ON c.id = a.account WHERE a.dismissed_at IS NULL ORDER BY c.name";

/// Everybody appointed and not dismissed, on duty or not.
pub async fn in_office(client: &impl GenericClient) -> Stored<Vec<ArbitratorRow>> {
    client.query(&client.prepare_cached(IN_OFFICE).await?, &[]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Stored<ArbitratorRow> {
    Ok(ArbitratorRow {
        account: UserId(row.try_get(0)?),
        name: row.try_get(1)?,
        contact: row.try_get(2)?,
        exposure_limit_sat: row.try_get(3)?,
        appointed_at: row.try_get(4)?,
        dismissed_at: row.try_get(5)?,
        key: row.try_get::<_, Option<_>>(6)?.map(KeyId),
        record_hash: row.try_get(7)?,
        drilled_at: row.try_get(8)?,
    })
}

const KEEP_RECORD: &str = "
    INSERT INTO arbitrator_records (hash, key, text, made_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const SET_RECORD: &str = "
    UPDATE arbitrators SET key = $2, record_text = $3, record_hash = $4, drilled_at = NULL, drill = NULL
     WHERE account = $1";

/// A new key and the record made of it; the drill of another key counts no more.
pub async fn set_record(
    client: &impl GenericClient,
    account: UserId,
    key: KeyId,
    (text, hash): (&str, &[u8; 32]),
    now: Timestamp,
) -> Stored<()> {
    let statement = client.prepare_cached(KEEP_RECORD).await?;
    client.execute(&statement, &[&hash.as_slice(), &key.0, &text, &now]).await?;
    let statement = client.prepare_cached(SET_RECORD).await?;
    client.execute(&statement, &[&account.0, &key.0, &text, &hash.as_slice()]).await?;
    Ok(())
}

const RECORD: &str = "
    SELECT r.text, k.text FROM arbitrator_records r JOIN signing_keys k ON k.id = r.key WHERE r.hash = $1";

/// A record by its hash, with the text of the key it was made of.
pub async fn record(client: &impl GenericClient, hash: &[u8; 32]) -> Stored<Option<(String, String)>> {
    let row = client.query_opt(&client.prepare_cached(RECORD).await?, &[&hash.as_slice()]).await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

const DRILLED: &str = "UPDATE arbitrators SET drilled_at = $3, drill = $4 WHERE account = $1 AND key = $2";

/// A drill was signed with this key. False when it is not his key any more.
pub async fn set_drill(
    client: &impl GenericClient,
    account: UserId,
    key: KeyId,
    now: Timestamp,
    drill: &[u8],
) -> Stored<bool> {
    let statement = client.prepare_cached(DRILLED).await?;
    Ok(client.execute(&statement, &[&account.0, &key.0, &now, &drill]).await? == 1)
}

// Levels are never given back. After a restore they begin above what may be lost.
pub(super) const ON_DUTY: &str = "
    SELECT a.account, c.name, a.key, k.text, a.record_text, a.record_hash, a.exposure_limit_sat - e.sat, c.hours,
           greatest((SELECT coalesce(max(l.p) + 1, 0) FROM arbitrator_levels l WHERE l.arbitrator_key = a.key),
                    (SELECT coalesce(max(f.floor), 0) FROM numbering_floors f
                      WHERE f.public_key IN (k.public_key, ''::bytea)))
      FROM arbitrators a JOIN accounts c ON c.id = a.account JOIN signing_keys k ON k.id = a.key
     CROSS JOIN LATERAL (SELECT coalesce(sum(x.sat), 0)::bigint AS sat FROM arbitrator_exposure x
                          WHERE x.arbitrator = a.account) AS e
     WHERE a.dismissed_at IS NULL AND c.suspended_at IS NULL AND a.drilled_at > $1
       AND k.retired_at IS NULL AND k.displaced_at IS NULL
     ORDER BY c.name";

/// Who is on duty: in office and drilled since then; by name. Whoever has no room is not drawn.
pub async fn on_duty(client: &impl GenericClient, drilled_since: Timestamp) -> Stored<Vec<OnDutyRow>> {
    let rows = client.query(&client.prepare_cached(ON_DUTY).await?, &[&drilled_since]).await?;
    rows.iter()
        .map(|row| {
            let hash: Vec<u8> = row.try_get(5)?;
            Ok(OnDutyRow {
                account: UserId(row.try_get(0)?),
                name: row.try_get(1)?,
                key: KeyId(row.try_get(2)?),
                key_text: row.try_get(3)?,
                record_text: row.try_get(4)?,
                record_hash: hash.try_into().map_err(|_| StoreError::Row("a record's hash has 32 bytes".into()))?,
                room_sat: row.try_get(6)?,
                hours: row.try_get::<_, Option<_>>(7)?.map(hours::read).transpose()?,
                next_level: row.try_get(8)?,
            })
        })
        .collect()
}

/// Two public keys, the lower first.
pub type KeyPair = [[u8; 33]; 2];

/// A level of an arbitrator's key, and the pair of trader keys that has it.
#[derive(Debug, Clone, Copy)]
pub struct Level {
    pub arbitrator_key: KeyId,
    pub pair: KeyPair,
    pub p: i32,
}

// A look into the index for each of them: any other way PostgreSQL reads more.
pub(super) const LEVELS: &str = "
    SELECT a.key, low, high, (SELECT l.p FROM arbitrator_levels l
                               WHERE l.arbitrator_key = a.key AND l.key_low = low AND l.key_high = high)
      FROM (SELECT least(one, other) AS low, greatest(one, other) AS high
              FROM (SELECT (SELECT k.public_key FROM signing_keys k WHERE k.id = pairs.one) AS one,
                           (SELECT k.public_key FROM signing_keys k WHERE k.id = pairs.other) AS other
                      FROM unnest($1::uuid[], $2::uuid[]) AS pairs (one, other)
                    OFFSET 0) AS keys
            OFFSET 0) AS pairs
     CROSS JOIN arbitrators a WHERE a.key IS NOT NULL AND a.dismissed_at IS NULL AND low < high";

/// The levels that these pairs of trader keys have with arbitrators' keys of today.
pub async fn levels(client: &impl GenericClient, pairs: &[[KeyId; 2]]) -> Stored<Vec<Level>> {
    let (ones, others): (Vec<Uuid>, Vec<Uuid>) = pairs.iter().map(|[one, other]| (one.0, other.0)).unzip();
    let key = |row: &Row, at: usize| -> Stored<[u8; 33]> {
        let key: &[u8] = row.try_get(at)?;
        key.try_into().map_err(|_| StoreError::Row("a public key has 33 bytes".into()))
    };
    let level = |row: &Row| -> Stored<Option<Level>> {
        let Some(p) = row.try_get(3)? else { return Ok(None) };
        Ok(Some(Level { arbitrator_key: KeyId(row.try_get(0)?), pair: [key(row, 1)?, key(row, 2)?], p }))
    };
    let rows = client.query(&client.prepare_cached(LEVELS).await?, &[&ones, &others]).await?;
    rows.iter().filter_map(|row| level(row).transpose()).collect()
}

pub(super) const GIVE_LEVELS: &str = "
    INSERT INTO arbitrator_levels (arbitrator_key, key_low, key_high, p)
    SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::integer[])";

/// Gives levels to pairs; one that somebody else has given meanwhile is refused, see [`super::takes::is_overtaken`].
pub(super) fn values_of_levels(levels: &[Level]) -> Vec<Value<'_>> {
    let keys: Vec<Uuid> = levels.iter().map(|level| level.arbitrator_key.0).collect();
    let (lows, highs): (Vec<&[u8]>, Vec<&[u8]>) =
        levels.iter().map(|Level { pair: [low, high], .. }| (low.as_slice(), high.as_slice())).unzip();
    let places: Vec<i32> = levels.iter().map(|level| level.p).collect();
    vec![Box::new(keys), Box::new(lows), Box::new(highs), Box::new(places)]
}
