//! On a practice desk anyone can pay a deposit with play money and mine blocks.

use bitcoin::{Address, Amount, WitnessProgram, WitnessVersion};
use jiff::Timestamp;

use super::error::{Done, Error};
use super::secrets::sha256;
use super::{Desk, funding, room, trades, watcher, worker};
use crate::chain::practice::Practice;
use crate::domain::money::parse_btc;
use crate::domain::{PublicRef, Refusal, UserId, Wish};

/// More than a person would wait for.
const BLOCKS_MAX: u32 = 100;

fn chain(desk: &Desk) -> Done<&Practice> {
    desk.practice.as_deref().ok_or_else(|| Refusal::not_found().into())
}

/// Pays into the escrow of one's own trade from the play money; empty: exactly the deposit due, or what is missing of it.
pub async fn deposit(desk: &Desk, reference: PublicRef, account: UserId, amount: &str) -> Done<()> {
    let practice = chain(desk)?;
    let client = desk.store.connection().await?;
    let (row, _) = trades::of_party(&client, reference, account).await?;
    if !(row.state.buyer_agreed && row.state.seller_agreed) {
        return Err(Refusal::conflict("Both sign the contract first.").into());
    }
    let missing = funding::missing(&client, &row).await?;
    drop(client);
    let amount: Amount = match amount.trim() {
        "" => missing.map_or(row.deposit, |missing| missing.top_up),
        typed => parse_btc(typed).map_err(|why| Refusal::field("amount", why.to_string()))?,
    };
    practice.pay(&row.script, amount).map_err(|why| Refusal::invalid(why.to_string()))?;
    worker::work_once(desk).await
}

/// An address for somebody who has no wallet at hand: nobody has its key, so play money sent there stays there.
pub fn play_address(desk: &Desk, account: UserId) -> Option<String> {
    desk.practice.as_ref()?;
    let digest = sha256(format!("play address of {account}"));
    let program = WitnessProgram::new(WitnessVersion::V0, digest.get(..20)?).ok()?;
    Some(Address::from_witness_program(program, desk.rules.network).to_string())
}

/// Says one of the sentences that practice partners understand in the room of one's own trade.
pub async fn wish(desk: &Desk, reference: PublicRef, account: UserId, wish: Wish) -> Done<()> {
    chain(desk)?;
    room::say(desk, reference, account, wish.as_str(), None).await
}

/// Mines blocks at once.
pub async fn mine(desk: &Desk, blocks: &str) -> Done<()> {
    let practice = chain(desk)?;
    let blocks: u32 = blocks.trim().parse().unwrap_or(1);
    if !(1..=BLOCKS_MAX).contains(&blocks) {
        return Err(Refusal::field("blocks", format!("From 1 to {BLOCKS_MAX} blocks at a time.")).into());
    }
    practice.mine(blocks, Timestamp::now()).map_err(|why| Error::broken(why.to_string()))?;
    worker::work_once(desk).await
}

/// Height of the chain and transactions that wait for a block.
pub async fn state(desk: &Desk) -> Done<(u32, usize)> {
    let practice = chain(desk)?;
    let tip = desk.chain.tip().await.map_err(watcher::chain_trouble)?;
    Ok((tip.block.height, practice.waiting()))
}
