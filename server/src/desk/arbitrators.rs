//! Arbitrators: appointed by the operator, known by their public record, on duty while their drill is fresh.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bitcoin::Amount;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::acts::Hand;
use super::error::{Done, Error};
use super::keys::{self, KeyRow, Owner};
use super::{Desk, admin, conflicts, public_log};
use crate::domain::money::btc_words;
use crate::domain::{KeyId, Party, Refusal, RefusalKind, Role, UserId, text};
use crate::escrow::arbiter::ArbiterTree;
use crate::escrow::message::{self, Form};
use crate::escrow::{AccountKey, ArbiterLevel, ArbiterRecord, EscrowKey, Lock};
use crate::store::acts::NewAct;
use crate::store::{GenericClient, accounts, arbitrators, keys as key_store};

pub use crate::store::arbitrators::{ArbitratorRow, OnDutyRow};

/// How to reach him without the desk: a line of text in his public record.
const CONTACT_CHARS_MAX: usize = 200;

/// The trees of the few keys there are: 8192 derivations and a megabyte each.
static TREES: LazyLock<Mutex<HashMap<[u8; 32], Arc<ArbiterTree>>>> = LazyLock::new(Mutex::default);
/// Arbitrators' keys of one desk, with those of years ago.
const TREES_MAX: usize = 32;

/// Makes an arbitrator of an account: from then on it cannot trade, and needs a key of its own for ruling.
pub async fn appoint<'a>(hand: impl Into<Hand<'a>>, name: &str, contact: &str, exposure_limit: Amount) -> Done<()> {
    let hand = hand.into();
    let desk = hand.desk;
    let contact = text::clean_line(contact, CONTACT_CHARS_MAX)
        .map_err(|why| Refusal::field("contact", format!("How to reach the arbitrator without the desk: {why}")))?;
    if exposure_limit == Amount::ZERO || exposure_limit > Amount::MAX_MONEY {
        return Err(Refusal::field("exposure_limit", "The exposure limit is an amount above zero.").into());
    }
    let limit_sat = i64::try_from(exposure_limit.to_sat()).map_err(|_| Error::broken("an amount beyond all money"))?;
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let tx = client.transaction().await?;
    let row = admin::find(&tx, name).await?;
    // First, so that the account is held: a take that is under way ends before its trades are looked for.
    accounts::set_role(&tx, row.id, Role::Arbitrator).await?;
    if accounts::has_open_business(&tx, row.id).await? {
        let words = format!("{name} has running trades or offers. An arbitrator cannot trade: these must end first.");
        return Err(Refusal::conflict(words).into());
    }
    key_store::retire_all(&tx, row.id, now).await?;
    arbitrators::appoint(&tx, row.id, &contact, limit_sat, now).await?;
    let entry = json!({ "arbitrator": row.name, "contact": contact, "exposure_limit_sat": limit_sat });
    public_log::append(&tx, now, "appointed", &entry).await?;
    let limit = btc_words(exposure_limit);
    hand.note(&tx, now, &NewAct { act: "appointed", about: &row.name, how: &limit, ..NewAct::default() }).await?;
    Ok(tx.commit().await?)
}

/// Ends an appointment. He keeps the duty in trades that have a deposit: the key in the script rules. Those without one
/// are called off.
pub async fn dismiss<'a>(hand: impl Into<Hand<'a>>, name: &str) -> Done<()> {
    dismiss_for(hand, name, "").await
}

/// The same with a reason, for the desk's own log.
pub async fn dismiss_for<'a>(hand: impl Into<Hand<'a>>, name: &str, why: &str) -> Done<()> {
    let hand = hand.into();
    let desk = hand.desk;
    let why = admin::reason_or_none(why)?;
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let tx = client.transaction().await?;
    let row = admin::find(&tx, name).await?;
    if !arbitrators::dismiss(&tx, row.id, now).await? {
        return Err(Refusal::conflict(format!("{name} is not an arbitrator in office.")).into());
    }
    public_log::append(&tx, now, "dismissed", &json!({ "arbitrator": row.name })).await?;
    hand.note(&tx, now, &NewAct { act: "dismissed", about: &row.name, why: &why, ..NewAct::default() }).await?;
    tx.commit().await?;
    drop(client);
    conflicts::call_off(desk).await.map(drop)
}

/// Who may be drawn now.
pub async fn on_duty(desk: &Desk, client: &impl GenericClient, now: Timestamp) -> Done<Vec<OnDutyRow>> {
    Ok(arbitrators::on_duty(client, drilled_since(desk, now)).await?)
}

/// A drill before this counts no more.
pub(super) fn drilled_since(desk: &Desk, now: Timestamp) -> Timestamp {
    let age = Duration::from_secs(u64::from(desk.rules.drill_max_age_days) * 86_400);
    now.checked_sub(age).unwrap_or(Timestamp::MIN)
}

/// Until when a drill of this time counts.
pub(super) fn drill_ends(desk: &Desk, drilled_at: Timestamp) -> Option<Timestamp> {
    drilled_at.checked_add(Duration::from_secs(u64::from(desk.rules.drill_max_age_days) * 86_400)).ok()
}

/// Everybody in office, on duty or not.
pub async fn in_office(desk: &Desk) -> Done<Vec<ArbitratorRow>> {
    Ok(arbitrators::in_office(&desk.store.connection().await?).await?)
}

/// A record to be published, and its hash.
#[derive(Debug, Clone)]
pub struct Record {
    pub text: String,
    pub hash: [u8; 32],
}

/// The public record that an arbitrator's new key makes.
pub(super) async fn record_of(
    desk: &Desk,
    client: &impl GenericClient,
    owner: Owner<'_>,
    key: &AccountKey,
    now: Timestamp,
) -> Done<Record> {
    let row = arbitrators::by_account(client, owner.account).await?;
    let row = row.filter(|row| row.dismissed_at.is_none()).ok_or_else(|| {
        Refusal::new(RefusalKind::Forbidden, "You are not in office any more; there is no use for a new key.")
    })?;
    let record = ArbiterRecord {
        v: 1,
        network: desk.rules.network,
        name: row.name,
        fingerprint: key.fingerprint(),
        contact: row.contact,
        date: now.to_zoned(TimeZone::UTC).date(),
        root: tree(key).await?.root(),
    };
    Ok(Record { text: record.to_text()?, hash: *record.hash()?.as_ref() })
}

pub(super) async fn keep_record(
    tx: &impl GenericClient,
    owner: Owner<'_>,
    key: KeyId,
    record: &Record,
    now: Timestamp,
) -> Done<()> {
    arbitrators::set_record(tx, owner.account, key, (&record.text, &record.hash), now).await?;
    let entry = json!({ "arbitrator": owner.name, "record": record.text, "hash": hex(&record.hash) });
    public_log::append(tx, now, "record", &entry).await
}

/// A record with the Merkle path of one level: what a signer checks xpub_P by.
#[derive(Debug, Clone)]
pub struct RecordProof {
    pub text: String,
    pub hash: String,
    /// Twelve hashes in hex, the leaf's neighbour first.
    pub path: Vec<String>,
}

/// The proof for the record that a contract names.
pub async fn record_proof(
    desk: &Desk,
    client: &impl GenericClient,
    record_hash: &[u8; 32],
    level: ArbiterLevel,
) -> Done<RecordProof> {
    let (text, key) =
        arbitrators::record(client, record_hash).await?.ok_or_else(|| Error::broken("a record is missing"))?;
    let key = AccountKey::parse(&key, desk.rules.network).map_err(Error::broken)?;
    let path = tree(&key).await?.path(level).iter().map(ToString::to_string).collect();
    Ok(RecordProof { text, hash: hex(record_hash), path })
}

/// The Merkle tree of a key, made once.
async fn tree(key: &AccountKey) -> Done<Arc<ArbiterTree>> {
    if let Some(tree) = known_tree(key) {
        return Ok(tree);
    }
    let (key, identity) = (*key, key.identity());
    let tree = Arc::new(spawn_blocking(move || ArbiterTree::new(&key)).await?);
    let mut trees = TREES.lock().unwrap_or_else(PoisonError::into_inner);
    if trees.len() >= TREES_MAX {
        trees.clear();
    }
    trees.insert(identity, tree.clone());
    Ok(tree)
}

fn known_tree(key: &AccountKey) -> Option<Arc<ArbiterTree>> {
    TREES.lock().unwrap_or_else(PoisonError::into_inner).get(&key.identity()).cloned()
}

/// The arbitrator's key in escrows at a level; from his tree, if that was made already.
pub(super) fn escrow_key(key: &AccountKey, level: ArbiterLevel) -> EscrowKey {
    known_tree(key).and_then(|tree| tree.escrow_key(level)).unwrap_or_else(|| EscrowKey::of_arbiter(key, level))
}

/// How an arbitrator stands, for his own pages.
#[derive(Debug)]
pub struct Office {
    pub row: ArbitratorRow,
    pub key: Option<KeyRow>,
    /// The drill in force ends then.
    pub drilled_until: Option<Timestamp>,
    pub is_on_duty: bool,
}

pub async fn office(desk: &Desk, account: UserId) -> Done<Office> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let row = arbitrators::by_account(&client, account).await?.ok_or_else(Refusal::not_found)?;
    let key = match row.key {
        Some(id) => key_store::by_id(&client, id).await?,
        None => None,
    };
    let drilled_until = row.drilled_at.and_then(|at| drill_ends(desk, at));
    let is_on_duty = on_duty(desk, &client, now).await?.iter().any(|one| one.account == account);
    Ok(Office { row, key, drilled_until, is_on_duty })
}

/// A drill to be signed: a message over a script that can never hold coins, made of his key and two of nobody.
#[derive(Debug)]
pub struct Drill {
    pub key: KeyRow,
    pub origin: String,
    pub xpub: String,
    pub message: String,
    /// The dry-run ruling, as a base64 PSBT.
    pub psbt: String,
    pub txid: String,
}

/// Today's drill of an arbitrator who has a key.
pub async fn drill(desk: &Desk, account: UserId) -> Done<Drill> {
    let (row, key) = drill_key(desk, account).await?;
    let message = drill_message(desk, account).await?;
    let lock = Lock::of_drill(&key, desk.rules.network).map_err(Refusal::from)?;
    let spend = message::build(Form::DryRun, &lock, &message)?;
    Ok(Drill {
        key: row,
        origin: key.origin(),
        xpub: key.xpub().to_string(),
        message,
        psbt: spend.psbt().to_string(),
        txid: spend.psbt().unsigned_tx.compute_txid().to_string(),
    })
}

/// A signed drill: verified, kept, logged; the arbitrator is on duty from now on.
pub async fn sign_drill(desk: &Desk, account: UserId, upload: &[u8]) -> Done<()> {
    let (row, key) = drill_key(desk, account).await?;
    let message = drill_message(desk, account).await?;
    let lock = Lock::of_drill(&key, desk.rules.network).map_err(Refusal::from)?;
    let signed = message::verify(upload, &lock, &message, Party::Arbitrator)?;
    let spend = message::build(signed.form, &lock, &message)?;
    let drill = spend.with_signatures([&signed.signature]).serialize();
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let tx = client.transaction().await?;
    if !arbitrators::set_drill(&tx, account, row.id, now, &drill).await? {
        return Err(Refusal::conflict("Your key was replaced meanwhile. Do the drill with the new one.").into());
    }
    keys::prove(&tx, row.id, now).await?;
    let office = arbitrators::by_account(&tx, account).await?.ok_or_else(Refusal::not_found)?;
    public_log::append(&tx, now, "drill", &json!({ "arbitrator": office.name })).await?;
    Ok(tx.commit().await?)
}

async fn drill_key(desk: &Desk, account: UserId) -> Done<(KeyRow, AccountKey)> {
    let client = desk.store.connection().await?;
    let row = arbitrators::by_account(&client, account).await?.ok_or_else(Refusal::not_found)?;
    if row.dismissed_at.is_some() {
        return Err(Refusal::new(RefusalKind::Forbidden, "You are not in office any more.").into());
    }
    let words = "Register the key you will rule with first; the drill is signed with it.";
    keys::registered(desk, &client, row.key.ok_or_else(|| Refusal::conflict(words))?).await
}

async fn drill_message(desk: &Desk, account: UserId) -> Done<String> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let row = arbitrators::by_account(&client, account).await?.ok_or_else(Refusal::not_found)?;
    Ok(message::drill_message(&desk.rules.desk_name, &row.name, now.to_zoned(TimeZone::UTC).date()))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
