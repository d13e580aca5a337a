//! What others get to see: terms as HTML, pictures.

use trine::desk::pictures::reencoding::reencode_now;
use trine::web::markdown;

use crate::{input, text};

#[test]
fn terms_as_html() {
    let seeds =
        ["**bold** [a](https://example.org)", "<script>alert(1)</script>", "[x](javascript:alert(1))", "> - 1."];
    bolero::check!().for_each(|bytes: &[u8]| {
        let html = markdown::html(&text(bytes, &seeds)).to_lowercase();
        for tag in html.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            assert!(!["script", "style", "img", "iframe", "svg", "object", "form", "input"].contains(&name), "{html}");
            assert!(!tag.contains("javascript:") && !tag.contains(" on") && !tag.contains("style="), "{html}");
        }
    });
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
