//! A reverse proxy between a test's browsers and its desk. It keeps all that passes, and can change pages on the way:
//! what a desk in hostile hands would do.

use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use super::site::{listener, runs_beside};

/// Changes a page: its path and its text go in, the text to show comes out.
pub type Edit = Box<dyn Fn(&str, String) -> String + Send>;

#[derive(Clone, Default)]
struct Shared {
    upstream: String,
    traffic: Arc<Mutex<Vec<u8>>>,
    edit: Arc<Mutex<Option<Edit>>>,
}

/// Listens at `origin` until it is dropped.
pub struct Proxy {
    pub origin: String,
    shared: Shared,
    server: ServerHandle,
}

impl Proxy {
    pub fn before(upstream: &str) -> Self {
        let shared = Shared { upstream: upstream.to_owned(), ..Shared::default() };
        let (listener, origin) = listener();
        let passing = shared.clone();
        let server = HttpServer::new(move || {
            let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
            App::new()
                .app_data(web::Data::new(passing.clone()))
                .app_data(web::Data::new(http))
                .app_data(web::PayloadConfig::new(64 << 20))
                .default_service(web::to(pass))
        })
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)
        .unwrap()
        .run();
        Self { origin, shared, server: runs_beside(server) }
    }

    /// From now on every page is changed by this; `None`: no page is.
    pub fn edit(&self, edit: Option<Edit>) {
        *self.shared.edit.lock().unwrap() = edit;
    }

    /// Everything that passed so far: URLs, headers and bodies of requests and answers.
    pub fn traffic(&self) -> Vec<u8> {
        self.shared.traffic.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn pass(
    request: HttpRequest,
    body: web::Bytes,
    shared: web::Data<Shared>,
    http: web::Data<reqwest::Client>,
) -> HttpResponse {
    let line = format!("\n{} {}\n", request.method(), request.uri());
    shared.keep(&[line.as_bytes()]);
    let url = format!("{}{}", shared.upstream, request.uri());
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
    let mut onward = http.request(method, url);
    for (name, value) in request.headers() {
        shared.keep(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"]);
        if !matches!(name.as_str(), "host" | "connection" | "content-length" | "accept-encoding") {
            onward = onward.header(name.as_str(), value.as_bytes());
        }
    }
    shared.keep(&[&body, b"\n"]);
    let Ok(answer) = onward.body(body.to_vec()).send().await else { return HttpResponse::BadGateway().finish() };
    let mut passed = HttpResponse::build(StatusCode::from_u16(answer.status().as_u16()).unwrap());
    for (name, value) in answer.headers() {
        shared.keep(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"]);
        if !matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding") {
            passed.append_header((name.as_str(), value.as_bytes()));
        }
    }
    if answer.headers().get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        return passed.streaming(futures_util::stream::unfold(answer, |mut answer| async {
            let chunk = answer.chunk().await.ok().flatten()?;
            Some((Ok::<_, actix_web::Error>(chunk), answer))
        }));
    }
    let is_page = answer.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let bytes = answer.bytes().await.unwrap_or_default().to_vec();
    shared.keep(&[&bytes, b"\n"]);
    let edit = shared.edit.lock().unwrap();
    passed.body(match edit.as_ref() {
        Some(edit) if is_page => edit(request.path(), String::from_utf8(bytes).unwrap()).into_bytes(),
        _ => bytes,
    })
}

impl Shared {
    fn keep(&self, parts: &[&[u8]]) {
        let mut traffic = self.traffic.lock().unwrap();
        parts.iter().for_each(|part| traffic.extend_from_slice(part));
    }
}
