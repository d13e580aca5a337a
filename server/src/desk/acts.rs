//! Whose hand does what an operator does: a page's or a command's. Every act is written down in the transaction that
//! does it, and never edited.

use std::sync::Arc;

use jiff::Timestamp;

use super::Desk;
use super::error::Done;
use crate::domain::UserId;
use crate::store::acts::{self, NewAct};
use crate::store::{GenericClient, Transaction};

pub use crate::store::acts::ActRow;

/// Acts on one page of the log.
const PAGE: i64 = 50;

/// An operator at a page, or whoever can run a command on the desk's own machine.
#[derive(Debug, Clone, Copy)]
pub struct Hand<'a> {
    pub desk: &'a Desk,
    by: Option<UserId>,
}

impl<'a> Hand<'a> {
    /// Of an operator who is signed in.
    pub fn of(desk: &'a Desk, operator: UserId) -> Self {
        Self { desk, by: Some(operator) }
    }

    pub(super) fn account(&self) -> Option<UserId> {
        self.by
    }

    /// Writes down what is done in this transaction.
    pub(super) async fn note(&self, tx: &Transaction<'_>, now: Timestamp, new: &NewAct<'_>) -> Done<()> {
        Ok(acts::append(tx, now, self.by, new).await?)
    }
}

impl<'a> From<&'a Desk> for Hand<'a> {
    fn from(desk: &'a Desk) -> Self {
        Self { desk, by: None }
    }
}

impl<'a> From<&'a Arc<Desk>> for Hand<'a> {
    fn from(desk: &'a Arc<Desk>) -> Self {
        Self { desk, by: None }
    }
}

/// Acts below a number (from the newest without one), and where the next page begins.
pub async fn page(desk: &Desk, before: Option<i64>) -> Done<(Vec<ActRow>, Option<i64>)> {
    let client = desk.store.connection().await?;
    let mut rows = acts::before(&client, before.unwrap_or(i64::MAX), PAGE + 1).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|found| found > PAGE);
    if more {
        rows.pop();
    }
    let next = if more { rows.last().map(|row| row.number) } else { None };
    Ok((rows, next))
}

/// The last acts about one account.
pub(super) async fn about(client: &impl GenericClient, name: &str) -> Done<Vec<ActRow>> {
    Ok(acts::about(client, name, PAGE).await?)
}
