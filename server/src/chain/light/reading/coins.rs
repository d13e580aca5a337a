//! What is unspent at a script, from its history: every output that pays it and that nothing confirmed spends.

use std::collections::HashSet;

use bitcoin::{OutPoint, ScriptBuf, Transaction};

use super::{Entry, Reader, TRIES_MAX};
use crate::chain::{ChainError, Coin};

impl Reader<'_> {
    /// Everything unspent and confirmed at these scripts; each transaction is proved to be in its block.
    pub async fn coins(&self, scripts: &[ScriptBuf]) -> Result<Vec<Coin>, ChainError> {
        let mut coins = Vec::new();
        for script in scripts {
            coins.extend(self.coins_of(script).await?);
        }
        Ok(coins)
    }

    async fn coins_of(&self, script: &ScriptBuf) -> Result<Vec<Coin>, ChainError> {
        for _ in 0..TRIES_MAX {
            // A history is as of no earlier than the last height.
            let height = self.source.height().await?;
            let history = self.history(script).await?;
            if let Some(confirmed) = self.confirmed(&history, height).await? {
                return Ok(unspent_of(script, &confirmed));
            }
        }
        Err(self.lies(&format!("it cannot prove the history of {script}")))
    }

    /// What of a history is in blocks; none if something is not where it says.
    async fn confirmed(&self, history: &[Entry], height: u32) -> Result<Option<Vec<(u32, Transaction)>>, ChainError> {
        let mut confirmed = Vec::new();
        for (txid, block) in history.iter().filter_map(|entry| Some((entry.txid, entry.height?))) {
            let header = self.header(block).await?.filter(|_| block <= height);
            let (Some(header), Some(transaction)) = (header, self.checked(txid).await?) else { return Ok(None) };
            if self.position(&transaction, txid, block, &header).await?.is_none() {
                return Ok(None);
            }
            confirmed.push((block, transaction));
        }
        Ok(Some(confirmed))
    }
}

fn unspent_of(script: &ScriptBuf, confirmed: &[(u32, Transaction)]) -> Vec<Coin> {
    let inputs = confirmed.iter().flat_map(|(_, transaction)| &transaction.input);
    let spent: HashSet<OutPoint> = inputs.map(|input| input.previous_output).collect();
    let outputs = confirmed.iter().flat_map(|(height, transaction)| {
        let txid = transaction.compute_txid();
        transaction.output.iter().zip(0_u32..).map(move |(output, vout)| Coin {
            outpoint: OutPoint { txid, vout },
            output: output.clone(),
            height: *height,
        })
    });
    outputs.filter(|coin| coin.output.script_pubkey == *script && !spent.contains(&coin.outpoint)).collect()
}
