//! The operator's day: what waits, what can be done about it, and that every act is written down.

use trine::desk::{Registration, Rules, admin};

use crate::harness::cast::{Story, story, story_with};
use crate::harness::{Browser, PASSWORD, Start};

/// An operator, signed in.
pub async fn operator(story: &Story) -> Browser {
    let olga = story.site.register("olga").await;
    admin::first_operator(&story.site.desk, "olga", true).await.unwrap();
    olga
}

#[tokio::test]
async fn whoever_is_no_operator_finds_nothing() {
    let story = story().await;
    let olga = operator(&story).await;
    for page in ["/operator", "/operator/accounts", "/operator/arbitrators", "/operator/invitations", "/operator/acts"]
    {
        assert_eq!(olga.get(page).await.status, 200, "{page}");
        for other in [&story.alice.browser, &story.carol.browser] {
            assert_eq!(other.get(page).await.status, 404, "{page}");
        }
        assert_eq!(story.site.browser().get(page).await.status, 401, "{page}");
    }
    assert!(olga.get("/").await.body.contains("href=\"/operator\""));
    assert!(!story.alice.browser.get("/").await.body.contains("href=\"/operator\""));
}

/// The board is as new as a third of a second; this waits for it.
async fn board_says(browser: &Browser, words: &str, there: bool) {
    for _ in 0..100 {
        if browser.get("/").await.words().contains(words) == there {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the board does not change: {words} {there}");
}

#[tokio::test]
async fn an_operator_pauses_the_desk_and_lets_it_go_on_and_everybody_reads_why() {
    let story = story().await;
    let olga = operator(&story).await;
    let refused = olga.post("/operator/pause", &[("why", "")]).await;
    assert_eq!((refused.status, refused.error("why").is_empty()), (422, false));
    olga.submit("/operator/pause", &[("why", "The node moves house")]).await;
    assert!(olga.get("/operator").await.words().contains("The desk is paused The node moves house"));
    board_says(&story.alice.browser, "The node moves house", true).await;
    olga.submit("/operator/resumption", &[]).await;
    board_says(&story.alice.browser, "The node moves house", false).await;
    let acts = olga.get("/operator/acts").await.words();
    assert!(acts.contains("olga paused the desk") && acts.contains("The node moves house"), "{acts}");
    assert!(acts.contains("olga let the desk go on"), "{acts}");
}

#[tokio::test]
async fn an_operator_suspends_an_account_with_a_reason_and_restores_it() {
    let story = story().await;
    let olga = operator(&story).await;
    let page = "/operator/accounts/alice";
    assert_eq!(olga.post(&format!("{page}/suspension"), &[("why", " ")]).await.status, 422);
    olga.submit(&format!("{page}/suspension"), &[("why", "fake receipts")]).await;
    assert!(story.alice.browser.get("/account").await.words().contains("fake receipts"));
    assert!(olga.get("/operator/accounts?suspended=yes").await.body.contains(page));
    assert!(!olga.get("/operator/accounts?suspended=yes").await.body.contains("/operator/accounts/bob-s"));
    assert!(olga.get("/operator/accounts?name=bo").await.body.contains("/operator/accounts/bob-s"));
    let words = olga.submit(&format!("{page}/restoration"), &[]).await.words();
    assert!(words.contains("olga suspended alice") && words.contains("olga restored alice"), "{words}");
    assert!(!story.alice.browser.get("/account").await.words().contains("fake receipts"));
    let own = olga.post("/operator/accounts/olga/suspension", &[("why", "tired")]).await;
    assert_eq!(own.status, 409, "{}", own.words());
    assert_eq!(olga.get("/operator/accounts/nobody-here").await.status, 404);
}

#[tokio::test]
async fn rates_are_set_on_the_page_and_old_ones_are_named() {
    let story = story().await;
    let olga = operator(&story).await;
    for (currency, price, field) in [("EUR", "0", "price"), ("EUR", "many", "price"), ("XXX", "5", "currency")] {
        let page = olga.post("/operator/rates", &[("currency", currency), ("price", price)]).await;
        assert_eq!(page.status, 422);
        assert!(!page.error(field).is_empty(), "{currency} {price}: {}", page.words());
        assert_eq!(page.value("price").as_deref(), Some(price), "what was typed is kept");
    }
    let page = olga.submit("/operator/rates", &[("currency", "chf"), ("price", "51 234,50")]).await;
    assert!(page.words().contains("51 234.50"), "{}", page.words());
    story.site.advance(jiff::SignedDuration::from_mins(61));
    assert!(olga.get("/operator").await.words().contains("too old: floating offers are off the board"));
    assert!(olga.get("/operator/acts").await.words().contains("olga set one bitcoin to 51234.5"));
}

#[tokio::test]
async fn an_invitation_is_shown_once_lets_one_in_and_can_be_withdrawn() {
    let rules = Rules { registration: Registration::Open, ..Rules::default() };
    let story = story_with(Start { rules, ..Start::default() }).await;
    let olga = operator(&story).await;
    let page = olga.post("/operator/invitations", &[("note", "the baker")]).await;
    let code = page.between("id=\"invitation-code\">", "<").unwrap().to_owned();
    assert_eq!(code.len(), 19, "80 bits in four groups: {code}");
    let list = olga.get("/operator/invitations").await;
    assert!(!list.body.contains(&code) && list.words().contains("Invitation 1 for the baker"), "{}", list.words());
    let other = olga.post("/operator/invitations", &[("note", "")]).await;
    let other = other.between("id=\"invitation-code\">", "<").unwrap().to_owned();
    olga.submit("/operator/invitations/2/withdrawal", &[]).await;
    assert_eq!(olga.post("/operator/invitations/2/withdrawal", &[]).await.status, 409, "once");

    let desk = invited_only(&story).await;
    let form = |name, code| [("name", name), ("password", PASSWORD), ("invitation", code)];
    assert_eq!(desk.post("/register", &form("wendy", &other)).await.status, 422, "it was withdrawn");
    assert_eq!(desk.post("/register", &form("wendy", &code)).await.status, 200);
    let list = olga.get("/operator/invitations").await.words();
    assert!(list.contains("used by wendy") && list.contains("withdrawn"), "{list}");
    assert_eq!(olga.post("/operator/invitations/1/withdrawal", &[]).await.status, 409, "it was used");
}

/// A second server on the same database, where only invited people register.
async fn invited_only(story: &Story) -> Browser {
    use trine::desk::{Desk, Secrets};
    use trine::web::{self, site::Outside};
    let rules = Rules { registration: Registration::Invitation, ..Rules::default() };
    let store = trine::store::Store::open(&story.site.database_url()).unwrap();
    let secrets = Secrets::new(crate::harness::site::SESSION_KEY, crate::harness::site::DATA_KEY, 1);
    let desk = std::sync::Arc::new(Desk::new(store, story.site.chain.clone(), rules, secrets));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let outside =
        Outside { origins: vec![origin.clone()], trusted_proxies: Vec::new(), throttle_addresses: false, onion: false };
    let site = std::sync::Arc::new(web::Site::new(desk, outside).unwrap());
    let server = actix_web::HttpServer::new(move || web::app(site.clone()))
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
    std::thread::spawn(move || actix_web::rt::System::new().block_on(server));
    Browser::new(&origin)
}

#[tokio::test]
async fn arbitrators_are_appointed_and_dismissed_on_the_page_with_drill_and_exposure_beside_them() {
    let story = story().await;
    let olga = operator(&story).await;
    let trade = story.agreed().await;
    let page = olga.get("/operator/arbitrators").await.words();
    assert!(page.contains("carol on duty") && page.contains("drill counts until"), "{page}");
    assert!(page.contains("0.01 000 000 BTC of 10.00 000 000 BTC"), "{page}");
    story.site.register("dora").await;
    let fields = |limit| [("name", "dora"), ("contact", "dora@example.org"), ("exposure_limit", limit)];
    assert!(!olga.post("/operator/arbitrators", &fields("a lot")).await.error("exposure_limit").is_empty());
    let page = olga.submit("/operator/arbitrators", &fields("2.5")).await.words();
    assert!(page.contains("dora not on duty has no key yet"), "{page}");
    let page = olga.submit("/operator/arbitrators/dora/dismissal", &[("why", "moved away")]).await.words();
    assert!(!page.contains("dora"), "{page}");
    let acts = olga.get("/operator/acts").await.words();
    assert!(acts.contains("olga dismissed the arbitrator dora") && acts.contains("moved away"), "{acts}");
    story.site.advance(jiff::SignedDuration::from_hours(24 * 91));
    assert!(olga.get("/operator").await.words().contains("the drill is overdue"));
    assert_eq!(olga.get(&format!("/operator/trades/{trade}")).await.status, 200);
}

#[tokio::test]
async fn trades_past_a_deadline_and_disputes_by_age_lead_to_their_facts() {
    let story = story().await;
    let olga = operator(&story).await;
    let trade = story.disputed().await;
    let page = olga.get("/operator").await;
    assert!(page.words().contains("1 open") && page.body.contains(&format!("/operator/trades/{trade}")));
    assert!(!page.words().contains("ruling overdue"));
    story.later(60 * 24 * 5).await;
    let page = olga.get("/operator").await.words();
    assert!(page.contains("ruling overdue") && page.contains("Waits for carol, the arbitrator"), "{page}");
    let facts = olga.get(&format!("/operator/trades/{trade}")).await;
    assert!(facts.words().contains("over since") && facts.words().contains("carol@example.org"), "{}", facts.words());
}

#[tokio::test]
async fn an_operator_reads_no_message_no_payment_detail_and_no_statement() {
    let story = story().await;
    let olga = operator(&story).await;
    let trade = story.disputed().await;
    let said = story.alice.browser.post(&format!("/trades/{trade}/messages"), &[("text", "my secret plan")]).await;
    assert_eq!(said.status, 303, "{}", said.words());
    for page in ["/operator".to_owned(), format!("/operator/trades/{trade}"), "/operator/accounts/alice".to_owned()] {
        let seen = olga.get(&page).await;
        assert_eq!(seen.status, 200, "{page}");
        for private in ["my secret plan", "DE89", "alice Example", "Not all of it came", "statement of my account"] {
            assert!(!seen.body.contains(private), "{page} shows {private}");
        }
    }
    for page in ["", "/dispute", "/room.txt", "/contract.json"] {
        assert_eq!(olga.get(&format!("/trades/{trade}{page}")).await.status, 404, "{page}");
    }
}

#[tokio::test]
async fn a_job_that_is_stuck_is_named_with_its_trouble_and_tried_again() {
    let story = story().await;
    let olga = operator(&story).await;
    let sql = story.site.sql().await;
    let stuck = "INSERT INTO outbox (kind, payload, created_at, due_at, attempts, last_error)
                 VALUES ('broadcast', '{}', now(), now() + interval '1 h', 3, 'the node says no') RETURNING number";
    let number: i64 = sql.one(stuck).await;
    let page = olga.get("/operator").await.words();
    assert!(page.contains("1 stuck") && page.contains("the node says no") && page.contains("tried 3 times"), "{page}");
    olga.submit(&format!("/operator/jobs/{number}/retry"), &[]).await;
    let due: bool =
        sql.one(&format!("SELECT due_at <= now() + interval '1 min' FROM outbox WHERE number = {number}")).await;
    assert!(due);
    assert!(olga.get("/operator/acts").await.words().contains(&format!("olga had job {number} tried again")));
    assert_eq!(olga.post("/operator/jobs/99999/retry", &[]).await.status, 409);
}

#[tokio::test]
async fn acts_are_never_edited_and_commands_are_among_them() {
    let story = story().await;
    let olga = operator(&story).await;
    let words = olga.get("/operator/acts").await.words();
    assert!(
        words.contains("a command made olga an operator") && words.contains("a command appointed carol"),
        "{words}"
    );
    let sql = story.site.sql().await;
    for act in ["UPDATE desk_acts SET why = 'no'", "DELETE FROM desk_acts"] {
        let error = sql.batch_execute(act).await.unwrap_err();
        assert!(error.as_db_error().unwrap().message().contains("append-only"), "{act}");
    }
}
