//! Who gets how much of what the inputs hold (protocol §7). Divisions round down; every satoshi has an owner.
//!
//! With `due` the contract's deposit and `total` what the inputs hold, the **surplus** is what `total` has above
//! `due`, and the **divisible** sum is the rest. A release is a split that gives the buyer everything divisible.
//!
//! 1. Parts: the buyer's and the seller's of the divisible sum, before fees.
//! 2. Desk fee: desk fee × buyer's part / due, taken from the buyer's part; below 546 sat it is zero.
//! 3. Miner fee: the part of it that a transaction with one input, and without an output for the surplus alone, would
//!    not pay (fee − ⌊fee × smaller weight / weight⌋), is taken from the surplus as far as it reaches.
//! 4. The rest of the miner fee, and a ruling's arbitrator fee, are borne in proportion to the parts: the larger part
//!    (the buyer's, if equal) bears ⌊fee × larger / divisible⌋, the smaller part the rest.
//! 5. What is left of the surplus goes to the seller's output.
//! 6. A part that ends below 546 sat counts as the other trader's from the start; an output for the surplus alone that
//!    would be below 546 sat is left out and the surplus stays with the buyer. A refund is `total` less the miner fee.

use bitcoin::{Amount, ScriptBuf, TxOut};

use super::contract::{Agreed, Payee};
use super::fees;
use super::payout::PayoutKind;
use crate::domain::Refusal;

/// One output of a payout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub payee: Payee,
    pub script: ScriptBuf,
    pub amount: Amount,
}

impl Share {
    pub(super) fn output(&self) -> TxOut {
        TxOut { value: self.amount, script_pubkey: self.script.clone() }
    }
}

/// A division and the miner fee it leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    pub shares: Vec<Share>,
    pub fee: Amount,
    pub vbytes: u64,
}

/// What the two parts of a settlement or a ruling must come to: the deposit due, or what there is if that is less.
pub fn divisible(agreed: &Agreed, total: Amount) -> Amount {
    agreed.deposit.min(total)
}

/// Divides what `inputs` inputs hold together. `fee_of` gives the fee for a size in virtual bytes.
pub(super) fn divide(
    agreed: &Agreed,
    kind: PayoutKind,
    total: Amount,
    inputs: usize,
    fee_of: impl Fn(u64) -> Amount,
) -> Result<Division, Refusal> {
    let pot = Pot {
        agreed,
        total,
        inputs,
        divisible: divisible(agreed, total),
        arbitrator_fee: arbitrator_fee(agreed, kind),
    };
    let surplus = pot.surplus();
    let mut plan = match kind {
        PayoutKind::Refund | PayoutKind::Stray => return refund(&pot, fee_of),
        PayoutKind::Release if total < agreed.deposit => {
            return Err(Refusal::conflict(
                "There is less in the escrow than was agreed, so it cannot be released in full. Agree on a settlement.",
            ));
        }
        PayoutKind::Release => Plan::whole_to_buyer(&pot),
        PayoutKind::Settlement { buyer, seller } | PayoutKind::Ruling { buyer, seller } => {
            if buyer.checked_add(seller) != Some(pot.divisible) {
                return Err(Refusal::invalid(format!(
                    "The two parts must come to {} sat together.",
                    pot.divisible.to_sat()
                )));
            }
            Plan { buyer, seller, surplus_output: surplus > Amount::ZERO }
        }
    };
    // Each round takes one output away or moves a part once, so this ends.
    for _ in 0..4 {
        match plan.carry_out(&pot, &fee_of)? {
            Outcome::Done(division) => return Ok(division),
            Outcome::Dust(Payee::Buyer) if plan.has_both() => plan = Plan::whole_to_seller(&pot),
            Outcome::Dust(Payee::Seller) if plan.has_both() => plan = Plan::whole_to_buyer(&pot),
            Outcome::Dust(Payee::Seller) if plan.surplus_output => plan.surplus_output = false,
            Outcome::Dust(_) => break,
        }
    }
    Err(too_little())
}

fn too_little() -> Refusal {
    Refusal::conflict("After miner fees there is too little left to be paid out.")
}

fn arbitrator_fee(agreed: &Agreed, kind: PayoutKind) -> Amount {
    match kind {
        PayoutKind::Ruling { .. } => agreed.arbitrator_fee,
        _ => Amount::ZERO,
    }
}

fn refund(pot: &Pot<'_>, fee_of: impl Fn(u64) -> Amount) -> Result<Division, Refusal> {
    let script = &pot.agreed.seller;
    let vbytes = fees::weight(pot.inputs, [script]).div_ceil(4);
    let fee = fee_of(vbytes);
    let amount = pot.total.checked_sub(fee).filter(|amount| *amount >= fees::DUST).ok_or_else(too_little)?;
    let shares = vec![Share { payee: Payee::Seller, script: script.clone(), amount }];
    Ok(Division { shares, fee, vbytes })
}

/// What there is to divide.
struct Pot<'a> {
    agreed: &'a Agreed,
    total: Amount,
    inputs: usize,
    divisible: Amount,
    arbitrator_fee: Amount,
}

impl Pot<'_> {
    fn surplus(&self) -> Amount {
        self.total.checked_sub(self.divisible).unwrap_or(Amount::ZERO)
    }
}

/// The parts before fees, and whether the seller has an output for the surplus.
struct Plan {
    buyer: Amount,
    seller: Amount,
    surplus_output: bool,
}

enum Outcome {
    Done(Division),
    /// This trader's output would be dust.
    Dust(Payee),
}

impl Plan {
    fn has_both(&self) -> bool {
        self.buyer > Amount::ZERO && self.seller > Amount::ZERO
    }

    fn whole_to_buyer(pot: &Pot<'_>) -> Self {
        Self { buyer: pot.divisible, seller: Amount::ZERO, surplus_output: pot.surplus() > Amount::ZERO }
    }

    fn whole_to_seller(pot: &Pot<'_>) -> Self {
        Self { buyer: Amount::ZERO, seller: pot.divisible, surplus_output: false }
    }

    fn carry_out(&self, pot: &Pot<'_>, fee_of: impl Fn(u64) -> Amount) -> Result<Outcome, Refusal> {
        let (agreed, none) = (pot.agreed, Amount::ZERO);
        let desk = proportion(agreed.desk_fee, self.buyer, agreed.deposit);
        let desk = if desk < fees::DUST { none } else { desk };
        let has_buyer = self.buyer > none;
        let has_seller = self.seller > none || self.surplus_output;

        let scripts = |with_seller: bool| {
            let desk = agreed.desk.as_ref().filter(|_| desk > none);
            let arbitrator = agreed.arbitrator.as_ref().filter(|_| pot.arbitrator_fee > none);
            let traders = [has_buyer.then_some(&agreed.buyer), with_seller.then_some(&agreed.seller)];
            traders.into_iter().chain([desk, arbitrator]).flatten()
        };
        let weight = fees::weight(pot.inputs, scripts(has_seller));
        let smaller = fees::weight(1, scripts(has_seller && self.seller > none));
        let vbytes = weight.div_ceil(4);
        let fee = fee_of(vbytes);

        let of_surplus = (fee - scale(fee, smaller, weight)).min(pot.surplus());
        let surplus = pot.surplus() - of_surplus;
        let miners = self.borne(pot, fee - of_surplus);
        let arbitrators = self.borne(pot, pot.arbitrator_fee);
        let buyer = less(self.buyer, &[desk, miners.0, arbitrators.0]);
        let seller = less(self.seller, &[miners.1, arbitrators.1]);
        let (buyer, seller) = match (buyer, seller) {
            (Some(buyer), Some(seller)) if has_seller => (buyer, seller + surplus),
            (Some(buyer), Some(seller)) => (buyer + surplus, seller),
            (None, _) => return Ok(Outcome::Dust(Payee::Buyer)),
            (_, None) => return Ok(Outcome::Dust(Payee::Seller)),
        };
        if has_buyer && buyer < fees::DUST {
            return Ok(Outcome::Dust(Payee::Buyer));
        }
        if has_seller && seller < fees::DUST {
            return Ok(Outcome::Dust(Payee::Seller));
        }
        let amounts = [
            (Payee::Buyer, buyer, has_buyer),
            (Payee::Seller, seller, has_seller),
            (Payee::Desk, desk, desk > none),
            (Payee::Arbitrator, pot.arbitrator_fee, pot.arbitrator_fee > none),
        ];
        let share = |(payee, amount, _): (Payee, Amount, bool)| {
            let script = agreed.script(payee).cloned().ok_or_else(too_little)?;
            Ok(Share { payee, script, amount })
        };
        let shares = amounts.into_iter().filter(|(_, _, there)| *there).map(share).collect::<Result<_, Refusal>>()?;
        Ok(Outcome::Done(Division { shares, fee, vbytes }))
    }

    /// What buyer and seller bear of a fee, in proportion to their parts.
    fn borne(&self, pot: &Pot<'_>, fee: Amount) -> (Amount, Amount) {
        if self.buyer >= self.seller {
            let buyer = proportion(fee, self.buyer, pot.divisible);
            (buyer, fee - buyer)
        } else {
            let seller = proportion(fee, self.seller, pot.divisible);
            (fee - seller, seller)
        }
    }
}

fn less(amount: Amount, charges: &[Amount]) -> Option<Amount> {
    charges.iter().try_fold(amount, |left, charge| left.checked_sub(*charge))
}

/// ⌊amount × part / whole⌋, never more than the amount.
fn proportion(amount: Amount, part: Amount, whole: Amount) -> Amount {
    scale(amount, part.to_sat(), whole.to_sat())
}

fn scale(amount: Amount, part: u64, whole: u64) -> Amount {
    if part >= whole {
        return amount;
    }
    let product = u128::from(amount.to_sat()) * u128::from(part) / u128::from(whole);
    Amount::from_sat(u64::try_from(product).unwrap_or(u64::MAX).min(amount.to_sat()))
}

#[cfg(test)]
mod tests;
