//! How the desk stands, on one page, and its arbitrators.

use actix_web::web;
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::JobShown;
use crate::desk::acts::Hand;
use crate::desk::arbitrators::{appoint as appoint_him, dismiss_for};
use crate::desk::conduct::Why;
use crate::desk::error::Done;
use crate::desk::operator::{self as desk, Duty, Heard, OpenConflict, OpenDispute, OverdueRow, Overview, ReportRow};
use crate::domain::disputing::Reason;
use crate::domain::money::typed;
use crate::domain::{Rate, Refusal};
use crate::web::error::{Answer, again};
use crate::web::page::{Page, see_other};
use crate::web::posted::{Errors, Fields, Posted};
use crate::web::shown::{ago, bitcoin, price};
use crate::web::site::Site;
use crate::web::times::Moment;
use crate::web::visitor::Operator;

/// A drill that ends sooner is worth a word.
const DRILL_SOON_DAYS: i64 = 7;
/// A nightly backup is older than this when one was missed.
const BACKUP_OLD_HOURS: i64 = 30;

#[derive(Debug, Serialize)]
pub struct OverviewPage {
    pub paused_why: Option<String>,
    /// How long ago a backup was written; empty: never.
    pub backup: String,
    pub backup_is_old: bool,
    pub chain: ChainShown,
    pub jobs: i64,
    pub stuck: Vec<JobShown>,
    pub overdue: Vec<OverdueShown>,
    pub disputes: Vec<DisputeLine>,
    pub conflicts: Vec<ConflictLine>,
    pub reports: Vec<ReportLine>,
    pub accounts: i64,
    pub new_accounts: i64,
    pub suspended: i64,
    pub open_trades: i64,
    pub in_escrow: String,
    pub open_offers: i64,
    pub open_invitations: i64,
    pub rates: Vec<RateShown>,
    pub rate_max_age: u32,
    pub duties: Vec<DutyShown>,
    pub on_duty: usize,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for OverviewPage {
    const TEMPLATE: &'static str = "operator/overview.html";
}

/// What is known of the chain.
#[derive(Debug, Default, Serialize)]
pub struct ChainShown {
    pub height: Option<u32>,
    pub tip: String,
    pub heard: String,
    /// What is the matter, and since when.
    pub trouble: String,
    pub why: String,
    pub since: Option<Moment>,
}

impl ChainShown {
    fn new(overview: &Overview) -> Self {
        let heard = overview
            .heard
            .map(|Heard { height, tip_at, seen_at }| (height, ago(tip_at, overview.now), ago(seen_at, overview.now)));
        let (height, tip, heard) = match heard {
            Some((height, tip, heard)) => (Some(height), tip, heard),
            None => Default::default(),
        };
        let out = overview.out_of_sight.as_ref();
        Self {
            height,
            tip,
            heard,
            trouble: out.map(|out| out.in_words().to_owned()).unwrap_or_default(),
            why: out.map(|out| out.why.clone()).unwrap_or_default(),
            since: out.map(|out| out.since.into()),
        }
    }
}

/// A trade past a deadline.
#[derive(Debug, Serialize)]
pub struct OverdueShown {
    pub reference: String,
    pub stage: String,
    pub what: String,
    pub waits_for: String,
    pub due: Moment,
    pub age: String,
    pub then: String,
}

impl OverdueShown {
    fn new(row: OverdueRow, now: Timestamp) -> Self {
        let waits_for = match row.who.as_str() {
            "buyer" => row.buyer,
            "seller" => row.seller,
            "arbitrator" => format!("{}, the arbitrator", row.arbitrator),
            "both" => format!("{} and {}", row.buyer, row.seller),
            other => format!("the {other}"),
        };
        Self {
            reference: row.trade.to_string(),
            stage: row.stage.replace('_', " "),
            what: row.what,
            waits_for,
            age: ago(row.due_at, now),
            due: row.due_at.into(),
            then: row.at_zero,
        }
    }
}

/// An open dispute.
#[derive(Debug, Serialize)]
pub struct DisputeLine {
    pub reference: String,
    pub stage: String,
    pub buyer: String,
    pub seller: String,
    pub arbitrator: String,
    pub amount: String,
    pub reason: &'static str,
    pub opened: Moment,
    pub age: String,
    pub rule_by: Option<Moment>,
    pub is_overdue: bool,
}

impl DisputeLine {
    fn new(row: OpenDispute, now: Timestamp, unit: &str) -> Self {
        Self {
            reference: row.trade.to_string(),
            stage: row.stage,
            buyer: row.buyer,
            seller: row.seller,
            arbitrator: row.arbitrator,
            amount: bitcoin(row.amount, unit),
            reason: Reason::from_word(&row.reason).map_or("", Reason::in_words),
            age: ago(row.opened_at, now),
            opened: row.opened_at.into(),
            is_overdue: row.rule_by.is_some_and(|by| now >= by),
            rule_by: row.rule_by.map(Moment::from),
        }
    }
}

/// An arbitrator has said that he should not decide a trade that runs.
#[derive(Debug, Serialize)]
pub struct ConflictLine {
    pub reference: String,
    pub words: String,
    pub at: Moment,
}

impl From<OpenConflict> for ConflictLine {
    fn from(row: OpenConflict) -> Self {
        Self {
            reference: row.trade.to_string(),
            words: format!("{}, in a trade of {} and {}", row.arbitrator, row.buyer, row.seller),
            at: row.at.into(),
        }
    }
}

/// A trader's report that waits for an operator.
#[derive(Debug, Serialize)]
pub struct ReportLine {
    pub number: i64,
    pub reference: String,
    pub author: String,
    pub about: String,
    pub reason: &'static str,
    pub words: String,
    pub at: Moment,
}

impl From<ReportRow> for ReportLine {
    fn from(row: ReportRow) -> Self {
        Self {
            number: row.number,
            reference: row.trade.to_string(),
            author: row.author,
            about: row.about,
            reason: Why::from_word(&row.reason).map_or("", Why::in_words),
            words: row.words,
            at: row.at.into(),
        }
    }
}

/// The price of one bitcoin in a currency.
#[derive(Debug, Serialize)]
pub struct RateShown {
    pub currency: &'static str,
    pub price: String,
    pub age: String,
    pub is_stale: bool,
}

impl RateShown {
    fn new(rate: &Rate, now: Timestamp, max_age_minutes: u32) -> Self {
        Self {
            currency: rate.currency.code(),
            price: price(rate.price, rate.currency),
            age: ago(rate.set_at, now),
            is_stale: now.duration_since(rate.set_at).as_mins() >= i64::from(max_age_minutes),
        }
    }
}

/// An arbitrator in office.
#[derive(Debug, Serialize)]
pub struct DutyShown {
    pub name: String,
    pub contact: String,
    pub is_on_duty: bool,
    /// Why not, or what soon will be.
    pub words: String,
    pub drilled_until: Option<Moment>,
    pub exposure: String,
    pub limit: String,
    /// Of the limit, in whole percent.
    pub used_percent: String,
    pub open_trades: i64,
    pub overdue: i64,
}

impl DutyShown {
    fn new(duty: Duty, now: Timestamp, unit: &str) -> Self {
        let row = duty.row;
        let days_left = duty.drilled_until.map(|until| until.duration_since(now).as_hours() / 24);
        let words = match days_left {
            _ if row.suspended => "suspended".to_owned(),
            _ if !row.has_key => "has no key yet".to_owned(),
            None => "has not done the drill yet".to_owned(),
            Some(_) if duty.drilled_until.is_some_and(|until| until <= now) => "the drill is overdue".to_owned(),
            _ if row.exposure >= row.limit => "answers for as much as the limit allows".to_owned(),
            Some(days) if days < DRILL_SOON_DAYS => format!("next drill within {} days", days + 1),
            Some(_) => String::new(),
        };
        let used = Decimal::from(row.exposure.to_sat()) * Decimal::from(100) / Decimal::from(row.limit.to_sat().max(1));
        Self {
            is_on_duty: duty.is_on_duty,
            words,
            drilled_until: duty.drilled_until.map(Moment::from),
            exposure: bitcoin(row.exposure, unit),
            limit: bitcoin(row.limit, unit),
            used_percent: format!("{}\u{a0}%", used.trunc()),
            open_trades: row.open_trades,
            overdue: row.overdue,
            name: row.name,
            contact: row.contact,
        }
    }
}

impl OverviewPage {
    pub(super) async fn read(site: &Site, who: &Operator) -> Done<Self> {
        let overview = desk::overview(&site.desk).await?;
        let (now, unit, counts) = (overview.now, who.account.unit.as_str(), overview.counts);
        let rate_max_age = site.desk.rules.rate_max_age_minutes;
        let held = bitcoin::Amount::from_sat(u64::try_from(counts.open_sat).unwrap_or_default());
        Ok(Self {
            chain: ChainShown::new(&overview),
            backup: overview.backup_at.map(|at| ago(at, now)).unwrap_or_default(),
            backup_is_old: overview.backup_at.is_none_or(|at| now.duration_since(at).as_hours() >= BACKUP_OLD_HOURS),
            paused_why: overview.paused_why,
            jobs: overview.jobs,
            stuck: overview.stuck.into_iter().map(JobShown::from).collect(),
            overdue: overview.overdue.into_iter().map(|row| OverdueShown::new(row, now)).collect(),
            disputes: overview.disputes.into_iter().map(|row| DisputeLine::new(row, now, unit)).collect(),
            reports: overview.reports.into_iter().map(ReportLine::from).collect(),
            conflicts: overview.conflicts.into_iter().map(ConflictLine::from).collect(),
            accounts: counts.accounts,
            new_accounts: counts.new_accounts,
            suspended: counts.suspended,
            open_trades: counts.open_trades,
            in_escrow: bitcoin(held, unit),
            open_offers: counts.open_offers,
            open_invitations: counts.open_invitations,
            rates: overview.rates.iter().map(|rate| RateShown::new(rate, now, rate_max_age)).collect(),
            rate_max_age,
            on_duty: overview.duties.iter().filter(|one| one.is_on_duty).count(),
            duties: overview.duties.into_iter().map(|one| DutyShown::new(one, now, unit)).collect(),
            typed: Fields::default(),
            errors: Errors::default(),
        })
    }
}

/// Arbitrators in office, and the forms that appoint and dismiss.
#[derive(Debug, Serialize)]
pub struct ArbitratorsPage {
    pub duties: Vec<DutyShown>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for ArbitratorsPage {
    const TEMPLATE: &'static str = "operator/arbitrators.html";
}

async fn arbitrators_page(site: &Site, who: &Operator) -> Done<ArbitratorsPage> {
    let duties = OverviewPage::read(site, who).await?.duties;
    Ok(ArbitratorsPage { duties, typed: Fields::default(), errors: Errors::default() })
}

pub async fn arbitrators(site: web::Data<Site>, who: Operator) -> Answer {
    arbitrators_page(&site, &who).await?.answer(&site, &who.visitor)
}

async fn done_or_told(site: &Site, who: &Operator, posted: Posted, done: Done<()>) -> Answer {
    match done {
        Ok(()) => Ok(see_other("/operator/arbitrators")),
        Err(error) => {
            let page = arbitrators_page(site, who).await?;
            again(error, site, &who.visitor, |errors| ArbitratorsPage { errors, typed: posted.fields, ..page })
        }
    }
}

/// Fields: `name`, `contact`, `exposure_limit` (in bitcoin).
pub async fn appoint(site: web::Data<Site>, who: Operator, posted: Posted) -> Answer {
    let fields = &posted.fields;
    let hand = Hand::of(&site.desk, who.account.id);
    let done = match typed::parse_btc(fields.text("exposure_limit")) {
        Ok(limit) => appoint_him(hand, fields.text("name"), fields.text("contact"), limit).await,
        Err(why) => Err(Refusal::field("exposure_limit", why.to_string()).into()),
    };
    done_or_told(&site, &who, posted, done).await
}

/// Field: `why`.
pub async fn dismiss(site: web::Data<Site>, who: Operator, path: web::Path<String>, posted: Posted) -> Answer {
    let hand = Hand::of(&site.desk, who.account.id);
    let done = dismiss_for(hand, &path, posted.fields.text("why")).await;
    done_or_told(&site, &who, posted, done).await
}
