//! A chain whose sight can be taken away: it answers as the one behind it does, or with the trouble of the day.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bitcoin::{BlockHash, FeeRate, OutPoint, ScriptBuf, Transaction, Txid};
use tokio::sync::Notify;
use trine::chain::{Answer, Chain, ChainError, Coin, Cursor, Facts, Tip, Unspent, Watched};

#[derive(Debug, Default)]
pub struct Weather {
    behind: OnceLock<Arc<dyn Chain>>,
    trouble: Mutex<Option<ChainError>>,
    minimum: Mutex<Option<FeeRate>>,
    estimate: Mutex<Option<FeeRate>>,
    cuts: Mutex<Option<String>>,
    keeps_waiting: AtomicBool,
    asked: Notify,
}

impl Weather {
    /// Puts it in front of a chain, once.
    pub fn over(&self, chain: Arc<dyn Chain>) {
        self.behind.set(chain).unwrap();
    }

    /// From now on every question gets this answer.
    pub fn turns_bad(&self, trouble: ChainError) {
        *self.trouble.lock().unwrap() = Some(trouble);
    }

    pub fn clears(&self) {
        *self.trouble.lock().unwrap() = None;
    }

    /// The mempool is full of what pays this: less is refused, unless it comes in a package that pays it on the whole.
    pub fn mempool_minimum(&self, rate: Option<FeeRate>) {
        *self.minimum.lock().unwrap() = rate;
    }

    /// Every estimate is this.
    pub fn estimates(&self, rate: FeeRate) {
        *self.estimate.lock().unwrap() = Some(rate);
    }

    /// Whoever asks for a transaction from now on gets no answer at all.
    pub fn keeps_waiting(&self) {
        self.keeps_waiting.store(true, Ordering::SeqCst);
    }

    /// Until somebody waits for that.
    pub async fn is_asked(&self) {
        self.asked.notified().await;
    }

    /// While the next transaction is handed over, whoever waits for the chain in this database loses its connection.
    pub fn cuts_who_waits(&self, database_url: String) {
        *self.cuts.lock().unwrap() = Some(database_url);
    }

    async fn cut(&self) {
        let Some(url) = self.cuts.lock().unwrap().take() else { return };
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let waiting = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
                        WHERE datname = current_database() AND state = 'idle in transaction'";
        assert_eq!(client.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0), 1);
    }

    /// What they pay together, for their size.
    async fn enough(&self, package: &[Transaction]) -> Result<(), ChainError> {
        let Some(minimum) = *self.minimum.lock().unwrap() else { return Ok(()) };
        let (mut fee, mut weight, mut whole) = (0, 0, package.to_vec());
        for transaction in package {
            for input in &transaction.input {
                let OutPoint { txid, vout } = input.previous_output;
                let known = whole.iter().find(|one| one.compute_txid() == txid).cloned();
                let from = match known {
                    Some(from) => from,
                    None => self.transaction(txid, None).await?.expect("a known coin"),
                };
                fee += from.output[vout as usize].value.to_sat();
                whole.push(from);
            }
            fee -= transaction.output.iter().map(|output| output.value.to_sat()).sum::<u64>();
            weight += transaction.weight().to_wu();
        }
        if fee * 1_000 >= minimum.to_sat_per_kwu() * weight {
            return Ok(());
        }
        Err(ChainError::rejected(format!("mempool min fee not met, {fee} is too little")))
    }

    fn through<'a, T: 'a>(&'a self, ask: impl FnOnce(&'a dyn Chain) -> Answer<'a, T>) -> Answer<'a, T> {
        match self.trouble.lock().unwrap().clone() {
            Some(trouble) => Box::pin(async move { Err(trouble) }),
            None => ask(self.behind.get().unwrap().as_ref()),
        }
    }
}

impl Chain for Weather {
    fn tip(&self) -> Answer<'_, Tip> {
        self.through(|chain| chain.tip())
    }

    fn cursor_at(&self, height: u32) -> Answer<'_, Cursor> {
        self.through(move |chain| chain.cursor_at(height))
    }

    fn facts_since<'a>(&'a self, cursor: &'a Cursor, watched: &'a Watched) -> Answer<'a, Facts> {
        self.through(move |chain| chain.facts_since(cursor, watched))
    }

    fn coins_at<'a>(&'a self, scripts: &'a [ScriptBuf]) -> Answer<'a, Vec<Coin>> {
        self.through(move |chain| chain.coins_at(scripts))
    }

    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<Unspent>> {
        self.through(move |chain| chain.unspent(outpoint))
    }

    fn transaction(&self, txid: Txid, block: Option<BlockHash>) -> Answer<'_, Option<Transaction>> {
        if self.keeps_waiting.load(Ordering::SeqCst) {
            self.asked.notify_one();
            return Box::pin(std::future::pending());
        }
        self.through(move |chain| chain.transaction(txid, block))
    }

    fn test_accept<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        Box::pin(async move {
            self.cut().await;
            self.enough(std::slice::from_ref(transaction)).await?;
            self.through(move |chain| chain.test_accept(transaction)).await
        })
    }

    fn broadcast<'a>(&'a self, transaction: &'a Transaction) -> Answer<'a, ()> {
        Box::pin(async move {
            self.enough(std::slice::from_ref(transaction)).await?;
            self.through(move |chain| chain.broadcast(transaction)).await
        })
    }

    fn submit_package<'a>(&'a self, package: &'a [Transaction]) -> Answer<'a, ()> {
        Box::pin(async move {
            self.enough(package).await?;
            self.through(move |chain| chain.submit_package(package)).await
        })
    }

    fn fee_rate(&self, target_blocks: u16) -> Answer<'_, FeeRate> {
        if let Some(rate) = *self.estimate.lock().unwrap() {
            return Box::pin(async move { Ok(rate) });
        }
        self.through(move |chain| chain.fee_rate(target_blocks))
    }
}
