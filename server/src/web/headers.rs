//! The policy on every answer, and error answers turned into pages.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{FromRequest, web};

use super::error::{Told, told_page};
use super::site::Site;
use super::visitor::Visitor;

/// The policy of pages that sign nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The policy of pages that make or use a key: their one script, WebAssembly for Argon2, nothing else.
const SIGNER_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; \
    connect-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The policy of what people uploaded or wrote, served as a file of its own: it may do nothing.
const INERT_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// A handler's answer carries this to get the policy of what may do nothing.
#[derive(Debug, Clone, Copy)]
pub struct Inert;

/// A handler's answer carries this to get the signer's policy.
#[derive(Debug, Clone, Copy)]
pub struct SignerPage;

pub async fn on_every_answer(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let visitor = {
        let (http, payload) = request.parts_mut();
        Visitor::from_request(http, payload).await
    };
    let mut answer = next.call(request).await?.map_into_boxed_body();

    let told = answer.response_mut().extensions_mut().remove::<Told>();
    if let (Some(told), Ok(visitor)) = (told, visitor)
        && let Some(site) = answer.request().app_data::<web::Data<Site>>().cloned()
    {
        let status = answer.status();
        let request = answer.request().clone();
        let back = (request.method() == Method::GET).then(|| request.uri().path_and_query()).flatten();
        let place = (request.path(), back.map(|path| path.as_str()));
        if let Ok(page) = told_page(&site, &visitor, status, told, place) {
            answer = answer.into_response(page.map_into_boxed_body());
        }
    }

    let policy = policy_of(&mut answer);
    let https = answer.request().app_data::<web::Data<Site>>().is_some_and(|site| site.https());
    let headers = answer.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    };
    set("content-security-policy", policy);
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("referrer-policy", "same-origin");
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
    if https {
        set("strict-transport-security", "max-age=31536000");
    }
    Ok(answer)
}

fn policy_of(answer: &mut ServiceResponse<BoxBody>) -> &'static str {
    let mut marks = answer.response_mut().extensions_mut();
    if marks.remove::<SignerPage>().is_some() {
        SIGNER_POLICY
    } else if marks.remove::<Inert>().is_some() {
        INERT_POLICY
    } else {
        POLICY
    }
}
