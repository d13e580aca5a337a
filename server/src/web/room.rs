//! The room of a trade: saying something, its pictures, and its text to keep.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION};
use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::error::{Answer, again};
use super::headers::Inert;
use super::page::{Page, see_other};
use super::posted::{Errors, Fields, Posted};
use super::site::Site;
use super::visitor::SignedIn;
use crate::desk::{Error, room};
use crate::domain::{AttachmentId, PublicRef, Refusal, RefusalKind};

/// The form again, after a refusal.
#[derive(Debug, Serialize)]
pub struct MessagePage {
    pub reference: String,
    pub grouped: String,
    pub typed: Fields,
    pub errors: Errors,
    pub with_picture: bool,
}

impl Page for MessagePage {
    const TEMPLATE: &'static str = "trades/message.html";
}

pub async fn say(site: web::Data<Site>, who: SignedIn, path: web::Path<String>, posted: Posted) -> Answer {
    let reference = reference(&path)?;
    let picture = posted.file("picture");
    match room::say(&site.desk, reference, who.account.id, posted.fields.raw("text"), picture).await {
        Ok(()) => Ok(see_other(format!("/trades/{reference}#room"))),
        Err(Error::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => Err(refusal.into()),
        Err(error) => again(error, &site, &who.visitor, |errors| MessagePage {
            reference: reference.to_string(),
            grouped: reference.grouped(),
            typed: posted.fields.clone(),
            errors,
            with_picture: picture.is_some(),
        }),
    }
}

pub async fn picture(site: web::Data<Site>, who: SignedIn, path: web::Path<(String, String)>) -> Answer {
    let (reference, id) = (reference(&path.0)?, path.1.parse().map_err(|_| Refusal::not_found())?);
    let picture = room::picture(&site.desk, reference, who.account.id, AttachmentId(id)).await?;
    let ending = if picture.media_type == "image/png" { "png" } else { "jpg" };
    let mut answer = HttpResponse::Ok()
        .content_type(picture.media_type)
        .insert_header((CACHE_CONTROL, "private, max-age=600"))
        .insert_header((CONTENT_DISPOSITION, format!("inline; filename=\"trade-{reference}-{id}.{ending}\"")))
        .body(picture.bytes);
    answer.extensions_mut().insert(Inert);
    Ok(answer)
}

pub async fn export(site: web::Data<Site>, who: SignedIn, path: web::Path<String>) -> Answer {
    let reference = reference(&path)?;
    let text = room::export(&site.desk, reference, who.account.id).await?;
    let mut answer = HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"trade-{reference}-room.txt\"")))
        .body(text);
    answer.extensions_mut().insert(Inert);
    Ok(answer)
}

fn reference(text: &str) -> Result<PublicRef, Refusal> {
    text.parse().map_err(|_| Refusal::not_found())
}

#[cfg(test)]
mod tests;
