//! The forms of a page, as somebody finds them who fills in whatever he is shown.

use super::Seen;

/// A form that is sent by POST, with what its fields hold already.
#[derive(Debug, Clone)]
pub struct Form {
    pub action: String,
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub kind: Kind,
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Hidden,
    Check,
    /// One of several: a radio button, an option, or a button with a value.
    Choice,
    Words,
    File,
}

impl Seen {
    /// Every form of the page that is sent by POST.
    pub fn forms(&self) -> Vec<Form> {
        let bodies = self.body.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap_or_default());
        bodies.filter_map(form).collect()
    }

    /// Where the page's links lead that begin so.
    pub fn links(&self, beginning: &str) -> Vec<String> {
        let mut links: Vec<String> = self
            .body
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| link.starts_with(beginning))
            .map(|link| link.split('#').next().unwrap_or_default().to_owned())
            .collect();
        links.sort_unstable();
        links.dedup();
        links
    }
}

fn form(body: &str) -> Option<Form> {
    let (head, inner) = body.split_once('>')?;
    let action = attribute(head, "action").filter(|_| attribute(head, "method").is_some_and(|method| method == "post"));
    let mut fields = Vec::new();
    for tag in inner.split('<').skip(1) {
        let (head, after) = tag.split_once('>').unwrap_or((tag, ""));
        let kind = head.split_whitespace().next().unwrap_or_default();
        let value = || attribute(head, "value").unwrap_or_default();
        let named = attribute(head, "name");
        match (kind, named) {
            ("input", Some(name)) => fields.push(match attribute(head, "type").as_deref() {
                Some("hidden") => Field { name, kind: Kind::Hidden, value: value() },
                Some("checkbox") => Field { name, kind: Kind::Check, value: value() },
                Some("radio") => Field { name, kind: Kind::Choice, value: value() },
                Some("file") => Field { name, kind: Kind::File, value: String::new() },
                _ => Field { name, kind: Kind::Words, value: value() },
            }),
            ("button", Some(name)) => fields.push(Field { name, kind: Kind::Choice, value: value() }),
            ("textarea", Some(name)) => fields.push(Field { name, kind: Kind::Words, value: after.to_owned() }),
            ("select", Some(name)) => fields.push(Field { name, kind: Kind::Choice, value: String::new() }),
            ("option", _) => {
                // It belongs to the select before it; of that only its options are left.
                if let Some(last) = fields.iter().rev().find(|one| one.kind == Kind::Choice).cloned() {
                    fields.retain(|one| one.name != last.name || !one.value.is_empty());
                    fields.push(Field { value: value(), ..last });
                }
            }
            _ => {}
        }
    }
    Some(Form { action: action?, fields })
}

fn attribute(head: &str, name: &str) -> Option<String> {
    let (_, rest) = head.split_once(&format!(" {name}=\"")).or_else(|| {
        let rest = head.strip_prefix(&format!("{name}=\""))?;
        Some(("", rest))
    })?;
    let value = rest.split('"').next()?;
    Some(value.replace("&quot;", "\"").replace("&#x2F;", "/").replace("&#x27;", "'").replace("&amp;", "&"))
}
