//! What a contract must satisfy before anyone signs it.

use bitcoin::Amount;

use super::{Agreed, Contract, FeeShares, PayoutEntry, Payouts, fees};
use crate::domain::Refusal;
use crate::domain::hours::Hours;

/// A window longer than this is a mistake: 60 days in minutes.
const WINDOW_MINUTES_MAX: u32 = 60 * 24 * 60;

/// More blocks than anyone waits for.
const CONFIRMATIONS_MAX: u32 = 100;

/// The arbitrator takes at most one part in 50 (2 %).
const ARBITRATOR_FEE_PARTS: u64 = 50;

/// The desk takes at most one part in 20 (5 %) of the amount, both shares together.
const DESK_FEE_PARTS: u64 = 20;

pub(super) fn terms(contract: &Contract) -> Result<(), Refusal> {
    let odd = |words: &str| Err(Refusal::invalid(format!("The contract does not fit together: {words}.")));
    if contract.v != 1 {
        return odd("its version is not known here");
    }
    if contract.desk.is_empty() || !contract.desk.bytes().all(|b| b.is_ascii_graphic()) {
        return odd("the desk's name is not a host name");
    }
    if contract.buyer.skeleton() == contract.seller.skeleton() {
        return odd("buyer and seller are the same");
    }
    if contract.sign_by <= contract.created {
        return odd("it was to be signed before it was made");
    }
    if contract.currency.len() != 3 || !contract.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return odd("the currency is not a code of three letters");
    }
    if !is_decimal(&contract.price) || !is_decimal(&contract.fiat) {
        return odd("price and fiat amount must be plain decimal numbers above zero");
    }
    if !(1..=CONFIRMATIONS_MAX).contains(&contract.confirmations) {
        return odd("the number of confirmations is out of range");
    }
    if contract.hours.as_ref().is_some_and(Hours::is_none) {
        return odd("working hours that nobody has stated are null");
    }
    if !windows_are_sane(contract) {
        return odd("a window is zero or longer than 60 days");
    }
    if contract.payouts.release.iter().chain(&contract.payouts.refund).any(|entry| entry.sat < fees::DUST) {
        return odd("a payout is below 546 satoshis");
    }
    amounts(contract)?;
    payouts(contract)
}

fn amounts(contract: &Contract) -> Result<(), Refusal> {
    let odd = |words: &str| Err(Refusal::invalid(format!("The contract does not fit together: {words}.")));
    let FeeShares { seller, .. } = contract.desk_fee_sat;
    let total = contract.desk_fee_sat.total();
    if contract.deposit_sat > Amount::MAX_MONEY || contract.amount_sat.checked_add(seller) != Some(contract.deposit_sat)
    {
        return odd("the deposit is not the amount and the seller's share of the fee");
    }
    if total > contract.amount_sat / DESK_FEE_PARTS {
        return odd("the desk's fee is above 5 %");
    }
    if total > Amount::ZERO && total < fees::DUST {
        return odd("a desk fee below 546 satoshis must be zero");
    }
    if contract.arbitrator_fee_sat > contract.amount_sat / ARBITRATOR_FEE_PARTS {
        return odd("the arbitrator's fee is above 2 %");
    }
    if contract.arbitrator_fee_sat > Amount::ZERO && contract.arbitrator_fee_sat < fees::DUST {
        return odd("an arbitrator's fee below 546 satoshis must be zero");
    }
    if contract.feerate == 0 || u64::from(contract.feerate) > fees::FEERATE_SAT_PER_VB_MAX {
        return odd("the fee rate is out of range");
    }
    if contract.fee_cap_sat > fees::cap_of(contract.deposit_sat) || contract.fee_cap_sat == Amount::ZERO {
        return odd("the limit for miner fees is out of range");
    }
    Ok(())
}

/// The entries must be the ones that follow from the amounts.
fn payouts(contract: &Contract) -> Result<(), Refusal> {
    let odd = |words: &str| Err(Refusal::invalid(format!("The contract does not fit together: {words}.")));
    let given = &contract.payouts;
    let address = |entry: Option<&PayoutEntry>| entry.map(|entry| entry.address.clone());
    let buyer = address(given.release.first()).unwrap_or_default();
    let seller = address(given.refund.first()).unwrap_or_default();
    let desk = address(given.release.get(1));
    let expected =
        Payouts::new(contract.amount_sat, contract.desk_fee_sat, buyer, seller, desk, given.arbitrator.clone())?;
    if *given != expected {
        return odd("its payouts are not the ones that follow from its amounts");
    }
    if (contract.desk_fee_sat.total() > Amount::ZERO) != (given.release.len() == 2) {
        return odd("a desk fee needs an address, and an address needs a fee");
    }
    if (contract.arbitrator_fee_sat > Amount::ZERO) != given.arbitrator.is_some() {
        return odd("an arbitrator's fee needs an address, and an address needs a fee");
    }
    Ok(())
}

/// The addresses of its payouts are all different, and written in their usual form.
pub(super) fn addresses(contract: &Contract, agreed: &Agreed) -> Result<(), Refusal> {
    let odd = |words: &str| Err(Refusal::invalid(format!("The contract does not fit together: {words}.")));
    let given = &contract.payouts;
    let mut scripts = vec![&agreed.buyer, &agreed.seller];
    scripts.extend(&agreed.desk);
    scripts.extend(&agreed.arbitrator);
    for (place, script) in scripts.iter().enumerate() {
        if scripts.iter().skip(place + 1).any(|other| other == script) {
            return odd("two of its payouts go to the same address");
        }
    }
    let written = given.release.iter().chain(&given.refund).map(|entry| &entry.address).chain(&given.arbitrator);
    for text in written {
        let canonical = super::address::usual(text, contract.network)?.to_string();
        if canonical != *text {
            return odd("an address is not written in its usual form");
        }
    }
    Ok(())
}

fn windows_are_sane(contract: &Contract) -> bool {
    let w = &contract.windows;
    let minutes = [w.deposit, w.confirmation, w.payment, w.release, w.answer, w.ruling, w.cosignature];
    let people = minutes.iter().all(|minutes| (1..=WINDOW_MINUTES_MAX).contains(minutes));
    // The objection window may be zero, and the hold is part of the release window.
    people && w.objection <= WINDOW_MINUTES_MAX && w.payout > 0 && contract.hold <= w.release
}

/// `58420.10`: digits, at most one point with digits on both sides, no needless zero in front, not zero.
fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let plain = whole == "0" || !whole.starts_with('0');
    text.len() <= 30 && digits(whole) && digits(fraction) && plain && text.bytes().any(|b| matches!(b, b'1'..=b'9'))
}
