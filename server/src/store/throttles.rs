//! Token buckets in the database, so that several servers count together.

use jiff::Timestamp;

use super::{GenericClient, Stored};

/// How a bucket fills.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    pub capacity: f64,
    pub tokens_per_second: f64,
}

const TAKE: &str = "
    INSERT INTO throttles AS t (bucket, tokens, refilled_at) VALUES ($1, $2::float8 - 1, $4::timestamptz)
    ON CONFLICT (bucket) DO UPDATE
       SET tokens = LEAST($2::float8, t.tokens + GREATEST(0, extract(epoch FROM $4::timestamptz - t.refilled_at)::float8) * $3::float8) - 1,
           refilled_at = GREATEST(t.refilled_at, $4::timestamptz)
     WHERE LEAST($2::float8, t.tokens + GREATEST(0, extract(epoch FROM $4::timestamptz - t.refilled_at)::float8) * $3::float8) >= 1
    RETURNING tokens";

/// Takes one token; false when the bucket is empty.
pub async fn take(client: &impl GenericClient, name: &str, bucket: Bucket, now: Timestamp) -> Stored<bool> {
    let statement = client.prepare_cached(TAKE).await?;
    let row = client.query_opt(&statement, &[&name, &bucket.capacity, &bucket.tokens_per_second, &now]).await?;
    Ok(row.is_some())
}

const GIVE_BACK: &str = "UPDATE throttles SET tokens = LEAST($2::float8, tokens + 1) WHERE bucket = $1";

pub async fn give_back(client: &impl GenericClient, name: &str, bucket: Bucket) -> Stored<()> {
    client.execute(&client.prepare_cached(GIVE_BACK).await?, &[&name, &bucket.capacity]).await?;
    Ok(())
}

const SWEEP: &str = "DELETE FROM throttles WHERE refilled_at < $1";

/// Removes buckets not touched since then.
pub async fn sweep(client: &impl GenericClient, before: Timestamp) -> Stored<u64> {
    Ok(client.execute(&client.prepare_cached(SWEEP).await?, &[&before]).await?)
}
