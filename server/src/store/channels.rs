//! The ways in which an account is told of its trades, and of what: a feed at a secret address, mails, webhooks.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::notices::{kind_words, kinds};
use super::{GenericClient, Stored};
use crate::domain::UserId;
use crate::domain::notices::{Channel, Kind};

/// A way that is set up.
#[derive(Debug, Clone)]
pub struct ChannelRow {
    pub kinds: Vec<Kind>,
    pub made_at: Timestamp,
    /// Where it leads, encrypted; a feed leads nowhere.
    pub target_sealed: Option<Vec<u8>>,
    pub secret_sealed: Option<Vec<u8>>,
    pub nonce: Option<Vec<u8>>,
    /// From here on it is sent to.
    pub confirmed_at: Option<Timestamp>,
    pub stopped_why: Option<String>,
}

const FIND: &str = "
    SELECT kinds, made_at, target_sealed, secret_sealed, nonce, confirmed_at, stopped_why
      FROM notice_channels WHERE account = $1 AND channel = $2";

pub async fn find(client: &impl GenericClient, account: UserId, channel: Channel) -> Stored<Option<ChannelRow>> {
    let row = client.query_opt(&client.prepare_cached(FIND).await?, &[&account.0, &channel.as_str()]).await?;
    row.map(|row| read(&row)).transpose()
}

fn read(row: &Row) -> Stored<ChannelRow> {
    Ok(ChannelRow {
        kinds: kinds(row.try_get(0)?)?,
        made_at: row.try_get(1)?,
        target_sealed: row.try_get(2)?,
        secret_sealed: row.try_get(3)?,
        nonce: row.try_get(4)?,
        confirmed_at: row.try_get(5)?,
        stopped_why: row.try_get(6)?,
    })
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

const FEED_OWNER: &str = "
    SELECT account, kinds, made_at FROM notice_channels WHERE token_hash = $1 AND channel = 'feed'";

/// Whose feed stands at an address, what it tells, and since when.
pub async fn feed_owner(
    client: &impl GenericClient,
    hash: &[u8; 32],
) -> Stored<Option<(UserId, Vec<Kind>, Timestamp)>> {
    let row = client.query_opt(&client.prepare_cached(FEED_OWNER).await?, &[&hash.as_slice()]).await?;
    row.map(|row| Ok((UserId(row.try_get(0)?), kinds(row.try_get(1)?)?, row.try_get(2)?))).transpose()
}

/// A way that leads to an address.
#[derive(Debug, Clone, Copy)]
pub struct NewTarget<'a> {
    pub account: UserId,
    pub channel: Channel,
    pub target_sealed: &'a [u8],
    pub secret_sealed: Option<&'a [u8]>,
    /// What confirms it: what its token is made from, and the token's hash. Without, it is sent to at once.
    pub confirmation: Option<(&'a [u8; 16], [u8; 32])>,
    pub usual: &'a [Kind],
}

const SET_TARGET: &str = "
    INSERT INTO notice_channels AS n
           (account, channel, kinds, target_sealed, secret_sealed, nonce, token_hash, made_at, confirmed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (account, channel) DO UPDATE
       SET target_sealed = excluded.target_sealed, secret_sealed = excluded.secret_sealed, nonce = excluded.nonce,
           token_hash = excluded.token_hash, made_at = excluded.made_at, confirmed_at = excluded.confirmed_at,
           stopped_why = NULL";

/// Where this way leads from now on. What it tells stays as chosen.
pub async fn set_target(client: &impl GenericClient, new: &NewTarget<'_>, at: Timestamp) -> Stored<()> {
    let statement = client.prepare_cached(SET_TARGET).await?;
    let (nonce, hash) = new.confirmation.unzip();
    let confirmed = new.confirmation.is_none().then_some(at);
    client
        .execute(
            &statement,
            &[
                &new.account.0,
                &new.channel.as_str(),
                &kind_words(new.usual),
                &new.target_sealed,
                &new.secret_sealed,
                &nonce.map(<[u8; 16]>::as_slice),
                &hash.as_ref().map(<[u8; 32]>::as_slice),
                &at,
                &confirmed,
            ],
        )
        .await?;
    Ok(())
}

const UNCONFIRMED: &str = "SELECT made_at FROM notice_channels WHERE token_hash = $1 AND channel = 'mail'";

/// Since when an address waits to be confirmed with this token.
pub async fn unconfirmed(client: &impl GenericClient, hash: &[u8; 32]) -> Stored<Option<Timestamp>> {
    let row = client.query_opt(&client.prepare_cached(UNCONFIRMED).await?, &[&hash.as_slice()]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

const CONFIRM: &str = "
    UPDATE notice_channels SET confirmed_at = $2, token_hash = NULL, nonce = NULL
     WHERE token_hash = $1 AND channel = 'mail' RETURNING account";

/// The token is used up; false if it was.
pub async fn confirm(client: &impl GenericClient, hash: &[u8; 32], at: Timestamp) -> Stored<bool> {
    let row = client.query_opt(&client.prepare_cached(CONFIRM).await?, &[&hash.as_slice(), &at]).await?;
    Ok(row.is_some())
}

const STOP: &str = "
    UPDATE notice_channels SET confirmed_at = NULL, stopped_why = $4
     WHERE account = $1 AND channel = $2 AND made_at = $3";

/// The receiver wants nothing any more. False if this way leads to another one by now.
pub async fn stop(
    client: &impl GenericClient,
    account: UserId,
    channel: Channel,
    made_at: Timestamp,
    why: &str,
) -> Stored<bool> {
    let statement = client.prepare_cached(STOP).await?;
    Ok(client.execute(&statement, &[&account.0, &channel.as_str(), &made_at, &why]).await? == 1)
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
