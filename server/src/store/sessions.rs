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
}

const FIND: &str = "
    SELECT s.id, s.seen_at, a.id, a.name, a.role, a.unit, a.suspended_why,
           (SELECT count(*) FROM trades t
             WHERE (t.buyer = a.id AND 'buyer' = ANY (t.turn))
                OR (t.seller = a.id AND 'seller' = ANY (t.turn))
                OR (t.arbitrator = a.id AND 'arbitrator' = ANY (t.turn)))
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
    }))
}

const TOUCH: &str = "UPDATE sessions SET seen_at = now() WHERE id = $1 AND seen_at < now() - interval '5 minutes'";

/// Notes that the browser was here, at most every five minutes.
pub async fn touch(client: &impl GenericClient, session: SessionId) -> Stored<()> {
    client.execute(&client.prepare_cached(TOUCH).await?, &[&session.0]).await?;
    Ok(())
}
