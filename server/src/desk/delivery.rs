//! Takes mails and webhooks out of the building. Each was written down with the notice it tells of; here it is sent, by
//! whichever server is first, until it has arrived, has become pointless, or has failed too often. A server that dies
//! over one leaves it to the next, under the same name: on the wire it may come twice, its receiver can tell.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use url::Url;

use super::channels::{self, Target};
use super::error::{Done, Error};
use super::throttle::{self, AGAIN_ACCOUNT};
use super::{Desk, crash};
use crate::courier::Lost;
use crate::courier::hook::Call;
use crate::courier::mail::{CONVERSATION_MAX, Letter};
use crate::domain::notices::{self, Channel};
use crate::domain::{Refusal, UserId};
use crate::store::channels as channel_store;
use crate::store::deliveries::{self as store, Claim, Said};
pub use crate::store::deliveries::{DeliveryRow, Purpose, State};

/// How often the desk looks by itself for what is due.
const BEAT: Duration = Duration::from_secs(1);
/// Longer than any receiver is waited for.
const LEASE_SECONDS: i64 = 120;
const _: () = assert!(CONVERSATION_MAX.as_secs() < LEASE_SECONDS.unsigned_abs());
/// So many at once: a receiver that hangs holds up one of them, and only for itself.
const AT_ONCE: usize = 6;
/// What has not arrived for so long is news no more.
const STALE_HOURS: i64 = 24;
/// When a webhook that failed is tried again.
const HOOK_RETRIES_SECONDS: [i64; 6] = [5, 300, 1_800, 7_200, 18_000, 36_000];
/// Mail servers that are away are away for longer, and turn strangers away at first.
const MAIL_RETRIES_SECONDS: [i64; 6] = [60, 300, 900, 3_600, 10_800, 21_600];
/// What is told of one that the desk itself failed over.
const OWN_FAULT: &str = "The desk could not make it. Its operator finds the reason in the log.";
/// The last that went out are shown.
const SHOWN_MAX: i64 = 12;

/// Sends what is due until the desk is dropped by everybody else.
pub async fn run(desk: Arc<Desk>) {
    join_all(hands(&desk).map(|channel| for_ever(&desk, channel))).await;
}

async fn for_ever(desk: &Desk, channel: Channel) {
    loop {
        if let Err(error) = one_after_the_other(desk, channel).await {
            tracing::warn!(%error, channel = channel.as_str(), "what is sent outside");
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// Sends everything that is due now.
pub async fn deliver_due(desk: &Desk) -> Done<()> {
    join_all(hands(desk).map(|channel| one_after_the_other(desk, channel))).await.into_iter().collect()
}

/// One for each that is sent at the same time as others.
fn hands(desk: &Desk) -> impl Iterator<Item = Channel> {
    let open = [(Channel::Mail, desk.courier.mail.is_some()), (Channel::Hook, desk.courier.hooks.is_some())];
    let channels = open.into_iter().filter_map(|(channel, is_open)| is_open.then_some(channel));
    channels.flat_map(|channel| std::iter::repeat_n(channel, AT_ONCE))
}

async fn one_after_the_other(desk: &Desk, channel: Channel) -> Done<()> {
    while let Some(claim) = claim(desk, channel).await? {
        match deliver(desk, channel, &claim).await {
            // One that cannot be made counts as one that did not arrive, and holds up no other.
            Err(error) if !error.is_away() => {
                tracing::error!(%error, delivery = %claim.id, channel = channel.as_str(), "could not be made");
                let now = desk.now(&desk.store.connection().await?).await?;
                not_arrived(desk, channel, &claim, OWN_FAULT, now).await?;
            }
            done => done?,
        }
    }
    Ok(())
}

async fn claim(desk: &Desk, channel: Channel) -> Done<Option<Claim>> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    Ok(store::claim(&client, channel, now, after(now, LEASE_SECONDS)).await?)
}

/// Where to and what, or why it is not sent any more.
type Plan = Result<(Target, Option<Said>), &'static str>;

async fn deliver(desk: &Desk, channel: Channel, claim: &Claim) -> Done<()> {
    let (plan, now) = plan(desk, channel, claim).await?;
    let (target, said) = match plan {
        Ok(plan) => plan,
        Err(why) => return settle(desk, claim, State::Dropped, why, now).await,
    };
    crash::point(crash::BEFORE_SENDING);
    // No connection is held while somebody far away takes his time.
    let outcome = match channel {
        Channel::Mail => mail(desk, claim, &target, said.as_ref()).await,
        _ => call(desk, claim, &target, said.as_ref(), now).await?,
    };
    crash::point(crash::AFTER_SENDING);
    match outcome {
        Ok(()) => settle(desk, claim, State::Sent, "", now).await,
        Err(Lost::Later(why)) => not_arrived(desk, channel, claim, &why, now).await,
        Err(Lost::Never(why)) => settle(desk, claim, State::Failed, &why, now).await,
        Err(Lost::Gone(why)) => stop(desk, channel, claim, target.row.made_at, &why, now).await,
    }
}

/// Whether it is still worth sending, and where to.
async fn plan(desk: &Desk, channel: Channel, claim: &Claim) -> Done<(Plan, Timestamp)> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let Some(target) = channels::target(desk, &client, claim.account, channel).await? else {
        return Ok((Err("This way was ended."), now));
    };
    if target.row.confirmed_at.is_none() != (claim.purpose == Purpose::Confirmation) {
        return Ok((Err("The address was not confirmed, or is already."), now));
    }
    let said = store::said(&client, claim.id, now).await?;
    let is_old = now >= after(claim.created_at, STALE_HOURS * 3600);
    if !claim.again && said.as_ref().is_some_and(|said| !said.lasts) {
        return Ok((Err("It was done or read before it was sent."), now));
    }
    if !claim.again && is_old {
        return Ok((Err("It was a day old before it could be sent."), now));
    }
    Ok((Ok((target, said)), now))
}

async fn mail(desk: &Desk, claim: &Claim, target: &Target, said: Option<&Said>) -> Result<(), Lost> {
    let Some(mailer) = &desk.courier.mail else { return Err(Lost::Later("This desk sends no mails now.".into())) };
    let home = &desk.courier.home;
    let host = &desk.rules.desk_name;
    let (subject, text) = match (claim.purpose, channels::confirmation(desk, &target.row)) {
        (Purpose::Confirmation, Some(token)) => (
            format!("Confirm this address for {host}"),
            format!(
                "Somebody who has an account on {host} wants notices of trades sent to this address. If that was you, open \
                 this page and press the button:\n\n{home}/notices/confirm/{token}\n\nThe link is good for a day. If it was \
                 not you, do nothing: nothing more is sent here.\n"
            ),
        ),
        _ => {
            let words = words(said);
            let link = said.map_or_else(|| format!("{home}/trades"), |said| format!("{home}/trades/{}", said.trade));
            let foot = format!("Which mails come is chosen there, and they are ended there: {home}/account/notices");
            (words.trim_end_matches('.').to_owned(), format!("{words}\n\n{link}\n\n-- \n{host}\n{foot}\n"))
        }
    };
    let id = claim.id.to_string();
    mailer.send(&Letter { to: &target.address, id: &id, subject: &subject, text: &text }).await
}

async fn call(
    desk: &Desk,
    claim: &Claim,
    target: &Target,
    said: Option<&Said>,
    now: Timestamp,
) -> Done<Result<(), Lost>> {
    let Some(hooks) = &desk.courier.hooks else { return Ok(Err(Lost::Later("No webhooks are sent now.".into()))) };
    let secret = channels::secret(desk, claim.account, &target.row)?;
    let url = Url::parse(&target.address).map_err(Error::broken)?;
    let home = &desk.courier.home;
    let body = match said {
        None => json!({ "type": "test", "timestamp": time(claim.created_at), "data": { "text": words(None) } }),
        Some(said) => {
            let kinds: Vec<&str> = said.kinds.iter().map(|kind| kind.as_str()).collect();
            json!({
                "type": format!("trade.{}", kinds.first().copied().unwrap_or("news")),
                "timestamp": time(said.at),
                "data": {
                    "trade": said.trade,
                    "kinds": kinds,
                    "turn": said.turn.as_str(),
                    "until": said.until.map(time),
                    "text": words(Some(said)),
                    "url": format!("{home}/trades/{}", said.trade),
                },
            })
        }
    }
    .to_string();
    let id = format!("msg_{}", claim.id.simple());
    Ok(hooks.call(&Call { url: &url, secret: &secret, id: &id, timestamp: now.as_second(), body: &body }).await)
}

fn words(said: Option<&Said>) -> String {
    match said {
        Some(said) => notices::words(Some(said.trade), &said.kinds, said.turn, said.until, said.over),
        None => notices::words(None, &[], notices::Turn::Nobody, None, 0),
    }
}

/// RFC 3339, to the second.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How long to wait after so many tries; nothing: it has failed.
fn retry(channel: Channel, attempts: i32) -> Option<i64> {
    let waits = if channel == Channel::Mail { &MAIL_RETRIES_SECONDS } else { &HOOK_RETRIES_SECONDS };
    waits.get(usize::try_from(attempts.saturating_sub(1)).ok()?).copied()
}

/// It is tried again, or was tried often enough.
async fn not_arrived(desk: &Desk, channel: Channel, claim: &Claim, why: &str, now: Timestamp) -> Done<()> {
    match retry(channel, claim.attempts) {
        Some(seconds) => settle(desk, claim, State::Waiting, why, after(now, seconds)).await,
        None => settle(desk, claim, State::Failed, why, now).await,
    }
}

async fn settle(desk: &Desk, claim: &Claim, state: State, outcome: &str, due_at: Timestamp) -> Done<()> {
    let client = desk.store.connection().await?;
    Ok(store::settle(&client, claim.id, state, outcome, due_at).await?)
}

/// Nothing is sent to a receiver that said so, until its owner sets it up again. It may have done so while this one, which
/// was set up then, took its time to say so.
async fn stop(desk: &Desk, channel: Channel, claim: &Claim, set_up: Timestamp, why: &str, now: Timestamp) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    store::settle(&tx, claim.id, State::Failed, why, now).await?;
    if channel_store::stop(&tx, claim.account, channel, set_up, why).await? {
        store::drop_waiting(&tx, claim.account, channel, why).await?;
    }
    Ok(tx.commit().await?)
}

/// The last that went out to an account, or is on its way.
pub async fn of(desk: &Desk, account: UserId) -> Done<Vec<DeliveryRow>> {
    let client = desk.store.connection().await?;
    Ok(store::of_account(&client, account, SHOWN_MAX).await?)
}

/// Sends one once more, under the same name.
pub async fn again(desk: &Desk, account: UserId, delivery: &str) -> Done<()> {
    let id = uuid::Uuid::parse_str(delivery).map_err(|_| Refusal::not_found())?;
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttle::by_name(desk, &client, AGAIN_ACCOUNT, &account.to_string(), now).await?;
    if store::again(&client, id, account, now).await? { Ok(()) } else { Err(Refusal::not_found().into()) }
}

fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(at)
}
