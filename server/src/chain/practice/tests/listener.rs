//! Whoever writes down the facts, and nothing but the facts, knows what the chain knows.

use std::collections::HashMap;

use super::*;

/// Books as the desk keeps them: outputs and spends, each with the block that confirmed it.
#[derive(Debug, Default)]
struct Books {
    outputs: HashMap<OutPoint, Option<BlockRef>>,
    /// Spent output and spending transaction.
    spends: HashMap<(OutPoint, Txid), Option<BlockRef>>,
}

impl Books {
    fn write(&mut self, fact: Fact) {
        match fact {
            Fact::BlockConnected { .. } => {}
            Fact::BlockDisconnected { block } => {
                let places = self.outputs.values_mut().chain(self.spends.values_mut());
                places.filter(|place| **place == Some(block)).for_each(|place| *place = None);
            }
            Fact::OutputSeen { outpoint, block, .. } => drop(self.outputs.insert(outpoint, block)),
            Fact::Spent { outpoint, by, block } => drop(self.spends.insert((outpoint, by.compute_txid()), block)),
            Fact::Evicted { txid } => {
                self.outputs.retain(|outpoint, _| outpoint.txid != txid);
                self.spends.retain(|(_, by), _| *by != txid);
            }
        }
    }

    fn watched(&self) -> Watched {
        let outputs = self.outputs.iter().filter(|(_, block)| block.is_none()).map(|(outpoint, _)| outpoint.txid);
        let spends = self.spends.iter().filter(|(_, block)| block.is_none()).map(|((_, by), _)| *by);
        Watched {
            scripts: [mint::faucet_script(), somebody(1), somebody(2)].into_iter().collect(),
            outpoints: self.outputs.keys().copied().collect(),
            unconfirmed: outputs.chain(spends).collect(),
            ..Watched::default()
        }
    }

    /// Asks until nothing new comes; a reorganisation takes two rounds, since what it took away is looked for
    /// only when the books call it unconfirmed.
    fn listen(&mut self, chain: &Practice, cursor: &mut Cursor) {
        for _ in 0..2 {
            loop {
                let facts = chain.lock().facts(cursor, &self.watched()).unwrap();
                *cursor = facts.cursor;
                facts.events.into_iter().for_each(|fact| self.write(fact));
                if facts.caught_up {
                    break;
                }
            }
        }
    }

    fn unspent(&self) -> BTreeMap<OutPoint, bool> {
        let spent: Vec<OutPoint> = self.spends.keys().map(|(outpoint, _)| *outpoint).collect();
        let free = self.outputs.iter().filter(|(outpoint, _)| !spent.contains(outpoint));
        free.map(|(outpoint, block)| (*outpoint, block.is_some())).collect()
    }
}

/// The same from the chain itself: everything that pays the watched scripts.
fn unspent_in(chain: &Practice) -> BTreeMap<OutPoint, bool> {
    let inner = chain.lock();
    let watched = Books::default().watched().scripts;
    let mut candidates: Vec<OutPoint> = inner.state.coins().map(|(outpoint, _)| *outpoint).collect();
    for entry in inner.state.pool.all() {
        let places = (0_u32..).zip(&entry.transaction.output);
        candidates.extend(places.map(|(vout, _)| OutPoint { txid: entry.txid, vout }));
    }
    let found = candidates.into_iter().filter_map(|outpoint| Some((outpoint, inner.unspent(&outpoint)?)));
    found
        .filter(|(_, unspent)| watched.contains(&unspent.output.script_pubkey))
        .map(|(outpoint, unspent)| (outpoint, unspent.confirmations > 0))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_facts_tell_everything(
        rounds in proptest::collection::vec(proptest::collection::vec(step(), 1..6), 1..8),
    ) {
        let chain = Practice::in_memory();
        let mut cursor = chain.lock().tip().unwrap().block;
        let mut books = Books::default();
        for steps in rounds {
            run(&chain, &steps);
            books.listen(&chain, &mut cursor);
            prop_assert_eq!(books.unspent(), unspent_in(&chain));
        }
    }
}
