//! What a partner checks before it signs, as every careful wallet does: its own key in its place, script and address
//! rebuilt, the contract's hash, its own address, the arbitrator's key against his record, inputs and outputs against the
//! contract. What is signed is built here again; what the desk sent is only compared with it.

use anyhow::{Context, ensure};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::hex::DisplayHex;
use bitcoin::{Amount, OutPoint, Psbt, ScriptBuf};
use data_encoding::BASE64;
use serde::Deserialize;

use super::keys::Wallet;
use crate::domain::{Party, PublicRef, Refusal};
use crate::escrow::contract::Agreed;
use crate::escrow::message::{self, Form};
use crate::escrow::spend::Coin;
use crate::escrow::{AccountKey, ArbiterLevel, ArbiterRecord, Contract, EscrowKey, Payout, PayoutKind, Ruling};

/// A partner has given the desk none of its addresses beyond these.
const ADDRESSES: u32 = 64;
/// Partners have one account key.
pub const KEY_NUMBER: u32 = 0;
/// Of a split a partner takes no less than this part in a hundred.
pub const FAIR_PERCENT: u64 = 40;

/// The part of a signing page's envelope that is read here.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    act: String,
    trade: PublicRef,
    role: Party,
    contract: String,
    contract_hash: String,
    record: Record,
    ruling: Option<String>,
    ruling_signature: Option<String>,
    psbts: Vec<Offered>,
    payout: Option<Parts>,
    funding: Vec<Funding>,
}

#[derive(Debug, Deserialize)]
struct Record {
    text: String,
    path: Vec<sha256::Hash>,
}

#[derive(Debug, Deserialize)]
struct Offered {
    base64: String,
}

#[derive(Debug, Deserialize)]
struct Parts {
    kind: String,
    buyer_sat: u64,
    seller_sat: u64,
}

#[derive(Debug, Deserialize)]
struct Funding {
    outpoint: OutPoint,
    sat: u64,
    script_hex: String,
}

/// What is to be signed, as the partner who opened the page expects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Contract,
    Release,
    Refund,
    Settlement,
    Ruling,
    /// A ruling's text, by its arbitrator.
    RulingText,
}

/// What was checked and may be signed.
#[derive(Debug)]
pub struct Paper {
    pub contract: Contract,
    pub hash: String,
    pub psbts: Vec<Psbt>,
}

/// Who signs: a name on the desk and the keys behind it.
#[derive(Debug)]
pub struct Signer<'a> {
    pub name: &'a str,
    pub wallet: &'a Wallet,
}

impl Envelope {
    /// From a signing page.
    pub fn of(page: &str) -> anyhow::Result<Self> {
        let (_, rest) = page.split_once("id=\"envelope\">").context("the page has no envelope")?;
        let (text, _) = rest.split_once("</script>").context("the envelope has no end")?;
        serde_json::from_str(text).context("the envelope is not as agreed")
    }

    /// Everything that may be signed of this page, or why nothing is.
    pub fn check(&self, trade: PublicRef, signer: &Signer<'_>, expected: Expected) -> anyhow::Result<Paper> {
        let contract = self.agreed_contract(trade, signer)?;
        let agreed = contract.agreed().map_err(words)?;
        let message_of = |text: &str| -> anyhow::Result<Vec<Psbt>> {
            Ok(vec![message::build(Form::Bip322, agreed.lock(), text).map_err(words)?.psbt().clone()])
        };
        let psbts = match (self.act.as_str(), expected) {
            ("contract", Expected::Contract) => message_of(&contract.message().map_err(words)?)?,
            ("ruling", Expected::RulingText) => message_of(&self.ruling_text(&contract)?.message().map_err(words)?)?,
            ("payout", _) => self.payouts(&contract, &agreed, expected)?,
            (act, _) => anyhow::bail!("the page asks for another signature ({act}) than it should"),
        };
        let hash = self.contract_hash.clone();
        Ok(Paper { contract, hash, psbts })
    }

    fn agreed_contract(&self, trade: PublicRef, signer: &Signer<'_>) -> anyhow::Result<Contract> {
        let contract = Contract::parse(&self.contract).map_err(words)?;
        let hash = sha256::Hash::hash(self.contract.as_bytes()).to_byte_array().to_lower_hex_string();
        ensure!(hash == self.contract_hash, "the contract's hash is not the one that is named");
        ensure!(contract.trade == trade && self.trade == trade, "this is another trade's contract");
        let level = ArbiterLevel::new(contract.level).context("P is above 4095")?;
        let lock = contract.lock().map_err(words)?;
        let mine = own_key(signer.wallet, self.role, level)?;
        ensure!(*lock.key(self.role) == mine, "the contract does not have my key in my place");
        self.arbitrator(&contract, level)?;
        let place = match self.role {
            Party::Buyer => Some((&contract.buyer, contract.payouts.release.first())),
            Party::Seller => Some((&contract.seller, contract.payouts.refund.first())),
            Party::Arbitrator => None,
        };
        if let Some((name, entry)) = place {
            ensure!(name.as_str() == signer.name, "the contract names somebody else in my place");
            let entry = entry.context("the contract pays me nothing")?;
            ensure!(is_own_address(signer.wallet, &entry.address)?, "the contract pays to an address that is not mine");
        }
        Ok(contract)
    }

    /// The key in the contract is the one that the arbitrator's public record stands for.
    fn arbitrator(&self, contract: &Contract, level: ArbiterLevel) -> anyhow::Result<()> {
        let record = ArbiterRecord::parse(&self.record.text).map_err(words)?;
        ensure!(record.hash().map_err(words)? == contract.arbitrator, "the arbitrator's record is another one");
        let lock = contract.lock().map_err(words)?;
        let xpub = lock.key(Party::Arbitrator).xpub();
        ensure!(record.admits(level, xpub, &self.record.path), "the arbitrator's key is not of his record");
        Ok(())
    }

    fn ruling_text(&self, contract: &Contract) -> anyhow::Result<Ruling> {
        let ruling = Ruling::parse(self.ruling.as_deref().context("there is no ruling")?).map_err(words)?;
        let same = ruling.trade == contract.trade && ruling.desk == contract.desk;
        ensure!(same && ruling.contract == contract.hash().map_err(words)?, "the ruling is about another contract");
        Ok(ruling)
    }

    /// The same, and the arbitrator has signed exactly this text.
    fn signed_ruling(&self, contract: &Contract) -> anyhow::Result<Ruling> {
        let ruling = self.ruling_text(contract)?;
        let signature =
            self.ruling_signature.as_deref().context("the ruling comes without the arbitrator's signature")?;
        let (lock, message) = (contract.lock().map_err(words)?, ruling.message().map_err(words)?);
        message::verify(signature.as_bytes(), &lock, &message, Party::Arbitrator)
            .map_err(words)
            .context("the arbitrator has not signed this ruling")?;
        Ok(ruling)
    }

    fn payouts(&self, contract: &Contract, agreed: &Agreed, expected: Expected) -> anyhow::Result<Vec<Psbt>> {
        let funding = self.coins(agreed)?;
        let kind = self.kind(contract, expected)?;
        let build = |offered: &Offered| {
            let stored = BASE64.decode(offered.base64.as_bytes())?;
            let payout = Payout::restore(agreed, kind, &funding, Vec::new(), &stored).map_err(words)?;
            payout.check(agreed, &funding).map_err(words)?;
            Ok(payout.spend().psbt().clone())
        };
        self.psbts.iter().map(build).collect()
    }

    fn coins(&self, agreed: &Agreed) -> anyhow::Result<Vec<Coin>> {
        let script = agreed.lock().script_pubkey();
        let coin = |one: &Funding| {
            ensure!(ScriptBuf::from_hex(&one.script_hex)? == script, "a coin is not locked by the escrow");
            Ok(Coin { outpoint: one.outpoint, value: Amount::from_sat(one.sat), transaction: None })
        };
        self.funding.iter().map(coin).collect()
    }

    fn kind(&self, contract: &Contract, expected: Expected) -> anyhow::Result<PayoutKind> {
        let parts = self.payout.as_ref().context("the page does not say which payout it is")?;
        let (buyer, seller) = (Amount::from_sat(parts.buyer_sat), Amount::from_sat(parts.seller_sat));
        let kind = PayoutKind::from_word(&parts.kind, buyer, seller).context("an unknown payout")?;
        let fits = match (kind, expected) {
            (PayoutKind::Release, Expected::Release) | (PayoutKind::Refund, Expected::Refund) => true,
            (PayoutKind::Settlement { .. }, Expected::Settlement) => self.is_fair(buyer, seller),
            (PayoutKind::Ruling { .. }, Expected::Ruling) => {
                let ruling = self.signed_ruling(contract)?;
                (ruling.buyer_sat, ruling.seller_sat) == (buyer, seller)
            }
            _ => false,
        };
        ensure!(fits, "the page asks for another payout ({}) than it should", parts.kind);
        Ok(kind)
    }

    fn is_fair(&self, buyer: Amount, seller: Amount) -> bool {
        let mine = if self.role == Party::Buyer { buyer } else { seller };
        let total = buyer.to_sat().saturating_add(seller.to_sat());
        mine.to_sat().saturating_mul(100) >= total.saturating_mul(FAIR_PERCENT)
    }
}

/// A wallet's key as the contract has to name it.
fn own_key(wallet: &Wallet, role: Party, level: ArbiterLevel) -> anyhow::Result<EscrowKey> {
    let text = format!("{}{}", wallet.origin(KEY_NUMBER)?, wallet.xpub(KEY_NUMBER)?);
    let key = AccountKey::parse(&text, wallet.network())?;
    Ok(if role == Party::Arbitrator { EscrowKey::of_arbiter(&key, level) } else { EscrowKey::of_trader(&key) })
}

fn is_own_address(wallet: &Wallet, address: &str) -> anyhow::Result<bool> {
    for number in 0..ADDRESSES {
        if wallet.receiving_address(number)?.to_string() == address {
            return Ok(true);
        }
    }
    Ok(false)
}

fn words(refusal: Refusal) -> anyhow::Error {
    anyhow::anyhow!("{}", refusal.all_words())
}

#[cfg(test)]
mod tests;
