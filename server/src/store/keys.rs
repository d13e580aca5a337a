//! Signing keys (account xpubs), and every index they were ever given.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::bundle::Value;
use super::{GenericClient, Stored};
use crate::domain::{KeyId, TradeId, UserId};

/// A registered key.
#[derive(Debug, Clone)]
pub struct KeyRow {
    pub id: KeyId,
    pub account: UserId,
    /// `browser` or `wallet`.
    pub kind: String,
    /// `[fingerprint/48'/coin'/account'/2']xpub`.
    pub text: String,
    /// The encrypted key file of a browser key.
    pub key_file: Option<String>,
    pub created_at: Timestamp,
    pub proved_at: Option<Timestamp>,
    pub displaced_at: Option<Timestamp>,
    pub retired_at: Option<Timestamp>,
}

impl KeyRow {
    /// New trades may be made with it.
    pub fn is_in_use(&self) -> bool {
        self.displaced_at.is_none() && self.retired_at.is_none()
    }
}

/// A key to be registered.
#[derive(Debug)]
pub struct NewKey<'a> {
    pub id: KeyId,
    pub account: UserId,
    pub text: &'a str,
    pub fingerprint: [u8; 4],
    pub account_number: i32,
    pub public_key: [u8; 33],
    pub chain_code: [u8; 32],
    /// What is kept of it beside its text.
    pub unpacked: Option<&'a [u8]>,
    /// With a file it is a browser key, without one a wallet's.
    pub key_file: Option<&'a str>,
    pub created_at: Timestamp,
}

const INSERT: &str = "
    INSERT INTO signing_keys (id, account, kind, text, fingerprint, account_number, public_key, chain_code, unpacked,
                              key_file, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (account, public_key, chain_code) DO NOTHING";

/// False when this account has registered this key before.
pub async fn insert(client: &impl GenericClient, new: &NewKey<'_>) -> Stored<bool> {
    let statement = client.prepare_cached(INSERT).await?;
    let kind = if new.key_file.is_some() { "browser" } else { "wallet" };
    let inserted = client
        .execute(
            &statement,
            &[
                &new.id.0,
                &new.account.0,
                &kind,
                &new.text,
                &new.fingerprint.as_slice(),
                &new.account_number,
                &new.public_key.as_slice(),
                &new.chain_code.as_slice(),
                &new.unpacked,
                &new.key_file,
                &new.created_at,
            ],
        )
        .await?;
    Ok(inserted == 1)
}

const OF_ACCOUNT: &str = "
    SELECT id, account, kind, text, key_file, created_at, proved_at, displaced_at, retired_at
      FROM signing_keys WHERE account = $1 ORDER BY created_at DESC, id DESC";

/// All keys of an account, the newest first.
pub async fn of_account(client: &impl GenericClient, account: UserId) -> Stored<Vec<KeyRow>> {
    let rows = client.query(&client.prepare_cached(OF_ACCOUNT).await?, &[&account.0]).await?;
    rows.iter().map(read).collect()
}

const BY_ID: &str = "
    SELECT id, account, kind, text, key_file, created_at, proved_at, displaced_at, retired_at
      FROM signing_keys WHERE id = $1";

pub async fn by_id(client: &impl GenericClient, id: KeyId) -> Stored<Option<KeyRow>> {
    let row = client.query_opt(&client.prepare_cached(BY_ID).await?, &[&id.0]).await?;
    row.as_ref().map(read).transpose()
}

// After a restore indexes begin above what may be lost.
pub(super) const FOR_TAKES: &str = "
    SELECT k.id, k.account, k.kind, k.text, NULL::text, k.created_at, k.proved_at, k.displaced_at, k.retired_at,
           k.public_key, k.unpacked, ARRAY(SELECT u.n FROM key_uses u WHERE u.public_key = k.public_key),
           (SELECT coalesce(max(f.floor), 0) FROM numbering_floors f WHERE f.public_key IN (k.public_key, ''::bytea))
      FROM (SELECT * FROM signing_keys WHERE account = ANY ($1)
             UNION ALL
            SELECT * FROM signing_keys WHERE id = ANY ($2) AND account <> ALL ($1)) AS k";

/// A key that a take may be made with, and its indexes.
#[derive(Debug)]
pub struct HeldKey {
    /// Without its file.
    pub row: KeyRow,
    pub public_key: Vec<u8>,
    /// What was kept of it beside its text.
    pub unpacked: Option<Vec<u8>>,
    /// The indexes that it was ever given.
    pub used: Vec<i32>,
    /// It is given none below this.
    pub floor: i32,
}

/// All keys of takers, and the ones of makers. Their indexes are true as long as their accounts are held (see
/// [`super::takes::hold_people`]).
pub async fn for_takes(client: &impl GenericClient, takers: &[UserId], makers: &[KeyId]) -> Stored<Vec<HeldKey>> {
    let takers: Vec<Uuid> = takers.iter().map(|id| id.0).collect();
    let makers: Vec<Uuid> = makers.iter().map(|id| id.0).collect();
    let held = |row: &Row| -> Stored<HeldKey> {
        Ok(HeldKey {
            row: read(row)?,
            public_key: row.try_get(9)?,
            unpacked: row.try_get(10)?,
            used: row.try_get(11)?,
            floor: row.try_get(12)?,
        })
    };
    client.query(&client.prepare_cached(FOR_TAKES).await?, &[&takers, &makers]).await?.iter().map(held).collect()
}

const OWN: &str = "
    SELECT id, account, kind, text, key_file, created_at, proved_at, displaced_at, retired_at
      FROM signing_keys WHERE account = $1 AND public_key = $2 AND chain_code = $3";

/// This account's row of this key.
pub async fn own(
    client: &impl GenericClient,
    account: UserId,
    public_key: &[u8; 33],
    chain_code: &[u8; 32],
) -> Stored<Option<KeyRow>> {
    let statement = client.prepare_cached(OWN).await?;
    let row = client.query_opt(&statement, &[&account.0, &public_key.as_slice(), &chain_code.as_slice()]).await?;
    row.as_ref().map(read).transpose()
}

/// Who else stands in the way of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rivals {
    /// Another account has proved that it holds this key: its public key, whatever chain code is written beside it.
    pub proved_elsewhere: bool,
    /// It is the key of an arbitrator, now or once.
    pub of_an_arbitrator: bool,
    /// An arbitrator's key comes from a wallet with this fingerprint.
    pub arbitrators_fingerprint: bool,
    /// Another account's key comes from a wallet with this fingerprint.
    pub anyones_fingerprint: bool,
    /// The key was given to a trade, so others know it.
    pub was_used: bool,
}

const RIVALS: &str = "
    SELECT EXISTS (SELECT 1 FROM signing_keys
                    WHERE public_key = $2 AND account <> $1 AND proved_at IS NOT NULL),
           EXISTS (SELECT 1 FROM arbitrator_records r JOIN signing_keys k ON k.id = r.key
                    WHERE k.public_key = $2 AND k.account <> $1),
           EXISTS (SELECT 1 FROM arbitrator_records r JOIN signing_keys k ON k.id = r.key
                    WHERE k.fingerprint = $3 AND k.account <> $1),
           EXISTS (SELECT 1 FROM signing_keys WHERE fingerprint = $3 AND account <> $1),
           EXISTS (SELECT 1 FROM key_uses WHERE public_key = $2)";

pub async fn rivals(client: &impl GenericClient, new: &NewKey<'_>) -> Stored<Rivals> {
    let statement = client.prepare_cached(RIVALS).await?;
    let row = client
        .query_one(&statement, &[&new.account.0, &new.public_key.as_slice(), &new.fingerprint.as_slice()])
        .await?;
    Ok(Rivals {
        proved_elsewhere: row.try_get(0)?,
        of_an_arbitrator: row.try_get(1)?,
        arbitrators_fingerprint: row.try_get(2)?,
        anyones_fingerprint: row.try_get(3)?,
        was_used: row.try_get(4)?,
    })
}

const LOCK_FINGERPRINT: &str = "SELECT pg_advisory_xact_lock(hashtextextended('fingerprint ' || encode($1, 'hex'), 0))";

/// Registrations of keys with the same fingerprint wait for one another until the transaction ends.
pub async fn lock_fingerprint(client: &impl GenericClient, fingerprint: [u8; 4]) -> Stored<()> {
    client.query_one(&client.prepare_cached(LOCK_FINGERPRINT).await?, &[&fingerprint.as_slice()]).await?;
    Ok(())
}

const SET_FILE: &str = "UPDATE signing_keys SET kind = 'browser', key_file = $2 WHERE id = $1";

/// From now on the browser can unlock this key.
pub async fn set_file(client: &impl GenericClient, id: KeyId, key_file: &str) -> Stored<()> {
    client.execute(&client.prepare_cached(SET_FILE).await?, &[&id.0, &key_file]).await?;
    Ok(())
}

const RETIRE: &str = "UPDATE signing_keys SET retired_at = $3 WHERE account = $1 AND id = $2";

/// With a time retired, without one in use again. False when it is not this account's.
pub async fn set_retired(
    client: &impl GenericClient,
    account: UserId,
    id: KeyId,
    at: Option<Timestamp>,
) -> Stored<bool> {
    Ok(client.execute(&client.prepare_cached(RETIRE).await?, &[&account.0, &id.0, &at]).await? == 1)
}

const RETIRE_ALL: &str = "UPDATE signing_keys SET retired_at = $2 WHERE account = $1 AND retired_at IS NULL";

pub async fn retire_all(client: &impl GenericClient, account: UserId, now: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(RETIRE_ALL).await?, &[&account.0, &now]).await?;
    Ok(())
}

const LOCK_KEY: &str = "
    SELECT pg_advisory_xact_lock(hashtextextended('key ' || encode(public_key, 'hex'), 0))
      FROM signing_keys WHERE id = $1";
const PROVE: &str = "
    UPDATE signing_keys mine SET proved_at = $2
     WHERE id = $1 AND proved_at IS NULL AND displaced_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM signing_keys other
                        WHERE other.public_key = mine.public_key AND other.id <> mine.id
                          AND other.proved_at IS NOT NULL)";
const DISPLACE: &str = "
    UPDATE signing_keys other SET displaced_at = $2
      FROM signing_keys mine
     WHERE mine.id = $1 AND other.id <> mine.id AND other.public_key = mine.public_key
       AND other.proved_at IS NULL AND other.displaced_at IS NULL";

/// Marks a claim as proved and displaces the other claims to its public key: indexes are counted by that, and a claim
/// with an invented chain code would use them up. Nothing happens to a key that is proved already.
pub async fn prove(client: &impl GenericClient, id: KeyId, now: Timestamp) -> Stored<()> {
    client.query(&client.prepare_cached(LOCK_KEY).await?, &[&id.0]).await?;
    if client.execute(&client.prepare_cached(PROVE).await?, &[&id.0, &now]).await? == 1 {
        client.execute(&client.prepare_cached(DISPLACE).await?, &[&id.0, &now]).await?;
    }
    Ok(())
}

/// An index that a trade gives to a key.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    pub public_key: [u8; 33],
    pub n: i32,
    pub trade: TradeId,
}

pub(super) const USE: &str = "
    INSERT INTO key_uses (public_key, n, trade) SELECT * FROM unnest($1::bytea[], $2::integer[], $3::uuid[])";

/// Gives indexes to keys; a key that was ever given the same is refused.
pub(super) fn values_of_uses(uses: &[Use]) -> Vec<Value<'_>> {
    let keys: Vec<&[u8]> = uses.iter().map(|one| one.public_key.as_slice()).collect();
    let (numbers, trades): (Vec<i32>, Vec<Uuid>) = uses.iter().map(|one| (one.n, one.trade.0)).unzip();
    vec![Box::new(keys), Box::new(numbers), Box::new(trades)]
}

const USES: &str = "SELECT count(*) FROM key_uses u JOIN signing_keys k USING (public_key) WHERE k.id = $1";

/// How many trades a key was given to.
pub async fn uses(client: &impl GenericClient, id: KeyId) -> Stored<i64> {
    Ok(client.query_one(&client.prepare_cached(USES).await?, &[&id.0]).await?.try_get(0)?)
}

fn read(row: &Row) -> Stored<KeyRow> {
    Ok(KeyRow {
        id: KeyId(row.try_get(0)?),
        account: UserId(row.try_get(1)?),
        kind: row.try_get(2)?,
        text: row.try_get(3)?,
        key_file: row.try_get(4)?,
        created_at: row.try_get(5)?,
        proved_at: row.try_get(6)?,
        displaced_at: row.try_get(7)?,
        retired_at: row.try_get(8)?,
    })
}
