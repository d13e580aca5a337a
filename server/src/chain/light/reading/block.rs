//! Those transactions of a block that matter, in its order.

use std::collections::BTreeMap;

use bitcoin::Transaction;

#[derive(Debug, Default)]
pub struct Block {
    by_position: BTreeMap<u32, Transaction>,
}

impl Block {
    pub fn add(&mut self, position: u32, transaction: Transaction) {
        self.by_position.insert(position, transaction);
    }

    pub fn transactions(&self) -> impl Iterator<Item = &Transaction> {
        self.by_position.values()
    }
}
