//! Is it alive, is it ready.

use actix_web::{HttpResponse, web};

use super::error::Answer;
use super::site::Site;

/// The process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Database and migrations answer; the age of the chain's tip is said.
pub async fn readyz(site: web::Data<Site>) -> Answer {
    site.desk.store.connection().await?.query_one("SELECT 1", &[]).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"))
}
