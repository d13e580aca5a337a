//! The board: the desk's first page. Everybody's filters stand in the URL.
//!
//! For visitors it is bytes, built once per change and served with an ETag; nothing of one person is ever in them.
//! Who is signed in gets the same data in a page of his own.

mod address;
mod cache;
mod page;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, IF_NONE_MATCH, VARY};
use actix_web::{HttpRequest, HttpResponse, web};

use super::error::Answer;
use super::page::Page;
use super::posted::Fields;
use super::site::Site;
use super::visitor::Visitor;
use cache::Cached;

pub use cache::Cache;
pub use page::{BoardPage, country_name};

pub async fn show(request: HttpRequest, site: web::Data<Site>, visitor: Visitor) -> Answer {
    let filter = address::read(&Fields::decode(request.query_string().as_bytes()));
    let seen = site.board.find(&site, filter).await?;
    let status = match seen.board.amount_problem {
        None => StatusCode::OK,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    if visitor.is_anybody() {
        return Ok(bytes(&request, seen.html(&site, visitor.theme())?, status, HTML));
    }
    BoardPage::new(&seen.board, &visitor).answer_with(status, &site, &visitor)
}

const HTML: &str = "text/html; charset=utf-8";

/// The offers of a page of the board, for who has it open. The same for everybody; costs no query while nothing changes.
pub async fn news(request: HttpRequest, site: web::Data<Site>) -> Answer {
    let filter = address::read(&Fields::decode(request.query_string().as_bytes()));
    let seen = site.board.find(&site, filter).await?;
    Ok(bytes(&request, seen.references(), StatusCode::OK, "application/json"))
}

/// The ready page, or the word that the browser has it already.
fn bytes(request: &HttpRequest, cached: &Cached, status: StatusCode, kind: &'static str) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = header(IF_NONE_MATCH).split(',').any(|tag| tag.trim() == cached.tag);
    let mut answer = HttpResponse::build(if known { StatusCode::NOT_MODIFIED } else { status });
    answer
        .insert_header((ETAG, cached.tag.as_str()))
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        .insert_header((VARY, "cookie, accept-encoding"));
    if known {
        return answer.finish();
    }
    answer.content_type(kind);
    if header(ACCEPT_ENCODING).split(',').any(|coding| coding.trim() == "gzip") {
        return answer.insert_header((CONTENT_ENCODING, "gzip")).body(cached.gzip.clone());
    }
    answer.body(cached.plain.clone())
}
