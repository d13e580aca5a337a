//! One's own working hours: a time zone, and from and to of each day.

use actix_web::web;
use serde::Serialize;

use super::error::{Answer, again};
use super::page::{Page, see_other};
use super::posted::{Errors, Posted};
use super::site::Site;
use super::visitor::SignedIn;
use crate::desk::hours;
use crate::domain::Role;
use crate::domain::hours::{DAYS, WeekInput, zones};

const DAY_NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[derive(Debug, Serialize)]
pub struct HoursPage {
    pub stated: bool,
    pub zone: String,
    pub zones: Vec<String>,
    pub days: Vec<DayLine>,
    /// What they come to in words; empty when none are stated.
    pub words: String,
    pub arbitrates: bool,
    pub errors: Errors,
}

/// One day of the form.
#[derive(Debug, Serialize)]
pub struct DayLine {
    pub id: &'static str,
    pub name: &'static str,
    pub from: String,
    pub to: String,
}

impl Page for HoursPage {
    const TEMPLATE: &'static str = "accounts/hours.html";
}

impl HoursPage {
    pub fn new(input: WeekInput, words: String, arbitrates: bool, errors: Errors) -> Self {
        let line = |((id, name), (from, to))| DayLine { id, name, from, to };
        Self {
            stated: input.stated,
            zone: input.zone,
            zones: zones().collect(),
            days: DAYS.into_iter().zip(DAY_NAMES).zip(input.days).map(line).collect(),
            words,
            arbitrates,
            errors,
        }
    }
}

pub async fn form(site: web::Data<Site>, who: SignedIn) -> Answer {
    let week = hours::of(&site.desk, who.account.id).await?;
    let words = week.as_ref().map(|week| week.in_words()).unwrap_or_default();
    let input = week.map(|week| week.to_input()).unwrap_or_default();
    HoursPage::new(input, words, who.account.role == Role::Arbitrator, Errors::default()).answer(&site, &who.visitor)
}

/// Fields: `stated` (`yes` or `no`), `zone`, and `mon-from`, `mon-to` … `sun-to`.
pub async fn set(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let field = |day: &str, end: &str| posted.fields.text(&format!("{day}-{end}")).to_owned();
    let input = WeekInput {
        stated: posted.fields.text("stated") == "yes",
        zone: posted.fields.text("zone").to_owned(),
        days: DAYS.map(|day| (field(day, "from"), field(day, "to"))),
    };
    match hours::set(&site.desk, who.account.id, &input).await {
        Ok(()) => Ok(see_other("/account/hours")),
        Err(error) => {
            let arbitrates = who.account.role == Role::Arbitrator;
            again(error, &site, &who.visitor, |errors| HoursPage::new(input, String::new(), arbitrates, errors))
        }
    }
}
