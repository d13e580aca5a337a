//! A trade that goes on to its ruling whatever happens to the desk: a dispute, an answer, a text that is signed, and the
//! payout by the arbitrator and the buyer.

use trine::domain::PublicRef;

use super::goes_on::{next, send, sign_at};
use super::served::Served;
use crate::harness::cast::Story;

const ANSWERED: &str = "SELECT count(*) > 0 FROM statements WHERE party = 'buyer'";
const DRAFT: &str = "SELECT coalesce((SELECT id::text FROM rulings ORDER BY drafted_at LIMIT 1), '')";

/// The next thing that somebody has to do; done, refused, or without an answer.
pub async fn next_to_a_ruling(served: &Served, trade: PublicRef) {
    let Story { alice, bob, carol, .. } = &served.story;
    match served.story.stage(trade).await.as_str() {
        "payment_sent" => {
            let fields = [
                ("reason", "not_received"),
                ("wanted", "refund"),
                ("statement", "Not all of it came."),
                ("evidence-0", "The statement of my account, in the room."),
            ];
            if send(served, bob, trade, &format!("/trades/{trade}/dispute"), &fields).await {
                served.answers.disputed(trade);
            }
        }
        "disputed" => rules(served, trade).await,
        "ruled" => {
            let payout = format!("/arbitration/{trade}/payout");
            let cosignature = format!("/trades/{trade}/ruling/cosignature");
            for (who, party, path) in [(carol, "arbitrator", payout), (alice, "buyer", cosignature)] {
                if sign_at(served, who, trade, &path, &[]).await {
                    served.answers.signed(trade, party, "ruling/payout");
                }
            }
        }
        _ => next(served, trade).await,
    }
}

/// Nothing is ruled before both have spoken.
async fn rules(served: &Served, trade: PublicRef) {
    let Story { alice, carol, .. } = &served.story;
    let sql = served.story.site.sql().await;
    if !sql.one::<bool>(ANSWERED).await {
        let words = [("statement", "I sent it all; see my bank's confirmation.")];
        send(served, alice, trade, &format!("/trades/{trade}/dispute/statements"), &words).await;
    }
    let ruling = format!("/arbitration/{trade}/ruling");
    match sql.one::<String>(DRAFT).await.as_str() {
        "" => {
            let fields = [
                ("outcome", "split"),
                ("unit", "percent"),
                ("buyer", "60"),
                ("facts", "bob's statement shows 300 of the 500 euros."),
                ("reasons", "Each gets what the payment covers."),
                ("evidence", ""),
            ];
            send(served, carol, trade, &ruling, &fields).await;
        }
        draft => {
            if sign_at(served, carol, trade, &format!("{ruling}s/{draft}/signature"), &[]).await {
                served.answers.ruled(trade);
            }
        }
    }
}
