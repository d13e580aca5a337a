//! Pictures people send: decoded within limits and written anew, so that nothing but their pixels is kept.

pub mod reencoding;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use self::reencoding::{Picture, SIDE_PIXELS_MAX, UPLOAD_BYTES_MAX};
use self::reencoding::{reencode_now, too_heavy, unreadable};
use super::{Desk, Done, Error};
use crate::domain::{AttachmentId, TradeId, UserId};
use crate::store::GenericClient;
use crate::store::attachments::{self, NewAttachment};

/// Pictures decoded at the same time: each may take a core and hundreds of megabytes.
static AT_WORK: Semaphore = Semaphore::const_new(2);

/// Makes a picture of an upload, or says beside the field `picture` why not.
pub async fn reencode(upload: Vec<u8>) -> Done<Picture> {
    if upload.len() > UPLOAD_BYTES_MAX {
        return Err(too_heavy().into());
    }
    let _turn = AT_WORK.acquire().await.map_err(|_| Error::broken("the pictures' semaphore is closed"))?;
    match tokio::task::spawn_blocking(move || reencode_now(&upload)).await {
        Ok(picture) => Ok(picture?),
        // A decoder that panics has met a file made to break it; that is the file's fault, not ours.
        Err(_) => Err(unreadable().into()),
    }
}

/// Where a picture is sealed to.
pub(super) fn place(id: AttachmentId) -> String {
    format!("attachment {id}")
}

/// Keeps a picture with its trade, sealed.
pub async fn keep(
    desk: &Desk,
    client: &impl GenericClient,
    trade: TradeId,
    account: UserId,
    picture: &Picture,
    at: Timestamp,
) -> Done<AttachmentId> {
    let id = AttachmentId(Uuid::now_v7());
    let side = |pixels: u32| i32::try_from(pixels).unwrap_or(i32::MAX);
    let new = NewAttachment {
        id,
        trade,
        account,
        upload_sha256: &picture.upload_sha256,
        media_type: picture.media_type,
        width: side(picture.width),
        height: side(picture.height),
        sealed: &desk.secrets.seal(&place(id), &picture.bytes)?,
        at,
    };
    attachments::insert(client, new).await?;
    Ok(id)
}
