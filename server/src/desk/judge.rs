//! What the chain told of a trade's escrow, judged: judging twice changes nothing.

use bitcoin::{Amount, ScriptBuf, Txid};
use jiff::Timestamp;

use super::error::Done;
use super::escrow_book::EscrowBook;
use super::trades::{self, Who};
use super::watcher::chain_trouble;
use super::{Desk, clock, funding};
use crate::domain::trade::{Act, Deposit, NOTHING_BELOW_SAT, Outcome, PartGone, PayoutKind};
use crate::domain::{Stage, TradeId};
use crate::escrow::contract::Payee;
use crate::escrow::deposit::COINBASE_CONFIRMATIONS;
use crate::escrow::payout::PayoutKind as Kind;
use crate::store::deposits::{self, DepositRow};
use crate::store::trades::TradeRow;
use crate::store::{Transaction, outbox};

/// The outbox job that judges what the chain told of one trade.
pub const JUDGE: &str = "judge";

/// One fact may make another one matter: a deposit falls back, and a new one is there already.
const ROUNDS_MAX: usize = 4;

/// What the outputs at its address now mean for a trade.
pub(super) async fn judge(desk: &Desk, tx: &Transaction<'_>, id: TradeId) -> Done<()> {
    let unknown = payout_unknown(desk, tx, id).await?;
    let now = desk.now(tx).await?;
    let Some(row) = crate::store::trades::lock_by_id(tx, id).await? else { return Ok(()) };
    let mut row = clock::catch_up(desk, tx, row, now).await?;
    for _ in 0..ROUNDS_MAX {
        let version = row.state.version;
        let outputs = deposits::of_trade(tx, id).await?;
        let Some((act, by)) = act(desk, tx, &row, &outputs, unknown, now).await? else { break };
        if let Some(by) = by {
            row.payout_txid = Some(by);
        }
        row = told(desk, tx, row, act, now).await?;
        if row.state.version == version {
            break;
        }
    }
    build_strays(tx, &row, now).await
}

/// What there is to tell the trade, and the transaction that did it if it is not the one under way.
async fn act(
    desk: &Desk,
    tx: &Transaction<'_>,
    row: &TradeRow,
    outputs: &[DepositRow],
    unknown: Option<Txid>,
    now: Timestamp,
) -> Done<Option<(Act, Option<Txid>)>> {
    if let Some(told) = spend_act(tx, row, outputs, unknown).await? {
        return Ok(Some(told));
    }
    if let Some(act) = loss_act(desk, tx, row, outputs).await? {
        return Ok(Some((act, None)));
    }
    if matches!(row.state.stage, Stage::PayingOut | Stage::Completed) {
        return Ok(return_act(tx, row, outputs).await?.map(|act| (act, None)));
    }
    if let Some(act) = rejoin_act(tx, row, outputs).await? {
        return Ok(Some((act, None)));
    }
    let deposit = funding::deposit_of(desk, tx, row).await?;
    let act = Act::JudgeDeposit { deposit };
    let changes = row.state.apply(&act, Who::CHAIN.actor, now).is_ok_and(|change| change.event.is_some());
    Ok((changes || deposit != row.state.deposit).then_some((act, None)))
}

/// Applies what the chain told, if the table has a row for it in this stage; else it is only written down.
async fn told(desk: &Desk, tx: &Transaction<'_>, row: TradeRow, act: Act, now: Timestamp) -> Done<TradeRow> {
    if let Err(refusal) = row.state.apply(&act, Who::CHAIN.actor, now) {
        tracing::warn!(trade.id = %row.reference, stage = %row.state.stage, why = %refusal, "the chain told what this stage has no row for");
        return Ok(row);
    }
    trades::change(desk, tx, row, act, Who::CHAIN, now).await
}

/// The coins of the escrow were spent: by the payout under way, by another of this trade, or by something else.
async fn spend_act(
    tx: &Transaction<'_>,
    row: &TradeRow,
    outputs: &[DepositRow],
    unknown: Option<Txid>,
) -> Done<Option<(Act, Option<Txid>)>> {
    let stage = row.state.stage;
    if matches!(stage, Stage::Proposed | Stage::Cancelled) {
        return Ok(None);
    }
    let has_set = funding::has_set(row, outputs);
    let mut coins = funding::escrowed(row, outputs);
    let tip = funding::tip_height(tx).await?;
    let is_taken = |output: &DepositRow| funding::is_taken(output, row, tip);
    if !coins.iter().any(|output| is_taken(output)) {
        return unspent_act(tx, row, &coins, unknown).await;
    }
    let book = EscrowBook::read(tx, row).await?;
    // A stray that went back while the trade was funded never was a part of the escrow.
    coins.retain(|output| has_set || !book.is_returned_stray(output));
    let (taken, left): (Vec<&DepositRow>, Vec<&DepositRow>) =
        coins.iter().copied().partition(|output| is_taken(output));
    let Some(largest) = taken.iter().max_by_key(|output| output.value) else {
        return unspent_act(tx, row, &coins, unknown).await;
    };
    if row.state.outcome == Some(Outcome::Lost) && funding::sum(taken.iter().copied()).to_sat() < NOTHING_BELOW_SAT {
        return Ok(None);
    }
    let Some(txid) = largest.spent_by else { return Ok(None) };
    let rest = funding::sum(left.iter().copied());
    if rest.to_sat() >= NOTHING_BELOW_SAT {
        if !in_no_block(&left) {
            // It is about to be clear what became of all of it.
            return Ok(None);
        }
        let part = match stage {
            // Whatever ended the trade did not take this: it is in escrow again.
            Stage::Completed => row.payout_txid.map(|_| Act::LosePayoutFromChain),
            Stage::PayingOut => Some(keep_what_is_left(stage, rest, PartGone::Spent)),
            _ => row.state.funding_is_fixed().then(|| keep_what_is_left(stage, rest, PartGone::Spent)),
        };
        return Ok(part.filter(|_| has_set).map(|act| (act, None)));
    }
    let (outcome, kind) = outcome_of(&book, row.state.paying_out, largest, txid);
    let ours = stage == Stage::PayingOut && kind.is_some() && kind == row.state.paying_out;
    Ok(match stage {
        _ if ours => Some((Act::ConfirmPayout { outcome }, Some(txid))),
        Stage::Completed if row.payout_txid == Some(txid) => None,
        _ => Some((Act::SeeForeignSpend { outcome }, Some(txid))),
    })
}

fn in_no_block(coins: &[&DepositRow]) -> bool {
    coins.iter().all(|output| output.spent_height.is_none())
}

/// The payout under way, if it waits for a block and the chain does not know it. Asked before the trade is held: nobody's
/// act waits for the chain's answer.
async fn payout_unknown(desk: &Desk, tx: &Transaction<'_>, id: TradeId) -> Done<Option<Txid>> {
    let Some(row) = crate::store::trades::find_by_id(tx, id).await? else { return Ok(None) };
    let running = row.state.stage == Stage::PayingOut && row.state.paying_out.is_some();
    let Some(txid) = row.payout_txid.filter(|_| running) else { return Ok(None) };
    let outputs = deposits::of_trade(tx, id).await?;
    if !in_no_block(&funding::escrowed(&row, &outputs)) || !outbox::broadcast_done(tx, id).await? {
        return Ok(None);
    }
    let known = desk.chain.transaction(txid, None).await.map_err(chain_trouble)?;
    Ok(known.is_none().then_some(txid))
}

/// Nothing that spends the escrow is deep enough; of a payout that was, nothing may be left in the chain.
async fn unspent_act(
    tx: &Transaction<'_>,
    row: &TradeRow,
    coins: &[&DepositRow],
    unknown: Option<Txid>,
) -> Done<Option<(Act, Option<Txid>)>> {
    let in_no_block = in_no_block(coins);
    match (row.state.stage, row.payout_txid) {
        (Stage::Completed, Some(_)) if in_no_block => Ok(Some((Act::LosePayoutFromChain, None))),
        // What was made elsewhere is not the desk's to send again: the coins are in escrow as they were.
        (Stage::PayingOut, Some(_)) if row.state.paying_out.is_none() => {
            let stand = coins.iter().all(|output| output.is_there() && output.height.is_some());
            let whole = only(funding::sum(coins.iter().copied()));
            Ok((stand && !coins.is_empty()).then_some((Act::VoidPayout { deposit: whole }, None)))
        }
        (Stage::PayingOut, Some(txid)) if in_no_block && unknown == Some(txid) => {
            // Another look may have had it sent again since.
            let lost = outbox::broadcast_done(tx, row.id).await?;
            Ok(lost.then_some((Act::LosePayoutFromMempool, None)))
        }
        _ => Ok(None),
    }
}

/// The deposit is gone, and does not come back: what it was made of was spent elsewhere, deep enough, or nobody has known
/// of it for a week.
async fn loss_act(desk: &Desk, tx: &Transaction<'_>, row: &TradeRow, outputs: &[DepositRow]) -> Done<Option<Act>> {
    let lost = match row.state.stage {
        Stage::RefundDue => Act::LoseDeposit,
        Stage::PaymentSent | Stage::Disputed | Stage::Ruled | Stage::PayingOut => Act::LoseDepositForGood,
        _ => return Ok(None),
    };
    let tip = funding::tip_height(tx).await?;
    let undone = funding::undone(tx, row, tip).await?;
    let pending = funding::pending(outputs, &undone, row, tip);
    if undone.is_empty() && pending.is_empty() {
        return Ok(None);
    }
    let known_to = funding::known_to(desk, tx).await?;
    let given_up = !pending.is_empty() && pending.iter().all(|one| funding::is_given_up(one, known_to));
    if undone.is_empty() && !given_up {
        return Ok(None);
    }
    // A new deposit in its place is judged as one, unless a payout of the old one is under way.
    let deposit = funding::deposit_of(desk, tx, row).await?;
    if deposit.renewed {
        return Ok((row.state.stage == Stage::PayingOut).then_some(Act::VoidPayout { deposit }));
    }
    // A new deposit that waits for its blocks takes the place of the one that is gone. What was to go back needs none.
    if row.state.stage != Stage::RefundDue && funding::renewal_waits(tx, row).await? {
        return Ok(None);
    }
    // Until it is clear what becomes of the others, the trade is frozen.
    let rest = funding::standing(outputs, &undone, row, tip);
    if pending.iter().any(|one| funding::may_be_back_soon(one, known_to)) || !in_no_block(&rest) {
        return Ok(None);
    }
    let sum = funding::sum(rest.iter().copied());
    if sum.to_sat() >= NOTHING_BELOW_SAT {
        // Of several outputs some stand where another was lost: the trade goes on over them.
        let why = if undone.is_empty() { PartGone::Forgotten } else { PartGone::Undone };
        return Ok(row.state.funding_is_fixed().then(|| keep_what_is_left(row.state.stage, sum, why)));
    }
    // What was to go back is waited for for ever: to be lost is told of what somebody may have paid for.
    let is_over = pending.is_empty() || (given_up && row.state.stage != Stage::RefundDue);
    Ok(is_over.then_some(lost))
}

/// A part that the trade has gone on without is in the chain again, beside what the trade has gone on over.
async fn rejoin_act(tx: &Transaction<'_>, row: &TradeRow, outputs: &[DepositRow]) -> Done<Option<Act>> {
    let goes_on = row.state.funding_is_fixed() && row.state.holds_money() && !row.state.frozen;
    if !goes_on || !funding::is_whole(outputs) {
        return Ok(None);
    }
    let back = funding::back_again(tx, row, outputs).await?;
    let all = outputs.iter().filter(|one| one.funding).chain(back.iter().copied());
    Ok((!back.is_empty()).then(|| Act::RegainPart { deposit: only(funding::sum(all)) }))
}

/// A deposit that was told to be lost is in the chain again, as deep as it had to be, and nobody has spent it. A part of it
/// waits longer: the others, which would be nobody's part of the trade any more, may come in the next blocks.
async fn return_act(tx: &Transaction<'_>, row: &TradeRow, outputs: &[DepositRow]) -> Done<Option<Act>> {
    if row.state.outcome != Some(Outcome::Lost) {
        return Ok(None);
    }
    let tip = funding::tip_height(tx).await?;
    let undone = funding::undone(tx, row, tip).await?;
    let back = funding::standing(outputs, &undone, row, tip);
    let whole = funding::pending(outputs, &undone, row, tip).is_empty();
    let needed = if whole { row.state.confirmations } else { COINBASE_CONFIRMATIONS };
    let counts = |one: &&DepositRow| one.confirmations(tip) >= needed && funding::is_ripe(one, tip);
    let sum = funding::sum(back.iter().copied());
    let is_back = back.iter().all(counts) && in_no_block(&back) && sum.to_sat() >= NOTHING_BELOW_SAT;
    Ok(is_back.then(|| Act::RegainDeposit { deposit: only(sum) }))
}

/// A payout under way spends the whole funding set; without a part of it there is none.
fn keep_what_is_left(stage: Stage, rest: Amount, why: PartGone) -> Act {
    let deposit = only(rest);
    if stage == Stage::PayingOut { Act::VoidPayout { deposit } } else { Act::LosePart { deposit, why } }
}

/// What is left of a funding set, as a deposit.
fn only(rest: Amount) -> Deposit {
    Deposit { seen: rest, confirmed: rest, counted: rest, in_time: true, whole: true, renewed: false }
}

/// Which of the trade's payouts a transaction is; of one that is none of them, where its coins went.
fn outcome_of(
    book: &EscrowBook,
    paying_out: Option<PayoutKind>,
    spent: &DepositRow,
    txid: Txid,
) -> (Outcome, Option<PayoutKind>) {
    // A ruling that gives one side everything may be the very transaction of a release or a refund.
    let under_way = paying_out.and_then(|kind| book.payout_of(kind, txid));
    let known = under_way.or_else(|| book.payouts.iter().find(|payout| payout.txid == txid));
    let Some((payout, kind)) = known.and_then(|payout| Some((payout, PayoutKind::from_word(&payout.kind)?))) else {
        return (where_it_went(book, spent), None);
    };
    let outcome = match kind {
        PayoutKind::Release => Outcome::Released,
        PayoutKind::Refund => Outcome::Refunded,
        _ if payout.seller.to_sat() == 0 => Outcome::Released,
        _ if payout.buyer.to_sat() == 0 => Outcome::Refunded,
        _ => Outcome::Split,
    };
    (outcome, Some(kind))
}

/// Made outside the desk, with a recovery kit or another wallet: told by whom it pays.
fn where_it_went(book: &EscrowBook, spent: &DepositRow) -> Outcome {
    let Some(spender) = &spent.spender else { return Outcome::Other };
    let payee = |script: &ScriptBuf| Payee::ALL.into_iter().find(|one| book.agreed.script(*one) == Some(script));
    let paid: Option<Vec<Payee>> = spender.output.iter().map(|output| payee(&output.script_pubkey)).collect();
    let Some(paid) = paid else { return Outcome::Other };
    match (paid.contains(&Payee::Buyer), paid.contains(&Payee::Seller)) {
        (true, false) => Outcome::Released,
        (false, true) => Outcome::Refunded,
        (true, true) => Outcome::Split,
        (false, false) => Outcome::Other,
    }
}

/// Strays, ripe: each gets a refund of its own.
async fn build_strays(tx: &Transaction<'_>, row: &TradeRow, now: Timestamp) -> Done<()> {
    if !row.state.funding_is_fixed() {
        return Ok(());
    }
    let tip = funding::tip_height(tx).await?;
    let book = EscrowBook::read(tx, row).await?;
    let strays = book.deposits.iter().filter(|one| book.is_stray(&row.state, one));
    for stray in strays.filter(|one| one.is_there() && funding::is_ripe(one, tip)) {
        let coins = [super::escrow_book::coin(stray)];
        // A stray too small to be worth its fee is left where it is, and the page says so.
        if stray.value.to_sat() >= NOTHING_BELOW_SAT && book.built(Kind::Stray, &coins).is_ok() {
            book.build(tx, row, Kind::Stray, &coins, None, now).await?;
        }
    }
    Ok(())
}
