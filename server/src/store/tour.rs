//! What the tour of a practice desk ticks its steps off by.

use super::{GenericClient, StoreError, Stored};
use crate::domain::tour::{Facts, Seen};
use crate::domain::{Side, UserId, Wish};

const OWNED: &str = "
    SELECT EXISTS (SELECT 1 FROM signing_keys WHERE account = $1 AND retired_at IS NULL),
           EXISTS (SELECT 1 FROM payment_accounts WHERE account = $1 AND removed_at IS NULL)";

const SEEN: &str = "
    SELECT t.reference, t.buyer = $1, t.state,
           ARRAY(SELECT m.body FROM messages m WHERE m.trade = t.id AND m.account = $1 AND length(m.body) < 50)
      FROM trades t WHERE t.buyer = $1 OR t.seller = $1 ORDER BY t.created_at DESC, t.id DESC LIMIT 50";

/// Of the newest trades; the tour has four.
pub async fn facts(client: &impl GenericClient, account: UserId) -> Stored<Facts> {
    let owned = client.query_one(&client.prepare_cached(OWNED).await?, &[&account.0]).await?;
    let rows = client.query(&client.prepare_cached(SEEN).await?, &[&account.0]).await?;
    let odd = |what: String| StoreError::Row(what);
    let mut trades = Vec::with_capacity(rows.len());
    for row in rows {
        let (reference, said): (String, Vec<String>) = (row.try_get(0)?, row.try_get(3)?);
        trades.push(Seen {
            reference: reference.parse().map_err(|_| odd(format!("trade reference {reference}")))?,
            side: if row.try_get(1)? { Side::Buyer } else { Side::Seller },
            state: serde_json::from_value(row.try_get(2)?).map_err(|error| odd(format!("trade state: {error}")))?,
            wishes: said.iter().filter_map(|words| Wish::heard(words)).collect(),
        });
    }
    Ok(Facts { registered: true, has_key: owned.try_get(0)?, has_way: owned.try_get(1)?, trades })
}
