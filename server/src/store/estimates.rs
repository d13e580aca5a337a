//! What the node last said of fee rates.

use bitcoin::FeeRate;
use jiff::Timestamp;

use super::{GenericClient, StoreError, Stored};

const TELL: &str = "
    INSERT INTO fee_estimates (target_blocks, sat_per_kwu, told_at) VALUES ($1, $2, $3)
    ON CONFLICT (target_blocks) DO UPDATE SET sat_per_kwu = $2, told_at = $3";

pub async fn tell(client: &impl GenericClient, target_blocks: u16, rate: FeeRate, at: Timestamp) -> Stored<()> {
    let rate = i64::try_from(rate.to_sat_per_kwu()).unwrap_or(i64::MAX);
    client.execute(&client.prepare_cached(TELL).await?, &[&i32::from(target_blocks), &rate, &at]).await?;
    Ok(())
}

/// One estimate.
#[derive(Debug, Clone, Copy)]
pub struct EstimateRow {
    pub target_blocks: u16,
    pub rate: FeeRate,
    pub told_at: Timestamp,
}

const ALL: &str = "SELECT target_blocks, sat_per_kwu, told_at FROM fee_estimates ORDER BY target_blocks";

pub async fn all(client: &impl GenericClient) -> Stored<Vec<EstimateRow>> {
    let rows = client.query(&client.prepare_cached(ALL).await?, &[]).await?;
    rows.iter()
        .map(|row| {
            let (target, rate): (i32, i64) = (row.try_get(0)?, row.try_get(1)?);
            let odd = |_| StoreError::Row(format!("an estimate of {rate} for {target} blocks"));
            Ok(EstimateRow {
                target_blocks: u16::try_from(target).map_err(odd)?,
                rate: FeeRate::from_sat_per_kwu(u64::try_from(rate).map_err(odd)?),
                told_at: row.try_get(2)?,
            })
        })
        .collect()
}
