//! What goes wrong, told: a refusal in words with its status; a failure with a reference number, logged once.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;

use super::page::Page;
use super::posted::Errors;
use super::shown::Way;
use super::site::Site;
use super::visitor::Visitor;
use crate::desk;
use crate::domain::{PublicRef, Refusal, RefusalKind};

pub type Answer = Result<HttpResponse, Trouble>;

/// What a handler may fail with.
#[derive(Debug)]
pub struct Trouble(pub desk::Error);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Into<desk::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// The status code of a refusal.
pub fn status_of(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::SignIn => StatusCode::UNAUTHORIZED,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What the middleware turns into a page: it knows the visitor, `ResponseError` does not.
#[derive(Debug, Clone)]
pub struct Told {
    pub words: String,
    pub reference: Option<String>,
}

impl ResponseError for Trouble {
    fn status_code(&self) -> StatusCode {
        match &self.0 {
            desk::Error::Refused(refusal) => status_of(refusal.kind),
            desk::Error::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let told = match &self.0 {
            desk::Error::Refused(refusal) => Told { words: refusal.all_words(), reference: None },
            desk::Error::Failed(failure) => {
                let reference = uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect::<String>();
                tracing::error!(reference, error = format!("{:#}", failure.0), "a request failed");
                Told { words: String::new(), reference: Some(reference) }
            }
        };
        let mut answer = HttpResponse::build(self.status_code());
        let plain = match &told.reference {
            Some(reference) => format!("Something broke on our side. Reference {reference}.\n"),
            None => format!("{}\n", told.words),
        };
        let mut answer = answer.content_type("text/plain; charset=utf-8").body(plain);
        answer.extensions_mut().insert(told);
        answer
    }
}

/// The form again, with what was typed and what is wrong with it; unless the desk broke.
pub fn again<P: Page>(error: desk::Error, site: &Site, visitor: &Visitor, page: impl FnOnce(Errors) -> P) -> Answer {
    match error {
        desk::Error::Refused(refusal) => {
            page(Errors::from(&refusal)).answer_with(status_of(refusal.kind), site, visitor)
        }
        failed => Err(failed.into()),
    }
}

/// A page that says what went wrong and where to go on.
#[derive(Debug, Serialize)]
pub struct ErrorPage {
    pub title: String,
    pub words: String,
    pub reference: Option<String>,
    /// Where signing in leads back to.
    pub sign_in: Option<String>,
    /// The trade or dispute that it was about.
    pub about: Option<Way>,
}

impl Page for ErrorPage {
    const TEMPLATE: &'static str = "error.html";
}

impl ErrorPage {
    /// `path` is where it happened, `back` where one can come back to.
    pub fn new(status: StatusCode, told: Told, path: &str, back: Option<&str>) -> Self {
        let title = match status {
            StatusCode::NOT_FOUND => "Nothing here",
            StatusCode::UNAUTHORIZED => "Please sign in",
            StatusCode::FORBIDDEN => "Not for this account",
            StatusCode::TOO_MANY_REQUESTS => "Too fast",
            StatusCode::SERVICE_UNAVAILABLE => "Not just now",
            status if status.is_server_error() => "Something broke on our side",
            StatusCode::CONFLICT => "Something changed meanwhile",
            _ => "That did not work",
        };
        Self {
            title: title.into(),
            words: told.words,
            reference: told.reference,
            about: about(path).filter(|_| !matches!(status, StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED)),
            sign_in: (status == StatusCode::UNAUTHORIZED).then(|| back.unwrap_or("/").to_owned()),
        }
    }
}

/// The page of the trade or dispute that a path lies in.
fn about(path: &str) -> Option<Way> {
    let mut parts = path.trim_start_matches('/').split('/');
    let (kind, reference) = (parts.next()?, parts.next()?.parse::<PublicRef>().ok()?);
    match kind {
        "trades" => Some(Way::new(format!("/trades/{reference}"), "Back to the trade")),
        "arbitration" => Some(Way::new(format!("/arbitration/{reference}"), "Back to the dispute")),
        _ => None,
    }
}

/// For every path that is not in the map.
pub async fn nothing_here(_request: HttpRequest) -> Answer {
    Err(Refusal::not_found().into())
}

/// The page for an error answer, in the visitor's own look.
pub fn told_page(
    site: &Site,
    visitor: &Visitor,
    status: StatusCode,
    told: Told,
    (path, back): (&str, Option<&str>),
) -> Answer {
    ErrorPage::new(status, told, path, back).answer_with(status, site, visitor)
}
