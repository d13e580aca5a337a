//! All contracts of a trade: the one in force, those it superseded, and what was proposed.

use bitcoin::Amount;
use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio_postgres::Row;

use super::{GenericClient, StoreError, Stored, sats};
use crate::domain::{Side, TradeId};

/// One contract of a trade.
#[derive(Debug, Clone)]
pub struct ContractRow {
    /// In the order they were made; the first is 0.
    pub number: i32,
    pub hash: Vec<u8>,
    /// `first`, or a word of [`AmendmentKind`](crate::domain::trade::AmendmentKind).
    pub kind: String,
    pub proposer: Option<Side>,
    pub text: String,
    pub made_at: Timestamp,
    /// When both signatures were in.
    pub in_force_at: Option<Timestamp>,
    pub withdrawn_at: Option<Timestamp>,
    pub lapsed_at: Option<Timestamp>,
}

impl ContractRow {
    /// It still waits for signatures.
    pub fn is_open(&self) -> bool {
        self.in_force_at.is_none() && self.withdrawn_at.is_none() && self.lapsed_at.is_none()
    }
}

/// A changed contract as it is proposed.
#[derive(Debug)]
pub struct NewContract<'a> {
    pub trade: TradeId,
    pub hash: &'a [u8],
    /// The hash of the contract it amends.
    pub amends: &'a [u8],
    pub kind: &'a str,
    pub proposer: Side,
    pub text: &'a str,
    pub at: Timestamp,
}

const ADD: &str = "
    INSERT INTO contracts (trade, number, hash, supersedes, kind, proposer, text, made_at)
    SELECT $1, count(*)::integer, $2, $3, $4, $5, $6, $7 FROM contracts WHERE trade = $1";

/// Keeps a proposal.
pub async fn add(client: &impl GenericClient, new: &NewContract<'_>) -> Stored<()> {
    let proposer = new.proposer.as_str();
    let statement = client.prepare_cached(ADD).await?;
    client
        .execute(&statement, &[&new.trade.0, &new.hash, &new.amends, &new.kind, &proposer, &new.text, &new.at])
        .await?;
    Ok(())
}

const KEEP_FIRST: &str = "
    INSERT INTO contracts (trade, number, hash, kind, text, made_at)
    SELECT id, 0, contract_hash, 'first', contract_text, created_at FROM trades WHERE id = $1
    ON CONFLICT DO NOTHING";

/// The contract of the take stands here from its first signature on; until then in the trade only.
pub async fn keep_first(client: &impl GenericClient, trade: TradeId) -> Stored<()> {
    client.execute(&client.prepare_cached(KEEP_FIRST).await?, &[&trade.0]).await?;
    Ok(())
}

const OF_TRADE: &str = "
    SELECT number, hash, kind, proposer, text, made_at, in_force_at, withdrawn_at, lapsed_at
      FROM contracts WHERE trade = $1 ORDER BY number";

/// All of them, the first one first.
pub async fn of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<ContractRow>> {
    client.query(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?.iter().map(read).collect()
}

const TEXT_OF: &str = "SELECT text FROM contracts WHERE trade = $1 AND hash = $2";

/// The text of a hash.
pub async fn text_of(client: &impl GenericClient, trade: TradeId, hash: &[u8]) -> Stored<Option<String>> {
    let statement = client.prepare_cached(TEXT_OF).await?;
    Ok(client.query_opt(&statement, &[&trade.0, &hash]).await?.map(|row| row.try_get(0)).transpose()?)
}

const COUNT: &str = "SELECT count(*) FROM contracts WHERE trade = $1";

pub async fn count(client: &impl GenericClient, trade: TradeId) -> Stored<i64> {
    Ok(client.query_one(&client.prepare_cached(COUNT).await?, &[&trade.0]).await?.try_get(0)?)
}

const IS_SIGNED: &str = "UPDATE contracts SET in_force_at = $2 WHERE hash = $1";

/// Both signatures are in.
pub async fn is_signed(client: &impl GenericClient, hash: &[u8], at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(IS_SIGNED).await?, &[&hash, &at]).await?;
    Ok(())
}

const WITHDRAW: &str = "
    UPDATE contracts SET withdrawn_at = $2
     WHERE trade = $1 AND kind <> 'first' AND in_force_at IS NULL AND withdrawn_at IS NULL AND lapsed_at IS NULL";

/// The proposal was taken back or declined.
pub async fn withdraw(client: &impl GenericClient, trade: TradeId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(WITHDRAW).await?, &[&trade.0, &at]).await?;
    Ok(())
}

const LAPSE: &str = "
    UPDATE contracts SET lapsed_at = $2
     WHERE trade = $1 AND kind <> 'first' AND in_force_at IS NULL AND withdrawn_at IS NULL AND lapsed_at IS NULL";

/// The proposal ended with its time, or with the stage it was made in.
pub async fn lapse(client: &impl GenericClient, trade: TradeId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(LAPSE).await?, &[&trade.0, &at]).await?;
    Ok(())
}

/// What a trade's row says of its contract.
#[derive(Debug)]
pub struct InForce<'a> {
    pub text: &'a str,
    pub hash: &'a [u8],
    pub amount: Amount,
    pub deposit: Amount,
    pub fiat: Decimal,
}

const PUT_IN_FORCE: &str = "
    UPDATE trades SET contract_text = $2, contract_hash = $3, amount_sat = $4, deposit_sat = $5, fiat = $6 WHERE id = $1";

/// From now on this is the trade's contract.
pub async fn put_in_force(client: &impl GenericClient, trade: TradeId, new: &InForce<'_>) -> Stored<()> {
    let statement = client.prepare_cached(PUT_IN_FORCE).await?;
    let (amount, deposit) = (sats(new.amount), sats(new.deposit));
    client.execute(&statement, &[&trade.0, &new.text, &new.hash, &amount, &deposit, &new.fiat]).await?;
    Ok(())
}

fn read(row: &Row) -> Stored<ContractRow> {
    let proposer: Option<String> = row.try_get(3)?;
    let side = |word: String| Side::from_word(&word).ok_or_else(|| StoreError::Row(format!("side {word}")));
    Ok(ContractRow {
        number: row.try_get(0)?,
        hash: row.try_get(1)?,
        kind: row.try_get(2)?,
        proposer: proposer.map(side).transpose()?,
        text: row.try_get(4)?,
        made_at: row.try_get(5)?,
        in_force_at: row.try_get(6)?,
        withdrawn_at: row.try_get(7)?,
        lapsed_at: row.try_get(8)?,
    })
}
