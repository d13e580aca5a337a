//! A browser as far as plain HTTP goes: cookies kept, form tokens found and sent, redirects shown, not followed.

use std::sync::{Arc, Mutex};

use reqwest::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use reqwest::multipart::{Form, Part};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response};

/// The password of every account that a test registers.
pub const PASSWORD: &str = "orbit maple quiet lantern";

/// One browser: its cookies, and the form token of the last page. Clones are the same browser.
#[derive(Clone)]
pub struct Browser {
    pub origin: String,
    http: reqwest::Client,
    token: Arc<Mutex<Option<String>>>,
    /// The name it registered or signed in with.
    pub name: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Seen {
    pub status: u16,
    /// Where a redirect leads.
    pub location: Option<String>,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
    /// The same as text.
    pub body: String,
}

impl Browser {
    pub fn new(origin: &str) -> Self {
        let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none()).build().unwrap();
        Self { origin: origin.to_owned(), http, token: Arc::default(), name: String::new() }
    }

    /// A browser that says this with every request.
    pub fn that_says(origin: &str, said: &[(&'static str, &str)]) -> Self {
        let headers = said.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
        let http =
            reqwest::Client::builder().cookie_store(true).redirect(Policy::none()).default_headers(headers).build();
        Self { http: http.unwrap(), ..Self::new(origin) }
    }

    /// A browser that holds the token of a session already.
    pub fn with_session(origin: &str, token: &str) -> Self {
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert(reqwest::header::COOKIE, format!("trine={token}").parse().unwrap());
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .pool_max_idle_per_host(0)
            .redirect(Policy::none())
            .build()
            .unwrap();
        Self { origin: origin.to_owned(), http, token: Arc::default(), name: String::new() }
    }

    pub async fn get(&self, path: &str) -> Seen {
        self.seen(self.http.get(self.url(path))).await
    }

    /// A page, or nothing when the desk is not there.
    pub async fn try_get(&self, path: &str) -> Option<Seen> {
        self.try_seen(self.http.get(self.url(path))).await.ok()
    }

    /// Sends a form; nothing when the desk is not there, or died over it.
    pub async fn try_post(&self, path: &str, fields: &[(&str, &str)]) -> Option<Seen> {
        let known = self.token.lock().unwrap().clone();
        if known.is_none() {
            self.try_get("/appearance").await?;
        }
        let token = self.token.lock().unwrap().clone()?;
        let mut all = vec![("csrf", token.as_str())];
        all.extend_from_slice(fields);
        let request = self.http.post(self.url(path)).header("sec-fetch-site", "same-origin").form(&all);
        self.try_seen(request).await.ok()
    }

    /// Sends a form with this browser's token, as a browser does after opening the page.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let token = self.token().await;
        let mut all = vec![("csrf", token.as_str())];
        all.extend_from_slice(fields);
        self.post_bare(path, &all).await
    }

    /// Sends exactly these fields: for tests of what is missing.
    pub async fn post_bare(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        self.seen(self.http.post(self.url(path)).header("sec-fetch-site", "same-origin").form(fields)).await
    }

    /// Sends a form with a file, as `multipart/form-data`, with this browser's token.
    pub async fn upload(&self, path: &str, fields: &[(&str, &str)], file: (&str, &str, Vec<u8>)) -> Seen {
        self.uploads(path, fields, vec![file]).await
    }

    /// The same with several files.
    pub async fn uploads(&self, path: &str, fields: &[(&str, &str)], files: Vec<(&str, &str, Vec<u8>)>) -> Seen {
        let mut form = Form::new().text("csrf", self.token().await);
        for (key, value) in fields {
            form = form.text((*key).to_owned(), (*value).to_owned());
        }
        for (field, name, bytes) in files {
            form = form.part(field.to_owned(), Part::bytes(bytes).file_name(name.to_owned()));
        }
        self.seen(self.http.post(self.url(path)).multipart(form)).await
    }

    /// Posts, expects a redirect, and follows it.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, 303, "POST {path} was to be accepted:\n{}", answer.words());
        self.get(&answer.location.expect("a redirect says where to")).await
    }

    /// Registers, and stays signed in.
    pub async fn register(mut self, name: &str) -> Self {
        let answer = self.post("/register", &[("name", name), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, 200, "registering {name}:\n{}", answer.words());
        name.clone_into(&mut self.name);
        self
    }

    /// Signs in with a password.
    pub async fn sign_in(mut self, name: &str, password: &str) -> Self {
        let answer = self.post("/sign-in", &[("name", name), ("password", password)]).await;
        assert_eq!(answer.status, 303, "signing in {name}:\n{}", answer.words());
        name.clone_into(&mut self.name);
        self
    }

    /// The underlying client, for requests no form of ours makes.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The token every form of this browser carries.
    pub async fn token(&self) -> String {
        if let Some(token) = self.token.lock().unwrap().clone() {
            return token;
        }
        self.get("/appearance").await;
        self.token.lock().unwrap().clone().expect("/appearance has a form with a token")
    }

    async fn seen(&self, request: RequestBuilder) -> Seen {
        self.try_seen(request).await.unwrap()
    }

    async fn try_seen(&self, request: RequestBuilder) -> reqwest::Result<Seen> {
        let answer: Response = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let location = headers.get(LOCATION).map(|value| value.to_str().unwrap().to_owned());
        // A stream has no end: whoever wants to hear it opens it with [`Ear`](super::Ear).
        let is_stream = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let bytes = if is_stream { Vec::new() } else { answer.bytes().await?.to_vec() };
        let body = String::from_utf8_lossy(&bytes).into_owned();
        let found = between(&body, "name=\"csrf\" value=\"", "\"").map(str::to_owned);
        let mut token = self.token.lock().unwrap();
        if found.is_some() {
            *token = found;
        } else if headers.contains_key(SET_COOKIE) {
            *token = None;
        }
        drop(token);
        Ok(Seen { status, location, headers, bytes, body })
    }
}

impl Seen {
    /// The text of the page without tags, for messages and for asserting on words.
    pub fn words(&self) -> String {
        let (mut text, mut inside) = (String::new(), false);
        for c in self.body.chars() {
            match c {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    text.push(' ');
                }
                c if !inside => text.push(c),
                _ => {}
            }
        }
        let text = text
            .replace("&#x27;", "'")
            .replace("&#39;", "'")
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&#x2F;", "/")
            .replace("&amp;", "&");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What is said to be wrong with a field, empty if nothing.
    pub fn error(&self, field: &str) -> String {
        let words = between(&self.body, &format!("id=\"e-{field}\">"), "</p>").unwrap_or_default();
        words.replace(['\u{202f}', '\u{a0}'], " ")
    }

    /// What is said to be wrong with the whole form.
    pub fn problem(&self) -> String {
        let words = between(&self.body, "<p class=\"note bad\" role=\"alert\">", "</p>").unwrap_or_default();
        words.replace(['\u{202f}', '\u{a0}'], " ")
    }

    /// What a field of the page's form holds.
    pub fn value(&self, field: &str) -> Option<String> {
        let input = self
            .body
            .split("<input")
            .find(|input| input.split('>').next().is_some_and(|tag| tag.contains(&format!("name=\"{field}\""))))?;
        between(input.split('>').next()?, "value=\"", "\"").map(str::to_owned)
    }

    /// What a signing page hands to the signer.
    pub fn envelope(&self) -> serde_json::Value {
        let text = between(&self.body, "id=\"envelope\">", "</script>").expect("the page has an envelope");
        serde_json::from_str(text).unwrap()
    }

    /// The text between two marks.
    pub fn between(&self, start: &str, end: &str) -> Option<&str> {
        between(&self.body, start, end)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}
