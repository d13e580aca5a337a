//! What waits for somebody as an Atom feed (RFC 4287).

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Other than media type and name there is nothing to know of a feed.
pub const MEDIA_TYPE: &str = "application/atom+xml; charset=utf-8";

/// A feed: its name for people, and for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// A URI that no other feed has, the same for ever.
    pub id: String,
    pub title: String,
    /// Who speaks: the desk.
    pub author: String,
    /// Where its reader goes on to.
    pub url: String,
    /// When anything in it last changed.
    pub updated: Timestamp,
}

/// One thing that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The same for the same thing, whenever it is written.
    pub id: String,
    pub title: String,
    pub url: String,
    pub published: Timestamp,
    pub updated: Timestamp,
}

/// The feed's text.
pub fn write(feed: &Feed, entries: &[Entry]) -> String {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n");
    let head = [
        element("id", &feed.id),
        element("title", &feed.title),
        element("updated", &time(feed.updated)),
        format!("<author>{}</author>", element("name", &feed.author)),
        link(&feed.url),
    ];
    for line in head {
        out.push_str(&format!("  {line}\n"));
    }
    for entry in entries {
        let lines = [
            element("id", &entry.id),
            element("title", &entry.title),
            element("published", &time(entry.published)),
            element("updated", &time(entry.updated)),
            link(&entry.url),
            element("content", &entry.title),
        ];
        out.push_str("  <entry>\n");
        for line in lines {
            out.push_str(&format!("    {line}\n"));
        }
        out.push_str("  </entry>\n");
    }
    out.push_str("</feed>\n");
    out
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(text))
}

fn link(url: &str) -> String {
    format!("<link rel=\"alternate\" type=\"text/html\" href=\"{}\"/>", escaped(url))
}

/// RFC 3339, to the second.
fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As text of an element, or in an attribute; what XML cannot carry at all is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_says_what_rfc_4287_asks_for() {
        let at: Timestamp = "2026-11-22T12:00:00.7Z".parse().unwrap();
        let feed = Feed {
            id: "tag:desk.example,2026:notices/1".into(),
            title: "What waits <for> you".into(),
            author: "desk.example".into(),
            url: "https://desk.example/trades".into(),
            updated: at,
        };
        let entry = Entry {
            id: "tag:desk.example,2026:notice/1".into(),
            title: "Trade 7KQ2-M4XN: \"your\" turn & more\u{8}".into(),
            url: "https://desk.example/trades/7KQ2M4XN?a=1&b=2".into(),
            published: at,
            updated: at,
        };
        let text = write(&feed, &[entry]);
        for line in [
            "<feed xmlns=\"http://www.w3.org/2005/Atom\">",
            "<title>What waits &lt;for&gt; you</title>",
            "<updated>2026-11-22T12:00:00Z</updated>",
            "<author><name>desk.example</name></author>",
            "<title>Trade 7KQ2-M4XN: &quot;your&quot; turn &amp; more</title>",
            "href=\"https://desk.example/trades/7KQ2M4XN?a=1&amp;b=2\"/>",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        // Every id, title and time once in the feed and once in the entry; every element that opens closes.
        for (name, count) in [("id", 2), ("title", 2), ("updated", 2), ("published", 1), ("entry", 1), ("feed", 1)] {
            assert_eq!(text.matches(&format!("</{name}>")).count(), count, "{name}");
        }
    }
}
