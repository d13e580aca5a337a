//! Takes, several at a time: what they are decided from, and what they write, each sent in one go.
//!
//! Statements that are sent together are answered in their order, and each sees what those before it did. That holds
//! once they are prepared: see [`ready`].

mod written;

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

pub use self::written::{NewTake, NewTrade, Written, commit, is_overtaken};
use super::conduct::RECORDS;
use super::offers::Halts;
use super::{GenericClient, Stored, arbitrators, draws, hours, keys, offers, payment_accounts, watched};
use crate::domain::UserId;
use crate::domain::hours::Week;

/// One of the people of a take.
#[derive(Debug)]
pub struct Person {
    pub name: String,
    pub halts: Halts,
    /// Working hours; none: day and night.
    pub hours: Option<Week>,
}

/// What limits an account's next take.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountRecord {
    pub completed: i64,
    pub proposed: i64,
    pub running: i64,
    /// Lapses of the last 30 days, if the last was within 7 days: not signed, not deposited, not released in time, not
    /// paid, cancelled after the deposit, marked as paid and unmarked, dispute lost.
    pub lapses: i64,
}

/// Prepares everything that takes hold and read, so that what is sent together goes out in its order.
pub async fn ready(client: &impl GenericClient) -> Stored<()> {
    let statements = [
        offers::HOLD,
        PEOPLE,
        RECORDS,
        draws::RELATIONS,
        arbitrators::ON_DUTY,
        arbitrators::LEVELS,
        keys::FOR_TAKES,
        payment_accounts::FOR_TAKES,
        watched::ESCROWS_AMONG,
    ];
    for statement in statements {
        client.prepare_cached(statement).await?;
    }
    Ok(())
}

const PEOPLE: &str = "
    SELECT id, name, suspended_why, (SELECT paused_why FROM desk_state WHERE paused_at IS NOT NULL), hours
      FROM accounts WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";

/// Holds these accounts, in the order of their ids: nobody else makes a take of theirs until the transaction ends, so
/// what is counted of them, drawn for them and given to their keys stays true. (Two accounts may claim the same key;
/// then the second is refused, see [`is_overtaken`].) Who has no account is not there.
pub async fn hold_people(client: &impl GenericClient, people: &[UserId]) -> Stored<HashMap<UserId, Person>> {
    let ids: Vec<Uuid> = people.iter().map(|id| id.0).collect();
    let person = |row: &Row| {
        let halts = Halts { suspended_why: row.try_get(2)?, paused_why: row.try_get(3)? };
        let hours = row.try_get::<_, Option<_>>(4)?.map(hours::read).transpose()?;
        Ok((UserId(row.try_get(0)?), Person { name: row.try_get(1)?, halts, hours }))
    };
    client.query(&client.prepare_cached(PEOPLE).await?, &[&ids]).await?.iter().map(person).collect()
}

/// What limits the next takes of these accounts; who never traded is not there.
pub async fn records(
    client: &impl GenericClient,
    accounts: &[UserId],
    now: Timestamp,
) -> Stored<HashMap<UserId, AccountRecord>> {
    let ids: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let record = |row: &Row| -> Stored<(UserId, AccountRecord)> {
        let (completed, proposed, running, lapses) =
            (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        Ok((UserId(row.try_get(0)?), AccountRecord { completed, proposed, running, lapses }))
    };
    client.query(&client.prepare_cached(RECORDS).await?, &[&ids, &now]).await?.iter().map(record).collect()
}
