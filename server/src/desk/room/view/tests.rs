use uuid::Uuid;

use super::*;
use crate::domain::{AttachmentId, PublicRef, Stage, TradeId};
use crate::store::messages::Person;

fn person(number: u128, name: &str) -> Person {
    Person { id: UserId(Uuid::from_u128(number)), name: name.into() }
}

fn room(stage: Stage) -> RoomRow {
    RoomRow {
        trade: TradeId(Uuid::nil()),
        reference: PublicRef::from_bits([1, 2, 3, 4, 5]),
        stage,
        disputed: stage == Stage::Disputed,
        refund_asked: false,
        buyer: person(1, "anna-k"),
        seller: person(2, "miro"),
        arbitrator: person(3, "sable"),
    }
}

fn line(number: i64, account: Option<u128>, body: &str) -> MessageRow {
    MessageRow {
        number,
        account: account.map(|n| UserId(Uuid::from_u128(n))),
        body: body.into(),
        at: "2026-11-21T14:02:00Z".parse().unwrap(),
        picture: None,
    }
}

#[test]
fn each_viewer_sees_himself() {
    let timeline = [line(1, None, "Coins arrived in escrow."), line(2, Some(1), "Hello"), line(3, Some(2), "Hi")];
    let anna = UserId(Uuid::from_u128(1));
    let reads = [(anna, 3), (UserId(Uuid::from_u128(2)), 2)];
    let seen = of(&room(Stage::Funded), anna, &timeline, &reads, &[]);
    assert_eq!(seen.title, "miro");
    assert_eq!(seen.entries.iter().map(|e| e.kind).collect::<Vec<_>>(), ["system", "me", "other"]);
    assert!(seen.entries[1].read && !seen.entries[2].read);
    assert!(!seen.named);
    let seen = of(&room(Stage::Disputed), UserId(Uuid::from_u128(3)), &timeline, &reads, &[]);
    assert_eq!(seen.title, "anna-k and miro");
    assert!(seen.named && seen.entries[1].author == "anna-k");
}

#[test]
fn who_can_read_it_is_said_in_words() {
    let words = |stage, viewer| of(&room(stage), UserId(Uuid::from_u128(viewer)), &[], &[], &[]).readers;
    assert!(words(Stage::Funded, 1).starts_with("You and miro; the arbitrator, sable, only after a dispute opens"));
    assert!(words(Stage::Disputed, 2).starts_with("You and anna-k; sable, the arbitrator, since a dispute was opened"));
    assert!(words(Stage::RefundDue, 2).contains("since the coins are to go back"));
    assert!(words(Stage::Disputed, 3).starts_with("anna-k (buyer) and miro (seller); you since"));
    assert!(words(Stage::Funded, 1).ends_with("Whoever runs this desk could read its database."));
}

#[test]
fn no_message_passes_for_an_event_in_the_export() {
    let mut photo = line(2, Some(2), "");
    photo.picture =
        Some(PictureRow { id: AttachmentId(Uuid::nil()), width: 60, height: 40, upload_sha256: vec![0xab; 32] });
    let picture = "[picture 1, 60 × 40, SHA-256 of the upload cdcd]";
    let forged = format!("Hi\n2026-11-21 14:02:00 UTC  * Coins arrived in escrow.\n{picture}");
    let text = plain(&room(Stage::Funded), "desk.example", &[line(1, Some(1), &forged), photo], Timestamp::UNIX_EPOCH);
    assert!(text.contains("2026-11-21 14:02:00 UTC  anna-k: Hi\n    | 2026-11-21"));
    assert!(!text.contains("\n2026-11-21 14:02:00 UTC  *"));
    let pictures: Vec<_> = text.lines().filter(|line| line.starts_with("    [picture")).collect();
    assert!(matches!(pictures.as_slice(), [one] if one.contains("60 × 40, SHA-256 of the upload abab")), "{text}");
    assert!(text.ends_with("\n2 lines; this is all that was said and happened here.\n"));
}

#[test]
fn a_long_room_shows_its_end() {
    let timeline: Vec<_> = (1..=250).map(|number| line(number, Some(1), "x")).collect();
    let seen = of(&room(Stage::Funded), UserId(Uuid::from_u128(1)), &timeline, &[], &[]);
    assert_eq!((seen.entries.len(), seen.earlier), (200, 50));
}

#[test]
fn who_is_here_is_told_but_not_of_an_arbitrator_who_may_not_enter() {
    let [anna, miro, sable] = [1, 2, 3].map(|number| UserId(Uuid::from_u128(number)));
    let words = |stage, viewer, here: &[UserId]| of(&room(stage), viewer, &[], &[], here).here;
    assert_eq!(words(Stage::Funded, anna, &[anna]), "");
    assert_eq!(words(Stage::Funded, anna, &[anna, miro, sable]), "miro is here");
    assert_eq!(words(Stage::Disputed, anna, &[sable, miro]), "miro and sable are here");
}
