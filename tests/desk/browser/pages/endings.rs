//! Pages of trades that the chain sends another way than they were meant to go, one after the other on one chain. The
//! people of the story sign in wallets of their own; the browsers only look.

use bitcoin::{Amount, Psbt};
use trine::chain::practice::Fate;
use trine::desk::{Rules, offers};
use trine::domain::{Party, PublicRef};

use crate::browser::live::signed_in;
use crate::browser::walk::Walk;
use crate::chains::coins::anyones_script;
use crate::chains::world::World;
use crate::harness::Start;
use crate::harness::cast::{offer_form, story_with};
use crate::harness::chrome::{Chrome, turn};
use crate::sky::Sky;
use crate::sky::lost::{is_double_spent, paid_with_two};
use crate::sky::pending::deposit_of;
use crate::sky::spends::{elsewhere, of_the_larger, spent_by_two};

const TRADERS: &[Party] = &[Party::Buyer, Party::Seller];
/// More coins than the stops need, before anything can be reorganised.
const BLOCKS_AHEAD: u32 = 40;
/// Above those of the long walk, so that the pictures of both stay apart.
const NUMBERED_ABOVE: u32 = 500;

/// A sky under which alice may have many trades at a time.
async fn wide_sky() -> Sky {
    let world = World::practice_today();
    world.mine(BLOCKS_AHEAD).await;
    // Nothing waits for an objection: what is looked at here is the chain.
    let objection_free_below = Amount::MAX_MONEY;
    let rules = Rules { practice: false, objection_free_below, new_account_trades_max: u32::MAX, ..Rules::default() };
    let mut story = story_with(Start { chain: Some(world.chain.clone()), rules, ..Start::default() }).await;
    let mut form = offer_form(&story.bob, "sell");
    form.input.total = "5000".into();
    story.offer = offers::post(&story.site.desk, story.bob.id, &form).await.unwrap();
    Sky { story, world }
}

/// Three browsers, and where they have been.
struct Looks {
    walk: Walk,
    buyer: Chrome,
    seller: Chrome,
    arbitrator: Chrome,
}

impl Looks {
    async fn at(sky: &Sky) -> Self {
        let story = &sky.story;
        Self {
            walk: Walk::above(NUMBERED_ABOVE),
            buyer: signed_in(story, &story.alice).await,
            seller: signed_in(story, &story.bob).await,
            arbitrator: signed_in(story, &story.carol).await,
        }
    }

    /// Each of these looks at a page of the trade, and reads this there.
    async fn read(&mut self, parties: &[Party], stop: &str, trade: PublicRef, place: &str, words: &str) {
        for party in parties {
            let chrome = match party {
                Party::Buyer => &self.buyer,
                Party::Seller => &self.seller,
                Party::Arbitrator => &self.arbitrator,
            };
            let role = party.as_str();
            self.walk.of_a_trade_by(chrome, role, stop, trade.as_str(), &[place]).await;
            let page = chrome.words("main").await;
            assert!(page.contains(words), "{stop}: the {role} does not read {words:?} at {place:?}:\n{page}");
        }
    }

    /// The arbitrator reads this where disputes are decided.
    async fn read_at_the_workplace(&mut self, stop: &str, trade: PublicRef, words: &str) {
        self.arbitrator.goto(&format!("/arbitration/{trade}")).await;
        self.walk.look(&self.arbitrator, &format!("workplace {stop}")).await;
        let page = self.arbitrator.words("main").await;
        assert!(page.contains(words), "{stop}: the arbitrator does not read {words:?}:\n{page}");
    }
}

/// The refund with the highest fee, as the desk keeps it: any kit has the same.
async fn dearest_refund(sky: &Sky, trade: PublicRef) -> Psbt {
    let sql = sky.story.site.sql().await;
    let dearest = "SELECT p.psbt FROM payouts p JOIN trades t ON t.id = p.trade
                    WHERE t.reference = $1 AND p.kind = 'refund' ORDER BY p.fee_sat DESC LIMIT 1";
    let row = sql.query_one(dearest, &[&trade.as_str()]).await.unwrap();
    Psbt::deserialize(row.get(0)).unwrap()
}

async fn an_early_deposit_that_two_spend_elsewhere(sky: &mut Sky, looks: &mut Looks) {
    let trade = sky.story.take_by(&sky.story.alice, "400").await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "proposed");
    looks.read(TRADERS, "early deposit", trade, "", "1 of 1 confirmations").await;
    for who in [&sky.story.bob, &sky.story.alice] {
        sky.story.signs(who, trade, "contract-signature", &[]).await;
    }
    sky.works().await;
    assert_eq!(sky.stage(trade).await, "funded");

    let psbt = elsewhere(dearest_refund(sky, trade).await, anyones_script());
    spent_by_two(sky, psbt, [&sky.story.bob, &sky.story.carol]).await;
    let words = "A transaction that was not made here spends the coins of this escrow";
    looks.read(&Party::ALL, "foreign spend", trade, "", words).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "other");
    looks.read(TRADERS, "ended as other", trade, "", "to addresses that are not of this contract").await;
}

/// Another reorganisation takes away what had spent its coins elsewhere, and a miner still has the deposit.
async fn a_deposit_that_is_lost_and_returns(sky: &mut Sky, looks: &mut Looks) {
    let (trade, coin) = sky.paid().await;
    let deposit = deposit_of(sky, trade, sky.row(trade).await.deposit.to_sat()).await;
    sky.reorganises(1, Fate::Waiting).await;
    let taken_back = sky.takes_back(&coin).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "lost");
    looks.read(TRADERS, "deposit lost", trade, "", "there is nothing in escrow, and nothing to sign").await;

    sky.reorganises(1, Fate::Waiting).await;
    sky.world.mine_only(&deposit, &[taken_back]).await;
    sky.works().await;
    assert_eq!(sky.stage(trade).await, "disputed");
    looks.read(TRADERS, "deposit returned", trade, "", "The deposit that was lost is in the chain again.").await;
    let words = "The deposit was told to be lost, and is in escrow again";
    looks.read_at_the_workplace("deposit returned", trade, words).await;
}

/// The payout over the new deposit waits for long, and a reorganisation takes it out again.
async fn a_new_deposit_and_a_payout_that_lingers(sky: &mut Sky, looks: &mut Looks) {
    let (trade, coin) = sky.paid().await;
    is_double_spent(sky, &coin).await;
    looks.read(&[Party::Seller], "deposit wanted again", trade, "", "Show the address again").await;
    let words = "it takes the place of the old deposit";
    looks.read(&[Party::Seller], "deposit wanted again", trade, "/funding", words).await;
    let again = sky.world.coin().await;
    sky.deposits_from(&again, trade).await;
    sky.mines(1).await;
    looks.read(&[Party::Buyer], "new deposit", trade, "", "Sign the release again").await;
    looks.read(&[Party::Buyer], "new deposit", trade, "/payment-release", "Everything above was checked").await;
    looks.read(&[Party::Seller], "new deposit", trade, "", "Other coins are in escrow").await;

    sky.story.signs(&sky.story.alice, trade, "payment-release", &[]).await;
    sky.releases(trade).await;
    sky.works().await;
    sky.world.mine_empty(36).await;
    sky.works().await;
    looks.read(TRADERS, "payout lingers", trade, "", "The payout lingers").await;
    looks.read(TRADERS, "payout lingers", trade, "/payout", "Send it with").await;

    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
    sky.reorganises(1, Fate::Waiting).await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    let words = "The chain dropped the block with the payout. It waits for confirmation again";
    looks.read(TRADERS, "payout reorganised away", trade, "", words).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
}

async fn a_part_that_two_spend(sky: &mut Sky, looks: &mut Looks) {
    let trade = sky.small().await;
    let due = sky.row(trade).await.deposit.to_sat();
    sky.sends(trade, due - 100_000).await;
    sky.sends(trade, 150_000).await;
    sky.mines(1).await;
    let psbt = of_the_larger(dearest_refund(sky, trade).await);
    spent_by_two(sky, psbt, [&sky.story.alice, &sky.story.bob]).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
    looks.read(&Party::ALL, "part spent", trade, "", "A part of the coins is gone").await;
}

async fn a_ruling_over_more_than_is_left(sky: &mut Sky, looks: &mut Looks) {
    let (trade, coin, _) = paid_with_two(sky).await;
    sky.story.opens_dispute(&sky.story.alice, trade, "not_released", "release").await;
    sky.story.speaks(&sky.story.bob, trade, "Nothing came.").await;
    sky.story.rules(trade, "release", "").await;
    is_double_spent(sky, &coin).await;
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("ruled", false));
    let (stop, words) = ("ruling over more", "The ruling does not fit what is left in escrow");
    looks.read(&Party::ALL, stop, trade, "", words).await;
    looks.read(TRADERS, stop, trade, "/ruling", "It does not fit what is left in escrow").await;
    looks.read_at_the_workplace(stop, trade, "withdraw it and rule again").await;
}

/// Two trades that nobody funds in time. Of the first a deposit is taken back, and the next one is not confirmed; dust
/// comes to the other.
async fn deposits_that_do_not_come(sky: &mut Sky, looks: &mut Looks) {
    let (trade, dusty) = (sky.small().await, sky.small().await);
    sky.sends(dusty, 1_500).await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.takes_back(&coin).await;
    sky.works().await;
    looks.read(TRADERS, "deposit gone", trade, "", "is gone again before it was confirmed").await;
    sky.mines(1).await;

    let due = sky.row(trade).await.deposit.to_sat();
    sky.sends(trade, due).await;
    sky.world.mine_empty(1).await;
    sky.story.later(181).await;
    assert!(sky.state(trade).await.confirm_by.is_some(), "it was seen in time");
    let words = "Coins that confirm later go back to the seller";
    looks.read(TRADERS, "confirmation window", trade, "", words).await;
    assert_eq!(sky.stage(dusty).await, "cancelled");
    looks.read(TRADERS, "dust left", dusty, "", "so they are left there").await;
}

#[tokio::test]
async fn axe_finds_nothing_on_pages_of_trades_that_the_chain_sends_another_way() {
    let _turn = turn().await;
    let mut sky = wide_sky().await;
    let mut looks = Looks::at(&sky).await;
    an_early_deposit_that_two_spend_elsewhere(&mut sky, &mut looks).await;
    a_deposit_that_is_lost_and_returns(&mut sky, &mut looks).await;
    a_new_deposit_and_a_payout_that_lingers(&mut sky, &mut looks).await;
    a_part_that_two_spend(&mut sky, &mut looks).await;
    a_ruling_over_more_than_is_left(&mut sky, &mut looks).await;
    deposits_that_do_not_come(&mut sky, &mut looks).await;
    looks.walk.found_nothing();
}
