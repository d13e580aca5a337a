use tera::Context;

use crate::desk::room::{Entry, PictureView, RoomView};
use crate::web::site::templates;

fn entry(kind: &'static str, author: &str, text: &str) -> Entry {
    Entry {
        number: 7,
        kind,
        author: author.into(),
        text: text.into(),
        picture: None,
        at: "2026-11-21T14:02:00Z".into(),
        at_words: "21 Nov 2026, 14:02 UTC".into(),
        read: kind == "me",
    }
}

fn room(entries: Vec<Entry>) -> RoomView {
    RoomView {
        reference: "7KQ2M4XN".into(),
        title: "miro".into(),
        readers: "You and miro; sable, the arbitrator, since a dispute was opened.".into(),
        named: entries.iter().any(|entry| entry.kind == "arbitrator"),
        earlier: entries.len(),
        last: 7,
        here: "miro is here".into(),
        entries,
    }
}

fn rendered(room: &RoomView) -> String {
    let mut tera = templates().unwrap();
    tera.add_raw_template("trade.html", "{{ <trade.room room={room} csrf={csrf} /> }}").unwrap();
    let mut context = Context::new();
    context.insert("room", room);
    context.insert("csrf", "t0k3n");
    tera.render("trade.html", &context).unwrap()
}

#[test]
fn an_empty_room_says_so_and_has_its_form() {
    let html = rendered(&room(Vec::new()));
    assert!(html.contains("Nothing has been said yet."));
    assert!(html.contains("role=\"log\""));
    assert!(html.contains("action=\"/trades/7KQ2M4XN/messages\" enctype=\"multipart/form-data\""));
    assert!(html.contains("name=\"csrf\" value=\"t0k3n\""));
}

#[test]
fn a_full_room_tells_apart_who_speaks_and_escapes_what_was_said() {
    let mut photo = entry("other", "miro", "");
    photo.picture = Some(PictureView {
        href: "/trades/7KQ2M4XN/attachments/1".into(),
        width: 60,
        height: 40,
        sha256: "ab".repeat(32),
    });
    let lines = vec![
        entry("system", "", "Coins arrived in escrow"),
        entry("me", "You", "Hi\n<script>alert(1)</script>"),
        photo,
        entry("arbitrator", "sable", "What happened?"),
    ];
    let html = rendered(&room(lines));
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script"));
    assert!(html.contains(
        "<p class=\"sys\" data-number=\"7\">Coins arrived in escrow · <time datetime=\"2026-11-21T14:02:00Z\""
    ));
    assert!(html.contains("class=\"msg me\"") && html.contains(" · read"));
    assert!(html.contains("<b>sable, arbitrator</b>") && html.contains("<b>miro</b>"));
    assert!(html.contains("<a href=\"/trades/7KQ2M4XN/attachments/1\"><img "));
    assert!(html.contains("4 earlier lines are in the"));
}
