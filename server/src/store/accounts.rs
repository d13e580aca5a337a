//! People of the desk: names, password hashes, invitations.

use jiff::Timestamp;

use super::{GenericClient, StoreError, Stored, board};
use crate::domain::{AccountName, Role, UserId};

/// An account as it stands.
#[derive(Debug, Clone)]
pub struct AccountRow {
    pub id: UserId,
    pub name: String,
    pub role: Role,
    pub password_hash: String,
    pub recovery_hash: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub suspended_why: Option<String>,
}

/// A new account.
#[derive(Debug)]
pub struct NewAccount<'a> {
    pub id: UserId,
    pub name: &'a AccountName,
    pub role: Role,
    pub password_hash: &'a str,
    pub recovery_hash: &'a [u8; 32],
    pub created_at: Timestamp,
}

const INSERT: &str = "
    INSERT INTO accounts (id, name, skeleton, role, password_hash, recovery_hash, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING";

/// False when the name, or one that looks like it, is taken.
pub async fn insert(client: &impl GenericClient, new: &NewAccount<'_>) -> Stored<bool> {
    let statement = client.prepare_cached(INSERT).await?;
    let inserted = client
        .execute(
            &statement,
            &[
                &new.id.0,
                &new.name.as_str(),
                &new.name.skeleton(),
                &new.role.as_str(),
                &new.password_hash,
                &new.recovery_hash.as_slice(),
                &new.created_at,
            ],
        )
        .await?;
    Ok(inserted == 1)
}

const BY_NAME: &str = "
    SELECT id, name, role, password_hash, recovery_hash, created_at, suspended_why FROM accounts WHERE name = $1";

pub async fn by_name(client: &impl GenericClient, name: &str) -> Stored<Option<AccountRow>> {
    let row = client.query_opt(&client.prepare_cached(BY_NAME).await?, &[&name]).await?;
    row.map(|row| read(&row)).transpose()
}

const BY_ID: &str = "
    SELECT id, name, role, password_hash, recovery_hash, created_at, suspended_why FROM accounts WHERE id = $1";

pub async fn by_id(client: &impl GenericClient, id: UserId) -> Stored<Option<AccountRow>> {
    let row = client.query_opt(&client.prepare_cached(BY_ID).await?, &[&id.0]).await?;
    row.map(|row| read(&row)).transpose()
}

const LOCK: &str = "
    SELECT id, name, role, password_hash, recovery_hash, created_at, suspended_why
      FROM accounts WHERE name = $1 FOR UPDATE";

/// The account, held until the transaction ends.
pub async fn by_name_for_update(client: &impl GenericClient, name: &str) -> Stored<Option<AccountRow>> {
    let row = client.query_opt(&client.prepare_cached(LOCK).await?, &[&name]).await?;
    row.map(|row| read(&row)).transpose()
}

fn read(row: &tokio_postgres::Row) -> Stored<AccountRow> {
    let role: String = row.try_get(2)?;
    Ok(AccountRow {
        id: UserId(row.try_get(0)?),
        name: row.try_get(1)?,
        role: Role::from_word(&role).ok_or_else(|| StoreError::Row(format!("role {role}")))?,
        password_hash: row.try_get(3)?,
        recovery_hash: row.try_get(4)?,
        created_at: row.try_get(5)?,
        suspended_why: row.try_get(6)?,
    })
}

const SET_PASSWORD: &str = "UPDATE accounts SET password_hash = $2 WHERE id = $1";

pub async fn set_password(client: &impl GenericClient, id: UserId, hash: &str) -> Stored<()> {
    client.execute(&client.prepare_cached(SET_PASSWORD).await?, &[&id.0, &hash]).await?;
    Ok(())
}

const SET_RECOVERY: &str = "UPDATE accounts SET recovery_hash = $2 WHERE id = $1";

pub async fn set_recovery(client: &impl GenericClient, id: UserId, hash: &[u8; 32]) -> Stored<()> {
    client.execute(&client.prepare_cached(SET_RECOVERY).await?, &[&id.0, &hash.as_slice()]).await?;
    Ok(())
}

const SET_UNIT: &str = "UPDATE accounts SET unit = $2 WHERE id = $1";

/// `btc` or `sat`.
pub async fn set_unit(client: &impl GenericClient, id: UserId, unit: &str) -> Stored<()> {
    client.execute(&client.prepare_cached(SET_UNIT).await?, &[&id.0, &unit]).await?;
    Ok(())
}

const SET_ROLE: &str = "UPDATE accounts SET role = $2 WHERE id = $1";

pub async fn set_role(client: &impl GenericClient, id: UserId, role: Role) -> Stored<()> {
    client.execute(&client.prepare_cached(SET_ROLE).await?, &[&id.0, &role.as_str()]).await?;
    Ok(())
}

const SUSPEND: &str = "UPDATE accounts SET suspended_at = $2, suspended_why = $3 WHERE id = $1";

/// With a reason suspended, without one restored.
pub async fn set_suspension(
    client: &impl GenericClient,
    id: UserId,
    suspension: Option<(Timestamp, &str)>,
) -> Stored<()> {
    let (at, why) = suspension.unzip();
    client.execute(&client.prepare_cached(SUSPEND).await?, &[&id.0, &at, &why]).await?;
    // Offers of a suspended account leave the board.
    board::bump(client).await
}

const OPERATORS: &str = "SELECT count(*) FROM accounts WHERE role = 'operator'";

pub async fn operators(client: &impl GenericClient) -> Stored<i64> {
    Ok(client.query_one(&client.prepare_cached(OPERATORS).await?, &[]).await?.try_get(0)?)
}

const OPEN_BUSINESS: &str = "
    SELECT EXISTS (SELECT 1 FROM trades WHERE (buyer = $1 OR seller = $1) AND stage NOT IN ('completed', 'cancelled'))
        OR EXISTS (SELECT 1 FROM offers WHERE account = $1 AND state <> 'withdrawn')";

/// Whether the account has a running trade or an offer that is not withdrawn.
pub async fn has_open_business(client: &impl GenericClient, id: UserId) -> Stored<bool> {
    Ok(client.query_one(&client.prepare_cached(OPEN_BUSINESS).await?, &[&id.0]).await?.try_get(0)?)
}

/// An invitation to be kept.
#[derive(Debug)]
pub struct NewInvitation<'a> {
    pub code_hash: &'a [u8; 32],
    pub made_by: Option<UserId>,
    pub note: &'a str,
    pub now: Timestamp,
}

const INVITE: &str =
    "INSERT INTO invitations (code_hash, created_at, made_by, note) VALUES ($1, $2, $3, $4) RETURNING number";

/// The number it is known by; its code is kept nowhere.
pub async fn insert_invitation(client: &impl GenericClient, new: &NewInvitation<'_>) -> Stored<i64> {
    let statement = client.prepare_cached(INVITE).await?;
    let made_by = new.made_by.map(|account| account.0);
    let row = client.query_one(&statement, &[&new.code_hash.as_slice(), &new.now, &made_by, &new.note]).await?;
    Ok(row.try_get(0)?)
}

const WITHDRAW_INVITATION: &str =
    "UPDATE invitations SET withdrawn_at = $2 WHERE number = $1 AND used_at IS NULL AND withdrawn_at IS NULL";

/// False when it was used or withdrawn before, or never was.
pub async fn withdraw_invitation(client: &impl GenericClient, number: i64, now: Timestamp) -> Stored<bool> {
    Ok(client.execute(&client.prepare_cached(WITHDRAW_INVITATION).await?, &[&number, &now]).await? == 1)
}

const USE_INVITATION: &str = "UPDATE invitations SET used_by = $2, used_at = $3 WHERE code_hash = $1 AND used_by IS NULL AND withdrawn_at IS NULL";

/// False when there is no such code, or it was used.
pub async fn use_invitation(
    client: &impl GenericClient,
    code_hash: &[u8; 32],
    by: UserId,
    now: Timestamp,
) -> Stored<bool> {
    let statement = client.prepare_cached(USE_INVITATION).await?;
    Ok(client.execute(&statement, &[&code_hash.as_slice(), &by.0, &now]).await? == 1)
}
