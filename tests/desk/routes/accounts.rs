//! Coming in and going out.

use trine::desk::{Registration, Rules, admin};

use crate::harness::site::Log;
use crate::harness::{Browser, PASSWORD, Site, Start};

const OTHER_PASSWORD: &str = "copper violin nineteen clouds";

#[tokio::test]
async fn a_new_account_is_signed_in_and_sees_its_recovery_code_once() {
    let site = Site::start().await;
    let anna = site.browser();
    assert_eq!(anna.get("/register").await.status, 200);
    let welcome = anna.post("/register", &[("name", "anna-k"), ("password", PASSWORD)]).await;
    assert_eq!(welcome.status, 200);
    let code = welcome.between("id=\"recovery-code\">", "<").unwrap().to_owned();
    assert_eq!(code.len(), 39, "160 bits in eight groups of four: {code}");
    assert!(anna.get("/account").await.words().contains("anna-k"));
    assert!(!anna.get("/account").await.body.contains(&code));
    let row = site.sql().await.query_one("SELECT password_hash, recovery_hash FROM accounts", &[]).await.unwrap();
    assert!(row.get::<_, String>(0).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(row.get::<_, Vec<u8>>(1).len(), 32);
}

#[tokio::test]
async fn names_that_look_alike_are_one_and_easy_passwords_are_refused_beside_the_field() {
    let site = Site::start().await;
    site.register("miro").await;
    let page = site.browser().post("/register", &[("name", "m1r0"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 422);
    assert!(page.error("name").contains("taken"), "{}", page.words());
    assert_eq!(page.value("name").as_deref(), Some("m1r0"), "what was typed is kept");
    let page = site.browser().post("/register", &[("name", "Ki"), ("password", "password1")]).await;
    assert_eq!(page.status, 422);
    assert!(page.error("name").contains("3 to 20"));
    assert!(page.error("password").contains("too easy"));
    assert!(!page.body.contains("password1"), "a password is never shown again");
    assert_eq!(site.sql().await.count("accounts").await, 1);
}

#[tokio::test]
async fn signing_in_says_the_same_whether_or_not_the_name_exists() {
    let site = Site::start().await;
    site.register("anna-k").await;
    let known = site.browser().post("/sign-in", &[("name", "anna-k"), ("password", "wrong")]).await;
    let unknown = site.browser().post("/sign-in", &[("name", "nobody-here"), ("password", "wrong")]).await;
    assert_eq!((known.status, unknown.status), (422, 422));
    assert_eq!(known.problem(), unknown.problem());
    assert!(!known.problem().is_empty());
}

#[tokio::test]
async fn signing_in_makes_a_new_session_and_goes_on_to_a_path_of_this_desk_only() {
    let site = Site::start().await;
    site.register("anna-k").await;
    for (next, to) in [("/trades?stage=funded", "/trades?stage=funded"), ("//evil.example", "/"), ("", "/")] {
        let browser = site.browser();
        let before = browser.token().await;
        let form = [("name", "anna-k"), ("password", PASSWORD), ("next", next)];
        let answer = browser.post("/sign-in", &form).await;
        assert_eq!((answer.status, answer.location.as_deref()), (303, Some(to)));
        assert!(answer.header("set-cookie").contains("HttpOnly"));
        assert!(answer.header("set-cookie").contains("SameSite=Lax"));
        assert_ne!(browser.token().await, before);
    }
    let page = site.browser().get("/account").await;
    assert_eq!(page.status, 401);
    assert!(page.body.contains("/sign-in?next=/account"));
}

#[tokio::test]
async fn signing_in_as_somebody_else_leaves_the_session_before() {
    let site = Site::start().await;
    site.register("miro").await;
    let browser = site.register("anna-k").await;
    let browser = browser.sign_in("miro", PASSWORD).await;
    assert!(browser.get("/account").await.words().contains("miro"));
    let left = "SELECT count(*) FROM sessions s JOIN accounts a ON a.id = s.account WHERE a.name = 'anna-k'";
    assert_eq!(site.sql().await.one::<i64>(left).await, 0);
}

#[tokio::test]
async fn signing_out_ends_the_session_for_good() {
    let site = Site::start().await;
    let anna = site.register("anna-k").await;
    assert_eq!(anna.post("/sign-out", &[]).await.status, 303);
    assert_eq!(anna.get("/account").await.status, 401);
    assert_eq!(site.sql().await.count("sessions").await, 0);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    let site = Site::start().await;
    let first = site.register("anna-k").await;
    let second = site.browser().sign_in("anna-k", PASSWORD).await;
    let third = site.browser().sign_in("anna-k", PASSWORD).await;
    let page = first.get("/account").await;
    assert_eq!(page.body.matches("/account/sessions/").count(), 3, "two others, and all of them");
    let id: uuid::Uuid = site.sql().await.one("SELECT id FROM sessions ORDER BY created_at DESC LIMIT 1").await;
    let stranger = site.register("miro").await;
    assert_eq!(stranger.post(&format!("/account/sessions/{id}/end"), &[]).await.status, 404);
    first.submit(&format!("/account/sessions/{id}/end"), &[]).await;
    assert_eq!(third.get("/account").await.status, 401);
    assert_eq!(second.get("/account").await.status, 200);
    first.submit("/account/sessions/end", &[]).await;
    assert_eq!(second.get("/account").await.status, 401);
    assert_eq!(first.get("/account").await.status, 200);
    assert_eq!(stranger.get("/account").await.status, 200);
}

#[tokio::test]
async fn changing_the_password_asks_for_the_old_one_and_signs_others_out() {
    let site = Site::start().await;
    let anna = site.register("anna-k").await;
    let other = site.browser().sign_in("anna-k", PASSWORD).await;
    let wrong = anna.post("/account/password", &[("password", "no"), ("new_password", OTHER_PASSWORD)]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.error("password").contains("not the password"));
    let easy = anna.post("/account/password", &[("password", PASSWORD), ("new_password", "anna-k1")]).await;
    assert!(easy.error("new_password").contains("too easy"));
    anna.submit("/account/password", &[("password", PASSWORD), ("new_password", OTHER_PASSWORD)]).await;
    assert_eq!(other.get("/account").await.status, 401);
    assert_eq!(anna.get("/account").await.status, 200);
    site.browser().sign_in("anna-k", OTHER_PASSWORD).await;
}

#[tokio::test]
async fn a_recovery_code_opens_the_account_once() {
    let site = Site::start().await;
    let anna = site.browser();
    let welcome = anna.post("/register", &[("name", "anna-k"), ("password", PASSWORD)]).await;
    let code = welcome.between("id=\"recovery-code\">", "<").unwrap().to_lowercase().replace('-', " ");
    let lost = site.browser();
    let form = |name, code| [("name", name), ("code", code), ("new_password", OTHER_PASSWORD)];
    let wrong = lost.post("/recover", &form("anna-k", "0000-0000")).await;
    let unknown = lost.post("/recover", &form("nobody-here", &code)).await;
    assert_eq!((wrong.status, wrong.problem()), (422, unknown.problem()));
    let welcome = lost.post("/recover", &form("anna-k", &code)).await;
    assert_eq!(welcome.status, 200);
    assert_eq!(lost.get("/account").await.status, 200);
    assert_eq!(anna.get("/account").await.status, 401, "every other session ended");
    assert_eq!(site.browser().post("/recover", &form("anna-k", &code)).await.status, 422, "used up");
    site.browser().sign_in("anna-k", OTHER_PASSWORD).await;
}

#[tokio::test]
async fn a_new_recovery_code_replaces_the_old_one() {
    let site = Site::start().await;
    let anna = site.browser();
    let welcome = anna.post("/register", &[("name", "anna-k"), ("password", PASSWORD)]).await;
    let old = welcome.between("id=\"recovery-code\">", "<").unwrap().to_owned();
    assert_eq!(anna.post("/account/recovery-code", &[("password", "no")]).await.status, 422);
    let page = anna.post("/account/recovery-code", &[("password", PASSWORD)]).await;
    let new = page.between("id=\"recovery-code\">", "<").unwrap().to_owned();
    assert_ne!(old, new);
    let form = |code| [("name", "anna-k"), ("code", code), ("new_password", OTHER_PASSWORD)];
    assert_eq!(site.browser().post("/recover", &form(&old)).await.status, 422);
    assert_eq!(site.browser().post("/recover", &form(&new)).await.status, 200);
}

#[tokio::test]
async fn an_invitation_lets_one_person_in() {
    let rules = Rules { registration: Registration::Invitation, ..Rules::default() };
    let site = Site::start_with(Start { rules, ..Start::default() }).await;
    let code = admin::invite(&site.desk).await.unwrap();
    let form = |name, invitation| [("name", name), ("password", PASSWORD), ("invitation", invitation)];
    let without = site.browser().post("/register", &form("anna-k", "")).await;
    assert!(without.error("invitation").contains("invitation"));
    assert!(site.browser().post("/register", &form("anna-k", "1234")).await.error("invitation").contains("not known"));
    assert_eq!(site.browser().post("/register", &form("anna-k", &code)).await.status, 200);
    assert!(site.browser().post("/register", &form("miro", &code)).await.error("invitation").contains("used"));
    assert_eq!(site.sql().await.count("accounts").await, 1);
}

#[tokio::test]
async fn a_closed_desk_takes_no_accounts() {
    let rules = Rules { registration: Registration::Closed, ..Rules::default() };
    let site = Site::start_with(Start { rules, ..Start::default() }).await;
    assert!(site.browser().get("/register").await.words().contains("no new accounts"));
    let answer = site.browser().post("/register", &[("name", "anna-k"), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn guessing_is_slowed_down_per_account_and_per_address() {
    let site = Site::start_with(Start { throttle_addresses: true, ..Start::default() }).await;
    site.register("anna-k").await;
    let browser = site.browser();
    let mut seen = Vec::new();
    for _ in 0..12 {
        seen.push(browser.post("/sign-in", &[("name", "anna-k"), ("password", "wrong")]).await.status);
    }
    assert_eq!(seen[..10], [422; 10]);
    assert_eq!(seen[10..], [429; 2]);
    site.advance(jiff::SignedDuration::from_mins(3));
    assert_eq!(browser.post("/sign-in", &[("name", "anna-k"), ("password", PASSWORD)]).await.status, 303);
    let mut last = 0;
    for count in 0..12 {
        let name = format!("person-{count:02}");
        last = site.browser().post("/register", &[("name", &name), ("password", PASSWORD)]).await.status;
    }
    assert_eq!(last, 429);
    let names: String = site.sql().await.one("SELECT string_agg(bucket, ' ') FROM throttles").await;
    assert!(!names.contains("127.0.0.1") && !names.contains("anna"), "addresses and names are not kept: {names}");
}

#[tokio::test]
async fn a_suspended_account_signs_in_and_is_told_why() {
    let site = Site::start().await;
    site.register("anna-k").await;
    admin::suspend(&site.desk, "anna-k", "fake receipts").await.unwrap();
    let anna = site.browser().sign_in("anna-k", PASSWORD).await;
    assert!(anna.get("/account").await.words().contains("fake receipts"));
    admin::restore(&site.desk, "anna-k").await.unwrap();
    assert!(!anna.get("/account").await.words().contains("fake receipts"));
}

#[tokio::test]
async fn a_form_without_its_token_or_from_elsewhere_changes_nothing() {
    let site = Site::start().await;
    let anna = site.register("anna-k").await;
    assert_eq!(anna.post_bare("/unit", &[("unit", "sat")]).await.status, 403);
    let token = anna.token().await;
    let elsewhere = anna
        .http()
        .post(anna.url("/unit"))
        .header("sec-fetch-site", "cross-site")
        .form(&[("csrf", token.as_str()), ("unit", "sat")])
        .send()
        .await
        .unwrap();
    assert_eq!(elsewhere.status().as_u16(), 403);
    assert_eq!(site.sql().await.one::<String>("SELECT unit FROM accounts").await, "btc");
    anna.submit("/unit", &[("unit", "sat")]).await;
    assert_eq!(site.sql().await.one::<String>("SELECT unit FROM accounts").await, "sat");
}

#[tokio::test]
async fn the_theme_is_a_cookie_of_this_browser() {
    let site = Site::start().await;
    let visitor = site.browser();
    assert!(!visitor.get("/appearance").await.body.contains("data-theme="));
    let page = visitor.submit("/theme", &[("theme", "dark"), ("next", "/sign-in")]).await;
    assert!(page.body.contains("data-theme=\"dark\""));
    visitor.submit("/theme", &[("theme", "system")]).await;
    assert!(!visitor.get("/sign-in").await.body.contains("data-theme="));
    assert_eq!(visitor.post("/theme", &[("theme", "blink")]).await.status, 422);
}

#[tokio::test]
async fn unit_and_time_zone_are_remembered_without_an_account() {
    let site = Site::start().await;
    let visitor = site.browser();
    assert!(visitor.get("/").await.header("etag").len() > 8, "anybody's board is the ready one");
    let page = visitor.submit("/unit", &[("unit", "sat")]).await;
    assert!(page.body.contains("value=\"sat\" aria-pressed=\"true\""), "{}", page.body);
    let page = visitor.submit("/zone", &[("zone", "Asia/Tokyo")]).await;
    assert!(page.body.contains("value=\"Asia/Tokyo\""), "{}", page.body);
    assert_eq!(visitor.get("/").await.header("etag"), "", "theirs is made for them");

    // With an account the unit is the account's, and the zone stays this browser's.
    let anna = visitor.register("anna-k").await;
    let words = anna.get("/account").await.words();
    assert!(words.contains(" JST") && !words.contains(" UTC"), "{words}");
    anna.submit("/zone", &[("zone", "")]).await;
    assert!(anna.get("/account").await.words().contains(" UTC"));

    let refused = anna.post("/zone", &[("zone", "Atlantis/<b>Sunk")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.error("zone").contains("There is no time zone"), "{}", refused.words());
    assert!(refused.body.contains("Atlantis") && !refused.body.contains("<b>Sunk"), "what was typed stays, as text");
    assert_eq!(site.browser().post("/unit", &[("unit", "bits")]).await.status, 422);
}

#[tokio::test]
async fn an_operator_is_made_or_promoted() {
    let site = Site::start().await;
    let made = admin::first_operator(&site.desk, "olga", true).await.unwrap();
    let admin::Operator::Created { password } = made else { panic!("{made:?}") };
    site.browser().sign_in("olga", &password).await;
    site.register("pavel").await;
    let unknown = admin::first_operator(&site.desk, "pavel", false).await.unwrap_err();
    assert!(
        unknown.to_string().contains("--existing"),
        "whoever registered an operator's name first is none: {unknown}"
    );
    assert!(matches!(admin::first_operator(&site.desk, "pavel", true).await.unwrap(), admin::Operator::Promoted));
}

#[tokio::test]
async fn an_operator_who_is_suspended_or_removed_runs_nothing() {
    let site = Site::start().await;
    let pavel = site.register("pavel").await;
    admin::first_operator(&site.desk, "pavel", true).await.unwrap();
    admin::suspend(&site.desk, "pavel", "lost his telephone").await.unwrap();
    let lifted = pavel.post("/operator/accounts/pavel/restoration", &[]).await;
    assert_eq!((lifted.status, pavel.get("/operator").await.status), (403, 403));
    admin::restore(&site.desk, "pavel").await.unwrap();
    assert_eq!(pavel.get("/operator").await.status, 200);
    admin::remove_operator(&site.desk, "pavel").await.unwrap();
    assert_eq!(pavel.get("/operator").await.status, 401, "he is signed out");
    let pavel = site.browser().sign_in("pavel", PASSWORD).await;
    assert_eq!(pavel.get("/operator").await.status, 404);
    assert!(admin::remove_operator(&site.desk, "pavel").await.is_err());
}

#[tokio::test]
async fn strangers_who_try_a_name_do_not_keep_its_owner_out() {
    let site = Site::start_with(Start { throttle_addresses: true, behind_proxy: true, ..Start::default() }).await;
    site.register("anna-k").await;
    let from = |address: &str| Browser::that_says(&site.origin, &[("x-forwarded-for", address)]);
    let wrong = [("name", "anna-k"), ("password", "wrong")];
    let stranger = from("192.0.2.1");
    for _ in 0..12 {
        stranger.post("/sign-in", &wrong).await;
    }
    assert_eq!(stranger.post("/sign-in", &wrong).await.status, 429);
    // An address before the one that the proxy adds is anybody's word.
    assert_eq!(from("198.51.100.9, 192.0.2.1").post("/sign-in", &wrong).await.status, 429);
    let own = from("203.0.113.5").post("/sign-in", &[("name", "anna-k"), ("password", PASSWORD)]).await;
    assert_eq!(own.status, 303, "{}", own.words());
}

#[tokio::test]
async fn the_log_says_nothing_of_where_people_are() {
    let log = Log::default();
    let site = Site::start_with(Start { log: Some(log.clone()), ..Start::default() }).await;
    let said = [("user-agent", "Rare-Browser/1.0"), ("x-forwarded-for", "192.0.2.77")];
    Browser::that_says(&site.origin, &said).post("/register", &[("name", "anna-k"), ("password", PASSWORD)]).await;
    let said = String::from_utf8_lossy(&log.text()).into_owned();
    // At this level libraries tell what comes over the wire; a desk that runs tells the desk's own lines only.
    let own: Vec<&str> = said.lines().filter(|line| line.contains("}: trine::")).collect();
    assert!(own.iter().any(|line| line.contains("an account was registered")), "{own:?}");
    for line in own {
        assert!(line.contains("http.route=") && !line.contains("192.0.2.77"), "{line}");
        assert!(!line.contains("Rare-Browser") && !line.contains("127.0.0.1"), "{line}");
    }
}

#[tokio::test]
async fn a_signature_with_a_key_of_the_account_opens_it_once() {
    let site = Site::start().await;
    let anna = site.trader("anna-k").await;
    let miro = site.trader("miro").await;
    let lost = site.browser();
    let asked = |name: &'static str, key: String| {
        let lost = lost.clone();
        async move { lost.post("/recover/key", &[("name", name), ("key", &key)]).await }
    };
    let unknown = asked("nobody-here", anna.key()).await;
    assert_eq!(unknown.status, 200, "a name without an account looks the same");
    let page = asked("anna-k", anna.key()).await;
    assert!(page.words().contains("127.0.0.1 proof anna-k recover "));
    let psbt = page.between("The same as text</summary><p class=\"mono keytext\">", "<").unwrap().to_owned();
    let nonce = page.value("nonce").unwrap();
    let send = |name: &'static str, key: String, signatures: String| {
        let (site, lost, nonce) = (&site, site.browser(), nonce.clone());
        async move {
            let _ = site;
            let form = [
                ("name", name),
                ("key", key.as_str()),
                ("nonce", nonce.as_str()),
                ("signatures", signatures.as_str()),
                ("new_password", OTHER_PASSWORD),
            ];
            lost.post("/recover/key/signature", &form).await
        }
    };
    assert_eq!(send("anna-k", anna.key(), psbt.clone()).await.status, 422, "not signed");
    assert_eq!(send("miro", anna.key(), anna.sign(&psbt)).await.status, 409, "a message for another name");
    assert_eq!(send("anna-k", miro.key(), anna.sign(&psbt)).await.status, 409, "a message for another key");
    let done = send("anna-k", anna.key(), anna.sign(&psbt)).await;
    assert_eq!(done.status, 200, "{}", done.words());
    assert!(done.body.contains("id=\"recovery-code\""));
    assert_eq!(anna.get("/account").await.status, 401, "every other session ended");
    site.browser().sign_in("anna-k", OTHER_PASSWORD).await;
    assert_eq!(send("anna-k", anna.key(), anna.sign(&psbt)).await.status, 409, "it counts once");
    assert!(site.sql().await.one::<bool>("SELECT proved_at IS NOT NULL FROM signing_keys ORDER BY id LIMIT 1").await);

    let page = asked("anna-k", miro.key()).await;
    let psbt = page.between("The same as text</summary><p class=\"mono keytext\">", "<").unwrap().to_owned();
    let nonce = page.value("nonce").unwrap();
    let signed = miro.sign(&psbt);
    let form = [
        ("name", "anna-k"),
        ("key", &miro.key()),
        ("nonce", &nonce),
        ("signatures", &signed),
        ("new_password", PASSWORD),
    ];
    let refused = site.browser().post("/recover/key/signature", &form).await;
    assert!(refused.problem().contains("not one of the account"), "{}", refused.words());
}
