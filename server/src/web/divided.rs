//! A division of an escrow as pages show it: the parts, and each transaction with who gets what.

use bitcoin::Amount;
use serde::Serialize;

use super::shown::{Choice, bitcoin};
use crate::desk::splits::Step;
use crate::domain::parts::Parts;

/// The parts before fees.
#[derive(Debug, Clone, Serialize)]
pub struct PartsShown {
    pub buyer: String,
    pub seller: String,
    /// Of the whole, for people: `60 %`.
    pub buyer_share: String,
    pub seller_share: String,
}

/// One transaction.
#[derive(Debug, Clone, Serialize)]
pub struct StepShown {
    /// `fee ×2`, `fee ×1 and ×2`.
    pub name: String,
    pub fee: String,
    pub rate: String,
    pub rows: Vec<RowShown>,
    pub txid: String,
    pub usual: bool,
}

/// Who gets how much, where.
#[derive(Debug, Clone, Serialize)]
pub struct RowShown {
    pub label: String,
    pub amount: String,
    pub address: String,
}

impl PartsShown {
    pub fn new(parts: Parts, unit: &str) -> Self {
        let whole = parts.buyer.checked_add(parts.seller).unwrap_or(Amount::MAX_MONEY);
        Self {
            buyer: part(parts.buyer, unit),
            seller: part(parts.seller, unit),
            buyer_share: share(parts.buyer, whole),
            seller_share: share(parts.seller, whole),
        }
    }
}

fn part(amount: Amount, unit: &str) -> String {
    if amount == Amount::ZERO { "nothing".into() } else { bitcoin(amount, unit) }
}

/// Per cent with at most two decimals: `60 %`, `33.33 %`.
fn share(part: Amount, whole: Amount) -> String {
    let hundredths = u128::from(part.to_sat()) * 10_000 / u128::from(whole.to_sat().max(1));
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole} %"),
        (whole, rest) => format!("{whole}.{rest:02} %"),
    }
}

/// The steps, the usual one first named as such.
pub fn steps(steps: &[Step], unit: &str) -> Vec<StepShown> {
    steps
        .iter()
        .map(|step| {
            let multiples: Vec<String> = step.multiples.iter().map(|one| format!("×{one}")).collect();
            StepShown {
                name: format!("fee {}", multiples.join(" and ")),
                fee: bitcoin(step.fee, unit),
                rate: format!("{} sat/vB", step.fee.to_sat().div_ceil(step.vbytes.max(1))),
                rows: step
                    .lines
                    .iter()
                    .map(|line| RowShown {
                        label: line.label.clone(),
                        amount: line.amount.clone(),
                        address: line.address.clone(),
                    })
                    .collect(),
                txid: step.txid.clone(),
                usual: step.usual,
            }
        })
        .collect()
}

/// The units a part can be typed in.
pub fn units() -> Vec<Choice> {
    vec![Choice::new("percent", "per cent"), Choice::new("btc", "BTC"), Choice::new("sat", "sat")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_in_per_cent() {
        let shown = |buyer, seller| {
            let parts = Parts { buyer: Amount::from_sat(buyer), seller: Amount::from_sat(seller) };
            let shown = PartsShown::new(parts, "sat");
            (shown.buyer_share, shown.seller_share)
        };
        assert_eq!(shown(600_000, 400_000), ("60 %".into(), "40 %".into()));
        assert_eq!(shown(1, 2), ("33.33 %".into(), "66.66 %".into()));
        assert_eq!(shown(0, 5), ("0 %".into(), "100 %".into()));
    }
}
