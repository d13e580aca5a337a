//! The database's clock leaps, and is put right.

use std::sync::Arc;

use bitcoin::FeeRate;
use jiff::SignedDuration;

use super::clock::{OUTAGES, SAT_OUT};
use crate::harness::cast::{Story, story, story_with};
use crate::harness::{Start, Weather};

const WEEK_MINUTES: i64 = 60 * 24 * 7;

impl Story {
    /// The database's clock is put forward, or back: the desk's with it, and the desk's last word stays where it was.
    async fn leaps(&self, minutes: i64) {
        self.site.advance(SignedDuration::from_mins(minutes));
        self.silent_for(minutes).await;
    }
}

/// What a leap was taken for is no outage of trades that are taken after the clock was put right.
#[tokio::test]
async fn a_clock_that_was_put_forward_and_back_stops_no_window_of_later_trades() {
    let story = story().await;
    for minutes in [WEEK_MINUTES, 5] {
        story.leaps(minutes).await;
        story.work().await;
    }
    assert_eq!(story.counted(OUTAGES).await, 2, "the second one began in what is the future soon");
    story.leaps(-WEEK_MINUTES - 5).await;
    story.work().await;
    let ahead = format!("{OUTAGES} WHERE ended_at > now()");
    assert_eq!((story.counted(OUTAGES).await, story.counted(&ahead).await), (1, 0));
    let trade = story.funded().await;
    story.later(40).await;
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    assert_eq!(story.counted(SAT_OUT).await, 0);
}

const TICKS: [&str; 3] = ["own_account", "amount", "payer"];
const WAITING: &str = "SELECT count(*) FROM outbox WHERE kind = 'broadcast' AND done_at IS NULL";

/// Nobody waits for the clock to be where it was when the payout was signed.
#[tokio::test]
async fn a_payout_signed_before_the_clock_was_put_back_is_handed_over_at_once() {
    for minutes in [-60, -180] {
        let story = story().await;
        let trade = story.paid().await;
        assert_eq!(story.sign(&story.bob, trade, "release", &TICKS).await.status, 303);
        assert_eq!(story.counted(WAITING).await, 1);
        story.leaps(minutes).await;
        story.work().await;
        assert_eq!((story.counted(WAITING).await, story.site.chain.waiting()), (0, 1));
    }
}

#[tokio::test]
async fn a_payout_put_off_before_the_clock_was_put_back_is_tried_again_at_once() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let trade = story.paid().await;
    weather.mempool_minimum(FeeRate::from_sat_per_vb(100));
    story.signs(&story.bob, trade, "release", &TICKS).await;
    weather.mempool_minimum(None);
    story.work().await;
    assert_eq!((story.counted(WAITING).await, story.site.chain.waiting()), (1, 0), "it waits for its next try");
    story.leaps(-180).await;
    story.work().await;
    assert_eq!((story.counted(WAITING).await, story.site.chain.waiting()), (0, 1));
}

/// What was told before the clock was put back is told anew, not when the clock has caught up.
#[tokio::test]
async fn fee_rates_are_asked_for_again_after_the_clock_was_put_back() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    story.leaps(-WEEK_MINUTES).await;
    weather.estimates(FeeRate::from_sat_per_vb(77).unwrap());
    story.work().await;
    let others = "SELECT count(*) FROM fee_estimates WHERE sat_per_kwu <> 19250";
    assert_eq!(story.counted(others).await, 0);
}
