//! What waits for an arbitrator, the longest waiting first.

use jiff::Timestamp;

use super::Desk;
use super::error::Done;
use crate::domain::trade::PayoutKind;
use crate::domain::{Party, Side, Stage, UserId};
use crate::escrow::Ruling;
use crate::store::deadlines::{self, DeadlineRow};
use crate::store::disputes::{self as store, StatementRow};

pub use crate::store::disputes::MadeRow;
use crate::store::trades::{self, TradeRow};

/// Closed trades on the page; all of them are in the log.
const CLOSED_SHOWN: i64 = 20;

/// One trade of the queue.
#[derive(Debug)]
pub struct Waiting {
    pub row: TradeRow,
    /// Why the dispute was opened: a word of [`Reason`](crate::domain::disputing::Reason); empty without one.
    pub reason: String,
    pub opener: String,
    /// Who has not answered the last question.
    pub unanswered: Vec<Side>,
}

/// An arbitrator's work.
#[derive(Debug)]
pub struct Queue {
    pub now: Timestamp,
    /// Where he must do something now.
    pub mine: Vec<Waiting>,
    /// Where he waits for others, or for a window.
    pub theirs: Vec<Waiting>,
    pub closed: Vec<TradeRow>,
    /// Trades that run and did not need him so far.
    pub quiet: usize,
    /// The windows that run in all of them.
    pub deadlines: Vec<DeadlineRow>,
}

pub async fn queue(desk: &Desk, account: UserId) -> Done<Queue> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let mut queue =
        Queue { now, mine: Vec::new(), theirs: Vec::new(), closed: Vec::new(), quiet: 0, deadlines: Vec::new() };
    let mut open = trades::for_arbitrator(&client, account).await?;
    // A stable sort: within each stage the longest waiting stay first.
    open.sort_by_key(|row| match row.state.stage {
        Stage::Disputed => 0,
        Stage::Ruled => 1,
        _ => 2,
    });
    for row in open {
        let dispute = store::latest(&client, row.id).await?.filter(|dispute| dispute.closed_at.is_none());
        let (reason, opener) = dispute.map(|dispute| (dispute.reason, dispute.opener)).unwrap_or_default();
        let unanswered = unanswered(&store::said(&client, row.id).await?);
        let list = if must_act(&row, now) { &mut queue.mine } else { &mut queue.theirs };
        list.push(Waiting { row, reason, opener, unanswered });
    }
    let all = trades::of_account(&client, account).await?;
    queue.quiet = all.iter().filter(|row| is_quiet(row.state.stage)).count();
    queue.closed = trades::done_by_arbitrator(&client, account, CLOSED_SHOWN).await?;
    queue.deadlines = deadlines::of_account(&client, account).await?.into_iter().map(|(row, _)| row).collect();
    Ok(queue)
}

/// Whether the arbitrator can and should do something at this time.
pub fn must_act(row: &TradeRow, now: Timestamp) -> bool {
    let trade = &row.state;
    let signed = |kind| trade.has_signed(kind, Party::Arbitrator);
    match trade.stage {
        _ if trade.frozen => false,
        Stage::Disputed => match &trade.settlement {
            Some(settlement) => now >= settlement.arbitrator_from,
            None => trade
                .dispute
                .as_ref()
                .is_some_and(|dispute| now >= dispute.answer_by || (dispute.buyer_spoke && dispute.seller_spoke)),
        },
        Stage::Ruled => {
            let over = trade.ruling.as_ref().is_some_and(|ruling| now >= ruling.objection_by || ruling.objected);
            over && !signed(PayoutKind::Ruling)
        }
        Stage::RefundDue => {
            let over = trade.refund_objection_by.is_some_and(|by| now >= by);
            over && trade.settlement.is_none() && !signed(PayoutKind::Refund)
        }
        _ => false,
    }
}

/// The sides that have not spoken though their time to answer is over: the arbitrator is told.
pub fn silent(row: &TradeRow, now: Timestamp) -> Vec<Side> {
    let Some(dispute) = row.state.dispute.as_ref().filter(|dispute| now >= dispute.answer_by) else {
        return Vec::new();
    };
    let sides = [(Side::Buyer, dispute.buyer_spoke), (Side::Seller, dispute.seller_spoke)];
    sides.into_iter().filter_map(|(side, spoke)| (!spoke).then_some(side)).collect()
}

fn is_quiet(stage: Stage) -> bool {
    matches!(stage, Stage::Proposed | Stage::AwaitingDeposit | Stage::Funded | Stage::PaymentSent)
}

/// Who has said nothing since the arbitrator's last question.
pub fn unanswered(said: &[StatementRow]) -> Vec<Side> {
    let Some(asked) = said.iter().filter(|one| one.kind == "question").map(|one| one.at).max() else {
        return Vec::new();
    };
    let silent = |side: &Side| !said.iter().any(|one| one.party == (*side).into() && one.at > asked);
    [Side::Buyer, Side::Seller].into_iter().filter(silent).collect()
}

/// Rulings on one page of the archive.
const ARCHIVE_PAGE: i64 = 20;

/// A ruling of the archive.
#[derive(Debug)]
pub struct Archived {
    pub row: MadeRow,
    /// What was found and why, as it was signed.
    pub facts: Vec<String>,
    pub reasons: Vec<String>,
    pub evidence: Vec<String>,
}

/// The rulings an arbitrator has made before a time (all of them without one), with their reasons; and where the next page
/// begins.
pub async fn archive(
    desk: &Desk,
    account: UserId,
    before: Option<Timestamp>,
) -> Done<(Vec<Archived>, Option<Timestamp>)> {
    let client = desk.store.connection().await?;
    let far = Timestamp::from_second(FAR_SECONDS).unwrap_or(Timestamp::MAX);
    let mut rows = store::made_by(&client, account, before.unwrap_or(far), ARCHIVE_PAGE + 1).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|found| found > ARCHIVE_PAGE);
    if more {
        rows.pop();
    }
    let next = if more { rows.last().and_then(|row| row.ruling.signed_at) } else { None };
    let archived = rows.into_iter().map(|row| {
        let ruling = Ruling::parse(&row.ruling.text)?;
        let evidence = ruling.evidence.iter().map(ToString::to_string).collect();
        Ok(Archived { facts: ruling.facts, reasons: ruling.reasons, evidence, row })
    });
    Ok((archived.collect::<Done<_>>()?, next))
}

/// Later than any ruling, and a time that PostgreSQL knows: the year 3000.
const FAR_SECONDS: i64 = 32_503_680_000;
