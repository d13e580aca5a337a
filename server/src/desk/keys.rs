//! Signing keys: registered as a claim, proved by the first valid signature, given one index per trade.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use uuid::Uuid;

use super::error::{Done, Error};
use super::{Desk, arbitrators, keyfile, throttle};
use crate::domain::{KeyId, Refusal, RefusalKind, Role, TradeId, UserId};
use crate::escrow::{AccountKey, EscrowIndex, KeyRefusal};
use crate::store::GenericClient;
use crate::store::keys::{self, HeldKey, NewKey, Rivals, Use};

pub use crate::store::keys::KeyRow;

/// Wallets look about 1,000 indexes ahead; a key that reached this is asked for a new account.
const INDEX_END: i32 = 900;

/// Who registers a key.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    pub account: UserId,
    pub name: &'a str,
    pub role: Role,
}

/// Registers a key, with its encrypted file when it was made in the browser. Fields: `key`, `file`.
pub async fn register(desk: &Desk, owner: Owner<'_>, key_text: &str, key_file: Option<&str>) -> Done<KeyId> {
    let network = desk.rules.network;
    let key = AccountKey::parse(key_text, network).map_err(|why| Refusal::field("key", why.to_string()))?;
    if let Some(file) = key_file {
        keyfile::check(file, owner.name, &key, network)?;
    }
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    throttle::by_name(desk, &client, throttle::KEYS_ACCOUNT, &owner.account.to_string(), now).await?;
    let record = match owner.role {
        Role::Arbitrator => Some(arbitrators::record_of(desk, &client, owner, &key, now).await?),
        Role::Trader | Role::Operator => None,
    };
    let (text, unpacked) = (key.to_string(), key.unpacked());
    let new = NewKey {
        id: KeyId(Uuid::now_v7()),
        account: owner.account,
        text: &text,
        fingerprint: key.fingerprint().to_bytes(),
        account_number: i32::try_from(key.account()).map_err(|_| Error::broken("an account number beyond 2^31"))?,
        public_key: key.xpub().public_key.serialize(),
        chain_code: key.xpub().chain_code.to_bytes(),
        unpacked: unpacked.as_ref().map(<[u8; _]>::as_slice),
        key_file,
        created_at: now,
    };
    let tx = client.transaction().await?;
    keys::lock_fingerprint(&tx, new.fingerprint).await?;
    let rivals = keys::rivals(&tx, &new).await?;
    refuse_rivals(rivals, owner.role)?;
    if !keys::insert(&tx, &new).await? {
        return Err(known_already(&tx, &new).await?.into());
    }
    if let Some(record) = record {
        arbitrators::keep_record(&tx, owner, new.id, &record, now).await?;
    }
    tx.commit().await?;
    tracing::info!(user.id = %owner.account, "a signing key was registered");
    Ok(new.id)
}

/// A new encrypted file for a key this account has registered: another passphrase, or words brought back. Fields: `key`,
/// `file`.
pub async fn restore(desk: &Desk, owner: Owner<'_>, key_text: &str, key_file: &str) -> Done<KeyId> {
    let network = desk.rules.network;
    let key = AccountKey::parse(key_text, network).map_err(|why| Refusal::field("key", why.to_string()))?;
    keyfile::check(key_file, owner.name, &key, network)?;
    let client = desk.store.connection().await?;
    let (public_key, chain_code) = (key.xpub().public_key.serialize(), key.xpub().chain_code.to_bytes());
    let row = keys::own(&client, owner.account, &public_key, &chain_code).await?;
    let unknown = || Refusal::field("key", "This is not a key that you have registered, so nothing was changed.");
    let row = row.filter(|row| row.text == key.to_string()).ok_or_else(unknown)?;
    keys::set_file(&client, row.id, key_file).await?;
    Ok(row.id)
}

fn refuse_rivals(rivals: Rivals, role: Role) -> Result<(), Refusal> {
    let says = |words: &str| Err(Refusal::field("key", words));
    if rivals.of_an_arbitrator || rivals.arbitrators_fingerprint {
        return says(
            "An arbitrator of this desk uses the wallet this key comes from. No wallet may hold two roles in a trade: \
             make a key with other words.",
        );
    }
    if rivals.proved_elsewhere {
        return says("This key belongs to another account of this desk. Register one that is yours alone.");
    }
    if role == Role::Arbitrator && rivals.anyones_fingerprint {
        return says(
            "Somebody else registered a key of a wallet with this fingerprint. An arbitrator's wallet is used for \
             nothing else: make one with other words.",
        );
    }
    if role == Role::Arbitrator && rivals.was_used {
        return says("This key was used in trades, so others know it. An arbitrator needs one that nobody has seen.");
    }
    Ok(())
}

async fn known_already(client: &impl GenericClient, new: &NewKey<'_>) -> Done<Refusal> {
    let own = keys::own(client, new.account, &new.public_key, &new.chain_code).await?;
    let words = match own {
        Some(row) if row.displaced_at.is_some() => "Another account proved that this key is its own.",
        Some(row) if row.retired_at.is_some() => {
            "You retired this key. Take it into use again in the list of your keys."
        }
        _ => "You have registered this key already.",
    };
    Ok(Refusal::field("key", words))
}

/// What may be shown again of a refused key: nothing at all of one that looks private.
pub fn shown_again<'a>(desk: &Desk, key_text: &'a str) -> &'a str {
    match AccountKey::parse(key_text, desk.rules.network) {
        Err(KeyRefusal::Private | KeyRefusal::Words) => "",
        _ => key_text,
    }
}

/// How a key stands to new offers and takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// The newest usable one: proposed.
    Current,
    Usable,
    Retired,
    /// Another account proved that the key is its own.
    Displaced,
}

impl KeyState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Usable => "usable",
            Self::Retired => "retired",
            Self::Displaced => "displaced",
        }
    }
}

/// A key as its owner sees it.
#[derive(Debug, Clone)]
pub struct OwnKey {
    pub row: KeyRow,
    pub state: KeyState,
    pub fingerprint: String,
    pub account_number: u32,
    /// `[fingerprint/48'/coin'/account'/2']`.
    pub origin: String,
    pub xpub: String,
}

/// All keys of an account, the newest first; the newest usable one is proposed for new offers and takes.
pub async fn of_account(desk: &Desk, account: UserId) -> Done<Vec<OwnKey>> {
    let mut own: Vec<OwnKey> = Vec::new();
    for row in keys::of_account(&desk.store.connection().await?, account).await? {
        let key = parsed(desk, &row)?;
        let state = match (row.displaced_at, row.retired_at) {
            (Some(_), _) => KeyState::Displaced,
            (None, Some(_)) => KeyState::Retired,
            (None, None) if own.iter().any(|one| one.state == KeyState::Current) => KeyState::Usable,
            (None, None) => KeyState::Current,
        };
        own.push(OwnKey {
            state,
            fingerprint: key.fingerprint().to_string(),
            account_number: key.account(),
            origin: key.origin(),
            xpub: key.xpub().to_string(),
            row,
        });
    }
    Ok(own)
}

/// The key that is proposed for new offers and takes, if there is one.
pub async fn current(client: &impl GenericClient, account: UserId) -> Done<Option<KeyRow>> {
    let all = keys::of_account(client, account).await?;
    Ok(all.into_iter().find(KeyRow::is_in_use))
}

/// A key as registered, whoever's and in whatever state: for trades that have it already.
pub async fn registered(desk: &Desk, client: &impl GenericClient, id: KeyId) -> Done<(KeyRow, AccountKey)> {
    let row = keys::by_id(client, id).await?.ok_or_else(|| Error::broken(format!("there is no key {id}")))?;
    let key = parsed(desk, &row)?;
    Ok((row, key))
}

/// The same from what was unpacked when it was registered, if that is of the key whose indexes are counted.
pub(super) fn held(desk: &Desk, key: &HeldKey) -> Done<AccountKey> {
    let kept = key.unpacked.as_deref().and_then(|bytes| bytes.try_into().ok());
    let key_of = |bytes| AccountKey::from_unpacked(&key.row.text, bytes, desk.rules.network);
    let known = |read: &AccountKey| read.xpub().public_key.serialize() == *key.public_key;
    kept.and_then(key_of).filter(known).map_or_else(|| parsed(desk, &key.row), Ok)
}

pub(super) fn parsed(desk: &Desk, row: &KeyRow) -> Done<AccountKey> {
    AccountKey::parse(&row.text, desk.rules.network)
        .map_err(|why| Error::broken(format!("the key {} in the database: {why}", row.id)))
}

/// The encrypted file of one's own browser key, and the name to save it under.
pub async fn file(desk: &Desk, account: UserId, id: KeyId) -> Done<(String, String)> {
    let row = keys::by_id(&desk.store.connection().await?, id).await?;
    let row = row.filter(|row| row.account == account).ok_or_else(Refusal::not_found)?;
    let key = parsed(desk, &row)?;
    let file = row.key_file.ok_or_else(Refusal::not_found)?;
    Ok((format!("trine-key-{}.json", key.fingerprint()), file))
}

/// Takes a key out of use for new offers and takes, or into use again. Running trades keep it.
pub async fn set_retired(desk: &Desk, account: UserId, id: KeyId, retired: bool) -> Done<()> {
    let client = desk.store.connection().await?;
    let at = if retired { Some(desk.now(&client).await?) } else { None };
    if keys::set_retired(&client, account, id, at).await? { Ok(()) } else { Err(Refusal::not_found().into()) }
}

/// The first valid signature proves a claim and displaces the claims of others. Safe to repeat.
pub async fn prove(client: &impl GenericClient, id: KeyId, now: Timestamp) -> Done<()> {
    keys::prove(client, id, now).await?;
    Ok(())
}

/// The indexes N of the takes of one transaction, given one after the other.
#[derive(Debug)]
pub struct Indexes {
    /// Those that were ever given, and the lowest that may be, by public key.
    held: HashMap<Vec<u8>, (BTreeSet<i32>, i32)>,
    given: Vec<Use>,
}

impl Indexes {
    /// From keys whose accounts are held. Nobody else gives an index to one of them until the transaction ends, but an
    /// account that claims the same key: then the second of the two is refused, and made again.
    pub fn of(keys: &[HeldKey]) -> Self {
        let of_one = |key: &HeldKey| (key.public_key.clone(), (key.used.iter().copied().collect(), key.floor));
        Self { held: keys.iter().map(of_one).collect(), given: Vec::new() }
    }

    /// The lowest that neither key was ever given.
    pub fn lowest(&self, pair: [&AccountKey; 2]) -> Result<EscrowIndex, Refusal> {
        let held = pair.map(|key| self.held.get(key.public_key_bytes().as_slice()));
        let floor = held.iter().flatten().map(|(_, floor)| *floor).max().unwrap_or(0);
        let is_free = |n: &i32| held.iter().flatten().all(|(used, _)| !used.contains(n));
        let lowest = (floor..INDEX_END).find(is_free).and_then(|n| EscrowIndex::new(n.try_into().ok()?));
        lowest.ok_or_else(|| {
            let words = "One of the two signing keys has been used in 900 trades, and wallets look no further. Register \
                         the next account number of the wallet, then try again.";
            Refusal::new(RefusalKind::Conflict, words)
        })
    }

    /// Both keys have it from now on.
    pub fn give(&mut self, pair: [&AccountKey; 2], index: EscrowIndex, trade: TradeId) {
        let n = i32::try_from(index.get()).unwrap_or(INDEX_END);
        for public_key in pair.map(AccountKey::public_key_bytes) {
            self.held.entry(public_key.to_vec()).or_default().0.insert(n);
            self.given.push(Use { public_key, n, trade });
        }
    }

    /// Those to be written down.
    pub fn given(&self) -> &[Use] {
        &self.given
    }
}
