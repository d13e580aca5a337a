//! What the chain and the clock do.

use bitcoin::{Psbt, Transaction};
use trine::chain::practice::Fate;
use trine::store::payouts;

use super::Storm;
use crate::chains::coins::{Coin, anyones_script, pay, spend_anyones};
use crate::sky::spends;

const FEE: u64 = 1_000;

/// A minute, an hour, a day and more than any window or patience of the desk.
const SPANS: [i64; 8] = [1, 20, 61, 61, 181, 24 * 60 + 1, 24 * 60 + 1, 8 * 24 * 60];

impl Storm {
    pub(super) async fn time_passes(&mut self) {
        let minutes = self.dice.one_of(&SPANS);
        self.tells(format!("{minutes} minutes pass"));
        self.sky.story.later(minutes).await;
    }

    pub(super) async fn weather(&mut self) {
        match self.dice.below(20) {
            0..=2 => self.somebody_pays().await,
            3 => self.a_payment_is_replaced(true).await,
            4 => self.a_payment_is_replaced(false).await,
            5..=10 => self.blocks_come().await,
            11..=13 => self.blocks_leave().await,
            14 => self.one_is_forgotten().await,
            15..=16 => self.one_is_sent_again().await,
            17 => self.a_kit_is_used().await,
            _ => self.pays_what_is_due().await,
        }
    }

    pub(super) async fn pays_what_is_due(&mut self) {
        let due = self.sky.row(self.trade).await.deposit.to_sat();
        self.pays(due).await;
    }

    async fn somebody_pays(&mut self) {
        let due = self.sky.row(self.trade).await.deposit.to_sat();
        let sats =
            self.dice.one_of(&[due / 2, due / 2 + 1, due / 10, due * 9 / 10, due + 40_000, 2 * due, 1_500, 30_000]);
        self.pays(sats).await;
    }

    async fn pays(&mut self, sats: u64) {
        let coin = self.sky.world.coin().await;
        self.tells(format!("{sats} sat are paid in"));
        let sent = pay(&coin, &[(self.sky.script(self.trade).await, sats)], FEE);
        self.coins.push((coin, FEE));
        self.is_handed_over(sent).await;
    }

    /// The network takes it, or refuses it.
    async fn is_handed_over(&mut self, transaction: Transaction) {
        let taken = self.sky.world.chain.broadcast(&transaction).await;
        let words = taken.err().map(|why| format!(": {why}")).unwrap_or_default();
        self.tells(format!("  {}{words}", transaction.compute_txid()));
        self.sent.push(transaction);
        self.sky.story.work().await;
    }

    /// The owner of a coin spends it again: to himself, or into the escrow with another sum.
    async fn a_payment_is_replaced(&mut self, back: bool) {
        let Some(place) = self.coins.len().checked_sub(1).map(|last| self.dice.below(last + 1)) else { return };
        self.coins[place].1 += 10_000;
        let (coin, fee): (Coin, u64) = self.coins[place].clone();
        let script = if back { anyones_script() } else { self.sky.script(self.trade).await };
        let due = self.sky.row(self.trade).await.deposit.to_sat();
        let sats = if back { coin.output.value.to_sat() - fee } else { due };
        self.tells(format!("the coin {} is spent again, back: {back}", coin.outpoint));
        let again = if back {
            spend_anyones(std::slice::from_ref(&coin), &[(script, sats)])
        } else {
            pay(&coin, &[(script, sats)], fee)
        };
        self.is_handed_over(again).await;
    }

    async fn blocks_come(&mut self) {
        let blocks = [1, 1, 1, 2, 3][self.dice.below(5)];
        let empty = self.dice.below(6) == 0;
        self.tells(format!("{blocks} blocks, empty: {empty}"));
        if empty { self.sky.world.mine_empty(blocks).await } else { self.sky.world.mine(blocks).await }
    }

    async fn blocks_leave(&mut self) {
        let depth = [1, 1, 2, 3, 7][self.dice.below(5)];
        let fates = [Fate::Mined, Fate::Waiting, Fate::Waiting, Fate::Forgotten];
        let fate = self.dice.one_of(&fates[..if self.sky.world.forgets() { 4 } else { 3 }]);
        self.tells(format!("{depth} blocks leave the chain: {fate:?}"));
        self.sky.world.reorganise(depth, fate).await;
        // Sometimes the desk sees only what came after.
        if self.dice.below(3) == 0 {
            self.weather_before_the_desk_looks().await;
        }
    }

    async fn weather_before_the_desk_looks(&mut self) {
        self.tells("  before the desk looks:".into());
        let Some(place) = self.coins.len().checked_sub(1).map(|last| self.dice.below(last + 1)) else { return };
        self.coins[place].1 += 10_000;
        let (coin, fee) = self.coins[place].clone();
        let kept = vec![(anyones_script(), coin.output.value.to_sat() - fee)];
        let back = spend_anyones(std::slice::from_ref(&coin), &kept);
        let taken = self.sky.world.chain.broadcast(&back).await;
        self.tells(format!("  the coin {} goes back: {}", coin.outpoint, taken.is_ok()));
        self.sent.push(back);
        self.sky.world.mine(1).await;
    }

    async fn one_is_forgotten(&mut self) {
        if !self.sky.world.forgets() {
            return;
        }
        let Some(place) = self.sent.len().checked_sub(1).map(|last| self.dice.below(last + 1)) else { return };
        let one = self.sent[place].clone();
        self.tells(format!("{} is forgotten", one.compute_txid()));
        self.sky.world.forget(&one);
        if self.dice.below(2) == 0 {
            // Nor does the desk hand it over again.
            trine::desk::watcher::watch_once(&self.sky.story.site.desk).await.unwrap();
            let sql = self.sky.story.site.sql().await;
            let done = "UPDATE outbox SET done_at = now() WHERE kind = 'deposit' AND done_at IS NULL";
            sql.batch_execute(done).await.unwrap();
        }
    }

    async fn one_is_sent_again(&mut self) {
        let Some(place) = self.sent.len().checked_sub(1).map(|last| self.dice.below(last + 1)) else { return };
        let one = self.sent[place].clone();
        self.tells("sent again:".into());
        self.is_handed_over(one).await;
    }

    /// Two of the three spend the escrow by themselves.
    async fn a_kit_is_used(&mut self) {
        let row = self.sky.row(self.trade).await;
        let client = self.sky.story.site.desk.store.connection().await.unwrap();
        let kept = payouts::of_trade(&client, row.id).await.unwrap();
        drop(client);
        // Most storms should not end so.
        if kept.is_empty() || self.dice.below(3) != 0 {
            return;
        }
        let one = &kept[self.dice.below(kept.len())];
        let mut psbt = Psbt::deserialize(&one.psbt).unwrap();
        let (kind, way) = (one.kind.clone(), self.dice.below(4));
        psbt = match way {
            0 if psbt.inputs.len() == 2 => spends::of_the_larger(psbt),
            1 => spends::elsewhere(psbt, anyones_script()),
            _ => psbt,
        };
        let two = [[0, 1], [0, 2], [1, 2]][self.dice.below(3)];
        let spent = spends::two_sign(psbt, two.map(|who| self.everybody()[who]));
        self.tells(format!("a {kind} is made with kits, way {way}"));
        self.is_handed_over(spent).await;
    }
}
