//! What the operator's pages count and list. Nothing private is among it: no message, no payment detail, no statement.

use bitcoin::Amount;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::takes::{self, AccountRecord};
use super::{GenericClient, StoreError, Stored, amount};
use crate::domain::{PublicRef, Role, UserId};

/// A list on one page; what is longer is worked off from its top.
const LIST_MAX: i64 = 50;

/// A job of the outbox that did not succeed yet.
#[derive(Debug, Clone)]
pub struct JobRow {
    pub number: i64,
    pub kind: String,
    pub trade: Option<PublicRef>,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    pub due_at: Timestamp,
}

const STUCK: &str = "
    SELECT o.number, o.kind, t.reference, o.attempts, o.last_error, o.created_at, o.due_at
      FROM outbox o LEFT JOIN trades t ON t.id = o.trade
     WHERE o.done_at IS NULL AND (o.attempts > 0 OR o.due_at < $1::timestamptz - interval '1 minute')
     ORDER BY o.created_at LIMIT $2";

/// Jobs that failed at least once, or that nobody does.
pub async fn stuck_jobs(client: &impl GenericClient, now: Timestamp) -> Stored<Vec<JobRow>> {
    let rows = client.query(&client.prepare_cached(STUCK).await?, &[&now, &LIST_MAX]).await?;
    rows.iter().map(job).collect()
}

const STUCK_OF: &str = "
    SELECT o.number, o.kind, t.reference, o.attempts, o.last_error, o.created_at, o.due_at
      FROM outbox o JOIN trades t ON t.id = o.trade
     WHERE o.done_at IS NULL AND t.reference = $1 ORDER BY o.created_at LIMIT $2";

/// All that is still to be done for a trade.
pub async fn jobs_of(client: &impl GenericClient, trade: PublicRef) -> Stored<Vec<JobRow>> {
    let rows = client.query(&client.prepare_cached(STUCK_OF).await?, &[&trade.as_str(), &LIST_MAX]).await?;
    rows.iter().map(job).collect()
}

fn job(row: &Row) -> Stored<JobRow> {
    Ok(JobRow {
        number: row.try_get(0)?,
        kind: row.try_get(1)?,
        trade: row.try_get::<_, Option<String>>(2)?.map(|text| reference(&text)).transpose()?,
        attempts: row.try_get(3)?,
        last_error: row.try_get(4)?,
        created_at: row.try_get(5)?,
        due_at: row.try_get(6)?,
    })
}

const TO_DO: &str = "SELECT count(*) FROM outbox WHERE done_at IS NULL";

/// How many jobs are to be done.
pub async fn jobs(client: &impl GenericClient) -> Stored<i64> {
    Ok(client.query_one(&client.prepare_cached(TO_DO).await?, &[]).await?.try_get(0)?)
}

/// A trade with a window that is over.
#[derive(Debug, Clone)]
pub struct OverdueRow {
    pub trade: PublicRef,
    pub stage: String,
    pub buyer: String,
    pub seller: String,
    pub arbitrator: String,
    pub what: String,
    /// `both`, `chain`, or one of the parties.
    pub who: String,
    pub due_at: Timestamp,
    pub at_zero: String,
}

const OVERDUE: &str = "
    SELECT t.reference, t.stage, b.name, s.name, a.name, d.what, d.who, d.due_at, d.at_zero
      FROM deadlines d JOIN trades t ON t.id = d.trade JOIN accounts b ON b.id = t.buyer
      JOIN accounts s ON s.id = t.seller JOIN accounts a ON a.id = t.arbitrator
     WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT $2";

/// Trades past a deadline, the longest first.
pub async fn overdue(client: &impl GenericClient, now: Timestamp) -> Stored<Vec<OverdueRow>> {
    let rows = client.query(&client.prepare_cached(OVERDUE).await?, &[&now, &LIST_MAX]).await?;
    rows.iter()
        .map(|row| {
            Ok(OverdueRow {
                trade: reference(row.try_get(0)?)?,
                stage: row.try_get(1)?,
                buyer: row.try_get(2)?,
                seller: row.try_get(3)?,
                arbitrator: row.try_get(4)?,
                what: row.try_get(5)?,
                who: row.try_get(6)?,
                due_at: row.try_get(7)?,
                at_zero: row.try_get(8)?,
            })
        })
        .collect()
}

/// A dispute that is open.
#[derive(Debug, Clone)]
pub struct OpenDispute {
    pub trade: PublicRef,
    pub stage: String,
    pub buyer: String,
    pub seller: String,
    pub arbitrator: String,
    pub amount: Amount,
    /// Of the list; what was said about it is not the operator's to read.
    pub reason: String,
    pub opened_at: Timestamp,
    /// When the arbitrator has to have ruled, while he has not.
    pub rule_by: Option<Timestamp>,
}

const DISPUTES: &str = "
    SELECT t.reference, t.stage, b.name, s.name, a.name, t.amount_sat, d.reason, d.opened_at,
           (SELECT l.due_at FROM deadlines l WHERE l.trade = t.id AND l.what = 'ruling')
      FROM disputes d JOIN trades t ON t.id = d.trade JOIN accounts b ON b.id = t.buyer
      JOIN accounts s ON s.id = t.seller JOIN accounts a ON a.id = t.arbitrator
     WHERE d.closed_at IS NULL ORDER BY d.opened_at LIMIT $1";

/// Open disputes, the oldest first.
pub async fn disputes(client: &impl GenericClient) -> Stored<Vec<OpenDispute>> {
    let rows = client.query(&client.prepare_cached(DISPUTES).await?, &[&LIST_MAX]).await?;
    rows.iter()
        .map(|row| {
            Ok(OpenDispute {
                trade: reference(row.try_get(0)?)?,
                stage: row.try_get(1)?,
                buyer: row.try_get(2)?,
                seller: row.try_get(3)?,
                arbitrator: row.try_get(4)?,
                amount: amount(row.try_get(5)?)?,
                reason: row.try_get(6)?,
                opened_at: row.try_get(7)?,
                rule_by: row.try_get(8)?,
            })
        })
        .collect()
}

/// How many there are of everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub accounts: i64,
    pub new_accounts: i64,
    pub suspended: i64,
    pub open_trades: i64,
    pub open_sat: i64,
    pub open_offers: i64,
    pub open_invitations: i64,
}

const COUNTS: &str = "
    SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM accounts WHERE created_at > $1::timestamptz - interval '7 days'),
           (SELECT count(*) FROM accounts WHERE suspended_at IS NOT NULL),
           (SELECT count(*) FROM trades WHERE stage NOT IN ('completed', 'cancelled')),
           (SELECT coalesce(sum(deposit_sat), 0)::bigint FROM trades
             WHERE stage NOT IN ('proposed', 'awaiting_deposit', 'completed', 'cancelled')),
           (SELECT count(*) FROM offers WHERE state = 'open'),
           (SELECT count(*) FROM invitations WHERE used_at IS NULL AND withdrawn_at IS NULL)";

pub async fn counts(client: &impl GenericClient, now: Timestamp) -> Stored<Counts> {
    let row = client.query_one(&client.prepare_cached(COUNTS).await?, &[&now]).await?;
    Ok(Counts {
        accounts: row.try_get(0)?,
        new_accounts: row.try_get(1)?,
        suspended: row.try_get(2)?,
        open_trades: row.try_get(3)?,
        open_sat: row.try_get(4)?,
        open_offers: row.try_get(5)?,
        open_invitations: row.try_get(6)?,
    })
}

/// An account in a list.
#[derive(Debug, Clone)]
pub struct AccountLine {
    pub id: UserId,
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
    pub suspended_at: Option<Timestamp>,
    pub suspended_why: Option<String>,
    pub open_trades: i64,
    pub open_offers: i64,
}

macro_rules! accounts {
    ($which:literal) => {
        concat!(
            "SELECT a.id, a.name, a.role, a.created_at, a.suspended_at, a.suspended_why,
                    (SELECT count(*) FROM trades t WHERE a.id IN (t.buyer, t.seller) AND t.stage NOT IN ('completed', 'cancelled')),
                    (SELECT count(*) FROM offers o WHERE o.account = a.id AND o.state = 'open')
               FROM accounts a WHERE ",
            $which
        )
    };
}

const ACCOUNTS: &str = accounts!(
    "starts_with(a.name, $1) AND (NOT $2 OR a.suspended_at IS NOT NULL) ORDER BY a.created_at DESC, a.id LIMIT $3"
);

/// Accounts whose names begin so, the newest first; only suspended ones, if asked.
pub async fn accounts(client: &impl GenericClient, begins: &str, suspended: bool) -> Stored<Vec<AccountLine>> {
    let rows = client.query(&client.prepare_cached(ACCOUNTS).await?, &[&begins, &suspended, &LIST_MAX]).await?;
    rows.iter().map(account_line).collect()
}

const ACCOUNT: &str = accounts!("a.name = $1");

pub async fn account(client: &impl GenericClient, name: &str) -> Stored<Option<AccountLine>> {
    client.query_opt(&client.prepare_cached(ACCOUNT).await?, &[&name]).await?.as_ref().map(account_line).transpose()
}

fn account_line(row: &Row) -> Stored<AccountLine> {
    let role: String = row.try_get(2)?;
    Ok(AccountLine {
        id: UserId(row.try_get(0)?),
        name: row.try_get(1)?,
        role: Role::from_word(&role).ok_or_else(|| StoreError::Row(format!("role {role}")))?,
        created_at: row.try_get(3)?,
        suspended_at: row.try_get(4)?,
        suspended_why: row.try_get(5)?,
        open_trades: row.try_get(6)?,
        open_offers: row.try_get(7)?,
    })
}

/// What stops or slows an account's takes.
pub async fn record_of(client: &impl GenericClient, account: UserId, now: Timestamp) -> Stored<AccountRecord> {
    Ok(takes::records(client, &[account], now).await?.remove(&account).unwrap_or_default())
}

/// An arbitrator with what he answers for.
#[derive(Debug, Clone)]
pub struct DutyRow {
    pub name: String,
    pub contact: String,
    pub exposure: Amount,
    pub limit: Amount,
    pub drilled_at: Option<Timestamp>,
    pub has_key: bool,
    pub open_trades: i64,
    /// Cases whose ruling is overdue.
    pub overdue: i64,
    pub suspended: bool,
}

const DUTIES: &str = "
    SELECT c.name, a.contact, (SELECT coalesce(sum(e.sat), 0)::bigint FROM arbitrator_exposure e WHERE e.arbitrator = a.account),
           a.exposure_limit_sat, a.drilled_at, a.key IS NOT NULL,
           (SELECT count(*) FROM trades t WHERE t.arbitrator = a.account AND t.stage NOT IN ('completed', 'cancelled')),
           (SELECT count(*) FROM trades t JOIN deadlines d ON d.trade = t.id
             WHERE t.arbitrator = a.account AND d.what = 'ruling' AND d.due_at <= $1),
           c.suspended_at IS NOT NULL
      FROM arbitrators a JOIN accounts c ON c.id = a.account WHERE a.dismissed_at IS NULL ORDER BY c.name";

/// Everybody in office.
pub async fn duties(client: &impl GenericClient, now: Timestamp) -> Stored<Vec<DutyRow>> {
    let rows = client.query(&client.prepare_cached(DUTIES).await?, &[&now]).await?;
    rows.iter()
        .map(|row| {
            Ok(DutyRow {
                name: row.try_get(0)?,
                contact: row.try_get(1)?,
                exposure: amount(row.try_get::<_, i64>(2)?.max(0))?,
                limit: amount(row.try_get(3)?)?,
                drilled_at: row.try_get(4)?,
                has_key: row.try_get(5)?,
                open_trades: row.try_get(6)?,
                overdue: row.try_get(7)?,
                suspended: row.try_get(8)?,
            })
        })
        .collect()
}

/// An invitation; its code is kept nowhere.
#[derive(Debug, Clone)]
pub struct InvitationRow {
    pub number: i64,
    pub created_at: Timestamp,
    pub made_by: Option<String>,
    pub note: String,
    pub used_by: Option<String>,
    pub used_at: Option<Timestamp>,
    pub withdrawn_at: Option<Timestamp>,
}

const INVITATIONS: &str = "
    SELECT i.number, i.created_at, m.name, i.note, u.name, i.used_at, i.withdrawn_at
      FROM invitations i LEFT JOIN accounts m ON m.id = i.made_by LEFT JOIN accounts u ON u.id = i.used_by
     ORDER BY i.used_at IS NOT NULL OR i.withdrawn_at IS NOT NULL, i.number DESC LIMIT $1";

/// Those that are open first, then the newest.
pub async fn invitations(client: &impl GenericClient) -> Stored<Vec<InvitationRow>> {
    let rows = client.query(&client.prepare_cached(INVITATIONS).await?, &[&LIST_MAX]).await?;
    rows.iter()
        .map(|row| {
            Ok(InvitationRow {
                number: row.try_get(0)?,
                created_at: row.try_get(1)?,
                made_by: row.try_get(2)?,
                note: row.try_get(3)?,
                used_by: row.try_get(4)?,
                used_at: row.try_get(5)?,
                withdrawn_at: row.try_get(6)?,
            })
        })
        .collect()
}

fn reference(text: &str) -> Stored<PublicRef> {
    text.parse().map_err(|_| StoreError::Row(format!("trade reference {text}")))
}
