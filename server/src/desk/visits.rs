//! Somebody knocks: who is behind a cookie, and whether the desk is there at all.

use super::secrets::sha256;
use super::{Desk, Error};
use crate::store::sessions;

pub use crate::store::sessions::SignedInRow as SignedIn;

/// Who is signed in with this token; notes that the browser was here.
pub async fn signed_in(desk: &Desk, token: &str) -> Result<Option<SignedIn>, Error> {
    let client = desk.store.connection().await?;
    let found = sessions::find(&client, &sha256(token)).await?;
    if let Some(row) = &found {
        sessions::touch(&client, row.session).await?;
    }
    Ok(found)
}

/// The database answers.
pub async fn ready(desk: &Desk) -> Result<(), Error> {
    desk.now(&desk.store.connection().await?).await.map(drop)
}
