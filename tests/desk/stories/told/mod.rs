//! Being told: reminders, and the ways in which words reach people.

mod calls;
mod feeds;
mod hooks;
mod mails;
mod reminders;

use jiff::{SignedDuration, Timestamp};
use trine::desk::{Desk, Secrets};
use trine::domain::PublicRef;
use trine::domain::deadlines::What;

use trine::store::Store;

use crate::harness::cast::{Person, Story};
use crate::harness::site::{DATA_KEY, SESSION_KEY};

/// What nobody may learn who reads what the desk sends: names, sums, currency, ways to pay, addresses, words of the room.
const SECRETS: [&str; 10] =
    ["alice", "bob-s", "carol", "eur", "btc", "sepa", "bcrt1", "de8937", "iban", "psst, between us"];
/// The same of what is so short that an id may hold it by chance.
const SHORT_SECRETS: [&str; 5] = ["500", "50000", "1000000", "0.01", "de89"];

pub fn assert_tells_nothing(text: &str) {
    let text = text.to_lowercase();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret:?} is in\n{text}");
    }
    // What is long is an id.
    let words = text.split(|one: char| !one.is_ascii_alphanumeric() && !"-.".contains(one));
    let short: Vec<&str> = words.filter(|word| word.len() < 16).collect();
    for secret in SHORT_SECRETS {
        assert!(!short.iter().any(|word| word.contains(secret)), "{secret:?} is in\n{text}");
    }
}

/// Another server on the same database.
pub fn second_desk(story: &Story) -> Desk {
    let store = Store::open(&story.site.database_url()).unwrap();
    let first = &story.site.desk;
    let second =
        Desk::new(store, story.site.chain.clone(), first.rules.clone(), Secrets::new(SESSION_KEY, DATA_KEY, 1));
    second.clock.advance(first.clock.shifted(Timestamp::UNIX_EPOCH).duration_since(Timestamp::UNIX_EPOCH));
    second
}

/// How many deliveries are in this state.
pub async fn deliveries(story: &Story, state: &str) -> i64 {
    story.site.sql().await.one(&format!("SELECT count(*) FROM deliveries WHERE state = '{state}'")).await
}

impl Story {
    /// Moves the clock to a moment, and a little more; the desk does its work.
    pub async fn at(&self, moment: Timestamp) {
        let now = self.site.desk.now(&self.site.desk.store.connection().await.unwrap()).await.unwrap();
        let ahead = moment.duration_since(now) + SignedDuration::from_secs(2);
        assert!(ahead > SignedDuration::ZERO, "{moment} is over at {now}");
        self.site.advance(ahead);
        self.work().await;
    }

    /// When half and nine tenths of a window are over.
    pub async fn reminder_times(&self, trade: PublicRef, what: What) -> [Timestamp; 2] {
        let state = self.state(trade).await;
        let window = state.deadlines().into_iter().find(|one| one.what == what).expect("it runs");
        state.reminder_times(&window)
    }

    /// What somebody was reminded of in a trade, in order: hundredths that were over.
    pub async fn reminded(&self, who: &Person, trade: PublicRef) -> Vec<i32> {
        let sql = "SELECT over FROM notices n JOIN trades t ON t.id = n.trade
                   WHERE account = $1 AND t.reference = $2 AND 'reminder' = ANY (kinds) ORDER BY at, over";
        let rows = self.site.sql().await.query(sql, &[&who.id.0, &trade.as_str()]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The secret address of somebody's feed, new.
    pub async fn feed(&self, who: &Person) -> String {
        let seen = who.browser.post("/account/notices/feed", &[]).await;
        assert_eq!(seen.status, 200, "{}", seen.words());
        let address = seen.between("feed-address\">", "<").expect("an address");
        format!("/feed/{}", address.rsplit_once("/feed/").unwrap().1)
    }

    /// The titles of a feed's entries, the newest first.
    pub async fn titles(&self, feed: &str) -> Vec<String> {
        let seen = self.site.browser().get(feed).await;
        assert_eq!((seen.status, seen.header("content-type")), (200, "application/atom+xml; charset=utf-8"));
        let entries = seen.body.split("<entry>").skip(1);
        entries.map(|entry| tag(entry, "title").replace("&quot;", "\"")).collect()
    }
}

pub fn tag(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).expect("the element");
    rest.split_once(&format!("</{name}>")).expect("its end").0.to_owned()
}
