//! Changing the contract before the coins are in escrow: one trader proposes, both sign, and only then it is in force.
//!
//! Keys, numbers, script and addresses stay; sums and the deposit window are all that can change. The trade's row is
//! the lock: a deposit that makes the trade funded first ends the proposal, and one that comes after is judged by the
//! changed contract.

use bitcoin::FeeRate;
use bitcoin::hashes::Hash;
use jiff::{SignedDuration, Timestamp};

use super::error::{Done, Error};
use super::throttle::{self, MESSAGES_ACCOUNT};
use super::trades::{self, Held, Who};
use super::{Desk, clock, contracts, funding, keys, room};
use crate::domain::amending::Sums;
use crate::domain::money::btc_words;
use crate::domain::trade::{Act, Amendment, AmendmentKind};
use crate::domain::{Currency, Fiat, Party, PublicRef, Refusal, Side, UserId};
use crate::escrow::contract::{Amended, FeeShares};
use crate::escrow::deposit::Missing;
use crate::escrow::{Contract, fees, message};
use crate::store::contracts::{self as store, ContractRow, InForce, NewContract};
use crate::store::trades::TradeRow;
use crate::store::{GenericClient, Transaction, board, offers, payouts};

/// By how much a deposit window can be lengthened at a time, in minutes.
pub const LENGTHEN_MINUTES: [u32; 5] = [60, 180, 720, 1440, 2880];

/// A contract's terms, as far as an amendment changes them.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub sums: Sums,
    pub deposit_minutes: u32,
}

/// A proposal that waits for signatures.
#[derive(Debug)]
pub struct Proposed {
    pub amendment: Amendment,
    pub terms: Terms,
}

/// Everything the page of a changed contract shows.
#[derive(Debug)]
pub struct Amending {
    pub row: TradeRow,
    pub side: Side,
    pub now: Timestamp,
    pub terms: Terms,
    pub missing: Option<Missing>,
    pub proposed: Option<Proposed>,
    /// What could be proposed, or why not.
    pub scale_down: Result<Terms, Refusal>,
    pub waive: Result<Terms, Refusal>,
    /// Why nothing can be changed at all.
    pub closed: Option<Refusal>,
}

pub async fn of(desk: &Desk, reference: PublicRef, account: UserId) -> Done<Amending> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let side = party.side().ok_or_else(Refusal::not_found)?;
    let now = desk.now(&client).await?;
    let row = clock::as_it_stands(&client, row, now).await?;
    let contract = Contract::parse(&row.contract_text)?;
    let missing = funding::missing(&client, &row).await?;
    let proposed = match (&row.state.amendment, open(&client, &row).await?) {
        (Some(amendment), Some(one)) => {
            let terms = terms(&Contract::parse(&one.text)?)?;
            Some(Proposed { amendment: amendment.clone(), terms })
        }
        _ => None,
    };
    let could = |kind| new_terms(&contract, kind, missing.as_ref(), 0).and_then(|terms| affordable(&contract, terms));
    Ok(Amending {
        terms: terms(&contract)?,
        scale_down: could(AmendmentKind::ScaleDown),
        waive: could(AmendmentKind::Waive),
        closed: row.state.may_amend(now).err(),
        side,
        now,
        missing,
        proposed,
        row,
    })
}

/// The terms of a contract.
fn terms(contract: &Contract) -> Result<Terms, Refusal> {
    let odd = || Refusal::invalid("The contract's sums cannot be read.");
    let currency = Currency::parse(&contract.currency).map_err(|_| odd())?;
    let fiat = Fiat::new(contract.fiat.parse().map_err(|_| odd())?, currency).map_err(|_| odd())?;
    let sums = Sums {
        amount: contract.amount_sat,
        fiat,
        desk_fee_buyer: contract.desk_fee_sat.buyer,
        desk_fee_seller: contract.desk_fee_sat.seller,
        arbitrator_fee: contract.arbitrator_fee_sat,
    };
    Ok(Terms { sums, deposit_minutes: contract.windows.deposit })
}

/// What the contract would say.
fn new_terms(
    contract: &Contract,
    kind: AmendmentKind,
    missing: Option<&Missing>,
    more_minutes: u32,
) -> Result<Terms, Refusal> {
    let Terms { sums, deposit_minutes } = terms(contract)?;
    // Nothing missing is told by the sums themselves.
    let expected = missing.map_or(sums.deposit(), |missing| missing.expected);
    let price = contract.price.parse().map_err(|_| Refusal::invalid("The contract's price cannot be read."))?;
    Ok(match kind {
        AmendmentKind::ScaleDown => Terms { sums: sums.scaled_down(price, expected)?, deposit_minutes },
        AmendmentKind::Waive => Terms { sums: sums.waived(expected)?, deposit_minutes },
        AmendmentKind::Lengthen => Terms { sums, deposit_minutes: deposit_minutes.saturating_add(more_minutes) },
    })
}

fn affordable(contract: &Contract, terms: Terms) -> Result<Terms, Refusal> {
    let rate = FeeRate::from_sat_per_vb(contract.feerate.into()).unwrap_or(FeeRate::MAX);
    match fees::take_is_affordable(terms.sums.deposit(), rate) {
        Ok(()) => Ok(terms),
        Err(_) => Err(Refusal::conflict(
            "Miner fees would eat more than 10 % of so small a trade. Send the missing part, or let the coins go back.",
        )),
    }
}

/// The proposal that waits for signatures.
async fn open(client: &impl GenericClient, row: &TradeRow) -> Done<Option<ContractRow>> {
    if row.state.amendment.is_none() {
        return Ok(None);
    }
    let all = store::of_trade(client, row.id).await?;
    Ok(all.into_iter().find(|one| one.number > 0 && one.is_open()))
}

/// Times of a contract are whole seconds.
fn seconds(at: Timestamp) -> Done<Timestamp> {
    Timestamp::from_second(at.as_second()).map_err(Error::broken)
}

/// Proposes a changed contract. `more_minutes` is for a longer window.
pub async fn propose(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    seen: &str,
    kind: &str,
    more_minutes: &str,
) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    let side = party.side().ok_or_else(Refusal::not_found)?;
    row.state.may_amend(now)?;
    let kind = AmendmentKind::from_word(kind)
        .ok_or_else(|| Refusal::field("kind", "Choose what the changed contract should say."))?;
    let more = match kind {
        AmendmentKind::Lengthen => minutes(more_minutes)?,
        _ => 0,
    };
    throttle::by_name(desk, &tx, MESSAGES_ACCOUNT, &account.to_string(), now).await?;
    let contract = Contract::parse(&row.contract_text)?;
    let missing = funding::missing(&tx, &row).await?;
    let terms = affordable(&contract, new_terms(&contract, kind, missing.as_ref(), more)?)?;
    let last = store::of_trade(&tx, row.id).await?.pop().map(|one| Contract::parse(&one.text)).transpose()?;
    let after = last.map_or(contract.created, |last| last.created);
    let amended = contract.amended(&change(desk, &row, &terms, now, after)?)?;
    let text = amended.to_text()?;
    let hash = amended.hash()?;
    let amendment = Amendment {
        kind,
        proposer: side,
        contract: hash.to_string(),
        deposit_due: amended.deposit_sat,
        deposit_minutes: amended.windows.deposit,
        sign_by: amended.sign_by,
        since: Timestamp::UNIX_EPOCH,
        minutes: 0,
        signed: Vec::new(),
    };
    let in_force = row.contract_hash.clone();
    let new = NewContract {
        trade: row.id,
        hash: &hash.to_byte_array(),
        amends: &in_force,
        kind: kind.as_str(),
        proposer: side,
        text: &text,
        at: now,
    };
    let row =
        trades::change(desk, &tx, row, Act::ProposeAmendment { amendment }, Who::party(party, account), now).await?;
    store::add(&tx, &new).await?;
    room::system(&tx, row.id, &proposal_words(&row, party, kind, &terms, more), now).await?;
    desk.keep(tx).await?;
    Ok(())
}

fn minutes(typed: &str) -> Result<u32, Refusal> {
    let known = typed.trim().parse().ok().filter(|minutes| LENGTHEN_MINUTES.contains(minutes));
    known.ok_or_else(|| Refusal::field("minutes", "Choose how much longer."))
}

/// What of the contract changes. It is signed within the usual time, and before the window for the deposit is over.
/// No two contracts are made at the same time, so that none has the hash of one that was taken back.
fn change(desk: &Desk, row: &TradeRow, terms: &Terms, now: Timestamp, after: Timestamp) -> Done<Amended> {
    let usual = now.checked_add(SignedDuration::from_mins(desk.rules.signing_window_minutes.into())).unwrap_or(now);
    let open_until = row.state.deposit_open_until().unwrap_or(usual);
    let next = after.checked_add(SignedDuration::from_secs(1)).map_err(Error::broken)?;
    let (created, sign_by) = (seconds(now)?.max(next), seconds(usual.min(open_until))?);
    if sign_by <= created {
        return Err(Refusal::conflict("The time for the deposit ends this very moment. Nothing was changed.").into());
    }
    let sums = &terms.sums;
    Ok(Amended {
        amount: sums.amount,
        fiat: sums.fiat.plain(),
        fees: FeeShares { buyer: sums.desk_fee_buyer, seller: sums.desk_fee_seller },
        arbitrator_fee: sums.arbitrator_fee,
        deposit_minutes: terms.deposit_minutes,
        created,
        sign_by,
    })
}

fn proposal_words(row: &TradeRow, party: Party, kind: AmendmentKind, terms: &Terms, more: u32) -> String {
    let (who, buyer) = (row.name_of(party), &row.buyer_name);
    let (amount, fiat) = (btc_words(terms.sums.amount), terms.sums.fiat);
    match kind {
        AmendmentKind::ScaleDown => {
            format!("{who} proposes to scale the trade down to what is in escrow: {amount} for {fiat}.")
        }
        AmendmentKind::Waive => {
            format!("{who} proposes that {buyer} still pays {fiat} and gets {amount}: what is missing is waived.")
        }
        AmendmentKind::Lengthen => format!("{who} proposes {} more hours for the deposit.", more / 60),
    }
}

/// The proposer takes it back, the other declines it; the contract in force stays.
pub async fn withdraw(desk: &Desk, reference: PublicRef, account: UserId, seen: &str) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    party.side().ok_or_else(Refusal::not_found)?;
    let proposer = row.state.amendment.as_ref().map(|amendment| Party::from(amendment.proposer));
    // Before the act, which only knows that a proposal ends.
    store::withdraw(&tx, row.id, now).await?;
    let row = trades::change(desk, &tx, row, Act::WithdrawAmendment, Who::party(party, account), now).await?;
    let did = if proposer == Some(party) { "took the proposed change back" } else { "declined the proposed change" };
    let words = format!("{} {did}. The contract stays as it is.", row.name_of(party));
    room::system(&tx, row.id, &words, now).await?;
    desk.keep(tx).await?;
    Ok(())
}

/// The trade with the proposed contract in place of the one in force: what its signing page shows and checks.
pub async fn proposed(client: &impl GenericClient, row: &TradeRow) -> Done<TradeRow> {
    let nothing = || Refusal::conflict("No changed contract waits for signatures. Look at the trade again.");
    let one = open(client, row).await?.ok_or_else(nothing)?;
    with_contract(row, &one)
}

/// The trade as one of its contracts has it.
pub(super) fn with_contract(row: &TradeRow, one: &ContractRow) -> Done<TradeRow> {
    let contract = Contract::parse(&one.text)?;
    Ok(TradeRow {
        contract_text: one.text.clone(),
        contract_hash: one.hash.clone(),
        amount: contract.amount_sat,
        deposit: contract.deposit_sat,
        fiat: contract.fiat.parse().map_err(Error::broken)?,
        ..row.clone()
    })
}

/// A trader's signature of the proposed contract, through the same door as the first contract's. The second puts it in
/// force; until then, and if it never comes, the old one stays.
pub async fn sign(desk: &Desk, reference: PublicRef, account: UserId, seen: &str, upload: &[u8]) -> Done<TradeRow> {
    let mut client = desk.store.connection().await?;
    let Held { tx, now, row, party } = trades::hold(desk, &mut client, reference, account, seen).await?;
    party.side().ok_or_else(Refusal::not_found)?;
    // Refused before anything in the upload is looked at: the words about the stage matter more.
    row.state.apply(&Act::SignAmendment, party.into(), now)?;
    let amended = proposed(&tx, &row).await?;
    Contract::parse(&amended.contract_text)?.check_amends(&Contract::parse(&row.contract_text)?)?;
    let (lock, text) = contracts::what_to_sign(&amended)?;
    let signed = message::verify(upload, &lock, &text, party)?;
    let psbt = message::build(signed.form, &lock, &text)?.with_signatures([&signed.signature]).serialize();
    payouts::sign_contract(&tx, row.id, party, &amended.contract_hash, signed.form.as_str(), &psbt, now).await?;
    keys::prove(&tx, row.key_of(party), now).await?;
    let is_second = row.state.amendment.as_ref().is_some_and(|amendment| !amendment.signed.is_empty());
    let row = if is_second { put_in_force(&tx, row, amended, now).await? } else { row };
    let row = trades::change(desk, &tx, row, Act::SignAmendment, Who::party(party, account), now).await?;
    desk.keep(tx).await?;
    Ok(row)
}

/// From now on the changed contract is the trade's; the offer gets back what is no longer traded.
async fn put_in_force(tx: &Transaction<'_>, row: TradeRow, amended: TradeRow, now: Timestamp) -> Done<TradeRow> {
    store::is_signed(tx, &amended.contract_hash, now).await?;
    let new = InForce {
        text: &amended.contract_text,
        hash: &amended.contract_hash,
        amount: amended.amount,
        deposit: amended.deposit,
        fiat: amended.fiat,
    };
    store::put_in_force(tx, row.id, &new).await?;
    if amended.fiat < row.fiat
        && let Some(held) = offers::lock_id(tx, row.offer).await?
    {
        let fiat = |sum| Fiat::new(sum, held.offer.currency).map_err(Error::broken);
        let freed = fiat(row.fiat)?.saturating_sub(fiat(amended.fiat)?);
        offers::set_reserved(tx, row.offer, held.offer.give_back(freed)).await?;
        board::bump(tx).await?;
    }
    Ok(amended)
}

/// All contracts of a trade, for its parties.
pub async fn history(desk: &Desk, reference: PublicRef, account: UserId) -> Done<(TradeRow, Vec<ContractRow>)> {
    let client = desk.store.connection().await?;
    let (row, _) = trades::of_party(&client, reference, account).await?;
    let mut all = store::of_trade(&client, row.id).await?;
    if all.is_empty() {
        all.push(ContractRow {
            number: 0,
            hash: row.contract_hash.clone(),
            kind: "first".into(),
            proposer: None,
            text: row.contract_text.clone(),
            made_at: row.created_at,
            in_force_at: None,
            withdrawn_at: None,
            lapsed_at: None,
        });
    }
    Ok((row, all))
}

/// One of them, with the trade as it has it.
async fn numbered(desk: &Desk, reference: PublicRef, account: UserId, number: i32) -> Done<(TradeRow, ContractRow)> {
    let (row, all) = history(desk, reference, account).await?;
    let one = all.into_iter().find(|one| one.number == number).ok_or_else(Refusal::not_found)?;
    Ok((with_contract(&row, &one)?, one))
}

/// A contract as a file: exactly the hashed bytes.
pub async fn file(desk: &Desk, reference: PublicRef, account: UserId, number: i32) -> Done<String> {
    Ok(numbered(desk, reference, account, number).await?.1.text)
}

/// The file of both signatures of one of them.
pub async fn signatures_file(desk: &Desk, reference: PublicRef, account: UserId, number: i32) -> Done<String> {
    let (row, _) = numbered(desk, reference, account, number).await?;
    contracts::signatures_text(&desk.store.connection().await?, &row).await
}
