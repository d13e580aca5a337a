//! The board: what can be taken now, best price first, and the version that says when a copy of it is old.

use rust_decimal::Decimal;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{GenericClient, StoreError, Stored};
use crate::domain::{Currency, PublicRef, Side, UserId};

/// Rows the version is spread over.
pub(super) const BUMP: &str = "UPDATE board_versions SET version = version + 1 WHERE slot = pg_backend_pid() % 64";

/// Says that the board has changed. Call it last in the transaction that changes it: it holds a row until the end.
pub async fn bump(client: &impl GenericClient) -> Stored<()> {
    client.execute(&client.prepare_cached(BUMP).await?, &[]).await?;
    Ok(())
}

const VERSION: &str = "SELECT sum(version)::bigint FROM board_versions";

/// Moves with every committed change of the board.
pub async fn version(client: &impl GenericClient) -> Stored<i64> {
    Ok(client.query_one(&client.prepare_cached(VERSION).await?, &[]).await?.try_get(0)?)
}

/// What to look for. Empty filters let everything through.
#[derive(Debug, Clone)]
pub struct Search {
    /// The makers' side.
    pub side: Side,
    pub currency: Currency,
    /// The rate, if it is fresh; without it offers that float on it are not there.
    pub rate: Option<Decimal>,
    pub amount: Option<Decimal>,
    /// Methods that fit the method filter, the country filter, and both.
    pub of_method: Option<Vec<String>>,
    pub of_country: Option<Vec<String>>,
    pub of_both: Option<Vec<String>>,
    /// Price (exact, before rounding) and id of the last row of the page before.
    pub after: Option<(Decimal, Uuid)>,
    pub limit: i64,
}

/// One row of the board.
#[derive(Debug, Clone)]
pub struct BoardRow {
    pub id: Uuid,
    pub reference: PublicRef,
    pub maker: UserId,
    pub maker_name: String,
    /// Before rounding to the currency's decimals.
    pub exact_price: Decimal,
    pub floats: bool,
    pub min: Decimal,
    /// min(limit, total − reserved).
    pub upper: Decimal,
    pub methods: Vec<String>,
    pub payment_window_minutes: i32,
}

/// Two walks along two indexes, merged: offers with a fixed price, and offers that float, whose order is that of their
/// percentages.
macro_rules! page {
    ($than:literal, $order:literal) => {
        concat!(
            "SELECT o.id, o.reference, o.account, a.name, o.price, o.floats, o.limit_min,
                    least(o.limit_max, o.total - o.reserved), o.payment_window_minutes,
                    ARRAY(SELECT m.method FROM offer_methods m WHERE m.offer = o.id ORDER BY m.position)
               FROM ((SELECT f.*, f.fixed_price AS price, false AS floats FROM offers f
                       WHERE f.side = $1 AND f.currency = $2 AND f.state = 'open' AND f.market_percent IS NULL
                         AND ($6::numeric IS NULL OR (f.fixed_price, f.id) ",
            $than,
            " ($6, $7))
                         AND least(f.limit_max, f.total - f.reserved) >= f.limit_min
                         AND ($4::numeric IS NULL OR $4 BETWEEN f.limit_min AND least(f.limit_max, f.total - f.reserved))
                         AND ($5::text[] IS NULL OR EXISTS (SELECT 1 FROM offer_methods m WHERE m.offer = f.id AND m.method = ANY ($5)))
                         AND EXISTS (SELECT 1 FROM accounts x WHERE x.id = f.account AND x.suspended_at IS NULL)
                       ORDER BY f.fixed_price ",
            $order,
            ", f.id ",
            $order,
            " LIMIT $8)
                     UNION ALL
                     (SELECT f.*, $3::numeric * (100 + f.market_percent) * 0.01 AS price, true AS floats FROM offers f
                       WHERE f.side = $1 AND f.currency = $2 AND f.state = 'open' AND f.fixed_price IS NULL
                         AND $3::numeric IS NOT NULL
                         AND ($6::numeric IS NULL OR ($3::numeric * (100 + f.market_percent) * 0.01, f.id) ",
            $than,
            " ($6, $7))
                         AND least(f.limit_max, f.total - f.reserved) >= f.limit_min
                         AND ($4::numeric IS NULL OR $4 BETWEEN f.limit_min AND least(f.limit_max, f.total - f.reserved))
                         AND ($5::text[] IS NULL OR EXISTS (SELECT 1 FROM offer_methods m WHERE m.offer = f.id AND m.method = ANY ($5)))
                         AND EXISTS (SELECT 1 FROM accounts x WHERE x.id = f.account AND x.suspended_at IS NULL)
                       ORDER BY f.market_percent ",
            $order,
            ", f.id ",
            $order,
            " LIMIT $8)) o
               JOIN accounts a ON a.id = o.account
              ORDER BY o.price ",
            $order,
            ", o.id ",
            $order,
            " LIMIT $8"
        )
    };
}

const CHEAPEST_FIRST: &str = page!(">", "ASC");
const DEAREST_FIRST: &str = page!("<", "DESC");

/// One page, best price for the visitor first: the lowest of sellers, the highest of buyers.
pub async fn page(client: &impl GenericClient, search: &Search) -> Stored<Vec<BoardRow>> {
    let sql = match search.side {
        Side::Seller => CHEAPEST_FIRST,
        Side::Buyer => DEAREST_FIRST,
    };
    let (price, id) = search.after.unzip();
    let statement = client.prepare_cached(sql).await?;
    let rows = client
        .query(
            &statement,
            &[
                &search.side.as_str(),
                &search.currency.code(),
                &search.rate,
                &search.amount,
                &search.of_both,
                &price,
                &id,
                &search.limit,
            ],
        )
        .await?;
    rows.iter().map(read).collect()
}

/// How many offers there are, and how many each filter hides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Open with something left, whatever the filters say.
    pub all: i64,
    /// Of those, what has no price because the rate is missing or old.
    pub unpriced: i64,
    pub shown: i64,
    /// Makers of what is shown.
    pub people: i64,
    /// What would be shown without one of the filters.
    pub without_amount: i64,
    pub without_method: i64,
    pub without_country: i64,
}

const COUNTS: &str = "
    SELECT count(*), count(*) FILTER (WHERE unpriced),
           count(*) FILTER (WHERE NOT unpriced AND of_amount AND of_both),
           count(*) FILTER (WHERE NOT unpriced AND of_both),
           count(*) FILTER (WHERE NOT unpriced AND of_amount AND of_country),
           count(*) FILTER (WHERE NOT unpriced AND of_amount AND of_method),
           count(DISTINCT account) FILTER (WHERE NOT unpriced AND of_amount AND of_both)
      FROM (SELECT o.account, o.fixed_price IS NULL AND $3::boolean AS unpriced,
                   $4::numeric IS NULL OR $4 BETWEEN o.limit_min AND least(o.limit_max, o.total - o.reserved) AS of_amount,
                   $5::text[] IS NULL OR EXISTS (SELECT 1 FROM offer_methods m WHERE m.offer = o.id AND m.method = ANY ($5)) AS of_method,
                   $6::text[] IS NULL OR EXISTS (SELECT 1 FROM offer_methods m WHERE m.offer = o.id AND m.method = ANY ($6)) AS of_country,
                   $7::text[] IS NULL OR EXISTS (SELECT 1 FROM offer_methods m WHERE m.offer = o.id AND m.method = ANY ($7)) AS of_both
              FROM offers o JOIN accounts a ON a.id = o.account AND a.suspended_at IS NULL
             WHERE o.side = $1 AND o.currency = $2 AND o.state = 'open'
               AND least(o.limit_max, o.total - o.reserved) >= o.limit_min) x";

pub async fn counts(client: &impl GenericClient, search: &Search) -> Stored<Counts> {
    let statement = client.prepare_cached(COUNTS).await?;
    let row = client
        .query_one(
            &statement,
            &[
                &search.side.as_str(),
                &search.currency.code(),
                &search.rate.is_none(),
                &search.amount,
                &search.of_method,
                &search.of_country,
                &search.of_both,
            ],
        )
        .await?;
    Ok(Counts {
        all: row.try_get(0)?,
        unpriced: row.try_get(1)?,
        shown: row.try_get(2)?,
        without_amount: row.try_get(3)?,
        without_method: row.try_get(4)?,
        without_country: row.try_get(5)?,
        people: row.try_get(6)?,
    })
}

const CURRENCIES: &str = "
    SELECT o.currency, count(*) FROM offers o JOIN accounts a ON a.id = o.account AND a.suspended_at IS NULL
     WHERE o.side = $1 AND o.state = 'open' AND least(o.limit_max, o.total - o.reserved) >= o.limit_min
     GROUP BY o.currency ORDER BY count(*) DESC, o.currency";

/// In which currencies there are offers on a side, the busiest first.
pub async fn currencies(client: &impl GenericClient, side: Side) -> Stored<Vec<(Currency, i64)>> {
    let statement = client.prepare_cached(CURRENCIES).await?;
    let read = |row: &Row| {
        let code: String = row.try_get(0)?;
        let currency = Currency::parse(&code).map_err(|_| StoreError::Row(format!("currency {code}")))?;
        Ok((currency, row.try_get(1)?))
    };
    client.query(&statement, &[&side.as_str()]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Stored<BoardRow> {
    let reference: String = row.try_get(1)?;
    Ok(BoardRow {
        id: row.try_get(0)?,
        reference: reference.parse().map_err(|_| StoreError::Row("an offer's reference".into()))?,
        maker: UserId(row.try_get(2)?),
        maker_name: row.try_get(3)?,
        exact_price: row.try_get(4)?,
        floats: row.try_get(5)?,
        min: row.try_get(6)?,
        upper: row.try_get(7)?,
        payment_window_minutes: row.try_get(8)?,
        methods: row.try_get(9)?,
    })
}
