//! What touches scripts: the escrows' own, and those of strangers whose coins a deposit is made of.

use std::collections::HashSet;

use bitcoin::{ScriptBuf, Txid};

use super::{Entry, Reader, Stretch};
use crate::chain::{ChainError, Watched};

impl Reader<'_> {
    /// What touches the watched scripts, and the scripts of watched outputs.
    pub(super) async fn histories(&self, watched: &Watched, stretch: &Stretch) -> Result<Vec<Entry>, ChainError> {
        let scripts: Vec<ScriptBuf> = watched.scripts.iter().collect();
        let own: Vec<Vec<Entry>> =
            self.source.histories(&scripts, stretch.fork.height).await?.into_iter().collect::<Result<_, _>>()?;
        let mut entries = own.concat();
        let known: HashSet<Txid> = entries.iter().map(|entry| entry.txid).collect();
        let mut more = HashSet::new();
        for outpoint in watched.outpoints.iter().filter(|outpoint| !known.contains(&outpoint.txid)) {
            let Some(output) = self.output(outpoint).await? else { continue };
            if !watched.scripts.contains(&output.script_pubkey) {
                more.insert(output.script_pubkey);
            }
        }
        entries.extend(self.strangers(more, stretch).await?);
        Ok(each_once(entries))
    }

    /// Whoever deposits chooses whose coins: a history that a server refuses, as too long or for any other reason, must not
    /// hide everybody else's. Without it a coin that is spent elsewhere is noticed when the deposit is missing.
    async fn strangers(&self, scripts: HashSet<ScriptBuf>, stretch: &Stretch) -> Result<Vec<Entry>, ChainError> {
        let height = stretch.height;
        let scripts: Vec<ScriptBuf> =
            scripts.into_iter().filter(|script| !self.memory.is_refused(script, height)).collect();
        let mut entries = Vec::new();
        let histories = self.source.histories(&scripts, stretch.fork.height).await?;
        for (script, history) in scripts.into_iter().zip(histories) {
            match history {
                Ok(history) => entries.extend(history),
                Err(error) => {
                    if self.memory.keep_refused(script, height) {
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

    #[test]
    fn what_is_in_a_block_does_not_wait() {
        let entry = |number, height| Entry { txid: Txid::from_byte_array([number; 32]), height };
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
