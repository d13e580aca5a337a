//! What the books are checked by: every trade's log with its row, and what else must add up.

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{GenericClient, StoreError, Stored};
use crate::domain::{PublicRef, TradeId};

const TRADES: &str = "SELECT reference FROM trades ORDER BY id";

/// Every trade there is.
pub async fn trades(client: &impl GenericClient) -> Stored<Vec<PublicRef>> {
    let rows = client.query(&client.prepare_cached(TRADES).await?, &[]).await?;
    rows.iter()
        .map(|row| {
            let text: String = row.try_get(0)?;
            text.parse().map_err(|_| StoreError::Row(format!("trade reference {text}")))
        })
        .collect()
}

/// A line of a trade's log with everything its hash is over.
#[derive(Debug, Clone)]
pub struct FullLine {
    pub version: i64,
    pub at: Timestamp,
    pub actor: String,
    pub account: Option<Uuid>,
    pub event: Option<String>,
    pub act: String,
    pub stage_from: Option<String>,
    pub stage_to: String,
    pub previous: Vec<u8>,
    pub hash: Vec<u8>,
}

const LINES: &str = "
    SELECT version, at, actor, account, event, act, stage_from, stage_to, previous, hash
      FROM trade_events WHERE trade = $1 ORDER BY version";

pub async fn lines(client: &impl GenericClient, trade: TradeId) -> Stored<Vec<FullLine>> {
    let rows = client.query(&client.prepare_cached(LINES).await?, &[&trade.0]).await?;
    rows.iter()
        .map(|row| {
            Ok(FullLine {
                version: row.try_get(0)?,
                at: row.try_get(1)?,
                actor: row.try_get(2)?,
                account: row.try_get(3)?,
                event: row.try_get(4)?,
                act: row.try_get(5)?,
                stage_from: row.try_get(6)?,
                stage_to: row.try_get(7)?,
                previous: row.try_get(8)?,
                hash: row.try_get(9)?,
            })
        })
        .collect()
}

/// What must be nothing, with the words for it if it is something.
const NOTHING: [(&str, &str); 7] = [
    (
        "arbitrators whose exposure is not the sum of their open trades",
        "SELECT count(*) FROM (
            SELECT arbitrator FROM (SELECT arbitrator, sat FROM arbitrator_exposure
                                    UNION ALL
                                    SELECT arbitrator, -deposit_sat FROM trades WHERE stage NOT IN ('completed', 'cancelled')) b
             GROUP BY arbitrator HAVING sum(sat) <> 0) off",
    ),
    (
        "contracts whose text is not what their hash says",
        "SELECT count(*) FROM contracts WHERE hash <> sha256(convert_to(text, 'UTF8'))",
    ),
    (
        "rulings whose text is not what their hash says",
        "SELECT count(*) FROM rulings WHERE hash <> sha256(convert_to(text, 'UTF8'))",
    ),
    (
        "arbitrators' records whose text is not what their hash says",
        "SELECT count(*) FROM arbitrator_records WHERE hash <> sha256(convert_to(text, 'UTF8'))",
    ),
    (
        "trades whose keys have no index",
        "SELECT count(*) FROM trades t WHERE (SELECT count(*) FROM key_uses u WHERE u.trade = t.id) <> 2",
    ),
    (
        "rows that name an account, a trade or a key that is not there",
        "SELECT count(*) FROM (
            SELECT NULL FROM (SELECT account_low AS account FROM pair_arbitrators
                               UNION ALL SELECT account_high FROM pair_arbitrators
                               UNION ALL SELECT account FROM trade_events WHERE account IS NOT NULL
                               UNION ALL SELECT account FROM notices) n
             WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.id = n.account)
             UNION ALL
            SELECT NULL FROM pair_arbitrators p
             WHERE NOT EXISTS (SELECT FROM arbitrators a WHERE a.account = p.arbitrator)
             UNION ALL
            SELECT NULL FROM arbitrator_levels l
             WHERE NOT EXISTS (SELECT FROM signing_keys k WHERE k.id = l.arbitrator_key)
             UNION ALL
            SELECT NULL FROM (SELECT trade FROM key_uses
                               UNION ALL SELECT trade FROM trade_events
                               UNION ALL SELECT trade FROM deadlines
                               UNION ALL SELECT trade FROM messages
                               UNION ALL SELECT trade FROM notices) n
             WHERE NOT EXISTS (SELECT FROM trades t WHERE t.id = n.trade)) off",
    ),
    (
        "offers that hold more or less of their total than their trades took",
        "SELECT count(*) FROM offers o WHERE o.reserved < 0 OR o.reserved > o.total",
    ),
];

/// What does not add up, in words with its number.
pub async fn off(client: &impl GenericClient) -> Stored<Vec<String>> {
    let mut all = Vec::new();
    for (words, sql) in NOTHING {
        let count: i64 = client.query_one(sql, &[]).await?.try_get(0)?;
        if count > 0 {
            all.push(format!("{count} {words}"));
        }
    }
    Ok(all)
}

/// A key as registered, and what is kept of it unpacked.
#[derive(Debug)]
pub struct Key {
    pub id: Uuid,
    pub text: String,
    pub unpacked: Option<Vec<u8>>,
    /// Fingerprint, public key and chain code, by which keys are found and numbered.
    pub told: (Vec<u8>, Vec<u8>, Vec<u8>),
}

const KEYS: &str = "SELECT id, text, unpacked, fingerprint, public_key, chain_code FROM signing_keys ORDER BY id";

/// Every key there is.
pub async fn keys(client: &impl GenericClient) -> Stored<Vec<Key>> {
    let rows = client.query(&client.prepare_cached(KEYS).await?, &[]).await?;
    let key = |row: &Row| {
        let told = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
        Ok(Key { id: row.try_get(0)?, text: row.try_get(1)?, unpacked: row.try_get(2)?, told })
    };
    rows.iter().map(key).collect()
}

/// A private thing at rest and the place it is bound to.
#[derive(Debug)]
pub struct Sealed {
    pub id: Uuid,
    pub sealed: Vec<u8>,
}

const PAYMENT_ACCOUNTS: &str = "SELECT id, sealed FROM payment_accounts WHERE id > $1 ORDER BY id LIMIT $2";
const ATTACHMENTS: &str = "SELECT id, sealed FROM attachments WHERE id > $1 ORDER BY id LIMIT $2";

/// Some payment accounts, after an id.
pub async fn payment_accounts(client: &impl GenericClient, after: Uuid, limit: i64) -> Stored<Vec<Sealed>> {
    sealed(client, PAYMENT_ACCOUNTS, after, limit).await
}

/// Some pictures, after an id.
pub async fn attachments(client: &impl GenericClient, after: Uuid, limit: i64) -> Stored<Vec<Sealed>> {
    sealed(client, ATTACHMENTS, after, limit).await
}

async fn sealed(client: &impl GenericClient, sql: &str, after: Uuid, limit: i64) -> Stored<Vec<Sealed>> {
    let rows = client.query(&client.prepare_cached(sql).await?, &[&after, &limit]).await?;
    rows.iter().map(|row| Ok(Sealed { id: row.try_get(0)?, sealed: row.try_get(1)? })).collect()
}
