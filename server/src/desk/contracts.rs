//! Signing the contract: both traders prove, before any deposit is asked for, that they can sign for this very script.

use bitcoin::hex::DisplayHex;

use super::error::Done;
use super::trades::{self, Held, Who};
use super::{Desk, keys};
use crate::domain::trade::Act;
use crate::domain::{Party, PublicRef, Refusal, UserId};
use crate::escrow::message::{self, Form};
use crate::escrow::{Contract, Lock};
use crate::store::GenericClient;
use crate::store::trades::TradeRow;
use crate::store::{contracts, payouts};

/// A trader's signature of the contract. The first valid signature of a key also proves the key.
pub async fn sign(desk: &Desk, reference: PublicRef, account: UserId, seen: &str, upload: &[u8]) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let (lock, message) = what_to_sign(&row)?;
    let row = trades::change(desk, &tx, row, Act::SignContract, Who::party(party, account), now).await?;
    let signed = message::verify(upload, &lock, &message, party)?;
    let psbt = message::build(signed.form, &lock, &message)?.with_signatures([&signed.signature]).serialize();
    contracts::keep_first(&tx, row.id).await?;
    payouts::sign_contract(&tx, row.id, party, &row.contract_hash, signed.form.as_str(), &psbt, now).await?;
    keys::prove(&tx, row.key_of(party), now).await?;
    if row.state.buyer_agreed && row.state.seller_agreed {
        contracts::is_signed(&tx, &row.contract_hash, now).await?;
    }
    desk.keep(tx).await?;
    Ok(row)
}

/// The escrow's script and the message both sign.
pub fn what_to_sign(row: &TradeRow) -> Done<(Lock, String)> {
    let contract = Contract::parse(&row.contract_text)?;
    Ok((contract.lock()?, contract.message()?))
}

/// The message PSBTs to sign, in both forms, with what is signed so far.
pub fn psbts_to_sign(row: &TradeRow) -> Done<Vec<(Form, String)>> {
    let (lock, message) = what_to_sign(row)?;
    let base64 = |form| Ok((form, message::build(form, &lock, &message)?.psbt().to_string()));
    Form::ALL.into_iter().map(base64).collect()
}

/// The file of both signatures, beside the contract file: message, hash and the signed PSBTs in base64.
pub async fn signatures_file(desk: &Desk, reference: PublicRef, account: UserId) -> Done<String> {
    let client = desk.store.connection().await?;
    let (row, _) = trades::of_party(&client, reference, account).await?;
    signatures_text(&client, &row).await
}

/// The same for the contract that this row holds.
pub(super) async fn signatures_text(client: &impl GenericClient, row: &TradeRow) -> Done<String> {
    let signed = payouts::contract_signatures(client, row.id, &row.contract_hash).await?;
    if signed.len() < 2 {
        return Err(Refusal::conflict("The contract is not signed by both yet.").into());
    }
    let (_, message) = what_to_sign(row)?;
    let of =
        |party: Party| signed.iter().find(|(by, _)| *by == party).map(|(_, psbt)| data_encoding::BASE64.encode(psbt));
    let file = serde_json::json!({
        "message": message,
        "contract": row.contract_hash.to_lower_hex_string(),
        "buyer": of(Party::Buyer),
        "seller": of(Party::Seller),
    });
    Ok(serde_json::to_string_pretty(&file)?)
}
