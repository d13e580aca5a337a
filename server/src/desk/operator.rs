//! What the operator sees: how the desk stands, what waits, who is who. Not what people say to each other, and not how
//! they pay: that is theirs, and the arbitrator's where a dispute makes it so.

use jiff::Timestamp;

use super::acts::{self, ActRow};
use super::error::{Done, Error};
use super::escrow_book::EscrowBook;
use super::sight::{self, OutOfSight};
use super::{Desk, admin, alive, arbitrators, funding};
use crate::domain::{AccountName, PublicRef, Rate, Refusal};
use crate::store::takes::AccountRecord;
use crate::store::trades::{self, TradeRow};
use crate::store::{deadlines, deposits, desk_state, handovers, overview as store, rates, trade_log};

pub use crate::store::conduct::ReportRow;
pub use crate::store::conflicts::OpenConflict;
pub use crate::store::deadlines::DeadlineRow;
pub use crate::store::deposits::DepositRow as Output;
pub use crate::store::handovers::HandoverRow;
pub use crate::store::overview::{AccountLine, Counts, DutyRow, InvitationRow, JobRow, OpenDispute, OverdueRow};
pub use crate::store::trade_log::LoggedLine;

/// Trades of an account on its page.
const TRADES_SHOWN: usize = 30;

/// How the desk stands.
#[derive(Debug)]
pub struct Overview {
    pub now: Timestamp,
    pub paused_why: Option<String>,
    /// When a backup was last written.
    pub backup_at: Option<Timestamp>,
    /// None before the chain was read for the first time.
    pub heard: Option<Heard>,
    pub out_of_sight: Option<OutOfSight>,
    pub jobs: i64,
    pub stuck: Vec<JobRow>,
    pub overdue: Vec<OverdueRow>,
    pub disputes: Vec<OpenDispute>,
    pub conflicts: Vec<OpenConflict>,
    pub reports: Vec<ReportRow>,
    pub counts: Counts,
    pub rates: Vec<Rate>,
    pub duties: Vec<Duty>,
}

/// What was last heard of the chain.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    pub height: u32,
    pub tip_at: Timestamp,
    pub seen_at: Timestamp,
}

/// An arbitrator in office.
#[derive(Debug)]
pub struct Duty {
    pub row: DutyRow,
    /// His drill counts until then.
    pub drilled_until: Option<Timestamp>,
    pub is_on_duty: bool,
}

pub async fn overview(desk: &Desk) -> Done<Overview> {
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let heard = deposits::cursor(&client).await?;
    let on_duty = arbitrators::on_duty(desk, &client, now).await?;
    let duty = |row: DutyRow| Duty {
        drilled_until: row.drilled_at.and_then(|at| arbitrators::drill_ends(desk, at)),
        is_on_duty: on_duty.iter().any(|one| one.name == row.name),
        row,
    };
    Ok(Overview {
        now,
        paused_why: desk_state::paused_why(&client).await?,
        backup_at: crate::store::acts::last(&client, admin::BACKED_UP).await?,
        heard: heard.map(|at| Heard { height: at.height, tip_at: at.tip_at, seen_at: at.seen_at }),
        out_of_sight: sight::trouble(&client).await?,
        jobs: store::jobs(&client).await?,
        stuck: store::stuck_jobs(&client, now).await?,
        overdue: store::overdue(&client, now).await?,
        disputes: store::disputes(&client).await?,
        conflicts: crate::store::conflicts::open(&client).await?,
        reports: crate::store::conduct::open_reports(&client).await?,
        counts: store::counts(&client, now).await?,
        rates: rates::all(&client).await?,
        duties: store::duties(&client, now).await?.into_iter().map(duty).collect(),
    })
}

/// Accounts whose names begin so; only suspended ones, if asked.
pub async fn accounts(desk: &Desk, begins: &str, suspended: bool) -> Done<Vec<AccountLine>> {
    Ok(store::accounts(&desk.store.connection().await?, begins, suspended).await?)
}

/// One account, as the operator may know it.
#[derive(Debug)]
pub struct AccountFacts {
    pub now: Timestamp,
    pub line: AccountLine,
    pub record: AccountRecord,
    pub trades: Vec<TradeRow>,
    /// What operators did about it.
    pub acts: Vec<ActRow>,
}

pub async fn account(desk: &Desk, name: &str) -> Done<AccountFacts> {
    let name = AccountName::parse(name).map_err(|_| Refusal::not_found())?;
    let client = desk.store.connection().await?;
    let now = desk.now(&client).await?;
    let line = store::account(&client, name.as_str()).await?.ok_or_else(Refusal::not_found)?;
    let mut trades = trades::of_account(&client, line.id).await?;
    trades.truncate(TRADES_SHOWN);
    Ok(AccountFacts {
        now,
        record: store::record_of(&client, line.id, now).await?,
        acts: acts::about(&client, &line.name).await?,
        trades,
        line,
    })
}

/// One trade, as the operator may know it: where it stands, on the desk and on the chain.
#[derive(Debug)]
pub struct TradeOverview {
    pub now: Timestamp,
    pub tip: u32,
    pub row: TradeRow,
    pub book: EscrowBook,
    pub deadlines: Vec<DeadlineRow>,
    pub alive: Vec<String>,
    pub handovers: Vec<HandoverRow>,
    pub jobs: Vec<JobRow>,
    pub log: Vec<LoggedLine>,
    /// How to reach the arbitrator without the desk.
    pub contact: String,
}

pub async fn trade(desk: &Desk, reference: PublicRef) -> Done<TradeOverview> {
    let client = desk.store.connection().await?;
    let row = trades::find(&client, reference).await?.ok_or_else(Refusal::not_found)?;
    let book = EscrowBook::read(&client, &row).await?;
    let office = crate::store::arbitrators::by_account(&client, row.arbitrator).await?;
    let office = office.ok_or_else(|| Error::broken("an arbitrator is missing"))?;
    Ok(TradeOverview {
        now: desk.now(&client).await?,
        tip: funding::tip_height(&client).await?,
        deadlines: deadlines::of_trade(&client, row.id).await?,
        alive: alive::of(&row, &book, None),
        handovers: handovers::of_trade(&client, row.id).await?,
        jobs: store::jobs_of(&client, reference).await?,
        log: trade_log::of_trade(&client, row.id).await?,
        contact: office.contact,
        book,
        row,
    })
}

/// Invitations, those that are open first.
pub async fn invitations(desk: &Desk) -> Done<Vec<InvitationRow>> {
    Ok(store::invitations(&desk.store.connection().await?).await?)
}
