//! Children that pay for a payout, brought by who owns an output of it.

use bitcoin::{Amount, Txid, hashes::Hash};
use jiff::Timestamp;

use super::trades::txid as read_txid;
use super::{GenericClient, StoreError, Stored, amount, sats};
use crate::domain::{Party, TradeId};

/// A signed child.
#[derive(Debug, Clone)]
pub struct ChildRow {
    pub txid: Txid,
    pub parent: Txid,
    pub vout: u32,
    pub party: Party,
    /// The signed transaction; read again by the same door before it is sent.
    pub raw: Vec<u8>,
    pub fee: Amount,
    pub brought_at: Timestamp,
}

const KEEP: &str = "
    INSERT INTO children (txid, trade, parent, vout, party, raw, fee_sat, brought_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (txid) DO NOTHING";

pub async fn keep(client: &impl GenericClient, trade: TradeId, child: &ChildRow) -> Stored<()> {
    let (txid, parent) = (child.txid.to_byte_array(), child.parent.to_byte_array());
    let vout = i32::try_from(child.vout).unwrap_or(i32::MAX);
    let (party, fee) = (child.party.as_str(), sats(child.fee));
    let statement = client.prepare_cached(KEEP).await?;
    client
        .execute(
            &statement,
            &[&txid.as_slice(), &trade.0, &parent.as_slice(), &vout, &party, &child.raw, &fee, &child.brought_at],
        )
        .await?;
    Ok(())
}

const OF_TRADE: &str = "
    SELECT txid, parent, vout, party, raw, fee_sat, brought_at FROM children
     WHERE trade = $1 ORDER BY brought_at, fee_sat";

/// All children of a trade's payouts, the latest last.
pub async fn of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<ChildRow>> {
    let rows = client.query(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?;
    rows.iter()
        .map(|row| {
            let (txid, parent): (Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let (vout, party): (i32, String) = (row.try_get(2)?, row.try_get(3)?);
            Ok(ChildRow {
                txid: read_txid(&txid)?,
                parent: read_txid(&parent)?,
                vout: u32::try_from(vout).unwrap_or_default(),
                party: Party::from_word(&party).ok_or_else(|| StoreError::Row(format!("party {party}")))?,
                raw: row.try_get(4)?,
                fee: amount(row.try_get(5)?)?,
                brought_at: row.try_get(6)?,
            })
        })
        .collect()
}
