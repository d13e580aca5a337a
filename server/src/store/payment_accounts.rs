//! People's own ways to be paid and to pay. What is in them is encrypted before it comes here.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::{GenericClient, StoreError, Stored};
use crate::domain::{MethodId, PaymentAccountId, UserId};

/// A saved account as it is kept.
#[derive(Debug, Clone)]
pub struct PaymentAccountRow {
    pub id: PaymentAccountId,
    pub owner: UserId,
    pub method: MethodId,
    pub label: String,
    pub sealed: Vec<u8>,
    /// References of open and paused offers that name it.
    pub offers: Vec<String>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.account, p.method, p.label, p.sealed,
                    ARRAY(SELECT o.reference FROM offer_methods m JOIN offers o ON o.id = m.offer
                           WHERE m.payment_account = p.id AND o.state <> 'withdrawn' ORDER BY o.created_at)
               FROM payment_accounts p WHERE p.removed_at IS NULL AND ",
            $rest
        )
    };
}

const OF_ACCOUNT: &str = select!("p.account = $1 ORDER BY p.created_at");

pub async fn of_account(client: &impl GenericClient, owner: UserId) -> Stored<Vec<PaymentAccountRow>> {
    client.query(&client.prepare_cached(OF_ACCOUNT).await?, &[&owner.0]).await?.iter().map(read).collect()
}

const FIND: &str = select!("p.id = $1 AND p.account = $2");

pub async fn find(
    client: &impl GenericClient,
    id: PaymentAccountId,
    owner: UserId,
) -> Stored<Option<PaymentAccountRow>> {
    let row = client.query_opt(&client.prepare_cached(FIND).await?, &[&id.0, &owner.0]).await?;
    row.as_ref().map(read).transpose()
}

// Two looks into two indexes, the second one by one: any other way PostgreSQL reads the whole of one of them.
pub(super) const FOR_TAKES: &str = "
    SELECT id, account, method, label, sealed, '{}'::text[]
      FROM payment_accounts WHERE removed_at IS NULL AND account = ANY ($1)
     UNION ALL
    SELECT p.id, p.account, p.method, p.label, p.sealed, '{}'::text[]
      FROM unnest($2::uuid[]) AS wanted (id) JOIN payment_accounts p ON p.id = wanted.id
     WHERE p.removed_at IS NULL AND p.account <> ALL ($1)";

/// All accounts of takers, and those of makers that stand in their offers; without the offers they stand in.
pub async fn for_takes(
    client: &impl GenericClient,
    takers: &[UserId],
    makers: &[PaymentAccountId],
) -> Stored<Vec<PaymentAccountRow>> {
    let takers: Vec<_> = takers.iter().map(|id| id.0).collect();
    let makers: Vec<_> = makers.iter().map(|id| id.0).collect();
    client.query(&client.prepare_cached(FOR_TAKES).await?, &[&takers, &makers]).await?.iter().map(read).collect()
}

const LOCK: &str = "SELECT id FROM payment_accounts WHERE id = $1 AND account = $2 FOR UPDATE";

/// Holds one account against offers that would name it.
pub async fn lock(client: &impl GenericClient, id: PaymentAccountId, owner: UserId) -> Stored<()> {
    client.query_opt(&client.prepare_cached(LOCK).await?, &[&id.0, &owner.0]).await?;
    Ok(())
}

const HOLD: &str = "
    SELECT id FROM payment_accounts WHERE account = $1 AND id = ANY ($2) AND removed_at IS NULL ORDER BY id FOR SHARE";

/// Keeps these accounts from being removed until the transaction ends; says whether all of them are there.
pub async fn hold(client: &impl GenericClient, owner: UserId, ids: &[PaymentAccountId]) -> Stored<bool> {
    let wanted: Vec<_> = ids.iter().map(|id| id.0).collect();
    Ok(client.query(&client.prepare_cached(HOLD).await?, &[&owner.0, &wanted]).await?.len() == wanted.len())
}

const INSERT: &str = "
    INSERT INTO payment_accounts (id, account, method, label, sealed, created_at) VALUES ($1, $2, $3, $4, $5, $6)";

pub async fn insert(client: &impl GenericClient, account: &PaymentAccountRow, at: Timestamp) -> Stored<()> {
    let statement = client.prepare_cached(INSERT).await?;
    let method = account.method.as_str();
    client
        .execute(&statement, &[&account.id.0, &account.owner.0, &method, &account.label, &account.sealed, &at])
        .await?;
    Ok(())
}

const REMOVE: &str = "
    UPDATE payment_accounts SET removed_at = $3, sealed = '' WHERE id = $1 AND account = $2 AND removed_at IS NULL";

/// Forgets what is in it; running trades have their own copy.
pub async fn remove(client: &impl GenericClient, id: PaymentAccountId, owner: UserId, at: Timestamp) -> Stored<()> {
    client.execute(&client.prepare_cached(REMOVE).await?, &[&id.0, &owner.0, &at]).await?;
    Ok(())
}

fn read(row: &Row) -> Stored<PaymentAccountRow> {
    let method: String = row.try_get(2)?;
    Ok(PaymentAccountRow {
        id: PaymentAccountId(row.try_get(0)?),
        owner: UserId(row.try_get(1)?),
        method: MethodId::parse(&method).map_err(|_| StoreError::Row(format!("method {method}")))?,
        label: row.try_get(3)?,
        sealed: row.try_get(4)?,
        offers: row.try_get(5)?,
    })
}
