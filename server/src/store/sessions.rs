//! Signed-in browsers.

use jiff::Timestamp;

use super::{GenericClient, StoreError, Stored};
use crate::domain::{Role, SessionId, UserId};

/// Who is behind a session cookie.
#[derive(Debug, Clone)]
pub struct SignedInRow {
    pub session: SessionId,
    pub account: UserId,
    pub name: String,
    pub role: Role,
    pub unit: String,
    pub suspended_why: Option<String>,
    pub seen_at: Timestamp,
    /// Trades that wait for this account.
    pub waiting: i64,
    /// What others have said in its rooms and it has not read; an arbitrator counts from his first look.
    pub unread: i64,
}

const FIND: &str = "
    SELECT s.id, s.seen_at, a.id, a.name, a.role, a.unit, a.suspended_why,
           (SELECT count(*) FROM trades t
             WHERE (t.buyer = a.id AND 'buyer' = ANY (t.turn))
                OR (t.seller = a.id AND 'seller' = ANY (t.turn))
                OR (t.arbitrator = a.id AND 'arbitrator' = ANY (t.turn))),
           (SELECT count(*) FROM trades t
              LEFT JOIN room_reads r ON r.trade = t.id AND r.account = a.id
              JOIN messages m ON m.trade = t.id AND m.number > coalesce(r.number, 0) AND m.account <> a.id
             WHERE t.buyer = a.id OR t.seller = a.id OR (t.arbitrator = a.id AND r.number IS NOT NULL))
      FROM sessions s JOIN accounts a ON a.id = s.account
     WHERE s.token_hash = $1 AND s.expires_at > now()";

pub async fn find(client: &impl GenericClient, token_hash: &[u8; 32]) -> Stored<Option<SignedInRow>> {
    let statement = client.prepare_cached(FIND).await?;
    let Some(row) = client.query_opt(&statement, &[&token_hash.as_slice()]).await? else { return Ok(None) };
    let role: String = row.try_get(4)?;
    Ok(Some(SignedInRow {
        session: SessionId(row.try_get(0)?),
        seen_at: row.try_get(1)?,
        account: UserId(row.try_get(2)?),
        name: row.try_get(3)?,
        role: Role::from_word(&role).ok_or_else(|| StoreError::Row(format!("role {role}")))?,
        unit: row.try_get(5)?,
        suspended_why: row.try_get(6)?,
        waiting: row.try_get(7)?,
        unread: row.try_get(8)?,
    }))
}

const TOUCH: &str = "
    UPDATE sessions SET seen_at = now(), expires_at = now() + (expires_at - seen_at)
     WHERE id = $1 AND seen_at < now() - interval '5 minutes'";

/// Notes that the browser was here, at most every five minutes; its time begins anew.
pub async fn touch(client: &impl GenericClient, session: SessionId) -> Stored<()> {
    client.execute(&client.prepare_cached(TOUCH).await?, &[&session.0]).await?;
    Ok(())
}

/// One signed-in browser, as its owner sees it.
#[derive(Debug, Clone)]
pub struct SessionRow {
    pub id: SessionId,
    /// What the browser called itself.
    pub agent: String,
    pub created_at: Timestamp,
    pub seen_at: Timestamp,
}

const INSERT: &str = "
    INSERT INTO sessions (id, account, token_hash, agent, created_at, seen_at, expires_at)
    VALUES ($1, $2, $3, $4, now(), now(), now() + make_interval(days => $5))";

/// Starts a session that ends after so many days without use.
pub async fn insert(
    client: &impl GenericClient,
    id: SessionId,
    account: UserId,
    token_hash: &[u8; 32],
    agent: &str,
    days: i32,
) -> Stored<()> {
    let statement = client.prepare_cached(INSERT).await?;
    client.execute(&statement, &[&id.0, &account.0, &token_hash.as_slice(), &agent, &days]).await?;
    Ok(())
}

const LIST: &str = "
    SELECT id, agent, created_at, seen_at FROM sessions WHERE account = $1 AND expires_at > now() ORDER BY seen_at DESC";

pub async fn of_account(client: &impl GenericClient, account: UserId) -> Stored<Vec<SessionRow>> {
    let rows = client.query(&client.prepare_cached(LIST).await?, &[&account.0]).await?;
    rows.iter()
        .map(|row| {
            Ok(SessionRow {
                id: SessionId(row.try_get(0)?),
                agent: row.try_get(1)?,
                created_at: row.try_get(2)?,
                seen_at: row.try_get(3)?,
            })
        })
        .collect()
}

const END: &str = "DELETE FROM sessions WHERE account = $1 AND id = $2";

/// False when the account has no such session.
pub async fn end(client: &impl GenericClient, account: UserId, session: SessionId) -> Stored<bool> {
    Ok(client.execute(&client.prepare_cached(END).await?, &[&account.0, &session.0]).await? == 1)
}

const END_OTHERS: &str = "DELETE FROM sessions WHERE account = $1 AND id IS DISTINCT FROM $2";

/// Ends all sessions of an account, but the one to keep.
pub async fn end_all(client: &impl GenericClient, account: UserId, keep: Option<SessionId>) -> Stored<u64> {
    let keep = keep.map(|id| id.0);
    Ok(client.execute(&client.prepare_cached(END_OTHERS).await?, &[&account.0, &keep]).await?)
}

const SWEEP: &str = "DELETE FROM sessions WHERE expires_at < now()";

/// Removes what has ended by itself.
pub async fn sweep(client: &impl GenericClient) -> Stored<u64> {
    Ok(client.execute(&client.prepare_cached(SWEEP).await?, &[]).await?)
}
