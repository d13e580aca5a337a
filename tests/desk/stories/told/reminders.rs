//! Reminders at half and at nine tenths of each window, in the one clock, each once.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use trine::chain::ChainError;
use trine::desk::{clock, notices, worker};
use trine::domain::deadlines::What;

use crate::harness::cast::{story, story_with};
use crate::harness::{Start, Weather};

const HALF_AND_NINE_TENTHS: [i32; 2] = [50, 90];

#[tokio::test]
async fn who_must_act_is_reminded_at_half_and_at_nine_tenths_of_every_window() {
    let story = story().await;
    let trade = story.take().await;
    story.signs(&story.bob, trade, "contract-signature", &[]).await;
    for (window, who, other) in [(What::Signing, &story.alice, &story.bob)] {
        for at in story.reminder_times(trade, window).await {
            story.at(at).await;
        }
        assert_eq!(story.reminded(who, trade).await, HALF_AND_NINE_TENTHS);
        assert_eq!(story.reminded(other, trade).await, [0; 0], "he has signed");
    }
    story.signs(&story.alice, trade, "contract-signature", &[]).await;
    let [half, ninety] = story.reminder_times(trade, What::Deposit).await;
    story.at(half).await;
    story.work().await;
    assert_eq!(story.reminded(&story.bob, trade).await, [50]);
    story.at(ninety).await;
    assert_eq!(story.reminded(&story.bob, trade).await, HALF_AND_NINE_TENTHS);
    story.deposit(trade, bitcoin::Amount::from_sat(1_000_000)).await;
    assert_eq!(story.stage(trade).await, "funded");
    for at in story.reminder_times(trade, What::Payment).await {
        story.at(at).await;
    }
    assert_eq!(story.reminded(&story.alice, trade).await, [50, 90, 50, 90]);
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    for at in story.reminder_times(trade, What::Release).await {
        story.at(at).await;
    }
    assert_eq!(story.reminded(&story.bob, trade).await, [50, 90, 50, 90]);
    assert_eq!(story.reminded(&story.carol, trade).await, [0; 0], "she is not asked for");
    story.check_log(trade).await;
}

#[tokio::test]
async fn in_a_dispute_the_silent_side_and_the_arbitrator_are_reminded() {
    let story = story().await;
    let trade = story.paid().await;
    story.opens_dispute(&story.bob, trade, "not_received", "refund").await;
    for at in story.reminder_times(trade, What::Answer).await {
        story.at(at).await;
    }
    assert_eq!(story.reminded(&story.alice, trade).await, HALF_AND_NINE_TENTHS);
    assert_eq!(story.reminded(&story.bob, trade).await, [0; 0], "he has spoken");
    for at in story.reminder_times(trade, What::Ruling).await {
        story.at(at).await;
    }
    assert_eq!(story.reminded(&story.carol, trade).await, HALF_AND_NINE_TENTHS);
}

#[tokio::test]
async fn each_reminder_is_told_once_by_two_servers_and_late_ones_become_one() {
    let story = story().await;
    let trade = story.funded().await;
    let first = &story.site.desk;
    let second = super::second_desk(&story);
    let [half, ninety] = story.reminder_times(trade, What::Payment).await;
    for moment in [half, ninety] {
        let now = first.now(&first.store.connection().await.unwrap()).await.unwrap();
        let ahead = moment.duration_since(now) + SignedDuration::from_secs(2);
        first.clock.advance(ahead);
        second.clock.advance(ahead);
        let (a, b, c) = tokio::join!(notices::remind(first), notices::remind(&second), notices::remind(first));
        a.and(b).and(c).unwrap();
    }
    assert_eq!(story.reminded(&story.alice, trade).await, HALF_AND_NINE_TENTHS);

    // Nobody looked for a while: the later one says it all.
    let late = story
        .take_by(&crate::harness::cast::person(&story.site, "dora", trine::domain::Role::Trader).await, "100")
        .await;
    let [_, ninety] = story.reminder_times(late, What::Signing).await;
    story.at(ninety).await;
    assert_eq!(story.reminded(&story.bob, late).await, [90]);
}

#[tokio::test]
async fn a_window_that_ended_early_or_is_over_has_no_reminders() {
    let story = story().await;
    let trade = story.funded().await;
    let [half, _] = story.reminder_times(trade, What::Payment).await;
    story.signs(&story.alice, trade, "payment", &["sent"]).await;
    story.at(half).await;
    assert_eq!(story.reminded(&story.alice, trade).await, [0; 0], "she has paid");
    // A window that nobody watched until it was over is not worth a word.
    let trade = {
        let dora = crate::harness::cast::person(&story.site, "dora", trine::domain::Role::Trader).await;
        story.take_by(&dora, "100").await
    };
    story.site.advance(SignedDuration::from_mins(61));
    notices::remind(&story.site.desk).await.unwrap();
    assert_eq!(story.reminded(&story.bob, trade).await, [0; 0]);
}

#[tokio::test]
async fn an_outage_moves_the_reminders_with_their_window() {
    let story = story().await;
    let trade = story.funded().await;
    let [half, ninety] = story.reminder_times(trade, What::Payment).await;
    // Half of the hours have passed by the wall's clock, and for 30 minutes of them no desk ran.
    story.site.advance(half.duration_since(story.state(trade).await.stage_since));
    story.silent_for(30).await;
    clock::beat(&story.site.desk).await.unwrap();
    notices::remind(&story.site.desk).await.unwrap();
    assert_eq!(story.reminded(&story.alice, trade).await, [0; 0], "the outage is counted first");
    story.work().await;
    let moved = story.reminder_times(trade, What::Payment).await;
    for (is, was) in moved.into_iter().zip([half, ninety]) {
        let off = is.duration_since(was) - SignedDuration::from_mins(30);
        assert!((0..60).contains(&off.as_secs()), "{off:#}");
    }
    story.at(moved[0]).await;
    assert_eq!(story.reminded(&story.alice, trade).await, [50]);
    story.at(moved[1]).await;
    assert_eq!(story.reminded(&story.alice, trade).await, HALF_AND_NINE_TENTHS);
}

#[tokio::test]
async fn while_the_chain_is_out_of_sight_nobody_is_reminded_and_later_everybody_is_once() {
    let weather = Arc::new(Weather::default());
    let story = story_with(Start { weather: Some(weather.clone()), ..Start::default() }).await;
    let desk = &story.site.desk;
    let trade = story.agreed().await;
    let [half, _] = story.reminder_times(trade, What::Deposit).await;
    story.at(half).await;
    assert_eq!(story.reminded(&story.bob, trade).await, [50]);
    weather.turns_bad(ChainError::unreachable("gone"));
    worker::work_once(desk).await.unwrap_err();
    story.site.advance(SignedDuration::from_mins(300));
    worker::work_once(desk).await.unwrap_err();
    assert_eq!(story.reminded(&story.bob, trade).await, [50], "the clock stands still");
    weather.clears();
    story.work().await;
    assert_eq!(story.reminded(&story.bob, trade).await, [50], "not again");
    let [_, ninety] = story.reminder_times(trade, What::Deposit).await;
    story.at(ninety).await;
    assert_eq!(story.reminded(&story.bob, trade).await, HALF_AND_NINE_TENTHS);
}

#[tokio::test]
async fn reminders_come_in_the_working_hours_of_who_must_act() {
    let story = story().await;
    let today = jiff::Timestamp::now().to_zoned(TimeZone::UTC).date().weekday().to_monday_zero_offset();
    let days: Vec<usize> = [1, 2, 3, 4, 5].iter().map(|ahead| usize::try_from((today + ahead) % 7).unwrap()).collect();
    story.works_on(&story.alice, "UTC", &days).await;
    let trade = story.funded().await;
    let times = story.reminder_times(trade, What::Payment).await;
    for at in times {
        let hour = at.to_zoned(TimeZone::UTC).hour();
        assert!((9..17).contains(&hour), "{at} is after work");
    }
    let state = story.state(trade).await;
    let worked = |until| state.hours.worked(Some(trine::domain::Party::Buyer), state.stage_since, until).as_secs();
    let all = worked(state.pay_by.unwrap());
    // The parts of seconds that are cut off on the way make no minute.
    assert!(worked(times[0]).abs_diff(all / 2) < 60 && worked(times[1]).abs_diff(all * 9 / 10) < 60, "{times:?}");
    for at in times {
        story.at(at).await;
    }
    assert_eq!(story.reminded(&story.alice, trade).await, HALF_AND_NINE_TENTHS);
}
