//! How people treat one another (protocol §10): blocks, feedback after a trade, reports to the operator.

use super::acts::Hand;
use super::admin;
use super::error::Done;
use super::throttle::{self, MESSAGES_ACCOUNT};
use super::{Desk, trades};
use crate::domain::trade::Trade;
use crate::domain::{Party, PublicRef, Refusal, Role, Stage, UserId, text};
use crate::store::acts::NewAct;
use crate::store::conduct::{self as store, NewFeedback};
use crate::store::trades::TradeRow;

pub use crate::store::conduct::{FeedbackRow, ReportRow, Tally};

/// What is said of somebody is one line.
const FEEDBACK_CHARS_MAX: usize = 200;
const REPORT_CHARS_MAX: usize = 2_000;

/// Why somebody reports a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Reversed,
    Threat,
    Identity,
    Other,
}

impl Why {
    pub const ALL: [Self; 4] = [Self::Reversed, Self::Threat, Self::Identity, Self::Other];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reversed => "reversed",
            Self::Threat => "threat",
            Self::Identity => "identity",
            Self::Other => "other",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == word)
    }

    pub fn in_words(self) -> &'static str {
        match self {
            Self::Reversed => "The payment was taken back after the trade",
            Self::Threat => "I was threatened or pressed",
            Self::Identity => "Somebody else paid, or the person is not who was agreed",
            Self::Other => "Something else",
        }
    }
}

/// From now on neither takes the other's offers. Running trades go on.
pub async fn block(desk: &Desk, account: UserId, name: &str) -> Done<()> {
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let tx = client.transaction().await?;
    let other = admin::find(&tx, name).await.map_err(|_| Refusal::not_found())?;
    if other.id == account {
        return Err(Refusal::conflict("This is you.").into());
    }
    if other.role != Role::Trader {
        return Err(
            Refusal::conflict("Only traders can be blocked. Arbitrators are excluded on your account's page.").into()
        );
    }
    store::block(&tx, account, other.id, now).await?;
    Ok(tx.commit().await?)
}

pub async fn unblock(desk: &Desk, account: UserId, name: &str) -> Done<()> {
    let client = desk.store.connection().await?;
    let other = admin::find(&client, name).await.map_err(|_| Refusal::not_found())?;
    Ok(store::unblock(&client, account, other.id).await?)
}

/// Whether this account blocks that one.
pub async fn is_blocked(desk: &Desk, account: UserId, other: UserId) -> Done<bool> {
    Ok(store::blocks(&desk.store.connection().await?, account, other).await?.0)
}

/// What a trader can still say about a trade, and what was said.
#[derive(Debug)]
pub struct Aftermath {
    pub row: TradeRow,
    pub party: Party,
    pub feedback: Vec<FeedbackRow>,
    pub may_feed_back: bool,
}

pub async fn aftermath(desk: &Desk, reference: PublicRef, account: UserId) -> Done<Aftermath> {
    let client = desk.store.connection().await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    party.side().ok_or_else(Refusal::not_found)?;
    let feedback = store::feedback_of_trade(&client, row.id).await?;
    let said = feedback.iter().any(|one| one.author == row.name_of(party));
    Ok(Aftermath { may_feed_back: is_over(&row.state) && !said, feedback, row, party })
}

/// Feedback is about how a trade went: it went to its end.
pub fn is_over(trade: &Trade) -> bool {
    trade.stage == Stage::Completed
}

/// Says how it was: once per trade, once per pair in 30 days. Fields: `good` (`yes`, `no`), `words`.
pub async fn give_feedback(desk: &Desk, reference: PublicRef, account: UserId, good: &str, words: &str) -> Done<()> {
    let good = match good {
        "yes" => true,
        "no" => false,
        _ => return Err(Refusal::field("good", "Say whether you would trade with this person again.").into()),
    };
    let words =
        text::clean_optional_line(words, FEEDBACK_CHARS_MAX).map_err(|why| Refusal::field("words", why.to_string()))?;
    let mut client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let tx = client.transaction().await?;
    let (row, party) = trades::of_party(&tx, reference, account).await?;
    let side = party.side().ok_or_else(Refusal::not_found)?;
    if !is_over(&row.state) {
        return Err(Refusal::conflict("Feedback is given when a trade is completed.").into());
    }
    let about = row.account_of(side.other().into());
    let new = NewFeedback { trade: row.id, author: account, about, good, words: &words, at: now };
    if !store::give_feedback(&tx, &new).await? {
        let words = "You have said something about this person in the last 30 days. Once per pair in that time counts.";
        return Err(Refusal::conflict(words).into());
    }
    Ok(tx.commit().await?)
}

/// Tells the operator. Part of the record; opens no stage. Fields: `reason`, `report`.
pub async fn report(desk: &Desk, reference: PublicRef, account: UserId, reason: &str, words: &str) -> Done<()> {
    let reason = Why::from_word(reason).ok_or_else(|| Refusal::field("reason", "Choose what it is about."))?;
    let words =
        text::clean_text(words, REPORT_CHARS_MAX).map_err(|error| Refusal::field("report", error.to_string()))?;
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let (row, party) = trades::of_party(&client, reference, account).await?;
    party.side().ok_or_else(Refusal::not_found)?;
    throttle::by_name(desk, &client, MESSAGES_ACCOUNT, &account.to_string(), now).await?;
    if !store::report(&client, row.id, account, (reason.as_str(), &words), now).await? {
        return Err(Refusal::conflict("Your earlier report about this trade is still open.").into());
    }
    Ok(())
}

/// An operator has dealt with a report; how stands in the acts.
pub async fn close_report(hand: Hand<'_>, number: i64, why: &str) -> Done<()> {
    let why = admin::reason(why)?;
    let mut client = hand.desk.store.connection().await?;
    let now = hand.desk.now(&client).await?;
    let tx = client.transaction().await?;
    if !store::close_report(&tx, number, now).await? {
        return Err(Refusal::conflict("This report was closed meanwhile.").into());
    }
    hand.note(&tx, now, &NewAct { act: "closed report", about: &number.to_string(), why: &why, ..NewAct::default() })
        .await?;
    Ok(tx.commit().await?)
}
