//! What the room is told when the chain changes its mind and no stage changes with it.

use jiff::Timestamp;

use super::effects::Made;
use super::error::Done;
use super::room;
use crate::domain::Stage;
use crate::domain::money::btc_words;
use crate::domain::trade::{Act, NOTHING_BELOW_SAT, Trade};
use crate::store::trades::TradeRow;
use crate::store::{Transaction, deposits};

pub(super) async fn tell(
    tx: &Transaction<'_>,
    row: &TradeRow,
    before: &Trade,
    made: &Made<'_>,
    now: Timestamp,
) -> Done<()> {
    // Nothing else is known to spend what it was made of.
    let is_missing = has_vanished(before, &row.state) && !deposits::missing(tx, row.id).await?.is_empty();
    match words(before, &row.state, made, is_missing, now) {
        Some(words) => room::system(tx, row.id, &words, now).await,
        None => Ok(()),
    }
}

fn words(before: &Trade, after: &Trade, made: &Made<'_>, is_missing: bool, now: Timestamp) -> Option<String> {
    if made.event.is_some() {
        return None;
    }
    if after.frozen && !before.frozen {
        return Some(
            "The chain was reorganised and the deposit is not confirmed at present. Nobody pays and nobody signs; clocks \
             stand still. The desk has handed the deposit to the network again."
                .into(),
        );
    }
    if before.frozen && !after.frozen {
        let what = match made.act {
            // What is left is told by the act itself.
            Act::LosePart { .. } => "",
            _ if after.deposit.renewed => {
                "A new deposit has taken the place of the one that vanished; what was signed over that one is signed \
                 again. "
            }
            _ => "The deposit is confirmed again. ",
        };
        let since = before.frozen_since.unwrap_or(now);
        return Some(if now.duration_since(since).as_mins() == 0 {
            format!("{what}Clocks go on.")
        } else {
            format!("{what}Clocks stood still for {}, and every window is longer by that.", room::how_long(since, now))
        });
    }
    let what = if is_missing && after.stage == Stage::Cancelled {
        "is not seen at present. The trade is cancelled, so the desk does not hand it to the network again."
    } else if is_missing {
        "is not seen at present. The desk hands it to the network again."
    } else {
        "is gone again before it was confirmed: replaced, or spent elsewhere."
    };
    has_vanished(before, after).then(|| format!("A deposit of {} was seen and {what}", btc_words(before.deposit.seen)))
}

/// What was seen of a deposit is seen no more, and it was awaited.
fn has_vanished(before: &Trade, after: &Trade) -> bool {
    let (was, is) = (before.deposit.seen, after.deposit.seen);
    let awaited = matches!(after.stage, Stage::Proposed | Stage::AwaitingDeposit | Stage::Cancelled);
    awaited && is < was && is.to_sat() < NOTHING_BELOW_SAT
}
