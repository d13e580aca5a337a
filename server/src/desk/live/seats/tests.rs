use uuid::Uuid;

use super::*;

fn ids(number: u128) -> (TradeId, UserId, SessionId) {
    (TradeId(Uuid::from_u128(number)), UserId(Uuid::from_u128(number)), SessionId(Uuid::from_u128(number)))
}

fn glance(trade: TradeId, version: i64, number: i64) -> Glance {
    Glance { trade, version, number, here: Vec::new() }
}

fn news(trade: TradeId, what: What) -> News {
    News { trade: Some(trade), what }
}

#[test]
fn a_bell_rings_only_at_the_pages_of_its_trade() {
    let live = Arc::new(Live::default());
    let ((trade, anna, session), (other, miro, elsewhere)) = (ids(1), ids(2));
    let seats = [live.sit(trade, anna, session, None).unwrap(), live.sit(other, miro, elsewhere, None).unwrap()];
    live.wake(news(trade, What::Said));
    assert_eq!(seats.each_ref().map(Seat::take_due), [Due::ROOM, Due::NOTHING]);
    live.wake(news(other, What::Changed));
    assert_eq!(seats.each_ref().map(Seat::take_due), [Due::NOTHING, Due::EVERYTHING]);
    assert_eq!(seats.each_ref().map(Seat::round), [0, 1]);
    live.wake(News { trade: None, what: What::Tip });
    assert_eq!(seats.each_ref().map(Seat::take_due), [Due::EVERYTHING; 2]);
    assert_eq!(seats.each_ref().map(Seat::take_due), [Due::NOTHING; 2], "once");
}

#[test]
fn what_no_bell_told_is_seen_at_a_glance() {
    let live = Arc::new(Live::default());
    let (trade, anna, session) = ids(1);
    let seat = live.sit(trade, anna, session, Some(glance(trade, 3, 10))).unwrap();
    live.compare(glance(trade, 3, 10));
    assert_eq!(seat.take_due(), Due::NOTHING);
    live.compare(glance(trade, 3, 11));
    assert_eq!(seat.take_due(), Due::ROOM);
    live.compare(glance(trade, 4, 11));
    assert_eq!(seat.take_due(), Due::EVERYTHING);
    live.compare(glance(ids(2).0, 1, 1));
    assert_eq!(seat.take_due(), Due::NOTHING);
}

#[test]
fn a_seat_is_free_again_when_its_page_is_closed() {
    let live = Arc::new(Live::default());
    let (trade, anna, session) = ids(1);
    let seats: Vec<_> = (0..3).map(|_| live.sit(trade, anna, session, None).unwrap()).collect();
    assert_eq!((live.taken(), live.trades(), live.people().len()), (3, vec![trade], 1));
    drop(seats);
    assert_eq!((live.taken(), live.trades(), live.sessions()), (0, vec![], vec![]));
}

#[test]
fn of_too_many_pages_of_a_browser_the_oldest_leaves() {
    let live = Arc::new(Live::default());
    let (trade, anna, session) = ids(1);
    let sit = || live.sit(trade, anna, session, None).unwrap();
    let seats: Vec<_> = (0..SEATS_OF_A_SESSION_MAX).map(|_| sit()).collect();
    let elsewhere = live.sit(trade, anna, ids(2).2, None).unwrap();
    assert!(seats.iter().all(|seat| seat.take_due().leave().is_none()));
    let newest = sit();
    let leaving: Vec<_> = seats.iter().map(|seat| seat.take_due().leave()).collect();
    assert_eq!(leaving[0], Some(Leave::Crowded));
    assert!(
        leaving[1..].iter().chain([&newest.take_due().leave(), &elsewhere.take_due().leave()]).all(Option::is_none)
    );
}

#[test]
fn of_many_pages_that_are_opened_at_once_all_that_are_too_many_leave() {
    let live = Arc::new(Live::default());
    let (trade, anna, session) = ids(1);
    let seats: Vec<_> =
        (0..3 * SEATS_OF_A_SESSION_MAX).map(|_| live.sit(trade, anna, session, None).unwrap()).collect();
    let leave = seats.iter().filter(|seat| seat.take_due().leave() == Some(Leave::Crowded)).count();
    assert_eq!(leave, 2 * SEATS_OF_A_SESSION_MAX);
}

#[test]
fn everybody_leaves_an_ended_session_and_a_desk_that_closes() {
    let live = Arc::new(Live::default());
    let ((trade, anna, session), (_, miro, other)) = (ids(1), ids(2));
    let seats = [live.sit(trade, anna, session, None).unwrap(), live.sit(trade, miro, other, None).unwrap()];
    live.keep_sessions(&live.sessions(), &[other]);
    assert_eq!(seats.each_ref().map(|seat| seat.take_due().leave()), [Some(Leave::SignedOut), None]);
    live.close();
    assert_eq!(seats.each_ref().map(|seat| seat.take_due().leave()), [Some(Leave::Closing); 2]);
    let late = live.sit(trade, miro, other, None).unwrap();
    assert_eq!(late.take_due().leave(), Some(Leave::Closing));
}
