//! Working hours: everybody states their own; a take writes those of all three into the contract.

use super::Desk;
use super::error::Done;
use crate::domain::UserId;
use crate::domain::hours::{Week, WeekInput};
use crate::store::{GenericClient, hours};

/// Takes down one's own hours. Running trades keep what their contract says. Fields: `zone`, `mon` … `sun`, `days`.
pub async fn set(desk: &Desk, account: UserId, input: &WeekInput) -> Done<()> {
    let week = Week::read(input)?;
    let client = desk.store.connection().await?;
    Ok(hours::set(&client, account, week.as_ref()).await?)
}

/// None: day and night.
pub async fn of(desk: &Desk, account: UserId) -> Done<Option<Week>> {
    one(&desk.store.connection().await?, account).await
}

pub(super) async fn one(client: &impl GenericClient, account: UserId) -> Done<Option<Week>> {
    Ok(hours::of_accounts(client, &[account]).await?.pop().map(|(_, week)| week))
}
