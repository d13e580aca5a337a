//! Reads the chain at its own pace and tells each trade what happened to its escrow.

use std::collections::{BTreeSet, HashMap, HashSet};

use bitcoin::{ScriptBuf, Txid};
use jiff::Timestamp;

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::trades::{self, Who};
use super::{Desk, funding};
use crate::chain::{ChainError, Cursor, Fact, Tip, Watched};
use crate::domain::trade::{Act, Outcome, PayoutKind};
use crate::domain::{Stage, TradeId};
use crate::escrow::payout::PayoutKind as Kind;
use crate::store::deposits::{self, DepositRow, SeenOutput};
use crate::store::trades::TradeRow;
use crate::store::{Transaction, payouts};

/// Stages in which a deeper tip can change a trade: everything that still waits for blocks.
const WAITING_FOR_BLOCKS: [Stage; 4] = [Stage::AwaitingDeposit, Stage::PayingOut, Stage::Cancelled, Stage::RefundDue];

/// Reads everything that happened since the last time. True if anything was told.
pub async fn watch_once(desk: &Desk) -> Done<bool> {
    let mut told = false;
    loop {
        let (caught_up, news) = watch_some(desk).await?;
        told |= news;
        if caught_up {
            return Ok(told);
        }
    }
}

async fn watch_some(desk: &Desk) -> Done<(bool, bool)> {
    let mut client = desk.store.connection().await?;
    let (cursor, scripts, watched) = {
        let scripts: HashMap<ScriptBuf, TradeId> =
            deposits::watched_scripts(&client).await?.into_iter().map(|(id, script)| (script, id)).collect();
        let (outpoints, unconfirmed) = deposits::open_outputs(&client).await?;
        let watched = Watched {
            scripts: scripts.keys().cloned().collect(),
            outpoints: outpoints.into_iter().collect(),
            unconfirmed: unconfirmed.into_iter().collect(),
        };
        (cursor(desk, &client).await?, scripts, watched)
    };
    let tip = desk.chain.tip().await.map_err(chain_trouble)?;
    let facts = desk.chain.facts_since(&cursor, &watched).await.map_err(chain_trouble)?;

    let tx = client.transaction().await?;
    let now = desk.now(&tx).await?;
    let mut touched = note(&tx, &facts.events, &scripts, now).await?;
    let moved = facts.cursor != cursor;
    deposits::move_cursor(&tx, &facts.cursor.to_string(), facts.cursor.height, facts.cursor.hash, tip.time, now)
        .await?;
    if moved {
        touched.extend(crate::store::trades::in_stages(&tx, &WAITING_FOR_BLOCKS).await?);
    }
    tx.commit().await?;
    for trade in &touched {
        judge(desk, *trade, tip).await?;
    }
    Ok((facts.caught_up, moved || !touched.is_empty()))
}

/// Where to read from; the first time, from now on.
async fn cursor(desk: &Desk, client: &impl crate::store::GenericClient) -> Done<Cursor> {
    match deposits::cursor(client).await? {
        Some(row) => row.cursor.parse().map_err(|_| Error::broken("the chain cursor is not height:hash")),
        None => Ok(desk.chain.tip().await.map_err(chain_trouble)?.block),
    }
}

pub(super) fn chain_trouble(error: ChainError) -> Error {
    Error::Failed(super::Failure(anyhow::Error::new(error)))
}

/// Writes down what the chain told; safe to hear twice. The trades it concerns.
async fn note(
    tx: &Transaction<'_>,
    events: &[Fact],
    scripts: &HashMap<ScriptBuf, TradeId>,
    at: Timestamp,
) -> Done<BTreeSet<TradeId>> {
    let mut touched = BTreeSet::new();
    let mut evicted = HashSet::new();
    for event in events {
        match event {
            Fact::BlockConnected { .. } => {}
            Fact::BlockDisconnected { block } => {
                touched.extend(deposits::disconnect(tx, block.hash, block.height).await?);
            }
            Fact::OutputSeen { outpoint, script, amount, coinbase, transaction, block } => {
                let Some(trade) = scripts.get(script) else { continue };
                let block = block.map(|block| (block.height, block.hash));
                let seen = SeenOutput {
                    trade: *trade,
                    outpoint: *outpoint,
                    value: *amount,
                    coinbase: *coinbase,
                    transaction,
                    block,
                    at,
                };
                if deposits::see(tx, &seen).await? {
                    touched.insert(*trade);
                }
            }
            Fact::Spent { outpoint, by, block } => {
                let height = block.map(|block| block.height);
                touched.extend(deposits::spend(tx, *outpoint, by.compute_txid(), height).await?);
            }
            Fact::Evicted { txid } => {
                evicted.insert(*txid);
            }
        }
    }
    for txid in evicted {
        touched.extend(deposits::evict(tx, txid, at).await?);
    }
    Ok(touched)
}

/// What the outputs at its address now mean for a trade.
async fn judge(desk: &Desk, id: TradeId, tip: Tip) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let tx = client.transaction().await?;
    let now = desk.now(&tx).await?;
    let Some(mut row) = crate::store::trades::lock_by_id(&tx, id).await? else { return Ok(()) };
    let outputs = deposits::of_trade(&tx, id).await?;
    if let Some(act) = spend_act(&tx, &row, &outputs, tip).await? {
        row = trades::change(desk, &tx, row, act, Who::CHAIN, now).await?;
    }
    let watches_deposit = !matches!(row.state.stage, Stage::PayingOut | Stage::Completed);
    if watches_deposit {
        let deposit = funding::deposit_of(desk, &tx, &row).await?;
        let act = Act::JudgeDeposit { deposit };
        if deposit != row.state.deposit || changes_stage(&row, &act, now) {
            row = trades::change(desk, &tx, row, act, Who::CHAIN, now).await?;
        }
    }
    build_strays(&tx, &row, now).await?;
    Ok(tx.commit().await?)
}

fn changes_stage(row: &TradeRow, act: &Act, now: Timestamp) -> bool {
    row.state.apply(act, Who::CHAIN.actor, now).is_ok_and(|change| change.event.is_some())
}

/// The funding set was spent: by the payout under way, by another of this trade, or by something else.
async fn spend_act(tx: &Transaction<'_>, row: &TradeRow, outputs: &[DepositRow], tip: Tip) -> Done<Option<Act>> {
    let funding = || outputs.iter().filter(|output| output.funding);
    let spend = funding().find_map(|output| Some((output.spent_by?, output.spent_height)));
    let stage = row.state.stage;
    match spend {
        Some((_, None)) if stage == Stage::Completed => Ok(Some(Act::LosePayoutFromChain)),
        Some((txid, Some(height))) if !matches!(stage, Stage::Completed | Stage::Cancelled) => {
            let depth = (tip.block.height + 1).saturating_sub(height);
            let outcome = outcome_of(tx, row, txid).await?;
            if depth < row.state.confirmations {
                return Ok(None);
            }
            let ours = stage == Stage::PayingOut && outcome != Outcome::Other;
            Ok(Some(if ours { Act::ConfirmPayout { outcome } } else { Act::SeeForeignSpend { outcome } }))
        }
        None if stage == Stage::PayingOut && row.payout_txid.is_some() => {
            let handed_over = crate::store::outbox::broadcast_done(tx, row.id).await?;
            Ok(handed_over.then_some(Act::LosePayoutFromMempool))
        }
        _ => Ok(None),
    }
}

/// Which of the trade's payouts a transaction is.
async fn outcome_of(tx: &Transaction<'_>, row: &TradeRow, txid: Txid) -> Done<Outcome> {
    let known = payouts::of_trade(tx, row.id).await?;
    let kind =
        known.iter().find(|payout| payout.txid == txid).and_then(|p| PayoutKind::from_word(&p.kind).map(|k| (k, p)));
    Ok(match kind {
        None => Outcome::Other,
        Some((PayoutKind::Release, _)) => Outcome::Released,
        Some((PayoutKind::Refund, _)) => Outcome::Refunded,
        Some((_, payout)) if payout.seller.to_sat() == 0 => Outcome::Released,
        Some((_, payout)) if payout.buyer.to_sat() == 0 => Outcome::Refunded,
        Some(_) => Outcome::Split,
    })
}

/// Strays, confirmed: each gets a refund of its own.
async fn build_strays(tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    if !row.state.ever_funded || row.state.stage == Stage::AwaitingDeposit {
        return Ok(());
    }
    let book = EscrowBook::read(tx, row).await?;
    for stray in book.deposits.iter().filter(|d| !d.funding && d.is_there() && d.height.is_some()) {
        let coins = [super::escrow_book::coin(stray)];
        // A stray too small to be worth its fee is left where it is, and the page says so.
        if book.built(Kind::Stray, &coins).is_ok() {
            book.build(tx, row, Kind::Stray, &coins, None, now).await?;
        }
    }
    Ok(())
}
