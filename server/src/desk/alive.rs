//! The signatures alive for a deposit, in words, as every signing page lists them.

use jiff::Timestamp;

use super::error::Done;
use super::escrow_book::EscrowBook;
use crate::domain::money::btc_words;
use crate::domain::parts::Parts;
use crate::domain::trade::Outcome;
use crate::domain::{Party, Refusal, Stage};
use crate::store::trades::TradeRow;

/// Every signature alive for this deposit, and what it could still do. A signature is an option for ever. A viewer who
/// is none of the three is told of all by name.
pub fn of(row: &TradeRow, book: &EscrowBook, viewer: impl Into<Option<Party>>) -> Vec<String> {
    let viewer = viewer.into();
    if row.state.stage == Stage::Completed && row.state.outcome != Some(Outcome::Lost) {
        // The escrow is empty; what was signed for it can do nothing more.
        return Vec::new();
    }
    let mut seen: Vec<(String, Party, Timestamp)> = Vec::new();
    for signature in &book.signatures {
        let Some(payout) = book.payouts.iter().find(|payout| payout.id == signature.payout) else { continue };
        let does = match payout.kind.as_str() {
            "release" => "release the coins to the buyer".to_owned(),
            "refund" => "send the coins back to the seller".to_owned(),
            "stray" => "send an extra payment back to the seller".to_owned(),
            kind => format!(
                "carry out the {kind} of {} to the buyer and {} to the seller",
                btc_words(payout.buyer),
                btc_words(payout.seller)
            ),
        };
        if !seen.iter().any(|(words, party, _)| *words == does && *party == signature.party) {
            seen.push((does, signature.party, signature.received_at));
        }
    }
    seen.into_iter()
        .map(|(does, party, at)| {
            let who = if Some(party) == viewer { "You".to_owned() } else { row.name_of(party).to_owned() };
            let at = at.strftime("%-d %b %H:%M UTC");
            format!("{who} signed on {at}. With one more of the three keys it can {does}, for as long as the coins are in this escrow.")
        })
        .collect()
}

/// Why a ruling with these parts cannot be made: what the arbitrator has signed over the same coins stays valid, also when
/// the trade has moved on since.
pub(super) fn contradicted(book: &EscrowBook, parts: Parts) -> Done<Option<Refusal>> {
    let words = match book.bound_by_arbitrator()? {
        Some(one) if one.kind == "refund" && parts.buyer.to_sat() > 0 => {
            "You have signed the refund of these same coins. That signature stays valid, so rule a refund.".to_owned()
        }
        Some(one) if one.kind == "ruling" && (one.buyer, one.seller) != (parts.buyer, parts.seller) => format!(
            "You have signed the payout of a ruling over these same coins: {} to the buyer, {} to the seller. That \
             signature stays valid, so rule the same again.",
            btc_words(one.buyer),
            btc_words(one.seller)
        ),
        _ => return Ok(None),
    };
    Ok(Some(Refusal::conflict(words)))
}
