//! People are told once, whatever the desk dies over: a reminder is there with its mark or not at all; a mail that was
//! taken up and not sent is sent, and one that had arrived when the desk died comes again under the same name.

use std::time::{Duration, Instant};

use trine::desk::crash;

use super::served::Served;
use crate::harness::Browser;
use crate::harness::post::{Mail, MailServer};

const PATIENCE: Duration = Duration::from_secs(60);
const REMINDERS: &str = "SELECT count(*) FROM notices WHERE 'reminder' = ANY (kinds)";

#[tokio::test]
async fn a_reminder_survives_a_death_before_and_after_its_commit() {
    let (mut served, _) = Served::prepared(async |story| story.funded().await).await;
    let sql = served.story.site.sql().await;
    for (point, mark, told) in
        [(crash::REMINDER_BEFORE_COMMIT, "half_at", [0, 1]), (crash::REMINDER_AFTER_COMMIT, "ninety_at", [2, 2])]
    {
        served.start(Some(point)).await;
        let due = format!("UPDATE deadlines SET {mark} = now() - interval '1 second' WHERE what = 'payment'");
        sql.execute(&due, &[]).await.unwrap();
        served.has_died().await;
        assert_eq!(sql.one::<i64>(REMINDERS).await, told[0], "{point}");
        served.start(None).await;
        served.until("the reminder is told", &format!("SELECT ({REMINDERS}) >= {}", told[1])).await;
        // Some rounds of work later there is no other one.
        let height: i32 = sql.one("SELECT height FROM chain_cursor").await;
        assert_eq!(served.mine("1").await, Some(303));
        served.until("a block is read", &format!("SELECT height > {height} FROM chain_cursor")).await;
        assert_eq!(sql.one::<i64>(REMINDERS).await, told[1], "{point}");
        served.kill();
    }
}

/// Waits until so many mails are there.
async fn mails(server: &MailServer, count: usize) -> Vec<Mail> {
    let until = Instant::now() + PATIENCE;
    while server.mails().len() < count {
        assert!(Instant::now() < until, "only {:?}", server.mails());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.mails()
}

/// Bob has the desk's mails sent to an address of his, and has confirmed it. Then the desk is dead.
pub async fn mails_to_bob(served: &mut Served, server: &MailServer) {
    served.environment = vec![
        ("TRINE_MAIL_SERVER".to_owned(), format!("127.0.0.1:{}", server.port)),
        ("TRINE_MAIL_SECURITY".to_owned(), "none".to_owned()),
        ("TRINE_MAIL_FROM".to_owned(), "Desk <notices@desk.example>".to_owned()),
    ];
    served.start(None).await;
    let bob = &served.story.bob;
    assert_eq!(served.post(bob, "/account/notices/mail", &[("address", "bob@mail.example")]).await, Some(303));
    let confirm = mails(server, 1).await.remove(0).text;
    let (_, link) = confirm.split_once("/notices/confirm/").unwrap();
    let link = format!("/notices/confirm/{}", link.split_whitespace().next().unwrap());
    assert_eq!(Browser::new(&bob.browser.origin).post(&link, &[]).await.status, 200);
    served.until("it is known to have arrived", "SELECT bool_and(state = 'sent') FROM deliveries").await;
    served.kill();
}

/// Alice marks her payment, and the desk dies at a point over the mail of that: how many mails are there then, and
/// those that are there when the next one has sent what was left. The first is the one that confirmed the address.
async fn delivered_over(point: &str) -> (usize, Vec<Mail>) {
    let (mut served, trade) = Served::prepared(async |story| story.funded().await).await;
    let server = MailServer::start();
    mails_to_bob(&mut served, &server).await;
    served.start(Some(point)).await;
    let payment = format!("/trades/{trade}/payment");
    // Acknowledged or not: the desk's own work may be faster than the answer.
    let answer = served.sign(&served.story.alice, trade, &payment, &["sent"]).await;
    assert!(matches!(answer, Some(303) | None), "{answer:?}");
    served.has_died().await;
    let arrived = server.mails().len();
    let sql = served.story.site.sql().await;
    assert_eq!(sql.one::<String>("SELECT state FROM deliveries WHERE purpose = 'notice'").await, "waiting");
    // Nobody else touches it until the dead server's lease is over.
    served.start(None).await;
    sql.execute("UPDATE deliveries SET leased_until = now()", &[]).await.unwrap();
    served.until("it is sent", "SELECT bool_and(state = 'sent') FROM deliveries").await;
    assert_eq!(sql.one::<i64>("SELECT count(*) FROM notices WHERE 'money' = ANY (kinds) AND turn = 'yours'").await, 2);
    (arrived, server.mails())
}

#[tokio::test]
async fn a_delivery_survives_a_death_before_it_was_sent() {
    let (arrived, mails) = delivered_over(crash::BEFORE_SENDING).await;
    assert_eq!((arrived, mails.len()), (1, 2), "{mails:?}");
    assert!(mails[1].subject.starts_with("Trade "), "{mails:?}");
}

#[tokio::test]
async fn a_delivery_survives_a_death_after_it_arrived() {
    let (arrived, mails) = delivered_over(crash::AFTER_SENDING).await;
    assert_eq!((arrived, mails.len()), (2, 3), "{mails:?}");
    assert!(mails[1].subject.starts_with("Trade ") && mails[1].id == mails[2].id, "{mails:?}");
}
