//! What waits for a block. It only keeps; whether something may enter is decided in `admission`.

use std::collections::{HashMap, HashSet};

use bitcoin::{Amount, OutPoint, Transaction, TxOut, Txid};

/// One waiting transaction.
#[derive(Debug, Clone)]
pub struct Entry {
    pub transaction: Transaction,
    pub txid: Txid,
    pub fee: Amount,
    pub vbytes: u64,
    /// Entered in this order; parents come before their children.
    serial: u64,
}

#[derive(Debug, Default)]
pub struct Mempool {
    entries: HashMap<Txid, Entry>,
    spenders: HashMap<OutPoint, Txid>,
    next_serial: u64,
}

impl Mempool {
    pub fn get(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.get(txid)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// In the order of arrival.
    pub fn all(&self) -> Vec<&Entry> {
        let mut all: Vec<&Entry> = self.entries.values().collect();
        all.sort_by_key(|entry| entry.serial);
        all
    }

    pub fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let vout = usize::try_from(outpoint.vout).ok()?;
        self.get(&outpoint.txid)?.transaction.output.get(vout)
    }

    pub fn spender(&self, outpoint: &OutPoint) -> Option<Txid> {
        self.spenders.get(outpoint).copied()
    }

    /// Those that spend what this one spends, and everything that hangs on them.
    pub fn conflicts(&self, transaction: &Transaction) -> HashSet<Txid> {
        let direct = transaction.input.iter().filter_map(|input| self.spender(&input.previous_output));
        let own = transaction.compute_txid();
        self.reach(direct.filter(|txid| *txid != own), false)
    }

    /// Everything connected with the transaction by spending, in either direction, itself not counted.
    pub fn cluster(&self, transaction: &Transaction) -> HashSet<Txid> {
        let parents = transaction.input.iter().map(|input| input.previous_output.txid);
        self.reach(parents.filter(|txid| self.entries.contains_key(txid)), true)
    }

    pub fn insert(&mut self, transaction: Transaction, fee: Amount) {
        let txid = transaction.compute_txid();
        for input in &transaction.input {
            self.spenders.insert(input.previous_output, txid);
        }
        let vbytes = u64::try_from(transaction.vsize()).unwrap_or(u64::MAX);
        let serial = self.next_serial;
        self.next_serial = serial.saturating_add(1);
        self.entries.insert(txid, Entry { transaction, txid, fee, vbytes, serial });
    }

    /// Takes out just this one, as a block does; what hangs on it stays.
    pub fn remove(&mut self, txid: &Txid) {
        let Some(entry) = self.entries.remove(txid) else { return };
        for input in &entry.transaction.input {
            if self.spenders.get(&input.previous_output) == Some(txid) {
                self.spenders.remove(&input.previous_output);
            }
        }
    }

    /// Takes it out with everything that hangs on it.
    pub fn evict(&mut self, txid: Txid) {
        for gone in self.reach([txid].into_iter(), false) {
            self.remove(&gone);
        }
    }

    pub fn clear(&mut self) {
        self.entries.clear();
        self.spenders.clear();
    }

    fn reach(&self, start: impl Iterator<Item = Txid>, upwards: bool) -> HashSet<Txid> {
        let mut found = HashSet::new();
        let mut open: Vec<Txid> = start.collect();
        while let Some(txid) = open.pop() {
            let Some(entry) = self.entries.get(&txid) else { continue };
            if !found.insert(txid) {
                continue;
            }
            let outpoints = (0_u32..).zip(&entry.transaction.output).map(|(vout, _)| OutPoint { txid, vout });
            open.extend(outpoints.filter_map(|outpoint| self.spender(&outpoint)));
            if upwards {
                open.extend(entry.transaction.input.iter().map(|input| input.previous_output.txid));
            }
        }
        found
    }
}
