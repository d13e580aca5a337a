//! Pictures of a trade, sealed. The desk seals and opens them; here they are bytes.

use jiff::Timestamp;

use super::{GenericClient, Stored};
use crate::domain::{AttachmentId, TradeId, UserId};

/// A picture to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewAttachment<'a> {
    pub id: AttachmentId,
    pub trade: TradeId,
    pub account: UserId,
    /// SHA-256 of what was uploaded, which itself is not kept.
    pub upload_sha256: &'a [u8; 32],
    pub media_type: &'a str,
    pub width: i32,
    pub height: i32,
    pub sealed: &'a [u8],
    pub at: Timestamp,
}

const INSERT: &str = "
    INSERT INTO attachments (id, trade, account, upload_sha256, media_type, width, height, sealed, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

pub async fn insert(client: &impl GenericClient, new: NewAttachment<'_>) -> Stored<()> {
    let statement = client.prepare_cached(INSERT).await?;
    client
        .execute(
            &statement,
            &[
                &new.id.0,
                &new.trade.0,
                &new.account.0,
                &new.upload_sha256.as_slice(),
                &new.media_type,
                &new.width,
                &new.height,
                &new.sealed,
                &new.at,
            ],
        )
        .await?;
    Ok(())
}

/// A kept picture.
#[derive(Debug, Clone)]
pub struct AttachmentRow {
    pub media_type: String,
    pub sealed: Vec<u8>,
}

const FIND: &str = "SELECT media_type, sealed FROM attachments WHERE trade = $1 AND id = $2";

/// A picture of this trade.
pub async fn find(client: &impl GenericClient, trade: TradeId, id: AttachmentId) -> Stored<Option<AttachmentRow>> {
    let statement = client.prepare_cached(FIND).await?;
    let Some(row) = client.query_opt(&statement, &[&trade.0, &id.0]).await? else { return Ok(None) };
    Ok(Some(AttachmentRow { media_type: row.try_get(0)?, sealed: row.try_get(1)? }))
}
