//! Coming in and going out: register, sign in, sessions, passwords, recovery by code.

use std::net::IpAddr;

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::error::{Done, Error};
use super::secrets::{random, sha256};
use super::{Desk, Registration, codes, passwords, throttle};
use crate::domain::refusal::Problems;
use crate::domain::{AccountName, Refusal, RefusalKind, Role, SessionId, UserId};
use crate::store::GenericClient;
use crate::store::accounts::{self, AccountRow, NewAccount};
use crate::store::sessions;

pub use crate::store::sessions::SessionRow;

/// How much of a browser's own name is kept.
const AGENT_CHARS_MAX: usize = 200;

/// Where a request comes from.
#[derive(Debug, Clone, Default)]
pub struct From {
    /// Its address, where addresses count.
    pub address: Option<IpAddr>,
    /// What the browser calls itself.
    pub agent: String,
}

/// A browser that has just been signed in.
#[derive(Debug)]
pub struct Started {
    /// For the cookie; the desk keeps only its hash.
    pub token: String,
    pub session: SessionId,
    pub account: UserId,
    pub name: String,
    pub role: Role,
}

/// A new account or a recovered one: signed in, with a recovery code to be shown once.
#[derive(Debug)]
pub struct Welcome {
    pub started: Started,
    pub recovery_code: String,
}

/// Makes an account and signs it in. Fields: `name`, `password`, `invitation`.
pub async fn register(desk: &Desk, name: &str, password: &str, invitation: &str, from: &From) -> Done<Welcome> {
    if desk.rules.registration == Registration::Closed {
        let words = "This desk takes no new accounts at present. The board can be read without one.";
        return Err(Refusal::new(RefusalKind::Forbidden, words).into());
    }
    let mut problems = Problems::default();
    let parsed = problems.check("name", AccountName::parse(name));
    problems.check("password", passwords::judge(password, &[name, &desk.rules.desk_name]).await?);
    let by_invitation = desk.rules.registration == Registration::Invitation;
    if by_invitation && invitation.trim().is_empty() {
        problems.add("invitation", "This desk is open to people with an invitation. Enter its code.");
    }
    let name = match parsed {
        Some(name) if problems.is_empty() => name,
        _ => return Err(problems.refusal().into()),
    };
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttle::by_address(desk, &client, throttle::REGISTER_ADDRESS, from.address, now).await?;
    // Nobody keeps a connection while he waits for his turn.
    drop(client);
    let password_hash = passwords::hash(password).await?;
    let code = codes::recovery();
    let id = UserId(Uuid::now_v7());
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    let new = NewAccount {
        id,
        name: &name,
        role: Role::Trader,
        password_hash: &password_hash,
        recovery_hash: &code.hash,
        created_at: now,
    };
    if !accounts::insert(&tx, &new).await? {
        return Err(Refusal::field("name", "This name, or one that looks like it, is taken. Choose another.").into());
    }
    if by_invitation && !accounts::use_invitation(&tx, &codes::hash(invitation), id, now).await? {
        return Err(Refusal::field(
            "invitation",
            "This invitation is not known here, was used already, or was withdrawn.",
        )
        .into());
    }
    let started = start_session(desk, &tx, (id, name.as_str(), Role::Trader), from).await?;
    tx.commit().await?;
    tracing::info!(user.id = %id, "an account was registered");
    Ok(Welcome { started, recovery_code: code.text })
}

/// The same words and one Argon2 run, whether or not the name exists.
pub async fn sign_in(desk: &Desk, name: &str, password: &str, from: &From) -> Done<Started> {
    let name = name.to_ascii_lowercase();
    let name = name.as_str();
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let row = accounts::by_name(&client, name).await?;
    throttle::by_address(desk, &client, throttle::SIGN_IN_ADDRESS, from.address, now).await?;
    throttle::on_name(desk, &client, throttle::SIGN_IN, (name, from.address), now).await?;
    drop(client);
    let fits = passwords::verify(password, row.as_ref().map(|row| row.password_hash.as_str())).await?;
    let Some(row) = row.filter(|_| fits) else {
        let words = "Name and password do not fit. Check both; capital letters count in the password.";
        return Err(Refusal::invalid(words).into());
    };
    let client = desk.store.connection().await?;
    throttle::right_name(desk, &client, throttle::SIGN_IN, (name, from.address)).await?;
    start_session(desk, &client, (row.id, &row.name, row.role), from).await
}

/// Ends this browser's session. Ending it twice is harmless.
pub async fn sign_out(desk: &Desk, account: UserId, session: SessionId) -> Done<()> {
    sessions::end(&desk.store.connection().await?, account, session).await?;
    Ok(())
}

/// The signed-in browsers of an account, the latest seen first.
pub async fn sessions_of(desk: &Desk, account: UserId) -> Done<Vec<SessionRow>> {
    Ok(sessions::of_account(&desk.store.connection().await?, account).await?)
}

/// Ends one session of one's own.
pub async fn end_session(desk: &Desk, account: UserId, session: SessionId) -> Done<()> {
    if sessions::end(&desk.store.connection().await?, account, session).await? {
        Ok(())
    } else {
        Err(Refusal::not_found().into())
    }
}

/// Ends every session but this one.
pub async fn end_other_sessions(desk: &Desk, account: UserId, keep: SessionId) -> Done<u64> {
    Ok(sessions::end_all(&desk.store.connection().await?, account, Some(keep)).await?)
}

/// Fields: `password` (the one until now), `new_password`. All other sessions end.
pub async fn change_password(
    desk: &Desk,
    account: UserId,
    keep: SessionId,
    password: &str,
    new_password: &str,
) -> Done<()> {
    let row = check_own_password(desk, account, password).await?;
    if let Err(words) = passwords::judge(new_password, &[&row.name, &desk.rules.desk_name]).await? {
        return Err(Refusal::field("new_password", words).into());
    }
    let hash = passwords::hash(new_password).await?;
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    accounts::set_password(&tx, account, &hash).await?;
    sessions::end_all(&tx, account, Some(keep)).await?;
    tx.commit().await?;
    tracing::info!(user.id = %account, "a password was changed");
    Ok(())
}

/// A new recovery code, to be shown once; the one before is worth nothing from now on. Field: `password`.
pub async fn renew_recovery_code(desk: &Desk, account: UserId, password: &str) -> Done<String> {
    check_own_password(desk, account, password).await?;
    let code = codes::recovery();
    accounts::set_recovery(&desk.store.connection().await?, account, &code.hash).await?;
    Ok(code.text)
}

/// A forgotten password, by the recovery code. All sessions end; the code is replaced. Fields: `name`, `code`,
/// `new_password`.
pub async fn recover(desk: &Desk, name: &str, code: &str, new_password: &str, from: &From) -> Done<Welcome> {
    let name = name.to_ascii_lowercase();
    let name = name.as_str();
    check_new_password(desk, name, new_password).await?;
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttle::by_address(desk, &client, throttle::RECOVER_ADDRESS, from.address, now).await?;
    throttle::on_name(desk, &client, throttle::RECOVER, (name, from.address), now).await?;
    let row = accounts::by_name(&client, name).await?;
    drop(client);
    let hash = codes::hash(code);
    let fits =
        |row: &AccountRow| row.recovery_hash.as_deref().is_some_and(|kept| bool::from(kept.ct_eq(hash.as_slice())));
    let Some(row) = row.filter(fits) else {
        return Err(Refusal::invalid("Name and recovery code do not fit. Check both, letter by letter.").into());
    };
    replace_password(desk, &row, new_password, from).await
}

/// The refusal of a new password that is too easy, beside its field.
pub(super) async fn check_new_password(desk: &Desk, name: &str, new_password: &str) -> Done<()> {
    match passwords::judge(new_password, &[name, &desk.rules.desk_name]).await? {
        Ok(()) => Ok(()),
        Err(words) => Err(Refusal::field("new_password", words).into()),
    }
}

/// After a proof of some kind: new password, new recovery code, every session ended, this browser signed in.
///
/// Refused when the account changed since the proof was looked at: a proof counts once.
pub(super) async fn replace_password(desk: &Desk, seen: &AccountRow, new_password: &str, from: &From) -> Done<Welcome> {
    let hash = passwords::hash(new_password).await?;
    let code = codes::recovery();
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    let still = accounts::by_name_for_update(&tx, &seen.name).await?;
    if still.is_none_or(|row| row.password_hash != seen.password_hash || row.recovery_hash != seen.recovery_hash) {
        return Err(Refusal::conflict("The account was changed a moment ago. Please begin again.").into());
    }
    accounts::set_password(&tx, seen.id, &hash).await?;
    accounts::set_recovery(&tx, seen.id, &code.hash).await?;
    sessions::end_all(&tx, seen.id, None).await?;
    let started = start_session(desk, &tx, (seen.id, &seen.name, seen.role), from).await?;
    tx.commit().await?;
    tracing::info!(user.id = %seen.id, "an account was recovered");
    Ok(Welcome { started, recovery_code: code.text })
}

/// There are two ways to show amounts.
pub fn check_unit(unit: &str) -> Result<(), Refusal> {
    if matches!(unit, "btc" | "sat") { Ok(()) } else { Err(Refusal::field("unit", "Choose BTC or sat.")) }
}

/// How amounts are shown to this account: `btc` or `sat`.
pub async fn set_unit(desk: &Desk, account: UserId, unit: &str) -> Done<()> {
    check_unit(unit)?;
    Ok(accounts::set_unit(&desk.store.connection().await?, account, unit).await?)
}

async fn check_own_password(desk: &Desk, account: UserId, password: &str) -> Done<AccountRow> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let row = accounts::by_id(&client, account).await?.ok_or_else(Refusal::not_found)?;
    throttle::by_name(desk, &client, throttle::OWN_PASSWORD, &row.name, now).await?;
    drop(client);
    if !passwords::verify(password, Some(&row.password_hash)).await? {
        return Err(Refusal::field("password", "This is not the password of this account.").into());
    }
    throttle::give_back(desk, &desk.store.connection().await?, throttle::OWN_PASSWORD, &row.name).await?;
    Ok(row)
}

async fn start_session(
    desk: &Desk,
    client: &impl GenericClient,
    (account, name, role): (UserId, &str, Role),
    from: &From,
) -> Done<Started> {
    let token = BASE64URL_NOPAD.encode(&random::<32>());
    let session = SessionId(Uuid::now_v7());
    let days = i32::try_from(desk.rules.sessions_days).map_err(|_| Error::broken("sessions_days is too large"))?;
    let agent: String = from.agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX).collect();
    sessions::insert(client, session, account, &sha256(&token), &agent, days).await?;
    Ok(Started { token, session, account, name: name.to_owned(), role })
}
