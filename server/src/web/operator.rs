//! The operator's pages: how the desk stands, what waits and what can be done about it. Whoever is no operator finds
//! nothing here.

mod accounts;
mod overview;
mod trade;

use actix_web::web;
use serde::Serialize;

pub use accounts::{account, accounts, restore, suspend};
pub use overview::{ArbitratorsPage, OverviewPage, appoint, arbitrators, dismiss};
pub use trade::trade;

use super::error::{Answer, again};
use super::page::{Page, see_other};
use super::posted::{Errors, Fields, Posted, Query};
use super::site::Site;
use super::times::Moment;
use super::visitor::Operator;
use crate::desk::acts::{self as desk_acts, ActRow, Hand};
use crate::desk::error::Done;
use crate::desk::operator::{self as desk, InvitationRow, JobRow};
use crate::desk::{Error, admin, conduct};
use crate::domain::{Refusal, money::typed};

/// A price has at most this many decimals before it is rounded to the currency's.
const PRICE_DECIMALS: u32 = 8;

pub async fn overview(site: web::Data<Site>, who: Operator) -> Answer {
    OverviewPage::read(&site, &who).await?.answer(&site, &who.visitor)
}

/// Back to the overview, or the overview with what is wrong.
async fn done_or_told(site: &Site, who: &Operator, posted: Posted, done: Done<()>) -> Answer {
    match done {
        Ok(()) => Ok(see_other("/operator")),
        Err(error) => {
            let page = OverviewPage::read(site, who).await?;
            again(error, site, &who.visitor, |errors| OverviewPage { errors, typed: posted.fields, ..page })
        }
    }
}

pub async fn pause(site: web::Data<Site>, who: Operator, posted: Posted) -> Answer {
    let done = admin::pause(Hand::of(&site.desk, who.account.id), posted.fields.text("why")).await;
    done_or_told(&site, &who, posted, done).await
}

pub async fn resume(site: web::Data<Site>, who: Operator, posted: Posted) -> Answer {
    let done = admin::resume(Hand::of(&site.desk, who.account.id)).await;
    done_or_told(&site, &who, posted, done).await
}

/// Fields: `currency`, `price`.
pub async fn set_rate(site: web::Data<Site>, who: Operator, posted: Posted) -> Answer {
    let hand = Hand::of(&site.desk, who.account.id);
    let done = match typed::parse_positive(posted.fields.text("price"), PRICE_DECIMALS) {
        Ok(price) => admin::set_rate(hand, posted.fields.text("currency"), price).await,
        Err(why) => Err(Refusal::field("price", why.to_string()).into()),
    };
    done_or_told(&site, &who, posted, done).await
}

pub async fn try_again(site: web::Data<Site>, who: Operator, path: web::Path<String>, posted: Posted) -> Answer {
    let number = path.parse().map_err(|_| Refusal::not_found())?;
    let done = admin::try_again(Hand::of(&site.desk, who.account.id), number).await;
    done_or_told(&site, &who, posted, done).await
}

/// Field: `why`.
pub async fn close_report(site: web::Data<Site>, who: Operator, path: web::Path<String>, posted: Posted) -> Answer {
    let number = path.parse().map_err(|_| Refusal::not_found())?;
    let done = conduct::close_report(Hand::of(&site.desk, who.account.id), number, posted.fields.text("why")).await;
    done_or_told(&site, &who, posted, done).await
}

/// A job of the outbox that did not succeed yet.
#[derive(Debug, Serialize)]
pub struct JobShown {
    pub number: i64,
    pub what: String,
    pub trade: String,
    pub attempts: i32,
    pub error: String,
    pub since: Moment,
    pub next: Moment,
}

impl From<JobRow> for JobShown {
    fn from(row: JobRow) -> Self {
        Self {
            number: row.number,
            what: row.kind.replace('_', " "),
            trade: row.trade.map(|trade| trade.to_string()).unwrap_or_default(),
            attempts: row.attempts,
            error: row.last_error.unwrap_or_default(),
            since: row.created_at.into(),
            next: row.due_at.into(),
        }
    }
}

/// Invitations, and the form for a new one.
#[derive(Debug, Default, Serialize)]
pub struct InvitationsPage {
    /// Just made: shown once.
    pub code: String,
    pub list: Vec<InvitationShown>,
    pub typed: Fields,
    pub errors: Errors,
}

impl Page for InvitationsPage {
    const TEMPLATE: &'static str = "operator/invitations.html";
}

#[derive(Debug, Serialize)]
pub struct InvitationShown {
    pub number: i64,
    pub made: Moment,
    pub by: String,
    pub note: String,
    pub used_by: Option<String>,
    pub used: Option<Moment>,
    pub withdrawn: Option<Moment>,
}

impl From<InvitationRow> for InvitationShown {
    fn from(row: InvitationRow) -> Self {
        Self {
            number: row.number,
            made: row.created_at.into(),
            by: row.made_by.unwrap_or_else(|| COMMAND.to_owned()),
            note: row.note,
            used_by: row.used_by,
            used: row.used_at.map(Moment::from),
            withdrawn: row.withdrawn_at.map(Moment::from),
        }
    }
}

async fn invitations_page(site: &Site) -> Result<InvitationsPage, Error> {
    let list = desk::invitations(&site.desk).await?.into_iter().map(InvitationShown::from).collect();
    Ok(InvitationsPage { list, ..InvitationsPage::default() })
}

pub async fn invitations(site: web::Data<Site>, who: Operator) -> Answer {
    invitations_page(&site).await?.answer(&site, &who.visitor)
}

/// Field: `note`. The code is shown once, with this answer.
pub async fn invite(site: web::Data<Site>, who: Operator, posted: Posted) -> Answer {
    let made = admin::invite_for(Hand::of(&site.desk, who.account.id), posted.fields.text("note")).await;
    let page = invitations_page(&site).await?;
    match made {
        Ok(code) => InvitationsPage { code, ..page }.answer(&site, &who.visitor),
        Err(error) => {
            again(error, &site, &who.visitor, |errors| InvitationsPage { errors, typed: posted.fields, ..page })
        }
    }
}

pub async fn withdraw_invitation(
    site: web::Data<Site>,
    who: Operator,
    path: web::Path<String>,
    _posted: Posted,
) -> Answer {
    let number = path.parse().map_err(|_| Refusal::not_found())?;
    match admin::withdraw_invitation(Hand::of(&site.desk, who.account.id), number).await {
        Ok(()) => Ok(see_other("/operator/invitations")),
        Err(error) => {
            let page = invitations_page(&site).await?;
            again(error, &site, &who.visitor, |errors| InvitationsPage { errors, ..page })
        }
    }
}

/// Who a command is by: whoever can run one on the desk's machine.
const COMMAND: &str = "a command";

/// Everything operators did.
#[derive(Debug, Serialize)]
pub struct ActsPage {
    pub acts: Vec<ActShown>,
    pub next: Option<i64>,
    pub is_newest: bool,
}

impl Page for ActsPage {
    const TEMPLATE: &'static str = "operator/acts.html";
}

/// One act in words.
#[derive(Debug, Serialize)]
pub struct ActShown {
    pub number: i64,
    pub at: Moment,
    pub by: String,
    pub words: String,
    pub why: String,
}

impl From<ActRow> for ActShown {
    fn from(row: ActRow) -> Self {
        Self {
            number: row.number,
            at: row.at.into(),
            words: act_words(&row),
            by: row.by.unwrap_or_else(|| COMMAND.to_owned()),
            why: row.why,
        }
    }
}

fn act_words(row: &ActRow) -> String {
    let (about, how) = (&row.about, &row.how);
    match row.act.as_str() {
        "operator" => format!("made {about} an operator"),
        "no operator" => format!("made {about} a trader like others again"),
        "appointed" => format!("appointed {about} as arbitrator, up to {how}"),
        "dismissed" => format!("dismissed the arbitrator {about}"),
        "suspended" => format!("suspended {about}"),
        "restored" => format!("restored {about}"),
        "invited" if how.is_empty() => format!("made invitation {about}"),
        "invited" => format!("made invitation {about} for: {how}"),
        "uninvited" => format!("withdrew invitation {about}"),
        "paused" => "paused the desk".into(),
        "resumed" => "let the desk go on".into(),
        "rate" => format!("set one bitcoin to {how} {about}"),
        "retried" => format!("had job {about} tried again"),
        "closed report" => format!("closed report {about}"),
        "backed up" => format!("wrote the backup {about} ({how})"),
        "restored desk" => format!("restored the desk as it was known until {how}"),
        other => format!("{other} {about} {how}").trim().to_owned(),
    }
}

pub async fn acts(site: web::Data<Site>, who: Operator, query: Query) -> Answer {
    let before = query.0.text("before").parse().ok();
    let (rows, next) = desk_acts::page(&site.desk, before).await?;
    let acts = rows.into_iter().map(ActShown::from).collect();
    ActsPage { acts, next, is_newest: before.is_none() }.answer(&site, &who.visitor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_is_told_in_words() {
        let told = |act: &str| {
            let row = ActRow {
                number: 1,
                at: jiff::Timestamp::UNIX_EPOCH,
                by: None,
                act: act.into(),
                about: "EUR".into(),
                how: "58420.10".into(),
                why: String::new(),
            };
            act_words(&row)
        };
        assert_eq!(told("rate"), "set one bitcoin to 58420.10 EUR");
        for act in [
            "operator",
            "no operator",
            "appointed",
            "dismissed",
            "suspended",
            "restored",
            "invited",
            "uninvited",
            "retried",
        ] {
            assert!(told(act).contains("EUR") && told(act).contains(' '), "{act}: {}", told(act));
        }
        assert_eq!(told("paused"), "paused the desk");
    }
}
