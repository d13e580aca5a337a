//! Conflicts of interest, as arbitrators declared them; and trades whose arbitrator is missing.

use jiff::Timestamp;

use super::{GenericClient, StoreError, Stored};
use crate::domain::{PublicRef, TradeId, UserId};

/// A declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRow {
    pub with_buyer: bool,
    pub with_seller: bool,
    pub why: String,
    pub at: Timestamp,
}

const DECLARE: &str = "
    INSERT INTO conflicts (trade, arbitrator, with_buyer, with_seller, why, at, buyer, seller)
    SELECT id, $2, $3, $4, $5, $6, CASE WHEN $3 THEN buyer END, CASE WHEN $4 THEN seller END FROM trades WHERE id = $1
    ON CONFLICT DO NOTHING";

/// False when it was declared before.
pub async fn declare(
    client: &impl GenericClient,
    trade: TradeId,
    arbitrator: UserId,
    new: &ConflictRow,
) -> Stored<bool> {
    let statement = client.prepare_cached(DECLARE).await?;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&trade.0, &arbitrator.0, &new.with_buyer, &new.with_seller, &new.why, &new.at];
    Ok(client.execute(&statement, &values).await? == 1)
}

const OF_TRADE: &str = "SELECT with_buyer, with_seller, why, at FROM conflicts WHERE trade = $1";

pub async fn of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Option<ConflictRow>> {
    let row = client.query_opt(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?;
    row.map(|row| {
        Ok(ConflictRow {
            with_buyer: row.try_get(0)?,
            with_seller: row.try_get(1)?,
            why: row.try_get(2)?,
            at: row.try_get(3)?,
        })
    })
    .transpose()
}

/// A declaration in a trade that still runs, for the operator.
#[derive(Debug, Clone)]
pub struct OpenConflict {
    pub trade: PublicRef,
    pub stage: String,
    pub arbitrator: String,
    pub buyer: String,
    pub seller: String,
    pub at: Timestamp,
}

const OPEN: &str = "
    SELECT t.reference, t.stage, a.name, b.name, s.name, c.at
      FROM conflicts c JOIN trades t ON t.id = c.trade JOIN accounts a ON a.id = c.arbitrator
      JOIN accounts b ON b.id = t.buyer JOIN accounts s ON s.id = t.seller
     WHERE t.stage NOT IN ('completed', 'cancelled') ORDER BY c.at LIMIT 50";

/// Trades that run with an arbitrator who has declared a conflict, the oldest first.
pub async fn open(client: &impl GenericClient) -> Stored<Vec<OpenConflict>> {
    let rows = client.query(&client.prepare_cached(OPEN).await?, &[]).await?;
    rows.iter()
        .map(|row| {
            let reference: String = row.try_get(0)?;
            Ok(OpenConflict {
                trade: reference.parse().map_err(|_| StoreError::Row(format!("trade reference {reference}")))?,
                stage: row.try_get(1)?,
                arbitrator: row.try_get(2)?,
                buyer: row.try_get(3)?,
                seller: row.try_get(4)?,
                at: row.try_get(5)?,
            })
        })
        .collect()
}

const WITHOUT_ARBITRATOR: &str = "
    SELECT t.id FROM trades t JOIN arbitrators a ON a.account = t.arbitrator
     WHERE t.stage IN ('proposed', 'awaiting_deposit')
       AND (a.dismissed_at IS NOT NULL OR a.drilled_at IS NULL OR a.drilled_at <= $1)
     ORDER BY t.id";

/// Trades without a deposit whose arbitrator is dismissed, or has not drilled since then.
pub async fn without_arbitrator(client: &impl GenericClient, drilled_since: Timestamp) -> Stored<Vec<TradeId>> {
    let rows = client.query(&client.prepare_cached(WITHOUT_ARBITRATOR).await?, &[&drilled_since]).await?;
    rows.iter().map(|row| Ok(TradeId(row.try_get(0)?))).collect()
}
