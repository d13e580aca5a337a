//! What the node says of fee rates, asked now and then and kept: a page or a payout never waits for the node.

use bitcoin::FeeRate;
use jiff::SignedDuration;

use super::Desk;
use super::error::{Done, Error};
use crate::escrow::{Contract, Pace};
use crate::store::GenericClient;
use crate::store::estimates::{self as store, EstimateRow};

/// From the next block to a week, which is as far as nodes estimate.
const TARGETS: [u16; 8] = [1, 2, 3, 6, 12, 36, 144, 1_008];

/// Estimates move by the block, and a block takes ten minutes.
const ASKED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Asks the node, if it is time to. A node that does not answer is told of elsewhere; what it said last stands.
pub async fn refresh(desk: &Desk) -> Done<()> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let known = store::all(&client).await?;
    // What was told at a time to come was told before the clock was put back.
    let is_fresh = |row: &EstimateRow| row.told_at <= now && now.duration_since(row.told_at) < ASKED_EVERY;
    if known.iter().any(is_fresh) {
        return Ok(());
    }
    for target in TARGETS {
        let Ok(rate) = desk.chain.fee_rate(target).await else { return Ok(()) };
        store::tell(&client, target, rate, now).await?;
    }
    Ok(())
}

/// What is expected now; of a node that never answered, the rate agreed in the contract.
pub(super) async fn pace(client: &impl GenericClient, contract: &Contract) -> Done<Pace> {
    let points =
        store::all(client).await?.into_iter().map(|EstimateRow { target_blocks, rate, .. }| (target_blocks, rate));
    let agreed = FeeRate::from_sat_per_vb(contract.feerate.into())
        .ok_or_else(|| Error::broken("the contract's feerate is beyond all bounds"))?;
    Ok(Pace::new(points).unwrap_or_else(|| Pace::of_one(agreed)))
}

/// How long a number of blocks is for a person.
pub fn in_words(blocks: Option<u16>) -> String {
    match blocks {
        Some(0 | 1) => "in the next block, about 10 minutes".into(),
        Some(blocks @ 2..6) => format!("within {blocks} blocks, about {} minutes", blocks * 10),
        Some(blocks @ 6..12) => format!("within {blocks} blocks, about an hour"),
        Some(blocks @ 12..144) => format!("within {blocks} blocks, about {} hours", blocks / 6),
        Some(blocks @ 144..288) => format!("within {blocks} blocks, about a day"),
        Some(blocks) => format!("within {blocks} blocks, about {} days", blocks / 144),
        None => "more than a week, perhaps never".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_told_in_blocks_and_in_hours() {
        let told = TARGETS.map(|target| in_words(Some(target)));
        assert_eq!(told[0], "in the next block, about 10 minutes");
        assert_eq!(told[2], "within 3 blocks, about 30 minutes");
        assert_eq!(told[3], "within 6 blocks, about an hour");
        assert_eq!(told[5], "within 36 blocks, about 6 hours");
        assert_eq!(told[7], "within 1008 blocks, about 7 days");
        assert_eq!(in_words(None), "more than a week, perhaps never");
    }
}
