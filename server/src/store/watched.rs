//! What the reader of the chain has to look for.

use std::collections::{BTreeSet, HashSet};

use bitcoin::{OutPoint, ScriptBuf, Txid};

use super::trades::txid;
use super::{GenericClient, StoreError, Stored};
use crate::domain::TradeId;

const UNDER_WAY: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text";

/// Everything below this number has ended: what it made can be seen by whoever asks after this.
pub async fn under_way(client: &impl GenericClient) -> Stored<String> {
    Ok(client.query_one(&client.prepare_cached(UNDER_WAY).await?, &[]).await?.try_get(0)?)
}

/// Scripts are read so many at a time: a desk has ever more of them, and the database gives up what takes too long.
pub const SCRIPTS_AT_ONCE: i64 = 20_000;

// What one transaction made comes whole, so the next page begins with the number after the last one's.
const SCRIPTS_SINCE: &str = "
    SELECT t.script_pubkey, t.made_in::text FROM trades t WHERE t.made_in >= $1::text::xid8
     ORDER BY t.made_in FETCH FIRST $2 ROWS WITH TIES";

/// Hands over the script of every escrow that was made by this transaction or a later one, so many at a time; `0` is all
/// there are. Every escrow ever made stays watched for ever. What is committed meanwhile may be missing.
pub async fn scripts_since(
    client: &impl GenericClient,
    since: &str,
    at_once: i64,
    mut each: impl FnMut(ScriptBuf) + Send,
) -> Stored<()> {
    let statement = client.prepare_cached(SCRIPTS_SINCE).await?;
    let mut since = since.to_owned();
    loop {
        let rows = client.query(&statement, &[&since, &at_once]).await?;
        for row in &rows {
            each(ScriptBuf::from_bytes(row.try_get(0)?));
        }
        let is_full = i64::try_from(rows.len()).unwrap_or(i64::MAX) >= at_once;
        let Some(last) = rows.last().filter(|_| is_full) else { return Ok(()) };
        since = number_after(last.try_get(1)?)?;
    }
}

fn number_after(transaction: &str) -> Stored<String> {
    let next = transaction.parse::<u64>().ok().and_then(|number| number.checked_add(1));
    Ok(next.ok_or_else(|| StoreError::Row(format!("a trade made by transaction {transaction}")))?.to_string())
}

/// Outputs and transactions to listen for.
#[derive(Debug, Default)]
pub struct Open {
    /// Outputs whose spends matter.
    pub outpoints: Vec<OutPoint>,
    /// What deposits are made of, with the deposit.
    pub inputs: Vec<(OutPoint, Txid)>,
    /// Transactions that are in no block yet.
    pub unconfirmed: Vec<Txid>,
}

const OPEN_OUTPUTS: &str = "
    SELECT txid, vout::bigint, block_height IS NULL, spent_by, spent_height IS NULL FROM deposits
     WHERE gone_at IS NULL AND (spent_height IS NULL OR spent_height > $1)";
const OPEN_INPUTS: &str = "
    SELECT DISTINCT i.txid, i.vout, i.deposit, CASE WHEN i.spent_height IS NULL THEN i.spent_by END
      FROM deposit_inputs i JOIN deposits d ON d.txid = i.deposit
     WHERE d.block_height > $1 OR (d.block_height IS NULL AND (d.gone_at IS NULL OR d.funding))";

/// Outputs that are not spent for good, what young deposits spend, and what waits for a block. A spend deeper than `deep`
/// is good.
pub async fn open(client: &impl GenericClient, deep: u32) -> Stored<Open> {
    let deep = i32::try_from(deep).unwrap_or(i32::MAX);
    let mut open = Open::default();
    for row in client.query(&client.prepare_cached(OPEN_OUTPUTS).await?, &[&deep]).await? {
        let outpoint = outpoint(&row)?;
        open.outpoints.push(outpoint);
        if row.try_get(2)? {
            open.unconfirmed.push(outpoint.txid);
        }
        let spent_by: Option<&[u8]> = row.try_get(3)?;
        if let Some(spent_by) = spent_by
            && row.try_get(4)?
        {
            open.unconfirmed.push(txid(spent_by)?);
        }
    }
    for row in client.query(&client.prepare_cached(OPEN_INPUTS).await?, &[&deep]).await? {
        open.inputs.push((outpoint(&row)?, txid(row.try_get(2)?)?));
        // What takes the place of a deposit, and waits, may vanish as well.
        open.unconfirmed.extend(row.try_get::<_, Option<&[u8]>>(3)?.map(txid).transpose()?);
    }
    Ok(open)
}

fn outpoint(row: &tokio_postgres::Row) -> Stored<OutPoint> {
    let vout: i64 = row.try_get(1)?;
    Ok(OutPoint { txid: txid(row.try_get(0)?)?, vout: u32::try_from(vout).unwrap_or_default() })
}

const BY_SCRIPT: &str = "SELECT id FROM trades WHERE script_pubkey = $1";

/// Whose escrow this is.
pub async fn trade_of(client: &impl GenericClient, script: &ScriptBuf) -> Stored<Option<TradeId>> {
    let row = client.query_opt(&client.prepare_cached(BY_SCRIPT).await?, &[&script.as_bytes()]).await?;
    row.map(|row| Ok(TradeId(row.try_get(0)?))).transpose()
}

/// Every payout address that is typed is looked for here, also by takes.
pub(super) const ESCROWS_AMONG: &str = "SELECT script_pubkey FROM trades WHERE script_pubkey = ANY ($1)";

/// Those of these scripts that are an escrow's, of whatever trade. Every escrow is P2WSH, hardly any other address is.
pub async fn escrows_among(client: &impl GenericClient, scripts: &[ScriptBuf]) -> Stored<HashSet<ScriptBuf>> {
    let scripts: Vec<&[u8]> = scripts.iter().filter(|one| one.is_p2wsh()).map(|script| script.as_bytes()).collect();
    if scripts.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = client.query(&client.prepare_cached(ESCROWS_AMONG).await?, &[&scripts]).await?;
    rows.iter().map(|row| Ok(ScriptBuf::from_bytes(row.try_get(0)?))).collect()
}

const OPEN_ESCROWS: &str =
    "SELECT id, script_pubkey FROM trades WHERE stage NOT IN ('completed', 'cancelled') ORDER BY id";

/// The escrows where something is, or is expected.
pub async fn open_escrows(client: &impl GenericClient) -> Stored<Vec<(TradeId, ScriptBuf)>> {
    let rows = client.query(&client.prepare_cached(OPEN_ESCROWS).await?, &[]).await?;
    rows.iter().map(|row| Ok((TradeId(row.try_get(0)?), ScriptBuf::from_bytes(row.try_get(1)?)))).collect()
}

const WAIT_FOR_BLOCKS: &str = "
    SELECT id FROM trades WHERE stage = 'paying_out'
    UNION SELECT trade FROM deposits WHERE gone_at IS NULL AND (block_height > $1 OR spent_height > $1)
    UNION SELECT d.trade FROM deposits d JOIN trades t ON t.id = d.trade
           WHERE d.block_height IS NULL AND d.funding AND t.stage NOT IN ('completed', 'cancelled')";

/// The trades that one block more can change: those with something at the address, or gone from it, that is not as deep
/// as it can matter. Years of cancelled trades are not among them.
pub async fn wait_for_blocks(client: &impl GenericClient, deep: u32) -> Stored<Vec<TradeId>> {
    let deep = i32::try_from(deep).unwrap_or(i32::MAX);
    let rows = client.query(&client.prepare_cached(WAIT_FOR_BLOCKS).await?, &[&deep]).await?;
    rows.iter().map(|row| Ok(TradeId(row.try_get(0)?))).collect()
}

const UNDONE: &str = "
    SELECT DISTINCT i.deposit FROM deposit_inputs i
     WHERE i.spent_by <> i.deposit AND i.spent_height <= $2
       AND i.deposit IN (SELECT txid FROM deposits WHERE trade = $1 AND funding)";

/// Those transactions of the trade's funding set of which an input was spent elsewhere, in this block or a deeper one.
pub async fn undone(client: &impl GenericClient, trade: TradeId, deep: u32) -> Stored<BTreeSet<Txid>> {
    let deep = i32::try_from(deep).unwrap_or(i32::MAX);
    let rows = client.query(&client.prepare_cached(UNDONE).await?, &[&trade.0, &deep]).await?;
    rows.iter().map(|row| txid(row.try_get(0)?)).collect()
}
