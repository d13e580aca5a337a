//! Canonical payouts and the verified signatures for them; contract signatures.

use bitcoin::{Amount, Txid, hashes::Hash};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::trades::txid;
use super::{GenericClient, StoreError, Stored, amount, sats};
use crate::domain::{Party, PayoutId, Side, TradeId, UserId};

/// One transaction of a payout.
#[derive(Debug, Clone)]
pub struct PayoutRow {
    pub id: PayoutId,
    /// `release`, `refund`, `settlement`, `ruling` or `stray`.
    pub kind: String,
    pub steps: Vec<u32>,
    /// The settlement or ruling it carries out.
    pub about: Option<Uuid>,
    pub psbt: Vec<u8>,
    pub txid: Txid,
    pub fee: Amount,
    /// The agreed parts (settlement, ruling), or what is paid.
    pub buyer: Amount,
    pub seller: Amount,
    pub void: bool,
}

/// A payout as it is built.
#[derive(Debug)]
pub struct NewPayout<'a> {
    pub trade: TradeId,
    pub kind: &'a str,
    pub steps: Vec<i32>,
    pub about: Option<Uuid>,
    pub psbt: Vec<u8>,
    pub txid: Txid,
    pub fee: Amount,
    pub buyer: Amount,
    pub seller: Amount,
    pub desk: Amount,
    pub arbitrator: Amount,
    pub at: Timestamp,
}

const INSERT: &str = "
    INSERT INTO payouts (id, trade, kind, steps, about, psbt, txid, fee_sat, buyer_sat, seller_sat, desk_sat,
                         arbitrator_sat, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (trade, txid, kind, about) DO UPDATE SET void_at = NULL";

/// Keeps a payout; built a second time it is the same one.
pub async fn insert(client: &impl GenericClient, new: &NewPayout<'_>) -> Stored<()> {
    client
        .execute(
            &client.prepare_cached(INSERT).await?,
            &[
                &Uuid::now_v7(),
                &new.trade.0,
                &new.kind,
                &new.steps,
                &new.about,
                &new.psbt,
                &new.txid.to_byte_array().as_slice(),
                &sats(new.fee),
                &sats(new.buyer),
                &sats(new.seller),
                &sats(new.desk),
                &sats(new.arbitrator),
                &new.at,
            ],
        )
        .await?;
    Ok(())
}

const VOID: &str = "UPDATE payouts SET void_at = $3 WHERE trade = $1 AND kind = $2 AND void_at IS NULL";

/// No more signatures are asked for payouts of this kind.
pub async fn void(client: &impl GenericClient, trade: TradeId, kind: &str, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(VOID).await?, &[&trade.0, &kind, &at]).await?;
    Ok(())
}

const VOID_DEAD_SETTLEMENTS: &str = "
    UPDATE payouts p SET void_at = $2
     WHERE p.trade = $1 AND p.kind = 'settlement' AND p.void_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM settlements s
                        WHERE s.id = p.about AND s.withdrawn_at IS NULL AND s.lapsed_at IS NULL)";

/// Payouts of proposals that no longer stand are not asked for any more.
pub async fn void_dead_settlements(client: &impl GenericClient, trade: TradeId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(VOID_DEAD_SETTLEMENTS).await?, &[&trade.0, &at]).await?;
    Ok(())
}

const OF_TRADE: &str = "
    SELECT id, kind, steps, about, psbt, txid, fee_sat, buyer_sat, seller_sat, void_at IS NOT NULL
      FROM payouts WHERE trade = $1 ORDER BY created_at, fee_sat";

pub async fn of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<PayoutRow>> {
    let rows = client.query(&client.prepare_cached(OF_TRADE).await?, &[&trade.0]).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Stored<PayoutRow> {
    let steps: Vec<i32> = row.try_get(2)?;
    let key: Vec<u8> = row.try_get(5)?;
    Ok(PayoutRow {
        id: PayoutId(row.try_get(0)?),
        kind: row.try_get(1)?,
        steps: steps.into_iter().filter_map(|step| u32::try_from(step).ok()).collect(),
        about: row.try_get(3)?,
        psbt: row.try_get(4)?,
        txid: txid(&key)?,
        fee: amount(row.try_get(6)?)?,
        buyer: amount(row.try_get(7)?)?,
        seller: amount(row.try_get(8)?)?,
        void: row.try_get(9)?,
    })
}

const FEE_SAID: &str = "
    SELECT DISTINCT e.actor FROM trade_events e
     WHERE e.trade = $1 AND e.act::jsonb ->> 'act' = 'say_fee' AND e.act::jsonb ->> 'kind' = $2
       AND e.at >= (SELECT min(created_at) FROM payouts WHERE trade = $1 AND kind = $2 AND void_at IS NULL)";

/// Who has said something of the miner fee of the payouts of a kind that signatures are asked for, since they were built.
pub async fn fee_said(client: &impl GenericClient, trade: TradeId, kind: &str) -> Stored<Vec<Side>> {
    let rows = client.query(&client.prepare_cached(FEE_SAID).await?, &[&trade.0, &kind]).await?;
    let said: Vec<String> = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Stored<_>>()?;
    Ok(said.iter().filter_map(|actor| Side::from_word(actor)).collect())
}

/// A verified signature of one party for one payout, all inputs.
#[derive(Debug, Clone)]
pub struct SignatureRow {
    pub payout: PayoutId,
    pub party: Party,
    pub bytes: Vec<u8>,
    pub received_at: Timestamp,
}

const SIGN: &str = "
    INSERT INTO signatures (payout, party, signature, brought_by, received_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (payout, party) DO NOTHING";

pub async fn sign(
    client: &impl GenericClient,
    payout: PayoutId,
    party: Party,
    bytes: &[u8],
    brought_by: UserId,
    at: Timestamp,
) -> Stored<()> {
    let statement = client.prepare_cached(SIGN).await?;
    client.execute(&statement, &[&payout.0, &party.as_str(), &bytes, &brought_by.0, &at]).await?;
    Ok(())
}

const SIGNATURES: &str = "
    SELECT s.payout, s.party, s.signature, s.received_at FROM signatures s JOIN payouts p ON p.id = s.payout
     WHERE p.trade = $1 ORDER BY s.received_at";

/// Every signature alive for a trade's deposit.
pub async fn signatures_of_trade(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<SignatureRow>> {
    let rows = client.query(&client.prepare_cached(SIGNATURES).await?, &[&trade.0]).await?;
    rows.iter()
        .map(|row| {
            let party: String = row.try_get(1)?;
            Ok(SignatureRow {
                payout: PayoutId(row.try_get(0)?),
                party: Party::from_word(&party).ok_or_else(|| StoreError::Row(format!("party {party}")))?,
                bytes: row.try_get(2)?,
                received_at: row.try_get(3)?,
            })
        })
        .collect()
}

const SIGN_CONTRACT: &str = "
    INSERT INTO contract_signatures (trade, party, contract_hash, form, psbt, received_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";

pub async fn sign_contract(
    client: &impl GenericClient,
    trade: TradeId,
    party: Party,
    contract_hash: &[u8],
    form: &str,
    psbt: &[u8],
    at: Timestamp,
) -> Stored<()> {
    let statement = client.prepare_cached(SIGN_CONTRACT).await?;
    client.execute(&statement, &[&trade.0, &party.as_str(), &contract_hash, &form, &psbt, &at]).await?;
    Ok(())
}

const CONTRACT_SIGNATURES: &str = "SELECT party, psbt FROM contract_signatures WHERE trade = $1 AND contract_hash = $2";

/// The signed message PSBTs of the contract in force, by party.
pub async fn contract_signatures(
    client: &impl GenericClient,
    trade: TradeId,
    contract_hash: &[u8],
) -> Stored<Vec<(Party, Vec<u8>)>> {
    let rows = client.query(&client.prepare_cached(CONTRACT_SIGNATURES).await?, &[&trade.0, &contract_hash]).await?;
    rows.iter()
        .map(|row| {
            let party: String = row.try_get(0)?;
            Ok((Party::from_word(&party).ok_or_else(|| StoreError::Row(format!("party {party}")))?, row.try_get(1)?))
        })
        .collect()
}
