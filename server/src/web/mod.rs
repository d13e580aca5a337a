//! What people see: server-rendered pages, plain forms, one URL map.
//!
//! A handler is four thoughts: who (extractor), what (form), ask the desk, answer (page or redirect).

pub mod account;
pub mod accounts;
pub mod amendments;
pub mod appearance;
pub mod arbitration;
pub mod board;
pub mod calendar;
pub mod conduct;
pub mod disputes;
pub mod divided;
pub mod drill;
pub mod error;
pub mod headers;
pub mod health;
pub mod help;
pub mod hours;
pub mod keys;
pub mod live;
pub mod log;
pub mod markdown;
pub mod notices;
pub mod offer;
pub mod offers;
pub mod operator;
pub mod page;
pub mod papers;
pub mod payment_accounts;
pub mod people;
pub mod posted;
pub mod practice;
pub mod recovery;
pub mod reinstatement;
pub mod room;
pub mod routes;
pub mod settlements;
pub mod shown;
pub mod site;
mod spans;
pub mod static_files;
pub mod take;
pub mod times;
pub mod tour;
pub mod trades;
pub mod visitor;

pub use error::{Answer, Trouble, again};
pub use page::{Page, see_other};
pub use posted::{Errors, Fields, Posted, Query};
pub use site::Site;
pub use visitor::{SignedIn, Visitor};

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, web};

/// The whole web app over one site; a server makes one per worker.
pub fn app(
    site: Arc<Site>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(web::Data::from(site))
        .configure(routes::configure)
        .default_service(web::to(error::nothing_here))
        .wrap(Compress::default())
        .wrap(from_fn(headers::on_every_answer))
        .wrap(tracing_actix_web::TracingLogger::<spans::Spans>::new())
}
