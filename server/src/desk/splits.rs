//! What a division of an escrow would pay, at every fee step, before anybody signs anything.

use bitcoin::Amount;
use uuid::Uuid;

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::signing::{self, Line};
use crate::domain::Refusal;
use crate::domain::parts::Parts;
use crate::domain::trade::PayoutKind as Word;
use crate::escrow::contract::Payee;
use crate::escrow::division::divisible;
use crate::escrow::payout::PayoutKind as Kind;
use crate::escrow::{FeeStep, Payout};

/// One transaction of a division.
#[derive(Debug, Clone)]
pub struct Step {
    /// It stands for these multiples of the contract's fee rate.
    pub multiples: Vec<u32>,
    pub fee: Amount,
    pub vbytes: u64,
    pub buyer: Amount,
    pub seller: Amount,
    pub desk: Amount,
    pub arbitrator: Amount,
    pub txid: String,
    /// Who gets how much, where.
    pub lines: Vec<Line>,
    /// The one an own wallet signs, and the pages name first.
    pub usual: bool,
    /// How many blocks it is expected to take.
    pub expected: Option<u16>,
}

/// What there is to divide.
pub fn pot(book: &EscrowBook) -> Amount {
    divisible(&book.agreed, book.funding_total())
}

/// A settlement or a ruling with these parts.
pub fn kind_of(word: Word, parts: Parts) -> Kind {
    let Parts { buyer, seller } = parts;
    match word {
        Word::Release => Kind::Release,
        Word::Refund => Kind::Refund,
        Word::Settlement => Kind::Settlement { buyer, seller },
        Word::Ruling => Kind::Ruling { buyer, seller },
    }
}

/// There is something to divide, and nobody is spending it.
pub fn there_are_coins(book: &EscrowBook) -> Result<(), Refusal> {
    let mut funding = book.deposits.iter().filter(|deposit| deposit.funding).peekable();
    if funding.peek().is_none() {
        return Err(Refusal::conflict("There are no coins to divide: the deposit is not confirmed."));
    }
    if funding.any(|deposit| !deposit.is_there()) {
        return Err(Refusal::conflict(
            "The coins of this escrow are being spent, or the chain was reorganised. Look at the trade again in a minute.",
        ));
    }
    Ok(())
}

/// The transactions of a division. Refused when fees would eat one of the parts: then nobody would get what was said.
pub fn steps(book: &EscrowBook, word: Word, parts: Parts) -> Done<Vec<Step>> {
    there_are_coins(book)?;
    let coins = book.funding();
    let payouts = book.built(kind_of(word, parts), &coins)?;
    payouts.iter().map(|payout| step(book, parts, payout)).collect()
}

/// The transactions that were built for a settlement or a ruling, whatever became of it.
pub fn kept(book: &EscrowBook, about: Uuid) -> Done<Vec<Step>> {
    let rows = book.payouts.iter().filter(|row| row.about == Some(about));
    rows.map(|row| Ok(shown(book, &book.payout(row)?))).collect()
}

fn step(book: &EscrowBook, parts: Parts, payout: &Payout) -> Done<Step> {
    let (buyer, seller) = (payout.amount_to(Payee::Buyer), payout.amount_to(Payee::Seller));
    let eaten = |part: Amount, paid: Amount| part > Amount::ZERO && paid == Amount::ZERO;
    if eaten(parts.buyer, buyer) || eaten(parts.seller, seller) {
        let who = if eaten(parts.buyer, buyer) { "buyer" } else { "seller" };
        return Err(Error::Refused(Refusal::field(
            "buyer",
            format!("After fees the {who}'s part would be too small to be paid out (546 sat). Give nothing, or more."),
        )));
    }
    Ok(shown(book, payout))
}

pub(super) fn shown(book: &EscrowBook, payout: &Payout) -> Step {
    Step {
        multiples: payout.steps().iter().map(|step| step.multiple()).collect(),
        fee: payout.fee(),
        vbytes: payout.vbytes(),
        buyer: payout.amount_to(Payee::Buyer),
        seller: payout.amount_to(Payee::Seller),
        desk: payout.amount_to(Payee::Desk),
        arbitrator: payout.amount_to(Payee::Arbitrator),
        txid: payout.spend().txid().to_string(),
        lines: signing::lines(book, payout),
        usual: payout.steps().contains(&FeeStep::OWN_WALLET),
        expected: book.pace.blocks_at(payout.cost().rate()),
    }
}
