//! A forgotten password, without the code: by a signature with a signing key of the account.
//!
//! The desk tells nobody which keys an account has. Whoever comes names the account and shows the key; the message to
//! sign is made from these alone. Only a valid signature is compared with what is registered.

use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::accounts::{From, Welcome, check_new_password, replace_password};
use super::error::Done;
use super::{Desk, keyfile, keys, throttle};
use crate::domain::{Party, Refusal};
use crate::escrow::message::{self, Form};
use crate::escrow::{AccountKey, Lock};
use crate::store::{accounts, keys as key_store};

/// A message to sign is good for at least one of these, at most two.
const WINDOW_SECONDS: i64 = 20 * 60;

/// What is to be signed, on a script that can never hold coins: the key shown, and two that nobody has.
#[derive(Debug, Clone)]
pub struct Challenge {
    /// In the form it came to be understood: `[fingerprint/…]xpub`.
    pub key: String,
    pub origin: String,
    pub xpub: String,
    pub message: String,
    pub nonce: String,
    pub psbt: String,
    pub txid: String,
}

/// The message for a name and a key, given as text or as the encrypted key file. Fields: `name`, `key`, `file`.
pub async fn challenge(
    desk: &Desk,
    name: &str,
    key_text: &str,
    key_file: Option<&str>,
    from: &From,
) -> Done<Challenge> {
    let name = name.to_ascii_lowercase();
    let key = read_key(desk, key_text, key_file)?;
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttle::by_address(desk, &client, throttle::RECOVER_ADDRESS, from.address, now).await?;
    drop(client);
    let nonce = nonce(desk, &name, &key, now).await?;
    made(desk, &name, &key, nonce)
}

fn read_key(desk: &Desk, key_text: &str, key_file: Option<&str>) -> Result<AccountKey, Refusal> {
    match key_file {
        Some(file) if key_text.trim().is_empty() => keyfile::key_in(file, desk.rules.network),
        _ => AccountKey::parse(key_text, desk.rules.network).map_err(|why| Refusal::field("key", why.to_string())),
    }
}

fn made(desk: &Desk, name: &str, key: &AccountKey, nonce: String) -> Done<Challenge> {
    let message = format!("{} proof {} recover {nonce}", desk.rules.desk_name, plain(name));
    let lock = Lock::of_drill(key, desk.rules.network).map_err(Refusal::from)?;
    let spend = message::build(Form::Bip322, &lock, &message)?;
    Ok(Challenge {
        key: key.to_string(),
        origin: key.origin(),
        xpub: key.xpub().to_string(),
        message,
        nonce,
        psbt: spend.psbt().to_string(),
        txid: spend.txid().to_string(),
    })
}

/// A name may be typed wrong; in a message only what a name can have stands.
fn plain(name: &str) -> String {
    name.chars().filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-')).take(20).collect()
}

/// Tied to the account's password of the moment: it changes with the recovery, so a signature counts once. For a name
/// without an account it looks the same.
async fn nonce(desk: &Desk, name: &str, key: &AccountKey, at: Timestamp) -> Done<String> {
    let client = desk.store.connection().await?;
    let password = accounts::by_name(&client, name).await?.map(|row| row.password_hash).unwrap_or_default();
    let window = at.as_second() / WINDOW_SECONDS;
    let [a, b, c, d, e, f, g, h, ..] =
        desk.secrets.mac("recover", format!("{window} {name} {key} {password}").as_bytes());
    Ok(data_encoding::HEXLOWER.encode(&[a, b, c, d, e, f, g, h]))
}

/// The signed message: sets the new password, ends all sessions, signs this browser in. Fields: `signatures`,
/// `new_password`.
pub async fn by_signature(
    desk: &Desk,
    (name, key_text, nonce_shown): (&str, &str, &str),
    upload: &[u8],
    new_password: &str,
    from: &From,
) -> Done<Welcome> {
    let name = name.to_ascii_lowercase();
    let key = read_key(desk, key_text, None)?;
    check_new_password(desk, &name, new_password).await?;
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttle::by_address(desk, &client, throttle::RECOVER_ADDRESS, from.address, now).await?;
    throttle::on_name(desk, &client, throttle::RECOVER, (&name, from.address), now).await?;
    drop(client);
    let before = now.checked_sub(jiff::SignedDuration::from_secs(WINDOW_SECONDS)).unwrap_or(now);
    let known = [nonce(desk, &name, &key, now).await?, nonce(desk, &name, &key, before).await?];
    if !known.iter().any(|one| bool::from(one.as_bytes().ct_eq(nonce_shown.as_bytes()))) {
        return Err(Refusal::conflict("This message is too old, or was used. Begin again with a new one.").into());
    }
    let challenge = made(desk, &name, &key, nonce_shown.to_owned())?;
    let lock = Lock::of_drill(&key, desk.rules.network).map_err(Refusal::from)?;
    message::verify(upload, &lock, &challenge.message, Party::Arbitrator)
        .map_err(|why| Refusal::field("signatures", why.all_words()))?;
    let client = desk.store.connection().await?;
    let words =
        "The signature is good, but this key is not one of the account's. Name the account it is registered for.";
    let row = accounts::by_name(&client, &name).await?.ok_or_else(|| Refusal::invalid(words))?;
    let own = key_store::of_account(&client, row.id).await?;
    let own = own.into_iter().find(|one| one.text == challenge.key && one.displaced_at.is_none());
    let own = own.ok_or_else(|| Refusal::invalid(words))?;
    drop(client);
    let welcome = replace_password(desk, &row, new_password, from).await?;
    keys::prove(&desk.store.connection().await?, own.id, now).await?;
    Ok(welcome)
}
