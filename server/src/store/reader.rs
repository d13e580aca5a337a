//! Which of several servers reads the chain: whoever holds a lock of the database's, on a connection of its own, and
//! only as long as nobody has raised the epoch since.

use std::time::Duration;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use jiff::Timestamp;

use super::deposits::ReadTo;
use super::{Apart, GenericClient, Store, Stored};

/// The key of the advisory lock ("reader").
const READING_LOCK: i64 = 0x7265_6164_6572;

/// A connection that does not answer at once is as good as lost: somebody else may have the lock.
const ANSWER: Duration = Duration::from_secs(3);

/// A server that reads, or would. The lock is the connection's: it ends with it, however that ends.
#[derive(Debug)]
pub struct Candidate {
    connection: Apart,
}

/// A server whose machine vanished is noticed by PostgreSQL within some six seconds.
const NOTICE_SOON: &str = "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3; SET idle_session_timeout = 0";

impl Candidate {
    pub async fn enter(store: &Store) -> Stored<Self> {
        let connection = store.connection_apart().await?;
        connection.batch_execute(NOTICE_SOON).await?;
        Ok(Self { connection })
    }

    /// Ask once: a second lock of the same connection would count as well.
    pub async fn takes_the_lock(&self) -> Stored<bool> {
        const TRY: &str = "SELECT pg_try_advisory_lock($1)";
        Ok(self.connection.query_one(TRY, &[&READING_LOCK]).await?.try_get(0)?)
    }

    /// The connection answers, so the lock is still held.
    pub async fn is_there(&self) -> bool {
        const ANYTHING: &str = "SELECT 1";
        let answer = tokio::time::timeout(ANSWER, self.connection.query_one(ANYTHING, &[]));
        !self.connection.is_closed() && answer.await.is_ok_and(|answer| answer.is_ok())
    }
}

const TAKE_OVER: &str = "UPDATE chain_cursor SET epoch = epoch + 1 RETURNING epoch";

/// A new epoch of reading, if anything was read before.
pub async fn take_over(client: &impl GenericClient) -> Stored<Option<i64>> {
    let row = client.query_opt(&client.prepare_cached(TAKE_OVER).await?, &[]).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

const BEGIN: &str = "
    INSERT INTO chain_cursor (cursor, height, hash, tip_at, seen_at, trail, epoch) VALUES ($1, $2, $3, $4, $5, $6, 1)
    ON CONFLICT (one) DO UPDATE SET epoch = chain_cursor.epoch + 1 RETURNING epoch";

/// The first epoch: from here on the chain is read.
pub async fn begin(
    client: &impl GenericClient,
    from: &ReadTo<'_>,
    tip_at: Timestamp,
    seen_at: Timestamp,
) -> Stored<i64> {
    let (height, hash) = place(from.height, from.hash);
    let begun = client
        .query_one(
            &client.prepare_cached(BEGIN).await?,
            &[&from.cursor, &height, &hash.as_slice(), &tip_at, &seen_at, &from.trail],
        )
        .await?;
    Ok(begun.try_get(0)?)
}

const MOVE: &str = "
    UPDATE chain_cursor SET cursor = $2, height = $3, hash = $4, tip_at = $5, seen_at = $6, trail = $7 WHERE epoch = $1";
const STAY: &str = "UPDATE chain_cursor SET tip_at = $2, seen_at = $3 WHERE epoch = $1";

/// The chain was read up to here. False if somebody else reads by now: then nothing may be written. Call it first in the
/// transaction; it holds whoever would take over until the end.
pub async fn read_to(
    client: &impl GenericClient,
    epoch: i64,
    to: Option<&ReadTo<'_>>,
    tip_at: Timestamp,
    seen_at: Timestamp,
) -> Stored<bool> {
    let Some(to) = to else {
        return Ok(client.execute(&client.prepare_cached(STAY).await?, &[&epoch, &tip_at, &seen_at]).await? == 1);
    };
    let (height, hash) = place(to.height, to.hash);
    let moved = client
        .execute(
            &client.prepare_cached(MOVE).await?,
            &[&epoch, &to.cursor, &height, &hash.as_slice(), &tip_at, &seen_at, &to.trail],
        )
        .await?;
    Ok(moved == 1)
}

const FENCE: &str = "SELECT 1 FROM chain_cursor WHERE epoch = $1 FOR SHARE";

/// The same for what is written beside reading: nobody takes over before the transaction ends.
pub async fn still_reads(client: &impl GenericClient, epoch: i64) -> Stored<bool> {
    Ok(client.query_opt(&client.prepare_cached(FENCE).await?, &[&epoch]).await?.is_some())
}

fn place(height: u32, hash: BlockHash) -> (i32, [u8; 32]) {
    (i32::try_from(height).unwrap_or(i32::MAX), hash.to_byte_array())
}
