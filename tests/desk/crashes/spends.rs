//! The chain as a killed desk left it: how often an escrow was spent.

use bitcoin::OutPoint;
use trine::chain::Chain;
use trine::chain::practice::Practice;
use trine::domain::PublicRef;
use trine::store::{deposits, trades};

use crate::harness::Site;

/// How many transactions of the chain spend outputs of this trade's escrow.
pub async fn payouts_on(chain: &Practice, site: &Site, trade: PublicRef) -> usize {
    let client = site.desk.store.connection().await.unwrap();
    let row = trades::find(&client, trade).await.unwrap().unwrap();
    let outputs = deposits::of_trade(&client, row.id).await.unwrap();
    let escrow: Vec<OutPoint> = outputs.iter().map(|output| output.outpoint).collect();
    let height = chain.tip().await.unwrap().block.height;
    let transactions = (0..=height).flat_map(|height| chain.block(height).unwrap().txdata);
    transactions.filter(|one| one.input.iter().any(|input| escrow.contains(&input.previous_output))).count()
}
