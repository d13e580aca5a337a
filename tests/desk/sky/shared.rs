//! Transactions with very many outputs to one escrow.

use std::sync::Arc;

use bitcoin::Psbt;
use trine::store::deposits;

use super::Sky;
use crate::chains::coins::pay;
use crate::chains::world::World;

/// Whoever likes may send an exchange's payments of a whole day.
#[tokio::test]
async fn a_deposit_among_very_many_outputs_of_one_transaction_is_kept_once_and_released() {
    let mut sky = Sky::over(World::practice_today()).await;
    let trade = sky.small().await;
    let (row, coin) = (sky.row(trade).await, sky.world.coin().await);
    let mut outputs = vec![(row.script.clone(), row.deposit.to_sat())];
    outputs.resize(501, (row.script.clone(), 400));
    let sent = pay(&coin, &outputs, 100_000);
    assert!(sent.base_size() > 20_000);
    sky.world.broadcast(&sent).await;
    sky.works().await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "funded");

    let sql = sky.story.site.sql().await;
    assert_eq!(sql.count("deposit_transactions").await, 1);
    let client = sky.story.site.desk.store.connection().await.unwrap();
    let kept = deposits::of_trade(&client, row.id).await.unwrap();
    assert!(kept.len() >= 501 && kept.iter().all(|one| Arc::ptr_eq(&one.transaction, &kept[0].transaction)));
    drop(client);
    let psbts = sql.query("SELECT psbt FROM payouts", &[]).await.unwrap();
    assert!(psbts.len() >= 4);
    for psbt in psbts.iter().map(|row| Psbt::deserialize(row.get(0)).unwrap()) {
        assert!(psbt.serialize().len() < 20_000 && psbt.inputs.iter().all(|input| input.non_witness_utxo.is_none()));
    }

    sky.marks(trade).await;
    sky.releases(trade).await;
    sky.mines(1).await;
    assert_eq!(sky.stage(trade).await, "completed");
    let after = deposits::of_trade(&sky.story.site.desk.store.connection().await.unwrap(), row.id).await.unwrap();
    let spender = after.iter().find_map(|one| one.spender.clone()).expect("where the coins went");
    assert_eq!(Some(spender.compute_txid()), sky.row(trade).await.payout_txid);
    assert_eq!(sql.count("deposit_transactions").await, 2);
}
