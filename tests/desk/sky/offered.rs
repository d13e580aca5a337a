//! What the pages of a trade ask for under an odd chain: never what would be refused, and never money for nothing.

use trine::chain::practice::Fate;
use trine::domain::PublicRef;

use super::lost::{is_double_spent, paid_with_two};
use super::spends::{kept, spent_by_two};
use super::{Sky, World};
use crate::harness::cast::Person;

const IBAN: &str = "DE89370400440532013000";

async fn sky() -> Sky {
    Sky::over(World::practice_today()).await
}

async fn reads(sky: &Sky, who: &Person, trade: PublicRef, words: &str) {
    let page = sky.page(who, trade).await;
    assert!(page.contains(words), "{} does not read {words:?}:\n{page}", who.name);
}

async fn reads_nothing_of(sky: &Sky, who: &Person, trade: PublicRef, words: &str) {
    let page = sky.page(who, trade).await;
    assert!(!page.contains(words), "{} reads {words:?}:\n{page}", who.name);
}

/// The buyer is not told where to pay, and the seller does not count on it.
async fn nobody_is_to_pay(sky: &Sky, trade: PublicRef) {
    let (alice, bob) = (&sky.story.alice, &sky.story.bob);
    let page = alice.browser.get(&format!("/trades/{trade}")).await;
    assert!(page.body.contains(">Do not pay</h2>"), "{}", page.words());
    assert!(!page.words().contains("Send the money"), "{}", page.words());
    assert!(!page.body.contains(IBAN) && !page.words().contains("DE89 3704"), "{}", page.words());
    sky.page_lacks(alice, trade, "payment").await;
    no_payment_page(sky, trade).await;
    reads(sky, bob, trade, "The buyer must not pay").await;
    reads_nothing_of(sky, bob, trade, "The coins are locked").await;
    reads(sky, &sky.story.carol, trade, "The buyer must not pay").await;
}

/// A page that was opened before, or an old link, tells nobody where to pay either.
async fn no_payment_page(sky: &Sky, trade: PublicRef) {
    let page = sky.story.alice.browser.get(&format!("/trades/{trade}/payment")).await;
    assert_eq!(page.status, 409, "{}", page.words());
    assert!(!page.body.contains(IBAN) && !page.words().contains("DE89 3704"), "{}", page.words());
}

#[tokio::test]
async fn nobody_is_asked_to_pay_while_another_transaction_spends_the_coins() {
    let mut sky = sky().await;
    let (trade, _) = sky.funded().await;
    sky.page_offers(&sky.story.alice, trade, "payment").await;
    spent_by_two(&sky, kept(&sky, "release").await, [&sky.story.alice, &sky.story.bob]).await;
    nobody_is_to_pay(&sky, trade).await;
    sky.page_lacks(&sky.story.alice, trade, "settlement").await;
}

#[tokio::test]
async fn nobody_is_asked_to_pay_for_less_than_was_agreed() {
    let mut sky = sky().await;
    let trade = sky.small().await;
    let due = sky.row(trade).await.deposit.to_sat();
    sky.sends(trade, due - 100_000).await;
    sky.sends(trade, 150_000).await;
    sky.mines(1).await;
    let mut psbt = kept(&sky, "refund").await;
    let large = (0..2).max_by_key(|place| psbt.inputs[*place].witness_utxo.as_ref().unwrap().value).unwrap();
    psbt.unsigned_tx.input = vec![psbt.unsigned_tx.input[large].clone()];
    psbt.inputs = vec![psbt.inputs[large].clone()];
    psbt.unsigned_tx.output[0].value = bitcoin::Amount::from_sat(due - 110_000);
    spent_by_two(&sky, psbt, [&sky.story.alice, &sky.story.bob]).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
    nobody_is_to_pay(&sky, trade).await;
    reads_nothing_of(&sky, &sky.story.alice, trade, "You receive").await;
    sky.page_offers(&sky.story.alice, trade, "cancellation").await;
    for who in [&sky.story.alice, &sky.story.bob] {
        sky.page_offers(who, trade, "settlement").await;
        reads(&sky, who, trade, "0.00 150 000 BTC are left in escrow").await;
    }
}

#[tokio::test]
async fn a_buyer_who_signed_coins_away_is_never_asked_to_pay_again() {
    let mut sky = sky().await;
    let (trade, _) = sky.funded().await;
    assert_eq!(sky.story.proposes(&sky.story.bob, trade, "percent", "10").await.status, 303);
    sky.story.signs(&sky.story.alice, trade, "settlement/acceptance", &["final"]).await;
    sky.reorganises(1, Fate::Waiting).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.buyer_gave_up()), ("funded", true));
    nobody_is_to_pay(&sky, trade).await;
    reads(&sky, &sky.story.alice, trade, "You have signed coins of this trade away").await;
    sky.page_offers(&sky.story.alice, trade, "settlement").await;
}

#[tokio::test]
async fn nobody_is_told_where_to_pay_beside_an_accepted_settlement() {
    let mut sky = sky().await;
    let (trade, _) = sky.funded().await;
    assert_eq!(sky.story.alice.browser.get(&format!("/trades/{trade}/payment")).await.status, 200);
    assert_eq!(sky.story.proposes(&sky.story.alice, trade, "percent", "10").await.status, 303);
    sky.story.signs(&sky.story.bob, trade, "settlement/acceptance", &[]).await;
    no_payment_page(&sky, trade).await;
    let carol = &sky.story.carol;
    reads(&sky, carol, trade, "The traders have settled").await;
    sky.page_lacks(carol, trade, "settlement").await;
}

#[tokio::test]
async fn nothing_is_to_be_signed_while_another_transaction_spends_the_coins() {
    let mut sky = sky().await;
    let title = "Another transaction spends the coins";
    let (trade, _) = sky.disputed().await;
    sky.story.speaks(&sky.story.alice, trade, "I sent it.").await;
    sky.story.rules(trade, "release", "").await;
    spent_by_two(&sky, kept(&sky, "refund").await, [&sky.story.bob, &sky.story.carol]).await;
    assert_eq!(sky.stage(trade).await, "ruled");
    sky.all_read(trade, title).await;
    for who in [&sky.story.alice, &sky.story.bob, &sky.story.carol] {
        for place in ["ruling/cosignature", "refund", "release", "settlement"] {
            sky.page_lacks(who, trade, place).await;
        }
    }
    let workplace = sky.story.carol.browser.get(&format!("/arbitration/{trade}")).await;
    assert!(workplace.words().contains("Nothing is signed now"), "{}", workplace.words());
    assert!(!workplace.body.contains(&format!("/arbitration/{trade}/payout")), "{}", workplace.words());
}

#[tokio::test]
async fn no_other_deposit_is_asked_for_while_another_transaction_spends_the_first() {
    let mut sky = sky().await;
    let (trade, _) = sky.funded().await;
    let psbt = kept(&sky, "refund").await;
    sky.reorganises(1, Fate::Waiting).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    spent_by_two(&sky, psbt, [&sky.story.alice, &sky.story.bob]).await;
    sky.both_read(trade, "A transaction that was not made here spends the coins").await;
    sky.both_read(trade, "Another transaction spends the coins").await;
    reads_nothing_of(&sky, &sky.story.bob, trade, "Lock 0.00").await;
    reads_nothing_of(&sky, &sky.story.bob, trade, "Check and show the address").await;
}

#[tokio::test]
async fn no_change_of_the_contract_is_offered_after_the_coins_were_in_escrow() {
    let mut sky = sky().await;
    let trade = sky.small().await;
    sky.page_offers(&sky.story.bob, trade, "amendment").await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.mines(1).await;
    is_double_spent(&sky, &coin).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    for sent in [0, 300_000] {
        if sent > 0 {
            sky.sends(trade, sent).await;
            sky.mines(1).await;
            reads(&sky, &sky.story.bob, trade, "Short by 0.00 500 000 BTC").await;
        }
        for who in [&sky.story.alice, &sky.story.bob] {
            sky.page_lacks(who, trade, "amendment").await;
        }
        let funding = sky.story.bob.browser.get(&format!("/trades/{trade}/funding")).await;
        assert!(!funding.body.contains("/amendment"), "{}", funding.words());
    }
}

#[tokio::test]
async fn a_short_deposit_whose_time_is_over_promises_no_change_of_the_contract() {
    let mut sky = sky().await;
    let trade = sky.small().await;
    sky.sends(trade, 300_000).await;
    sky.mines(1).await;
    sky.page_offers(&sky.story.bob, trade, "amendment").await;
    // The desk ends the window with the next block; until then the pages know that it is over.
    sky.story.site.advance(jiff::SignedDuration::from_mins(181));
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    for who in [&sky.story.alice, &sky.story.bob] {
        sky.page_lacks(who, trade, "amendment").await;
        reads(&sky, who, trade, "More would come too late. The coins go back to the seller").await;
    }
    let funding = sky.story.bob.browser.get(&format!("/trades/{trade}/funding")).await;
    assert!(funding.words().contains("comes too late to count"), "{}", funding.words());
    assert!(!funding.body.contains("/amendment"), "{}", funding.words());
}

#[tokio::test]
async fn after_a_new_deposit_each_reads_what_is_so_of_the_payment() {
    let mut sky = sky().await;
    let (trade, coin) = sky.paid().await;
    is_double_spent(&sky, &coin).await;
    let again = sky.world.coin().await;
    sky.deposits_from(&again, trade).await;
    sky.mines(1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("payment_sent", false));
    let (alice, bob) = (&sky.story.alice, &sky.story.bob);
    reads(&sky, alice, trade, "Sign the release again").await;
    reads_nothing_of(&sky, alice, trade, "The seller sees your money").await;
    sky.page_offers(alice, trade, "payment-release").await;
    reads(&sky, bob, trade, "Has 400.00 EUR arrived?").await;
    reads(&sky, bob, trade, "alice Example").await;
    reads(&sky, bob, trade, "I am looking into it").await;
    reads_nothing_of(&sky, bob, trade, "You have seen the money").await;
    sky.page_lacks(bob, trade, "release").await;
    sky.story.signs(alice, trade, "payment-release", &[]).await;
    sky.page_offers(bob, trade, "release").await;
}

#[tokio::test]
async fn a_seller_who_saw_the_money_first_reads_so() {
    let mut sky = sky().await;
    let (trade, _) = sky.funded().await;
    assert_eq!(sky.story.press(&sky.story.bob, trade, "payment-seen").await.status, 303);
    reads(&sky, &sky.story.bob, trade, "You have seen the money").await;
    reads(&sky, &sky.story.alice, trade, "The seller sees your money").await;
}

#[tokio::test]
async fn no_release_is_asked_for_when_a_part_of_the_coins_is_lost() {
    let mut sky = sky().await;
    let (trade, coin, _) = paid_with_two(&mut sky).await;
    is_double_spent(&sky, &coin).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "payment_sent");
    sky.both_read(trade, "The coins cannot be released as agreed").await;
    sky.page_lacks(&sky.story.alice, trade, "payment-release").await;
    sky.page_lacks(&sky.story.bob, trade, "release").await;
    reads(&sky, &sky.story.bob, trade, "alice Example").await;
    reads_nothing_of(&sky, &sky.story.bob, trade, "A new deposit has taken the place").await;
    sky.both_read(trade, "Clocks go on").await;
    for who in [&sky.story.alice, &sky.story.bob] {
        sky.page_offers(who, trade, "settlement").await;
    }
}

#[tokio::test]
async fn a_ruling_over_more_than_is_left_is_withdrawn_and_not_signed() {
    let mut sky = sky().await;
    let (trade, coin, _) = paid_with_two(&mut sky).await;
    sky.story.opens_dispute(&sky.story.alice, trade, "not_released", "release").await;
    sky.story.speaks(&sky.story.bob, trade, "Nothing came.").await;
    sky.story.rules(trade, "release", "").await;
    is_double_spent(&sky, &coin).await;
    sky.mines(1).await;
    sky.story.later(24 * 60 + 1).await;
    assert_eq!((sky.stage(trade).await.as_str(), sky.state(trade).await.frozen), ("ruled", false));
    sky.all_read(trade, "The ruling does not fit what is left in escrow").await;
    let place = format!("/arbitration/{trade}");
    let workplace = sky.story.carol.browser.get(&place).await;
    assert!(workplace.words().contains("withdraw it and rule again"), "{}", workplace.words());
    assert!(!workplace.body.contains(&format!("{place}/payout")), "{}", workplace.words());
    for who in [&sky.story.alice, &sky.story.bob] {
        let ruling = who.browser.get(&format!("/trades/{trade}/ruling")).await;
        assert!(ruling.words().contains("It does not fit what is left in escrow"), "{}", ruling.words());
        assert!(!ruling.words().contains("Co-sign the payout"), "{}", ruling.words());
    }
    let version = sky.story.version(trade, &sky.story.carol).await;
    let fields = [("version", version.as_str())];
    assert_eq!(sky.story.carol.browser.post(&format!("{place}/ruling/withdrawal"), &fields).await.status, 303);
    assert_eq!(sky.stage(trade).await, "disputed");
}

#[tokio::test]
async fn a_frozen_trade_asks_its_seller_for_the_whole_deposit_once_it_is_gone() {
    let mut sky = sky().await;
    let (trade, coin) = sky.paid().await;
    sky.reorganises(1, Fate::Waiting).await;
    let funding = format!("/trades/{trade}/funding");
    let (alice, bob) = (&sky.story.alice, &sky.story.bob);
    reads(&sky, bob, trade, "Send nothing either").await;
    assert!(bob.browser.get(&funding).await.words().contains("Send nothing more to this address"));
    sky.takes_back(&coin).await;
    sky.works().await;
    reads(&sky, bob, trade, "Show the address again").await;
    let page = bob.browser.get(&funding).await;
    assert!(page.words().contains("Send 0.00 800 000 BTC again"), "{}", page.words());
    assert!(page.words().contains("it takes the place of the old deposit"), "{}", page.words());
    let address = sky.row(trade).await.address;
    assert!(page.body.contains(&format!("bitcoin:{address}?amount=0.008")), "{}", page.body);
    assert!(page.envelope()["top_up_sat"].is_null(), "the signer asks for the deposit of the contract");
    assert!(alice.browser.get(&funding).await.words().contains("Do not send anything here"));
    // Two halves hold less than the whole: the second pays for being spent.
    for _ in 0..2 {
        let coin = sky.world.coin().await;
        sky.sends_from(&coin, trade, 400_000, super::FEE).await;
    }
    reads(&sky, bob, trade, "Show the address again").await;
    let again = sky.world.coin().await;
    sky.deposits_from(&again, trade).await;
    assert!(bob.browser.get(&funding).await.words().contains("Send nothing more to this address"), "it is on its way");
    sky.mines(1).await;
    assert!(!sky.state(trade).await.frozen);
}

#[tokio::test]
async fn a_deposit_that_goes_back_is_not_asked_for_again() {
    let mut sky = sky().await;
    let (trade, coin) = sky.funded().await;
    sky.story.signs(&sky.story.alice, trade, "cancellation", &["not_paid"]).await;
    reads_nothing_of(&sky, &sky.story.alice, trade, "You receive").await;
    reads(&sky, &sky.story.bob, trade, "A refund gives you").await;
    is_double_spent(&sky, &coin).await;
    assert!(sky.state(trade).await.frozen);
    reads_nothing_of(&sky, &sky.story.bob, trade, "Show the address again").await;
    reads_nothing_of(&sky, &sky.story.bob, trade, "is seen on the network and waits").await;
    reads(&sky, &sky.story.bob, trade, "is not seen on the network at present").await;
    let funding = sky.story.bob.browser.get(&format!("/trades/{trade}/funding")).await;
    assert!(funding.words().contains("Send nothing more to this address"), "{}", funding.words());
}

#[tokio::test]
async fn a_deposit_that_a_ruling_sends_back_is_not_asked_for_again() {
    let mut sky = sky().await;
    let (trade, coin) = sky.disputed().await;
    sky.story.speaks(&sky.story.alice, trade, "I sent it.").await;
    sky.story.rules(trade, "refund", "").await;
    is_double_spent(&sky, &coin).await;
    assert!(sky.state(trade).await.frozen);
    reads_nothing_of(&sky, &sky.story.bob, trade, "Show the address again").await;
    reads(&sky, &sky.story.bob, trade, "send nothing in its place").await;
}

#[tokio::test]
async fn a_lost_deposit_is_told_as_no_payout() {
    let mut sky = sky().await;
    let (trade, coin) = sky.paid().await;
    sky.releases(trade).await;
    is_double_spent(&sky, &coin).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "lost");
    for who in [&sky.story.alice, &sky.story.bob] {
        reads_nothing_of(&sky, who, trade, "You received").await;
        reads_nothing_of(&sky, who, trade, "empty: paid out").await;
        let payout = who.browser.get(&format!("/trades/{trade}/payout")).await;
        assert!(!payout.words().contains("It is confirmed"), "{}", payout.words());
    }
}

#[tokio::test]
async fn a_ruling_that_refunds_everything_promises_the_buyer_nothing() {
    let mut sky = sky().await;
    let (trade, _) = sky.disputed().await;
    sky.story.speaks(&sky.story.alice, trade, "I sent it.").await;
    reads(&sky, &sky.story.alice, trade, "You receive").await;
    sky.story.rules(trade, "refund", "").await;
    reads_nothing_of(&sky, &sky.story.alice, trade, "You receive").await;
    reads_nothing_of(&sky, &sky.story.alice, trade, "gives you").await;
    reads(&sky, &sky.story.bob, trade, "The ruling gives you").await;
}

#[tokio::test]
async fn a_trade_whose_deposit_is_not_confirmed_in_time_can_be_left_by_a_button() {
    let mut sky = sky().await;
    let trade = sky.small().await;
    let coin = sky.world.coin().await;
    sky.deposits_from(&coin, trade).await;
    sky.page_lacks(&sky.story.alice, trade, "cancel").await;
    sky.world.mine_empty(1).await;
    sky.story.later(181).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    for who in [&sky.story.alice, &sky.story.bob] {
        reads(&sky, who, trade, "Coins that confirm later go back to the seller").await;
        reads(&sky, who, trade, "Cancel the trade").await;
    }
    assert_eq!(sky.story.press(&sky.story.alice, trade, "cancel").await.status, 303);
    assert_eq!(sky.stage(trade).await, "cancelled");
}

#[tokio::test]
async fn a_refusal_inside_a_trade_leads_back_to_it() {
    let mut sky = sky().await;
    let (trade, _) = sky.funded().await;
    let refused = sky.story.press(&sky.story.bob, trade, "payment/answer").await;
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains(&format!("href=\"/trades/{trade}\"")), "{}", refused.body);
    let early = sky.story.bob.browser.get(&format!("/trades/{trade}/unpaid")).await;
    assert!(early.words().contains("Back to the trade"), "{}", early.words());
    let stranger = sky.story.carol.browser.get("/trades/00000000/payment").await;
    assert!(!stranger.body.contains("/trades/00000000\""), "{}", stranger.body);
}
