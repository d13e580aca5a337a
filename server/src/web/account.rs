//! One's own account: how things are shown, signed-in browsers, password, recovery code.

use actix_web::web;
use serde::Serialize;
use uuid::Uuid;

use super::accounts::RecoveryCodePage;
use super::error::{Answer, again};
use super::page::{Page, see_other};
use super::posted::{Errors, Posted};
use super::site::Site;
use super::times::Moment;
use super::visitor::{SignedIn, Trader};
use crate::desk::accounts::{self, SessionRow};
use crate::desk::draw::{self, Choice};
use crate::desk::error::Done;
use crate::desk::live;
use crate::domain::{Refusal, Role, SessionId};

#[derive(Debug, Default, Serialize)]
pub struct AccountPage {
    pub name: String,
    pub role: &'static str,
    pub unit: String,
    /// Others of a trade are told that its page is open.
    pub shows_presence: bool,
    pub sessions: Vec<SessionLine>,
    /// Empty for an arbitrator: he does not trade.
    pub arbitrators: Vec<ArbitratorLine>,
    pub exclusion_errors: Errors,
    pub password_errors: Errors,
    pub code_errors: Errors,
}

impl Page for AccountPage {
    const TEMPLATE: &'static str = "accounts/account.html";
}

/// An arbitrator who may be excluded.
#[derive(Debug, Serialize)]
pub struct ArbitratorLine {
    pub name: String,
    pub is_on_duty: bool,
    pub is_excluded: bool,
}

/// A signed-in browser.
#[derive(Debug, Serialize)]
pub struct SessionLine {
    pub id: String,
    pub browser: String,
    pub seen: Moment,
    pub since: Moment,
    pub is_this: bool,
}

async fn read(site: &Site, who: &SignedIn) -> Done<AccountPage> {
    let sessions = accounts::sessions_of(&site.desk, who.account.id).await?;
    let arbitrators = match who.account.role {
        Role::Arbitrator => Vec::new(),
        Role::Trader | Role::Operator => draw::choices(&site.desk, who.account.id).await?,
    };
    Ok(AccountPage {
        arbitrators: arbitrators.into_iter().map(arbitrator).collect(),
        name: who.account.name.clone(),
        role: who.account.role.as_str(),
        unit: who.account.unit.clone(),
        shows_presence: live::shows_presence(&site.desk, who.account.id).await?,
        sessions: sessions.into_iter().map(|row| line(row, who.account.session)).collect(),
        ..AccountPage::default()
    })
}

pub async fn page(site: web::Data<Site>, who: SignedIn) -> Answer {
    read(&site, &who).await?.answer(&site, &who.visitor)
}

/// Field: `shown`, `yes` or nothing.
pub async fn set_presence(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    live::show_presence(&site.desk, who.account.id, posted.fields.text("shown") == "yes").await?;
    Ok(see_other("/account"))
}

/// Field: `excluded`, as often as there are names.
pub async fn set_exclusions(site: web::Data<Site>, who: Trader, posted: Posted) -> Answer {
    let names: Vec<&str> = posted.fields.all("excluded").collect();
    match draw::set_exclusions(&site.desk, who.account.id, &names).await {
        Ok(()) => Ok(see_other("/account")),
        Err(error) => {
            let who = SignedIn { account: who.account, visitor: who.visitor };
            let page = read(&site, &who).await?;
            again(error, &site, &who.visitor, |errors| AccountPage { exclusion_errors: errors, ..page })
        }
    }
}

pub async fn change_password(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    let (old, new) = (posted.fields.raw("password"), posted.fields.raw("new_password"));
    match accounts::change_password(&site.desk, who.account.id, who.account.session, old, new).await {
        Ok(()) => Ok(see_other("/account")),
        Err(error) => {
            let page = read(&site, &who).await?;
            again(error, &site, &who.visitor, |errors| AccountPage { password_errors: errors, ..page })
        }
    }
}

pub async fn renew_recovery_code(site: web::Data<Site>, who: SignedIn, posted: Posted) -> Answer {
    match accounts::renew_recovery_code(&site.desk, who.account.id, posted.fields.raw("password")).await {
        Ok(code) => {
            let name = who.account.name.clone();
            RecoveryCodePage { name, code, after: "renewed", next: "/account".into() }.answer(&site, &who.visitor)
        }
        Err(error) => {
            let page = read(&site, &who).await?;
            again(error, &site, &who.visitor, |errors| AccountPage { code_errors: errors, ..page })
        }
    }
}

pub async fn end_session(site: web::Data<Site>, who: SignedIn, id: web::Path<String>, _posted: Posted) -> Answer {
    let id = SessionId(Uuid::parse_str(&id).map_err(|_| Refusal::not_found())?);
    accounts::end_session(&site.desk, who.account.id, id).await?;
    Ok(see_other("/account"))
}

pub async fn end_other_sessions(site: web::Data<Site>, who: SignedIn, _posted: Posted) -> Answer {
    accounts::end_other_sessions(&site.desk, who.account.id, who.account.session).await?;
    Ok(see_other("/account"))
}

fn arbitrator(one: Choice) -> ArbitratorLine {
    ArbitratorLine { name: one.name, is_on_duty: one.is_on_duty, is_excluded: one.is_excluded }
}

fn line(row: SessionRow, this: SessionId) -> SessionLine {
    SessionLine {
        id: row.id.to_string(),
        browser: browser_of(&row.agent),
        seen: row.seen_at.into(),
        since: row.created_at.into(),
        is_this: row.id == this,
    }
}

/// What people call the browser and the system that a `User-Agent` names.
fn browser_of(agent: &str) -> String {
    let first = |known: &[(&str, &str)]| {
        known.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| (*name).to_owned())
    };
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "A browser that does not say its name".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_by_their_names() {
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
        assert_eq!(browser_of(agent), "Chrome on Linux");
        assert_eq!(browser_of("curl/8"), "A browser that does not say its name");
    }
}
