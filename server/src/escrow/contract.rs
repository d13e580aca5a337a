//! The contract: one canonical JSON text that both traders sign, and that every field of a transaction comes from.

use bitcoin::hashes::{Hash, sha256};
use bitcoin::{Amount, Network, ScriptBuf};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::address::{self, AddressRefusal};
use super::canonical;
use super::keys::{EscrowIndex, EscrowKey};
use super::lock::Lock;
use super::{ArbiterLevel, fees};
use crate::domain::hours::Hours;
use crate::domain::{AccountName, Party, PublicRef, Refusal, Side};

mod amended;
mod check;

pub use amended::Amended;

/// Everything agreed, with all fields of protocol §3; what is not used is null. Amounts are satoshis; prices and
/// fiat amounts are decimal text with the currency's digits; times are written in whole seconds, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Always 1.
    pub v: u32,
    pub network: Network,
    /// The desk's host name, ASCII.
    pub desk: String,
    pub trade: PublicRef,
    pub offer: PublicRef,
    pub offer_version: u32,
    #[serde(with = "seconds")]
    pub created: Timestamp,
    #[serde(with = "seconds")]
    pub sign_by: Timestamp,
    /// Hash of the contract that this one amends.
    pub supersedes: Option<sha256::Hash>,
    /// Tranche k of n; not used yet.
    pub group: (),
    #[serde(deserialize_with = "account_name")]
    pub buyer: AccountName,
    #[serde(deserialize_with = "account_name")]
    pub seller: AccountName,
    /// Who posted the offer.
    pub maker: Side,
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub amount_sat: Amount,
    /// What the seller deposits: the amount and his share of the desk's fee.
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub deposit_sat: Amount,
    /// Fiat per bitcoin.
    pub price: String,
    /// What the buyer pays.
    pub fiat: String,
    /// ISO 4217.
    pub currency: String,
    /// Id of the payment method.
    pub method: String,
    /// The offer's terms, one string per line.
    pub terms: Option<Vec<String>>,
    /// Neutral code for the payment.
    pub reference: String,
    /// Minutes that the seller may wait before he releases.
    pub hold: u32,
    pub windows: Windows,
    /// The working hours that windows of people count in; null when nobody has stated any.
    pub hours: Option<Hours>,
    /// Blocks on top of deposit and payout, the one they are in included.
    pub confirmations: u32,
    /// Satoshis per virtual byte when the contract was made.
    pub feerate: u32,
    /// No payout pays more to miners.
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub fee_cap_sat: Amount,
    pub desk_fee_sat: FeeShares,
    /// Taken in every ruling, and only there.
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub arbitrator_fee_sat: Amount,
    /// Buyer, seller, arbitrator, in this order.
    pub keys: [KeyEntry; 3],
    /// The arbitrator's extra level.
    #[serde(rename = "P")]
    pub level: u32,
    /// The index of the escrow under all three keys.
    #[serde(rename = "N")]
    pub index: u32,
    pub descriptor: String,
    pub address: String,
    /// Hash of the arbitrator's record.
    pub arbitrator: sha256::Hash,
    /// Hash of the rules for disputes.
    pub rules: sha256::Hash,
    pub payouts: Payouts,
    /// Hash of the seller's payment details.
    pub details: sha256::Hash,
    /// Hash of the buyer's payer name and account.
    pub payer: Option<sha256::Hash>,
    /// Not used yet.
    pub bonds: (),
    /// Not used yet.
    pub chat_keys: (),
}

/// How long each may take (protocol §5): minutes, except `payout` in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    pub deposit: u32,
    pub confirmation: u32,
    pub payment: u32,
    pub release: u32,
    pub objection: u32,
    pub answer: u32,
    pub ruling: u32,
    pub cosignature: u32,
    pub payout: u32,
}

/// The desk's fee is the sum; each side's share of it in satoshis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeShares {
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub buyer: Amount,
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub seller: Amount,
}

/// One of the three keys, as in the descriptor: `[fingerprint/path]` and xpub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyEntry {
    pub role: Party,
    pub origin: String,
    pub xpub: String,
}

/// Who is paid where, before miner fees. Every address that any transaction of this trade may pay is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payouts {
    /// The buyer's output, then the desk's unless its fee is zero.
    pub release: Vec<PayoutEntry>,
    /// The seller's output.
    pub refund: Vec<PayoutEntry>,
    /// Where the arbitrator's fee goes; null when it is zero.
    pub arbitrator: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayoutEntry {
    pub to: Payee,
    pub address: String,
    #[serde(with = "bitcoin::amount::serde::as_sat")]
    pub sat: Amount,
    /// Whether the miner fee is taken from this output.
    pub bears_fee: bool,
}

/// Who an output of a payout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payee {
    Buyer,
    Seller,
    Desk,
    Arbitrator,
}

impl Payee {
    pub const ALL: [Self; 4] = [Self::Buyer, Self::Seller, Self::Desk, Self::Arbitrator];
}

/// The part of a contract that payouts are made from, checked and as scripts. Only [`Contract::agreed`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    pub(super) lock: Lock,
    pub(super) deposit: Amount,
    pub(super) desk_fee: Amount,
    pub(super) arbitrator_fee: Amount,
    pub(super) fee_cap: Amount,
    pub(super) buyer: ScriptBuf,
    pub(super) seller: ScriptBuf,
    pub(super) desk: Option<ScriptBuf>,
    pub(super) arbitrator: Option<ScriptBuf>,
}

impl Agreed {
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The deposit due.
    pub fn deposit(&self) -> Amount {
        self.deposit
    }

    /// Where this payee is paid, if he is paid at all.
    pub fn script(&self, payee: Payee) -> Option<&ScriptBuf> {
        match payee {
            Payee::Buyer => Some(&self.buyer),
            Payee::Seller => Some(&self.seller),
            Payee::Desk => self.desk.as_ref(),
            Payee::Arbitrator => self.arbitrator.as_ref(),
        }
    }
}

impl FeeShares {
    /// Capped at the largest amount there is; [`Contract::check`] refuses anything near it.
    pub fn total(&self) -> Amount {
        self.buyer.checked_add(self.seller).unwrap_or(Amount::MAX)
    }
}

impl KeyEntry {
    pub fn new(role: Party, lock: &Lock) -> Self {
        let key = lock.key(role);
        Self { role, origin: key.origin(), xpub: key.xpub_text().to_owned() }
    }
}

impl Payouts {
    /// The entries that follow from amounts and addresses (protocol §7).
    pub fn new(
        amount: Amount,
        fees: FeeShares,
        buyer: String,
        seller: String,
        desk: Option<String>,
        arbitrator: Option<String>,
    ) -> Result<Self, Refusal> {
        let impossible = || Refusal::invalid("These amounts make no trade: the fees are larger than what is traded.");
        let to_buyer = amount.checked_sub(fees.buyer).ok_or_else(impossible)?;
        let deposit = amount.checked_add(fees.seller).ok_or_else(impossible)?;
        let mut release = vec![PayoutEntry { to: Payee::Buyer, address: buyer, sat: to_buyer, bears_fee: true }];
        let desk = desk.filter(|_| fees.total() > Amount::ZERO);
        release.extend(desk.map(|address| PayoutEntry {
            to: Payee::Desk,
            address,
            sat: fees.total(),
            bears_fee: false,
        }));
        let refund = vec![PayoutEntry { to: Payee::Seller, address: seller, sat: deposit, bears_fee: true }];
        Ok(Self { release, refund, arbitrator })
    }
}

impl Contract {
    /// The text that is hashed, signed and handed out. Refuses a contract that [`Self::check`] refuses.
    pub fn to_text(&self) -> Result<String, Refusal> {
        self.check()?;
        Ok(canonical::write(self)?)
    }

    /// The same for a contract just written for this lock, whose keys need not be derived a second time.
    pub fn to_text_for(&self, lock: &Lock) -> Result<String, Refusal> {
        check::terms(self)?;
        self.was_written_for(lock)?;
        check::addresses(self, &self.agreed_on(lock.clone())?)?;
        Ok(canonical::write(self)?)
    }

    /// SHA-256 of the text.
    pub fn hash(&self) -> Result<sha256::Hash, Refusal> {
        Ok(sha256::Hash::hash(self.to_text()?.as_bytes()))
    }

    /// Reads a contract and checks everything that can be checked without its surroundings.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let contract: Self = canonical::read(text)?;
        contract.check()?;
        Ok(contract)
    }

    /// What both sign: `<desk> trade <id> contract <hash hex>`.
    pub fn message(&self) -> Result<String, Refusal> {
        Ok(format!("{} trade {} contract {}", self.desk, self.trade, self.hash()?))
    }

    /// The escrow, rebuilt from the keys; refused unless it gives exactly the descriptor and address written here.
    pub fn lock(&self) -> Result<Lock, Refusal> {
        let odd = |words: &str| Refusal::invalid(format!("The contract does not fit together: {words}."));
        let index = EscrowIndex::new(self.index).ok_or_else(|| odd("N is above 900"))?;
        let level = ArbiterLevel::new(self.level).ok_or_else(|| odd("P is above 4095"))?;
        let [buyer, seller, arbiter] = &self.keys;
        if [buyer.role, seller.role, arbiter.role] != Party::ALL {
            return Err(odd("its keys are not in the order buyer, seller, arbitrator"));
        }
        let keys = [
            EscrowKey::read_trader(&buyer.origin, &buyer.xpub, self.network)?,
            EscrowKey::read_trader(&seller.origin, &seller.xpub, self.network)?,
            EscrowKey::read_arbiter(&arbiter.origin, &arbiter.xpub, level, self.network)?,
        ];
        let lock = Lock::new(keys, index, self.network)?;
        self.was_written_for(&lock)?;
        Ok(lock)
    }

    fn was_written_for(&self, lock: &Lock) -> Result<(), Refusal> {
        let odd = |words: &str| Err(Refusal::invalid(format!("The contract does not fit together: {words}.")));
        if self.descriptor != lock.descriptor() || self.index != lock.index().get() {
            return odd("its descriptor is not the one of its keys");
        }
        if self.address != lock.address().to_string() {
            return odd("its address is not the one of its keys");
        }
        if self.keys != Party::ALL.map(|role| KeyEntry::new(role, lock)) {
            return odd("its keys are not written in their canonical form");
        }
        Ok(())
    }

    /// What payouts are made from.
    pub fn agreed(&self) -> Result<Agreed, Refusal> {
        self.agreed_on(self.lock()?)
    }

    fn agreed_on(&self, lock: Lock) -> Result<Agreed, Refusal> {
        let script = |address: &str| -> Result<ScriptBuf, AddressRefusal> {
            Ok(address::usual_from(address, &lock.script_pubkey(), self.network)?.script_pubkey())
        };
        let of = |entries: &[PayoutEntry], to| entries.iter().find(|entry| entry.to == to).map(|e| script(&e.address));
        let missing = || Refusal::invalid("The contract does not say where both sides are paid.");
        Ok(Agreed {
            buyer: of(&self.payouts.release, Payee::Buyer).ok_or_else(missing)??,
            seller: of(&self.payouts.refund, Payee::Seller).ok_or_else(missing)??,
            desk: of(&self.payouts.release, Payee::Desk).transpose()?,
            arbitrator: self.payouts.arbitrator.as_deref().map(script).transpose()?,
            deposit: self.deposit_sat,
            desk_fee: self.desk_fee_sat.total(),
            arbitrator_fee: self.arbitrator_fee_sat,
            fee_cap: self.fee_cap_sat,
            lock,
        })
    }

    /// Refuses a contract whose parts do not fit together: amounts, addresses, keys, limits, texts.
    pub fn check(&self) -> Result<(), Refusal> {
        check::terms(self)?;
        check::addresses(self, &self.agreed()?)
    }
}

fn account_name<'de, D: Deserializer<'de>>(from: D) -> Result<AccountName, D::Error> {
    AccountName::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// RFC 3339, UTC, whole seconds: `2026-11-21T22:00:00Z`.
pub(super) mod seconds {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Timestamp::from_second(time.as_second()).map_err(serde::ser::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
