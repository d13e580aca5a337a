//! A room made ready to be shown: to each viewer with his own eyes, and as plain text.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::arbitrator_may_enter;
use crate::domain::UserId;
use crate::store::messages::{MessageRow, PictureRow, RoomRow};

/// Lines on the page; what came before is in the export.
const SHOWN_MAX: usize = 200;

/// The room of a trade as one viewer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoomView {
    /// As in URLs.
    pub reference: String,
    /// With whom one talks here.
    pub title: String,
    /// Who can read it, in words.
    pub readers: String,
    /// Whether authors are named: more than two people are in the room.
    pub named: bool,
    pub entries: Vec<Entry>,
    /// Lines that are only in the export.
    pub earlier: usize,
    /// The number of the last line; 0 without any.
    pub last: i64,
    /// Who else has this page open, in words; empty if nobody.
    pub here: String,
}

/// What came after a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub lines: Vec<Entry>,
    pub named: bool,
    /// Somebody else has read up to this line.
    pub seen: i64,
    /// As in [`RoomView`].
    pub here: String,
    /// There may be further lines.
    pub more: bool,
}

/// One line: a message, or an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its place in the room: a later line has a higher one.
    pub number: i64,
    /// `system`, `me`, `other` or `arbitrator`.
    pub kind: &'static str,
    pub author: String,
    pub text: String,
    pub picture: Option<PictureView>,
    /// RFC 3339, UTC.
    pub at: String,
    /// The same for people.
    pub at_words: String,
    /// Mine, and somebody else has seen it.
    pub read: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PictureView {
    pub href: String,
    pub width: i32,
    pub height: i32,
    /// SHA-256 of the upload: how evidence is named.
    pub sha256: String,
}

pub(super) fn of(
    room: &RoomRow,
    viewer: UserId,
    timeline: &[MessageRow],
    reads: &[(UserId, i64)],
    here: &[UserId],
) -> RoomView {
    let seen_by_others = seen_by_others(viewer, reads);
    let earlier = timeline.len().saturating_sub(SHOWN_MAX);
    let entries = timeline.iter().skip(earlier).map(|line| entry(room, viewer, line, seen_by_others)).collect();
    RoomView {
        reference: room.reference.to_string(),
        title: title(room, viewer),
        readers: readers(room, viewer),
        named: arbitrator_may_enter(room),
        entries,
        earlier,
        last: timeline.last().map_or(0, |line| line.number),
        here: here_words(room, viewer, here),
    }
}

pub(super) fn heard(
    room: &RoomRow,
    viewer: UserId,
    lines: &[MessageRow],
    reads: &[(UserId, i64)],
    here: &[UserId],
) -> Heard {
    let seen = seen_by_others(viewer, reads);
    Heard {
        lines: lines.iter().map(|line| entry(room, viewer, line, seen)).collect(),
        named: arbitrator_may_enter(room),
        seen,
        here: here_words(room, viewer, here),
        more: false,
    }
}

fn seen_by_others(viewer: UserId, reads: &[(UserId, i64)]) -> i64 {
    reads.iter().filter(|(account, _)| *account != viewer).map(|(_, number)| *number).max().unwrap_or(0)
}

/// An arbitrator who may not be in the room is not there.
fn here_words(room: &RoomRow, viewer: UserId, here: &[UserId]) -> String {
    let people = [&room.buyer, &room.seller, &room.arbitrator].into_iter();
    let others: Vec<&str> = people
        .filter(|person| person.id != viewer && here.contains(&person.id))
        .filter(|person| person.id != room.arbitrator.id || arbitrator_may_enter(room))
        .map(|person| person.name.as_str())
        .collect();
    match others.as_slice() {
        [] => String::new(),
        [one] => format!("{one} is here"),
        [one, other, ..] => format!("{one} and {other} are here"),
    }
}

fn title(room: &RoomRow, viewer: UserId) -> String {
    if viewer == room.buyer.id {
        room.seller.name.clone()
    } else if viewer == room.seller.id {
        room.buyer.name.clone()
    } else {
        format!("{} and {}", room.buyer.name, room.seller.name)
    }
}

fn readers(room: &RoomRow, viewer: UserId) -> String {
    let (buyer, seller, arbitrator) = (&room.buyer.name, &room.seller.name, &room.arbitrator.name);
    let since = if room.disputed { "since a dispute was opened" } else { "since the coins are to go back" };
    let people = if viewer == room.arbitrator.id {
        format!("{buyer} (buyer) and {seller} (seller); you {since}")
    } else if arbitrator_may_enter(room) {
        format!("You and {}; {arbitrator}, the arbitrator, {since}", title(room, viewer))
    } else {
        format!(
            "You and {}; the arbitrator, {arbitrator}, only after a dispute opens or the coins are to go back",
            title(room, viewer)
        )
    };
    format!("{people}. Whoever runs this desk could read its database.")
}

fn entry(room: &RoomRow, viewer: UserId, line: &MessageRow, seen_by_others: i64) -> Entry {
    let (kind, author) = match line.account {
        None => ("system", ""),
        Some(account) if account == viewer => ("me", "You"),
        Some(account) if account == room.arbitrator.id => ("arbitrator", room.arbitrator.name.as_str()),
        Some(account) => ("other", name_of(room, account)),
    };
    Entry {
        number: line.number,
        kind,
        author: author.to_owned(),
        // An event stands in a line of its own, before its time: no full stop there.
        text: if kind == "system" { line.body.trim_end_matches('.').to_owned() } else { line.body.clone() },
        picture: line.picture.as_ref().map(|picture| picture_view(room, picture)),
        at: utc(line.at, "%Y-%m-%dT%H:%M:%SZ"),
        at_words: utc(line.at, "%-d %b %Y, %H:%M UTC"),
        read: kind == "me" && line.number <= seen_by_others,
    }
}

fn picture_view(room: &RoomRow, picture: &PictureRow) -> PictureView {
    PictureView {
        href: format!("/trades/{}/attachments/{}", room.reference, picture.id),
        width: picture.width,
        height: picture.height,
        sha256: data_encoding::HEXLOWER.encode(&picture.upload_sha256),
    }
}

fn name_of(room: &RoomRow, account: UserId) -> &str {
    [&room.buyer, &room.seller, &room.arbitrator]
        .into_iter()
        .find(|person| person.id == account)
        .map_or("someone", |person| person.name.as_str())
}

fn utc(at: Timestamp, form: &str) -> String {
    at.to_zoned(TimeZone::UTC).strftime(form).to_string()
}

/// The timeline as plain text. Lines of a message after its first are set in behind a bar, so that none can pass for an
/// event or a picture.
pub(super) fn plain(room: &RoomRow, desk: &str, timeline: &[MessageRow], now: Timestamp) -> String {
    let mut text = format!(
        "Trade {} on {desk}, the room as of {}\nBuyer {}, seller {}, arbitrator {}\n\n",
        room.reference.grouped(),
        utc(now, "%Y-%m-%d %H:%M UTC"),
        room.buyer.name,
        room.seller.name,
        room.arbitrator.name,
    );
    for line in timeline {
        let who = line.account.map_or("*", |account| name_of(room, account));
        let colon = if line.account.is_some() { ":" } else { "" };
        let body = line.body.replace('\n', "\n    | ");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {who}{colon} {body}", utc(line.at, "%Y-%m-%d %H:%M:%S UTC"));
        if let Some(picture) = &line.picture {
            let sha256 = data_encoding::HEXLOWER.encode(&picture.upload_sha256);
            let _ = writeln!(
                text,
                "    [picture {}, {} × {}, SHA-256 of the upload {sha256}]",
                picture.id, picture.width, picture.height
            );
        }
    }
    let _ = writeln!(text, "\n{} lines; this is all that was said and happened here.", timeline.len());
    text
}

#[cfg(test)]
mod tests;
