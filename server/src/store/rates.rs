//! The reference price of one bitcoin in each currency, as the operator set it.

use tokio_postgres::Row;

use super::{GenericClient, StoreError, Stored, board};
use crate::domain::{Currency, Rate};

const ALL: &str = "SELECT currency, price, set_at FROM rates ORDER BY currency";

pub async fn all(client: &impl GenericClient) -> Stored<Vec<Rate>> {
    client.query(&client.prepare_cached(ALL).await?, &[]).await?.iter().map(rate).collect()
}

const OF: &str = "SELECT currency, price, set_at FROM rates WHERE currency = $1";

pub async fn of(client: &impl GenericClient, currency: Currency) -> Stored<Option<Rate>> {
    let row = client.query_opt(&client.prepare_cached(OF).await?, &[&currency.code()]).await?;
    row.as_ref().map(rate).transpose()
}

const SET: &str = "
    INSERT INTO rates (currency, price, set_at) VALUES ($1, $2, $3)
    ON CONFLICT (currency) DO UPDATE SET price = excluded.price, set_at = excluded.set_at";

/// Sets a rate; the board moves with it.
pub async fn set(client: &impl GenericClient, rate: &Rate) -> Stored<()> {
    let statement = client.prepare_cached(SET).await?;
    client.execute(&statement, &[&rate.currency.code(), &rate.price, &rate.set_at]).await?;
    board::bump(client).await
}

fn rate(row: &Row) -> Stored<Rate> {
    let code: String = row.try_get(0)?;
    let currency = Currency::parse(&code).map_err(|_| StoreError::Row(format!("currency {code}")))?;
    Ok(Rate { currency, price: row.try_get(1)?, set_at: row.try_get(2)? })
}
