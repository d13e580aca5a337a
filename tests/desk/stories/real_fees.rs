//! The same on a real Bitcoin Core: its mempool decides what replaces what, and what is too little.

mod on_core {
    use bitcoin::{Amount, Transaction, Txid};
    use serde_json::json;
    use trine::chain::Chain;
    use trine::desk::{Rules, trade_facts};
    use trine::domain::PublicRef;

    use crate::chains::coins::pay;
    use crate::chains::packages::fill_the_mempool;
    use crate::chains::world::World;
    use crate::harness::Start;
    use crate::harness::cast::{Story, story_with};
    use crate::stories::children::signed_by_wallet;

    const TICKS: [&str; 3] = ["own_account", "amount", "payer"];

    struct Real {
        story: Story,
        world: World,
    }

    impl Real {
        async fn start(options: &'static [&'static str]) -> Self {
            let world = World::core_with(options).await;
            let rules = Rules { practice: false, ..Rules::default() };
            let chain: std::sync::Arc<dyn Chain> = world.chain.clone();
            Self { story: story_with(Start { chain: Some(chain), rules, ..Start::default() }).await, world }
        }

        /// The deposit is in the node's chain and alice has marked her payment.
        async fn paid(&mut self) -> PublicRef {
            let trade = self.story.agreed().await;
            let (row, _) = trade_facts::party(&self.story.site.desk, trade, self.story.bob.id).await.unwrap();
            let coin = self.world.coin().await;
            self.world.broadcast(&pay(&coin, &[(row.script, row.deposit.to_sat())], 1_000)).await;
            self.mine(2).await;
            assert_eq!(self.story.stage(trade).await, "funded");
            self.story.signs(&self.story.alice, trade, "payment", &["sent"]).await;
            trade
        }

        /// The release is on its way; the fees it may have, and the transaction with the first.
        async fn released(&mut self) -> (PublicRef, Vec<u64>, Txid) {
            let trade = self.paid().await;
            let story = &self.story;
            let fees = story.fees(&story.bob, trade, "release").await;
            story.signs(&story.bob, trade, "release", &TICKS).await;
            (trade, fees, story.payout_txid(trade).await)
        }

        async fn mine(&self, blocks: u32) {
            self.world.mine(blocks).await;
            self.story.work().await;
            self.story.check_logs().await;
        }

        async fn known(&self, txid: Txid) -> Option<Transaction> {
            self.world.chain.transaction(txid, None).await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_higher_fee_takes_the_place_of_the_payout_in_the_nodes_mempool() {
        let mut real = Real::start(&[]).await;
        let (trade, fees, first) = real.released().await;
        let story = &real.story;
        assert!(real.known(first).await.is_some(), "the first fee step waits");
        for fee in &fees[1..] {
            assert_eq!(story.raises(&story.alice, trade, *fee).await.status, 303, "{fee}");
            assert!(real.known(story.payout_txid(trade).await).await.is_some(), "{fee}");
        }
        assert!(real.known(first).await.is_none(), "it was replaced");
        real.mine(2).await;
        assert_eq!(story.stage(trade).await, "completed");
    }

    #[tokio::test]
    async fn a_child_that_a_wallet_signed_is_taken_by_the_node_with_its_payout() {
        let mut real = Real::start(&[]).await;
        let trade = real.paid().await;
        let story = &real.story;
        story.signs(&story.bob, trade, "release", &TICKS).await;
        // A young node estimates nothing, and what it falls back on the payout pays already: the desk hears otherwise.
        let sql = story.site.sql().await;
        sql.execute("UPDATE fee_estimates SET sat_per_kwu = 10000", &[]).await.unwrap();
        let signed = signed_by_wallet(&story.alice, &story.child_file(&story.alice, trade, 6).await);
        let sent = story.brings_child(&story.alice, trade, &signed.to_string()).await;
        assert_eq!(sent.status, 303, "{}", sent.words());
        let child = signed.unsigned_tx.compute_txid();
        assert!(real.known(child).await.is_some());
        real.mine(2).await;
        assert_eq!(story.stage(trade).await, "completed");
    }

    #[tokio::test]
    async fn a_payout_below_a_full_mempools_minimum_is_told_and_goes_through_with_its_child() {
        let mut real = Real::start(&["-maxmempool=5"]).await;
        let trade = real.paid().await;
        fill_the_mempool(&mut real.world).await;
        let story = &real.story;
        story.signs(&story.bob, trade, "release", &TICKS).await;
        assert!(real.known(story.payout_txid(trade).await).await.is_none(), "the node did not take it");
        let page = story.alice.browser.get(&format!("/trades/{trade}")).await.words();
        assert!(page.contains("below what nodes take") && page.contains("mempool min fee not met"), "{page}");
        // Past the next look at the node's estimate, which is never below its mempool's minimum.
        story.later(2).await;
        let signed = signed_by_wallet(&story.alice, &story.child_file(&story.alice, trade, 6).await);
        let sent = story.brings_child(&story.alice, trade, &signed.to_string()).await;
        assert_eq!(sent.status, 303, "{}", sent.words());
        assert!(real.known(story.payout_txid(trade).await).await.is_some(), "both were taken together");
        assert!(real.known(signed.unsigned_tx.compute_txid()).await.is_some());
        real.mine(2).await;
        assert_eq!(story.stage(trade).await, "completed");
        let got = Amount::from_sat(900_000);
        assert!(signed.unsigned_tx.output[0].value > got);
    }

    #[tokio::test]
    async fn a_payout_that_lingers_is_raised_without_its_bearers_word_after_36_blocks() {
        let mut real = Real::start(&[]).await;
        let (trade, fees, first) = real.released().await;
        let story = &real.story;
        real.world.mine_empty(35).await;
        story.work().await;
        assert_eq!(story.raises(&story.bob, trade, fees[1]).await.status, 409, "35 blocks are not enough");
        real.world.mine_empty(1).await;
        story.work().await;
        let page = story.bob.browser.get(&format!("/trades/{trade}")).await.words();
        assert!(page.contains("The payout lingers") && page.contains("waited for 36 blocks"), "{page}");
        let raised = story.raises(&story.bob, trade, fees[1]).await;
        assert_eq!(raised.status, 303, "alice bears the fee, and has said nothing: {}", raised.words());
        let second = story.payout_txid(trade).await;
        assert_ne!(second, first);
        assert!(real.known(second).await.is_some(), "the next fee step waits");
        assert!(real.known(first).await.is_none(), "it was replaced");
        real.mine(2).await;
        assert_eq!(story.stage(trade).await, "completed");
        assert_eq!(story.payout_txid(trade).await, second);
    }

    /// The miner takes nothing below 6 sat/vB, so the payout waits at 5 while 62 blocks and the full mempool come.
    #[tokio::test]
    async fn a_payout_that_a_full_mempool_throws_out_is_told_and_goes_out_again_after_some_blocks() {
        let mut real = Real::start(&["-maxmempool=5", "-blockmintxfee=0.00006"]).await;
        let trade = real.paid().await;
        real.story.signs(&real.story.bob, trade, "release", &TICKS).await;
        let txid = real.story.payout_txid(trade).await;
        let payout = real.known(txid).await.expect("it waits");
        real.story.work().await;
        fill_the_mempool(&mut real.world).await;
        assert!(real.known(txid).await.is_none(), "the node threw it out");
        for _ in 0..3 {
            real.story.work().await;
        }
        let page = real.story.alice.browser.get(&format!("/trades/{trade}")).await.words();
        assert!(page.contains("below what nodes take") && page.contains("mempool min fee not met"), "{page}");

        real.mine(8).await;
        let node = real.world.node();
        assert_eq!(node.rpc("getmempoolinfo", json!([])).await["size"], 0, "all the others are mined");
        // After a block a node forgets what it asked for while it was full, by halves in some hours.
        let in_two_days = jiff::Timestamp::now().as_second() + 2 * 24 * 60 * 60;
        node.rpc("setmocktime", json!([in_two_days])).await;
        real.story.later(10).await;
        assert!(real.known(txid).await.is_some(), "the desk has sent it again by itself");
        let page = real.story.alice.browser.get(&format!("/trades/{trade}")).await.words();
        assert!(!page.contains("not taken"), "{page}");
        real.world.mine_only(&payout, &[]).await;
        real.mine(1).await;
        assert_eq!(real.story.stage(trade).await, "completed");
        assert_eq!(real.story.payout_txid(trade).await, txid);
    }
}
