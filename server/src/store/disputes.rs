//! Disputes, what is said in them, and rulings.

use bitcoin::Amount;
use jiff::Timestamp;
use serde_json::Value;

use super::{GenericClient, StoreError, Stored, amount, sats};
use crate::domain::{DisputeId, Party, PublicRef, RulingId, TradeId, UserId};

#[derive(Debug, Clone)]
pub struct DisputeRow {
    pub id: DisputeId,
    /// `buyer`, `seller`, or `clock` when the release window passed.
    pub opener: String,
    pub reason: String,
    pub wanted: String,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
}

const OPEN: &str = "
    INSERT INTO disputes (id, trade, opener, reason, wanted, opened_at) VALUES ($1, $2, $3, $4, $5, $6)";

pub async fn open(client: &impl GenericClient, trade: TradeId, new: &DisputeRow) -> Stored<()> {
    let statement = client.prepare_cached(OPEN).await?;
    client.execute(&statement, &[&new.id.0, &trade.0, &new.opener, &new.reason, &new.wanted, &new.opened_at]).await?;
    Ok(())
}

const CLOSE: &str = "UPDATE disputes SET closed_at = $2 WHERE trade = $1 AND closed_at IS NULL";

pub async fn close(client: &impl GenericClient, trade: TradeId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(CLOSE).await?, &[&trade.0, &at]).await?;
    Ok(())
}

const LATEST: &str = "
    SELECT id, opener, reason, wanted, opened_at, closed_at FROM disputes WHERE trade = $1 ORDER BY opened_at DESC LIMIT 1";

/// The dispute of a trade that is open, or the last one.
pub async fn latest(client: &impl GenericClient, trade: TradeId) -> Stored<Option<DisputeRow>> {
    let row = client.query_opt(&client.prepare_cached(LATEST).await?, &[&trade.0]).await?;
    row.map(|row| {
        Ok(DisputeRow {
            id: DisputeId(row.try_get(0)?),
            opener: row.try_get(1)?,
            reason: row.try_get(2)?,
            wanted: row.try_get(3)?,
            opened_at: row.try_get(4)?,
            closed_at: row.try_get(5)?,
        })
    })
    .transpose()
}

/// One thing said in a dispute.
#[derive(Debug, Clone)]
pub struct StatementRow {
    pub party: Party,
    /// `statement`, `answer`, `evidence`, `question` or `objection`.
    pub kind: String,
    pub body: String,
    pub fields: Value,
    pub at: Timestamp,
}

const SPEAK: &str = "
    INSERT INTO statements (id, dispute, party, kind, body, fields, at) VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub async fn speak(client: &impl GenericClient, dispute: DisputeId, said: &StatementRow) -> Stored<()> {
    let statement = client.prepare_cached(SPEAK).await?;
    let id = uuid::Uuid::now_v7();
    let party = said.party.as_str();
    client.execute(&statement, &[&id, &dispute.0, &party, &said.kind, &said.body, &said.fields, &said.at]).await?;
    Ok(())
}

const SAID: &str = "
    SELECT s.party, s.kind, s.body, s.fields, s.at FROM statements s JOIN disputes d ON d.id = s.dispute
     WHERE d.trade = $1 ORDER BY s.at, s.id";

/// Everything said in the disputes of a trade, in order.
pub async fn said(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<StatementRow>> {
    let rows = client.query(&client.prepare_cached(SAID).await?, &[&trade.0]).await?;
    rows.iter()
        .map(|row| {
            let party: String = row.try_get(0)?;
            Ok(StatementRow {
                party: Party::from_word(&party).ok_or_else(|| StoreError::Row(format!("party {party}")))?,
                kind: row.try_get(1)?,
                body: row.try_get(2)?,
                fields: row.try_get(3)?,
                at: row.try_get(4)?,
            })
        })
        .collect()
}

/// A ruling, or the draft of one.
#[derive(Debug, Clone)]
pub struct RulingRow {
    pub id: RulingId,
    pub dispute: DisputeId,
    /// The exact text that is hashed and signed.
    pub text: String,
    pub hash: Vec<u8>,
    pub buyer: Amount,
    pub seller: Amount,
    pub drafted_at: Timestamp,
    pub signed_psbt: Option<Vec<u8>>,
    pub signed_at: Option<Timestamp>,
    pub withdrawn_at: Option<Timestamp>,
}

impl RulingRow {
    pub fn in_force(&self) -> bool {
        self.signed_at.is_some() && self.withdrawn_at.is_none()
    }
}

const DRAFT: &str = "
    INSERT INTO rulings (id, trade, dispute, text, hash, buyer_sat, seller_sat, drafted_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub async fn draft(client: &impl GenericClient, trade: TradeId, new: &RulingRow) -> Stored<()> {
    let statement = client.prepare_cached(DRAFT).await?;
    client
        .execute(
            &statement,
            &[
                &new.id.0,
                &trade.0,
                &new.dispute.0,
                &new.text,
                &new.hash,
                &sats(new.buyer),
                &sats(new.seller),
                &new.drafted_at,
            ],
        )
        .await?;
    Ok(())
}

const SIGN: &str = "UPDATE rulings SET signed_psbt = $2, signed_at = $3 WHERE id = $1 AND signed_at IS NULL";

pub async fn sign(client: &impl GenericClient, ruling: RulingId, psbt: &[u8], at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(SIGN).await?, &[&ruling.0, &psbt, &at]).await?;
    Ok(())
}

const WITHDRAW: &str =
    "UPDATE rulings SET withdrawn_at = $2 WHERE trade = $1 AND signed_at IS NOT NULL AND withdrawn_at IS NULL";

pub async fn withdraw(client: &impl GenericClient, trade: TradeId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(WITHDRAW).await?, &[&trade.0, &at]).await?;
    Ok(())
}

const DRAFTED: &str = "SELECT count(*) FROM rulings WHERE trade = $1";

/// How many rulings and drafts there are for a trade.
pub async fn drafted(client: &impl GenericClient, trade: TradeId) -> Stored<i64> {
    Ok(client.query_one(&client.prepare_cached(DRAFTED).await?, &[&trade.0]).await?.try_get(0)?)
}

const RULINGS: &str = "
    SELECT id, dispute, text, hash, buyer_sat, seller_sat, drafted_at, signed_psbt, signed_at, withdrawn_at
      FROM rulings WHERE trade = $1 ORDER BY drafted_at DESC";

/// Rulings and drafts of a trade, the newest first.
pub async fn rulings(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<RulingRow>> {
    client.query(&client.prepare_cached(RULINGS).await?, &[&trade.0]).await?.iter().map(read_ruling).collect()
}

/// A ruling that was made, with the trade it was made in.
#[derive(Debug, Clone)]
pub struct MadeRow {
    pub trade: PublicRef,
    pub buyer_name: String,
    pub seller_name: String,
    pub reason: String,
    pub objected: bool,
    pub ruling: RulingRow,
}

const MADE_BY: &str = "
    SELECT r.id, r.dispute, r.text, r.hash, r.buyer_sat, r.seller_sat, r.drafted_at, r.signed_psbt, r.signed_at,
           r.withdrawn_at, t.reference, b.name, s.name, d.reason,
           EXISTS (SELECT 1 FROM statements o WHERE o.dispute = d.id AND o.kind = 'objection' AND o.at >= r.signed_at
                      AND (r.withdrawn_at IS NULL OR o.at <= r.withdrawn_at))
      FROM rulings r JOIN trades t ON t.id = r.trade JOIN disputes d ON d.id = r.dispute
      JOIN accounts b ON b.id = t.buyer JOIN accounts s ON s.id = t.seller
     WHERE t.arbitrator = $1 AND r.signed_at < $2 ORDER BY r.signed_at DESC LIMIT $3";

/// Rulings an arbitrator made before a time, withdrawn ones too, the newest first.
pub async fn made_by(
    client: &impl GenericClient,
    arbitrator: UserId,
    before: Timestamp,
    limit: i64,
) -> Stored<Vec<MadeRow>> {
    let rows = client.query(&client.prepare_cached(MADE_BY).await?, &[&arbitrator.0, &before, &limit]).await?;
    rows.iter()
        .map(|row| {
            let reference: String = row.try_get(10)?;
            Ok(MadeRow {
                trade: reference.parse().map_err(|_| StoreError::Row(format!("trade reference {reference}")))?,
                buyer_name: row.try_get(11)?,
                seller_name: row.try_get(12)?,
                reason: row.try_get(13)?,
                objected: row.try_get(14)?,
                ruling: read_ruling(row)?,
            })
        })
        .collect()
}

fn read_ruling(row: &tokio_postgres::Row) -> Stored<RulingRow> {
    Ok(RulingRow {
        id: RulingId(row.try_get(0)?),
        dispute: DisputeId(row.try_get(1)?),
        text: row.try_get(2)?,
        hash: row.try_get(3)?,
        buyer: amount(row.try_get(4)?)?,
        seller: amount(row.try_get(5)?)?,
        drafted_at: row.try_get(6)?,
        signed_psbt: row.try_get(7)?,
        signed_at: row.try_get(8)?,
        withdrawn_at: row.try_get(9)?,
    })
}
