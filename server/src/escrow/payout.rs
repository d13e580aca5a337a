//! Payouts: every transaction that spends the escrow, built from the contract and nothing else (protocol §7).

use bitcoin::{Amount, FeeRate, Psbt};

use super::contract::Agreed;
use super::deposit::COUNTED_OUTPUTS_MAX;
use super::division::{Division, Share, divide};
use super::fees::{self, FeeStep};
use super::pace::Cost;
use super::spend::{Coin, Spend};
use crate::domain::Refusal;

/// What a payout is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayoutKind {
    /// The buyer gets what he bought.
    Release,
    /// All to the seller's refund address, no desk fee.
    Refund,
    /// Agreed parts before fees, see [`super::division::divisible`].
    Settlement { buyer: Amount, seller: Amount },
    /// As a settlement, decided by the arbitrator; his fee comes on top.
    Ruling { buyer: Amount, seller: Amount },
    /// Outputs that are not of the funding set, back to the seller's refund address.
    Stray,
}

impl PayoutKind {
    /// The word in the database, in URLs and in the signer's envelope.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Refund => "refund",
            Self::Settlement { .. } => "settlement",
            Self::Ruling { .. } => "ruling",
            Self::Stray => "stray",
        }
    }

    /// From the word and, for settlements and rulings, the parts.
    pub fn from_word(word: &str, buyer: Amount, seller: Amount) -> Option<Self> {
        Some(match word {
            "release" => Self::Release,
            "refund" => Self::Refund,
            "settlement" => Self::Settlement { buyer, seller },
            "ruling" => Self::Ruling { buyer, seller },
            "stray" => Self::Stray,
            _ => return None,
        })
    }
}

/// One canonical transaction of one payout at one fee, without signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    kind: PayoutKind,
    steps: Vec<FeeStep>,
    spend: Spend,
    division: Division,
}

impl Payout {
    /// The payouts of all fee steps over a funding set, the cheapest first; steps that come out equal are one. A step that
    /// cannot be paid, or does not stand its own check, is left out.
    ///
    /// # Errors
    ///
    /// The refusal of the first step, when none is left.
    pub fn of_all_steps(
        agreed: &Agreed,
        kind: PayoutKind,
        funding: &[Coin],
        estimate: FeeRate,
    ) -> Result<Vec<Self>, Refusal> {
        let mut payouts: Vec<Self> = Vec::new();
        let mut refused = None;
        for step in FeeStep::ALL {
            let payout = match Self::of_step(agreed, kind, funding, step, estimate) {
                Ok(payout) => payout,
                Err(refusal) => {
                    refused.get_or_insert(refusal);
                    continue;
                }
            };
            match payouts.iter_mut().find(|other| other.spend.txid() == payout.spend.txid()) {
                Some(same) => same.steps.push(step),
                None => payouts.push(payout),
            }
        }
        refused.filter(|_| payouts.is_empty()).map_or(Ok(payouts), Err)
    }

    /// One step of a payout. `estimate` is what gets a transaction confirmed within about 6 blocks.
    pub fn of_step(
        agreed: &Agreed,
        kind: PayoutKind,
        funding: &[Coin],
        step: FeeStep,
        estimate: FeeRate,
    ) -> Result<Self, Refusal> {
        let total = total(funding)?;
        let fee_of = |vbytes| fees::of_step(step, estimate, vbytes, total, agreed.fee_cap);
        let division = divide(agreed, kind, total, funding.len(), fee_of)?;
        let payout = Self::new(agreed, kind, funding, vec![step], division)?;
        payout.check(agreed, funding)?;
        Ok(payout)
    }

    /// A payout as the desk stored it. The stored PSBT decides only the miner fee: everything else is built again
    /// from the contract and the funding set, and must come out the same.
    pub fn restore(
        agreed: &Agreed,
        kind: PayoutKind,
        funding: &[Coin],
        steps: Vec<FeeStep>,
        stored: &[u8],
    ) -> Result<Self, Refusal> {
        let broken = |_| Refusal::conflict("A stored payout is damaged; it is not signed and not sent.");
        let stored = Psbt::deserialize(stored).map_err(broken)?.unsigned_tx;
        let paid = stored.output.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.value));
        let fee = paid.and_then(|paid| total(funding).ok()?.checked_sub(paid)).ok_or_else(|| differs("its amounts"))?;
        let division = divide_again(agreed, kind, funding, fee, fees::weight_of(&stored).div_ceil(4))?;
        let payout = Self::new(agreed, kind, funding, steps, division)?;
        if *payout.spend.transaction() != stored {
            return Err(differs("its outputs or inputs"));
        }
        Ok(payout)
    }

    fn new(
        agreed: &Agreed,
        kind: PayoutKind,
        funding: &[Coin],
        steps: Vec<FeeStep>,
        division: Division,
    ) -> Result<Self, Refusal> {
        let outputs: Vec<_> = division.shares.iter().map(Share::output).collect();
        Ok(Self { kind, steps, spend: Spend::of_payout(&agreed.lock, funding, &outputs)?, division })
    }

    /// Checked when built, and again before broadcast: only agreed scripts and amounts, no dust, inputs = the funding
    /// set, fee within the limits, nothing left over.
    pub fn check(&self, agreed: &Agreed, funding: &[Coin]) -> Result<(), Refusal> {
        let total = total(funding)?;
        let mut spent: Vec<_> = self.spend.transaction().input.iter().map(|input| input.previous_output).collect();
        let mut funded: Vec<_> = funding.iter().map(|coin| coin.outpoint).collect();
        spent.sort();
        funded.sort();
        if spent != funded || *self.spend.lock() != agreed.lock {
            return Err(differs("its inputs"));
        }
        let division = &self.division;
        if division.shares.iter().any(|share| share.amount < fees::DUST) {
            return Err(differs("an output is below 546 satoshis"));
        }
        let paid = division.shares.iter().try_fold(division.fee, |sum, share| sum.checked_add(share.amount));
        if paid != Some(total) {
            return Err(differs("its amounts do not come to what is spent"));
        }
        if !fees::limits(division.vbytes, total, agreed.fee_cap).contains(&division.fee) {
            return Err(differs("its miner fee is outside the limits"));
        }
        if divide_again(agreed, self.kind, funding, division.fee, division.vbytes)? != *division {
            return Err(differs("its amounts"));
        }
        let again = Self::new(agreed, self.kind, funding, self.steps.clone(), division.clone())?;
        if again.spend.transaction() == self.spend.transaction() { Ok(()) } else { Err(differs("its form")) }
    }

    pub fn kind(&self) -> PayoutKind {
        self.kind
    }

    /// The fee steps that this transaction stands for.
    pub fn steps(&self) -> &[FeeStep] {
        &self.steps
    }

    /// The transaction and its canonical PSBT.
    pub fn spend(&self) -> &Spend {
        &self.spend
    }

    /// Who gets what, in the order buyer, seller, desk, arbitrator; those who get nothing are left out.
    pub fn shares(&self) -> &[Share] {
        &self.division.shares
    }

    /// What this party of the payout gets.
    pub fn amount_to(&self, payee: super::contract::Payee) -> Amount {
        let share = self.division.shares.iter().find(|share| share.payee == payee);
        share.map_or(Amount::ZERO, |share| share.amount)
    }

    pub fn fee(&self) -> Amount {
        self.division.fee
    }

    /// Budgeted with 72-byte signatures.
    pub fn vbytes(&self) -> u64 {
        self.division.vbytes
    }

    pub fn cost(&self) -> Cost {
        Cost { fee: self.fee(), vbytes: self.vbytes() }
    }
}

/// Divides at a known fee. A plan that was passed over when building was dust at its own fee, which was not above
/// the larger of this fee and this fee for its size: see [`fees::of_step`].
fn divide_again(
    agreed: &Agreed,
    kind: PayoutKind,
    funding: &[Coin],
    fee: Amount,
    vbytes: u64,
) -> Result<Division, Refusal> {
    let fee_of = |other: u64| {
        let scaled = (u128::from(fee.to_sat()) * u128::from(other)).div_ceil(u128::from(vbytes.max(1)));
        let scaled = Amount::from_sat(u64::try_from(scaled).unwrap_or(u64::MAX));
        if other == vbytes { fee } else { scaled.max(fee).min(Amount::MAX_MONEY) }
    };
    divide(agreed, kind, total(funding)?, funding.len(), fee_of)
}

fn differs(what: &str) -> Refusal {
    Refusal::conflict(format!("This payout is not the agreed one: {what}. It is not signed and not sent."))
}

/// What the funding set holds; refuses an empty one, one with too many outputs and one that names an output twice.
fn total(funding: &[Coin]) -> Result<Amount, Refusal> {
    let mut outpoints: Vec<_> = funding.iter().map(|coin| coin.outpoint).collect();
    outpoints.sort();
    outpoints.dedup();
    if outpoints.is_empty() || outpoints.len() != funding.len() || funding.len() > COUNTED_OUTPUTS_MAX {
        return Err(Refusal::conflict("A payout spends one to ten different outputs of the escrow."));
    }
    let sum = funding.iter().try_fold(Amount::ZERO, |sum, coin| sum.checked_add(coin.value));
    let sum = sum.filter(|sum| *sum <= Amount::MAX_MONEY);
    sum.ok_or_else(|| Refusal::conflict("There is more in these outputs than there is bitcoin."))
}

#[cfg(test)]
mod tests;
