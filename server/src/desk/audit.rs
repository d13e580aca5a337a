//! The books held against the chain, when a server begins to read: every output that should be there, and every address
//! where something could be. What differs is told in the log, and the blocks concerned are read again.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::OutPoint;

use super::Desk;
use super::error::Done;
use super::judge::JUDGE;
use super::reader::{self, Reading};
use super::watcher::{self, chain_trouble};
use crate::chain::{Coin, Trail};
use crate::domain::TradeId;
use crate::store::deposits::{self, DepositRow};
use crate::store::{outbox, reader as epochs, watched};

/// The outputs that no block spends, as the desk has them.
type Books = BTreeMap<OutPoint, (TradeId, DepositRow)>;
/// And as the chain has those that are confirmed.
type Coins = BTreeMap<OutPoint, Coin>;

/// What an audit found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Outputs that were looked up one by one.
    pub outputs: usize,
    /// Addresses that were looked through.
    pub addresses: usize,
    /// In words, what the books had wrong.
    pub differences: Vec<String>,
}

/// Whether this server has begun to read and has not looked yet. Asked once: then it has.
pub(super) async fn is_due(desk: &Desk) -> bool {
    std::mem::take(&mut desk.reading.lock().await.unaudited)
}

/// It has not looked: it could not see the chain.
pub(super) async fn is_due_again(desk: &Desk) {
    desk.reading.lock().await.unaudited = true;
}

/// Compares and corrects. Reading goes on meanwhile, but for the correction itself.
pub async fn audit(desk: &Desk) -> Done<Report> {
    let client = desk.store.connection().await?;
    let (read_to, _) = watcher::cursor(&client).await?;
    let escrows = watched::open_escrows(&client).await?;
    let scripts: Vec<_> = escrows.iter().map(|(_, script)| script.clone()).collect();
    drop(client);
    let coins = desk.chain.coins_at(&scripts).await.map_err(chain_trouble)?;
    let coins: Coins = coins.into_iter().map(|coin| (coin.outpoint, coin)).collect();
    // After the chain was asked: whatever it had by then in blocks that were read has to be in the books.
    let client = desk.store.connection().await?;
    let books: Books = deposits::open(&client).await?.into_iter().map(|one| (one.1.outpoint, one)).collect();
    drop(client);

    let mut report = Report { outputs: books.len(), addresses: scripts.len(), differences: Vec::new() };
    let mut lowest = None;
    let mut differs = |height: u32, words: String| {
        tracing::error!(difference = words, "the books differ from the chain; the blocks are read again");
        lowest = Some(lowest.map_or(height, |known: u32| known.min(height)));
        report.differences.push(words);
    };
    for coin in coins.values().filter(|coin| coin.height <= read_to.height) {
        if let Some(words) = missing_from(&books, coin) {
            differs(coin.height, words);
        }
    }
    let looked: BTreeSet<TradeId> = escrows.iter().map(|(trade, _)| *trade).collect();
    for (outpoint, (trade, row)) in &books {
        let Some(height) = row.height else { continue };
        if let Some(coin) = coins.get(outpoint) {
            if coin.output.value != row.value {
                differs(height, format!("{outpoint} holds {}, not {}", coin.output.value, row.value));
            }
            continue;
        }
        // What spends it waits, and its address was not looked through.
        if row.spent_by.is_some() && !looked.contains(trade) {
            continue;
        }
        match desk.chain.unspent(*outpoint).await.map_err(chain_trouble)? {
            None => differs(height, format!("{outpoint} is not there: it is spent, or its block is gone")),
            Some(there) if there.output.value != row.value => {
                differs(height, format!("{outpoint} holds {}, not {}", there.output.value, row.value));
            }
            Some(_) => {}
        }
    }
    if let Some(lowest) = lowest {
        read_again(desk, lowest.saturating_sub(1), &books, &coins).await?;
    }
    tracing::info!(
        outputs = report.outputs,
        addresses = report.addresses,
        differences = report.differences.len(),
        "the books were held against the chain"
    );
    Ok(report)
}

fn missing_from(books: &Books, coin: &Coin) -> Option<String> {
    match books.get(&coin.outpoint) {
        None => Some(format!(
            "{} holds {} at an escrow's address, and is not in the books",
            coin.outpoint, coin.output.value
        )),
        Some((_, row)) if row.height != Some(coin.height) => {
            Some(format!("{} is in block {}, not where the books say", coin.outpoint, coin.height))
        }
        Some(_) => None,
    }
}

/// Reads from a height on once more, beside the cursor, and writes down what was missed.
async fn read_again(desk: &Desk, from: u32, books: &Books, coins: &Coins) -> Done<()> {
    let mut reading = desk.reading.lock().await;
    let Some(epoch) = reader::reads(desk, &mut reading).await? else { return Ok(()) };
    let mut at = desk.chain.cursor_at(from).await.map_err(chain_trouble)?;
    let mut client = desk.store.connection().await?;
    reading.hears_news = true;
    reading.learn(&client, at.height).await?;
    loop {
        reading.watched.trail = Trail::default();
        reading.watched.trail.step(at);
        let facts = desk.chain.facts_since(&at, &reading.watched).await.map_err(chain_trouble)?;
        let tx = client.transaction().await?;
        let now = desk.now(&tx).await?;
        if !epochs::still_reads(&tx, epoch).await? {
            *reading = Reading::default();
            return Ok(());
        }
        let mut touched = watcher::note(&tx, &facts.events, now).await?;
        if facts.caught_up {
            touched.extend(gone(desk, &tx, books, coins).await?);
        }
        for trade in touched {
            outbox::add_unless_it_waits(&tx, JUDGE, trade, now).await?;
        }
        tx.commit().await?;
        if facts.caught_up {
            reading.hears_news = true;
            return Ok(());
        }
        at = facts.cursor;
    }
}

/// What the books have as confirmed and unspent, and the chain does not have although every block was read again. What
/// only a waiting transaction spends the chain has.
async fn gone(
    desk: &Desk,
    tx: &crate::store::Transaction<'_>,
    books: &Books,
    coins: &Coins,
) -> Done<BTreeSet<TradeId>> {
    let mut touched = BTreeSet::new();
    let open = deposits::open(tx).await?.into_iter().map(|(_, row)| row);
    let still: BTreeSet<OutPoint> = open.filter(|row| row.spent_by.is_none()).map(|row| row.outpoint).collect();
    for (outpoint, (_, row)) in books.iter().filter(|(outpoint, _)| still.contains(*outpoint)) {
        if row.height.is_some()
            && !coins.contains_key(outpoint)
            && desk.chain.unspent(*outpoint).await.map_err(chain_trouble)?.is_none()
        {
            tracing::error!(%outpoint, "the chain does not have this deposit");
            touched.extend(deposits::evict(tx, outpoint.txid, desk.now(tx).await?).await?.trades);
        }
    }
    Ok(touched)
}
