//! Whether the desk says truly that it can work.

use jiff::SignedDuration;

use crate::harness::Site;
use trine::desk::worker;

#[tokio::test]
async fn readyz_tells_of_database_migrations_and_the_age_of_the_tip() {
    let site = Site::start().await;
    let browser = site.browser();
    assert_eq!(browser.get("/healthz").await.status, 200);
    let before = browser.get("/readyz").await;
    assert_eq!((before.status, before.body.contains("chain: not read yet")), (503, true), "{}", before.body);
    worker::work_once(&site.desk).await.unwrap();
    let ready = browser.get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    for line in ["database: ok", "migrations: ok", "chain: height 110, tip"] {
        assert!(ready.body.contains(line), "{line}: {}", ready.body);
    }
    site.advance(SignedDuration::from_mins(5));
    assert_eq!(browser.get("/readyz").await.status, 503, "a node that is not heard is told");
    site.sql()
        .await
        .execute(
            "DELETE FROM refinery_schema_history WHERE version = (SELECT max(version) FROM refinery_schema_history)",
            &[],
        )
        .await
        .unwrap();
    assert!(browser.get("/readyz").await.body.contains("migrations: not those of this program"));
}
