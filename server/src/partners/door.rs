//! The desk's front door, as a browser without scripts uses it: open a page, fill in its form, send it.
//! What a form carries unseen (its token, a version) and what it proposes is carried along.

mod html;

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::{
    Client, Response, StatusCode,
    header::{LOCATION, ORIGIN},
    multipart, redirect,
};

pub use html::{Form, attribute, form, has_form, has_link, tags, unescaped};

/// Longer than a busy desk takes for any page.
const ANSWER_SECONDS: u64 = 30;

/// The desk does not know this browser (any more).
#[derive(Debug, thiserror::Error)]
#[error("the desk asks to sign in")]
pub struct SignedOut;

/// One browser with its own cookies.
#[derive(Debug, Clone)]
pub struct Door {
    client: Client,
    origin: String,
}

impl Door {
    pub fn new(origin: &str) -> anyhow::Result<Self> {
        let client = Client::builder()
            .cookie_store(true)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(ANSWER_SECONDS))
            .build()?;
        Ok(Self { client, origin: origin.to_owned() })
    }

    /// The page's HTML; anything but a page is an error.
    pub async fn page(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.client.get(format!("{}{path}", self.origin)).send().await?;
        ensure!(answer.status() != StatusCode::UNAUTHORIZED, SignedOut);
        ensure!(answer.status() == StatusCode::OK, "{path} answers {}", answer.status());
        Ok(answer.text().await?)
    }

    /// The form on a page that sends to `action`, with its hidden fields.
    pub async fn form(&self, path: &str, action: &str) -> anyhow::Result<Form> {
        let page = self.page(path).await?;
        html::form(&page, action).with_context(|| format!("{path} has no form that sends to {action}"))
    }

    /// A value that the page offers for a field, like the id of a saved thing: the text between two marks.
    pub async fn text_between(&self, path: &str, before: &str, after: &str) -> anyhow::Result<String> {
        let page = self.page(path).await?;
        let found = page.split_once(before).and_then(|(_, rest)| rest.split_once(after));
        Ok(found.with_context(|| format!("{path} does not say {before}"))?.0.to_owned())
    }

    /// Sends it. A form that is taken leads on to another page, whose path is returned; a refusal comes back in words.
    pub async fn send(&self, form: &Form) -> anyhow::Result<String> {
        let answer = self.post(&form.action).form(&form.fields).send().await?;
        led_on(&form.action, answer).await
    }

    /// Sends it with a file, or as forms are sent that could carry one.
    pub async fn send_with_file(&self, form: &Form, file: Option<(&str, Vec<u8>)>) -> anyhow::Result<String> {
        let fields = form.fields.iter().cloned();
        let mut parts = fields.fold(multipart::Form::new(), |parts, (name, value)| parts.text(name, value));
        if let Some((name, bytes)) = file {
            parts = parts.part(name.to_owned(), multipart::Part::bytes(bytes).file_name("file"));
        }
        let answer = self.post(&form.action).multipart(parts).send().await?;
        led_on(&form.action, answer).await
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.origin)).header(ORIGIN, &self.origin)
    }
}

async fn led_on(action: &str, answer: Response) -> anyhow::Result<String> {
    let status = answer.status();
    if status.is_redirection() {
        let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("/");
        return Ok(to.to_owned());
    }
    ensure!(status != StatusCode::UNAUTHORIZED, SignedOut);
    let page = answer.text().await?;
    if status.is_success() {
        // Something is shown once (a recovery code) instead of leading on.
        return Ok(page);
    }
    bail!("{action} was refused ({status}): {}", html::visible(&page))
}
