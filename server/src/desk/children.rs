//! Children that pay for a payout: who owns an output of it makes it faster alone (protocol §7).

use std::collections::BTreeMap;

use bitcoin::{Address, Amount, FeeRate, Txid};

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::trades::{self, Held};
use super::{Desk, estimates, handover};
use crate::domain::{Party, PublicRef, Refusal, Stage, UserId};
use crate::escrow::child::{Child, Own};
use crate::escrow::contract::Payee;
use crate::escrow::pace::Cost;
use crate::escrow::{SignedChild, SignedPayout, address};
use crate::store::children::{self as store, ChildRow};
use crate::store::trades::TradeRow;
use crate::store::{GenericClient, Transaction};

/// Children that one party brings of one payout: each pays more than the one before, so nobody comes near.
const CHILDREN_MAX: usize = 20;

/// The output of the payout under way that somebody owns.
#[derive(Debug)]
pub struct Parent {
    payout: SignedPayout,
    fee: Amount,
    vout: u32,
    pub address: Address,
    pub value: Amount,
}

impl Parent {
    fn own(&self, book: &EscrowBook) -> Own<'_> {
        Own {
            parent: self.payout.transaction(),
            parent_fee: self.fee,
            vout: self.vout,
            network: book.contract.network,
            escrow: book.agreed.lock().script_pubkey(),
        }
    }
}

/// One child that could be signed.
#[derive(Debug)]
pub struct Offer {
    pub blocks: u16,
    pub made: Result<Child, Refusal>,
}

/// Everything the page of children shows.
#[derive(Debug)]
pub struct Children {
    pub row: TradeRow,
    pub party: Party,
    pub txid: Txid,
    /// What the payout pays by itself.
    pub cost: Cost,
    pub expected: String,
    pub address: Address,
    pub value: Amount,
    /// Where the child pays to.
    pub to: Address,
    pub offers: Vec<Offer>,
    pub brought: Vec<ChildRow>,
}

fn payee(party: Party) -> Result<Payee, Refusal> {
    match party {
        Party::Buyer => Ok(Payee::Buyer),
        Party::Seller => Ok(Payee::Seller),
        Party::Arbitrator => Err(Refusal::conflict("Only who is paid by this payout can add to its fee.")),
    }
}

/// The own output of the payout under way.
pub(super) fn parent(row: &TradeRow, book: &EscrowBook, party: Party) -> Done<Parent> {
    let running = row.payout_txid.zip(row.state.paying_out).filter(|_| row.state.stage == Stage::PayingOut);
    let (txid, kind) =
        running.ok_or_else(|| Refusal::conflict("No payout of this trade waits for a confirmation now."))?;
    let kept = book.payout_of(kind, txid).ok_or_else(|| Error::broken("the payout under way is none of its trade"))?;
    let payee = payee(party)?;
    let payout = book.payout(kept)?;
    let share = payout.shares().iter().find(|share| share.payee == payee);
    let share = share.ok_or_else(|| Refusal::conflict("This payout pays you nothing, so you have no output of it."))?;
    let signed = book.signed(kept)?.ok_or_else(|| Error::broken("the payout under way lacks a signature"))?;
    let outputs = signed.transaction().output.iter();
    let place = outputs.enumerate().find(|(_, output)| output.script_pubkey == share.script);
    let (place, output) = place.ok_or_else(|| Error::broken("a share has no output"))?;
    let address = Address::from_script(&share.script, book.contract.network).map_err(anyhow::Error::from)?;
    let vout = u32::try_from(place).map_err(|_| Error::broken("too many outputs"))?;
    Ok(Parent { fee: payout.fee(), vout, address, value: output.value, payout: signed })
}

/// The latest child of each output of a payout, checked once more, the one that makes it fastest first. One that cannot be
/// read stands in nobody's way.
pub(super) async fn standing(
    client: &impl GenericClient,
    row: &TradeRow,
    book: &EscrowBook,
    payout: Txid,
) -> Done<Vec<SignedChild>> {
    let mut of_output: BTreeMap<u32, ChildRow> = BTreeMap::new();
    for child in store::of_trade(client, row.id).await?.into_iter().filter(|child| child.parent == payout) {
        of_output.insert(child.vout, child);
    }
    let mut standing: Vec<(FeeRate, SignedChild)> = Vec::new();
    for kept in of_output.into_values() {
        let parent = parent(row, book, kept.party)?;
        let own = parent.own(book);
        match SignedChild::read(&kept.raw, &own) {
            Ok(child) => standing.push((together(own.parent_cost(), &child).rate(), child)),
            Err(why) => tracing::warn!(trade.id = %row.reference, txid = %kept.txid, %why, "a child cannot be read"),
        }
    }
    standing.sort_by_key(|(rate, _)| std::cmp::Reverse(*rate));
    Ok(standing.into_iter().map(|(_, child)| child).collect())
}

/// Of those the one that makes it fastest: whoever else has an output cannot put a lesser one in its place.
pub(super) async fn latest(
    client: &impl GenericClient,
    row: &TradeRow,
    book: &EscrowBook,
    payout: Txid,
) -> Done<Option<SignedChild>> {
    Ok(standing(client, row, book, payout).await?.into_iter().next())
}

/// What a payout and its child pay for both.
fn together(parent: Cost, child: &SignedChild) -> Cost {
    let vbytes = u64::try_from(child.transaction().vsize()).unwrap_or(u64::MAX);
    Cost { fee: parent.fee + child.fee(), vbytes: parent.vbytes.saturating_add(vbytes) }
}

/// The fee of the child that a new one of this output replaces.
fn before(brought: &[ChildRow], parent: &Parent) -> Option<Amount> {
    let own = brought.iter().filter(|child| child.parent == parent.payout.txid() && child.vout == parent.vout);
    own.map(|child| child.fee).max()
}

/// What can be signed, for every wait that is estimated. `to` is empty for the output's own address.
pub async fn offered(desk: &Desk, reference: PublicRef, account: UserId, to: &str) -> Done<Children> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let book = EscrowBook::read(&client, &row).await?;
    let parent = parent(&row, &book, party)?;
    let to = destination(&book, &parent, to)?;
    let brought = store::of_trade(&client, row.id).await?;
    let (own, before) = (parent.own(&book), before(&brought, &parent));
    let offer = |blocks| Offer { blocks, made: Child::build(&own, &to, book.pace.rate_within(blocks), before) };
    let offers = book.pace.targets().map(offer).collect();
    let cost = own.parent_cost();
    Ok(Children {
        txid: parent.payout.txid(),
        expected: estimates::in_words(book.pace.blocks_at(cost.rate())),
        cost,
        offers,
        address: parent.address.clone(),
        value: parent.value,
        to,
        brought,
        row,
        party,
    })
}

fn destination(book: &EscrowBook, parent: &Parent, to: &str) -> Result<Address, Refusal> {
    if to.trim().is_empty() {
        return Ok(parent.address.clone());
    }
    address::payable_from(to, &book.agreed.lock().script_pubkey(), book.contract.network)
        .map_err(|why| Refusal::field("to", why.to_string()))
}

/// The child for one wait, as a file to sign.
pub async fn file(desk: &Desk, reference: PublicRef, account: UserId, blocks: u16, to: &str) -> Done<Vec<u8>> {
    let offered = offered(desk, reference, account, to).await?;
    let offer = offered.offers.into_iter().find(|offer| offer.blocks == blocks).ok_or_else(Refusal::not_found)?;
    Ok(offer.made?.psbt().serialize())
}

/// Takes a signed child and sends it off, together with the payout.
pub async fn bring(desk: &Desk, reference: PublicRef, account: UserId, seen: &str, upload: &[u8]) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let book = EscrowBook::read(&tx, &row).await?;
    let parent = parent(&row, &book, party)?;
    let brought = store::of_trade(&tx, row.id).await?;
    let own = brought.iter().filter(|child| (child.party, child.parent) == (party, parent.payout.txid()));
    if own.count() >= CHILDREN_MAX {
        return Err(Refusal::conflict("You have brought too many children of this payout already. Wait for it.").into());
    }
    let signed = SignedChild::read(upload, &parent.own(&book))?;
    if brought.iter().any(|child| child.txid == signed.txid()) {
        return Err(Refusal::conflict("This child is here already.").into());
    }
    replaces(&signed, before(&brought, &parent))?;
    let child = ChildRow {
        txid: signed.txid(),
        parent: parent.payout.txid(),
        vout: parent.vout,
        party,
        raw: bitcoin::consensus::serialize(signed.transaction()),
        fee: signed.fee(),
        brought_at: now,
    };
    store::keep(&tx, row.id, &child).await?;
    handover::ask(&tx, &row, &handover::of_child(child.txid), now).await?;
    told(&tx, &row, party, &child, now).await?;
    desk.keep(tx).await?;
    Ok(row)
}

fn replaces(child: &SignedChild, before: Option<Amount>) -> Result<(), Refusal> {
    let Some(before) = before else { return Ok(()) };
    let vbytes = u64::try_from(child.transaction().vsize()).unwrap_or(u64::MAX);
    let cost = Cost { fee: child.fee(), vbytes };
    if cost.replaces(before) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "This child must pay more than the one before it: at least {} sat.",
        cost.least_to_replace(before).to_sat()
    )))
}

async fn told(tx: &Transaction<'_>, row: &TradeRow, party: Party, child: &ChildRow, now: jiff::Timestamp) -> Done<()> {
    let words = format!(
        "{} adds {} sat to the payout's miner fee, with a child of it.",
        row.name_of(party),
        child.fee.to_sat()
    );
    super::room::system(tx, row.id, &words, now).await
}
