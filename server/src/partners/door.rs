//! The desk's front door, as a browser without scripts uses it: open a page, fill in its form, send it.
//! What a form carries unseen (its token, a version) is carried along.

use anyhow::{Context, bail, ensure};
use reqwest::{
    Client, Response, StatusCode,
    header::{LOCATION, ORIGIN},
    multipart, redirect,
};

/// Longest piece of a refusal's page that is worth telling.
const TOLD_CHARS_MAX: usize = 600;

/// One browser with its own cookies.
#[derive(Debug, Clone)]
pub struct Door {
    client: Client,
    origin: String,
}

/// A form on a page.
#[derive(Debug, Clone)]
pub struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

impl Form {
    /// Types into a field, or chooses; what stood there is gone.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self.also(name, value)
    }

    /// Adds another value of a field that takes several.
    #[must_use]
    pub fn also(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }
}

impl Door {
    pub fn new(origin: &str) -> anyhow::Result<Self> {
        let client = Client::builder().cookie_store(true).redirect(redirect::Policy::none()).no_proxy().build()?;
        Ok(Self { client, origin: origin.to_owned() })
    }

    /// The page's HTML; anything but a page is an error.
    pub async fn page(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.client.get(format!("{}{path}", self.origin)).send().await?;
        ensure!(answer.status() == StatusCode::OK, "{path} answers {}", answer.status());
        Ok(answer.text().await?)
    }

    /// The form on a page that sends to `action`, with its hidden fields.
    pub async fn form(&self, path: &str, action: &str) -> anyhow::Result<Form> {
        let html = self.page(path).await?;
        form_in(&html, action).with_context(|| format!("{path} has no form that sends to {action}"))
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
    let html = answer.text().await?;
    if status.is_success() {
        // Something is shown once (a recovery code) instead of leading on.
        return Ok(html);
    }
    bail!("{action} was refused ({status}): {}", visible(&html))
}

fn form_in(html: &str, action: &str) -> Option<Form> {
    html.split("<form").skip(1).find_map(|rest| {
        let (tag, body) = rest.split_once('>')?;
        if attribute(tag, "action")? != action {
            return None;
        }
        let (body, _) = body.split_once("</form>")?;
        let inputs = body.split("<input").skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag));
        let hidden = inputs.filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"));
        let fields = hidden.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect();
        Some(Form { action: action.to_owned(), fields })
    })
}

/// The value of an attribute in a tag, as the page meant it.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(unescaped(value))
}

fn unescaped(text: &str) -> String {
    let quotes = text.replace("&quot;", "\"").replace("&#x27;", "'").replace("&#39;", "'").replace("&#x2F;", "/");
    quotes.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The words of a page's main part.
fn visible(html: &str) -> String {
    let main = html.split_once("<main").map_or(html, |(_, rest)| rest);
    let main = main.split_once("</main>").map_or(main, |(main, _)| main);
    let words: String = main.split('<').filter_map(|piece| piece.split_once('>').map(|(_, text)| text)).fold(
        String::new(),
        |mut all, text| {
            all.push_str(text);
            all.push(' ');
            all
        },
    );
    let words: Vec<&str> = words.split_whitespace().collect();
    unescaped(&words.join(" ")).chars().take(TOLD_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<main><form method="post" action="/other"><input type="hidden" name="csrf" value="no"></form>
        <form method="post" action="/sign-in"><input type="hidden" name="csrf" value="a&amp;b">
        <input type="text" name="name" value="typed"><p class="problem">Not &lt;now&gt;.</p></form></main>"#;

    #[test]
    fn a_form_carries_its_hidden_fields_and_what_is_typed() {
        let form = form_in(PAGE, "/sign-in").unwrap().with("name", "anna-k").also("m", "1").also("m", "2");
        let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("csrf", "a&b"), ("name", "anna-k"), ("m", "1"), ("m", "2")]);
        assert!(form_in(PAGE, "/nowhere").is_none());
    }

    #[test]
    fn a_refusal_is_told_in_the_pages_words() {
        assert_eq!(visible(PAGE), "Not <now>.");
    }
}
