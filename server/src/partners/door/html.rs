//! Just enough HTML: the forms of our own pages, and their words.

/// Longest piece of a refusal's page that is worth telling.
const TOLD_CHARS_MAX: usize = 600;

/// A form on a page, filled in as the page proposes it.
#[derive(Debug, Clone)]
pub struct Form {
    pub(super) action: String,
    pub(super) fields: Vec<(String, String)>,
    /// Boxes and circles that are not ticked.
    open: Vec<(String, String)>,
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

    /// Ticks every box of a name.
    #[must_use]
    pub fn ticked(mut self, name: &str) -> Self {
        let (ticked, open) = std::mem::take(&mut self.open).into_iter().partition(|(field, _)| field == name);
        self.open = open;
        self.fields.extend::<Vec<_>>(ticked);
        self
    }
}

/// The form that sends to `action`.
pub fn form(html: &str, action: &str) -> Option<Form> {
    html.split("<form").skip(1).find_map(|rest| {
        let (tag, body) = rest.split_once('>')?;
        if attribute(tag, "action")? != action {
            return None;
        }
        let (body, _) = body.split_once("</form>")?;
        let mut form = Form { action: action.to_owned(), fields: Vec::new(), open: Vec::new() };
        inputs(body, &mut form);
        for (tag, inside) in elements(body, "select") {
            form.fields.extend(attribute(tag, "name").zip(chosen(inside)));
        }
        for (tag, inside) in elements(body, "textarea") {
            form.fields.extend(attribute(tag, "name").map(|name| (name, unescaped(inside))));
        }
        Some(form)
    })
}

fn inputs(body: &str, form: &mut Form) {
    let tags = body.split("<input").skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag));
    for tag in tags {
        let Some(name) = attribute(tag, "name") else { continue };
        let value = attribute(tag, "value").unwrap_or_default();
        match attribute(tag, "type").as_deref() {
            Some("checkbox" | "radio") if !has(tag, "checked") => form.open.push((name, value)),
            Some("file" | "submit") => {}
            _ => form.fields.push((name, value)),
        }
    }
}

/// The option that is selected, or the first.
fn chosen(select: &str) -> Option<String> {
    let options = || select.split("<option").skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag));
    let tag = options().find(|tag| has(tag, "selected")).or_else(|| options().next())?;
    attribute(tag, "value")
}

/// The tags of a name, each with what stands inside.
fn elements<'a>(html: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let (open, close) = (format!("<{name} "), format!("</{name}>"));
    let element = |(at, _)| {
        let (tag, rest) = html.get(at..)?.split_once('>')?;
        Some((tag, rest.split_once(&close)?.0))
    };
    html.match_indices(&open).filter_map(element).collect()
}

fn has(tag: &str, word: &str) -> bool {
    tag.split_whitespace().any(|part| part == word)
}

/// Whether a page leads there.
pub fn has_link(html: &str, path: &str) -> bool {
    html.contains(&format!("href=\"{path}\""))
}

/// Whether a page has a form that sends there.
pub fn has_form(html: &str, action: &str) -> bool {
    html.contains(&format!("action=\"{action}\""))
}

/// The tags on a page that carry an attribute, each with what follows it.
pub fn tags<'a>(html: &'a str, with: &str) -> Vec<(&'a str, &'a str)> {
    let carries = format!(" {with}=\"");
    html.split('<')
        .scan(0, |at, piece| {
            let start = *at;
            *at += piece.len() + 1;
            Some((start, piece))
        })
        .filter_map(|(start, piece)| {
            let (tag, _) = piece.split_once('>')?;
            tag.contains(&carries).then(|| Some((tag, html.get(start + tag.len() + 1..)?)))?
        })
        .collect()
}

/// The value of an attribute in a tag, as the page meant it.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(unescaped(value))
}

/// Text of a page as it is read.
pub fn unescaped(text: &str) -> String {
    let quotes = text.replace("&quot;", "\"").replace("&#x27;", "'").replace("&#39;", "'").replace("&#x2F;", "/");
    quotes.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The words of a page's main part.
pub fn visible(html: &str) -> String {
    let main = html.split_once("<main").map_or(html, |(_, rest)| rest);
    let main = main.split_once("</main>").map_or(main, |(main, _)| main);
    let texts = main.split('<').filter_map(|piece| piece.split_once('>').map(|(_, text)| text));
    let words: Vec<&str> = texts.flat_map(str::split_whitespace).collect();
    unescaped(&words.join(" ")).chars().take(TOLD_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<main><form method="post" action="/other"><input type="hidden" name="csrf" value="no"></form>
        <form method="post" action="/offers"><input type="hidden" name="csrf" value="a&amp;b">
        <input type="text" name="price" value=""><input type="checkbox" name="accounts" value="1">
        <input type="checkbox" name="accounts" value="2"><input type="radio" name="side" value="buy">
        <input type="radio" name="side" value="sell" checked>
        <select name="currency"><option value="CHF">franc</option><option value="EUR" selected>euro</option></select>
        <select name="key"><option value="k1">first</option><option value="k2">second</option></select>
        <textarea name="terms" rows="2">As &lt;agreed&gt;.</textarea><p class="problem">Not &lt;now&gt;.</p></form></main>"#;

    #[test]
    fn a_form_is_sent_as_the_page_proposes_it_and_what_is_typed() {
        let form = form(PAGE, "/offers").unwrap().with("price", "1.5").ticked("accounts");
        let mut fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.sort_unstable();
        let expected = [
            ("accounts", "1"),
            ("accounts", "2"),
            ("csrf", "a&b"),
            ("currency", "EUR"),
            ("key", "k1"),
            ("price", "1.5"),
            ("side", "sell"),
            ("terms", "As <agreed>."),
        ];
        assert_eq!(fields, expected);
        assert!(super::form(PAGE, "/nowhere").is_none());
    }

    #[test]
    fn a_refusal_is_told_in_the_pages_words() {
        assert!(visible(PAGE).ends_with("As <agreed>. Not <now>."));
    }
}
