//! What the chain may do to a trade, on a practice chain and on a real Bitcoin Core: each case as a promise. One case
//! of each kind is told by an Electrum and by an Esplora server too.

mod awaited;
mod deposits;
pub mod lost;
mod offered;
pub mod pending;
mod reading;
mod reorganisations;
mod returned;
mod shared;
pub mod spends;
mod strays;

use bitcoin::{Amount, ScriptBuf, Transaction};
use trine::chain::practice::Fate;
use trine::desk::{Rules, trade_facts};
use trine::domain::PublicRef;
use trine::domain::trade::Trade;
use trine::store::trades::TradeRow;

use crate::chains::coins::{Coin, anyones_script, pay, spend_anyones};
use crate::chains::world::World;
use crate::harness::Start;
use crate::harness::cast::{Person, Story, story_with};

/// What a sensible wallet pays the miners, and what one pays that is in a hurry.
const FEE: u64 = 1_000;
const HIGH_FEE: u64 = 20_000;

/// A story under a chain that can do anything.
pub struct Sky {
    pub story: Story,
    pub world: World,
}

impl Sky {
    pub async fn over(world: World) -> Self {
        // Nothing waits for an objection: what is looked at here is the chain.
        let rules = Rules { practice: false, objection_free_below: Amount::MAX_MONEY, ..Rules::default() };
        let story = story_with(Start { chain: Some(world.chain.clone()), rules, ..Start::default() }).await;
        Self { story, world }
    }

    /// Both have signed over 400 euros: 0.008 BTC, which are there after one confirmation.
    pub async fn small(&self) -> PublicRef {
        self.signed("400").await
    }

    /// 500 euros: 0.01 BTC, two confirmations.
    pub async fn larger(&self) -> PublicRef {
        self.signed("500").await
    }

    async fn signed(&self, euros: &str) -> PublicRef {
        let trade = self.story.take_by(&self.story.alice, euros).await;
        self.story.signs(&self.story.bob, trade, "contract-signature", &[]).await;
        self.story.signs(&self.story.alice, trade, "contract-signature", &[]).await;
        trade
    }

    pub async fn row(&self, trade: PublicRef) -> TradeRow {
        trade_facts::party(&self.story.site.desk, trade, self.story.bob.id).await.unwrap().0
    }

    pub async fn state(&self, trade: PublicRef) -> Trade {
        self.row(trade).await.state
    }

    pub async fn stage(&self, trade: PublicRef) -> String {
        self.story.stage(trade).await
    }

    pub async fn script(&self, trade: PublicRef) -> ScriptBuf {
        self.row(trade).await.script
    }

    /// Somebody sends this to the escrow; it waits for a block.
    pub async fn sends(&mut self, trade: PublicRef, sats: u64) -> Transaction {
        let coin = self.world.coin().await;
        self.sends_from(&coin, trade, sats, FEE).await
    }

    pub async fn sends_from(&self, coin: &Coin, trade: PublicRef, sats: u64, fee: u64) -> Transaction {
        let sent = pay(coin, &[(self.script(trade).await, sats)], fee);
        self.world.broadcast(&sent).await;
        self.story.work().await;
        sent
    }

    /// The deposit due, from this coin.
    pub async fn deposits_from(&self, coin: &Coin, trade: PublicRef) -> Transaction {
        let due = self.row(trade).await.deposit.to_sat();
        self.sends_from(coin, trade, due, FEE).await
    }

    /// The owner of a coin spends it to himself instead, with a fee that wins.
    pub async fn takes_back(&self, coin: &Coin) -> Transaction {
        let kept = vec![(anyones_script(), coin.output.value.to_sat() - HIGH_FEE)];
        let elsewhere = spend_anyones(std::slice::from_ref(coin), &kept);
        self.world.broadcast(&elsewhere).await;
        self.story.work().await;
        elsewhere
    }

    pub async fn mines(&self, blocks: u32) {
        self.world.mine(blocks).await;
        self.works().await;
    }

    pub async fn reorganises(&self, depth: u32, fate: Fate) {
        self.world.reorganise(depth, fate).await;
        self.works().await;
    }

    /// A fact may leave a job that makes another one: as many rounds as the desk's beat gives it.
    pub async fn works(&self) {
        for _ in 0..3 {
            self.story.work().await;
        }
        self.story.check_logs().await;
    }

    /// The words of the trade's page.
    pub async fn page(&self, who: &Person, trade: PublicRef) -> String {
        let seen = who.browser.get(&format!("/trades/{trade}")).await;
        assert_eq!(seen.status, 200, "{}", seen.words());
        seen.words()
    }

    /// There is a way from the trade's page to this place.
    pub async fn page_offers(&self, who: &Person, trade: PublicRef, place: &str) {
        let seen = who.browser.get(&format!("/trades/{trade}")).await;
        let link = format!("href=\"/trades/{trade}/{place}\"");
        assert!(seen.body.contains(&link), "{} is not led to {place}:\n{}", who.name, seen.words());
    }

    /// Nothing on the trade's page leads to this place, or is sent there.
    pub async fn page_lacks(&self, who: &Person, trade: PublicRef, place: &str) {
        let seen = who.browser.get(&format!("/trades/{trade}")).await;
        let to = format!("=\"/trades/{trade}/{place}\"");
        assert!(!seen.body.contains(&to), "{} is led to {place}:\n{}", who.name, seen.words());
    }

    /// Every one of the three reads this.
    pub async fn all_read(&self, trade: PublicRef, words: &str) {
        for who in [&self.story.alice, &self.story.bob, &self.story.carol] {
            let page = self.page(who, trade).await;
            assert!(page.contains(words), "{} does not read {words:?}:\n{page}", who.name);
        }
    }

    /// Buyer and seller read this.
    pub async fn both_read(&self, trade: PublicRef, words: &str) {
        for who in [&self.story.alice, &self.story.bob] {
            let page = self.page(who, trade).await;
            assert!(page.contains(words), "{} does not read {words:?}:\n{page}", who.name);
        }
    }

    /// The coins of a small trade are in escrow; the coin they came from.
    pub async fn funded(&mut self) -> (PublicRef, Coin) {
        let trade = self.small().await;
        let coin = self.world.coin().await;
        self.deposits_from(&coin, trade).await;
        self.mines(1).await;
        assert_eq!(self.stage(trade).await, "funded");
        (trade, coin)
    }

    pub async fn paid(&mut self) -> (PublicRef, Coin) {
        let (trade, coin) = self.funded().await;
        self.marks(trade).await;
        (trade, coin)
    }

    pub async fn marks(&self, trade: PublicRef) {
        self.story.signs(&self.story.alice, trade, "payment", &["sent"]).await;
        assert_eq!(self.stage(trade).await, "payment_sent");
    }

    pub async fn disputed(&mut self) -> (PublicRef, Coin) {
        let (trade, coin) = self.paid().await;
        self.story.opens_dispute(&self.story.bob, trade, "not_received", "refund").await;
        assert_eq!(self.stage(trade).await, "disputed");
        (trade, coin)
    }

    pub async fn releases(&self, trade: PublicRef) {
        self.story.signs(&self.story.bob, trade, "release", &["own_account", "amount", "payer"]).await;
    }
}

/// Runs each promise under each chain, as tests of their own.
macro_rules! under_every_sky {
    ($($promise:ident),+ $(,)?) => {
        mod on_practice {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&mut $crate::sky::Sky::over($crate::chains::world::World::practice_today()).await).await;
            })+
        }
        mod on_core {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&mut $crate::sky::Sky::over($crate::chains::world::World::core().await).await).await;
            })+
        }
    };
}
use under_every_sky;

/// Runs each promise behind each kind of server too. Such a promise has nothing forgotten: no node does that on demand.
macro_rules! under_every_server {
    ($($promise:ident),+ $(,)?) => {
        mod on_electrum {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&mut $crate::sky::Sky::over($crate::chains::world::World::electrum().await).await).await;
            })+
        }
        mod on_esplora {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&mut $crate::sky::Sky::over($crate::chains::world::World::esplora().await).await).await;
            })+
        }
    };
}
use under_every_server;
