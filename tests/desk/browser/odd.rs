//! Pages under an odd chain: reorganised, out of sight, and one that does not take a payout.

use std::sync::Arc;

use bitcoin::FeeRate;
use jiff::{SignedDuration, Timestamp};
use trine::chain::ChainError;
use trine::chain::practice::Fate;
use trine::desk::worker;

use super::play::Play;
use super::walk::Walk;
use crate::harness::Weather;

impl Play {
    /// The last blocks leave the chain, with what was in them.
    async fn is_reorganised(&self, depth: u32) {
        let later = Timestamp::now().checked_add(SignedDuration::from_mins(1)).unwrap();
        self.site.chain.reorganise(depth, Fate::Waiting, later).unwrap();
        for _ in 0..3 {
            self.work().await;
        }
    }
}

pub async fn pages_of_an_odd_chain(walk: &mut Walk, play: &Play, weather: &Arc<Weather>) {
    let (buyer, seller, arbitrator) = (&play.buyer, &play.seller, &play.arbitrator);
    let trade = &play.funded_sale().await;
    play.is_reorganised(4).await;
    for who in [buyer, seller] {
        walk.of_a_trade(who, "fallen back", trade, &[""]).await;
        assert!(who.chrome.words("main").await.contains("took them out again"));
    }
    play.site.mine(3);
    play.work().await;

    play.payment_is_marked(trade).await;
    play.is_reorganised(4).await;
    for who in [buyer, seller, arbitrator] {
        walk.of_a_trade(who, "frozen", trade, &[""]).await;
        assert!(who.chrome.words("main").await.contains("Wait: the deposit is not confirmed"));
    }
    play.site.mine(3);
    play.work().await;

    weather.turns_bad(ChainError::unreachable("the cable is out"));
    worker::work_once(&play.site.desk).await.unwrap_err();
    walk.of_a_trade(buyer, "out of sight", trade, &[""]).await;
    walk.of_a_trade(seller, "out of sight", trade, &["", "/release"]).await;
    assert!(seller.chrome.words("main").await.contains("cannot see the chain just now"));
    weather.clears();
    play.work().await;

    weather.mempool_minimum(Some(FeeRate::from_sat_per_vb_u32(400)));
    play.is_released(trade).await;
    play.work().await;
    walk.of_a_trade(buyer, "payout refused", trade, &["", "/payout"]).await;
    assert!(buyer.chrome.words("main").await.contains("below what nodes take at present"));
    weather.mempool_minimum(None);
    play.later(2).await;
    play.is_completed(trade).await;
}
