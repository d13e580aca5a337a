//! Who is asking. The extractor in a handler's signature says who may call it.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::dev::Payload;
use actix_web::http::header::{CACHE_CONTROL, USER_AGENT};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jiff::tz::TimeZone;
use serde::Serialize;

mod callers;

pub use callers::{Arbitrator, Operator, SignedIn, Trader};

use super::error::Trouble;
use super::site::Site;
use super::tour::Strip;
use crate::desk;
use crate::desk::accounts::{self, Started};
use crate::desk::practice;
use crate::desk::secrets::random;
use crate::desk::visits;
use crate::domain::{Refusal, RefusalKind, Role, SessionId, UserId};

/// A signed-in account.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: UserId,
    pub session: SessionId,
    pub name: String,
    pub role: Role,
    /// `btc` or `sat`: how amounts are shown.
    pub unit: String,
    pub suspended_why: Option<String>,
    /// Trades that wait for this account.
    pub waiting: i64,
    /// What others have said in its rooms and it has not read.
    pub unread: i64,
}

/// Anyone: signed in or not.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub account: Option<Account>,
    pub address: Option<IpAddr>,
    token: String,
    /// The cookie is not set yet.
    fresh: bool,
    tastes: Tastes,
    path: String,
    agent: String,
    /// What the tour of a practice desk has next for this browser.
    tour: Option<Strip>,
    tour_is_away: bool,
}

/// How this browser wants pages to look; kept in its cookies, with or without an account.
#[derive(Debug, Clone, Default)]
struct Tastes {
    /// `light`, `dark`, or empty: as the system says.
    theme: String,
    /// `btc` or `sat`; an account has its own.
    unit: Option<String>,
    /// Where times are told; none is UTC, or what the script makes of it.
    zone: Option<TimeZone>,
}

impl Tastes {
    fn read(request: &HttpRequest) -> Self {
        let given = |name| request.cookie(name).map(|cookie| cookie.value().to_owned());
        Self {
            theme: given(THEME_COOKIE).filter(|theme| THEMES.contains(&theme.as_str())).unwrap_or_default(),
            unit: given(UNIT_COOKIE).filter(|unit| accounts::check_unit(unit).is_ok()),
            zone: given(ZONE_COOKIE).and_then(|zone| TimeZone::get(&zone).ok()),
        }
    }
}

/// What the frame around each page shows.
#[derive(Debug, Serialize)]
pub struct Chrome {
    pub practice: bool,
    pub desk: String,
    pub account: Option<ChromeAccount>,
    /// `light`, `dark`, or empty: as the system says.
    pub theme: String,
    /// On a practice desk: what the tour has next.
    pub tour: Option<Strip>,
    /// `btc` or `sat`.
    pub unit: String,
    /// The token every changing form carries.
    pub csrf: String,
    pub path: String,
}

#[derive(Debug, Serialize)]
pub struct ChromeAccount {
    pub name: String,
    pub role: &'static str,
    pub waiting: i64,
    pub unread: i64,
    pub suspended_why: Option<String>,
    /// On a practice desk, filled in where an address is asked for.
    pub play_address: Option<String>,
}

pub const THEME_COOKIE: &str = "trine-theme";
pub const UNIT_COOKIE: &str = "trine-unit";
pub const ZONE_COOKIE: &str = "trine-zone";
/// The themes beside the system's own.
pub const THEMES: [&str; 2] = ["light", "dark"];
pub const TOUR_COOKIE: &str = "trine-tour";
/// A session's row ends earlier, when it is not used; the cookie only has to outlive it.
const SESSION_COOKIE_DAYS: u32 = 365;

/// The name of the session cookie; `__Host-` binds it to this host over https.
fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-trine" } else { "trine" }
}

/// A new session or visit token: 256 random bits.
pub fn new_token() -> String {
    BASE64URL_NOPAD.encode(&random::<32>())
}

/// The cookie that carries a token.
pub fn token_cookie(site: &Site, token: String, days: Option<u32>) -> Cookie<'static> {
    let https = site.https();
    let mut cookie =
        Cookie::build(cookie_name(https), token).path("/").http_only(true).secure(https).same_site(SameSite::Lax);
    if let Some(days) = days {
        cookie = cookie.max_age(Duration::days(days.into()));
    }
    cookie.finish()
}

/// Takes the cookie away again.
pub fn no_cookie(site: &Site) -> Cookie<'static> {
    let mut cookie = token_cookie(site, String::new(), None);
    cookie.make_removal();
    cookie
}

impl Visitor {
    pub fn chrome(&self, site: &Site) -> Chrome {
        Chrome {
            practice: site.desk.rules.practice,
            desk: site.desk.rules.desk_name.clone(),
            account: self.account.as_ref().map(|account| ChromeAccount {
                name: account.name.clone(),
                role: account.role.as_str(),
                waiting: account.waiting,
                unread: account.unread,
                suspended_why: account.suspended_why.clone(),
                play_address: practice::play_address(&site.desk, account.id),
            }),
            tour: self.tour.clone().or_else(|| Strip::for_visitors(site).filter(|_| self.account.is_none())),
            theme: self.theme().to_owned(),
            unit: self.unit().to_owned(),
            csrf: self.csrf(site),
            path: self.path.clone(),
        }
    }

    /// Nobody in particular, for pages that many get: no account, no token.
    pub fn nobody(theme: &str, path: String) -> Self {
        let (token, agent) = (String::new(), String::new());
        let tastes = Tastes { theme: theme.to_owned(), ..Tastes::default() };
        Self { account: None, address: None, token, fresh: false, tastes, path, agent, tour: None, tour_is_away: false }
    }

    /// `light`, `dark`, or empty: as the system says.
    pub fn theme(&self) -> &str {
        &self.tastes.theme
    }

    /// How amounts are shown: as the account says, or this browser.
    pub fn unit(&self) -> &str {
        let account = self.account.as_ref().map(|account| account.unit.as_str());
        account.or(self.tastes.unit.as_deref()).unwrap_or("btc")
    }

    /// Where times are told, if this browser said so.
    pub fn zone(&self) -> Option<&TimeZone> {
        self.tastes.zone.as_ref()
    }

    /// Sees what everybody sees who is not signed in, but for the theme.
    pub fn is_anybody(&self) -> bool {
        self.account.is_none() && self.unit() == "btc" && self.zone().is_none()
    }

    /// The strip of the tour is put away in this browser.
    pub fn tour_is_away(&self) -> bool {
        self.tour_is_away
    }

    /// The form token of this browser.
    pub fn csrf(&self, site: &Site) -> String {
        HEXLOWER.encode(&site.desk.secrets.mac("form", self.token.as_bytes()))
    }

    /// The cookie to set with a page that carries a form, if the browser has none yet.
    pub fn new_cookie(&self, site: &Site) -> Option<Cookie<'static>> {
        let days = self.account.as_ref().map(|_| SESSION_COOKIE_DAYS);
        self.fresh.then(|| token_cookie(site, self.token.clone(), days))
    }

    /// The answer with a page for this browser only.
    pub fn shown(&self, site: &Site, status: StatusCode, html: String) -> HttpResponse {
        let mut answer = HttpResponse::build(status);
        answer.content_type("text/html; charset=utf-8").insert_header((CACHE_CONTROL, "no-store"));
        if let Some(cookie) = self.new_cookie(site) {
            answer.cookie(cookie);
        }
        answer.body(html)
    }

    /// The same browser with the session it has just been given; its next answer carries the new cookie.
    pub fn signed_in_as(&self, started: &Started) -> Self {
        let account = Account {
            id: started.account,
            session: started.session,
            name: started.name.clone(),
            role: started.role,
            unit: "btc".to_owned(),
            suspended_why: None,
            waiting: 0,
            unread: 0,
        };
        Self { account: Some(account), token: started.token.clone(), fresh: true, ..self.clone() }
    }

    /// Where the request comes from, as far as it is counted.
    pub fn origin(&self, site: &Site) -> desk::accounts::From {
        let address = self.address.filter(|_| site.outside.throttle_addresses);
        desk::accounts::From { address, agent: self.agent.clone() }
    }

    /// The account, or the request to sign in.
    pub fn signed_in(&self) -> Result<&Account, Refusal> {
        self.account.as_ref().ok_or_else(|| Refusal::new(RefusalKind::SignIn, "Sign in to go on."))
    }

    /// Who asks; read once per request.
    pub async fn of(request: &HttpRequest) -> Result<Self, Trouble> {
        if let Some(known) = request.extensions().get::<Self>() {
            return Ok(known.clone());
        }
        let visitor = Self::read(request.clone()).await?;
        request.extensions_mut().insert(visitor.clone());
        Ok(visitor)
    }

    async fn read(request: HttpRequest) -> Result<Self, Trouble> {
        let site = request.app_data::<web::Data<Site>>().cloned().ok_or_else(|| desk::Error::broken("no site"))?;
        let given = request.cookie(cookie_name(site.https())).map(|c| c.value().to_owned());
        let account = match &given {
            Some(token) => Self::account_of(&site, token).await?,
            None => None,
        };
        let tour_is_away = request.cookie(TOUR_COOKIE).is_some();
        let led = account.as_ref().filter(|_| !tour_is_away && request.method() == Method::GET);
        let tour = Strip::for_account(&site, led).await;
        Ok(Self {
            account,
            tour,
            tour_is_away,
            address: address(&request, &site),
            fresh: given.is_none(),
            token: given.unwrap_or_else(new_token),
            tastes: Tastes::read(&request),
            path: request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned(),
            agent: request
                .headers()
                .get(USER_AGENT)
                .and_then(|agent| agent.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
        })
    }

    async fn account_of(site: &Site, token: &str) -> Result<Option<Account>, Trouble> {
        let Some(row) = visits::signed_in(&site.desk, token).await? else { return Ok(None) };
        Ok(Some(Account {
            id: row.account,
            session: row.session,
            name: row.name,
            role: row.role,
            unit: row.unit,
            suspended_why: row.suspended_why,
            waiting: row.waiting,
            unread: row.unread,
        }))
    }
}

/// The address the request came from; a trusted proxy's word for it counts. `None` for a visitor of the onion service.
fn address(request: &HttpRequest, site: &Site) -> Option<IpAddr> {
    // A server that listens on "[::]" is told IPv4 addresses as IPv6 ones.
    let peer = request.peer_addr()?.ip().to_canonical();
    let forwarded: Vec<&str> =
        request.headers().get_all("x-forwarded-for").filter_map(|line| line.to_str().ok()).collect();
    let trusted = is_trusted(peer, &site.outside.trusted_proxies);
    // Tor hands its visitors over from this machine, and says nothing of where they are.
    if site.outside.onion && peer.is_loopback() && (!trusted || forwarded.is_empty()) {
        return None;
    }
    if !trusted {
        return Some(peer);
    }
    Some(sender(&forwarded, &site.outside.trusted_proxies).unwrap_or(peer))
}

/// Whom the last proxy that is trusted has heard: each adds an address, or a line, behind those that it was told.
fn sender(forwarded: &[&str], trusted: &[IpAddr]) -> Option<IpAddr> {
    let address = |text: &str| text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|both| both.ip()));
    let told = forwarded.iter().rev().flat_map(|line| line.rsplit(','));
    let mut told = told.map(|part| address(part.trim()).map(|one: IpAddr| one.to_canonical()));
    told.find(|one| !one.is_some_and(|one| is_trusted(one, trusted)))?
}

fn is_trusted(address: IpAddr, trusted: &[IpAddr]) -> bool {
    trusted.iter().any(|one| one.to_canonical() == address)
}

type Asked<T> = Pin<Box<dyn Future<Output = Result<T, actix_web::Error>>>>;

impl FromRequest for Visitor {
    type Error = actix_web::Error;
    type Future = Asked<Self>;

    /// Read once per request: the middleware asks first, handlers find the answer.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self::of(&request).await?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_is_whom_the_last_trusted_proxy_has_heard() {
        let trusted = ["10.0.0.1".parse().unwrap()];
        let of = |lines: &[&str]| sender(lines, &trusted).map(|one| one.to_string());
        assert_eq!(of(&["192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["1.2.3.4, 192.0.2.1, 10.0.0.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["1.2.3.4", "192.0.2.1"]).as_deref(), Some("192.0.2.1"), "a line of its own counts as the last");
        assert_eq!(of(&["192.0.2.1:50123"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["[2001:db8::1]:443"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&["192.0.2.1, x"]), None, "then the proxy itself is counted");
        assert_eq!(of(&["10.0.0.1"]), None);
        assert_eq!(
            of(&["::ffff:192.0.2.1, ::ffff:10.0.0.1"]).as_deref(),
            Some("192.0.2.1"),
            "an IPv4 address either way"
        );
        let trusted = ["::ffff:127.0.0.1".parse().unwrap()];
        assert!(is_trusted("127.0.0.1".parse().unwrap(), &trusted) && !is_trusted("::1".parse().unwrap(), &trusted));
    }
}
