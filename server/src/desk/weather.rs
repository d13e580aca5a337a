//! What the room is told when the chain changes its mind and no stage changes with it.

use jiff::Timestamp;

use super::effects::Made;
use super::error::Done;
use super::room;
use crate::domain::Stage;
use crate::domain::money::btc_words;
use crate::domain::trade::{Act, NOTHING_BELOW_SAT, Trade};
use crate::store::Transaction;
use crate::store::trades::TradeRow;

pub(super) async fn tell(
    tx: &Transaction<'_>,
    row: &TradeRow,
    before: &Trade,
    made: &Made<'_>,
    now: Timestamp,
) -> Done<()> {
    match words(before, &row.state, made, now) {
        Some(words) => room::system(tx, row.id, &words, now).await,
        None => Ok(()),
    }
}

fn words(before: &Trade, after: &Trade, made: &Made<'_>, now: Timestamp) -> Option<String> {
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
        let minutes = before.frozen_since.map_or(0, |since| now.duration_since(since).as_mins());
        let what = match made.act {
            // What is left is told by the act itself.
            Act::LosePart { .. } => "",
            _ if after.deposit.renewed => {
                "A new deposit has taken the place of the one that vanished; what was signed over that one is signed \
                 again. "
            }
            _ => "The deposit is confirmed again. ",
        };
        return Some(format!("{what}Clocks stood still for {minutes} minutes, and every window is longer by that."));
    }
    let (was, is) = (before.deposit.seen, after.deposit.seen);
    let awaited = matches!(after.stage, Stage::Proposed | Stage::AwaitingDeposit | Stage::Cancelled);
    if awaited && is < was && is.to_sat() < NOTHING_BELOW_SAT {
        return Some(format!(
            "A deposit of {} was seen and is gone again before it was confirmed: replaced, or spent elsewhere.",
            btc_words(was)
        ));
    }
    None
}
