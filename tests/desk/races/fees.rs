//! A higher miner fee, pressed twice and pressed while the payout confirms.

use trine::chain::Chain;
use trine::desk::worker;
use trine::domain::PublicRef;

use crate::harness::Seen;
use crate::harness::cast::{Story, story};

async fn asked(story: &Story, trade: PublicRef, version: &str, fee: u64) -> Seen {
    let fields = [("version", version), ("fee", &fee.to_string())];
    story.alice.browser.post(&format!("/trades/{trade}/payout/fee"), &fields).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_higher_fee_pressed_three_times_at_once_is_sent_once() {
    let story = story().await;
    let (trade, fees) = story.released().await;
    let before = story.version(trade, &story.alice).await;
    let press = || asked(&story, trade, &before, fees[1]);
    let (one, two, three) = tokio::join!(press(), press(), press());
    let mut statuses = [one.status, two.status, three.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409, 409], "{} | {} | {}", one.words(), two.words(), three.words());
    let after: u64 = story.version(trade, &story.alice).await.parse().unwrap();
    assert_eq!(after, before.parse::<u64>().unwrap() + 1);
    story.work().await;
    assert_eq!((story.waiting(trade).await.1, story.site.chain.waiting()), (fees[1], 1));
    story.mine(2).await;
    assert_eq!(story.stage(trade).await, "completed");
    story.check_log(trade).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_higher_fee_against_the_confirmation_of_the_first_pays_once() {
    for late in [false, true] {
        let story = story().await;
        let (trade, fees) = story.released().await;
        let version = story.version(trade, &story.alice).await;
        if late {
            // In a block already, and nobody has told the desk.
            story.site.chain.mine(1, jiff::Timestamp::now()).unwrap();
        }
        let confirms = async {
            story.site.chain.mine(2, jiff::Timestamp::now()).unwrap();
            worker::work_once(&story.site.desk).await.unwrap();
        };
        let (pressed, ()) = tokio::join!(asked(&story, trade, &version, fees[2]), confirms);
        assert!([303, 409].contains(&pressed.status), "{}", pressed.words());
        story.work().await;
        story.mine(2).await;
        assert_eq!(story.stage(trade).await, "completed", "{}", pressed.words());
        let paid = story.payout_txid(trade).await;
        assert!(story.site.chain.transaction(paid, None).await.unwrap().is_some(), "the row names what was mined");
        let got = story.got(&story.alice).await.to_sat();
        assert!((990_000..1_000_000).contains(&got), "alice got {got} sat");
        story.later(90).await;
        assert_eq!(story.site.chain.waiting(), 0, "nothing is sent any more");
        story.check_log(trade).await;
    }
}
