//! What the operator does from the command line. Nothing here moves a coin, and nothing here is a page.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::error::{Done, Error};
use super::{Desk, codes, draw, passwords, throttle};

pub use super::arbitrators::{appoint, dismiss};
use crate::domain::{AccountName, Currency, Rate, Refusal, Role, UserId, text};
use crate::store::accounts::{self, AccountRow, NewAccount};
use crate::store::{GenericClient, desk_state, rates, sessions};

/// A reason is shown on pages, in one sentence.
const REASON_CHARS_MAX: usize = 200;

/// Writes the network at the very first start; afterwards refuses another one: its addresses would be traps.
pub async fn settle(desk: &Desk) -> Done<()> {
    let network = desk.rules.network.to_string();
    let settled = desk_state::settle(&desk.store.connection().await?, &network).await?;
    if settled == network {
        return Ok(());
    }
    let words = format!("This desk's database belongs to the network \"{settled}\"; the settings say \"{network}\".");
    Err(Refusal::conflict(words).into())
}

/// What [`first_operator`] did.
#[derive(Debug)]
pub enum Operator {
    /// The account was there and is an operator now.
    Promoted,
    /// The account is new; it is to sign in with this password and change it.
    Created { password: String },
}

/// Makes an operator: of the account of this name, or a new one.
pub async fn first_operator(desk: &Desk, name: &str) -> Done<Operator> {
    let name = AccountName::parse(name).map_err(|why| Refusal::field("name", why.to_string()))?;
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    if let Some(row) = accounts::by_name(&client, name.as_str()).await? {
        if row.role == Role::Arbitrator {
            return Err(Refusal::conflict(format!("{name} is an arbitrator, and stays one.")).into());
        }
        accounts::set_role(&client, row.id, Role::Operator).await?;
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
    tx.commit().await?;
    Ok(Operator::Created { password })
}

/// Stops an account from posting and taking. Its running trades go on.
pub async fn suspend(desk: &Desk, name: &str, why: &str) -> Done<()> {
    let why = reason(why)?;
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let row = find(&client, name).await?;
    Ok(accounts::set_suspension(&client, row.id, Some((now, &why))).await?)
}

/// Lifts a suspension.
pub async fn restore(desk: &Desk, name: &str) -> Done<()> {
    let client = desk.store.connection().await?;
    let row = find(&client, name).await?;
    Ok(accounts::set_suspension(&client, row.id, None).await?)
}

/// A code that lets one person register.
pub async fn invite(desk: &Desk) -> Done<String> {
    let client = desk.store.connection().await?;
    let code = codes::invitation();
    accounts::insert_invitation(&client, &code.hash, desk.now(&client).await?).await?;
    Ok(code.text)
}

/// No new takes from now on; running trades go on. The reason is shown.
pub async fn pause(desk: &Desk, why: &str) -> Done<()> {
    let why = reason(why)?;
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    Ok(desk_state::set_pause(&client, Some((now, &why))).await?)
}

pub async fn resume(desk: &Desk) -> Done<()> {
    Ok(desk_state::set_pause(&desk.store.connection().await?, None).await?)
}

/// The reference price of one bitcoin in a currency; floating offers follow it.
pub async fn set_rate(desk: &Desk, currency: &str, price: Decimal) -> Done<()> {
    let currency = Currency::parse(currency)
        .map_err(|_| Refusal::field("currency", format!("\"{currency}\" is not a currency this desk knows.")))?;
    if price <= Decimal::ZERO {
        return Err(Refusal::field("price", "A price is above zero.").into());
    }
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let tx = client.transaction().await?;
    rates::set(&tx, &Rate { currency, price, set_at: now }).await?;
    Ok(tx.commit().await?)
}

/// What is to be done once an hour: ended sessions and full buckets are forgotten, seeds of draws are published.
pub async fn tidy(desk: &Desk) -> Done<()> {
    draw::keep_seeds(desk).await?;
    sessions::sweep(&desk.store.connection().await?).await?;
    throttle::sweep(desk).await
}

pub(super) fn reason(why: &str) -> Result<String, Refusal> {
    text::clean_line(why, REASON_CHARS_MAX).map_err(|error| Refusal::field("why", error.to_string()))
}

pub(super) async fn find(client: &impl GenericClient, name: &str) -> Done<AccountRow> {
    let missing = || Error::from(Refusal::field("name", format!("There is no account \"{name}\" on this desk.")));
    accounts::by_name(client, name).await?.ok_or_else(missing)
}
