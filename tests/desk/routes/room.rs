//! The room of a trade over HTTP: who may be there, what may be said, what becomes of pictures.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use trine::desk::room;
use trine::domain::{PublicRef, UserId};
use uuid::Uuid;

use crate::harness::{Browser, Seen, Site};

const MARKER: &[u8] = b"<script>alert('still here')</script>";
const MESSAGES: &str = "/trades/7KQ2M4XN/messages";
const TEXT: &str = "/trades/7KQ2M4XN/room.txt";

/// A trade between anna-k, who buys, and miro; sable is drawn as arbitrator, eve is a stranger.
struct Room {
    site: Site,
    anna: Browser,
    miro: Browser,
    sable: Browser,
    eve: Browser,
}

/// Straight into the tables: a room needs a trade, not its story.
const TRADE: &str = "
    UPDATE accounts SET role = 'arbitrator' WHERE name = 'sable';
    INSERT INTO signing_keys (id, account, kind, text, fingerprint, account_number, public_key, chain_code, created_at)
    SELECT gen_random_uuid(), id, 'wallet', 'key of ' || name, '\\x01020304', 0,
           sha256(name::bytea) || '\\x01', sha256(name::bytea), now() FROM accounts;
    INSERT INTO arbitrators (account, exposure_limit_sat, appointed_at)
    SELECT id, 1000000000, now() FROM accounts WHERE name = 'sable';
    INSERT INTO offers (id, reference, account, side, currency, fixed_price, total, limit_min, limit_max,
                        payment_window_minutes, key, address, state, created_at, changed_at)
    SELECT gen_random_uuid(), '0FFER000', a.id, 'seller', 'EUR', 58000, 500, 100, 500, 60, k.id, 'bcrt1', 'open', now(), now()
      FROM accounts a JOIN signing_keys k ON k.account = a.id WHERE a.name = 'miro';
    INSERT INTO trades (id, reference, stage, state, offer, maker, buyer, seller, arbitrator, buyer_key, seller_key,
                        arbitrator_key, amount_sat, deposit_sat, fiat, currency, method, contract_text, contract_hash,
                        script_pubkey, address, payee_sealed, payer_sealed, created_at, stage_since)
    SELECT gen_random_uuid(), '7KQ2M4XN', 'funded', '{\"stage\": \"funded\"}', o.id, 'seller', b.account, s.account,
           a.account, b.id, s.id, a.id, 851612, 855870, 500, 'EUR', 'sepa-instant', '{}', sha256('{}'),
           '\\x0020', 'bcrt1', '\\x', '\\x', now(), now()
      FROM offers o, signing_keys b, signing_keys s, signing_keys a
     WHERE b.text = 'key of anna-k' AND s.text = 'key of miro' AND a.text = 'key of sable'";

const DISPUTED: &str = "
    UPDATE trades SET stage = 'disputed', state = '{\"stage\": \"disputed\", \"dispute\": {\"opener\": \"buyer\"}}'";

async fn funded() -> Room {
    let site = Site::start().await;
    let (anna, miro) = (site.register("anna-k").await, site.register("miro").await);
    let (sable, eve) = (site.register("sable").await, site.register("eve-9").await);
    site.sql().await.batch_execute(TRADE).await.unwrap();
    Room { site, anna, miro, sable, eve }
}

async fn disputed() -> Room {
    let room = funded().await;
    room.site.sql().await.batch_execute(DISPUTED).await.unwrap();
    room
}

impl Room {
    async fn account(&self, name: &str) -> UserId {
        let id: Uuid = self.site.sql().await.one(&format!("SELECT id FROM accounts WHERE name = '{name}'")).await;
        UserId(id)
    }

    async fn seen_by(&self, name: &str) -> room::RoomView {
        let client = self.site.desk.store.connection().await.unwrap();
        let reference: PublicRef = "7KQ2M4XN".parse().unwrap();
        room::view(&client, reference, self.account(name).await).await.unwrap()
    }
}

fn png() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(60, 40, image::Rgb([250, 10, 10])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn send_picture(who: &Browser, text: &str, bytes: Vec<u8>) -> Seen {
    who.upload(MESSAGES, &[("text", text)], ("picture", "receipt.png", bytes)).await
}

#[tokio::test]
async fn traders_talk_and_each_sees_what_the_other_has_read() {
    let room = funded().await;
    let answer = room.anna.post(MESSAGES, &[("text", "Hi, please use SEPA instant. <b>&amp;</b>")]).await;
    assert_eq!((answer.status, answer.location.as_deref()), (303, Some("/trades/7KQ2M4XN#room")));
    assert_eq!(room.miro.post(MESSAGES, &[("text", "Will do,\r\none minute.")]).await.status, 303);
    let seen = room.seen_by("miro").await;
    assert_eq!(seen.title, "anna-k");
    assert_eq!(seen.entries[0].text, "Hi, please use SEPA instant. <b>&amp;</b>");
    assert_eq!((seen.entries[1].kind, seen.entries[1].text.as_str()), ("me", "Will do,\none minute."));
    assert!(room.seen_by("anna-k").await.entries[0].read, "miro has looked");
    let text = room.anna.get(TEXT).await;
    assert_eq!(text.status, 200);
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert!(text.header("content-security-policy").contains("sandbox"));
    assert!(text.body.contains("anna-k: Hi, please use SEPA instant."), "{}", text.body);
}

#[tokio::test]
async fn strangers_find_nothing_and_the_arbitrator_enters_with_a_dispute() {
    let room = funded().await;
    assert_eq!(send_picture(&room.anna, "look", png()).await.status, 303);
    let href = room.seen_by("anna-k").await.entries[0].picture.clone().unwrap().href;
    for stranger in [&room.eve, &room.sable] {
        assert_eq!(stranger.post(MESSAGES, &[("text", "hello")]).await.status, 404);
        assert_eq!(stranger.get(TEXT).await.status, 404);
        assert_eq!(stranger.get(&href).await.status, 404);
    }
    let nobody = room.site.browser();
    for path in [TEXT, href.as_str()] {
        assert_eq!(nobody.get(path).await.status, 401);
    }
    room.site.sql().await.batch_execute(DISPUTED).await.unwrap();
    assert_eq!(room.sable.get(&href).await.status, 200);
    assert_eq!(room.sable.post(MESSAGES, &[("text", "What happened?")]).await.status, 303);
    assert_eq!(room.seen_by("anna-k").await.entries[1].kind, "arbitrator");
    assert_eq!(room.eve.get(&href).await.status, 404);
    assert_eq!(room.anna.get("/trades/00000000/room.txt").await.status, 404);
    assert_eq!(room.anna.get("/trades/nonsense!/room.txt").await.status, 404);
    assert_eq!(room.anna.get("/trades/7KQ2M4XN/attachments/1").await.status, 404);
}

#[tokio::test]
async fn a_picture_keeps_nothing_but_its_pixels_and_is_sealed_in_the_database() {
    let room = funded().await;
    let polyglot = [png(), MARKER.to_vec()].concat();
    assert_eq!(send_picture(&room.anna, "", polyglot.clone()).await.status, 303);
    let picture = room.seen_by("miro").await.entries[0].picture.clone().unwrap();
    assert_eq!((picture.width, picture.height), (60, 40));
    let served = room.miro.get(&picture.href).await;
    assert_eq!(served.header("content-type"), "image/png");
    assert!(served.header("content-disposition").starts_with("inline; filename=\"trade-7KQ2M4XN-"));
    assert!(served.header("cache-control").starts_with("private"));
    assert!(served.header("content-security-policy").starts_with("default-src 'none'; sandbox"));
    assert_eq!(served.header("x-content-type-options"), "nosniff");
    assert!(!served.bytes.windows(MARKER.len()).any(|w| w == MARKER));
    assert!(image::load_from_memory(&served.bytes).is_ok());
    let kept = room.site.sql().await.query_one("SELECT sealed, upload_sha256 FROM attachments", &[]).await.unwrap();
    let sealed: Vec<u8> = kept.get(0);
    assert!(!sealed.windows(8).any(|w| w == b"\x89PNG\r\n\x1a\n"), "nobody reads it out of the database");
    assert_eq!(kept.get::<_, Vec<u8>>(1), trine::desk::secrets::sha256(&polyglot));
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_beside_the_field_and_what_was_typed_stays() {
    let room = disputed().await;
    let empty = room.anna.post(MESSAGES, &[("text", " \n ")]).await;
    assert_eq!(empty.status, 422);
    assert!(empty.error("text").contains("Write something"), "{}", empty.body);
    let turned = room.anna.post(MESSAGES, &[("text", "IT60\u{202e}4321")]).await;
    assert_eq!(turned.status, 422);
    assert!(turned.error("text").contains("direction"));
    let long = room.anna.post(MESSAGES, &[("text", &"ü".repeat(2_001))]).await;
    assert_eq!(long.status, 422);
    assert!(long.error("text").contains("2000"));
    let mut huge = png();
    huge.resize(20 * 1024 * 1024, 7);
    for (upload, words) in [
        (b"<svg onload=\"alert(1)\"/>".to_vec(), "PNG, JPEG or WebP"),
        (png()[..40].to_vec(), "cut off"),
        (huge, "8 MiB"),
    ] {
        let page = send_picture(&room.anna, "the <receipt>", upload).await;
        assert_eq!(page.status, 422);
        assert!(page.error("picture").contains(words), "{}", page.words());
        assert!(page.body.contains("the &lt;receipt&gt;</textarea>"), "what was typed is kept: {}", page.body);
    }
    let sql = room.site.sql().await;
    assert_eq!((sql.count("messages").await, sql.count("attachments").await), (0, 0));
}

#[tokio::test]
async fn nobody_floods_a_room() {
    let room = funded().await;
    for _ in 0..20 {
        assert_eq!(room.anna.post(MESSAGES, &[("text", "hello?")]).await.status, 303);
    }
    let page = room.anna.post(MESSAGES, &[("text", "HELLO")]).await;
    assert_eq!(page.status, 429);
    assert!(page.body.contains("HELLO</textarea>") && page.problem().contains("Wait"), "{}", page.words());
    assert_eq!(room.miro.post(MESSAGES, &[("text", "calm down")]).await.status, 303, "the other may still write");
}

#[tokio::test]
async fn unread_words_are_counted_until_they_are_seen() {
    let room = funded().await;
    let miro = room.account("miro").await;
    let unread = async || {
        let client = room.site.desk.store.connection().await.unwrap();
        room::unread(&client, miro).await.unwrap().values().sum::<i64>()
    };
    room.anna.post(MESSAGES, &[("text", "one")]).await;
    room.anna.post(MESSAGES, &[("text", "two")]).await;
    room.miro.post(MESSAGES, &[("text", "mine")]).await;
    assert_eq!(unread().await, 2);
    room.seen_by("miro").await;
    assert_eq!(unread().await, 0);
}

#[tokio::test]
async fn an_arbitrator_asked_for_a_refund_stays_in_the_room_when_the_trade_is_over() {
    let room = funded().await;
    let over = "
        UPDATE trades SET stage = 'completed', outcome = 'refunded',
               state = '{\"stage\": \"completed\", \"refund_objection_by\": \"2026-11-22T14:00:00Z\"}'";
    assert_eq!(room.sable.get(TEXT).await.status, 404);
    room.site.sql().await.batch_execute(over).await.unwrap();
    assert_eq!(room.sable.get(TEXT).await.status, 200);
}

#[tokio::test]
async fn a_full_room_says_so_and_still_hears_what_happens() {
    let room = funded().await;
    let sql = room.site.sql().await;
    let talk = "
        INSERT INTO messages (id, trade, account, body, at)
        SELECT gen_random_uuid(), t.id, t.buyer, 'line ' || n, now() FROM trades t, generate_series(1, 2000) n";
    sql.batch_execute(talk).await.unwrap();
    let page = room.miro.post(MESSAGES, &[("text", "one more")]).await;
    assert_eq!(page.status, 422);
    assert!(page.error("text").contains("full"), "{}", page.words());
    let client = room.site.desk.store.connection().await.unwrap();
    let trade = trine::domain::TradeId(sql.one("SELECT id FROM trades").await);
    room::system(&client, trade, "Coins arrived in escrow.", jiff::Timestamp::now()).await.unwrap();
    let seen = room.seen_by("miro").await;
    assert_eq!((seen.entries.len(), seen.earlier), (200, 1_801));
    assert_eq!(seen.entries[199].kind, "system");
    assert_eq!(room.miro.get(TEXT).await.body.matches("anna-k: line ").count(), 2_000, "all of it is in the text");
}

#[tokio::test]
async fn the_database_refuses_a_picture_of_another_room_and_an_empty_message() {
    let room = funded().await;
    let sql = room.site.sql().await;
    let refused = async |values: &str| {
        let insert =
            format!("INSERT INTO messages (id, trade, account, body, attachment, at) SELECT {values} FROM trades");
        let error = sql.batch_execute(&insert).await.unwrap_err();
        error.as_db_error().unwrap().constraint().unwrap().to_owned()
    };
    let other = "gen_random_uuid(), id, buyer, 'look', gen_random_uuid(), now()";
    assert_eq!(refused(other).await, "a_picture_stays_in_its_room");
    assert_eq!(refused("gen_random_uuid(), id, buyer, '', NULL, now()").await, "a_message_says_something");
    assert_eq!(refused("gen_random_uuid(), id, NULL, 'x', id, now()").await, "system_events_are_words");
}
