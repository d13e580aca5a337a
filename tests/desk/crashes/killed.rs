//! The server process killed at the points where a crash could tear two things apart. Whatever was acknowledged is
//! there after the next start, and the payout is made exactly once.

use trine::desk::crash;
use trine::domain::PublicRef;

use super::served::Served;
use super::spends::paid_as_agreed;

const WORDS: &str = "I have looked at my account.";
const BROADCASTS: &str = "SELECT count(*) FROM outbox WHERE kind = 'broadcast'";

/// The buyer has paid; the desk runs, to die at a point if one is named.
async fn paid(point: Option<&str>) -> (Served, PublicRef) {
    let (mut served, trade) = Served::prepared(async |story| story.paid().await).await;
    served.start(point).await;
    says(&served, trade).await;
    (served, trade)
}

/// The arbitrator has drafted a ruling; where the draft is signed.
async fn drafted(point: Option<&str>) -> (Served, PublicRef, String) {
    let (mut served, (trade, draft)) = Served::prepared(async |story| {
        let trade = story.disputed().await;
        (trade, story.drafts(trade, "split", "60").await)
    })
    .await;
    served.start(point).await;
    says(&served, trade).await;
    (served, trade, format!("{draft}/signature"))
}

/// The seller says something in the room, and it is acknowledged.
pub async fn says(served: &Served, trade: PublicRef) {
    let said = served.post(&served.story.bob, &format!("/trades/{trade}/messages"), &[("text", WORDS)]).await;
    assert_eq!(said, Some(303));
    served.answers.said(trade, WORDS);
}

async fn releases(served: &Served, trade: PublicRef) -> Option<u16> {
    let checklist = ["own_account", "amount", "payer"];
    served.sign(&served.story.bob, trade, &format!("/trades/{trade}/release"), &checklist).await
}

async fn rules(served: &Served, trade: PublicRef, signature: &str) -> Option<u16> {
    served.sign(&served.story.carol, trade, signature, &[]).await
}

/// The arbitrator signs the payout of the ruling.
async fn pays(served: &Served, trade: PublicRef) {
    let payout = format!("/arbitration/{trade}/payout");
    assert_eq!(served.sign(&served.story.carol, trade, &payout, &[]).await, Some(303));
}

async fn cosigns(served: &Served, trade: PublicRef) -> Option<u16> {
    served.sign(&served.story.alice, trade, &format!("/trades/{trade}/ruling/cosignature"), &[]).await
}

/// Blocks come, the trade ends, and everything is there once.
async fn ends_well(mut served: Served, trade: PublicRef, outcome: &str) {
    let handed_over = "SELECT count(*) = 1 FROM outbox WHERE kind = 'broadcast' AND done_at IS NOT NULL";
    served.until("the payout was handed to the chain", handed_over).await;
    assert_eq!(served.mine("2").await, Some(303));
    everything_once(&mut served, trade, outcome).await;
}

/// The trade is over, and nothing is lost, doubled, left to do, or other than agreed.
pub async fn everything_once(served: &mut Served, trade: PublicRef, outcome: &str) {
    served.until_stage("completed").await;
    served.until_drained().await;
    let sql = served.story.site.sql().await;
    assert_eq!(sql.one::<String>("SELECT outcome FROM trades").await, outcome);
    assert_eq!(sql.one::<i64>(BROADCASTS).await, 1, "one broadcast was asked for");
    served.answers.read_back(&sql).await;
    served.story.check_log(trade).await;
    served.shows_what_is_left().await;
    let chain = served.chain();
    paid_as_agreed(&chain, &served.story, trade).await;
    served.books_add_up().await;
}

#[tokio::test]
async fn a_release_killed_before_its_commit_did_not_happen_and_can_be_sent_again() {
    let (mut served, trade) = paid(Some(crash::PAYOUT_BEFORE_COMMIT)).await;
    assert_eq!(releases(&served, trade).await, None);
    served.has_died().await;
    assert_eq!(served.story.stage(trade).await, "payment_sent");
    assert_eq!(served.story.site.sql().await.one::<i64>(BROADCASTS).await, 0);
    served.start(None).await;
    assert_eq!(releases(&served, trade).await, Some(303));
    ends_well(served, trade, "released").await;
}

#[tokio::test]
async fn a_release_killed_after_its_commit_goes_out_at_the_next_start() {
    let (mut served, trade) = paid(Some(crash::PAYOUT_AFTER_COMMIT)).await;
    assert_eq!(releases(&served, trade).await, None);
    served.has_died().await;
    assert_eq!(served.story.stage(trade).await, "paying_out");
    served.start(None).await;
    ends_well(served, trade, "released").await;
}

#[tokio::test]
async fn a_payout_killed_after_its_broadcast_is_on_the_chain_once() {
    let (mut served, trade) = paid(Some(crash::AFTER_BROADCAST)).await;
    // Acknowledged or not: the desk's own work may be faster than the answer.
    let answer = releases(&served, trade).await;
    assert!(matches!(answer, Some(303) | None), "{answer:?}");
    served.has_died().await;
    assert_eq!(served.story.stage(trade).await, "paying_out");
    let undone = "SELECT bool_and(done_at IS NULL) FROM outbox WHERE kind = 'broadcast'";
    assert!(served.story.site.sql().await.one::<bool>(undone).await, "the job stands as not done");
    served.start(None).await;
    ends_well(served, trade, "released").await;
}

#[tokio::test]
async fn a_payout_that_was_noted_and_not_judged_is_judged_at_the_next_start() {
    let (mut served, trade) = paid(None).await;
    assert_eq!(releases(&served, trade).await, Some(303));
    let seen = "SELECT count(*) = 1 FROM deposits WHERE spent_by IS NOT NULL";
    served.until("the payout is seen in the mempool", seen).await;
    served.kill();
    // Nothing is new at this start, so the point is reached when blocks come.
    served.start(Some(crash::NOTED_BEFORE_JUDGED)).await;
    assert_eq!(served.mine("2").await, None);
    served.has_died().await;
    let noted = "SELECT count(*) = 1 FROM deposits WHERE spent_height IS NOT NULL";
    assert!(served.story.site.sql().await.one::<bool>(noted).await, "the block was noted");
    assert_eq!(served.story.stage(trade).await, "paying_out");
    served.start(None).await;
    // No block comes after that: what was noted is enough.
    everything_once(&mut served, trade, "released").await;
}

#[tokio::test]
async fn a_ruling_killed_before_its_commit_did_not_happen_and_can_be_signed_again() {
    let (mut served, trade, signature) = drafted(Some(crash::RULING_BEFORE_COMMIT)).await;
    assert_eq!(rules(&served, trade, &signature).await, None);
    served.has_died().await;
    assert_eq!(served.story.stage(trade).await, "disputed");
    served.start(None).await;
    assert_eq!(rules(&served, trade, &signature).await, Some(303));
    pays(&served, trade).await;
    assert_eq!(cosigns(&served, trade).await, Some(303));
    ends_well(served, trade, "split").await;
}

#[tokio::test]
async fn a_ruling_killed_after_its_commit_stands_and_is_paid_once() {
    let (mut served, trade, signature) = drafted(Some(crash::RULING_AFTER_COMMIT)).await;
    assert_eq!(rules(&served, trade, &signature).await, None);
    served.has_died().await;
    assert_eq!(served.story.stage(trade).await, "ruled");
    // The second death of the same trade: the co-signature is committed, its payout has not left.
    served.start(Some(crash::PAYOUT_AFTER_COMMIT)).await;
    pays(&served, trade).await;
    assert_eq!(cosigns(&served, trade).await, None);
    served.has_died().await;
    assert_eq!(served.story.stage(trade).await, "paying_out");
    served.start(None).await;
    ends_well(served, trade, "split").await;
}

/// Alice presses the button. The status, or nothing if the desk died over it.
async fn takes(served: &Served) -> Option<u16> {
    let alice = &served.story.alice;
    let (key, address) = (alice.key.to_string(), alice.address.to_string());
    let fields = [
        ("step", "take"),
        ("amount", "500"),
        ("payment_account", alice.account.as_str()),
        ("key", key.as_str()),
        ("address", address.as_str()),
        ("offer_version", "1"),
        ("price_seen", "50000"),
    ];
    served.post(alice, &format!("/offers/{}/take", served.story.offer), &fields).await
}

/// Trades, what the offer holds, indexes given to keys, levels given to pairs, and what the arbitrator answers for.
async fn taken(served: &Served) -> String {
    let numbers = "SELECT concat_ws(' ', (SELECT count(*) FROM trades), (SELECT reserved::float8 FROM offers),
                                    (SELECT count(*) FROM key_uses), (SELECT count(*) FROM arbitrator_levels),
                                    (SELECT coalesce(sum(sat), 0) > 0 FROM arbitrator_exposure))";
    served.story.site.sql().await.one(numbers).await
}

#[tokio::test]
async fn a_take_killed_before_its_commit_did_not_happen_and_can_be_sent_again() {
    let (mut served, ()) = Served::prepared(async |_| ()).await;
    served.start(Some(crash::TAKES_BEFORE_COMMIT)).await;
    assert_eq!(takes(&served).await, None);
    served.has_died().await;
    assert_eq!(taken(&served).await, "0 0 0 0 f");
    served.start(None).await;
    assert_eq!(takes(&served).await, Some(303));
    assert_eq!(taken(&served).await, "1 500 2 1 t");
}

#[tokio::test]
async fn a_take_killed_after_its_commit_is_there_once() {
    let (mut served, ()) = Served::prepared(async |_| ()).await;
    served.start(Some(crash::TAKES_AFTER_COMMIT)).await;
    assert_eq!(takes(&served).await, None);
    served.has_died().await;
    assert_eq!(taken(&served).await, "1 500 2 1 t");
    served.start(None).await;
    assert_eq!(takes(&served).await, Some(409), "she has one trade at a time, and it is there");
    assert_eq!(taken(&served).await, "1 500 2 1 t");
    let trade = served.story.site.sql().await.one::<String>("SELECT reference FROM trades").await;
    served.story.check_log(trade.parse().unwrap()).await;
}
