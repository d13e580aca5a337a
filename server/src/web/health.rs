//! Is it alive, is it ready.

use actix_web::{HttpResponse, web};

use super::error::Answer;
use super::site::Site;
use crate::desk::visits;

/// The process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Database and migrations answer; the age of the chain's tip is said.
pub async fn readyz(site: web::Data<Site>) -> Answer {
    visits::ready(&site.desk).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"))
}
