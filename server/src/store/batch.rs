//! A transaction whose beginning goes out together with its first statement: one answer less to wait for.

use deadpool_postgres::Object;

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

    pub async fn commit(self) -> Stored<()> {
        self.end("COMMIT").await
    }

    pub async fn rollback(self) -> Stored<()> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &str) -> Stored<()> {
        self.client()?.batch_execute(how).await?;
        // It goes back to the others.
        drop(self.0.take());
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}
