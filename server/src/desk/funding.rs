//! What stands at a trade's address, judged by the contract.

use std::collections::BTreeSet;

use bitcoin::{Amount, OutPoint, Psbt, Txid};
use jiff::{SignedDuration, Timestamp};

use super::Desk;
use super::error::Done;
use crate::domain::Stage;
use crate::domain::trade::{Deposit, NOTHING_BELOW_SAT};
use crate::escrow::Contract;
use crate::escrow::deposit::{self as escrow, COINBASE_CONFIRMATIONS, Due, Judgement, Missing, Seen, judge};
use crate::store::deposits::{self, DepositRow};
use crate::store::payouts::{self, PayoutRow, SignatureRow};
use crate::store::trades::TradeRow;
use crate::store::{GenericClient, watched};

/// What a node forgot and nobody has given it for so long is not waited for where other coins stand.
const FORGOTTEN_FOR_GOOD_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// What nobody has known of for so long is lost, whatever the reason: what its coins were made of may never have been seen
/// to be spent elsewhere. Should it return all the same, the trade is opened again.
const LOST_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The height the desk has read to.
pub async fn tip_height(client: &impl GenericClient) -> Done<u32> {
    Ok(deposits::cursor(client).await?.map_or(0, |cursor| cursor.height))
}

/// Judges the outputs at the address by §6. Outputs first seen after the deposit window are left out while a deposit
/// is awaited: late is late.
pub async fn judged(_: &Desk, client: &impl GenericClient, row: &TradeRow, stage: Stage) -> Done<Judgement> {
    let (seen, due) = counted(client, row, stage).await?;
    Ok(judge(&seen, &due))
}

/// What is missing of a deposit that is awaited, once everything in time is deep enough.
pub async fn missing(client: &impl GenericClient, row: &TradeRow) -> Done<Option<Missing>> {
    if row.state.stage != Stage::AwaitingDeposit {
        return Ok(None);
    }
    let (seen, due) = counted(client, row, row.state.stage).await?;
    Ok(escrow::missing(&seen, &due))
}

/// What stands at the address will be enough for a deposit in the place of the one that is gone, once it is deep enough.
pub async fn renewal_waits(client: &impl GenericClient, row: &TradeRow) -> Done<bool> {
    let (seen, due) = counted(client, row, row.state.stage).await?;
    Ok(escrow::missing(&seen, &due).is_none())
}

async fn counted(client: &impl GenericClient, row: &TradeRow, stage: Stage) -> Done<(Vec<Seen>, Due)> {
    let tip = tip_height(client).await?;
    let outputs = deposits::of_trade(client, row.id).await?;
    // What comes back to a trade that is over goes back to the seller, whatever was signed of it before.
    let signed_away = if stage == Stage::Cancelled { BTreeSet::new() } else { signed_away(client, row).await? };
    let awaited = stage == Stage::AwaitingDeposit;
    let in_time = |output: &&DepositRow| !awaited || row.state.deposit_by.is_none_or(|by| output.seen_at < by);
    let seen: Vec<Seen> = outputs
        .iter()
        .filter(|output| output.is_there())
        .filter(in_time)
        .map(|output| self::seen(output, output.confirmations(tip), signed_away.contains(&output.outpoint)))
        .collect();
    Ok((seen, due(row, &Contract::parse(&row.contract_text)?)))
}

/// An output as §6 judges it.
pub fn seen(output: &DepositRow, confirmations: u32, barred: bool) -> Seen {
    Seen { outpoint: output.outpoint, value: output.value, confirmations, coinbase: output.coinbase, barred }
}

/// What is agreed about the deposit.
pub fn due(row: &TradeRow, contract: &Contract) -> Due {
    Due { deposit: row.deposit, feerate: contract.feerate, confirmations: row.state.confirmations }
}

/// Outputs for which a signature of a refund or a settlement exists, a stray's refund too: they never count as a deposit
/// again.
async fn signed_away(client: &impl GenericClient, row: &TradeRow) -> Done<BTreeSet<OutPoint>> {
    let signed = payouts::signatures_of_trade(client, row.id).await?;
    if signed.is_empty() {
        return Ok(BTreeSet::new());
    }
    given_away(&payouts::of_trade(client, row.id).await?, &signed)
}

/// What these signatures of a trade's payouts give away.
pub fn given_away(payouts: &[PayoutRow], signed: &[SignatureRow]) -> Done<BTreeSet<OutPoint>> {
    let mut away = BTreeSet::new();
    for payout in payouts {
        let gives_up = ["refund", "settlement", "stray"].contains(&payout.kind.as_str());
        if gives_up && signed.iter().any(|signature| signature.payout == payout.id) {
            let psbt = Psbt::deserialize(&payout.psbt).map_err(anyhow::Error::from)?;
            away.extend(psbt.unsigned_tx.input.iter().map(|input| input.previous_output));
        }
    }
    Ok(away)
}

/// It can be spent in the next block: in one, and no coinbase that is too young.
pub fn is_ripe(output: &DepositRow, tip: u32) -> bool {
    output.confirmations(tip) >= if output.coinbase { COINBASE_CONFIRMATIONS } else { 1 }
}

/// Those deposits of the funding set that never come back: what they were made of was spent elsewhere, deep enough.
pub async fn undone(client: &impl GenericClient, row: &TradeRow, tip: u32) -> Done<BTreeSet<Txid>> {
    let deep = (tip + 1).saturating_sub(row.state.confirmations);
    Ok(watched::undone(client, row.id, deep).await?)
}

/// The outputs of the funding set that are neither gone, nor undone, nor taken.
pub fn standing<'a>(
    outputs: &'a [DepositRow],
    undone: &BTreeSet<Txid>,
    row: &TradeRow,
    tip: u32,
) -> Vec<&'a DepositRow> {
    let is_lost =
        |one: &DepositRow| one.gone_at.is_some() || undone.contains(&one.outpoint.txid) || is_taken(one, row, tip);
    outputs.iter().filter(|one| one.funding && !is_lost(one)).collect()
}

/// The outputs of the funding set that are in no block, and may still come to be in one: they wait, or the node forgot
/// them.
pub fn pending<'a>(
    outputs: &'a [DepositRow],
    undone: &BTreeSet<Txid>,
    row: &TradeRow,
    tip: u32,
) -> Vec<&'a DepositRow> {
    let may_come =
        |one: &DepositRow| one.height.is_none() && !undone.contains(&one.outpoint.txid) && !is_taken(one, row, tip);
    outputs.iter().filter(|one| one.funding && may_come(one)).collect()
}

/// What the trade has gone on without, and is in the chain again, as deep as a deposit has to be. What somebody has signed
/// away never counts again.
pub async fn back_again<'a>(
    client: &impl GenericClient,
    row: &TradeRow,
    outputs: &'a [DepositRow],
) -> Done<Vec<&'a DepositRow>> {
    if !outputs.iter().any(|one| one.left_behind && one.is_there()) {
        return Ok(Vec::new());
    }
    let tip = tip_height(client).await?;
    let away = signed_away(client, row).await?;
    let counts = |one: &&DepositRow| {
        let is_deep = one.confirmations(tip) >= row.state.confirmations && is_ripe(one, tip);
        one.left_behind && one.is_there() && is_deep && !away.contains(&one.outpoint)
    };
    Ok(outputs.iter().filter(counts).collect())
}

/// The time up to which the desk knows the chain: what it has not read yet may hold what it misses.
pub async fn known_to(desk: &Desk, client: &impl GenericClient) -> Done<Timestamp> {
    let now = desk.now(client).await?;
    let cursor = deposits::cursor(client).await?;
    Ok(cursor.map_or(now, |cursor| desk.clock.shifted_tip(cursor.tip_at, cursor.seen_at).min(now)))
}

/// It waits for a block, or was forgotten not long before the chain was last read: the desk has handed it to the network
/// again.
pub fn may_be_back_soon(output: &DepositRow, known_to: Timestamp) -> bool {
    output.gone_at.is_none_or(|gone| known_to.duration_since(gone) < FORGOTTEN_FOR_GOOD_AFTER)
}

/// Nobody has known of it for a week.
pub fn is_given_up(output: &DepositRow, known_to: Timestamp) -> bool {
    output.gone_at.is_some_and(|gone| known_to.duration_since(gone) >= LOST_AFTER)
}

/// Another transaction took it, and that is deep enough to be what happened.
pub fn is_taken(output: &DepositRow, row: &TradeRow, tip: u32) -> bool {
    output.spent_height.is_some_and(|height| (tip + 1).saturating_sub(height) >= row.state.confirmations)
}

/// The same as the trade's own field.
pub async fn deposit_of(desk: &Desk, client: &impl GenericClient, row: &TradeRow) -> Done<Deposit> {
    let outputs = deposits::of_trade(client, row.id).await?;
    let tip = tip_height(client).await?;
    let judgement = judged(desk, client, row, row.state.stage).await?;
    let set: BTreeSet<OutPoint> = outputs.iter().filter(|one| one.funding).map(|one| one.outpoint).collect();
    let other_set = judgement.counted.iter().copied().collect::<BTreeSet<_>>() != set;
    if row.state.funding_is_fixed() {
        // Of a funded trade only the funding set counts; everything else is a stray.
        let funding = || outputs.iter().filter(|output| output.funding);
        let whole = is_whole(&outputs);
        let confirmed = sum(funding().filter(|output| output.height.is_some() && output.gone_at.is_none()));
        return Ok(Deposit {
            seen: sum(funding().filter(|output| output.gone_at.is_none())),
            confirmed,
            counted: confirmed,
            in_time: true,
            whole,
            renewed: !whole && other_set && judgement.is_funded(),
        });
    }
    let there = || outputs.iter().filter(|output| output.gone_at.is_none() && !is_taken(output, row, tip));
    Ok(Deposit {
        seen: sum(there()),
        confirmed: sum(there().filter(|output| output.spent_by.is_none() && is_ripe(output, tip))),
        counted: judgement.sum,
        in_time: true,
        whole: false,
        renewed: match row.state.stage {
            Stage::RefundDue => !set.is_empty() && refunds_other(&outputs, tip),
            Stage::Disputed | Stage::Ruled => {
                let undone = undone(client, row, tip).await?;
                divides_other(&outputs, &undone, row, tip, known_to(desk, client).await?)
            }
            _ => !judgement.counted.is_empty() && !set.is_empty() && other_set,
        },
    })
}

/// Outputs are chosen as the deposit.
pub fn has_set(row: &TradeRow, outputs: &[DepositRow]) -> bool {
    row.state.stage != Stage::AwaitingDeposit && outputs.iter().any(|output| output.funding)
}

/// The funding set as far as it is there, spent or not. Before one is fixed everything at the address is the escrow's.
pub fn escrowed<'a>(row: &TradeRow, outputs: &'a [DepositRow]) -> Vec<&'a DepositRow> {
    let has_set = has_set(row, outputs);
    outputs.iter().filter(|output| output.gone_at.is_none() && (output.funding || !has_set)).collect()
}

/// The funding set is in the chain, spent or not.
pub fn is_whole(outputs: &[DepositRow]) -> bool {
    let mut funding = outputs.iter().filter(|output| output.funding).peekable();
    funding.peek().is_some() && funding.all(|one| one.gone_at.is_none() && one.height.is_some())
}

/// What the refund of a deposit that never became one spends: as much as one transaction may, the largest first.
pub fn to_refund(outputs: &[DepositRow], tip: u32) -> Vec<&DepositRow> {
    let mut there: Vec<_> = outputs.iter().filter(|output| output.is_there() && is_ripe(output, tip)).collect();
    there.sort_by_key(|output| std::cmp::Reverse(output.value));
    there.truncate(escrow::COUNTED_OUTPUTS_MAX);
    there
}

/// The refund was built over other outputs than it would be now; they may come to the same sum.
fn refunds_other(outputs: &[DepositRow], tip: u32) -> bool {
    let now: BTreeSet<OutPoint> = to_refund(outputs, tip).into_iter().map(|one| one.outpoint).collect();
    outputs.iter().any(|one| one.funding != now.contains(&one.outpoint))
}

/// The outputs that a dispute was about are gone, or were never fixed, and others are there that are worth a transaction.
/// As long as the first are there, or may be back soon, what there is to divide stays the same, whatever comes beside it.
fn divides_other(
    outputs: &[DepositRow],
    undone: &BTreeSet<Txid>,
    row: &TradeRow,
    tip: u32,
    known_to: Timestamp,
) -> bool {
    let set = outputs.iter().filter(|one| one.funding).count();
    let stands = set > 0 && standing(outputs, undone, row, tip).len() == set;
    let waits = pending(outputs, undone, row, tip).into_iter().any(|one| may_be_back_soon(one, known_to));
    let is_worth_it = sum(to_refund(outputs, tip).into_iter()).to_sat() >= NOTHING_BELOW_SAT;
    !stands && !waits && is_worth_it && refunds_other(outputs, tip)
}

/// At most all the money there is.
pub fn sum<'a>(outputs: impl Iterator<Item = &'a DepositRow>) -> Amount {
    outputs.fold(Amount::ZERO, |sum, output| sum.checked_add(output.value).unwrap_or(Amount::MAX_MONEY))
}
