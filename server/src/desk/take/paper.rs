//! The contract of a take: everything that was fixed comes together here, once.

use bitcoin::bip32::{ChildNumber, Xpub};
use bitcoin::hashes::{Hash, sha256::Hash as Sha256};
use bitcoin::{Address, Amount, CompressedPublicKey};

use super::DISPUTE_RULES;
use super::decision::{Deal, Decided};
use crate::desk::secrets::sha256;
use crate::desk::{Desk, Done, Error};
use crate::domain::trade::Trade;
use crate::domain::{Party, Refusal};
use crate::escrow::contract::{self, FeeShares, KeyEntry, Payouts};
use crate::escrow::keys::CURVE;
use crate::escrow::{Contract, Lock, PrivateDetails, fees};
use crate::store::offers::OfferRow;

/// Blocks after which the next fee step of a payout is offered.
const PAYOUT_WINDOW_BLOCKS: u32 = 36;

/// Where the coins go.
pub(super) struct Places<'a> {
    pub lock: &'a Lock,
    /// The index of the addresses that fees go to, if there are any.
    pub fee_address: Option<u32>,
}

pub(super) fn contract(
    desk: &Desk,
    held: &OfferRow,
    decided: &Decided,
    trade: &Trade,
    [payee, payer]: [&PrivateDetails; 2],
    places: &Places<'_>,
) -> Done<Contract> {
    let Decided { reference, level, deal, .. } = decided;
    let Deal { review, buyer, seller, arbitrator, index, feerate } = deal;
    let (quote, lock) = (&review.quote, places.lock);
    let fee_address = |branch| {
        let index = places.fee_address.ok_or_else(|| Error::broken("a fee without an address"))?;
        fee_address(desk, branch, index)
    };
    let shares = FeeShares { buyer: quote.desk_fee_buyer, seller: quote.desk_fee_seller };
    let desk_address = (shares.total() > Amount::ZERO).then(|| fee_address(0)).transpose()?;
    let arbitrator_address = (quote.arbitrator_fee > Amount::ZERO).then(|| fee_address(1)).transpose()?;
    let payouts = Payouts::new(
        quote.amount,
        shares,
        buyer.address.clone(),
        seller.address.clone(),
        desk_address,
        arbitrator_address,
    )?;
    let windows = trade.windows;
    let terms = held.offer.terms.trim();
    Ok(Contract {
        v: 1,
        network: desk.rules.network,
        desk: desk.rules.desk_name.clone(),
        trade: *reference,
        offer: held.offer.reference,
        offer_version: u32::try_from(held.offer.version).map_err(Error::broken)?,
        created: trade.created_at,
        sign_by: trade.sign_by,
        supersedes: None,
        group: (),
        buyer: buyer.name.clone(),
        seller: seller.name.clone(),
        maker: held.offer.side,
        amount_sat: quote.amount,
        deposit_sat: quote.deposit,
        price: quote.price.to_string(),
        fiat: quote.fiat.plain(),
        currency: held.offer.currency.code().to_owned(),
        method: review.method.as_str().to_owned(),
        terms: (!terms.is_empty())
            .then(|| crate::escrow::canonical::lines(terms))
            .transpose()
            .map_err(Refusal::from)?,
        reference: reference.to_string(),
        hold: review.method.method().hold_minutes,
        windows: contract::Windows {
            deposit: windows.deposit_minutes,
            confirmation: windows.confirmation_minutes,
            payment: windows.payment_minutes,
            release: windows.release_minutes,
            objection: windows.objection_minutes,
            answer: windows.answer_minutes,
            ruling: windows.ruling_minutes,
            cosignature: windows.cosign_minutes,
            payout: PAYOUT_WINDOW_BLOCKS,
        },
        hours: (!trade.hours.is_none()).then(|| trade.hours.clone()),
        confirmations: trade.confirmations,
        feerate: *feerate,
        fee_cap_sat: desk.rules.fee_cap.min(fees::cap_of(quote.deposit)),
        desk_fee_sat: shares,
        arbitrator_fee_sat: quote.arbitrator_fee,
        keys: Party::ALL.map(|party| KeyEntry::new(party, lock)),
        level: level.get(),
        index: index.get(),
        descriptor: lock.descriptor().to_owned(),
        address: lock.address().to_string(),
        arbitrator: Sha256::from_byte_array(arbitrator.record_hash),
        rules: Sha256::from_byte_array(sha256(DISPUTE_RULES)),
        payouts,
        details: payee.hash()?,
        payer: Some(payer.hash()?),
        bonds: (),
        chat_keys: (),
    })
}

/// A fresh address under the desk's watch-only xpub: `/0/i` for the desk's fee, `/1/i` for the arbitrator's (P2WPKH).
fn fee_address(desk: &Desk, branch: u32, index: u32) -> Done<String> {
    let text = desk.rules.fee_xpub.as_deref().ok_or_else(|| Error::broken("a fee without a place to send it to"))?;
    let xpub: Xpub = text.parse().map_err(Error::broken)?;
    let child = |index| ChildNumber::from_normal_idx(index).map_err(Error::broken);
    let key = xpub.derive_pub(&*CURVE, &[child(branch)?, child(index)?]).map_err(Error::broken)?;
    Ok(Address::p2wpkh(&CompressedPublicKey(key.public_key), desk.rules.network).to_string())
}
