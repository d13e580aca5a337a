//! What the chain told of a trade's escrow, judged: judging twice changes nothing.

use bitcoin::Txid;
use jiff::Timestamp;

use super::error::Done;
use super::escrow_book::EscrowBook;
use super::trades::{self, Who};
use super::watcher::chain_trouble;
use super::{Desk, funding};
use crate::domain::trade::{Act, Outcome, PayoutKind};
use crate::domain::{Stage, TradeId};
use crate::escrow::payout::PayoutKind as Kind;
use crate::store::deposits::{self, DepositRow};
use crate::store::trades::TradeRow;
use crate::store::{Transaction, outbox, payouts};

/// The outbox job that judges what the chain told of one trade.
pub const JUDGE: &str = "judge";

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
