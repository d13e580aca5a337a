//! The cast of escrow's tests: three wallets with published words, and the trade 7KQ2M4XN between them.
//!
//! Private keys appear here and nowhere else in this room.

use std::sync::LazyLock;

use bitcoin::bip32::{ChildNumber, DerivationPath, Xpriv, Xpub};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{All, Message, Secp256k1, SecretKey};
use bitcoin::{Address, Amount, FeeRate, Network, OutPoint, Psbt, Transaction, TxOut, Txid, ecdsa};

use super::arbiter::{ArbiterLevel, ArbiterRecord, ArbiterTree};
use super::contract::{Contract, FeeShares, KeyEntry, Payouts, Windows};
use super::details::PrivateDetails;
use super::fees;
use super::keys::{AccountKey, EscrowIndex};
use super::lock::Lock;
use super::ruling::Ruling;
use super::signature::PartySignature;
use super::spend::{Coin, Spend};
use crate::domain::{AccountName, Party, Side};

pub const NETWORK: Network = Network::Regtest;

/// Words that everyone knows: BIP-39's own test vectors. The fourth is a stranger.
pub const WORDS: [&str; 4] = [
    "legal winner thank year wave sausage worth useful legal winner thank yellow",
    "letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
    "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
];

/// P of the trade.
pub const LEVEL: u32 = 7;

/// N of the trade.
pub const INDEX: u32 = 3;

/// A wallet with its words.
pub struct Wallet {
    secp: Secp256k1<All>,
    master: Xpriv,
}

impl Wallet {
    pub fn new(words: &str) -> Self {
        let seed = bip39::Mnemonic::parse(words).unwrap().to_seed("");
        Self { secp: Secp256k1::new(), master: Xpriv::new_master(NETWORK, &seed).unwrap() }
    }

    fn account(&self) -> DerivationPath {
        "48h/1h/0h/2h".parse().unwrap()
    }

    pub fn key(&self) -> AccountKey {
        let xpub = Xpub::from_priv(&self.secp, &self.master.derive_priv(&self.secp, &self.account()).unwrap());
        let text = format!("[{}/{}]{xpub}", self.master.fingerprint(&self.secp), self.account());
        AccountKey::parse(&text, NETWORK).unwrap()
    }

    /// The private key of this party in a lock, found as a wallet does: by its path.
    pub fn secret(&self, lock: &Lock, party: Party) -> SecretKey {
        let (fingerprint, path) = lock.key(party).source_at(lock.index());
        assert_eq!(fingerprint, self.master.fingerprint(&self.secp), "another wallet's key");
        self.master.derive_priv(&self.secp, &path).unwrap().private_key
    }

    /// Signs each input with SIGHASH_ALL, low R, as the desk's signer does.
    pub fn sign(&self, spend: &Spend, party: Party) -> Vec<ecdsa::Signature> {
        let secret = self.secret(spend.lock(), party);
        let sign = |input| self.secp.sign_ecdsa_low_r(&digest(spend, input), &secret);
        (0..spend.values().len()).map(sign).map(ecdsa::Signature::sighash_all).collect()
    }

    /// A PSBT as a wallet gives it back.
    pub fn signed_psbt(&self, spend: &Spend, party: Party) -> Psbt {
        let mut psbt = spend.psbt().clone();
        for (input, signature) in psbt.inputs.iter_mut().zip(self.sign(spend, party)) {
            input.partial_sigs.insert(spend.lock().public_key(party), signature);
        }
        psbt
    }

    pub fn party_signature(&self, spend: &Spend, party: Party) -> PartySignature {
        let encoded: Vec<Vec<u8>> = self.sign(spend, party).into_iter().map(ecdsa::Signature::to_vec).collect();
        PartySignature::verify(spend, party, &encoded.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    }
}

pub fn digest(spend: &Spend, input: usize) -> Message {
    spend.sighash(input).unwrap()
}

/// Stretching words takes a while, so it is done once.
static WALLETS: LazyLock<[Wallet; 4]> = LazyLock::new(|| WORDS.map(Wallet::new));

pub fn wallet(party: Party) -> &'static Wallet {
    let [buyer, seller, arbiter, _] = &*WALLETS;
    match party {
        Party::Buyer => buyer,
        Party::Seller => seller,
        Party::Arbitrator => arbiter,
    }
}

pub fn stranger() -> &'static Wallet {
    &WALLETS[3]
}

pub fn buyer() -> AccountKey {
    wallet(Party::Buyer).key()
}

pub fn seller() -> AccountKey {
    wallet(Party::Seller).key()
}

pub fn arbiter() -> AccountKey {
    wallet(Party::Arbitrator).key()
}

pub fn level() -> ArbiterLevel {
    ArbiterLevel::new(LEVEL).unwrap()
}

pub fn lock() -> Lock {
    lock_at(INDEX)
}

pub fn lock_at(index: u32) -> Lock {
    let index = EscrowIndex::new(index).unwrap();
    Lock::of_accounts([&buyer(), &seller(), &arbiter()], level(), index, NETWORK).unwrap()
}

pub fn record() -> ArbiterRecord {
    ArbiterRecord {
        v: 1,
        network: NETWORK,
        name: "judge-dee".into(),
        fingerprint: arbiter().fingerprint(),
        contact: "judge@example.org".into(),
        date: jiff::civil::date(2026, 11, 1),
        root: TREE.root(),
    }
}

/// 4096 derivations, made once.
pub static TREE: LazyLock<ArbiterTree> = LazyLock::new(|| ArbiterTree::new(&arbiter()));

pub fn details() -> PrivateDetails {
    let fields = [("holder".into(), "Anna Käse".into()), ("iban".into(), "DE89370400440532013000".into())];
    PrivateDetails::new("sepa", fields, [0x11; 32]).unwrap()
}

pub fn payer() -> PrivateDetails {
    PrivateDetails::new("sepa", [("holder".into(), "Bob Smith".into())], [0x22; 32]).unwrap()
}

/// An address that somebody else has the key of: P2WPKH at m/84'/1'/0'/0/n of the stranger.
pub fn address(n: u32) -> Address {
    let Wallet { secp, master } = stranger();
    let path: DerivationPath = "84h/1h/0h/0".parse().unwrap();
    let key = master.derive_priv(secp, &path.child(ChildNumber::Normal { index: n })).unwrap();
    Address::p2wpkh(&Xpub::from_priv(secp, &key).to_pub(), NETWORK)
}

/// 1,000,000 sat for 584.20 EUR; a desk fee of 2,000 sat each, no arbitrator fee.
pub fn contract() -> Contract {
    contract_of(Amount::from_sat(1_000_000), Amount::from_sat(2_000), Amount::ZERO)
}

/// `desk_fee` is each side's share.
pub fn contract_of(amount: Amount, desk_fee: Amount, arbitrator_fee: Amount) -> Contract {
    let lock = lock();
    let desk_fee_sat = FeeShares { buyer: desk_fee, seller: desk_fee };
    let [to_buyer, to_seller, to_desk, to_arbiter] = [0, 1, 2, 3].map(|n| address(n).to_string());
    let arbiter_address = (arbitrator_fee > Amount::ZERO).then_some(to_arbiter);
    Contract {
        v: 1,
        network: NETWORK,
        desk: "127.0.0.1".into(),
        trade: "7KQ2M4XN".parse().unwrap(),
        offer: "3F8D0C1B".parse().unwrap(),
        offer_version: 2,
        created: "2026-11-21T22:00:00Z".parse().unwrap(),
        sign_by: "2026-11-21T23:00:00Z".parse().unwrap(),
        supersedes: None,
        group: (),
        buyer: AccountName::parse("bob").unwrap(),
        seller: AccountName::parse("anna-k").unwrap(),
        maker: Side::Seller,
        amount_sat: amount,
        deposit_sat: amount + desk_fee,
        price: "58420.00".into(),
        fiat: "584.20".into(),
        currency: "EUR".into(),
        method: "sepa".into(),
        terms: Some(vec!["From an account in **your own name**.".into(), String::new(), "Grüße".into()]),
        reference: "K4-7731".into(),
        hold: 0,
        windows: Windows {
            deposit: 180,
            confirmation: 1440,
            payment: 1440,
            release: 720,
            objection: 1440,
            answer: 1440,
            ruling: 4320,
            cosignature: 1440,
            payout: 36,
        },
        hours: None,
        confirmations: 2,
        feerate: 5,
        fee_cap_sat: fees::cap_of(amount + desk_fee),
        desk_fee_sat,
        arbitrator_fee_sat: arbitrator_fee,
        keys: Party::ALL.map(|role| KeyEntry::new(role, &lock)),
        level: LEVEL,
        index: INDEX,
        descriptor: lock.descriptor().to_owned(),
        address: lock.address().to_string(),
        arbitrator: record().hash().unwrap(),
        rules: sha256::Hash::hash(b"rules"),
        payouts: Payouts::new(amount, desk_fee_sat, to_buyer, to_seller, Some(to_desk), arbiter_address).unwrap(),
        details: details().hash().unwrap(),
        payer: Some(payer().hash().unwrap()),
        bonds: (),
        chat_keys: (),
    }
}

pub fn ruling() -> Ruling {
    let contract = contract();
    Ruling {
        v: 1,
        desk: contract.desk.clone(),
        trade: contract.trade,
        contract: contract.hash().unwrap(),
        created: "2026-11-25T09:30:00Z".parse().unwrap(),
        buyer_sat: Amount::from_sat(601_200),
        seller_sat: Amount::from_sat(400_800),
        facts: vec!["Bob paid 350.52 EUR of 584.20 EUR on 22 November.".into()],
        reasons: vec!["He gets what he paid for.".into(), "The rest goes back.".into()],
        evidence: vec![sha256::Hash::hash(b"statement.png")],
    }
}

pub fn outpoint(n: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([n; 32]), vout: n.into() }
}

/// A deposit of these amounts to the trade's escrow, each in a transaction of its own.
pub fn deposit(lock: &Lock, sats: &[u64]) -> Vec<Coin> {
    let one = |(n, sats): (usize, &u64)| {
        let value = Amount::from_sat(*sats);
        let transaction = Transaction {
            version: bitcoin::transaction::Version::TWO,
            lock_time: bitcoin::absolute::LockTime::ZERO,
            input: vec![super::spend::unsigned_input(outpoint(u8::try_from(n + 1).unwrap()), super::spend::SEQUENCE)],
            output: vec![TxOut { value, script_pubkey: lock.script_pubkey() }],
        };
        let outpoint = OutPoint { txid: transaction.compute_txid(), vout: 0 };
        Coin { outpoint, value, transaction: Some(transaction.into()) }
    };
    sats.iter().enumerate().map(one).collect()
}

pub fn rate(sat_per_vb: u64) -> FeeRate {
    FeeRate::from_sat_per_vb(sat_per_vb).unwrap()
}

/// Bitcoin Core's own script code on every input, with the spent outputs.
pub fn consensus_verifies(spend: &Spend, signed: &Transaction) -> bool {
    let script = spend.lock().script_pubkey();
    let spent: Vec<bitcoinconsensus::Utxo> = spend
        .values()
        .iter()
        .map(|value| bitcoinconsensus::Utxo {
            script_pubkey: script.as_bytes().as_ptr(),
            script_pubkey_len: script.len().try_into().unwrap(),
            value: value.to_sat().try_into().unwrap(),
        })
        .collect();
    let bytes = bitcoin::consensus::serialize(signed);
    (0..signed.input.len()).all(|input| {
        let value = spend.values()[input].to_sat();
        bitcoinconsensus::verify(script.as_bytes(), value, &bytes, Some(&spent), input).is_ok()
    })
}
