//! What the operator does, on a page or by a command: the same functions serve both, and each act is written down.
//! Nothing here moves a coin.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::acts::Hand;
use super::error::{Done, Error};
use super::{Desk, books, codes, conflicts, draw, live, notices, passwords, restored, throttle, worker};

pub use super::arbitrators::{appoint, dismiss};
use crate::domain::{AccountName, Currency, Rate, Refusal, Role, UserId, text};
use crate::store::accounts::{self, AccountRow, NewAccount, NewInvitation};
use crate::store::acts::NewAct;
use crate::store::{GenericClient, desk_state, outbox, rates, sessions};

/// A reason is shown on pages, in one sentence.
const REASON_CHARS_MAX: usize = 200;

/// How a backup is noted.
pub(super) const BACKED_UP: &str = "backed up";

/// Writes the network and what tells the data key from others at the very first start; afterwards refuses another network,
/// whose addresses would be traps, and another key, which opens nothing.
pub async fn settle(desk: &Desk) -> Done<()> {
    let network = desk.rules.network.to_string();
    let client = desk.store.connection().await?;
    let settled = desk_state::settle(&client, &network).await?;
    if settled != network {
        let words =
            format!("This desk's database belongs to the network \"{settled}\"; the settings say \"{network}\".");
        return Err(Refusal::conflict(words).into());
    }
    let mark = desk.secrets.data_key_mark();
    if desk_state::data_key_mark(&client).await?.is_none() && books::opens(desk, &client).await? {
        desk_state::set_data_key_mark(&client, &mark).await?;
    }
    if desk_state::data_key_mark(&client).await?.is_none_or(|kept| kept != mark) {
        let words = "secrets.data_key or secrets.data_key_version is not the one that this desk's database was made with: \
                     nothing private in it would open. Bring back the key and the version of then.";
        return Err(Refusal::conflict(words).into());
    }
    drop(client);
    restored::at_home(desk).await.map(drop)
}

/// What [`first_operator`] did.
#[derive(Debug)]
pub enum Operator {
    /// The account was there and is an operator now.
    Promoted,
    /// The account is new; it is to sign in with this password and change it.
    Created { password: String },
}

/// Makes an operator: a new account, or the one of this name if it is said to be known. Anybody may have registered a
/// name that an operator would choose.
pub async fn first_operator<'a>(hand: impl Into<Hand<'a>>, name: &str, known: bool) -> Done<Operator> {
    let hand = hand.into();
    let name = AccountName::parse(name).map_err(|why| Refusal::field("name", why.to_string()))?;
    let noted = NewAct { act: "operator", about: name.as_str(), ..NewAct::default() };
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    if let Some(row) = accounts::by_name(&client, name.as_str()).await? {
        if row.role == Role::Arbitrator {
            return Err(Refusal::conflict(format!("{name} is an arbitrator, and stays one.")).into());
        }
        if !known {
            let words = format!("There is an account {name} already. If it is yours, say so with --existing.");
            return Err(Refusal::conflict(words).into());
        }
        let tx = client.transaction().await?;
        accounts::set_role(&tx, row.id, Role::Operator).await?;
        hand.note(&tx, now, &noted).await?;
        tx.commit().await?;
        return Ok(Operator::Promoted);
    }
    let password = codes::invitation().text;
    let hash = passwords::hash(&password).await?;
    let tx = client.transaction().await?;
    let new = NewAccount {
        id: UserId(Uuid::now_v7()),
        name: &name,
        role: Role::Operator,
        password_hash: &hash,
        recovery_hash: &codes::recovery().hash,
        created_at: now,
    };
    if !accounts::insert(&tx, &new).await? {
        return Err(Refusal::field("name", "A name that looks like this one is taken.").into());
    }
    hand.note(&tx, now, &noted).await?;
    tx.commit().await?;
    Ok(Operator::Created { password })
}

/// An operator is a trader like others again, and signed out everywhere.
pub async fn remove_operator<'a>(hand: impl Into<Hand<'a>>, name: &str) -> Done<()> {
    let hand = hand.into();
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    let row = find(&tx, name).await?;
    if row.role != Role::Operator {
        return Err(Refusal::conflict(format!("{} is not an operator.", row.name)).into());
    }
    accounts::set_role(&tx, row.id, Role::Trader).await?;
    sessions::end_all(&tx, row.id, None).await?;
    hand.note(&tx, now, &NewAct { act: "no operator", about: &row.name, ..NewAct::default() }).await?;
    Ok(tx.commit().await?)
}

/// Stops an account from posting and taking. Its running trades go on.
pub async fn suspend<'a>(hand: impl Into<Hand<'a>>, name: &str, why: &str) -> Done<()> {
    let hand = hand.into();
    let why = reason(why)?;
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    let row = find(&tx, name).await?;
    if Some(row.id) == hand.account() {
        return Err(Refusal::conflict("You would suspend yourself. Ask another operator.").into());
    }
    accounts::set_suspension(&tx, row.id, Some((now, &why))).await?;
    hand.note(&tx, now, &NewAct { act: "suspended", about: &row.name, why: &why, ..NewAct::default() }).await?;
    Ok(tx.commit().await?)
}

/// Lifts a suspension.
pub async fn restore<'a>(hand: impl Into<Hand<'a>>, name: &str) -> Done<()> {
    let hand = hand.into();
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    let row = find(&tx, name).await?;
    if Some(row.id) == hand.account() {
        return Err(Refusal::conflict("You would lift your own suspension. Ask another operator.").into());
    }
    accounts::set_suspension(&tx, row.id, None).await?;
    hand.note(&tx, now, &NewAct { act: "restored", about: &row.name, ..NewAct::default() }).await?;
    Ok(tx.commit().await?)
}

/// A code that lets one person register.
pub async fn invite<'a>(hand: impl Into<Hand<'a>>) -> Done<String> {
    invite_for(hand, "").await
}

/// The same, with a note for whom it is. Field: `note`.
pub async fn invite_for<'a>(hand: impl Into<Hand<'a>>, note: &str) -> Done<String> {
    let hand = hand.into();
    let note =
        text::clean_optional_line(note, REASON_CHARS_MAX).map_err(|why| Refusal::field("note", why.to_string()))?;
    let code = codes::invitation();
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    let new = NewInvitation { code_hash: &code.hash, made_by: hand.account(), note: &note, now };
    let number = accounts::insert_invitation(&tx, &new).await?;
    let noted = NewAct { act: "invited", about: &number.to_string(), how: &note, ..NewAct::default() };
    hand.note(&tx, now, &noted).await?;
    tx.commit().await?;
    Ok(code.text)
}

/// Takes back an invitation that nobody has used.
pub async fn withdraw_invitation(hand: Hand<'_>, number: i64) -> Done<()> {
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    if !accounts::withdraw_invitation(&tx, number, now).await? {
        return Err(Refusal::conflict("This invitation was used or withdrawn meanwhile.").into());
    }
    let noted = NewAct { act: "uninvited", about: &number.to_string(), ..NewAct::default() };
    hand.note(&tx, now, &noted).await?;
    Ok(tx.commit().await?)
}

/// No new takes from now on; running trades go on. The reason is shown.
pub async fn pause<'a>(hand: impl Into<Hand<'a>>, why: &str) -> Done<()> {
    let hand = hand.into();
    let why = reason(why)?;
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    desk_state::set_pause(&tx, Some((now, &why))).await?;
    hand.note(&tx, now, &NewAct { act: "paused", why: &why, ..NewAct::default() }).await?;
    Ok(tx.commit().await?)
}

pub async fn resume<'a>(hand: impl Into<Hand<'a>>) -> Done<()> {
    let hand = hand.into();
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    desk_state::set_pause(&tx, None).await?;
    hand.note(&tx, now, &NewAct { act: "resumed", ..NewAct::default() }).await?;
    Ok(tx.commit().await?)
}

/// The reference price of one bitcoin in a currency; floating offers follow it.
pub async fn set_rate<'a>(hand: impl Into<Hand<'a>>, currency: &str, price: Decimal) -> Done<()> {
    let hand = hand.into();
    let currency = Currency::parse(currency)
        .map_err(|_| Refusal::field("currency", format!("\"{currency}\" is not a currency this desk knows.")))?;
    if price <= Decimal::ZERO {
        return Err(Refusal::field("price", "A price is above zero.").into());
    }
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    rates::set(&tx, &Rate { currency, price, set_at: now }).await?;
    let noted = NewAct { act: "rate", about: currency.code(), how: &price.to_string(), ..NewAct::default() };
    hand.note(&tx, now, &noted).await?;
    Ok(tx.commit().await?)
}

/// A job that waits for a later try is done now.
pub async fn try_again(hand: Hand<'_>, job: i64) -> Done<()> {
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    if !outbox::hasten_one(&tx, job, now).await? {
        return Err(Refusal::conflict("This job is done meanwhile.").into());
    }
    hand.note(&tx, now, &NewAct { act: "retried", about: &job.to_string(), ..NewAct::default() }).await?;
    hand.desk.keep(tx).await
}

/// A backup was written: the operator's page says when.
pub async fn note_backup(hand: Hand<'_>, name: &str, size: &str) -> Done<()> {
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    hand.note(&tx, now, &NewAct { act: BACKED_UP, about: name, how: size, ..NewAct::default() }).await?;
    Ok(tx.commit().await?)
}

/// What is to be done once an hour: ended sessions, full buckets, old notices and jobs long done are forgotten, seeds of
/// draws are published, trades that lost their arbitrator before a deposit are called off. Each part is done even if
/// another failed; the first trouble is told.
pub async fn tidy(desk: &Desk) -> Done<()> {
    let published = draw::keep_seeds(desk).await;
    let called_off = conflicts::call_off(desk).await.map(drop);
    let signed_out = forget_sessions(desk).await;
    let left = live::sweep(desk).await;
    let told = notices::sweep(desk).await;
    let worked = worker::sweep(desk).await;
    let tried = throttle::sweep(desk).await;
    published.and(called_off).and(signed_out).and(left).and(told).and(worked).and(tried)
}

async fn forget_sessions(desk: &Desk) -> Done<()> {
    sessions::sweep(&desk.store.connection().await?).await?;
    Ok(())
}

pub(super) fn reason(why: &str) -> Result<String, Refusal> {
    text::clean_line(why, REASON_CHARS_MAX).map_err(|error| Refusal::field("why", error.to_string()))
}

/// The same where none is needed.
pub(super) fn reason_or_none(why: &str) -> Result<String, Refusal> {
    text::clean_optional_line(why, REASON_CHARS_MAX).map_err(|error| Refusal::field("why", error.to_string()))
}

pub(super) async fn find(client: &impl GenericClient, name: &str) -> Done<AccountRow> {
    let missing = || Error::from(Refusal::field("name", format!("There is no account \"{name}\" on this desk.")));
    accounts::by_name(client, name).await?.ok_or_else(missing)
}
