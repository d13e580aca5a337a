//! Trades: one row each, changed only together with its log.

use bitcoin::{Amount, ScriptBuf, Txid, hashes::Hash};
use jiff::Timestamp;
use rust_decimal::Decimal;
use tokio_postgres::Row;

use super::{GenericClient, StoreError, Stored, amount};
use crate::domain::deadlines::Deadline;
use crate::domain::trade::Trade;
use crate::domain::{Currency, Fiat, KeyId, OfferId, Party, PublicRef, TradeId, UserId};

/// A trade with everything that was fixed at the take.
#[derive(Debug, Clone)]
pub struct TradeRow {
    pub id: TradeId,
    pub reference: PublicRef,
    pub state: Trade,
    pub offer: OfferId,
    pub buyer: UserId,
    pub seller: UserId,
    pub arbitrator: UserId,
    pub buyer_name: String,
    pub seller_name: String,
    pub arbitrator_name: String,
    pub buyer_key: KeyId,
    pub seller_key: KeyId,
    pub arbitrator_key: KeyId,
    pub amount: Amount,
    pub deposit: Amount,
    pub fiat: Decimal,
    pub currency: String,
    pub method: String,
    pub contract_text: String,
    pub contract_hash: Vec<u8>,
    pub script: ScriptBuf,
    pub address: String,
    pub payee_sealed: Vec<u8>,
    pub payer_sealed: Vec<u8>,
    pub payout_txid: Option<Txid>,
    pub created_at: Timestamp,
}

impl TradeRow {
    /// What this account is in the trade.
    pub fn party_of(&self, account: UserId) -> Option<Party> {
        match account {
            a if a == self.buyer => Some(Party::Buyer),
            a if a == self.seller => Some(Party::Seller),
            a if a == self.arbitrator => Some(Party::Arbitrator),
            _ => None,
        }
    }

    pub fn account_of(&self, party: Party) -> UserId {
        match party {
            Party::Buyer => self.buyer,
            Party::Seller => self.seller,
            Party::Arbitrator => self.arbitrator,
        }
    }

    /// `500.00 EUR`.
    pub fn fiat_words(&self) -> String {
        let currency = Currency::parse(&self.currency).ok();
        let fiat = currency.and_then(|currency| Fiat::new(self.fiat, currency).ok());
        fiat.map_or_else(|| format!("{} {}", self.fiat, self.currency), |fiat| fiat.to_string())
    }

    pub fn name_of(&self, party: Party) -> &str {
        match party {
            Party::Buyer => &self.buyer_name,
            Party::Seller => &self.seller_name,
            Party::Arbitrator => &self.arbitrator_name,
        }
    }

    pub fn key_of(&self, party: Party) -> KeyId {
        match party {
            Party::Buyer => self.buyer_key,
            Party::Seller => self.seller_key,
            Party::Arbitrator => self.arbitrator_key,
        }
    }
}

const COLUMNS: &str = "
    SELECT t.id, t.reference, t.state, t.offer, t.buyer, t.seller, t.arbitrator, b.name, s.name, a.name, t.buyer_key,
           t.seller_key, t.arbitrator_key, t.amount_sat, t.deposit_sat, t.fiat, t.currency, t.method, t.contract_text,
           t.contract_hash, t.script_pubkey, t.address, t.payee_sealed, t.payer_sealed, t.payout_txid, t.created_at
      FROM trades t
      JOIN accounts b ON b.id = t.buyer
      JOIN accounts s ON s.id = t.seller
      JOIN accounts a ON a.id = t.arbitrator";

async fn one(
    client: &impl GenericClient,
    sql: &str,
    key: &(dyn tokio_postgres::types::ToSql + Sync),
) -> Stored<Option<TradeRow>> {
    let statement = client.prepare_cached(sql).await?;
    client.query_opt(&statement, &[key]).await?.map(|row| read(&row)).transpose()
}

/// The trade of a reference, as it is now.
pub async fn find(client: &impl GenericClient, reference: PublicRef) -> Stored<Option<TradeRow>> {
    one(client, &format!("{COLUMNS} WHERE t.reference = $1"), &reference.as_str()).await
}

/// The same, held until the transaction ends.
pub async fn lock(client: &impl GenericClient, reference: PublicRef) -> Stored<Option<TradeRow>> {
    one(client, &format!("{COLUMNS} WHERE t.reference = $1 FOR NO KEY UPDATE OF t"), &reference.as_str()).await
}

pub async fn lock_by_id(client: &impl GenericClient, id: TradeId) -> Stored<Option<TradeRow>> {
    one(client, &format!("{COLUMNS} WHERE t.id = $1 FOR NO KEY UPDATE OF t"), &id.0).await
}

pub async fn find_by_id(client: &impl GenericClient, id: TradeId) -> Stored<Option<TradeRow>> {
    one(client, &format!("{COLUMNS} WHERE t.id = $1"), &id.0).await
}

/// All trades of an account, newest first.
pub async fn of_account(client: &impl GenericClient, account: UserId) -> Stored<Vec<TradeRow>> {
    let sql = format!("{COLUMNS} WHERE $1 IN (t.buyer, t.seller, t.arbitrator) ORDER BY t.created_at DESC LIMIT 200");
    let statement = client.prepare_cached(&sql).await?;
    client.query(&statement, &[&account.0]).await?.iter().map(read).collect()
}

/// The trades an arbitrator is, or may be, asked for: the longest waiting first.
pub async fn for_arbitrator(client: &impl GenericClient, account: UserId) -> Stored<Vec<TradeRow>> {
    let sql = format!(
        "{COLUMNS} WHERE t.arbitrator = $1 AND t.stage IN ('disputed', 'ruled', 'refund_due') ORDER BY t.stage_since, t.id"
    );
    let statement = client.prepare_cached(&sql).await?;
    client.query(&statement, &[&account.0]).await?.iter().map(read).collect()
}

/// The trades he was asked for that are paid out or on their way, the newest first.
pub async fn done_by_arbitrator(client: &impl GenericClient, account: UserId, limit: i64) -> Stored<Vec<TradeRow>> {
    let sql = format!(
        "{COLUMNS} WHERE t.arbitrator = $1 AND t.stage IN ('paying_out', 'completed')
            AND EXISTS (SELECT 1 FROM disputes d WHERE d.trade = t.id) ORDER BY t.stage_since DESC LIMIT $2"
    );
    let statement = client.prepare_cached(&sql).await?;
    client.query(&statement, &[&account.0, &limit]).await?.iter().map(read).collect()
}

const SAVE: &str = "
    UPDATE trades SET version = $3, stage = $4, state = $5, outcome = $6, turn = $7, stage_since = $8, payout_txid = $9
     WHERE id = $1 AND version = $2";

/// Writes the new state over the version it was made from; false if that version is gone.
pub async fn save(
    client: &impl GenericClient,
    id: TradeId,
    from_version: u64,
    state: &Trade,
    payout: Option<Txid>,
) -> Stored<bool> {
    let statement = client.prepare_cached(SAVE).await?;
    let outcome = state.outcome.map(|outcome| outcome.as_str());
    let from = i64::try_from(from_version).unwrap_or(i64::MAX);
    let changed = client
        .execute(
            &statement,
            &[
                &id.0,
                &from,
                &version(state),
                &state.stage.as_str(),
                &json(state)?,
                &outcome,
                &turn(state),
                &state.stage_since,
                &payout.map(|txid| txid.to_byte_array().to_vec()),
            ],
        )
        .await?;
    Ok(changed == 1)
}

const TURN: &str = "UPDATE trades SET turn = $2 WHERE id = $1 AND turn IS DISTINCT FROM $2";

/// Whose turn it is in this state, if something else stands there.
pub async fn write_turn(client: &impl GenericClient, id: TradeId, state: &Trade) -> Stored<()> {
    client.execute(&client.prepare_cached(TURN).await?, &[&id.0, &turn(state)]).await?;
    Ok(())
}

const DUE: &str = "
    SELECT DISTINCT d.trade FROM deadlines d JOIN trades t ON t.id = d.trade
     WHERE d.due_at <= $1
       AND (t.stage IN ('proposed', 'awaiting_deposit', 'payment_sent')
            OR (t.stage IN ('refund_due', 'disputed', 'ruled') AND d.what IN ('objection', 'cosignature')
                AND (d.what = 'objection' OR t.state ->> 'settlement' IS NOT NULL)
                AND (t.state ->> 'as_of')::timestamptz < d.due_at))
       AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.trade = t.id AND o.kind = 'judge' AND o.done_at IS NULL)";

/// Trades with a window that is over and that the clock changes, once everything the chain told of them is judged.
pub async fn due(client: &impl GenericClient, now: Timestamp) -> Stored<Vec<TradeId>> {
    let rows = client.query(&client.prepare_cached(DUE).await?, &[&now]).await?;
    rows.iter().map(|row| Ok(TradeId(row.try_get(0)?))).collect()
}

const DEADLINES: &str = "
    WITH over AS (DELETE FROM deadlines WHERE trade = $1 AND what <> ALL ($2::text[]))
    INSERT INTO deadlines AS kept (trade, what, who, started_at, due_at, at_zero, half_at, ninety_at, sequence)
    SELECT $1, *, $9 FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                                 $7::timestamptz[], $8::timestamptz[])
    ON CONFLICT (trade, what) DO UPDATE
       SET who = excluded.who, started_at = excluded.started_at, due_at = excluded.due_at, at_zero = excluded.at_zero,
           half_at = excluded.half_at, ninety_at = excluded.ninety_at,
           reminded = CASE WHEN kept.started_at = excluded.started_at THEN kept.reminded ELSE 0 END,
           sequence = CASE WHEN kept.due_at = excluded.due_at THEN kept.sequence ELSE excluded.sequence END";

/// The windows that run now, in place of those that ran before.
pub async fn write_deadlines(client: &impl GenericClient, id: TradeId, state: &Trade) -> Stored<()> {
    let all = state.deadlines();
    let what: Vec<&str> = all.iter().map(|one| one.what.as_str()).collect();
    let who: Vec<&str> = all.iter().map(|one| one.who).collect();
    let (started, due): (Vec<Timestamp>, Vec<Timestamp>) = all.iter().map(|one| (one.started_at, one.due_at)).unzip();
    let at_zero: Vec<&str> = all.iter().map(|one| one.at_zero).collect();
    let (half, ninety): (Vec<_>, Vec<_>) = all.iter().map(|one| reminders(state, one)).unzip();
    let statement = client.prepare_cached(DEADLINES).await?;
    client
        .execute(&statement, &[&id.0, &what, &who, &started, &due, &at_zero, &half, &ninety, &version(state)])
        .await?;
    Ok(())
}

/// The times of its reminders that lie inside a window.
pub(super) fn reminders(state: &Trade, window: &Deadline) -> (Option<Timestamp>, Option<Timestamp>) {
    let inside = |at: &Timestamp| window.started_at <= *at && *at < window.due_at;
    let [half, ninety] = state.reminder_times(window).map(|at| Some(at).filter(inside));
    (half, ninety)
}

fn version(state: &Trade) -> i64 {
    i64::try_from(state.version).unwrap_or(i64::MAX)
}

fn turn(state: &Trade) -> Vec<&'static str> {
    state.turn().into_iter().map(Party::as_str).collect()
}

fn json(state: &Trade) -> Stored<serde_json::Value> {
    serde_json::to_value(state).map_err(|error| StoreError::Row(error.to_string()))
}

fn read(row: &Row) -> Stored<TradeRow> {
    let reference: String = row.try_get(1)?;
    let state: serde_json::Value = row.try_get(2)?;
    let payout: Option<Vec<u8>> = row.try_get(24)?;
    Ok(TradeRow {
        id: TradeId(row.try_get(0)?),
        reference: reference.parse().map_err(|_| StoreError::Row(format!("trade reference {reference}")))?,
        state: serde_json::from_value(state).map_err(|error| StoreError::Row(format!("trade state: {error}")))?,
        offer: OfferId(row.try_get(3)?),
        buyer: UserId(row.try_get(4)?),
        seller: UserId(row.try_get(5)?),
        arbitrator: UserId(row.try_get(6)?),
        buyer_name: row.try_get(7)?,
        seller_name: row.try_get(8)?,
        arbitrator_name: row.try_get(9)?,
        buyer_key: KeyId(row.try_get(10)?),
        seller_key: KeyId(row.try_get(11)?),
        arbitrator_key: KeyId(row.try_get(12)?),
        amount: amount(row.try_get(13)?)?,
        deposit: amount(row.try_get(14)?)?,
        fiat: row.try_get(15)?,
        currency: row.try_get(16)?,
        method: row.try_get(17)?,
        contract_text: row.try_get(18)?,
        contract_hash: row.try_get(19)?,
        script: ScriptBuf::from_bytes(row.try_get(20)?),
        address: row.try_get(21)?,
        payee_sealed: row.try_get(22)?,
        payer_sealed: row.try_get(23)?,
        payout_txid: payout.as_deref().map(txid).transpose()?,
        created_at: row.try_get(25)?,
    })
}

/// A transaction id from its 32 bytes.
pub(super) fn txid(bytes: &[u8]) -> Stored<Txid> {
    Txid::from_slice(bytes).map_err(|_| StoreError::Row("a transaction id has 32 bytes".into()))
}

const NEXT_FEE_ADDRESSES: &str = "SELECT nextval('fee_addresses') FROM generate_series(1, $1::integer)";

/// The indexes of so many fresh fee addresses; none is ever given twice.
pub async fn next_fee_addresses(client: &impl GenericClient, count: usize) -> Stored<Vec<u32>> {
    let used_up = || StoreError::Row("fee addresses are used up".into());
    let count = i32::try_from(count).map_err(|_| used_up())?;
    let rows = client.query(&client.prepare_cached(NEXT_FEE_ADDRESSES).await?, &[&count]).await?;
    rows.iter().map(|row| u32::try_from(row.try_get::<_, i64>(0)?).map_err(|_| used_up())).collect()
}
