//! What the log says of a request. An address that is a secret is not in it.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use tracing::Span;
use tracing_actix_web::{DefaultRootSpanBuilder, RootSpanBuilder};

/// Where a secret follows in the address.
const SECRET: [&str; 3] = ["/calendar/", "/feed/", "/notices/confirm/"];

/// The usual span, but for calendars, feeds and links that confirm: their address is their password.
#[derive(Debug)]
pub struct WithoutSecrets;

impl RootSpanBuilder for WithoutSecrets {
    fn on_request_start(request: &ServiceRequest) -> Span {
        if let Some(place) = SECRET.iter().find(|place| request.path().starts_with(**place)) {
            return tracing::info_span!("HTTP request", http.route = format!("{place}{{token}}"));
        }
        DefaultRootSpanBuilder::on_request_start(request)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, actix_web::Error>) {
        DefaultRootSpanBuilder::on_request_end(span, outcome);
    }
}
