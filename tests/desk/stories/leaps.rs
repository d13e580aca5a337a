//! The database's clock leaps, and is put right.

use jiff::SignedDuration;

use super::clock::{OUTAGES, SAT_OUT};
use crate::harness::cast::{Story, story};

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
