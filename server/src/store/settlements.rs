//! Splits the traders propose to each other.

use bitcoin::Amount;
use jiff::Timestamp;

use super::{GenericClient, StoreError, Stored, amount, sats};
use crate::domain::{SettlementId, Side, TradeId};

#[derive(Debug, Clone)]
pub struct SettlementRow {
    pub id: SettlementId,
    pub proposer: Side,
    pub buyer: Amount,
    pub seller: Amount,
    pub note: String,
    pub proposed_at: Timestamp,
    pub accepted: bool,
}

const PROPOSE: &str = "
    INSERT INTO settlements (id, trade, proposer, buyer_sat, seller_sat, note, proposed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub async fn propose(client: &impl GenericClient, trade: TradeId, new: &SettlementRow) -> Stored<()> {
    let statement = client.prepare_cached(PROPOSE).await?;
    let proposer = new.proposer.as_str();
    client
        .execute(
            &statement,
            &[&new.id.0, &trade.0, &proposer, &sats(new.buyer), &sats(new.seller), &new.note, &new.proposed_at],
        )
        .await?;
    Ok(())
}

const LIVE: &str = "
    SELECT id, proposer, buyer_sat, seller_sat, note, proposed_at, accepted_at IS NOT NULL FROM settlements
     WHERE trade = $1 AND withdrawn_at IS NULL AND lapsed_at IS NULL ORDER BY accepted_at NULLS LAST, proposed_at";

/// Proposals that stand; an accepted one comes first.
pub async fn live(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<SettlementRow>> {
    let rows = client.query(&client.prepare_cached(LIVE).await?, &[&trade.0]).await?;
    rows.iter()
        .map(|row| {
            let proposer: String = row.try_get(1)?;
            Ok(SettlementRow {
                id: SettlementId(row.try_get(0)?),
                proposer: Side::from_word(&proposer).ok_or_else(|| StoreError::Row(format!("side {proposer}")))?,
                buyer: amount(row.try_get(2)?)?,
                seller: amount(row.try_get(3)?)?,
                note: row.try_get(4)?,
                proposed_at: row.try_get(5)?,
                accepted: row.try_get(6)?,
            })
        })
        .collect()
}

const ACCEPT: &str = "UPDATE settlements SET accepted_at = $2 WHERE id = $1";

pub async fn accept(client: &impl GenericClient, id: SettlementId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(ACCEPT).await?, &[&id.0, &at]).await?;
    Ok(())
}

const WITHDRAW_OF: &str = "
    UPDATE settlements SET withdrawn_at = $3
     WHERE trade = $1 AND proposer = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL AND lapsed_at IS NULL";

/// Takes back what this side proposes; true if there was something.
pub async fn withdraw_of(client: &impl GenericClient, trade: TradeId, proposer: Side, at: Timestamp) -> Stored<bool> {
    let statement = client.prepare_cached(WITHDRAW_OF).await?;
    Ok(client.execute(&statement, &[&trade.0, &proposer.as_str(), &at]).await? > 0)
}

const LAPSE: &str = "
    UPDATE settlements SET lapsed_at = $2
     WHERE trade = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL AND lapsed_at IS NULL";

/// Unaccepted proposals end with the stage they were made in.
pub async fn lapse(client: &impl GenericClient, trade: TradeId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(LAPSE).await?, &[&trade.0, &at]).await?;
    Ok(())
}

const FORGET: &str =
    "UPDATE settlements SET accepted_at = NULL, lapsed_at = $2 WHERE trade = $1 AND accepted_at IS NOT NULL";

/// What was accepted was over outputs that are not there any more.
pub async fn forget(client: &impl GenericClient, trade: TradeId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(FORGET).await?, &[&trade.0, &at]).await?;
    Ok(())
}
