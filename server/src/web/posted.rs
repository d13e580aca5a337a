//! Every changing request passes here: same origin, form token, size; then its fields and files, as typed.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;
use serde::Serialize;
use serde::ser::SerializeMap;
use subtle::ConstantTimeEq;

use super::error::Trouble;
use super::site::Site;
use super::visitor::Visitor;
use crate::domain::{Refusal, RefusalKind};

/// A form without files.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// How much of a form with files is kept, and how long it may take to arrive.
#[derive(Debug, Clone, Copy)]
struct Room {
    all: usize,
    /// Of one file; whoever takes files refuses far smaller ones, in words and beside the field.
    file: usize,
    time: Duration,
}

/// Pictures and signed PSBTs, over a slow line.
const MEMBERS: Room = Room { all: 12 * 1024 * 1024, file: 9 * 1024 * 1024, time: Duration::from_secs(300) };
/// A key file or a signed message: of somebody whom nobody knows, less is held for less long.
const STRANGERS: Room = Room { all: 512 * 1024, file: 384 * 1024, time: Duration::from_secs(60) };
/// So much is read, kept or not: a browser shows an answer only after it could send everything.
const READ_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Fields of one form; more is not a form of ours.
const FIELDS_MAX: usize = 200;

/// What was typed, as typed.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The field's text, trimmed; empty when it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The field's text as it came (passwords, statements).
    pub fn raw(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// All values of a field that may come several times (checkboxes).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// All fields whose name starts with a prefix, with the rest of the name.
    pub fn with_prefix(&self, prefix: &str) -> BTreeMap<String, String> {
        let rest =
            |(key, value): &(String, String)| Some((key.strip_prefix(prefix)?.to_owned(), value.trim().to_owned()));
        self.0.iter().filter_map(rest).collect()
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    /// From a query string or a urlencoded body.
    pub fn decode(bytes: &[u8]) -> Self {
        Self(
            url::form_urlencoded::parse(bytes)
                .take(FIELDS_MAX)
                .map(|(k, v)| (k.into_owned(), without_nul(&v)))
                .collect(),
        )
    }
}

/// PostgreSQL keeps no NUL in a text; like a browser that reads one, we see the sign for what cannot be read.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl Serialize for Fields {
    /// A map for templates (`typed.name`); secrets are never shown again.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let shown: BTreeMap<&str, &str> = self
            .0
            .iter()
            .filter(|(k, _)| !k.contains("password") && k != "csrf")
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        let mut map = to.serialize_map(Some(shown.len()))?;
        for (key, value) in shown {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// What is wrong with a form, for templates: `errors.name`, and `problem` for the top.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Errors(BTreeMap<String, String>);

impl From<&Refusal> for Errors {
    fn from(refusal: &Refusal) -> Self {
        let mut errors: BTreeMap<_, _> =
            refusal.fields.iter().map(|f| (f.field.to_string(), f.words.clone())).collect();
        if !refusal.words.is_empty() {
            errors.insert("problem".into(), refusal.words.clone());
        }
        Self(errors)
    }
}

/// A file of a form.
#[derive(Debug, Clone)]
pub struct Upload {
    pub field: String,
    pub bytes: Vec<u8>,
}

/// A checked changing request.
#[derive(Debug)]
pub struct Posted {
    pub fields: Fields,
    pub files: Vec<Upload>,
}

impl Posted {
    /// The bytes of all files that were chosen for a field.
    pub fn files(&self, field: &str) -> Vec<&[u8]> {
        let chosen = self.files.iter().filter(|file| file.field == field && !file.bytes.is_empty());
        chosen.map(|file| file.bytes.as_slice()).collect()
    }

    /// The bytes of an uploaded file, if one was chosen.
    pub fn file(&self, field: &str) -> Option<&[u8]> {
        self.files.iter().find(|f| f.field == field && !f.bytes.is_empty()).map(|f| f.bytes.as_slice())
    }
}

/// The fields of a URL's query: filters, where to go on to. Asking changes nothing, so nothing is checked.
#[derive(Debug, Clone)]
pub struct Query(pub Fields);

impl FromRequest for Query {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(Fields::decode(request.query_string().as_bytes()))))
    }
}

impl FromRequest for Posted {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { Ok(read(request, payload).await?) })
    }
}

async fn read(request: HttpRequest, mut payload: Payload) -> Result<Posted, Trouble> {
    let site = request.app_data::<web::Data<Site>>().cloned().ok_or_else(|| crate::desk::Error::broken("no site"))?;
    let visitor = Visitor::of(&request).await?;
    if !same_origin(&request, &site) {
        return Err(forbidden("This form was sent from another site. Nothing was changed."));
    }
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let room = if visitor.account.is_some() { MEMBERS } else { STRANGERS };
    let arrives = async {
        if content_type.starts_with("multipart/form-data") {
            multipart(Multipart::new(request.headers(), payload), room).await
        } else if content_type.starts_with("application/x-www-form-urlencoded") || content_type.is_empty() {
            Ok(Posted { fields: Fields::decode(&body(&mut payload).await?), files: Vec::new() })
        } else {
            Err(Refusal::invalid("A form is sent as application/x-www-form-urlencoded or multipart/form-data."))
        }
    };
    let posted = tokio::time::timeout(room.time, arrives).await.map_err(|_| broken())??;
    let expected = visitor.csrf(&site);
    if !bool::from(expected.as_bytes().ct_eq(posted.fields.raw("csrf").as_bytes())) {
        return Err(forbidden(
            "This form is too old, or cookies are off. Open the page again and repeat; nothing was changed.",
        ));
    }
    Ok(posted)
}

fn forbidden(words: &str) -> Trouble {
    Refusal::new(RefusalKind::Forbidden, words).into()
}

/// `Sec-Fetch-Site` where the browser sends it, else `Origin`; a client that sends neither is not a browser with cookies.
fn same_origin(request: &HttpRequest, site: &Site) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
    if let Some(from) = header("sec-fetch-site") {
        return matches!(from, "same-origin" | "none");
    }
    match header(ORIGIN.as_str()) {
        None => true,
        Some(origin) => {
            let own = header(HOST.as_str()).map(|host| format!("http://{host}"));
            site.outside.origins.iter().any(|known| known == origin)
                || (!site.https() && own.as_deref() == Some(origin))
        }
    }
}

async fn body(payload: &mut Payload) -> Result<Vec<u8>, Refusal> {
    let mut all = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| broken())?;
        if all.len() + chunk.len() > FORM_BYTES_MAX {
            return Err(Refusal::invalid("That is more text than this form takes."));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

fn broken() -> Refusal {
    Refusal::invalid("The form did not arrive whole. Please send it again.")
}

async fn multipart(mut parts: Multipart, room: Room) -> Result<Posted, Refusal> {
    let too_big =
        || Refusal::invalid(format!("That is too big: a form with its files may have {} KiB.", room.all / 1024));
    let mut posted = Posted { fields: Fields::default(), files: Vec::new() };
    let (mut unread, mut left) = (READ_BYTES_MAX, room.all);
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(|_| broken())?;
        let disposition = part.content_disposition().ok_or_else(broken)?;
        let name = disposition.get_name().ok_or_else(broken)?.to_owned();
        let is_file = disposition.get_filename().is_some();
        let mut bytes = Vec::new();
        while let Some(chunk) = part.next().await {
            let chunk = chunk.map_err(|_| broken())?;
            unread = unread.checked_sub(chunk.len()).ok_or_else(too_big)?;
            if is_file && bytes.len() > room.file {
                continue;
            }
            left = left.checked_sub(chunk.len()).ok_or_else(too_big)?;
            bytes.extend_from_slice(&chunk);
        }
        if posted.fields.0.len() + posted.files.len() >= FIELDS_MAX {
            return Err(broken());
        }
        if is_file {
            posted.files.push(Upload { field: name, bytes });
        } else {
            posted.fields.0.push((name, without_nul(&String::from_utf8_lossy(&bytes))));
        }
    }
    Ok(posted)
}
