//! The chain as a killed desk left it: what spends an escrow is what was agreed, once.

use std::collections::BTreeSet;

use bitcoin::{Amount, OutPoint, Psbt, Transaction, Witness};
use trine::chain::Chain;
use trine::chain::practice::Practice;
use trine::domain::PublicRef;
use trine::store::{deposits, payouts, trades};

use crate::harness::cast::{Person, Story};

/// One transaction of the chain spends this trade's escrow: the payout that its row names, as it is kept. Every satoshi
/// of it goes where that payout says.
pub async fn paid_as_agreed(chain: &Practice, story: &Story, trade: PublicRef) {
    let client = story.site.desk.store.connection().await.unwrap();
    let row = trades::find(&client, trade).await.unwrap().unwrap();
    let outputs = deposits::of_trade(&client, row.id).await.unwrap();
    let kept = payouts::of_trade(&client, row.id).await.unwrap();
    drop(client);
    let escrow: BTreeSet<OutPoint> = outputs.iter().map(|output| output.outpoint).collect();
    let spends = spends(chain, &escrow).await;
    let [paid] = spends.as_slice() else { panic!("{} transactions spend the escrow of {trade}", spends.len()) };
    let txid = paid.compute_txid();
    assert_eq!(row.payout_txid, Some(txid), "the row of {trade} names another payout");
    let payout = kept.iter().find(|payout| payout.txid == txid);
    let payout = payout.unwrap_or_else(|| panic!("{txid} is none of the payouts of {trade}"));
    let agreed = Psbt::deserialize(&payout.psbt).unwrap().unsigned_tx;
    assert_eq!(unsigned(paid), agreed, "what is kept for {trade} is not what was paid");

    let funding = outputs.iter().filter(|output| output.funding);
    let total: Amount = funding.clone().map(|output| output.value).sum();
    let set: BTreeSet<OutPoint> = funding.map(|output| output.outpoint).collect();
    let spent: BTreeSet<OutPoint> = paid.input.iter().map(|input| input.previous_output).collect();
    assert_eq!(spent, set, "the payout of {trade} spends its funding set");
    let (buyer, seller) = (reaches(paid, &story.alice), reaches(paid, &story.bob));
    assert_eq!(buyer + seller + payout.fee, total, "satoshis of {trade} have gone elsewhere");
    match payout.about {
        None => assert_eq!((buyer, seller), (payout.buyer, payout.seller), "{trade}"),
        // The parts of a settlement or a ruling are those before the miner fee.
        Some(_) => assert!(buyer <= payout.buyer && seller <= payout.seller, "{trade}: {buyer} and {seller}"),
    }
    if payout.kind == "release" && set.len() == 1 {
        assert_eq!((buyer, seller), (row.amount - payout.fee, Amount::ZERO), "{trade}");
    }
}

/// The transactions of the chain that spend one of these.
async fn spends(chain: &Practice, escrow: &BTreeSet<OutPoint>) -> Vec<Transaction> {
    let height = chain.tip().await.unwrap().block.height;
    let transactions = (0..=height).flat_map(|height| chain.block(height).unwrap().txdata);
    transactions.filter(|one| one.input.iter().any(|input| escrow.contains(&input.previous_output))).collect()
}

fn unsigned(signed: &Transaction) -> Transaction {
    let mut bare = signed.clone();
    for input in &mut bare.input {
        input.witness = Witness::new();
    }
    bare
}

/// What a transaction pays to somebody's address.
fn reaches(transaction: &Transaction, who: &Person) -> Amount {
    let script = who.address.script_pubkey();
    transaction.output.iter().filter(|output| output.script_pubkey == script).map(|output| output.value).sum()
}
