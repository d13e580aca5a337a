//! What is true at every moment, whatever happens.

use std::collections::BTreeMap;

use bitcoin::{Amount, OutPoint, Transaction, Txid};
use trine::desk::books;
use trine::domain::Stage;
use trine::domain::trade::Outcome;
use trine::store::deposits::{self, DepositRow};
use trine::store::trades::TradeRow;

use super::Storm;

/// An output at the escrow's address, as the blocks have it: its sum, its height, and what spends it at which.
pub(super) struct Held {
    pub value: Amount,
    pub height: u32,
    pub spent: Option<(Transaction, u32)>,
}

impl Storm {
    /// What the blocks hold at the address.
    pub(super) async fn held(&self) -> BTreeMap<OutPoint, Held> {
        let script = self.sky.script(self.trade).await;
        let mut held = BTreeMap::new();
        for height in 0..=self.sky.world.height().await {
            for transaction in self.sky.world.block(height).await.txdata {
                for input in &transaction.input {
                    if let Some(one) = held.get_mut(&input.previous_output) {
                        let one: &mut Held = one;
                        one.spent = Some((transaction.clone(), height));
                    }
                }
                let txid = transaction.compute_txid();
                for (output, vout) in transaction.output.iter().zip(0_u32..) {
                    if output.script_pubkey == script {
                        held.insert(OutPoint { txid, vout }, Held { value: output.value, height, spent: None });
                    }
                }
            }
        }
        held
    }

    pub(super) async fn deposits(&self, row: &TradeRow) -> Vec<DepositRow> {
        let client = self.sky.story.site.desk.store.connection().await.unwrap();
        deposits::of_trade(&client, row.id).await.unwrap()
    }

    pub(super) async fn is_true(&mut self) {
        let row = self.sky.row(self.trade).await;
        self.tells(format!(
            "    {}{} {:?} deposit {:?}",
            row.state.stage,
            if row.state.frozen { " (frozen)" } else { "" },
            row.state.outcome,
            row.state.deposit
        ));
        let (held, kept) = (self.held().await, self.deposits(&row).await);
        the_books_have_what_the_blocks_have(&held, &kept);
        whoever_is_told_it_is_over_is_told_the_truth(&row, &held, &kept);
        self.the_buyer_is_asked_for_nothing_in_vain(&row, &held, &kept).await;
        self.nothing_is_told_twice().await;
        if self.dice.below(8) == 0 {
            let report = books::check(&self.sky.story.site.desk).await.unwrap();
            assert_eq!(report.problems, Vec::<String>::new());
        }
    }

    /// Where the buyer is told to pay, the agreed deposit is there, in blocks, and nobody spends it.
    async fn the_buyer_is_asked_for_nothing_in_vain(
        &self,
        row: &TradeRow,
        held: &BTreeMap<OutPoint, Held>,
        kept: &[DepositRow],
    ) {
        let path = format!("/trades/{}/payment", self.trade);
        let page = self.sky.story.alice.browser.get(&path).await;
        if page.status != 200 {
            return;
        }
        let set = kept.iter().filter(|one| one.funding);
        let there =
            |one: &&DepositRow| one.spent_by.is_none() && held.get(&one.outpoint).is_some_and(|at| at.spent.is_none());
        let sum: Amount = set.filter(there).map(|one| one.value).sum();
        assert!(sum >= row.deposit, "alice is told to pay, and {sum} of {} are in escrow", row.deposit);
    }

    /// Judging again says nothing new.
    async fn nothing_is_told_twice(&self) {
        self.judges_again().await;
        let (told, lines) = (self.sky.row(self.trade).await, self.lines().await);
        self.judges_again().await;
        assert_eq!(self.sky.row(self.trade).await.state, told.state, "the desk said something new of nothing");
        assert_eq!(self.lines().await, lines, "the desk said something again");
    }

    async fn judges_again(&self) {
        let again =
            "UPDATE outbox SET done_at = NULL WHERE number IN (SELECT max(number) FROM outbox WHERE kind = 'judge')";
        self.sky.story.site.sql().await.batch_execute(again).await.unwrap();
        self.sky.works().await;
    }

    /// So much is in logs and rooms.
    async fn lines(&self) -> i64 {
        let lines = "SELECT (SELECT count(*) FROM trade_events) + (SELECT count(*) FROM messages)";
        self.sky.story.site.sql().await.one(lines).await
    }
}

fn the_books_have_what_the_blocks_have(held: &BTreeMap<OutPoint, Held>, kept: &[DepositRow]) {
    for (outpoint, one) in held {
        let row = kept.iter().find(|row| row.outpoint == *outpoint).unwrap_or_else(|| panic!("{outpoint} is unknown"));
        assert_eq!((row.value, row.height, row.gone_at), (one.value, Some(one.height), None), "{outpoint}");
        let spent: Option<(Txid, u32)> = one.spent.as_ref().map(|(by, height)| (by.compute_txid(), *height));
        match spent {
            Some((by, height)) => {
                assert_eq!((row.spent_by, row.spent_height), (Some(by), Some(height)), "{outpoint}");
            }
            None => assert_eq!(row.spent_height, None, "{outpoint} is not spent in a block"),
        }
    }
    for row in kept.iter().filter(|row| row.height.is_some() && row.gone_at.is_none()) {
        assert!(held.contains_key(&row.outpoint), "{} is in no block", row.outpoint);
    }
}

/// A trade that ended with a payout was paid out, by the transaction that its page names.
fn whoever_is_told_it_is_over_is_told_the_truth(row: &TradeRow, held: &BTreeMap<OutPoint, Held>, kept: &[DepositRow]) {
    if row.state.stage != Stage::Completed || row.state.outcome == Some(Outcome::Lost) {
        return;
    }
    let by = row.payout_txid.expect("a payout has a transaction");
    let spends = |one: &Held| one.spent.as_ref().is_some_and(|(spender, _)| spender.compute_txid() == by);
    assert!(held.values().any(spends), "{by} is in no block");
    for one in kept.iter().filter(|one| one.funding && one.gone_at.is_none()) {
        let is_spent = held.get(&one.outpoint).is_some_and(|at| at.spent.is_some());
        assert!(is_spent, "{} is in escrow, and the trade is over", one.outpoint);
    }
}
