//! The transactions of deposits, and of what spends them: each once, however many escrow outputs it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::{Transaction, Txid, consensus, hashes::Hash};

use super::trades::txid;
use super::{GenericClient, StoreError, Stored};

/// By their ids.
pub type Known = BTreeMap<Txid, Arc<Transaction>>;

const KEEP: &str = "INSERT INTO deposit_transactions (txid, raw) VALUES ($1, $2) ON CONFLICT (txid) DO NOTHING";

pub async fn keep(client: &impl GenericClient, txid: Txid, transaction: &Transaction) -> Stored<()> {
    let (key, raw) = (txid.to_byte_array(), consensus::serialize(transaction));
    client.execute(&client.prepare_cached(KEEP).await?, &[&key.as_slice(), &raw]).await?;
    Ok(())
}

const OF: &str = "SELECT txid, raw FROM deposit_transactions WHERE txid = ANY ($1)";

/// Those of these that are kept. The ids may come in any order, and several times.
pub async fn of(client: &impl GenericClient, mut txids: Vec<Vec<u8>>) -> Stored<Known> {
    txids.sort();
    txids.dedup();
    if txids.is_empty() {
        return Ok(Known::new());
    }
    let rows = client.query(&client.prepare_cached(OF).await?, &[&txids]).await?;
    let read = |raw: &[u8]| {
        let transaction = consensus::deserialize(raw);
        transaction.map(Arc::new).map_err(|error| StoreError::Row(format!("a deposit's transaction: {error}")))
    };
    rows.iter().map(|row| Ok((txid(row.try_get(0)?)?, read(row.try_get(1)?)?))).collect()
}
