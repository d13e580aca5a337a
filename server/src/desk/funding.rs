//! What stands at a trade's address, judged by the contract.

use bitcoin::Amount;

use super::Desk;
use super::error::Done;
use crate::domain::Stage;
use crate::domain::trade::Deposit;
use crate::escrow::deposit::{self as escrow, Due, Judgement, Missing, Seen, judge};
use crate::store::deposits::{self, DepositRow};
use crate::store::trades::TradeRow;
use crate::store::{GenericClient, payouts};

/// The height the desk has read to.
pub async fn tip_height(client: &impl GenericClient) -> Done<u32> {
    Ok(deposits::cursor(client).await?.map_or(0, |cursor| cursor.height))
}

/// Judges the outputs at the address by §6. Outputs first seen after the deposit window are left out while a deposit
/// is awaited: late is late.
pub async fn judged(_: &Desk, client: &impl GenericClient, row: &TradeRow) -> Done<Judgement> {
    let (seen, due) = counted(client, row).await?;
    Ok(judge(&seen, &due))
}

/// What is missing of a deposit that is awaited, once everything in time is deep enough.
pub async fn missing(client: &impl GenericClient, row: &TradeRow) -> Done<Option<Missing>> {
    if row.state.stage != Stage::AwaitingDeposit {
        return Ok(None);
    }
    let (seen, due) = counted(client, row).await?;
    Ok(escrow::missing(&seen, &due))
}

async fn counted(client: &impl GenericClient, row: &TradeRow) -> Done<(Vec<Seen>, Due)> {
    let tip = tip_height(client).await?;
    let outputs = deposits::of_trade(client, row.id).await?;
    let signed_for = payouts::signatures_of_trade(client, row.id).await?;
    let awaited = row.state.stage == Stage::AwaitingDeposit;
    let in_time = |output: &&DepositRow| !awaited || row.state.deposit_by.is_none_or(|by| output.seen_at < by);
    let seen: Vec<Seen> = outputs
        .iter()
        .filter(|output| output.is_there())
        .filter(in_time)
        .map(|output| Seen {
            outpoint: output.outpoint,
            value: output.value,
            confirmations: output.confirmations(tip),
            coinbase: output.coinbase,
            barred: output.funding && !signed_for.is_empty(),
        })
        .collect();
    let contract = crate::escrow::Contract::parse(&row.contract_text)?;
    let due = Due { deposit: row.deposit, feerate: contract.feerate, confirmations: row.state.confirmations };
    Ok((seen, due))
}

/// The same as the trade's own field.
pub async fn deposit_of(desk: &Desk, client: &impl GenericClient, row: &TradeRow) -> Done<Deposit> {
    let outputs = deposits::of_trade(client, row.id).await?;
    let sum = |outputs: &mut dyn Iterator<Item = &DepositRow>| {
        outputs.fold(Amount::ZERO, |sum, output| sum.checked_add(output.value).unwrap_or(Amount::MAX_MONEY))
    };
    if row.state.ever_funded && row.state.stage != Stage::AwaitingDeposit {
        // Of a funded trade only the funding set counts; everything else is a stray.
        let funding = || outputs.iter().filter(|output| output.funding && output.gone_at.is_none());
        let confirmed = sum(&mut funding().filter(|output| output.height.is_some()));
        return Ok(Deposit { seen: sum(&mut funding()), confirmed, counted: confirmed, in_time: true });
    }
    let there = || outputs.iter().filter(|output| output.is_there());
    let judgement = judged(desk, client, row).await?;
    Ok(Deposit {
        seen: sum(&mut there()),
        confirmed: sum(&mut there().filter(|output| output.height.is_some())),
        counted: judgement.sum,
        in_time: true,
    })
}
