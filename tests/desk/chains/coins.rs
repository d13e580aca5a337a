//! Test money: coins anyone can spend, and a 2-of-3 lock whose keys are known.

use bitcoin::absolute::LockTime;
use bitcoin::opcodes::OP_TRUE;
use bitcoin::opcodes::all::{OP_CHECKMULTISIG, OP_PUSHNUM_2, OP_PUSHNUM_3};
use bitcoin::script::Builder;
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use bitcoin::sighash::SighashCache;
use bitcoin::{
    Amount, EcdsaSighashType, OutPoint, PublicKey, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, ecdsa,
    transaction,
};

/// An output to spend.
#[derive(Debug, Clone)]
pub struct Coin {
    pub outpoint: OutPoint,
    pub output: TxOut,
}

/// OP_TRUE behind P2WSH: no key at all.
pub fn anyones_witness() -> ScriptBuf {
    Builder::new().push_opcode(OP_TRUE).into_script()
}

pub fn anyones_script() -> ScriptBuf {
    anyones_witness().to_p2wsh()
}

/// Spends anyone's coins to these outputs; the rest is the fee.
pub fn spend_anyones(coins: &[Coin], outputs: &[(ScriptBuf, u64)]) -> Transaction {
    let mut built = unsigned(coins, outputs);
    for input in &mut built.input {
        input.witness = Witness::from_slice(&[anyones_witness().as_bytes()]);
    }
    built
}

/// The same, with change so that the fee is `fee` satoshis.
pub fn pay(coin: &Coin, outputs: &[(ScriptBuf, u64)], fee: u64) -> Transaction {
    let given: u64 = outputs.iter().map(|(_, sats)| sats).sum();
    let change = coin.output.value.to_sat() - given - fee;
    let mut outputs = outputs.to_vec();
    outputs.push((anyones_script(), change));
    spend_anyones(std::slice::from_ref(coin), &outputs)
}

pub fn unsigned(coins: &[Coin], outputs: &[(ScriptBuf, u64)]) -> Transaction {
    let input = coins.iter().map(|coin| TxIn {
        previous_output: coin.outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    });
    let output =
        outputs.iter().map(|(script, sats)| TxOut { value: Amount::from_sat(*sats), script_pubkey: script.clone() });
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: input.collect(),
        output: output.collect(),
    }
}

/// The coin a transaction makes at this place.
pub fn coin_of(transaction: &Transaction, vout: u32) -> Coin {
    let outpoint = OutPoint { txid: transaction.compute_txid(), vout };
    Coin { outpoint, output: transaction.output[vout as usize].clone() }
}

/// A 2-of-3 like an escrow's; the number makes each a different one.
#[derive(Debug, Clone)]
pub struct Lock {
    keys: [SecretKey; 3],
    pub witness_script: ScriptBuf,
}

impl Lock {
    pub fn number(number: u8) -> Self {
        let secp = Secp256k1::new();
        let keys = [1_u8, 2, 3].map(|who| SecretKey::from_slice(&[[number; 16], [who; 16]].concat()).unwrap());
        let mut public = keys.map(|key| PublicKey::new(key.public_key(&secp)));
        public.sort();
        let mut builder = Builder::new().push_opcode(OP_PUSHNUM_2);
        for key in &public {
            builder = builder.push_key(key);
        }
        let witness_script = builder.push_opcode(OP_PUSHNUM_3).push_opcode(OP_CHECKMULTISIG).into_script();
        Self { keys, witness_script }
    }

    pub fn script(&self) -> ScriptBuf {
        self.witness_script.to_p2wsh()
    }

    /// Spends coins of this lock with the first two keys.
    pub fn spend(&self, coins: &[Coin], outputs: &[(ScriptBuf, u64)]) -> Transaction {
        let mut built = unsigned(coins, outputs);
        for (index, coin) in coins.iter().enumerate() {
            let mut signed: Vec<_> = self.keys[..2].iter().map(|key| self.sign(&built, index, coin, key)).collect();
            signed.sort_by_key(|(place, _)| *place);
            let mut witness = Witness::new();
            witness.push([]);
            signed.iter().for_each(|(_, signature)| witness.push(signature.to_vec()));
            witness.push(self.witness_script.as_bytes());
            built.input[index].witness = witness;
        }
        built
    }

    fn sign(&self, built: &Transaction, index: usize, coin: &Coin, key: &SecretKey) -> (usize, ecdsa::Signature) {
        let secp = Secp256k1::new();
        let kind = EcdsaSighashType::All;
        let mut cache = SighashCache::new(built);
        let hash = cache.p2wsh_signature_hash(index, &self.witness_script, coin.output.value, kind).unwrap();
        let signature = secp.sign_ecdsa(&Message::from(hash), key);
        let public = key.public_key(&secp).serialize();
        let bytes = self.witness_script.as_bytes();
        let place = bytes.windows(public.len()).position(|part| part == public).unwrap();
        (place, ecdsa::Signature { signature, sighash_type: kind })
    }
}
