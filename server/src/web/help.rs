//! How a trade works, in words.

use actix_web::web;
use serde::Serialize;

use super::error::Answer;
use super::page::Page;
use super::site::Site;
use super::visitor::Visitor;

/// The windows and fees of this desk, as its rules have them.
#[derive(Debug, Default, Serialize)]
pub struct HelpPage {
    pub signing: String,
    pub deposit: String,
    pub objection: String,
    pub answer: String,
    pub ruling: String,
    pub drill_days: u32,
    pub buyer_fee: String,
    pub seller_fee: String,
    pub arbitrator_fee: String,
}

impl Page for HelpPage {
    const TEMPLATE: &'static str = "help/help.html";
}

pub async fn page(site: web::Data<Site>, visitor: Visitor) -> Answer {
    let rules = &site.desk.rules;
    let page = HelpPage {
        signing: time(rules.signing_window_minutes),
        deposit: time(rules.deposit_window_minutes),
        objection: time(rules.objection_window_minutes),
        answer: time(rules.answer_window_minutes),
        ruling: time(rules.ruling_window_minutes),
        drill_days: rules.drill_max_age_days,
        buyer_fee: percent(rules.desk_fee_buyer_bp),
        seller_fee: percent(rules.desk_fee_seller_bp),
        arbitrator_fee: percent(rules.arbitrator_fee_bp),
    };
    page.answer(&site, &visitor)
}

/// Minutes as people say them.
fn time(minutes: u32) -> String {
    let said = |count: u32, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    match minutes {
        m if m >= 2880 && m % 1440 == 0 => said(m / 1440, "day"),
        m if m >= 60 && m % 60 == 0 => said(m / 60, "hour"),
        m => said(m, "minute"),
    }
}

/// Basis points as a percentage; empty for none.
fn percent(basis_points: u32) -> String {
    match (basis_points / 100, basis_points % 100) {
        (0, 0) => String::new(),
        (whole, 0) => format!("{whole} %"),
        (whole, rest) if rest % 10 == 0 => format!("{whole}.{} %", rest / 10),
        (whole, rest) => format!("{whole}.{rest:02} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_read_well() {
        let times = [time(45), time(60), time(180), time(1440), time(4320)];
        assert_eq!(times, ["45 minutes", "1 hour", "3 hours", "24 hours", "3 days"]);
        assert_eq!([percent(0), percent(50), percent(100), percent(125)], ["", "0.5 %", "1 %", "1.25 %"]);
    }
}
