//! The ways in which an account is told of its trades, and of what in each.

use super::Desk;
use super::error::Done;
use crate::domain::notices::{Channel, Kind};
use crate::domain::{Refusal, UserId};
use crate::store::channels as store;
pub use crate::store::channels::ChannelRow;

/// The ways that are set up.
#[derive(Debug, Clone)]
pub struct Channels {
    pub feed: Option<ChannelRow>,
}

pub async fn of(desk: &Desk, account: UserId) -> Done<Channels> {
    let client = desk.store.connection().await?;
    Ok(Channels { feed: store::find(&client, account, Channel::Feed).await? })
}

/// Nothing is told in this way any more.
pub async fn end(desk: &Desk, account: UserId, channel: Option<Channel>) -> Done<()> {
    let channel = channel.ok_or_else(Refusal::not_found)?;
    Ok(store::end(&desk.store.connection().await?, account, channel).await?)
}

/// What is told in this way from now on.
pub async fn set_kinds(desk: &Desk, account: UserId, channel: Option<Channel>, kinds: &[Kind]) -> Done<()> {
    let channel = channel.ok_or_else(Refusal::not_found)?;
    Ok(store::set_kinds(&desk.store.connection().await?, account, channel, kinds).await?)
}
