//! Reads the chain at its own pace and tells each trade what happened to its escrow.

use std::collections::{BTreeSet, HashMap, HashSet};

use bitcoin::{ScriptBuf, Txid};
use jiff::Timestamp;

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::trades::{self, Who};
use super::{Desk, crash, funding, sight};
use crate::chain::{ChainError, Cursor, Fact, Trail, Watched};
use crate::domain::trade::{Act, Outcome, PayoutKind};
use crate::domain::{Stage, TradeId};
use crate::escrow::payout::PayoutKind as Kind;
use crate::store::deposits::{self, DepositRow, ReadTo, SeenOutput};
use crate::store::trades::TradeRow;
use crate::store::{GenericClient, Transaction, outbox, payouts};

/// Stages in which a deeper tip can change a trade: everything that still waits for blocks.
const WAITING_FOR_BLOCKS: [Stage; 4] = [Stage::AwaitingDeposit, Stage::PayingOut, Stage::Cancelled, Stage::RefundDue];

/// The outbox job that judges what the chain told of one trade.
pub const JUDGE: &str = "judge";

/// Reads everything that happened since the last time, and writes it down together with the jobs that judge it. One
/// reader at a time: what it knows and how far it has read belong together.
pub async fn watch_once(desk: &Desk) -> Done<()> {
    let _reading = desk.reading.lock().await;
    loop {
        match watch_some(desk).await {
            Ok(false) => {}
            Ok(true) => return Ok(()),
            Err(error) => {
                sight::lost(desk, &error).await;
                return Err(error);
            }
        }
    }
}

async fn watch_some(desk: &Desk) -> Done<bool> {
    let mut client = desk.store.connection().await?;
    let (cursor, mut trail) = cursor(desk, &client).await?;
    let tip = desk.chain.tip().await.map_err(chain_trouble)?;
    let mut scripts = scripts(&client).await?;
    let facts = loop {
        let (outpoints, unconfirmed) = deposits::open_outputs(&client).await?;
        let watched = Watched {
            scripts: scripts.keys().cloned().collect(),
            outpoints: outpoints.into_iter().collect(),
            unconfirmed: unconfirmed.into_iter().collect(),
            trail: trail.clone(),
        };
        let facts = desk.chain.facts_since(&cursor, &watched).await.map_err(chain_trouble)?;
        // A trade made meanwhile may be paid in a block that these facts have passed: then they are read again.
        let now_watched = self::scripts(&client).await?;
        if now_watched.len() == scripts.len() {
            break facts;
        }
        scripts = now_watched;
    };

    let tx = client.transaction().await?;
    let now = desk.now(&tx).await?;
    let mut touched = note(&tx, &facts.events, &scripts, now).await?;
    if facts.cursor != cursor {
        touched.extend(crate::store::trades::in_stages(&tx, &WAITING_FOR_BLOCKS).await?);
    }
    let place = facts.cursor;
    trail.follow(&facts.events);
    let read = ReadTo { cursor: &place.to_string(), trail: &trail.to_string(), height: place.height, hash: place.hash };
    deposits::move_cursor(&tx, &read, tip.time, now).await?;
    sight::seen(desk, &tx, &tip, now).await?;
    for trade in &touched {
        outbox::add(&tx, JUDGE, Some(*trade), &serde_json::json!({}), now).await?;
    }
    tx.commit().await?;
    if !touched.is_empty() {
        crash::point(crash::NOTED_BEFORE_JUDGED);
    }
    Ok(facts.caught_up)
}

/// Every escrow ever made, by its script.
async fn scripts(client: &impl GenericClient) -> Done<HashMap<ScriptBuf, TradeId>> {
    Ok(deposits::watched_scripts(client).await?.into_iter().map(|(id, script)| (script, id)).collect())
}

/// Where to read from, and the blocks that led there; the first time, from now on.
async fn cursor(desk: &Desk, client: &impl GenericClient) -> Done<(Cursor, Trail)> {
    if let Some(row) = deposits::cursor(client).await? {
        let cursor = row.cursor.parse().map_err(|_| Error::broken("the chain cursor is not height:hash"))?;
        let trail = row.trail.parse().map_err(|_| Error::broken("the chain's trail is not height:hash"))?;
        return Ok((cursor, trail));
    }
    let block = desk.chain.tip().await.map_err(chain_trouble)?.block;
    let mut trail = Trail::default();
    trail.step(block);
    Ok((block, trail))
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

/// What the outputs at its address now mean for a trade. Judging twice changes nothing.
pub(super) async fn judge(desk: &Desk, tx: &Transaction<'_>, id: TradeId) -> Done<()> {
    let now = desk.now(tx).await?;
    let Some(mut row) = crate::store::trades::lock_by_id(tx, id).await? else { return Ok(()) };
    let outputs = deposits::of_trade(tx, id).await?;
    if let Some(act) = spend_act(desk, tx, &row, &outputs).await? {
        row = told(desk, tx, row, act, now).await?;
    }
    if !matches!(row.state.stage, Stage::PayingOut | Stage::Completed) {
        let deposit = funding::deposit_of(desk, tx, &row).await?;
        let act = Act::JudgeDeposit { deposit };
        let changes = row.state.apply(&act, Who::CHAIN.actor, now).is_ok_and(|change| change.event.is_some());
        if changes || deposit != row.state.deposit {
            row = told(desk, tx, row, act, now).await?;
        }
    }
    build_strays(tx, &row, now).await
}

/// Applies what the chain told, if the table has a row for it in this stage; else it is only written down.
async fn told(desk: &Desk, tx: &Transaction<'_>, row: TradeRow, act: Act, now: Timestamp) -> Done<TradeRow> {
    if let Err(refusal) = row.state.apply(&act, Who::CHAIN.actor, now) {
        tracing::warn!(trade.id = %row.reference, stage = %row.state.stage, why = %refusal, "the chain told what this stage has no row for");
        return Ok(row);
    }
    trades::change(desk, tx, row, act, Who::CHAIN, now).await
}

/// The funding set was spent: by the payout under way, by another of this trade, or by something else.
async fn spend_act(desk: &Desk, tx: &Transaction<'_>, row: &TradeRow, outputs: &[DepositRow]) -> Done<Option<Act>> {
    let mut funding = outputs.iter().filter(|output| output.funding);
    let spend = funding.find_map(|output| Some((output.spent_by?, output.spent_height)));
    let stage = row.state.stage;
    match spend {
        Some((_, None)) if stage == Stage::Completed => Ok(Some(Act::LosePayoutFromChain)),
        Some((txid, Some(height))) if !matches!(stage, Stage::Completed | Stage::Cancelled) => {
            let depth = (funding::tip_height(tx).await? + 1).saturating_sub(height);
            if depth < row.state.confirmations {
                return Ok(None);
            }
            let outcome = outcome_of(tx, row, txid).await?;
            let ours = stage == Stage::PayingOut && outcome != Outcome::Other;
            Ok(Some(if ours { Act::ConfirmPayout { outcome } } else { Act::SeeForeignSpend { outcome } }))
        }
        None if stage == Stage::PayingOut && outbox::broadcast_done(tx, row.id).await? => {
            let Some(txid) = row.payout_txid else { return Ok(None) };
            let known = desk.chain.transaction(txid, None).await.map_err(chain_trouble)?;
            Ok(known.is_none().then_some(Act::LosePayoutFromMempool))
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
    if !row.state.funding_is_fixed() {
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
