//! Everything the page of one trade is made of, as one party may know it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::room::{self, RoomView};
use super::sight::{self, OutOfSight};
use super::{Desk, amendments, clock, funding, reinstatement, signing, trades};
use crate::domain::{Currency, Fiat, MethodId, Party, PublicRef, Refusal, TradeId, UserId};
use crate::escrow::PrivateDetails;
use crate::escrow::deposit::Missing;
use crate::store::deadlines;
pub use crate::store::deadlines::DeadlineRow;
pub use crate::store::deposits::DepositRow as Output;
use crate::store::disputes::{self, DisputeRow};
use crate::store::handovers;
pub use crate::store::handovers::HandoverRow;
use crate::store::settlements::{self, SettlementRow};
use crate::store::trade_log::{self, LoggedLine};
use crate::store::trades::{self as store, TradeRow};
use crate::store::{GenericClient, contracts};

/// One trade, as one of its parties may know it.
#[derive(Debug)]
pub struct TradeFacts {
    pub row: TradeRow,
    pub party: Party,
    pub now: Timestamp,
    pub tip: u32,
    /// While the chain cannot be seen.
    pub out_of_sight: Option<OutOfSight>,
    pub book: EscrowBook,
    pub method: MethodId,
    pub fiat: Fiat,
    /// Label and value of the seller's payment details, if they may be shown.
    pub payee: Option<Vec<(String, String)>>,
    /// The same of the buyer's payer fields.
    pub payer: Option<Vec<(String, String)>>,
    pub dispute: Option<DisputeRow>,
    pub settlements: Vec<SettlementRow>,
    pub alive: Vec<String>,
    /// What is missing of a deposit that is awaited.
    pub missing: Option<Missing>,
    /// Both may take the trade up again.
    pub may_reinstate: bool,
    /// More than one: the contract was changed, or a change was proposed.
    pub contracts: i64,
    pub log: Vec<LoggedLine>,
    /// The windows that run, the next end first.
    pub deadlines: Vec<DeadlineRow>,
    /// What the node said of the payout that was handed over.
    pub handover: Option<HandoverRow>,
    /// None while the arbitrator may not enter yet.
    pub room: Option<RoomView>,
}

/// The page with its room; what it shows of it counts as read.
pub async fn of(desk: &Desk, reference: PublicRef, account: UserId) -> Done<TradeFacts> {
    let client = desk.store.connection().await?;
    trades::of_party(&client, reference, account).await?;
    let room = match room::view(&client, reference, account).await {
        Ok(room) => Some(room),
        Err(Error::Refused(_)) => None,
        Err(error) => return Err(error),
    };
    // Those who look at it see that this one has read it.
    desk.live.kick();
    Ok(TradeFacts { room, ..read(desk, &client, reference, account).await? })
}

/// The page without its room.
pub async fn beside_the_room(desk: &Desk, reference: PublicRef, account: UserId) -> Done<TradeFacts> {
    let client = desk.store.connection().await?;
    read(desk, &client, reference, account).await
}

async fn read(desk: &Desk, client: &impl GenericClient, reference: PublicRef, account: UserId) -> Done<TradeFacts> {
    let (row, party) = trades::of_party(client, reference, account).await?;
    let now = desk.now(client).await?;
    let row = clock::as_it_stands(client, row, now).await?;
    let book = EscrowBook::read(client, &row).await?;
    let method = MethodId::parse(&row.method).map_err(|_| Error::broken(format!("method {}", row.method)))?;
    let currency = Currency::parse(&row.currency).map_err(Error::broken)?;
    Ok(TradeFacts {
        party,
        now,
        tip: funding::tip_height(client).await?,
        out_of_sight: sight::trouble(client).await?,
        fiat: Fiat::new(row.fiat, currency).map_err(Error::broken)?,
        payee: labelled(method, signing::payee_details(desk, &row, party)?)?,
        payer: labelled(method, signing::payer_details(desk, &row, party)?)?,
        dispute: disputes::latest(client, row.id).await?,
        settlements: settlements::live(client, row.id).await?,
        alive: super::alive::of(&row, &book, party),
        missing: funding::missing(client, &row).await?,
        may_reinstate: reinstatement::why_not(desk, client, &row).await?.is_none(),
        contracts: contracts::count(client, row.id).await?,
        log: trade_log::of_trade(client, row.id).await?,
        deadlines: windows(client, &row).await?,
        handover: handovers::of_trade(client, row.id).await?.into_iter().find(|one| Some(one.txid) == row.payout_txid),
        method,
        room: None,
        book,
        row,
    })
}

/// The windows that run, with the ends they have by now.
async fn windows(client: &impl GenericClient, row: &TradeRow) -> Done<Vec<DeadlineRow>> {
    let drawn = row.state.deadlines();
    let mut written = deadlines::of_trade(client, row.id).await?;
    for window in &mut written {
        if let Some(now) = drawn.iter().find(|one| one.what == window.what) {
            window.due_at = now.due_at;
        }
    }
    Ok(written)
}

/// Payment details and payer fields of a trade, labelled, as far as this party may see them.
pub fn details(desk: &Desk, row: &TradeRow, party: Party) -> Done<[Vec<(String, String)>; 2]> {
    let method = MethodId::parse(&row.method).map_err(|_| Error::broken(format!("method {}", row.method)))?;
    let payee = labelled(method, signing::payee_details(desk, row, party)?)?;
    let payer = labelled(method, signing::payer_details(desk, row, party)?)?;
    Ok([payee.unwrap_or_default(), payer.unwrap_or_default()])
}

/// The fields of payment details with their labels, in the method's order.
fn labelled(method: MethodId, text: Option<String>) -> Done<Option<Vec<(String, String)>>> {
    let Some(text) = text else { return Ok(None) };
    let mut fields: BTreeMap<String, String> = PrivateDetails::parse(&text)?.fields;
    let known = method.method().fields.iter();
    Ok(Some(known.filter_map(|field| Some((field.label.clone(), fields.remove(&field.id)?))).collect()))
}

/// The trade and what this account is in it.
pub async fn party(desk: &Desk, reference: PublicRef, account: UserId) -> Done<(TradeRow, Party)> {
    trades::of_party(&desk.store.connection().await?, reference, account).await
}

/// All trades of an account, newest first.
pub async fn mine(desk: &Desk, account: UserId) -> Done<Vec<TradeRow>> {
    Ok(store::of_account(&desk.store.connection().await?, account).await?)
}

/// What others have said and this account has not read, by trade.
pub async fn unread(desk: &Desk, account: UserId) -> Done<BTreeMap<TradeId, i64>> {
    room::unread(&desk.store.connection().await?, account).await
}

/// The window of each of one's trades that ends next.
pub async fn my_deadlines(desk: &Desk, account: UserId) -> Done<BTreeMap<PublicRef, DeadlineRow>> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let mut by_trade = BTreeMap::<PublicRef, Vec<DeadlineRow>>::new();
    for (row, _) in deadlines::of_account(&client, account).await? {
        by_trade.entry(row.trade).or_default().push(row);
    }
    Ok(by_trade.into_iter().filter_map(|(trade, rows)| Some((trade, next_end(&rows, now)?.clone()))).collect())
}

/// The window that ends next, of those in order of their ends; when all are over, the one that ended last.
pub fn next_end(windows: &[DeadlineRow], now: Timestamp) -> Option<&DeadlineRow> {
    windows.iter().find(|window| window.due_at > now).or(windows.last())
}

/// The contract as a file: exactly the hashed bytes.
pub async fn contract_file(desk: &Desk, reference: PublicRef, account: UserId) -> Done<String> {
    let client = desk.store.connection().await?;
    let (row, _) = trades::of_party(&client, reference, account).await?;
    if !(row.state.buyer_agreed && row.state.seller_agreed) {
        return Err(Refusal::conflict(
            "The contract can be downloaded when both have signed it; until then it is on the signing page.",
        )
        .into());
    }
    Ok(row.contract_text)
}

/// The trade as the proposed contract has it, and what this account is in it.
pub async fn proposed(desk: &Desk, reference: PublicRef, account: UserId) -> Done<(TradeRow, Party)> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    Ok((amendments::proposed(&client, &row).await?, party))
}

/// The signing page of this party for a paper. Before a signature for coins is asked for, they are looked up once more.
pub async fn signing_page(
    desk: &Desk,
    reference: PublicRef,
    account: UserId,
    paper: &signing::Paper,
) -> Done<(TradeRow, Party, signing::SigningView)> {
    if matches!(paper, signing::Paper::Payout { .. }) {
        sight::coins_are_there(desk, reference, account).await?;
    }
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    let row = clock::as_it_stands(&client, row, desk.now(&client).await?).await?;
    if *paper == signing::Paper::Amendment {
        // Signed like the first contract, with its own text and hash.
        let amended = amendments::proposed(&client, &row).await?;
        let view = signing::view(desk, &client, &amended, party, &signing::Paper::Contract).await?;
        return Ok((amended, party, view));
    }
    let view = signing::view(desk, &client, &row, party, paper).await?;
    Ok((row, party, view))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::deadlines::What;

    #[test]
    fn a_window_that_is_over_gives_way_to_the_one_that_runs() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let window = |what, second| DeadlineRow {
            trade: PublicRef::from_bits([1, 2, 3, 4, 5]),
            what,
            who: "buyer".into(),
            started_at: at(0),
            due_at: at(second),
            at_zero: String::new(),
            sequence: 0,
        };
        let both = [window(What::Answer, 10), window(What::Ruling, 20)];
        let shown = |second| next_end(&both, at(second)).map(|one| one.what);
        assert_eq!(shown(9), Some(What::Answer));
        assert_eq!(shown(10), Some(What::Ruling));
        assert_eq!(shown(30), Some(What::Ruling), "when all are over, the last");
        assert_eq!(next_end(&[], at(0)), None);
    }
}
