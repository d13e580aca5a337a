//! What others get to see: terms as HTML, pictures.

use trine::desk::pictures::reencoding::reencode_now;
use trine::web::markdown;

use crate::{input, text};

#[test]
fn terms_as_html() {
    let seeds =
        ["**bold** [a](https://example.org)", "<script>alert(1)</script>", "[x](javascript:alert(1))", "> - 1."];
    bolero::check!().for_each(|bytes: &[u8]| {
        let html = markdown::html(&text(bytes, &seeds));
        let mut left = html.as_str();
        while let Some((_, tag)) = left.split_once('<') {
            left = after_tag(tag).unwrap_or_else(|| panic!("{html}"));
        }
    });
}

/// What follows a tag that may stand in terms: one without attributes, a list that says where it starts, or a link that
/// leads where links may lead and holds nothing else.
fn after_tag(tag: &str) -> Option<&str> {
    const REL: &str = " rel=\"nofollow noopener noreferrer\">";
    if let Some(link) = tag.strip_prefix("a href=\"") {
        let (target, rest) = link.split_once('"')?;
        let target = target.to_ascii_lowercase();
        let known = ["http:", "https:", "mailto:"].iter().any(|scheme| target.starts_with(scheme));
        return rest.strip_prefix(REL).filter(|_| known);
    }
    if let Some(rest) = tag.strip_prefix('a').and_then(|rest| rest.strip_prefix(REL)) {
        return Some(rest);
    }
    if let Some(list) = tag.strip_prefix("ol start=\"") {
        let (start, rest) = list.split_once("\">")?;
        return start.bytes().all(|one| one.is_ascii_digit()).then_some(rest);
    }
    let (name, rest) = tag.strip_prefix('/').unwrap_or(tag).split_once('>')?;
    let names = ["p", "br", "em", "strong", "ul", "ol", "li", "blockquote", "code", "pre", "a", "hr"];
    names.contains(&name).then_some(rest)
}

#[test]
fn pictures_of_any_kind() {
    let png: &[u8] = &[
        0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8,
        0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0, 0, 0, 2, 0, 1,
        0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
    ];
    bolero::check!().for_each(|bytes: &[u8]| {
        if let Ok(picture) = reencode_now(&input(bytes, &[png])) {
            // What is kept is a picture that can be read, and reading it gives the same size.
            let again = reencode_now(&picture.bytes).unwrap();
            assert_eq!((again.width, again.height), (picture.width, picture.height));
        }
    });
}
