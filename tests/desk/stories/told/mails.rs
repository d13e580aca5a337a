//! Notices by mail, to a real mail server.

use std::net::TcpListener;
use std::time::Duration;

use jiff::SignedDuration;
use trine::courier::mail::{Letter, Security};
use trine::courier::{Lost, Mailer, Post};
use trine::desk::delivery;
use trine::domain::deadlines::What;

use super::{assert_tells_nothing, deliveries};
use crate::harness::Start;
use crate::harness::cast::{Person, Story, story_with};
use crate::harness::post::{Mail, MailServer, Papers};

async fn with_mail() -> (Story, MailServer) {
    let server = MailServer::start();
    let story = story_with(Start { courier: server.courier(), ..Start::default() }).await;
    (story, server)
}

impl Story {
    async fn delivers(&self) {
        delivery::deliver_due(&self.site.desk).await.unwrap();
    }

    /// Gives an address and confirms it by the link that came.
    async fn mails_to(&self, who: &Person, address: &str, server: &MailServer) {
        let seen = who.browser.post("/account/notices/mail", &[("address", address)]).await;
        assert_eq!(seen.status, 303, "{}", seen.words());
        self.delivers().await;
        let link = server.mails().last().unwrap().link();
        // Whoever reads the mail, on whatever machine.
        let reader = self.site.browser();
        assert!(reader.get(&link).await.words().contains("Is this your mail address?"));
        let seen = reader.post(&link, &[]).await;
        assert!(seen.words().contains("The address is confirmed"), "{}", seen.words());
    }
}

#[tokio::test]
async fn nothing_but_a_link_is_sent_before_the_address_is_confirmed() {
    let (story, server) = with_mail().await;
    let page = story.bob.browser.get("/account/notices").await.words();
    assert!(page.contains("Your mail address") && !page.contains("A webhook"), "{page}");
    let seen = story.bob.browser.post("/account/notices/mail", &[("address", "bob@mail.example")]).await;
    assert_eq!(seen.status, 303);
    story.delivers().await;
    let mails = server.mails();
    assert_eq!((mails.len(), mails[0].to.as_str()), (1, "bob@mail.example"));
    assert_eq!(mails[0].subject, "Confirm this address for 127.0.0.1");
    let trade = story.take().await;
    story.delivers().await;
    assert_eq!(server.mails().len(), 1, "not confirmed");
    assert!(story.bob.browser.get("/account/notices").await.words().contains("is on its way to bob@mail.example"));

    // Opening the link is not enough: programs open links.
    let link = mails[0].link();
    assert_eq!(story.site.browser().get(&link).await.status, 200);
    assert_eq!(
        story.site.sql().await.one::<i64>("SELECT count(*) FROM notice_channels WHERE confirmed_at IS NOT NULL").await,
        0
    );
    assert_eq!(story.site.browser().get("/notices/confirm/aaaa").await.status, 404);
    assert_eq!(story.site.browser().post(&link, &[]).await.status, 200);
    assert_eq!(story.site.browser().post(&link, &[]).await.status, 404, "once");
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    story.signs(&story.alice, trade, "contract-signature", &[]).await;
    story.delivers().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert!(
        mails[1].subject.starts_with(&format!("Trade {}: your turn until", trade.grouped())),
        "{}",
        mails[1].subject
    );
    assert!(mails[1].text.contains(&format!("https://desk.example/trades/{trade}")), "{}", mails[1].text);
    // What lies in the database tells no address.
    let rows = story.site.sql().await.query("SELECT t::text FROM notice_channels t", &[]).await.unwrap();
    let hex = data_encoding::HEXLOWER.encode(b"mail.example");
    assert!(rows.iter().all(|row| !row.get::<_, String>(0).contains(&hex)));
}

#[tokio::test]
async fn a_link_is_over_after_a_day_and_with_another_address() {
    let (story, server) = with_mail().await;
    let asks = |address: &'static str| async {
        let seen = story.bob.browser.post("/account/notices/mail", &[("address", address)]).await;
        assert_eq!(seen.status, 303, "{}", seen.words());
        story.delivers().await;
        server.mails().last().unwrap().link()
    };
    let first = asks("one@mail.example").await;
    let second = asks("two@mail.example").await;
    let reader = story.site.browser();
    assert_eq!((reader.get(&first).await.status, reader.get(&second).await.status), (404, 200));
    story.site.advance(SignedDuration::from_hours(25));
    let seen = reader.post(&second, &[]).await;
    assert!(seen.status == 409 && seen.words().contains("good for a day"), "{}", seen.words());
}

#[tokio::test]
async fn mail_addresses_are_refused_beside_their_field_and_nobodys_box_is_filled() {
    let (story, server) = with_mail().await;
    let bob = &story.bob.browser;
    for bad in ["", "bob", "bob@localhost", "bob@mail.example\r\nBcc: all@mail.example", "a b@mail.example"] {
        let seen = bob.post("/account/notices/mail", &[("address", bad)]).await;
        assert_eq!(seen.status, 422, "{bad:?}");
        assert!(seen.error("address").contains("you@example.org"), "{bad:?}: {}", seen.words());
        assert_eq!(seen.value("address").as_deref(), Some(bad.trim()), "what was typed stays");
    }
    // However many accounts ask: three links to one address, then patience.
    let mut statuses = Vec::new();
    for who in [&story.alice, &story.bob, &story.carol, &story.alice] {
        statuses.push(who.browser.post("/account/notices/mail", &[("address", "Victim@mail.example")]).await.status);
    }
    assert_eq!(statuses, [303, 303, 303, 429]);
    story.delivers().await;
    assert_eq!(server.mails().len(), 3);
}

#[tokio::test]
async fn mails_tell_no_names_no_sums_and_nothing_of_what_was_said() {
    let (story, server) = with_mail().await;
    for (who, address) in
        [(&story.alice, "a@mail.example"), (&story.bob, "b@mail.example"), (&story.carol, "c@mail.example")]
    {
        story.mails_to(who, address, &server).await;
        let all = [
            ("channel", "mail"),
            ("kind", "turn"),
            ("kind", "reminder"),
            ("kind", "message"),
            ("kind", "money"),
            ("kind", "dispute"),
            ("kind", "end"),
        ];
        assert_eq!(who.browser.post("/account/notices/kinds", &all).await.status, 303);
    }
    let trade = story.funded().await;
    story.delivers().await;
    story.alice.browser.post(&format!("/trades/{trade}/messages"), &[("text", "psst, between us")]).await;
    let [half, _] = story.reminder_times(trade, What::Payment).await;
    story.at(half).await;
    story.delivers().await;
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    story.delivers().await;
    story.opens_dispute(&story.bob, trade, "not_received", "refund").await;
    story.delivers().await;
    let mails: Vec<Mail> = server.mails().into_iter().filter(|mail| mail.subject.starts_with("Trade ")).collect();
    assert!(mails.len() >= 7, "only {} mails", mails.len());
    let mut subjects = String::new();
    for mail in &mails {
        assert!(mail.raw.contains("Content-Type: text/plain") && mail.raw.contains("Auto-Submitted: auto-generated"));
        // The date and the name of a mail have numbers of their own.
        let kept = mail
            .raw
            .lines()
            .filter(|line| !["Date:", "Message-ID:", "X-Envelope"].iter().any(|head| line.starts_with(head)));
        assert_tells_nothing(&kept.collect::<Vec<_>>().join("\n"));
        subjects.push_str(&mail.subject);
    }
    for kind in ["your turn until", "Half of the time is over", "a new message", "news"] {
        assert!(subjects.contains(kind), "{kind} in {subjects}");
    }
}

#[tokio::test]
async fn a_mail_that_was_not_taken_is_sent_later_and_one_that_never_is_is_shown() {
    let (story, server) = with_mail().await;
    story.mails_to(&story.bob, "bob@mail.example", &server).await;
    server.refuse(Some("451 4.3.0 not now"));
    let trade = story.take().await;
    story.delivers().await;
    let page = || async { story.bob.browser.get("/account/notices").await.words() };
    assert!(page().await.contains("does not take it now (451). It is tried again."), "{}", page().await);
    server.refuse(None);
    story.delivers().await;
    assert_eq!(server.mails().len(), 1, "not yet");
    story.site.advance(SignedDuration::from_secs(61));
    story.delivers().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert!(page().await.contains("Sent, after 2 tries."), "{}", page().await);

    server.refuse(Some("550 5.1.1 no such box"));
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    story.signs(&story.alice, trade, "contract-signature", &[]).await;
    story.delivers().await;
    assert!(page().await.contains("Failed. The mail server refused it (550)."), "{}", page().await);
    story.site.advance(SignedDuration::from_hours(1));
    server.refuse(None);
    story.delivers().await;
    assert_eq!(server.mails().len(), 2, "never again by itself");
    let failed: uuid::Uuid = story.site.sql().await.one("SELECT id FROM deliveries WHERE state = 'failed'").await;
    let id = failed.to_string();
    assert_eq!(story.alice.browser.post("/account/notices/again", &[("delivery", &id)]).await.status, 404, "bob's");
    assert_eq!(story.bob.browser.post("/account/notices/again", &[("delivery", &id)]).await.status, 303);
    story.delivers().await;
    let mails = server.mails();
    assert_eq!(mails.len(), 3);
    assert_eq!(mails[2].id, format!("<{id}@desk.example>"));
}

#[tokio::test]
async fn what_was_done_or_is_a_day_old_is_not_sent_any_more() {
    let (story, server) = with_mail().await;
    story.mails_to(&story.bob, "bob@mail.example", &server).await;
    server.refuse(Some("451 4.3.0 not now"));
    let trade = story.take().await;
    story.delivers().await;
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    server.refuse(None);
    story.site.advance(SignedDuration::from_secs(120));
    story.delivers().await;
    assert_eq!(server.mails().len(), 1, "he has signed");
    assert_eq!(deliveries(&story, "dropped").await, 1);
    // A message that is read before its minute is over is not sent; another one is.
    for read in [true, false] {
        story.alice.browser.post(&format!("/trades/{trade}/messages"), &[("text", "hello")]).await;
        if read {
            story.bob.browser.get(&format!("/trades/{trade}")).await;
        }
        story.site.advance(SignedDuration::from_secs(61));
        story.delivers().await;
    }
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[1].subject, format!("Trade {}: a new message", trade.grouped()));
}

#[tokio::test]
async fn two_servers_send_each_mail_once_and_switches_are_obeyed() {
    let (story, server) = with_mail().await;
    story.mails_to(&story.bob, "bob@mail.example", &server).await;
    let only = [("channel", "mail"), ("kind", "turn"), ("kind", "end")];
    assert_eq!(story.bob.browser.post("/account/notices/kinds", &only).await.status, 303);
    let trade = story.funded().await;
    story.alice.browser.post(&format!("/trades/{trade}/messages"), &[("text", "hello")]).await;
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    story.site.advance(SignedDuration::from_secs(61));
    let second = super::second_desk(&story).with_courier(server.courier());
    let first = &story.site.desk;
    let (a, b) = tokio::join!(delivery::deliver_due(first), delivery::deliver_due(&second));
    a.and(b).unwrap();
    let subjects: Vec<String> = server.mails().into_iter().skip(1).map(|mail| mail.subject).collect();
    // The turns to sign and to deposit are over; that the coins are there was not asked for, nor the message.
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert!(subjects[0].contains("your turn until"), "{subjects:?}");
    assert_eq!(story.bob.browser.post("/account/notices/end", &[("channel", "mail")]).await.status, 303);
    story.signs(&story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    story.mine(6).await;
    story.delivers().await;
    assert_eq!(server.mails().len(), 2, "ended");
}

#[tokio::test]
async fn mail_servers_are_spoken_to_with_tls_and_a_password() {
    let papers = Papers::new();
    let (certificate, key) = (papers.file("localhost", "certificate"), papers.file("localhost", "key"));
    let server = MailServer::start_with(&["starttls", &certificate, &key, "login", "desk", "a good password"]);
    let post = Post {
        host: "localhost".into(),
        security: Security::StartTls,
        login: Some(("desk".into(), "a good password".to_owned().into())),
        certificate: Some(papers.file("authority", "certificate").into()),
        ..server.post()
    };
    let letter = trine::courier::mail::Letter { to: "a@mail.example", id: "1", subject: "One", text: "Hello.\n" };
    Mailer::new(&post).unwrap().send(&letter).await.unwrap();
    let mails = server.mails();
    assert!(mails.len() == 1 && mails[0].raw.contains("X-Secured: yes"), "{mails:?}");
    // A wrong password is the operator's matter and passes; a certificate nobody vouches for is no connection.
    let wrong = Post { login: Some(("desk".into(), "wrong".to_owned().into())), ..post.clone() };
    let lost = Mailer::new(&wrong).unwrap().send(&letter).await.unwrap_err();
    assert!(matches!(&lost, trine::courier::Lost::Later(words) if words.contains("535")), "{lost:?}");
    let unknown = Post { certificate: None, ..post };
    let lost = Mailer::new(&unknown).unwrap().send(&letter).await.unwrap_err();
    assert!(matches!(lost, trine::courier::Lost::Later(_)));
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_server_that_falls_silent_is_left_and_what_it_has_taken_counts() {
    let letter = Letter { to: "a@mail.example", id: "1", subject: "One", text: "Hello.\n" };
    // Connections are taken by the machine, and nobody says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = MailServer::start_with(&["no-goodbye"]);
    let post = Post { port: silent.local_addr().unwrap().port(), ..server.post() };
    let lost = Mailer::new(&post).unwrap().within(Duration::from_millis(300)).send(&letter).await.unwrap_err();
    assert!(matches!(&lost, Lost::Later(words) if words.contains("does not answer in time")), "{lost:?}");
    Mailer::new(&server.post()).unwrap().within(Duration::from_secs(3)).send(&letter).await.unwrap();
    assert_eq!(server.mails().len(), 1, "its farewell is not waited for");
}
