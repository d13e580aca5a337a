//! Two keys that spend the escrow without the desk: the trade ends with what really happened.

use bitcoin::{Amount, Psbt, ScriptBuf, Transaction};
use miniscript::psbt::PsbtExt;
use trine::chain::practice::Fate;
use trine::domain::PublicRef;

use super::{Sky, under_every_server, under_every_sky};
use crate::chains::coins::anyones_script;
use crate::chains::world::World;
use crate::harness::cast::Person;

under_every_sky! {
    a_release_made_with_a_kit_closes_a_funded_trade,
    a_release_made_with_a_kit_closes_a_disputed_trade,
    a_refund_made_with_a_kit_closes_a_trade_whose_refund_is_due,
    a_release_made_with_a_kit_closes_a_trade_that_was_ruled_otherwise,
    an_older_refund_that_wins_closes_a_trade_that_is_paying_out,
    a_refund_that_takes_a_confirmed_releases_place_is_what_the_trade_ended_with,
    coins_that_go_elsewhere_end_the_trade_as_other_in_words,
    a_deposit_spent_before_it_counted_ends_the_trade,
    a_part_that_is_spent_leaves_the_rest_to_go_back,
}

under_every_server! {
    a_release_made_with_a_kit_closes_a_funded_trade,
}

/// The payout of this kind, as the desk keeps it: any kit has the same.
pub(super) async fn kept(sky: &Sky, kind: &str) -> Psbt {
    let sql = sky.story.site.sql().await;
    let row = sql.query("SELECT psbt FROM payouts WHERE kind = $1 ORDER BY fee_sat DESC", &[&kind]).await.unwrap();
    Psbt::deserialize(row[0].get(0)).unwrap()
}

/// Two of the three sign by themselves, and one of them gives it to the network.
pub async fn spent_by_two(sky: &Sky, psbt: Psbt, people: [&Person; 2]) -> Transaction {
    let transaction = two_sign(psbt, people);
    sky.world.broadcast(&transaction).await;
    sky.works().await;
    transaction
}

/// Two of the three sign by themselves.
pub fn two_sign(mut psbt: Psbt, people: [&Person; 2]) -> Transaction {
    for person in people {
        person.wallet.sign(&mut psbt).unwrap();
    }
    psbt.finalize_mut(&bitcoin::secp256k1::Secp256k1::new()).unwrap();
    psbt.extract_tx().unwrap()
}

/// Of two inputs only the one that holds more, with a high fee.
pub fn of_the_larger(psbt: Psbt) -> Psbt {
    of_one(psbt, |held| *held.iter().max().unwrap())
}

/// Of two inputs only the one that holds less, with a high fee.
pub(super) fn of_the_smaller(psbt: Psbt) -> Psbt {
    of_one(psbt, |held| *held.iter().min().unwrap())
}

fn of_one(mut psbt: Psbt, chosen: impl Fn(&[Amount]) -> Amount) -> Psbt {
    let held: Vec<Amount> = psbt.inputs.iter().map(|input| input.witness_utxo.as_ref().unwrap().value).collect();
    let chosen = chosen(&held);
    let place = held.iter().position(|value| *value == chosen).unwrap();
    psbt.unsigned_tx.output[0].value = chosen - Amount::from_sat(10_000);
    psbt.unsigned_tx.input = vec![psbt.unsigned_tx.input[place].clone()];
    psbt.inputs = vec![psbt.inputs[place].clone()];
    psbt
}

/// The same inputs to another place.
pub fn elsewhere(mut psbt: Psbt, script: ScriptBuf) -> Psbt {
    let paid: Amount = psbt.unsigned_tx.output.iter().map(|output| output.value).sum();
    psbt.unsigned_tx.output.truncate(1);
    psbt.outputs.truncate(1);
    psbt.unsigned_tx.output[0].value = paid;
    psbt.unsigned_tx.output[0].script_pubkey = script;
    psbt
}

async fn ended(sky: &Sky, trade: PublicRef, by: &Transaction) -> String {
    assert_eq!(sky.stage(trade).await, "completed");
    assert_eq!(sky.row(trade).await.payout_txid, Some(by.compute_txid()), "the page names what really happened");
    sky.state(trade).await.outcome.unwrap().to_string()
}

async fn a_release_made_with_a_kit_closes_a_funded_trade(sky: &mut Sky) {
    let (trade, _) = sky.funded().await;
    let by = spent_by_two(sky, kept(sky, "release").await, [&sky.story.alice, &sky.story.bob]).await;
    assert_eq!(sky.stage(trade).await, "funded", "only confirmation moves the stage");
    sky.all_read(trade, "A transaction that was not made here spends the coins of this escrow").await;
    assert_eq!(sky.story.alice.browser.get(&format!("/trades/{trade}/payment")).await.status, 409);
    sky.mines(1).await;
    assert_eq!(ended(sky, trade, &by).await, "released");
}

async fn a_release_made_with_a_kit_closes_a_disputed_trade(sky: &mut Sky) {
    let (trade, _) = sky.disputed().await;
    let by = spent_by_two(sky, kept(sky, "release").await, [&sky.story.alice, &sky.story.carol]).await;
    sky.mines(1).await;
    assert_eq!(ended(sky, trade, &by).await, "released");
    let open: i64 = sky.story.site.sql().await.one("SELECT count(*) FROM disputes WHERE closed_at IS NULL").await;
    assert_eq!(open, 0);
}

/// Alice's signature and the desk are not waited for.
async fn a_refund_made_with_a_kit_closes_a_trade_whose_refund_is_due(sky: &mut Sky) {
    let (trade, _) = sky.funded().await;
    sky.story.signs(&sky.story.alice, trade, "cancellation", &["not_paid"]).await;
    assert_eq!(sky.stage(trade).await, "refund_due");
    let by = spent_by_two(sky, kept(sky, "refund").await, [&sky.story.bob, &sky.story.carol]).await;
    assert_eq!(sky.stage(trade).await, "refund_due", "only confirmation moves the stage");
    sky.all_read(trade, "A transaction that was not made here spends the coins of this escrow").await;
    sky.mines(1).await;
    assert_eq!(ended(sky, trade, &by).await, "refunded");
}

async fn a_release_made_with_a_kit_closes_a_trade_that_was_ruled_otherwise(sky: &mut Sky) {
    let (trade, _) = sky.disputed().await;
    sky.story.later(24 * 60 + 1).await;
    sky.story.rules(trade, "split", "60").await;
    let by = spent_by_two(sky, kept(sky, "release").await, [&sky.story.alice, &sky.story.bob]).await;
    assert_eq!(sky.stage(trade).await, "ruled", "only confirmation moves the stage");
    sky.all_read(trade, "A transaction that was not made here spends the coins of this escrow").await;
    sky.mines(1).await;
    assert_eq!(ended(sky, trade, &by).await, "released");
    let open: i64 = sky.story.site.sql().await.one("SELECT count(*) FROM disputes WHERE closed_at IS NULL").await;
    assert_eq!(open, 0);
}

async fn an_older_refund_that_wins_closes_a_trade_that_is_paying_out(sky: &mut Sky) {
    let (trade, _) = sky.paid().await;
    sky.releases(trade).await;
    assert_eq!(sky.stage(trade).await, "paying_out");
    // The dearest fee step replaces what waits.
    let by = spent_by_two(sky, kept(sky, "refund").await, [&sky.story.carol, &sky.story.bob]).await;
    sky.mines(1).await;
    assert_eq!(ended(sky, trade, &by).await, "refunded");
}

/// The release leaves the chain and the refund of a kit is in it, before the desk looks again.
async fn a_refund_that_takes_a_confirmed_releases_place_is_what_the_trade_ended_with(sky: &mut Sky) {
    let (trade, _) = sky.paid().await;
    sky.releases(trade).await;
    sky.mines(1).await;
    let release = sky.row(trade).await.payout_txid.unwrap();
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
    sky.world.reorganise(1, Fate::Waiting).await;
    let release = sky.world.chain.transaction(release, None).await.unwrap().expect("it waits");
    let refund = two_sign(kept(sky, "refund").await, [&sky.story.bob, &sky.story.carol]);
    sky.world.mine_only(&refund, &[release]).await;
    sky.works().await;
    assert_eq!(ended(sky, trade, &refund).await, "refunded");
    sky.both_read(trade, &refund.compute_txid().to_string()).await;
    // Nobody sends the release again: it spends what is gone.
    sky.mines(1).await;
    assert_eq!(ended(sky, trade, &refund).await, "refunded");
}

async fn coins_that_go_elsewhere_end_the_trade_as_other_in_words(sky: &mut Sky) {
    let (trade, _) = sky.paid().await;
    let psbt = elsewhere(kept(sky, "refund").await, anyones_script());
    let by = spent_by_two(sky, psbt, [&sky.story.bob, &sky.story.carol]).await;
    sky.mines(1).await;
    assert_eq!(ended(sky, trade, &by).await, "other");
    sky.both_read(trade, "to addresses that are not of this contract").await;
}

async fn a_deposit_spent_before_it_counted_ends_the_trade(sky: &mut Sky) {
    let (trade, _) = sky.funded().await;
    let psbt = kept(sky, "refund").await;
    sky.reorganises(1, Fate::Waiting).await;
    assert_eq!(sky.stage(trade).await, "awaiting_deposit");
    // Deposit and spend in one block: there is nothing to count.
    let by = spent_by_two(sky, psbt, [&sky.story.alice, &sky.story.bob]).await;
    sky.mines(1).await;
    assert_eq!(ended(sky, trade, &by).await, "refunded");
}

async fn a_part_that_is_spent_leaves_the_rest_to_go_back(sky: &mut Sky) {
    let trade = sky.small().await;
    let due = sky.row(trade).await.deposit.to_sat();
    sky.sends(trade, due - 100_000).await;
    sky.sends(trade, 150_000).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
    let psbt = of_the_larger(kept(sky, "refund").await);
    spent_by_two(sky, psbt, [&sky.story.alice, &sky.story.bob]).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");
    sky.all_read(trade, "A part of the coins is gone").await;
    assert_eq!(sky.state(trade).await.deposit.confirmed, Amount::from_sat(150_000));
    sky.story.signs(&sky.story.alice, trade, "cancellation", &["not_paid"]).await;
    sky.story.signs(&sky.story.bob, trade, "refund", &[]).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
}

/// Whoever made it may send it again. If nobody does, the coins are where they were, and nobody may be stuck with them.
#[tokio::test]
async fn a_payout_made_elsewhere_that_the_chain_forgets_calls_the_arbitrator() {
    let mut sky = Sky::over(World::practice_today()).await;
    let (trade, _) = sky.paid().await;
    let by = spent_by_two(&sky, kept(&sky, "refund").await, [&sky.story.bob, &sky.story.carol]).await;
    sky.mines(1).await;
    assert_eq!(ended(&sky, trade, &by).await, "refunded");
    sky.reorganises(1, Fate::Forgotten).await;
    assert_eq!(sky.stage(trade).await, "disputed");
    sky.both_read(trade, "The payout will not arrive as it was signed.").await;
    // Alice's signature is over the same coins, and counts as before.
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.state(trade).await.outcome.unwrap().as_str(), "released");
}
