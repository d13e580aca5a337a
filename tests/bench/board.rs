//! The board for visitors at five thousand open offers: ready bytes, against an answer with nothing in it by the same
//! server, and against the page made anew each time.

use actix_web::{HttpResponse, HttpServer, web};
use trine::desk::board::{self, Filter};
use trine::domain::{PublicRef, Side};
use trine::web::board::BoardPage;
use trine::web::{Page, Site, Trouble, Visitor};

use super::Figure;
use super::harness::cast::Story;
use super::tools;

const OFFERS: i64 = 5000;
const CONNECTIONS: u32 = 32;
const ROUNDS: usize = 3;
const SECONDS: u32 = 3;

pub async fn measure(story: &Story) -> Vec<Figure> {
    fill(story).await;
    let origin = serve(story);
    let (mut empty, mut cached, mut uncached) = (0.0, 0.0, 0.0);
    // Like the board among the first of the map: the way to the last route takes longer than the answer.
    let (empty_url, cached_url) = (format!("{origin}/healthz"), format!("{origin}/"));
    tools::wrk(&cached_url, CONNECTIONS, 1).await;
    for _ in 0..ROUNDS {
        empty += tools::wrk(&empty_url, CONNECTIONS, SECONDS).await;
        cached += tools::wrk(&cached_url, CONNECTIONS, SECONDS).await;
        uncached += tools::wrk(&format!("{origin}/bench/uncached"), CONNECTIONS, SECONDS).await;
    }
    let each = ROUNDS as f64;
    vec![
        ("empty_per_second", empty / each, "per_second"),
        ("board_per_second", cached / each, "per_second"),
        ("uncached_board_per_second", uncached / each, "per_second"),
        ("board_vs_empty", cached / empty, "ratio"),
        ("board_vs_uncached", cached / uncached, "ratio"),
    ]
}

/// Open offers up to the number, at prices of their own: copies of one that was posted.
async fn fill(story: &Story) {
    let sql = story.site.sql().await;
    let open = "SELECT count(*) FROM offers WHERE state = 'open' AND total - reserved >= limit_min";
    let missing = (OFFERS - sql.one::<i64>(open).await).max(0);
    let references: Vec<String> = (0..missing).map(|_| PublicRef::from_bits(bits()).to_string()).collect();
    let copy = "
        INSERT INTO offers (id, reference, account, side, currency, fixed_price, total, limit_min, limit_max,
                            payment_window_minutes, confirmations, terms, key, address, state, created_at, changed_at)
        SELECT gen_random_uuid(), r.reference, o.account, o.side, o.currency, o.fixed_price + r.number, 1000,
               o.limit_min, o.limit_max, o.payment_window_minutes, o.confirmations, o.terms, o.key, o.address, 'open',
               o.created_at, o.changed_at
          FROM offers o, unnest($1::text[]) WITH ORDINALITY AS r (reference, number)
         WHERE o.reference = $2";
    sql.execute(copy, &[&references, &story.offer.to_string()]).await.unwrap();
    let methods = "
        INSERT INTO offer_methods (offer, position, method, payment_account)
        SELECT n.id, m.position, m.method, m.payment_account
          FROM offers o JOIN offer_methods m ON m.offer = o.id JOIN offers n ON n.reference = ANY ($1)
         WHERE o.reference = $2";
    sql.execute(methods, &[&references, &story.offer.to_string()]).await.unwrap();
    sql.batch_execute("UPDATE board_versions SET version = version + 1; ANALYZE").await.unwrap();
    assert!(sql.one::<i64>(open).await >= OFFERS);
}

fn bits<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(uuid::Uuid::new_v4().into_bytes()).for_each(|(byte, random)| *byte = random);
    bytes
}

/// The product's app with a route beside it, through all the same layers.
fn serve(story: &Story) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let site = story.site.site.clone();
    let server =
        HttpServer::new(move || trine::web::app(site.clone()).route("/bench/uncached", web::get().to(uncached)));
    let server = server.disable_signals().listen(listener).unwrap().run();
    std::thread::spawn(move || actix_web::rt::System::new().block_on(server));
    origin
}

/// What the board would be without its cache.
async fn uncached(site: web::Data<Site>) -> Result<HttpResponse, Trouble> {
    let filter =
        Filter { side: Side::Seller, currency: None, amount: String::new(), method: None, country: None, after: None };
    let board = board::read(&site.desk, &filter).await?;
    let nobody = Visitor::nobody("", "/".into());
    let html = BoardPage::new(&board, &nobody).html(&site, &nobody)?;
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(html))
}
