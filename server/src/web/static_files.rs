//! Stylesheets, scripts and the signer, from inside the program.

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::{BASE64, HEXLOWER};
use rust_embed::RustEmbed;

use super::error::Answer;
use crate::domain::Refusal;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
#[exclude = "signer/node_modules/*"]
#[exclude = "signer/src/*"]
#[exclude = "signer/test/*"]
struct Static;

pub async fn file(request: HttpRequest, path: web::Path<String>) -> Answer {
    let file = Static::get(&path).ok_or_else(Refusal::not_found)?;
    let tag = format!("\"{}\"", HEXLOWER.encode(&file.metadata.sha256_hash()));
    let known = request.headers().get(IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let mut answer = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((ETAG, tag)).insert_header((CACHE_CONTROL, "public, max-age=0, must-revalidate"));
    if known {
        return Ok(answer.finish());
    }
    Ok(answer.content_type(content_type(&path)).body(file.data.into_owned()))
}

/// The `integrity` of a script or stylesheet: `sha256-…`. Empty for a file that is not there.
pub fn integrity(path: &str) -> String {
    Static::get(path).map(|file| format!("sha256-{}", BASE64.encode(&file.metadata.sha256_hash()))).unwrap_or_default()
}

/// The SHA-256 of a file in hex.
pub fn sha256_of(path: &str) -> String {
    Static::get(path).map(|file| HEXLOWER.encode(&file.metadata.sha256_hash())).unwrap_or_default()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("html") => "text/html; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}
