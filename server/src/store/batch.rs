//! A transaction whose beginning goes out together with its first statement, and its end with the last: two answers less
//! to wait for.

use deadpool_postgres::Object;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::{Connection, StoreError, Stored};

/// A connection with a transaction. Unless that was brought to its end, the connection ends with its owner, and the
/// database undoes what was not committed.
#[derive(Debug)]
pub struct Batch(pub(super) Option<Connection>);

impl Batch {
    pub fn client(&self) -> Stored<&Connection> {
        self.0.as_ref().ok_or_else(|| StoreError::Row("a batch that has ended".into()))
    }

    /// To be sent together with the first statement, before it.
    pub async fn begin(&self) -> Stored<()> {
        Ok(self.client()?.batch_execute("BEGIN").await?)
    }

    /// Commits, together with the last statement, which goes out before it. Should that one fail, nothing is committed.
    pub(super) async fn commit_with(mut self, last: &Statement, values: &[&(dyn ToSql + Sync)]) -> Stored<()> {
        let client = self.client()?;
        let (written, ended) = tokio::join!(biased; client.execute(last, values), client.batch_execute("COMMIT"));
        if ended.is_ok() {
            self.give_back();
        }
        written?;
        Ok(ended?)
    }

    pub async fn rollback(mut self) -> Stored<()> {
        self.client()?.batch_execute("ROLLBACK").await?;
        self.give_back();
        Ok(())
    }

    /// The connection goes back to the others.
    fn give_back(&mut self) {
        drop(self.0.take());
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}
