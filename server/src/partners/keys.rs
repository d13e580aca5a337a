//! A partner's wallet: BIP-39 words, the account key of BIP-48 for P2WSH, and signatures on PSBTs.

use anyhow::{Context, ensure};
use bip39::Mnemonic;
use bitcoin::{
    Address, CompressedPublicKey, EcdsaSighashType, Network, NetworkKind, Psbt,
    bip32::{ChildNumber, DerivationPath, Xpriv, Xpub},
    secp256k1::{All, Secp256k1},
};

/// 128 bits of entropy are twelve words.
const ENTROPY_BYTES: usize = 16;

/// Everything that can sign, so neither printed nor logged by accident.
pub struct Wallet {
    words: Mnemonic,
    master: Xpriv,
    secp: Secp256k1<All>,
    network: Network,
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wallet").finish_non_exhaustive()
    }
}

impl Wallet {
    pub fn new(network: Network) -> anyhow::Result<Self> {
        let mut entropy = [0; ENTROPY_BYTES];
        getrandom::fill(&mut entropy).map_err(|e| anyhow::anyhow!("no randomness: {e}"))?;
        Self::of(Mnemonic::from_entropy(&entropy)?, network)
    }

    pub fn from_words(words: &str, network: Network) -> anyhow::Result<Self> {
        Self::of(Mnemonic::parse_normalized(words).context("these are not BIP-39 words")?, network)
    }

    fn of(words: Mnemonic, network: Network) -> anyhow::Result<Self> {
        let master = Xpriv::new_master(network, &words.to_seed_normalized(""))?;
        Ok(Self { words, master, secp: Secp256k1::new(), network })
    }

    /// The twelve words with one blank between them.
    pub fn words(&self) -> String {
        self.words.to_string()
    }

    pub fn network(&self) -> Network {
        self.network
    }

    /// `[fingerprint/48'/coin'/account'/2']`.
    pub fn origin(&self, account: u32) -> anyhow::Result<String> {
        Ok(format!("[{}/{}]", self.master.fingerprint(&self.secp), self.path(account)?))
    }

    /// The account's extended public key.
    pub fn xpub(&self, account: u32) -> anyhow::Result<Xpub> {
        let account = self.master.derive_priv(&self.secp, &self.path(account)?)?;
        Ok(Xpub::from_priv(&self.secp, &account))
    }

    /// An account to receive on, `84'/coin'/0'`, watch-only: where a desk's fees go.
    pub fn receiving_xpub(&self) -> anyhow::Result<Xpub> {
        Ok(Xpub::from_priv(&self.secp, &self.master.derive_priv(&self.secp, &self.receiving_path()?)?))
    }

    /// The wallet's own address of this number, `84'/coin'/0'/0/number`.
    pub fn receiving_address(&self, number: u32) -> anyhow::Result<Address> {
        let path = [ChildNumber::from_normal_idx(0)?, ChildNumber::from_normal_idx(number)?];
        let key = self.receiving_xpub()?.derive_pub(&self.secp, &path)?;
        Ok(Address::p2wpkh(&CompressedPublicKey(key.public_key), self.network))
    }

    /// Adds this wallet's signatures, SIGHASH_ALL only, to every input that names one of its keys.
    pub fn sign(&self, psbt: &mut Psbt) -> anyhow::Result<()> {
        let all = EcdsaSighashType::All.into();
        ensure!(
            psbt.inputs.iter().all(|input| input.sighash_type.is_none_or(|wanted| wanted == all)),
            "this PSBT asks for a signature that does not cover the whole transaction"
        );
        let before = signatures(psbt);
        if let Err((_, errors)) = psbt.sign(&self.master, &self.secp) {
            anyhow::bail!("signing failed: {errors:?}");
        }
        ensure!(signatures(psbt) > before, "no input of this PSBT names a key of this wallet");
        Ok(())
    }

    fn coin(&self) -> u32 {
        if NetworkKind::from(self.network).is_mainnet() { 0 } else { 1 }
    }

    fn receiving_path(&self) -> anyhow::Result<DerivationPath> {
        let steps = [84, self.coin(), 0].into_iter().map(ChildNumber::from_hardened_idx);
        Ok(steps.collect::<Result<Vec<_>, _>>()?.into())
    }

    fn path(&self, account: u32) -> anyhow::Result<DerivationPath> {
        let steps = [48, self.coin(), account, 2].into_iter().map(ChildNumber::from_hardened_idx);
        Ok(steps.collect::<Result<Vec<_>, _>>()?.into())
    }
}

fn signatures(psbt: &Psbt) -> usize {
    psbt.inputs.iter().map(|input| input.partial_sigs.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABANDON: &str =
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

    /// m/48'/0'/0'/2' of the BIP-39 test words, as Sparrow and Coldcard show it.
    #[test]
    fn words_give_the_account_key_that_other_wallets_derive() {
        let wallet = Wallet::from_words(ABANDON, Network::Bitcoin).unwrap();
        assert_eq!(wallet.origin(0).unwrap(), "[73c5da0a/48'/0'/0'/2']");
        assert_eq!(
            wallet.xpub(0).unwrap().to_string(),
            "xpub6DkFAXWQ2dHxq2vatrt9qyA3bXYU4ToWQwCHbf5XB2mSTexcHZCeKS1VZYcPoBd5X8yVcbXFHJR9R8UCVpt82VX1VhR28mCyxUFL4r6KFrf"
        );
    }

    #[test]
    fn play_keys_are_test_network_keys() {
        let wallet = Wallet::new(Network::Regtest).unwrap();
        assert_eq!(wallet.words().split(' ').count(), 12);
        assert!(wallet.origin(7).unwrap().ends_with("/48'/1'/7'/2']"));
        assert!(wallet.xpub(0).unwrap().to_string().starts_with("tpub"));
        assert_ne!(wallet.words(), Wallet::new(Network::Regtest).unwrap().words());
        assert!(!format!("{wallet:?}").contains(&wallet.words()));
    }

    /// An arbitrator's drill, with his extra level P, as the desk makes it and checks it.
    #[test]
    fn a_wallet_signs_what_names_its_keys_and_nothing_else() {
        use crate::escrow::{AccountKey, Lock, message};
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/vectors/trade.json")).unwrap();
        let (arbitrator, drill) = (&vector["people"][2], &vector["drill"]);
        let key = format!("{}{}", arbitrator["origin"].as_str().unwrap(), arbitrator["xpub"].as_str().unwrap());
        let lock = Lock::of_drill(&AccountKey::parse(&key, Network::Regtest).unwrap(), Network::Regtest).unwrap();
        let mut psbt: Psbt = drill["forms"][0]["psbt"].as_str().unwrap().parse().unwrap();

        let stranger = Wallet::new(Network::Regtest).unwrap();
        assert!(stranger.sign(&mut psbt).unwrap_err().to_string().contains("names a key of this wallet"));

        let wallet = Wallet::from_words(arbitrator["words"].as_str().unwrap(), Network::Regtest).unwrap();
        wallet.sign(&mut psbt).unwrap();
        let message = drill["message"].as_str().unwrap();
        message::verify(&psbt.serialize(), &lock, message, crate::domain::Party::Arbitrator).unwrap();

        psbt.inputs[0].sighash_type = Some(EcdsaSighashType::None.into());
        assert!(wallet.sign(&mut psbt).unwrap_err().to_string().contains("does not cover the whole"));
    }
}
