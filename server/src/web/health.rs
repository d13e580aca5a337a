//! Is it alive, is it ready.

use actix_web::{HttpResponse, web};

use super::error::Answer;
use super::site::Site;
use crate::desk::visits;

/// The process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Database, migrations and the age of the chain's tip: 200 when the desk can work, else 503; a line for each.
pub async fn readyz(site: web::Data<Site>) -> Answer {
    let readiness = visits::ready(&site.desk).await?;
    let mut answer = if readiness.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    Ok(answer.content_type("text/plain; charset=utf-8").body(readiness.lines.join("\n") + "\n"))
}
