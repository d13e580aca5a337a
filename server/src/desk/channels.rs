//! The ways in which an account is told of its trades, and of what in each. A mail address is sent nothing but one link
//! before its owner has said that it is his.

use data_encoding::BASE32_NOPAD;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::Desk;
use super::error::{Done, Error};
use super::secrets::{random, sha256};
use super::throttle::{self, HOOKS_ACCOUNT, MAIL_ADDRESS, MAILS_ACCOUNT};
use crate::courier::{Hooks, Mailer, hook, mail};
use crate::domain::notices::{Channel, Kind};
use crate::domain::{Refusal, RefusalKind, UserId};
pub use crate::store::channels::ChannelRow;
use crate::store::channels::{self as store, NewTarget};
use crate::store::deliveries::{self, Purpose};
use crate::store::{GenericClient, Transaction};

/// A link that confirms an address is good for so long.
const CONFIRM_HOURS: i64 = 24;

/// The ways that are set up, and those that the desk offers.
#[derive(Debug, Clone)]
pub struct Channels {
    pub feed: Option<ChannelRow>,
    pub mail: Option<Target>,
    pub hook: Option<Target>,
    pub mails: bool,
    pub hooks: bool,
}

/// A way that leads somewhere.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: String,
    pub row: ChannelRow,
}

pub async fn of(desk: &Desk, account: UserId) -> Done<Channels> {
    let client = desk.store.connection().await?;
    Ok(Channels {
        feed: store::find(&client, account, Channel::Feed).await?,
        mail: target(desk, &client, account, Channel::Mail).await?,
        hook: target(desk, &client, account, Channel::Hook).await?,
        mails: desk.courier.mail.is_some(),
        hooks: desk.courier.hooks.is_some(),
    })
}

/// Where this way leads, opened.
pub(super) async fn target(
    desk: &Desk,
    client: &impl GenericClient,
    account: UserId,
    channel: Channel,
) -> Done<Option<Target>> {
    let Some(row) = store::find(client, account, channel).await? else { return Ok(None) };
    let Some(sealed) = &row.target_sealed else { return Ok(None) };
    Ok(Some(Target { address: text(desk.secrets.open(&place(account, channel), sealed)?)?, row }))
}

/// The key that signs an account's webhooks.
pub(super) fn secret(desk: &Desk, account: UserId, row: &ChannelRow) -> Done<Vec<u8>> {
    let sealed = row.secret_sealed.as_ref().ok_or_else(|| Error::broken("a webhook without its secret"))?;
    desk.secrets.open(&secret_place(account), sealed)
}

/// The token of the link that confirms a mail address; only its hash is kept.
pub(super) fn confirmation(desk: &Desk, row: &ChannelRow) -> Option<String> {
    row.nonce.as_ref().map(|nonce| token_of(desk, nonce))
}

/// The token that this account's address waits for, if it does.
pub async fn confirmation_of(desk: &Desk, account: UserId) -> Done<Option<String>> {
    let client = desk.store.connection().await?;
    let row = store::find(&client, account, Channel::Mail).await?;
    Ok(row.and_then(|row| confirmation(desk, &row)))
}

fn token_of(desk: &Desk, nonce: &[u8]) -> String {
    BASE32_NOPAD.encode(&desk.secrets.mac("mail confirmation", nonce)).to_lowercase()
}

/// Mails go to this address once it is confirmed; the one before is over. Field: `address`.
pub async fn set_mail(desk: &Desk, account: UserId, typed: &str) -> Done<()> {
    mailer(desk)?;
    let address = mail::address(typed).map_err(|why| Refusal::field("address", why))?.to_string();
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttled(throttle::by_name(desk, &client, MAILS_ACCOUNT, &account.to_string(), now).await, "address")?;
    // However many accounts somebody has: nobody's box is filled from here.
    throttled(throttle::by_name(desk, &client, MAIL_ADDRESS, &address.to_lowercase(), now).await, "address")?;
    let nonce: [u8; 16] = random();
    let tx = client.transaction().await?;
    deliveries::drop_waiting(&tx, account, Channel::Mail, "The address was changed.").await?;
    let new = NewTarget {
        account,
        channel: Channel::Mail,
        target_sealed: &desk.secrets.seal(&place(account, Channel::Mail), address.as_bytes())?,
        secret_sealed: None,
        confirmation: Some((&nonce, sha256(token_of(desk, &nonce)))),
        usual: &Channel::Mail.usual(),
    };
    store::set_target(&tx, &new, now).await?;
    send(&tx, account, Channel::Mail, Purpose::Confirmation, now).await?;
    Ok(tx.commit().await?)
}

/// Whether this is the token of an address that waits to be confirmed.
pub async fn is_confirmation(desk: &Desk, token: &str) -> Done<()> {
    let client = desk.store.connection().await?;
    let made_at = store::unconfirmed(&client, &sha256(token)).await?.ok_or_else(Refusal::not_found)?;
    let over = made_at.checked_add(SignedDuration::from_hours(CONFIRM_HOURS)).map_err(Error::broken)?;
    if desk.now(&client).await? >= over {
        let words = "This link was good for a day, and that is over. Ask for a new one on the page \"Being told\".";
        return Err(Refusal::conflict(words).into());
    }
    Ok(())
}

/// Whoever has the token reads what is sent to the address: from now on notices are.
pub async fn confirm(desk: &Desk, token: &str) -> Done<()> {
    is_confirmation(desk, token).await?;
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    if store::confirm(&client, &sha256(token), now).await? { Ok(()) } else { Err(Refusal::not_found().into()) }
}

/// Webhooks go to this address; the new secret that signs them, shown once. Field: `url`.
pub async fn set_hook(desk: &Desk, account: UserId, typed: &str) -> Done<String> {
    let url = hooks(desk)?.receiver(typed).map_err(|why| Refusal::field("url", why))?;
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttled(throttle::by_name(desk, &client, HOOKS_ACCOUNT, &account.to_string(), now).await, "url")?;
    let secret: [u8; 32] = random();
    let tx = client.transaction().await?;
    deliveries::drop_waiting(&tx, account, Channel::Hook, "The address was changed.").await?;
    let new = NewTarget {
        account,
        channel: Channel::Hook,
        target_sealed: &desk.secrets.seal(&place(account, Channel::Hook), url.as_str().as_bytes())?,
        secret_sealed: Some(&desk.secrets.seal(&secret_place(account), &secret)?),
        confirmation: None,
        usual: &Channel::Hook.usual(),
    };
    store::set_target(&tx, &new, now).await?;
    tx.commit().await?;
    Ok(hook::secret_text(&secret))
}

/// Sends something harmless in this way.
pub async fn test(desk: &Desk, account: UserId, channel: Option<Channel>) -> Done<()> {
    let channel = channel.filter(|channel| *channel != Channel::Feed).ok_or_else(Refusal::not_found)?;
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttle::by_name(desk, &client, MAILS_ACCOUNT, &account.to_string(), now).await?;
    let tx = client.transaction().await?;
    let row = store::find(&tx, account, channel).await?.ok_or_else(Refusal::not_found)?;
    if row.confirmed_at.is_none() {
        return Err(Refusal::conflict("Nothing is sent there: it is not confirmed, or the receiver stopped it.").into());
    }
    send(&tx, account, channel, Purpose::Test, now).await?;
    Ok(tx.commit().await?)
}

async fn send(tx: &Transaction<'_>, account: UserId, channel: Channel, purpose: Purpose, at: Timestamp) -> Done<()> {
    Ok(deliveries::add(tx, Uuid::new_v4(), account, channel, purpose, at).await?)
}

/// Nothing is told in this way any more.
pub async fn end(desk: &Desk, account: UserId, channel: Option<Channel>) -> Done<()> {
    let channel = channel.ok_or_else(Refusal::not_found)?;
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    deliveries::drop_waiting(&tx, account, channel, "This way was ended.").await?;
    store::end(&tx, account, channel).await?;
    Ok(tx.commit().await?)
}

/// What is told in this way from now on.
pub async fn set_kinds(desk: &Desk, account: UserId, channel: Option<Channel>, kinds: &[Kind]) -> Done<()> {
    let channel = channel.ok_or_else(Refusal::not_found)?;
    Ok(store::set_kinds(&desk.store.connection().await?, account, channel, kinds).await?)
}

pub(super) fn mailer(desk: &Desk) -> Result<&Mailer, Refusal> {
    desk.courier.mail.as_ref().ok_or_else(|| Refusal::field("address", "This desk sends no mails."))
}

pub(super) fn hooks(desk: &Desk) -> Result<&Hooks, Refusal> {
    desk.courier.hooks.as_ref().ok_or_else(|| Refusal::field("url", "This desk sends no webhooks."))
}

/// The time; nobody keeps a connection while he waits for his turn.
/// Said beside the field that it is about.
fn throttled(taken: Done<()>, field: &'static str) -> Done<()> {
    match taken {
        Err(Error::Refused(mut refusal)) if refusal.kind == RefusalKind::TooMany => {
            let words = std::mem::take(&mut refusal.words);
            Err(refusal.and_field(field, words).into())
        }
        other => other,
    }
}

fn place(account: UserId, channel: Channel) -> String {
    format!("notices {account} {channel}")
}

fn secret_place(account: UserId) -> String {
    format!("notices {account} secret")
}

fn text(bytes: Vec<u8>) -> Done<String> {
    String::from_utf8(bytes).map_err(|_| Error::broken("an address that is no text"))
}
