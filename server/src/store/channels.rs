//! The ways in which an account is told of its trades: a feed at a secret address, and of what.

use jiff::Timestamp;

use super::notices::{kind_words, kinds};
use super::{GenericClient, Stored};
use crate::domain::UserId;
use crate::domain::notices::{Channel, Kind};

/// A way that is set up.
#[derive(Debug, Clone)]
pub struct ChannelRow {
    pub kinds: Vec<Kind>,
    pub made_at: Timestamp,
}

const SET_FEED: &str = "
    INSERT INTO notice_channels (account, channel, kinds, token_hash, made_at) VALUES ($1, 'feed', $2, $3, $4)
    ON CONFLICT (account, channel) DO UPDATE SET token_hash = $3, made_at = $4";

/// The feed's address from now on; the one before is over. What it tells stays as chosen.
pub async fn set_feed(
    client: &impl GenericClient,
    account: UserId,
    hash: &[u8; 32],
    usual: &[Kind],
    at: Timestamp,
) -> Stored<()> {
    let statement = client.prepare_cached(SET_FEED).await?;
    client.execute(&statement, &[&account.0, &kind_words(usual), &hash.as_slice(), &at]).await?;
    Ok(())
}

const FEED_OWNER: &str =
    "SELECT account, kinds, made_at FROM notice_channels WHERE token_hash = $1 AND channel = 'feed'";

/// Whose feed stands at an address.
pub async fn feed_owner(client: &impl GenericClient, hash: &[u8; 32]) -> Stored<Option<(UserId, ChannelRow)>> {
    let row = client.query_opt(&client.prepare_cached(FEED_OWNER).await?, &[&hash.as_slice()]).await?;
    row.map(|row| {
        Ok((UserId(row.try_get(0)?), ChannelRow { kinds: kinds(row.try_get(1)?)?, made_at: row.try_get(2)? }))
    })
    .transpose()
}

const FIND: &str = "SELECT kinds, made_at FROM notice_channels WHERE account = $1 AND channel = $2";

pub async fn find(client: &impl GenericClient, account: UserId, channel: Channel) -> Stored<Option<ChannelRow>> {
    let row = client.query_opt(&client.prepare_cached(FIND).await?, &[&account.0, &channel.as_str()]).await?;
    row.map(|row| Ok(ChannelRow { kinds: kinds(row.try_get(0)?)?, made_at: row.try_get(1)? })).transpose()
}

const SET_KINDS: &str = "UPDATE notice_channels SET kinds = $3 WHERE account = $1 AND channel = $2";

pub async fn set_kinds(client: &impl GenericClient, account: UserId, channel: Channel, kinds: &[Kind]) -> Stored<()> {
    let statement = client.prepare_cached(SET_KINDS).await?;
    client.execute(&statement, &[&account.0, &channel.as_str(), &kind_words(kinds)]).await?;
    Ok(())
}

const END: &str = "DELETE FROM notice_channels WHERE account = $1 AND channel = $2";

pub async fn end(client: &impl GenericClient, account: UserId, channel: Channel) -> Stored<()> {
    client.execute(&client.prepare_cached(END).await?, &[&account.0, &channel.as_str()]).await?;
    Ok(())
}
