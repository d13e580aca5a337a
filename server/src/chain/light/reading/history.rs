//! What touches scripts: the escrows' own, and those of strangers whose coins a deposit is made of.

use std::collections::{HashMap, HashSet};

use bitcoin::{OutPoint, ScriptBuf, TxOut, Txid};

use super::late::LATE_BLOCKS;
use super::{Entry, Reader, Stretch};
use crate::chain::light::memory::Stranger;
use crate::chain::{ChainError, Watched};

/// So many coins of strangers are followed at a time; a server that is asked for more asks for patience, and then tells
/// nobody's history.
const STRANGERS_MAX: usize = 200;

/// What touches scripts, each transaction once.
#[derive(Debug)]
pub struct Histories {
    /// The escrows' own.
    pub own: Vec<Entry>,
    /// Those, and the strangers'.
    pub all: Vec<Entry>,
}

impl Reader<'_> {
    /// What touches the watched scripts, and the scripts of watched outputs.
    pub(super) async fn histories(&self, watched: &Watched, stretch: &Stretch) -> Result<Histories, ChainError> {
        let scripts: Vec<ScriptBuf> = watched.scripts.iter().collect();
        let above = stretch.fork.height.saturating_sub(LATE_BLOCKS);
        let own: Vec<Vec<Entry>> =
            self.source.histories(&scripts, above).await?.into_iter().collect::<Result<_, _>>()?;
        let own = each_once(own.concat());
        let mut more = HashSet::new();
        for outpoint in strange(watched, &own, stretch.end()) {
            let Some(output) = self.strangers_output(&outpoint, stretch).await? else { continue };
            if !watched.scripts.contains(&output.script_pubkey) {
                more.insert(output.script_pubkey);
            }
        }
        let mut all = own.clone();
        all.extend(self.strangers(more, stretch).await?);
        Ok(Histories { own, all: each_once(all) })
    }

    /// None as well where the server does not hand out the transaction that made it: as with the histories below, that
    /// must not hide everybody else's.
    async fn strangers_output(&self, outpoint: &OutPoint, stretch: &Stretch) -> Result<Option<TxOut>, ChainError> {
        let asked = Stranger::Transaction(outpoint.txid);
        if self.memory.is_refused(&asked, stretch.height) {
            return Ok(None);
        }
        match self.output(outpoint).await {
            Err(error @ ChainError::Confused(_)) => {
                if self.memory.keep_refused(asked, stretch.height) {
                    let server = self.source.name();
                    tracing::warn!(server, %error, "the transaction that made a coin of a deposit is not told");
                }
                Ok(None)
            }
            told => told,
        }
    }

    /// Whoever deposits chooses whose coins: a history that a server refuses, as too long or for any other reason, must not
    /// hide everybody else's. Without it a coin that is spent elsewhere is noticed when the deposit is missing.
    async fn strangers(&self, scripts: HashSet<ScriptBuf>, stretch: &Stretch) -> Result<Vec<Entry>, ChainError> {
        let height = stretch.height;
        let is_refused = |script: &ScriptBuf| self.memory.is_refused(&Stranger::Script(script.clone()), height);
        let scripts: Vec<ScriptBuf> = scripts.into_iter().filter(|script| !is_refused(script)).collect();
        let mut entries = Vec::new();
        let histories = self.source.histories(&scripts, stretch.fork.height).await?;
        for (script, history) in scripts.into_iter().zip(histories) {
            match history {
                Ok(history) => entries.extend(history),
                Err(error) => {
                    if self.memory.keep_refused(Stranger::Script(script), height) {
                        let server = self.source.name();
                        tracing::warn!(server, %error, "the history of a coin that a deposit spends is not told");
                    }
                }
            }
        }
        Ok(entries)
    }

    /// Everything that touches one script.
    pub(super) async fn history(&self, script: &ScriptBuf) -> Result<Vec<Entry>, ChainError> {
        let histories = self.source.histories(std::slice::from_ref(script), 0).await?;
        histories.into_iter().next().ok_or_else(|| self.lies("it tells no history"))?
    }
}

/// The watched outputs that no escrow's own history tells of. What a deposit spends that is in the chain up to this height
/// nobody else can spend there, so nobody is asked for it until a reorganisation takes the deposit away. Whoever deposits
/// chooses of how many coins: those of the smallest deposits come first.
fn strange(watched: &Watched, own: &[Entry], end: u32) -> Vec<OutPoint> {
    let known: HashSet<Txid> = own.iter().map(|entry| entry.txid).collect();
    let in_chain = own.iter().filter(|entry| entry.height.is_some_and(|height| height <= end));
    let in_chain: HashSet<Txid> = in_chain.map(|entry| entry.txid).collect();
    let mut inputs_of: HashMap<Txid, usize> = HashMap::new();
    let mut spent: HashSet<OutPoint> = HashSet::new();
    for (outpoint, deposit) in &watched.inputs {
        let inputs = inputs_of.entry(*deposit).or_default();
        *inputs = inputs.saturating_add(1);
        if in_chain.contains(deposit) {
            spent.insert(*outpoint);
        }
    }
    let mut size_of: HashMap<OutPoint, usize> = HashMap::new();
    for (outpoint, deposit) in &watched.inputs {
        let inputs = inputs_of.get(deposit).copied().unwrap_or_default();
        size_of.entry(*outpoint).and_modify(|size| *size = inputs.min(*size)).or_insert(inputs);
    }
    let is_asked = |outpoint: &&OutPoint| !known.contains(&outpoint.txid) && !spent.contains(outpoint);
    let mut asked: Vec<OutPoint> = watched.outpoints.iter().filter(is_asked).copied().collect();
    asked.sort_by_key(|outpoint| (size_of.get(outpoint).copied(), *outpoint));
    asked.truncate(STRANGERS_MAX);
    asked
}

/// The same transaction may touch several scripts. Servers list it as confirmed and as waiting while they have indexed a
/// block and not yet cleaned their mempool: then it is confirmed.
fn each_once(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| (entry.txid, entry.height.is_none(), entry.height));
    entries.dedup_by(|later, kept| later.txid == kept.txid && (later.height.is_none() || later.height == kept.height));
    entries
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash;

    use super::*;

    fn entry(number: u8, height: Option<u32>) -> Entry {
        Entry { txid: Txid::from_byte_array([number; 32]), height }
    }

    #[test]
    fn of_strangers_those_of_small_deposits_are_asked_first_and_of_confirmed_ones_nobody() {
        let coin = |vout| OutPoint { txid: entry(99, None).txid, vout };
        let (small, large, deep) = (entry(1, None), entry(2, Some(9)), entry(3, Some(8)));
        let mut watched = Watched::default();
        let mut spends = |deposit: Entry, coins: std::ops::Range<u32>| {
            watched.inputs.extend(coins.clone().map(|vout| (coin(vout), deposit.txid)));
            watched.outpoints.extend(coins.map(coin));
        };
        spends(large, 0..1_400);
        spends(small, 1_400..1_402);
        spends(deep, 1_402..1_404);
        watched.outpoints.extend([coin(5_000), OutPoint { txid: small.txid, vout: 0 }]);
        let asked = strange(&watched, &[small, large, deep], 8);
        assert_eq!(asked.len(), STRANGERS_MAX);
        assert_eq!(asked[..4], [coin(5_000), coin(1_400), coin(1_401), coin(0)]);
        assert_eq!(strange(&watched, &[small, large, deep], 9), [coin(5_000), coin(1_400), coin(1_401)]);
        let reorganised = strange(&watched, &[small, large], 9);
        assert_eq!(reorganised[3..], [coin(1_402), coin(1_403)], "its own history has lost it");
    }

    #[test]
    fn what_is_in_a_block_does_not_wait() {
        let listed = vec![
            entry(1, None),
            entry(2, None),
            entry(1, Some(7)),
            entry(1, None),
            entry(1, Some(9)),
            entry(2, None),
            entry(1, Some(7)),
        ];
        assert_eq!(each_once(listed), [entry(1, Some(7)), entry(1, Some(9)), entry(2, None)]);
    }
}
