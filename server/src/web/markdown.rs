//! Markdown of people, made harmless: no raw HTML, no pictures, links that show where they lead.

use std::collections::HashSet;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

/// What may stand in terms.
const TAGS: [&str; 14] =
    ["p", "br", "em", "strong", "ul", "ol", "li", "blockquote", "code", "pre", "a", "hr", "h3", "h4"];

/// Where a link may lead.
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];

/// Markdown as safe HTML. What looks like HTML is shown as text; of a picture its description is left.
pub fn html(source: &str) -> String {
    let mut target: Option<String> = None;
    let mut events = Vec::new();
    for event in Parser::new_ext(source, Options::empty()) {
        match event {
            Event::Html(text) | Event::InlineHtml(text) => events.push(Event::Text(text)),
            Event::Start(Tag::HtmlBlock | Tag::Image { .. }) | Event::End(TagEnd::HtmlBlock | TagEnd::Image) => {}
            Event::Start(Tag::Heading { .. }) => events.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::Heading(_)) => events.push(Event::End(TagEnd::Paragraph)),
            // The words of a link stay words; what can be clicked is the address itself.
            Event::Start(Tag::Link { dest_url, link_type: kind @ (LinkType::Autolink | LinkType::Email), .. }) => {
                target = Some(String::new());
                let scheme = if kind == LinkType::Email { "mailto:" } else { "" };
                events.extend(link(&format!("{scheme}{dest_url}")));
            }
            Event::Start(Tag::Link { dest_url, .. }) => target = Some(dest_url.to_string()),
            Event::End(TagEnd::Link) => match target.take() {
                Some(url) if SCHEMES.iter().any(|scheme| url.starts_with(&format!("{scheme}:"))) => {
                    events.push(Event::Text(" (".into()));
                    events.extend(link(&url));
                    events.push(Event::Text(")".into()));
                }
                _ => {}
            },
            // The text of an autolink is its address, which stands there already.
            Event::Text(_) if target.as_deref() == Some("") => {}
            other => events.push(other),
        }
    }
    let mut made = String::new();
    html::push_html(&mut made, events.into_iter());
    Builder::new()
        .tags(TAGS.into())
        .generic_attributes(HashSet::new())
        .url_schemes(SCHEMES.into())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer"))
        .clean(&made)
        .to_string()
}

fn link(url: &str) -> Vec<Event<'static>> {
    let dest_url: CowStr<'static> = url.to_owned().into();
    let start = Tag::Link {
        link_type: LinkType::Inline,
        dest_url: dest_url.clone(),
        title: CowStr::Borrowed(""),
        id: CowStr::Borrowed(""),
    };
    vec![Event::Start(start), Event::Text(dest_url), Event::End(TagEnd::Link)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_of_people_is_shown_as_text() {
        let shown = html("Hello <script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\n<b>x</b>");
        assert!(!shown.contains("<script") && !shown.contains("<img") && !shown.contains("<b>"), "{shown}");
        assert!(shown.contains("&lt;script&gt;"), "{shown}");
    }

    #[test]
    fn a_link_shows_where_it_leads() {
        let shown = html("Ask [my bank](https://evil.example/x) or <https://a.example>");
        assert!(shown.contains("my bank (<a href=\"https://evil.example/x\" rel=\"nofollow noopener noreferrer\">https://evil.example/x</a>)"), "{shown}");
        assert_eq!(shown.matches("https://a.example").count(), 2, "{shown}");
        assert!(!html("[x](javascript:alert(1))").contains("href"));
        assert!(!html("[x](data:text/html,x)").contains("href"));
    }

    #[test]
    fn an_address_for_mail_leads_to_mail_and_nothing_leads_into_the_desk() {
        let shown = html("<me@bank.example>");
        assert!(shown.contains("<a href=\"mailto:me@bank.example\""), "{shown}");
        assert!(!html("[x](/sign-out)").contains("href"));
        assert!(!html("[x](//evil.example)").contains("href"));
    }

    #[test]
    fn pictures_leave_their_description() {
        let shown = html("![my cat](https://track.example/cat.png)");
        assert!(shown.contains("my cat") && !shown.contains("track.example"), "{shown}");
    }

    #[test]
    fn lists_and_emphasis_work() {
        assert_eq!(html("* one\n* **two**").replace('\n', ""), "<ul><li>one</li><li><strong>two</strong></li></ul>");
    }
}
